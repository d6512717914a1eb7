//! Commands on sessions and knox tokens, and on the store's triggers.

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Username, users::find};
use crate::{app::Built, store::KnoxTokens, system::session::Listed};

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List sessions that have not expired: a name to end them by, the end, the user.
    List,
    /// End a session, or all of a user; the next request with it is refused.
    End(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// What `list` calls it.
    id: Option<String>,
    /// All sessions of this user.
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Knox {
    /// Delete all of a user's knox tokens.
    Delete(Username),
}

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Make PostgreSQL tell every gateway at once what Django ends: users disabled, passwords
    /// changed, tokens and sessions deleted. Without it they learn within `cache.ttl`.
    Triggers {
        /// Take them out again.
        #[arg(long)]
        remove: bool,
    },
}

pub(super) async fn session(built: Built, command: Session) -> anyhow::Result<()> {
    let sessions = &built.serving.gateway.memory.sessions;
    match command {
        Session::List => {
            let print = |session: Listed| {
                let user = session.user.as_deref().unwrap_or("(nobody)");
                println!("{}  {}  user {user}", session.id, session.expires);
            };
            sessions.list(print).await?;
        }
        Session::End(Which { user: Some(user), .. }) => {
            let user = find(&built.store, &user).await?;
            let id = user.id.to_string();
            let ended = sessions.end(|session| session.user.as_deref() == Some(&id)).await?;
            println!("Ended {ended} sessions of user {}", user.identity.username);
            if ended > 0 {
                tell_who_heard(&built);
            }
        }
        Session::End(Which { id, .. }) => {
            let id = id.unwrap_or_default();
            if sessions.end(|session| session.id == id).await? == 0 {
                bail!("there is no session {id}");
            }
            println!("Ended session {id}");
            tell_who_heard(&built);
        }
    }
    Ok(())
}

pub(super) async fn knox(built: Built, command: Knox) -> anyhow::Result<()> {
    let Knox::Delete(Username { username }) = command;
    let user = find(&built.store, &username).await?;
    let deleted = built.store.delete_knox_tokens(user.id).await?;
    println!("Deleted {deleted} knox tokens of user {}", user.identity.username);
    if deleted > 0 {
        tell_who_heard(&built);
    }
    Ok(())
}

/// A revocation that nobody hears takes its time, and whoever revokes has to know.
pub(super) fn tell_who_heard(built: &Built) {
    match (built.store.heard(), built.store.has_messages()) {
        (0, false) => println!(
            "No running gateway on this machine heard it: gateways refuse it within `cache.ttl`"
        ),
        (0, true) => println!("Gateways are told by PostgreSQL"),
        (1, _) => println!("1 running gateway on this machine refuses it from now on"),
        (more, _) => println!("{more} running gateways on this machine refuse it from now on"),
    }
}

pub(super) async fn store(built: Built, command: Store) -> anyhow::Result<()> {
    let Store::Triggers { remove } = command;
    let done = match remove {
        true => built.store.remove_triggers().await?,
        false => built.store.install_triggers().await?,
    };
    for statement in done {
        println!("{statement};");
    }
    Ok(())
}
