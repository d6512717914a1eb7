//! The command line.

mod diff;
mod doctor;
mod explain;
mod init;
mod natively;
mod reload;
mod revoke;
mod run;
mod store;
mod users;
mod watch;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};

use crate::{
    app::{self, Built, Ground, ProcessState},
    clock::{Clock, Timestamp},
    config::load::{Loaded, Loader},
    crypto::pem,
    observe::log::AccessLog,
    package::{self, Commands, PACKAGES, Site, print_line, secret_from_stdin},
    value::Problems,
};

/// An authentication gateway for HTTP APIs: it authenticates each request as Django REST framework
/// does, and forwards the caller's identity to the upstream service in headers that it can trust.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100, after_long_help = MORE)]
pub struct Cli {
    /// The configuration.
    #[arg(long, short, global = true, default_value = "gateway.yaml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What else there is to know of it, in the order of a manual page.
const MORE: &str = "\
Examples:
  portcullis init --django manage.py       write gateway.yaml for a Django project
  portcullis check                         report every mistake in it
  portcullis                               serve
  portcullis explain GET /api/orders/ -H 'Authorization: Token 9944b09199c6'
  printf %s \"$PASSWORD\" | portcullis user create alice --password-stdin
  portcullis schema > gateway.schema.json  for editors

Files:
  gateway.yaml   The configuration. Paths in it, and of an SQLite store, are relative to the folder
                 that the command is started in.
  gateway.db     The embedded store, where none is named.

Environment:
  ${NAME} in the configuration is replaced by the variable NAME. (`secret_key_file: PATH`, and each
  key of a secret with `_file`, reads the value from a file.) LISTEN_FDS passes systemd's sockets.

Signals:
  SIGHUP   Reload the configuration; an invalid one changes nothing.
  SIGTERM  Shut down once open requests have finished (SIGINT too).
  SIGUSR2  Start the binary again, pass it the listening sockets, and shut down.

Exit status:
  0  Success.
  1  Failure, or an invalid configuration. Standard error says why.
  2  The command line is invalid.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default command).
    ///
    /// SIGHUP reloads the configuration: a valid one replaces the old one between two requests, an
    /// invalid one is reported and the old one stays. SIGTERM shuts down: open requests finish
    /// first, within `limits.drain`. SIGUSR2 starts the binary again, passes it the listening
    /// sockets, and shuts down.
    Run {
        /// Reload the configuration whenever the content of its file changes.
        #[arg(long)]
        watch: bool,
    },
    /// Write a configuration for a Django project that keeps what it does.
    ///
    /// Reads the project's real settings and URLs with its own Python; opens no database and
    /// writes nothing into the project. Reports what could not be carried over, and prints the
    /// lines that make the project trust the gateway.
    Init(init::Arguments),
    /// Report every mistake in the configuration; start nothing.
    ///
    /// Exits with 0 if a gateway can be built from it, else with 1 and a list of problems, each
    /// with its line and remedy.
    Check {
        /// Ask the store too, and fail if it does not answer. Without it the store is asked, and may
        /// be away.
        #[arg(long)]
        store: bool,
        /// Try everything that the configuration reaches over the network, as requests will: the store, the
        /// services behind, issuers' keys and callouts; and fail if one cannot be used.
        #[arg(long)]
        network: bool,
        /// List each setting that differs from this older file; secrets are not shown.
        #[arg(long, value_name = "FILE")]
        diff: Option<PathBuf>,
    },
    /// Show how a request would be decided: its route, the result of each scheme, the rule that
    /// applies, and what the upstream would receive. Nothing is sent.
    ///
    /// With `--request`, shows how the running gateway decided a recent request: its id is at the
    /// end of the access line, and in warnings about the request.
    Explain(explain::Arguments),
    /// Test whether the configured upstreams can be entered by requests that bypass the gateway.
    ///
    /// Sends GET requests directly to each server: without credentials, with forged identity headers
    /// in the spellings that servers normalize, and with assertions that are unsigned, signed by
    /// another key, expired, or for another user. Exits with 1 if one of them is admitted, or if the
    /// result is unknown: a server does not answer, or answers every request alike (`unsure`).
    Doctor(doctor::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema {
        /// Print every key with its meaning and default, as a page to read.
        #[arg(long)]
        markdown: bool,
    },
    /// Manage the store's users.
    #[command(subcommand)]
    User(users::User),
    /// Revoke one credential, read from standard input.
    ///
    /// A token, a knox token, a refresh or sliding token, a session key or an API key, with or without
    /// its keyword (`Token …`). Every gateway that was notified refuses the next request with it; the
    /// command prints how many were. Reports credentials that cannot be revoked: an access token of
    /// simplejwt (disable its user instead), a session in a signed cookie.
    ///
    /// For example: portcullis revoke < found.txt
    #[command(verbatim_doc_comment)]
    Revoke,
    /// Manage the store: triggers that notify every gateway at once of what Django revokes.
    #[command(subcommand)]
    Store(store::Store),
    /// Hash a password from standard input with the configured hasher, for `auth_user.password`.
    HashPassword,
    /// Print the SHA-256 of a key from standard input, for `keys:` of an `api_key` scheme.
    HashKey,
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for the terminal.
pub fn main() -> anyhow::Result<()> {
    let matches = command().get_matches();
    if let Some((word, matches)) = matches.subcommand()
        && let Some(of_package) = package_commands().find(|commands| commands.word == word)
    {
        let config = matches.get_one::<PathBuf>("config").cloned().unwrap_or_default();
        let matches = matches.clone();
        return on_site(config, |site| (of_package.run)(matches, site));
    }
    let cli = Cli::from_arg_matches(&matches)?;
    match cli.command.unwrap_or(Command::Run { watch: false }) {
        Command::Run { watch } => run::run(cli.config, watch),
        Command::Init(arguments) => init::init(&cli.config, &arguments),
        Command::Check { diff, store, network } => {
            check(cli.config, diff.as_deref(), store || network, network)
        }
        Command::Explain(arguments) => explain::explain(cli.config, arguments),
        Command::Doctor(arguments) => doctor::doctor(cli.config, &arguments),
        Command::Schema { markdown } => {
            let text = if markdown { crate::config::reference() } else { crate::config::schema() };
            // A reader that closes the pipe early has what it wanted.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        Command::User(command) => on_site(cli.config, |site| Box::pin(users::user(site, command))),
        Command::Revoke => on_site(cli.config, |site| Box::pin(revoke::revoke(site))),
        Command::Store(command) => {
            on_site(cli.config, |site| Box::pin(store::store(site, command)))
        }
        Command::HashPassword => on_site(cli.config, |site| Box::pin(users::hash_password(site))),
        Command::HashKey => {
            let key = secret_from_stdin("Key: ")?;
            print_line!("{}", crate::crypto::digest::sha256_hex(key.reveal().as_bytes()));
            Ok(())
        }
    }
}

fn package_commands() -> impl Iterator<Item = &'static Commands> {
    PACKAGES.iter().flat_map(|package| package.commands)
}

/// The command line: the gateway's own commands, and those of packages.
fn command() -> clap::Command {
    package_commands().fold(Cli::command(), |command, of_package| {
        command.subcommand((of_package.define)(clap::Command::new(of_package.word)))
    })
}

fn load(path: PathBuf) -> anyhow::Result<Loaded> {
    if !path.exists() {
        bail!(
            "there is no {}; name another with --config, or begin with:\n\n{}",
            path.display(),
            "listen: 127.0.0.1:8080\nroutes:\n  - path: /\n    upstream: http://127.0.0.1:8000\n\n\
             or, for a Django project: portcullis init --django path/to/manage.py"
        );
    }
    let environment = |name: &str| std::env::var(name).ok();
    Ok(Loader { path, environment: &environment, problems: &app::problems }.load()?)
}

fn control() -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("control").enable_all();
    builder.build().context("the control runtime cannot start")
}

