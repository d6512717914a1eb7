//! Commands on users, tokens and API keys.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::Subcommand;
use unicode_normalization::UnicodeNormalization;

use super::{Username, sessions::tell_who_heard};
use crate::{
    app::Built,
    clock::Clock,
    crypto::{digest::sha256_hex, password::unusable, random_text},
    store::{ApiKeys, NewUser, Tokens, User as Row, Users},
    value::Secret,
};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; the password comes from standard input.
    Create {
        #[command(flatten)]
        username: Username,
        /// The e-mail address.
        #[arg(long, default_value = "")]
        email: String,
        /// As `createsuperuser`: may everything.
        #[arg(long)]
        superuser: bool,
        /// Read the password from standard input without asking.
        #[arg(long, conflicts_with = "no_password")]
        password_stdin: bool,
        /// A user who cannot log in with a password.
        #[arg(long)]
        no_password: bool,
    },
    /// List the names.
    List,
    /// Let a user in again.
    Enable(Username),
    /// Let a user in no longer; nothing is deleted.
    Disable(Username),
    /// Delete a user with the user's token.
    Delete(Username),
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Print the user's token; make it if there is none.
    Create {
        #[command(flatten)]
        username: Username,
        /// Delete the old one first.
        #[arg(short = 'r', long)]
        reset: bool,
    },
    /// List the users who have one, and how each begins.
    List,
    /// Delete the user's token.
    Delete(Username),
}

#[derive(Debug, Subcommand)]
pub(super) enum ApiKey {
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

pub(super) async fn user(built: Built, command: User) -> anyhow::Result<()> {
    let store = &built.store;
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
                    built.login.encode(password).await?.reveal().to_owned()
                }
            };
            let username: String = username.nfkc().collect();
            if username.is_empty() || username.contains('\0') || username.chars().count() > 150 {
                bail!("a user name has 1 to 150 characters");
            }
            let user = NewUser { username: username.clone(), email, password, superuser };
            match store.create_user(&user, Clock::system().now()).await? {
                Some(id) => println!("Created user {username} with id {id}"),
                None => bail!("there is a user {username} already"),
            }
        }
        User::List => {
            for name in store.usernames().await? {
                println!("{name}");
            }
        }
        User::Enable(user) => {
            set_active(store, &user.username, true).await?;
            println!("What was refused before is asked for again within cache.negative_ttl.");
        }
        User::Disable(user) => {
            set_active(store, &user.username, false).await?;
            tell_who_heard(&built);
            tell_of_stateless(&built);
        }
        User::Delete(user) => {
            if !store.delete_user(&user.username).await? {
                bail!("there is no user {}", user.username);
            }
            println!("Deleted user {}", user.username);
            tell_who_heard(&built);
            tell_of_stateless(&built);
        }
    }
    Ok(())
}

async fn set_active(store: &impl Users, username: &str, active: bool) -> anyhow::Result<()> {
    if !store.set_active(username, active).await? {
        bail!("there is no user {username}");
    }
    println!("{} user {username}", if active { "Enabled" } else { "Disabled" });
    Ok(())
}

pub(super) async fn token(built: Built, command: Token) -> anyhow::Result<()> {
    let store = &built.store;
    match command {
        Token::Create { username, reset } => {
            let user = find(store, &username.username).await?;
            if reset {
                store.delete_token(user.id).await?;
            }
            let (key, _) = store.token_of(user.id, Clock::system().now()).await?;
            println!("Generated token {} for user {}", key.reveal(), user.identity.username);
        }
        Token::List => {
            for token in store.tokens().await? {
                let start: String = token.key.reveal().chars().take(8).collect();
                println!("{start}…  {}", token.username);
            }
        }
        Token::Delete(username) => {
            let user = find(store, &username.username).await?;
            if !store.delete_token(user.id).await? {
                bail!("user {} has no token", user.identity.username);
            }
            println!("Deleted the token of user {}", user.identity.username);
            tell_who_heard(&built);
        }
    }
    Ok(())
}

pub(super) async fn api_key(built: Built, command: ApiKey) -> anyhow::Result<()> {
    let store = &built.store;
    match command {
        ApiKey::Create { name, user } => {
            let user = match user {
                Some(user) => Some(find(store, &user).await?.id),
                // Upstream a service goes by its name: it must not be a user's.
                None if store.user_by_name(&name).await?.is_some() => {
                    bail!(
                        "there is a user {name}; name the service otherwise, or use --user {name}"
                    )
                }
                None => None,
            };
            let key = random_text(40)?;
            let digest = sha256_hex(key.as_bytes());
            let created = store.create_api_key(&name, &digest, user, Clock::system().now()).await;
            let hint = "in a database of Django's, `store: { own_tables: true }` allows the table";
            if !created.context(hint)? {
                bail!("there is a key named {name} already");
            }
            println!("{key}");
        }
        ApiKey::List => {
            for (name, user) in store.api_keys().await? {
                println!(
                    "{name}  {}",
                    user.map_or("(service)".into(), |user| format!("of {user}"))
                );
            }
        }
        ApiKey::Delete { name } => {
            if !store.delete_api_key(&name).await? {
                bail!("there is no key named {name}");
            }
            println!("Deleted key {name}");
            tell_who_heard(&built);
        }
    }
    Ok(())
}

pub(super) async fn hash_password(built: Built) -> anyhow::Result<()> {
    let password = secret_from_stdin("Password: ")?;
    println!("{}", built.login.encode(password).await?.reveal());
    Ok(())
}

pub(super) async fn find(store: &impl Users, username: &str) -> anyhow::Result<Row> {
    let user = store.user_by_name(username).await?;
    user.with_context(|| format!("there is no user {username}"))
}

/// A line of standard input; asks for it where somebody types.
fn tell_of_stateless(built: &Built) {
    if built.simplejwt.as_ref().is_some_and(|jwt| jwt.is_stateless()) {
        println!("Their JSON Web Tokens are good until they end: `jwt: {{ stateless: true }}`");
    }
}

pub(super) fn secret_from_stdin(prompt: &str) -> anyhow::Result<Secret> {
    if std::io::stdin().is_terminal() {
        let mut terminal = std::io::stderr();
        write!(terminal, "{prompt}")?;
        terminal.flush()?;
    }
    read_line()
}

fn read_line() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let secret = line.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        bail!("nothing came from standard input");
    }
    Ok(Secret::new(secret.to_owned()))
}
