//! Commands on users.

use anyhow::bail;
use clap::{Args, Subcommand};
use unicode_normalization::UnicodeNormalization;

use crate::{
    crypto::password::unusable,
    package::{Site, print_line, read_line, say_heard, secret_from_stdin},
    store::{Deleted, NewUser},
};

/// A user's name.
#[derive(Debug, Args)]
pub(super) struct Username {
    /// The user's name, exactly as stored.
    username: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; the password comes from standard input.
    Create {
        #[command(flatten)]
        username: Username,
        /// The user's e-mail address.
        #[arg(long, default_value = "")]
        email: String,
        /// Make a superuser, as Django's `createsuperuser` does.
        #[arg(long)]
        superuser: bool,
        /// Read the password from standard input without a prompt.
        #[arg(long, conflicts_with = "no_password")]
        password_stdin: bool,
        /// Set an unusable password: the user cannot log in with one.
        #[arg(long)]
        no_password: bool,
    },
    /// List the user names.
    List,
    /// Enable a disabled user.
    Enable(Username),
    /// Disable a user: every credential is refused from now on; nothing is deleted.
    Disable(Username),
    /// Delete a user with its rows in every package's tables. Nothing is deleted if the foreign key of
    /// another table forbids it; foreign keys with ON DELETE CASCADE or SET NULL apply.
    Delete(Username),
}

pub(super) async fn user(site: &Site<'_>, command: User) -> anyhow::Result<()> {
    let db = site.db;
    match command {
        User::Create {
            username: Username { username },
            email,
            superuser,
            password_stdin,
            no_password,
        } => {
            let password = match (no_password, password_stdin) {
                (true, _) => unusable()?,
                (false, quiet) => {
                    let password =
                        if quiet { read_line()? } else { secret_from_stdin("Password: ")? };
                    site.accounts.passwords.encode(password).await?.reveal().to_owned()
                }
            };
            let username: String = username.nfkc().collect();
            if username.is_empty() || username.contains('\0') || username.chars().count() > 150 {
                bail!("a user name has 1 to 150 characters");
            }
            if site.accounts.is_service(db, &username).await? {
                bail!(
                    "a service is called {username}: an upstream that goes by names would take it for this user"
                );
            }
            let user = NewUser { username: username.clone(), email, password, superuser };
            match site.accounts.create_user(db, &user, site.clock.now()).await? {
                Some(user) => print_line!("Created user {username} with id {}", user.id),
                None => bail!("there is a user {username} already"),
            }
        }
        User::List => {
            for name in db.usernames().await? {
                print_line!("{name}");
            }
        }
        User::Enable(user) => {
            set_active(site, &user.username, true).await?;
            print_line!(
                "Credentials that were refused before are checked again within cache.negative_ttl."
            );
        }
        User::Disable(user) => {
            set_active(site, &user.username, false).await?;
            say_ended(site);
        }
        User::Delete(user) => match db.delete_user(&user.username).await? {
            Deleted::Done => {
                print_line!("Deleted user {}", user.username);
                say_ended(site);
            }
            Deleted::NotFound => bail!("there is no user {}", user.username),
            Deleted::Referenced(table) => bail!(
                "user {} was not deleted, nor anything that belongs to it: rows of `{table}` refer \
                 to it; delete those first, or use `portcullis user disable`",
                user.username
            ),
        },
    }
    Ok(())
}

async fn set_active(site: &Site<'_>, username: &str, active: bool) -> anyhow::Result<()> {
    if !site.db.set_active(username, active).await? {
        bail!("there is no user {username}");
    }
    print_line!("{} user {username}", if active { "Enabled" } else { "Disabled" });
    Ok(())
}

/// How soon a user's credentials are refused, and which are not.
fn say_ended(site: &Site<'_>) {
    say_heard(site.db);
    for revoker in site.accounts.revokers() {
        if let Some(lasting) = revoker.outlives_user() {
            print_line!("{lasting}");
        }
    }
}

pub(super) async fn hash_password(site: &Site<'_>) -> anyhow::Result<()> {
    let password = secret_from_stdin("Password: ")?;
    print_line!("{}", site.accounts.passwords.encode(password).await?.reveal());
    Ok(())
}