fn check(path: PathBuf, before: Option<&Path>, store: bool, network: bool) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let changes = before.map(|before| diff::changes(before, &path)).transpose()?;
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let process =
        ProcessState::new(&loaded.document, clock, control.handle().clone(), AccessLog::off());
    let built = app::build(&loaded.document, &process).map_err(|p| loaded.report(p))?;
    for warning in warnings(&loaded, &built, process.clock.now()) {
        print_line!("warning: {warning}");
    }
    match control.block_on(built.db.examine()) {
        Ok(problems) if problems.is_empty() => {}
        Ok(problems) => bail!("{}", store_lacks(&problems)),
        Err(error) if store => match built.db.missing() {
            Some(missing) => bail!("{missing}"),
            None => return Err(error).context("the store was not asked"),
        },
        // The file of an embedded store is made by `run`.
        Err(_) if built.db.is_yet_to_be_made() => {}
        Err(_) => match built.db.missing() {
            Some(missing) => print_line!("warning: {missing}"),
            None => {
                print_line!("warning: the store does not answer, so its tables were not looked at")
            }
        },
    }
    if network {
        control.block_on(try_network(&built))?;
    }
    let routes = built.serving.gateway.router.routes().count();
    print_line!("{name} is valid: {routes} {}", if routes == 1 { "route" } else { "routes" });
    match changes.as_deref() {
        None => {}
        Some("") => print_line!("nothing would change"),
        Some(changes) => print_line!("\n{}", changes.trim_end()),
    }
    Ok(())
}

