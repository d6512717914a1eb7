//! Commands on the store itself.

use clap::Subcommand;

use crate::{package::Site, package::print_line};

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Make PostgreSQL tell every gateway at once what Django ends: users disabled, passwords
    /// changed, tokens and sessions deleted. Without it they learn within `cache.ttl`.
    Triggers {
        /// Remove the triggers.
        #[arg(long)]
        remove: bool,
    },
}

pub(super) async fn store(site: &Site<'_>, command: Store) -> anyhow::Result<()> {
    let Store::Triggers { remove } = command;
    let done = match remove {
        true => site.db.remove_triggers().await?,
        false => site.db.install_triggers().await?,
    };
    for statement in done {
        print_line!("{statement};");
    }
    Ok(())
}
