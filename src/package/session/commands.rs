//! `portcullis session`: list sessions and end them.

use anyhow::bail;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use futures_util::future::LocalBoxFuture;

use super::{Listed, Sessions};
use crate::package::{Site, say, say_heard, user_named};

#[derive(Debug, Subcommand)]
enum Command {
    /// List sessions that have not expired: a name to end them by, the end, the user.
    List,
    /// End a session, or all of a user; the next request with it is refused.
    End(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// What `list` calls it.
    id: Option<String>,
    /// All sessions of this user.
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
}

pub(super) fn define(command: clap::Command) -> clap::Command {
    let command = command.about("Django's sessions: list and end them").long_about(
        "Django's sessions: list and end them.\n\n\
         A session is named by the beginning of its key's SHA-256, so that a list can be pasted into \
         a ticket. What is ended is refused by the next request. Signed cookies cannot be listed or \
         ended.",
    );
    Command::augment_subcommands(command)
}

pub(super) fn run<'a>(
    matches: ArgMatches,
    site: &'a Site<'a>,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        let sessions = site.shared::<Sessions>()?;
        match Command::from_arg_matches(&matches)? {
            Command::List => {
                let print = |session: Listed| {
                    let user = session.user.as_deref().unwrap_or("(anonymous)");
                    say(format!("{}  {}  user {user}", session.id, session.expires));
                };
                sessions.list(print).await?;
            }
            Command::End(Which { user: Some(user), .. }) => {
                let user = user_named(site.db, &user).await?;
                let id = user.id.to_string();
                let of_user = |session: &Listed| session.user.as_deref() == Some(&*id);
                let ended = sessions.end_matching(of_user).await?;
                say(format!("Ended {ended} sessions of user {}", user.identity.username));
                if ended > 0 {
                    say_heard(site.db);
                }
            }
            Command::End(Which { id, .. }) => {
                let id = id.unwrap_or_default();
                if sessions.end_matching(|session| session.id == id).await? == 0 {
                    bail!("there is no session {id}");
                }
                say(format!("Ended session {id}"));
                say_heard(site.db);
            }
        }
        Ok(())
    })
}
