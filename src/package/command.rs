//! Commands of packages, and what they share.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::ArgMatches;
use futures_util::future::LocalBoxFuture;

use super::Site;
use crate::{
    store::{Database, User},
    value::Secret,
};

/// A command of a package: `portcullis WORD …`.
#[derive(Clone, Copy)]
pub struct Commands {
    /// Its word.
    pub word: &'static str,
    /// What the command line may say after it.
    pub define: fn(clap::Command) -> clap::Command,
    /// Does it. What it prints is its answer.
    pub run: for<'a> fn(ArgMatches, &'a Site<'a>) -> LocalBoxFuture<'a, anyhow::Result<()>>,
}

/// Prints a line of a command's answer. Where nothing reads on, as with `| head`, it is lost.
macro_rules! print_line {
    ($($words:tt)*) => {{
        // A call of its own, since the name may be taken where it stands.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("{}\n", format_args!($($words)*)),
        );
    }};
}
pub(crate) use print_line;

/// The same, for packages.
pub fn say(line: impl std::fmt::Display) {
    print_line!("{line}");
}

/// Says how many gateways have heard of a revocation: one that none has heard takes its time.
pub fn say_heard(db: &Database) {
    match (db.heard(), db.has_messages()) {
        (0, false) => say(
            "No running gateway on this machine heard it: gateways refuse it within `cache.ttl`",
        ),
        (0, true) => say("Gateways are told by PostgreSQL"),
        (1, _) => say("1 running gateway on this machine refuses it from now on"),
        (more, _) => say(format!("{more} running gateways on this machine refuse it from now on")),
    }
}

/// The user of a name.
///
/// # Errors
/// If there is none, or the store does not answer.
pub async fn user_named(db: &Database, username: &str) -> anyhow::Result<User> {
    let user = db.user_by_name(username).await?;
    user.with_context(|| format!("there is no user {username}"))
}

/// A secret from standard input; asks for it where a person types.
///
/// # Errors
/// If there is none.
pub fn secret_from_stdin(prompt: &str) -> anyhow::Result<Secret> {
    if std::io::stdin().is_terminal() {
        let mut terminal = std::io::stderr();
        write!(terminal, "{prompt}")?;
        terminal.flush()?;
    }
    read_line()
}

/// A line of standard input.
///
/// # Errors
/// If there is none.
pub fn read_line() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let secret = line.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        bail!("nothing came from standard input");
    }
    Ok(Secret::new(secret.to_owned()))
}
