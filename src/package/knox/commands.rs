//! `portcullis knox`.

use clap::{ArgMatches, FromArgMatches, Subcommand};
use futures_util::future::LocalBoxFuture;

use super::tokens::Knox;
use crate::package::{Site, say, say_heard, user_named};

#[derive(Debug, Subcommand)]
enum Command {
    /// Delete all of a user's knox tokens.
    Delete {
        /// The user's name, exactly as stored.
        username: String,
    },
}

pub(super) fn define(command: clap::Command) -> clap::Command {
    let about = "django-rest-knox's tokens: delete all of a user's. For one of them see `revoke`";
    Command::augment_subcommands(command.about(about))
}

pub(super) fn run<'a>(
    matches: ArgMatches,
    site: &'a Site<'a>,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        let Command::Delete { username } = Command::from_arg_matches(&matches)?;
        let user = user_named(site.db, &username).await?;
        let deleted = site.shared::<Knox>()?.delete_all(&user.id).await?;
        say(format!("Deleted {deleted} knox tokens of user {}", user.identity.username));
        if deleted > 0 {
            say_heard(site.db);
        }
        Ok(())
    })
}
