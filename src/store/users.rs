//! The user table.

use sqlx::Row;

use super::{
    Database, KeyKind, NewUser, Table, Unavailable, User,
    database::{Sql, is_unique_violation, storable},
    revocation::Revocation,
    template::{Arg, Dialect},
    transaction::Transaction,
};
use crate::{
    clock::Timestamp,
    identity::{Identity, UserKey},
    value::Secret,
};

/// What became of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The user and what belonged to it are gone.
    Done,
    /// There is no such user.
    NotFound,
    /// A row of this table refers to the user, and forbids it: nothing was deleted.
    Referenced(Box<str>),
}

impl Database {
    /// By `USERNAME_FIELD`, compared exactly: for a name that another authority has said.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>, Unavailable> {
        self.named(username, true).await
    }

    /// By `USERNAME_FIELD`, as the setting `username_match` says: for a name that a person types.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_by_typed_name(&self, username: &str) -> Result<Option<User>, Unavailable> {
        self.named(username, self.matches_exactly()).await
    }

    async fn named(&self, username: &str, exactly: bool) -> Result<Option<User>, Unavailable> {
        let arg = self.model().username_arg(username).filter(|_| storable(username));
        let Some(arg) = arg else { return Ok(None) };
        let username = username.to_owned();
        self.run(|sql| async move {
            let rows = sql.rows(BY_NAME, [arg]).await?;
            let mut found = Vec::new();
            for row in &rows {
                // The usual collations of MySQL find `ALICE` and `álice` too.
                let stored: String = row.try_get(1)?;
                if !exactly || sql.0.model.is_same_name(&stored, &username) {
                    found.push(row);
                }
            }
            // As Django's `get`, of several spellings that the column takes for one none is meant.
            match found[..] {
                [row] => sql.user(row).await.map(Some),
                _ => Ok(None),
            }
        })
        .await
    }

    /// By the primary key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_by_key(&self, key: &UserKey) -> Result<Option<User>, Unavailable> {
        let key = key.clone();
        self.run(|sql| async move {
            const QUERY: &str = "SELECT {user_columns} FROM {users} u WHERE u.{pk} = {user_key}";
            let rows = sql.rows(QUERY, [Arg::from(key)]).await?;
            sql.first_user(&rows).await
        })
        .await
    }

    /// By a column of the user table that a setting names, compared as text; `pk`, or the column of
    /// the primary key, by the key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_by_column(
        &self,
        column: &str,
        value: &str,
    ) -> Result<Option<User>, Unavailable> {
        if !storable(value) {
            return Ok(None);
        }
        if self.model().is_key(column) {
            let Some(key) = self.model().parse_key(value) else { return Ok(None) };
            return self.user_by_key(&key).await;
        }
        let Some(column) = self.column(column) else { return Ok(None) };
        let value = value.to_owned();
        self.run(|sql| async move {
            const QUERY: &str = "SELECT {user_columns}, {column_text} FROM {users} u \
                                 WHERE {column_text} = ?";
            let rows = sql.rows_by(QUERY, &column, [Arg::from(&*value)]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // As for names: MySQL's collations find other spellings.
            match row.try_get::<String, _>(super::USER_COLUMNS)? == value {
                true => sql.user(row).await.map(Some),
                false => Ok(None),
            }
        })
        .await
    }

    /// What a column of the user's row holds, as text; nothing if it is empty, or no column.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_column(
        &self,
        key: &UserKey,
        column: &str,
    ) -> Result<Option<String>, Unavailable> {
        let Some(column) = self.column(column) else { return Ok(None) };
        let key = key.clone();
        self.run(|sql| async move {
            const QUERY: &str = "SELECT {column_text} FROM {users} u WHERE u.{pk} = {user_key}";
            let rows = sql.rows_by(QUERY, &column, [Arg::from(key)]).await?;
            let value = rows.first().map(|row| row.try_get::<Option<String>, _>(0)).transpose()?;
            Ok(value.flatten())
        })
        .await
    }

    /// Sets `last_login`, where the model has it.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn logged_in(&self, key: &UserKey, now: Timestamp) -> Result<(), Unavailable> {
        let Some(column) = self.model().last_login.clone() else { return Ok(()) };
        let key = key.clone();
        self.run(|sql| async move {
            const UPDATE: &str = "UPDATE {users} SET {column} = {time} WHERE {pk} = {user_key}";
            let args = [Arg::from(now), Arg::from(key)];
            sql.execute_of(UPDATE, Some(&column), args).await.map(|_| ())
        })
        .await
    }

    /// Adds a user; `None` if the name is taken. In a dry run, the user that would be added.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn create_user(
        &self,
        user: &NewUser,
        now: Timestamp,
    ) -> Result<Option<User>, Unavailable> {
        let user = user.clone();
        self.run(|sql| async move {
            if sql.is_dry_run() {
                let taken = sql.key_by_name(&user.username).await?.is_some();
                return Ok((!taken).then(|| would_be(&user)));
            }
            match sql.insert_user(&user, now).await {
                Err(error) if is_unique_violation(&error) => return Ok(None),
                other => other?,
            };
            let rows = sql.rows(BY_NAME, name_arg(&sql, &user.username)).await?;
            sql.first_user(&rows).await
        })
        .await
    }

    /// Replaces the encoded password if it is still `old`; false if it is not.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn replace_password(
        &self,
        key: &UserKey,
        old: &str,
        new: &str,
    ) -> Result<bool, Unavailable> {
        let args = [Arg::from(new), Arg::from(key), Arg::from(old)];
        let key = key.to_string();
        self.run(|sql| async move {
            const UPDATE: &str = "UPDATE {users} SET {password} = ? \
                                  WHERE {pk} = {user_key} AND {password} = ?";
            let rows = sql.execute(UPDATE, args).await?;
            sql.announce(Revocation::User(key.into())).await;
            Ok(rows > 0)
        })
        .await
    }

    /// Sets `is_active`; false if there is no such user, or the model has no such column.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn set_active(&self, username: &str, active: bool) -> Result<bool, Unavailable> {
        let Some(column) = self.model().is_active.clone() else { return Ok(false) };
        let username = username.to_owned();
        self.run(|sql| async move {
            let update = match active {
                true => "UPDATE {users} SET {column} = {true} WHERE {pk} = {user_key}",
                false => "UPDATE {users} SET {column} = {false} WHERE {pk} = {user_key}",
            };
            let Some(key) = sql.key_by_name(&username).await? else { return Ok(false) };
            let rows = sql.execute_of(update, Some(&column), [Arg::from(&key)]).await?;
            sql.announce(Revocation::User(key.to_string().into())).await;
            Ok(rows > 0)
        })
        .await
    }

    /// Deletes a user with what belongs to it in every package's tables: all of it, or nothing if the
    /// foreign key of another table forbids it.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn delete_user(&self, username: &str) -> Result<Deleted, Unavailable> {
        let username = username.to_owned();
        self.run(|sql| async move {
            let Some(key) = sql.key_by_name(&username).await? else {
                return Ok(Deleted::NotFound);
            };
            let tables = sql.present_tables().await?;
            let mut transaction = sql.transaction().await?;
            match transaction.delete_user(&key, &tables).await {
                Ok(None) => {}
                Ok(Some(table)) => return Ok(Deleted::Referenced(table)),
                Err(error) => {
                    return referring_table(&error).map(Deleted::Referenced).ok_or(error);
                }
            }
            if let Err(error) = transaction.commit().await {
                return referring_table(&error).map(Deleted::Referenced).ok_or(error);
            }
            sql.announce(Revocation::User(key.to_string().into())).await;
            Ok(Deleted::Done)
        })
        .await
    }

    /// All names, in the order of keys.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn usernames(&self) -> Result<Vec<String>, Unavailable> {
        self.run(|sql| async move {
            let rows =
                sql.rows("SELECT {username_text} FROM {users} u ORDER BY u.{pk}", []).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        })
        .await
    }
}

