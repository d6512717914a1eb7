//! `portcullis doctor`: attacks the configured upstreams with requests that bypass the gateway, asks
//! through the gateway without a good credential, and reports which requests get in.

mod around;
mod through;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::Args;
use hyper::{Uri, http::uri::PathAndQuery};

use self::around::Patient;
use super::{control, load, natively};
use crate::{
    app::{self, ProcessState},
    client::HttpClient,
    clock::Clock,
    config::{Document, Route},
    crypto::keys::SigningKeys,
    forward,
    observe::log::AccessLog,
    package::{Entry, print_line},
    store::Database,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path that requires an authenticated caller, best one whose answer names the caller.
    #[arg(long, default_value = "/", value_parser = path_of)]
    path: PathAndQuery,
    /// The user to impersonate, who has to exist in the service [default: the store's first user].
    #[arg(long)]
    user: Option<String>,
    /// The `Host` to send, where the service requires one [default: the server's address].
    #[arg(long)]
    host: Option<String>,
}

fn path_of(text: &str) -> Result<PathAndQuery, String> {
    match text.parse() {
        Ok(path) if text.starts_with('/') => Ok(path),
        _ => Err("write a path that starts with a slash, percent-encoded".into()),
    }
}

/// The results for all servers.
#[derive(Default)]
struct Findings {
    ways_in: usize,
    unsure: usize,
    /// Servers that keep credentials from the project.
    lost: usize,
    examined: usize,
}

pub(super) fn doctor(path: std::path::PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let native = natively::read(&path)?;
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let access = AccessLog::off();
    let world =
        ProcessState::new(&loaded.document, clock.clone(), control.handle().clone(), access);
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    let (user, id) = control.block_on(victim(&built.db, arguments.user.as_deref()))?;
    let http = HttpClient::new(control.handle(), clock.clone());
    let mut findings = Findings::default();
    for (server, identity) in upstreams(&loaded.document) {
        print_line!("{server}");
        let Some(uri) = address(&server, &arguments.path) else {
            print_line!("  skipped   a file: its mode decides who reaches it");
            continue;
        };
        let mut patient = Patient {
            http: &http,
            uri,
            host: arguments.host.as_deref(),
            user: &user,
            id: id.as_deref(),
            identity,
            keys: loaded.document.secret_key.as_ref().and_then(|key| SigningKeys::new(key).ok()),
            schemes: schemes(&loaded.document, arguments.path.path()),
            scheme: None,
            names_others: names_others(&loaded.document),
            now: clock.now(),
        };
        findings.examined += 1;
        if let Err(error) = control.block_on(patient.examine(&mut findings)) {
            print_line!("  no answer {error:#}; is it running?");
            findings.unsure += 1;
        }
    }
    let through = through::through(&http, &loaded.document, arguments, &native, &mut findings);
    control.block_on(through);
    match findings {
        Findings { ways_in: 0, lost: 1.., .. } => {
            bail!("the project does not get the credentials that it judges: see above")
        }
        Findings { ways_in: 0, unsure: 0, examined: 0, .. } => {
            print_line!("\nThere is no upstream to examine.");
        }
        Findings { ways_in: 0, unsure: 0, .. } => {
            print_line!("\nNo request gets in around the gateway.")
        }
        Findings { ways_in: 0, .. } => bail!("could not tell whether a request gets in: see above"),
        Findings { ways_in: 1, .. } => bail!("1 way in around the gateway"),
        Findings { ways_in, .. } => bail!("{ways_in} ways in around the gateway"),
    }
    Ok(())
}

/// The user to impersonate, with the primary key if the store has the user.
type Victim = (String, Option<String>);

/// The one that is named, or the store's first.
async fn victim(store: &Database, named: Option<&str>) -> anyhow::Result<Victim> {
    let name = match named {
        Some(name) => name.to_owned(),
        None => {
            let names = store.usernames().await;
            let names = names.context("the store does not answer; name a user with --user")?;
            names.into_iter().next().context("the store has no user; name one with --user")?
        }
    };
    let row = store.user_by_name(&name).await.ok().flatten();
    Ok((name, row.map(|user| user.id.to_string())))
}

/// Each server once, with the identity that a route sends to it.
fn upstreams(document: &Document) -> BTreeMap<String, &forward::Config> {
    let mut servers = BTreeMap::new();
    for route in &document.routes {
        let identity = route.identity.as_ref().unwrap_or(&document.identity);
        for server in route.upstream.iter().flat_map(|upstream| upstream.servers()) {
            if server != "echo" {
                servers.entry(server.clone()).or_insert(identity);
            }
        }
    }
    servers
}

/// The names of the schemes that a path is judged by.
fn schemes(document: &Document, path: &str) -> Vec<String> {
    let own = route(document, path).and_then(|route| route.authentication.as_ref());
    let entries = own.unwrap_or(&document.authentication);
    entries.iter().map(|entry| entry.name().to_owned()).collect()
}

/// The route of a path, whatever the host.
fn route<'d>(document: &'d Document, path: &str) -> Option<&'d Route> {
    let routes = document.routes.iter().filter(|route| route.path.is_for(path));
    routes.max_by_key(|route| route.path.specificity())
}

/// Whether a scheme may name a caller who is no row of the store: a service, or what another issuer says.
fn names_others(document: &Document) -> bool {
    const OF_ROWS: [&str; 6] = ["basic", "token", "session", "knox", "jwt", "remote_user"];
    let own = document.routes.iter().flat_map(|route| route.authentication.iter().flatten());
    document.authentication.iter().chain(own).any(|entry| match entry {
        Entry::Name(word) => !OF_ROWS.contains(&word.as_str()),
        Entry::Settings { word, .. } => *word == "jwt" || !OF_ROWS.contains(word),
    })
}

fn address(server: &str, path: &PathAndQuery) -> Option<Uri> {
    let over_network = server.starts_with("http://") || server.starts_with("https://");
    over_network.then(|| format!("{}{path}", server.trim_end_matches('/')))?.parse().ok()
}
