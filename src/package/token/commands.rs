//! `portcullis token`: make, list, delete.

use anyhow::bail;
use clap::{ArgMatches, FromArgMatches, Subcommand};
use futures_util::future::LocalBoxFuture;

use super::rows;
use crate::package::{Site, say, say_heard, user_named};

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the user's token; make it if there is none.
    Create {
        /// The user's name, exactly as stored.
        #[arg(required_unless_present = "all")]
        username: Option<String>,
        /// Make one for each user who has none, and print how many.
        #[arg(long, conflicts_with_all = ["username", "reset"])]
        all: bool,
        /// Delete the old one first.
        #[arg(short = 'r', long)]
        reset: bool,
    },
    /// List the users who have one, and how each begins.
    List,
    /// Delete the user's token.
    Delete {
        /// The user's name, exactly as stored.
        username: String,
    },
}

pub(super) fn define(command: clap::Command) -> clap::Command {
    let command = command.about("Tokens of Django REST framework: make, list, delete").long_about(
        "Tokens of Django REST framework: make, list, delete.\n\n\
         `create` does what `manage.py drf_create_token` does and prints what it prints; with `-r` \
         the old token is dead before the new one is printed. A user has one token.",
    );
    Command::augment_subcommands(command)
}

pub(super) fn run<'a>(
    matches: ArgMatches,
    site: &'a Site<'a>,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        let db = site.db;
        match Command::from_arg_matches(&matches)? {
            Command::Create { all: true, .. } => {
                let mut made = 0;
                let names = db.usernames().await?;
                for name in &names {
                    // Deleted since, perhaps.
                    let Some(user) = db.user_by_name(name).await? else { continue };
                    let (_, new) = rows::token_of(db, &user.id, site.clock.now()).await?;
                    made += usize::from(new);
                }
                say(format!("Made {made} tokens; {} users had one", names.len() - made));
            }
            Command::Create { username, reset, all: false } => {
                let username = username.unwrap_or_default();
                let user = user_named(db, &username).await?;
                if reset {
                    rows::delete(db, &user.id).await?;
                }
                let (key, _) = rows::token_of(db, &user.id, site.clock.now()).await?;
                say(format!("Generated token {} for user {}", key.reveal(), username));
            }
            Command::List => {
                for token in rows::all(db).await? {
                    let start: String = token.key.reveal().chars().take(8).collect();
                    say(format!("{start}…  {}", token.username));
                }
            }
            Command::Delete { username } => {
                let user = user_named(db, &username).await?;
                if !rows::delete(db, &user.id).await? {
                    bail!("user {username} has no token");
                }
                say(format!("Deleted the token of user {username}"));
                say_heard(db);
            }
        }
        Ok(())
    })
}
