//! `auth_user`, or the project's own user model.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sqlx::Row;

use super::{Dialect, Inner, Sql, storable, user_columns};
use crate::{
    clock::Timestamp,
    store::{NewUser, Unavailable, User, Users, revocation::Revocation},
};

#[async_trait]
impl Users for Sql {
    async fn user_by_name(&self, username: &str) -> Result<Option<User>, Unavailable> {
        if !storable(username) {
            return Ok(None);
        }
        let username = username.to_owned();
        self.ask(|store| async move {
            const QUERY: &str =
                concat!("SELECT ", user_columns!(), " FROM {table} u WHERE u.{username} = ?");
            let name = username.clone();
            let rows = store.rows(QUERY, |query| query.bind(name)).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // MySQL's usual collations find `ALICE` and `álice` too: each spelling would be a
            // lockout counter of its own.
            let exact = row.try_get::<String, _>(1)? == username;
            if exact { store.user(row).await.map(Some) } else { Ok(None) }
        })
        .await
    }

    async fn user_by_field(&self, field: &str, value: &str) -> Result<Option<User>, Unavailable> {
        let (field, value) = (field.to_owned(), value.to_owned());
        if !storable(&value) || !super::identifier(&field) {
            return Ok(None);
        }
        self.ask(|store| async move {
            const BY_ID: &str =
                concat!("SELECT ", user_columns!(), " FROM {table} u WHERE u.{field} = ?");
            const BY_TEXT: &str = concat!(
                "SELECT ",
                user_columns!(),
                ", CAST(u.{field} AS {text}) FROM {table} u WHERE CAST(u.{field} AS {text}) = ?"
            );
            if field == "id" {
                let Ok(id) = value.parse::<i64>() else { return Ok(None) };
                let rows =
                    store.rows(&BY_ID.replace("{field}", "id"), |query| query.bind(id)).await?;
                return match rows.first() {
                    Some(row) => store.user(row).await.map(Some),
                    None => Ok(None),
                };
            }
            let text = if store.dialect == Dialect::Mysql { "CHAR" } else { "TEXT" };
            let query = BY_TEXT.replace("{field}", &field).replace("{text}", text);
            let rows = store.rows(&query, |query| query.bind(value.clone())).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // As for names: MySQL's collations find other spellings.
            match row.try_get::<String, _>(9)? == value {
                true => store.user(row).await.map(Some),
                false => Ok(None),
            }
        })
        .await
    }

    async fn user_column(&self, id: i64, field: &str) -> Result<Option<String>, Unavailable> {
        let field = field.to_owned();
        if !super::identifier(&field) {
            return Ok(None);
        }
        self.ask(move |store| async move {
            let text = if store.dialect == Dialect::Mysql { "CHAR" } else { "TEXT" };
            let query = "SELECT CAST(u.{field} AS {text}) FROM {table} u WHERE u.id = ?"
                .replace("{field}", &field)
                .replace("{text}", text);
            let rows = store.rows(&query, |query| query.bind(id)).await?;
            let value = rows.first().map(|row| row.try_get::<Option<String>, _>(0)).transpose()?;
            Ok(value.flatten())
        })
        .await
    }

    async fn logged_in(&self, id: i64, now: Timestamp) -> Result<(), Unavailable> {
        self.ask(move |store| async move {
            let update = "UPDATE {table} SET last_login = {time} WHERE id = ?";
            let now = store.moment(now);
            store.execute(update, |query| query.bind(now).bind(id)).await.map(|_| ())
        })
        .await
    }

