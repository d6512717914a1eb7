//! `portcullis api-key`.

use anyhow::{Context, bail};
use clap::{ArgMatches, FromArgMatches, Subcommand};
use futures_util::future::LocalBoxFuture;

use super::rows;
use crate::{
    crypto::{digest::sha256_hex, random_text},
    package::{Site, say, say_heard, user_named},
};

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and print it; it cannot be shown again.
    Create {
        /// What to call it. A key without a user is a service's of this name.
        name: String,
        /// Whose it is.
        #[arg(long)]
        user: Option<String>,
    },
    /// List names and owners.
    List,
    /// Delete a key.
    Delete {
        /// What it is called.
        name: String,
    },
}

pub(super) fn define(command: clap::Command) -> clap::Command {
    Command::augment_subcommands(command.about("API keys; only their SHA-256 is kept"))
}

pub(super) fn run<'a>(
    matches: ArgMatches,
    site: &'a Site<'a>,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        match Command::from_arg_matches(&matches)? {
            Command::Create { name, user } => create(site, &name, user.as_deref()).await?,
            Command::List => {
                for (name, user) in rows::all(site.db).await? {
                    say(format!("{name}  {}", owner(site, user).await?));
                }
            }
            Command::Delete { name } => {
                if !rows::delete(site.db, &name).await? {
                    bail!("there is no key named {name}");
                }
                say(format!("Deleted key {name}"));
                say_heard(site.db);
            }
        }
        Ok(())
    })
}

async fn create(site: &Site<'_>, name: &str, user: Option<&str>) -> anyhow::Result<()> {
    let user = match user {
        Some(user) => Some(user_named(site.db, user).await?.id),
        // Upstream a service goes by its name: it must not be a user's.
        None if site.db.user_by_name(name).await?.is_some() => {
            bail!("there is a user {name}; name the service otherwise, or use --user {name}")
        }
        None => None,
    };
    let key = random_text(40)?;
    let digest = sha256_hex(key.as_bytes());
    let created = rows::create(site.db, name, &digest, user.as_ref(), site.clock.now()).await;
    let hint = "in a database of Django's, `store: { own_tables: true }` allows the table";
    if !created.context(hint)? {
        bail!("there is a key named {name} already");
    }
    say(key);
    Ok(())
}

async fn owner(site: &Site<'_>, user: Option<String>) -> anyhow::Result<String> {
    let Some(user) = user else { return Ok("(service)".to_owned()) };
    let user = match site.db.model().parse_key(&user) {
        Some(key) => site.db.user_by_key(&key).await?,
        None => None,
    };
    Ok(match user {
        Some(user) => format!("of {}", user.identity.username),
        None => "(of a user who is gone)".to_owned(),
    })
}