/// By the user name.
pub(super) const BY_NAME: &str =
    "SELECT {user_columns} FROM {users} u WHERE u.{username} = {username_value}";

/// The parameter of [`BY_NAME`]; a name that the column cannot have is no user's.
fn name_arg(sql: &Sql, username: &str) -> [Arg; 1] {
    [sql.0.model.username_arg(username).unwrap_or(Arg::Integer(i64::MIN))]
}

impl Sql {
    async fn key_by_name(&self, username: &str) -> Result<Option<UserKey>, sqlx::Error> {
        let rows = self.rows(BY_NAME, name_arg(self, username)).await?;
        rows.first().map(|row| self.0.key_of(row, 0)).transpose()
    }

    /// The columns that the model has; the key is the database's to make, or ours for a UUID.
    async fn insert_user(&self, user: &NewUser, now: Timestamp) -> Result<(), sqlx::Error> {
        let model = &self.0.model;
        let truth = if user.superuser { "{true}" } else { "{false}" };
        let key = match model.key {
            KeyKind::Uuid => Some(new_uuid()?),
            KeyKind::Integer | KeyKind::Text => None,
        };
        let all = [
            (key.as_ref().map(|_| &model.key_column), "{user_key}", key.clone().map(Arg::from)),
            (Some(&model.username), "{username_value}", model.username_arg(&user.username)),
            (Some(&model.password), "?", Some(Arg::from(&*user.password))),
            (model.email.as_ref(), "?", Some(Arg::from(&*user.email))),
            (model.first_name.as_ref(), "''", None),
            (model.last_name.as_ref(), "''", None),
            (model.is_active.as_ref(), "{true}", None),
            (model.is_staff.as_ref(), truth, None),
            (model.is_superuser.as_ref(), truth, None),
            (model.date_joined.as_ref(), "{time}", Some(Arg::from(now))),
        ];
        let (mut values, mut args) = (Vec::new(), Vec::new());
        for (column, value, arg) in all {
            let Some(column) = column else { continue };
            values.push((column, value));
            args.extend(arg);
        }
        self.insert_into_users(&values, args).await
    }

