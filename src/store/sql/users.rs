//! `auth_user`, or the project's own user model.

use async_trait::async_trait;
use sqlx::Row;

use super::{Dialect, Sql, user_columns};
use crate::{
    clock::Timestamp,
    store::{NewUser, Unavailable, User, Users},
};

#[async_trait]
impl Users for Sql {
    async fn user_by_name(&self, username: &str) -> Result<Option<User>, Unavailable> {
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

    async fn create_user(
        &self,
        user: &NewUser,
        now: Timestamp,
    ) -> Result<Option<i64>, Unavailable> {
        let user = user.clone();
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
            let by_name = "SELECT u.id FROM {table} u WHERE u.{username} = ?";
            let rows = store.rows(by_name, |query| query.bind(user.username)).await?;
            rows.first().map(|row| row.try_get(0)).transpose()
        })
        .await
    }

    async fn replace_password(&self, id: i64, old: &str, new: &str) -> Result<(), Unavailable> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.ask(|store| async move {
            let update = "UPDATE {table} SET password = ? WHERE id = ? AND password = ?";
            store.execute(update, |query| query.bind(new).bind(id).bind(old)).await.map(|_| ())
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
            store.execute(&update, |query| query.bind(username)).await.map(|rows| rows > 0)
        })
        .await
    }

    async fn delete_user(&self, username: &str) -> Result<bool, Unavailable> {
        let username = username.to_owned();
        self.ask(|store| async move {
            let of_user = "(SELECT u.id FROM {table} u WHERE u.{username} = ?)";
            for (table, column) in [
                ("authtoken_token", "user_id"),
                ("{table}_groups", "{user_column}"),
                ("{table}_user_permissions", "{user_column}"),
            ] {
                let delete = format!("DELETE FROM {table} WHERE {column} IN {of_user}");
                let name = username.clone();
                store.execute(&delete, |query| query.bind(name)).await?;
            }
            let delete = "DELETE FROM {table} WHERE {username} = ?";
            store.execute(delete, |query| query.bind(username)).await.map(|rows| rows > 0)
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
