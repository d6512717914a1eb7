//! The relational store: Django's own database, used as it is, or an embedded SQLite file with the
//! tables that Django's migrations would make.
//!
//! [`Database`] is one concrete type for SQLite, PostgreSQL and MySQL/MariaDB. It knows the user
//! table, by the project's [`UserModel`], and Django's tables of groups and permissions; each
//! package writes the SQL of its own tables beside its own code, in the templates that
//! [`Sql::rows`] describes, and says with [`Table`] what belongs to a user.
//!
#![doc = include_str!("README.md")]

mod broadcast;
mod config;
mod database;
mod examine;
mod model;
mod revocation;
mod schema;
mod table;
mod template;
mod transaction;
mod triggers;
mod users;

use std::sync::Arc;

pub use self::{
    broadcast::{Heard, Revocations},
    config::Config,
    database::{Database, Sql, is_unique_violation, moment, optional_moment, storable},
    model::{Column, KeyKind, UserModel},
    revocation::{CredentialId, Revocation},
    schema::TABLES as DJANGO_TABLES,
    table::{Owner, Table, Trigger},
    template::{Arg, USER_COLUMNS},
    transaction::Transaction,
    users::Deleted,
};
use crate::{
    identity::{Identity, UserKey},
    value::Secret,
};

/// A store or peer could not answer. It is never taken for "no": the chain ends with 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what} could not answer: {cause}")]
pub struct Unavailable {
    /// The part that could not answer.
    pub what: &'static str,
    /// For the log; never for the client.
    pub cause: Arc<str>,
}

impl Unavailable {
    /// From any cause.
    pub fn new(what: &'static str, cause: impl ToString) -> Self {
        Self { what, cause: cause.to_string().into() }
    }

    /// The operating system gave no randomness.
    pub fn randomness(error: crate::crypto::NoRandomness) -> Self {
        Self::new("randomness", error)
    }
}

/// A row of the user table with its groups and permissions.
#[derive(Clone, Debug)]
pub struct User {
    /// Primary key.
    pub id: UserKey,
    /// The encoded password.
    pub password: Secret,
    /// `is_active`.
    pub active: bool,
    /// Everything that may be told of the user.
    pub identity: Arc<Identity>,
}

/// A new user, as `create_user` and `create_superuser` take it.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Normalised with NFKC, as Django does when it creates a user.
    pub username: String,
    /// May be empty.
    pub email: String,
    /// The encoded password.
    pub password: String,
    /// `is_staff` and `is_superuser`.
    pub superuser: bool,
}