    /// The packages' tables that this database has: a project need not have every package.
    async fn present_tables(&self) -> Result<Vec<Table>, sqlx::Error> {
        let mut present = Vec::new();
        for table in self.0.tables.iter().filter(|table| table.on_user_delete.is_some()) {
            if self.has_table(table).await? {
                present.push(*table);
            }
        }
        Ok(present)
    }

    /// Whether the table of a package is there. A name in the template is one of the model's.
    pub(super) async fn has_table(&self, table: &Table) -> Result<bool, sqlx::Error> {
        let name = self.0.model.statement(table.name, None);
        let name = name.trim_matches(['"', '`']).to_owned();
        let query = match self.0.model.dialect {
            Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
            Dialect::Postgres => "SELECT 'there' WHERE to_regclass(quote_ident(?)) IS NOT NULL",
            Dialect::Mysql => {
                "SELECT 'there' FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = ?"
            }
        };
        Ok(!self.rows(query, [Arg::from(name)]).await?.is_empty())
    }
}

impl Transaction {
    /// Deletes a user; the table of a row that forbids it, where the database does not refuse it
    /// itself.
    async fn delete_user(
        &mut self,
        key: &UserKey,
        tables: &[Table],
    ) -> Result<Option<Box<str>>, sqlx::Error> {
        let sqlite = self.dialect() == Dialect::Sqlite;
        let before = if sqlite { self.dangling().await? } else { Vec::new() };
        for statement in tables.iter().filter_map(|table| table.on_user_delete) {
            self.execute(statement, [Arg::from(key)]).await?;
        }
        self.execute("DELETE FROM {users} WHERE {pk} = {user_key}", [Arg::from(key)]).await?;
        match self.dialect() {
            // Django's constraints are deferred: they would speak up at the commit alone, and in
            // SQLite without a name.
            Dialect::Sqlite => {
                let after = self.dangling().await?;
                Ok(after.into_iter().find(|row| !before.contains(row)).map(|(table, ..)| table))
            }
            Dialect::Postgres => {
                sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(self.connection()).await?;
                Ok(None)
            }
            Dialect::Mysql => Ok(None),
        }
    }

    /// SQLite's rows that refer to rows that are not there.
    async fn dangling(&mut self) -> Result<Vec<(Box<str>, Option<i64>)>, sqlx::Error> {
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(self.connection()).await?;
        let rows = sqlx::query("PRAGMA foreign_key_check").fetch_all(self.connection()).await?;
        rows.iter().map(|row| Ok((row.try_get::<String, _>(0)?.into(), row.try_get(1)?))).collect()
    }
}

/// The table whose rows forbid what was tried, in the words of PostgreSQL and MySQL.
fn referring_table(error: &sqlx::Error) -> Option<Box<str>> {
    let error = error.as_database_error().filter(|e| e.is_foreign_key_violation())?;
    let message = error.message();
    // … violates foreign key constraint "…" on table "shop_order"
    let postgres = message.rsplit_once("on table \"").map(|(_, rest)| rest.split('"').next());
    // … a foreign key constraint fails (`app`.`shop_order`, CONSTRAINT …
    let mysql = message
        .split_once("fails (")
        .map(|(_, rest)| rest.split(',').next().and_then(|name| name.split('`').rev().nth(1)));
    let table = postgres.or(mysql).flatten().unwrap_or("another table");
    Some(table.into())
}

/// What `create_user` would have made.
fn would_be(user: &NewUser) -> User {
    let identity = Identity { username: user.username.as_str().into(), ..Identity::default() };
    User {
        id: UserKey::Text("(new)".into()),
        password: Secret::new(user.password.clone()),
        active: true,
        identity: std::sync::Arc::new(identity),
    }
}

/// A random UUID (RFC 9562 section 5.4).
fn new_uuid() -> Result<UserKey, sqlx::Error> {
    let random = crate::crypto::random_bytes::<16>();
    let random = random.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
    Ok(UserKey::Uuid(uuid.to_string().into()))
}