/// What there is to say of a configuration that is used all the same.
fn warnings(loaded: &Loaded, built: &Built, now: Timestamp) -> Vec<String> {
    let certificates = loaded.files.iter().flat_map(|file| pem::invalid(file, now)).map(|what| {
        format!(
            "the certificate {what}, and is refused: put a new one in its place; `run --watch` takes it at \
             once, any other `run` at SIGHUP"
        )
    });
    built.warnings.iter().cloned().chain(certificates).collect()
}

/// Prints what was found of each service.
async fn try_network(built: &Built) -> anyhow::Result<()> {
    let mut lost = 0;
    for probe in &built.probes {
        match probe.ask().await {
            Ok(found) => print_line!("reached   {}: {found}", probe.what),
            Err(cause) => {
                lost += 1;
                print_line!("no use    {}: {cause}", probe.what);
            }
        }
    }
    let (routes, _) = built.serving.gateway.without_server().await;
    for route in &routes {
        print_line!("no server behind the route {route}");
    }
    match lost + routes.len() {
        0 => Ok(()),
        1 => bail!("1 service cannot be used"),
        count => bail!("{count} services cannot be used"),
    }
}

/// What the store's own words come to.
fn store_lacks(problems: &[String]) -> String {
    let problems: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    format!(
        "the store does not fit the configuration, and requests with such a credential would be refused \
         or 503:\n{}\nIs it the project's database, and has the project migrated it? Tables and columns of \
         users are named in `store.user_model`",
        problems.join("\n")
    )
}

/// Runs a command on what packages are built from.
fn on_site<F>(path: PathBuf, command: F) -> anyhow::Result<()>
where
    F: for<'a> FnOnce(&'a Site<'a>) -> LocalBoxFuture<'a, anyhow::Result<()>>,
{
    let loaded = load(path)?;
    let control = control()?;
    let handle = control.handle().clone();
    let process = ProcessState::new(&loaded.document, Clock::system(), handle, AccessLog::off());
    // What is wrong anywhere in the file is told, whatever the command is about.
    let built = app::build(&loaded.document, &process).map_err(|p| loaded.report(p))?;
    let mut problems = Problems::default();
    let ground = Ground::new(&loaded.document, &process, &mut problems)?;
    let site = ground.site(&loaded.document, &process);
    built.db.reserved().iter().for_each(|name| site.db.reserve(name));
    problems.0.extend(package::build_all(&site).0);
    control.block_on(async {
        site.db.create_tables().await?;
        command(&site).await
    })
}
