//! The command line.
#![expect(clippy::print_stdout, reason = "what a command prints is its answer")]

mod diff;
mod doctor;
mod explain;
mod init;
mod reload;
mod revoke;
mod run;
mod sessions;
mod users;
mod watch;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    app::{self, Built, World},
    clock::Clock,
    config::load::{Loaded, Loader},
    observe::log::AccessLog,
};

/// An authentication gateway for HTTP APIs: it proves who is asking, the way Django REST framework
/// does, and tells the service behind in headers it can trust.
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
  portcullis check                         say what is wrong with it
  portcullis                               serve
  portcullis explain GET /api/orders/ -H 'Authorization: Token 9944b09199c6'
  printf %s \"$PASSWORD\" | portcullis user create alice --password-stdin
  portcullis schema > gateway.schema.json  for editors

Files:
  gateway.yaml   The configuration. Paths in it, and of an SQLite store, are relative to the folder
                 that the command is started in.
  gateway.db     The embedded store, where none is named.

Environment:
  ${NAME} in the configuration is the variable NAME. (`secret_key_file: PATH`, and the like, is what
  stands in a file.) Listening sockets of systemd's come by LISTEN_FDS.

Signals:
  SIGHUP   Read the configuration again; a bad one changes nothing.
  SIGTERM  End, when open requests have finished (SIGINT too).
  SIGUSR2  Start the binary anew, hand it the sockets, and end.

Exit status:
  0  Done.
  1  It failed: what was asked for is not so, or the configuration is bad. Standard error says why.
  2  The command line cannot be read.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (what happens without a command).
    ///
    /// SIGHUP reads the configuration again: a good one replaces the old one between two requests,
    /// a bad one is reported and the old one stays. SIGTERM ends: open requests finish first,
    /// within `limits.drain`. SIGUSR2 starts the binary anew, hands it the sockets and ends.
    Run {
        /// Read the configuration again whenever its file has another content.
        #[arg(long)]
        watch: bool,
    },
    /// Write a configuration for a Django project that keeps what it does.
    ///
    /// Reads the project's real settings and URLs with its own Python; opens no database and
    /// writes nothing into the project. Says what could not be carried over, and the lines that
    /// the project needs so that it believes the gateway.
    Init(init::Arguments),
    /// Say everything that is wrong with the configuration; start nothing.
    ///
    /// Exits with 0 if a gateway can be built from it, else with 1 and a list of problems, each
    /// with its line and what would be right.
    Check {
        /// Say what would change from this file, setting by setting; secrets are not shown.
        #[arg(long, value_name = "FILE")]
        diff: Option<PathBuf>,
    },
    /// Say what would happen to a request: its route, what each scheme makes of it, the rule that
    /// decides, and what the upstream would see. Nothing is sent.
    ///
    /// With `--request`, what the gateway that runs has decided of one of the last requests: the id
    /// stands at the end of its access line, and in warnings about it.
    Explain(explain::Arguments),
    /// Attack the configured upstreams as a stranger could who reaches them around the gateway.
    ///
    /// Sends GET requests straight to each server: without anything, with forged identity headers
    /// in the spellings that servers fold, and with assertions that are unsigned, foreign, expired
    /// or for somebody else. Exits with 1 if one of them gets in, and if that cannot be told: a
    /// server does not answer, or answers alike to everybody (`unsure`).
    Doctor(doctor::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Users of the store.
    #[command(subcommand)]
    User(users::User),
    /// Tokens of Django REST framework: make, list, delete.
    ///
    /// `create` does what `manage.py drf_create_token` does and prints what it prints; with `-r` the old
    /// token is dead before the new one is told. A user has one token.
    #[command(subcommand)]
    Token(users::Token),
    /// API keys; only their SHA-256 is kept.
    #[command(subcommand)]
    ApiKey(users::ApiKey),
    /// Django's sessions: list and end them.
    ///
    /// A session is named by the beginning of its key's SHA-256, so that a list can be pasted into a
    /// ticket. What is ended is refused by the next request. Signed cookies cannot be listed or ended.
    #[command(subcommand)]
    Session(sessions::Session),
    /// django-rest-knox's tokens: delete all of a user's. For one of them see `revoke`.
    #[command(subcommand)]
    Knox(sessions::Knox),
    /// End one credential, which comes from standard input, as it was found.
    ///
    /// A token, a knox token, a refresh or sliding token, a session's key, an API key; the word before
    /// it (`Token …`) may be there. The next request with it is refused, by every gateway that hears
    /// of it, and the command says how many have. What cannot be ended is said to be so: an access
    /// token of simplejwt's (its user can be disabled), a session in a signed cookie.
    ///
    /// For example: portcullis revoke < found.txt
    #[command(verbatim_doc_comment)]
    Revoke,
    /// The store itself: triggers that tell every gateway at once what Django ends.
    #[command(subcommand)]
    Store(sessions::Store),
    /// Hash a password from standard input as the configuration says; for `auth_user.password`.
    HashPassword,
    /// Print the SHA-256 of a key from standard input, for `keys:` of an `api_key` scheme.
    HashKey,
}