    async fn create_user(
        &self,
        user: &NewUser,
        now: Timestamp,
    ) -> Result<Option<i64>, Unavailable> {
        let user = user.clone();
        if self.inner.only_look.load(Ordering::Relaxed) {
            let taken = self.user_by_name(&user.username).await?.is_some();
            return Ok((!taken).then_some(0));
        }
        self.ask(|store| async move {
            let (truth, lie) = match store.dialect {
                Dialect::Postgres => ("TRUE", "FALSE"),
                Dialect::Sqlite | Dialect::Mysql => ("1", "0"),
            };
            let rights = if user.superuser { truth } else { lie };
            let insert = format!(
                "INSERT INTO {{table}} ({{username}}, email, first_name, last_name, password, \
                 is_active, is_staff, is_superuser, date_joined) \
                 VALUES (?, ?, '', '', ?, {truth}, {rights}, {rights}, {{time}})"
            );
            let (name, moment) = (user.username.clone(), store.moment(now));
            let done = store
                .execute(&insert, |query| {
                    query.bind(name).bind(user.email).bind(user.password).bind(moment)
                })
                .await;
            match done {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    return Ok(None);
                }
                other => other?,
            };
            store.id_of(&user.username).await
        })
        .await
    }

    async fn replace_password(&self, id: i64, old: &str, new: &str) -> Result<bool, Unavailable> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.ask(|store| async move {
            let update = "UPDATE {table} SET password = ? WHERE id = ? AND password = ?";
            let rows = store.execute(update, |query| query.bind(new).bind(id).bind(old)).await?;
            store.announce(Revocation::User(id.to_string().into())).await;
            Ok(rows > 0)
        })
        .await
    }

    async fn set_active(&self, username: &str, active: bool) -> Result<bool, Unavailable> {
        let username = username.to_owned();
        self.ask(|store| async move {
            let value = match (store.dialect, active) {
                (Dialect::Postgres, true) => "TRUE",
                (Dialect::Postgres, false) => "FALSE",
                (_, true) => "1",
                (_, false) => "0",
            };
            let update = format!("UPDATE {{table}} SET is_active = {value} WHERE {{username}} = ?");
            let id = store.id_of(&username).await?;
            let rows = store.execute(&update, |query| query.bind(username)).await?;
            store.announce_user(id).await;
            Ok(rows > 0)
        })
        .await
    }

    async fn delete_user(&self, username: &str) -> Result<bool, Unavailable> {
        let username = username.to_owned();
        self.ask(|store| async move {
            let id = store.id_of(&username).await?;
            let of_user = "(SELECT u.id FROM {table} u WHERE u.{username} = ?)";
            for statement in [
                "DELETE FROM authtoken_token WHERE user_id IN {of_user}",
                "DELETE FROM knox_authtoken WHERE user_id IN {of_user}",
                "UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id IN {of_user}",
                "DELETE FROM {table}_groups WHERE {user_column} IN {of_user}",
                "DELETE FROM {table}_user_permissions WHERE {user_column} IN {of_user}",
            ] {
                let (statement, name) = (statement.replace("{of_user}", of_user), username.clone());
                let done = store.execute(&statement, |query| query.bind(name)).await;
                done.map(|_| ()).or_else(without_table)?;
            }
            let delete = "DELETE FROM {table} WHERE {username} = ?";
            let rows = store.execute(delete, |query| query.bind(username)).await?;
            store.announce_user(id).await;
            Ok(rows > 0)
        })
        .await
    }

    async fn usernames(&self) -> Result<Vec<String>, Unavailable> {
        self.ask(|store| async move {
            let rows =
                store.rows("SELECT u.{username} FROM {table} u ORDER BY u.id", |q| q).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        })
        .await
    }
}

impl Inner {
    async fn id_of(&self, username: &str) -> Result<Option<i64>, sqlx::Error> {
        let by_name = "SELECT u.id FROM {table} u WHERE u.{username} = ?";
        let username = username.to_owned();
        let rows = self.rows(by_name, |query| query.bind(username)).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    async fn announce_user(&self, id: Option<i64>) {
        if let Some(id) = id {
            self.announce(Revocation::User(id.to_string().into())).await;
        }
    }
}

/// A project need not have every package.
fn without_table(error: sqlx::Error) -> Result<(), sqlx::Error> {
    let missing = error.as_database_error().is_some_and(|error| {
        matches!(error.code().as_deref(), Some("42P01" | "42S02"))
            || error.message().starts_with("no such table")
    });
    if missing { Ok(()) } else { Err(error) }
}