/// A user's name.
#[derive(Debug, Args)]
struct Username {
    /// The user's name, exactly as stored.
    username: String,
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for whoever typed it.
pub fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Run { watch: false }) {
        Command::Run { watch } => run::run(cli.config, watch),
        Command::Init(arguments) => init::init(&cli.config, &arguments),
        Command::Check { diff } => check(cli.config, diff.as_deref()),
        Command::Explain(arguments) => explain::explain(cli.config, arguments),
        Command::Doctor(arguments) => doctor::doctor(cli.config, &arguments),
        Command::Schema => {
            // Whoever reads the beginning only has had enough.
            let _ = std::io::stdout().write_all(crate::config::schema().as_bytes());
            Ok(())
        }
        Command::User(command) => on_store(cli.config, |built| users::user(built, command)),
        Command::Token(command) => on_store(cli.config, |built| users::token(built, command)),
        Command::ApiKey(command) => on_store(cli.config, |built| users::api_key(built, command)),
        Command::Session(command) => {
            on_store(cli.config, |built| sessions::session(built, command))
        }
        Command::Knox(command) => on_store(cli.config, |built| sessions::knox(built, command)),
        Command::Revoke => on_store(cli.config, revoke::revoke),
        Command::Store(command) => on_store(cli.config, |built| sessions::store(built, command)),
        Command::HashPassword => on_store(cli.config, users::hash_password),
        Command::HashKey => {
            let key = users::secret_from_stdin("Key: ")?;
            println!("{}", crate::crypto::digest::sha256_hex(key.reveal().as_bytes()));
            Ok(())
        }
    }
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
    Ok(Loader { path, environment: &environment }.load()?)
}

fn control() -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("control").enable_all();
    builder.build().context("the control runtime cannot start")
}

fn check(path: PathBuf, before: Option<&Path>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let changes = before.map(|before| diff::changes(before, &path)).transpose()?;
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let world = World::new(&loaded.document, clock, control.handle().clone(), AccessLog::off());
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    if let Some(warning) = built.serving.gateway.memory.sessions.warning() {
        println!("warning: {warning}");
    }
    println!("{name} is good: {} routes", built.serving.gateway.router.routes().count());
    match changes.as_deref() {
        None => {}
        Some("") => println!("nothing would change"),
        Some(changes) => print!("\n{changes}"),
    }
    Ok(())
}

/// Runs a command that needs the store and nothing else of the gateway.
fn on_store<F>(path: PathBuf, command: impl FnOnce(Built) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let world = World::new(&loaded.document, clock, control.handle().clone(), AccessLog::off());
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    control.block_on(async {
        built.store.create_tables().await?;
        command(built).await
    })
}
