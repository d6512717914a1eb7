//! Django's tables on SQLite, PostgreSQL and MySQL/MariaDB: one text a query, written in what the
//! three have in common.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, Row,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    query::Query,
};
use subtle::ConstantTimeEq;
use tokio::runtime::Handle;

use super::{ApiKey, ApiKeys, NewUser, Token, Tokens, Unavailable, User, Users, schema};
use crate::{
    clock::Timestamp,
    crypto::random_bytes,
    identity::Identity,
    value::{Count, FromWord, Path, Period, Problem, Problems, Secret},
};

/// The `store` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Store")]
pub struct Config {
    /// `sqlite://file`, `postgres://…` or `mysql://…`; Django's own database, used as it is.
    pub url: Secret,
    /// On an empty embedded store: creates this superuser and prints its password and token once.
    pub bootstrap: Option<String>,
    /// Lets the gateway create tables of its own (`portcullis_…`) in a database it does not own.
    own_tables: bool,
    /// Django's `AUTH_USER_MODEL`.
    user_model: String,
    /// The user model's `USERNAME_FIELD`.
    username_field: String,
    /// Connections at the most.
    connections: Count,
    /// How long an answer may take before the store counts as unavailable.
    timeout: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite://gateway.db".into()),
            bootstrap: None,
            own_tables: false,
            user_model: "auth.User".into(),
            username_field: "username".into(),
            connections: Count(8),
            timeout: Period::seconds(5),
        }
    }
}

impl FromWord for Config {
    const EXPECTING: &'static str = "a database URL, or a map with `url`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { url: Secret::new(word.to_owned()), ..Self::default() })
    }
}

/// A relational store. Its queries run on the control runtime; callers await the answer.
#[derive(Clone)]
pub struct Sql {
    inner: Arc<Inner>,
    control: Handle,
}

struct Inner {
    pool: AnyPool,
    dialect: Dialect,
    table: String,
    /// The column of the many-to-many tables that names the user.
    user_column: String,
    username_field: String,
    timeout: Duration,
    embedded: bool,
    own_tables: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

impl Sql {
    /// Builds a store that connects when it is first asked.
    ///
    /// # Errors
    /// What is wrong in the setting.
    pub fn new(config: &Config, path: &Path, control: &Handle) -> Result<Self, Problems> {
        let url = config.url.reveal();
        let dialect = match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "sqlite" => Dialect::Sqlite,
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::Mysql,
            other => {
                let problem = Problem::new(path, format!("unknown database `{other}`"));
                return Err(problem.help("use sqlite://…, postgres://… or mysql://…").into());
            }
        };
        let model = config
            .user_model
            .split_once('.')
            .filter(|(app, name)| identifier(app) && identifier(name));
        let (Some((app, name)), true) = (model, identifier(&config.username_field)) else {
            let problem = Problem::new(path, "the user model is not named as Django names it");
            return Err(problem
                .help("write `user_model: app_label.ModelName` and a plain column name")
                .into());
        };
        let url = match dialect {
            Dialect::Sqlite if !url.contains('?') => format!("{url}?mode=rwc"),
            Dialect::Mysql => url.replacen("mariadb:", "mysql:", 1),
            _ => url.to_owned(),
        };
        sqlx::any::install_default_drivers();
        let connections = u32::try_from(config.connections.0).unwrap_or(u32::MAX).max(1);
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(config.timeout.0)
            .after_connect(move |connection, _| Box::pin(prepare(connection, dialect)));
        let _runtime = control.enter();
        let pool = pool.connect_lazy(&url).map_err(|error| {
            // The library's message can hold the URL, and the URL a password.
            let cause =
                if error.to_string().contains(url.as_str()) { "" } else { "it cannot be read" };
            Problem::new(path, format!("the database URL is not valid: {cause}"))
                .help("for example postgres://user:password@host:5432/database")
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                dialect,
                table: format!("{app}_{name}").to_lowercase(),
                user_column: format!("{name}_id").to_lowercase(),
                username_field: config.username_field.clone(),
                timeout: config.timeout.0,
                embedded: dialect == Dialect::Sqlite,
                own_tables: config.own_tables || dialect == Dialect::Sqlite,
            }),
            control: control.clone(),
        })
    }

    /// Creates what may be created: Django's tables in an embedded store, ours where allowed.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn create_tables(&self) -> Result<(), Unavailable> {
        self.ask(|store| async move {
            let django = if store.embedded { schema::DJANGO } else { &[] };
            let own = if store.own_tables { schema::OWN } else { &[] };
            for statement in django.iter().chain(own) {
                sqlx::query(*statement).execute(&store.pool).await?;
            }
            Ok(())
        })
        .await
    }

    /// Whether it answers, for readiness.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.ask(|store| async move { store.rows("SELECT 1", |query| query).await.map(|_| ()) })
            .await
    }

    /// Runs `work` on the control runtime, within the store's time. A caller that goes away does
    /// not cancel it: half a conversation would cost the pool a connection.
    async fn ask<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let timeout = self.inner.timeout;
        let work = work(Arc::clone(&self.inner));
        match self.control.spawn(tokio::time::timeout(timeout, work)).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Unavailable::new("the store", error)),
            Ok(Err(_)) => Err(Unavailable::new("the store", "no answer in time")),
            Err(error) => Err(Unavailable::new("the store", error)),
        }
    }
}

/// A query of the three databases' common language.
type Statement<'q> = Query<'q, Any, AnyArguments>;

impl Inner {
    /// Writes a query for this database: `{table}`, `{user_column}`, `{username}` as configured,
    /// `{key}` quoted where it is a reserved word, `{time}` a parameter that holds a moment.
    fn text(&self, template: &str) -> String {
        let (key, time) = match self.dialect {
            Dialect::Sqlite => ("\"key\"", "?"),
            Dialect::Postgres => ("\"key\"", "CAST(? AS timestamptz)"),
            Dialect::Mysql => ("`key`", "CAST(? AS DATETIME(6))"),
        };
        let text = template
            .replace("{table}", &self.table)
            .replace("{user_column}", &self.user_column)
            .replace("{username}", &self.username_field)
            .replace("{key}", key)
            .replace("{time}", time);
        if self.dialect != Dialect::Postgres {
            return text;
        }
        let mut numbered = String::with_capacity(text.len() + 8);
        for (number, piece) in text.split('?').enumerate() {
            if number > 0 {
                numbered.push_str(&format!("${number}"));
            }
            numbered.push_str(piece);
        }
        numbered
    }

    /// A moment as this database reads it.
    fn moment(&self, moment: Timestamp) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{moment}+00"),
            Dialect::Sqlite | Dialect::Mysql => moment.to_string(),
        }
    }

    async fn rows<B>(&self, template: &str, bind: B) -> Result<Vec<AnyRow>, sqlx::Error>
    where
        B: for<'q> FnOnce(Statement<'q>) -> Statement<'q> + Send,
    {
        let query = bind(sqlx::query(AssertSqlSafe(self.text(template))));
        query.fetch_all(&self.pool).await
    }

    /// How many rows the statement changed.
    async fn execute<B>(&self, template: &str, bind: B) -> Result<u64, sqlx::Error>
    where
        B: for<'q> FnOnce(Statement<'q>) -> Statement<'q> + Send,
    {
        let query = bind(sqlx::query(AssertSqlSafe(self.text(template))));
        query.execute(&self.pool).await.map(|done| done.rows_affected())
    }

    /// The user of a row of [`USER_COLUMNS`], with groups and permissions.
    async fn user(&self, row: &AnyRow) -> Result<User, sqlx::Error> {
        let id: i64 = row.try_get(0)?;
        let flag = |column| row.try_get::<i64, _>(column).map(|flag| flag != 0);
        let text = |column| row.try_get::<String, _>(column);
        let name = format!("{} {}", text(3)?, text(4)?);
        let identity = Identity {
            id: Some(id.to_string().into()),
            username: text(1)?.into(),
            email: text(2)?.into(),
            name: name.trim().into(),
            groups: self.words(id, GROUPS).await?,
            permissions: self.words(id, PERMISSIONS).await?,
            staff: flag(7)?,
            superuser: flag(8)?,
            ..Identity::default()
        };
        let (password, active) = (Secret::new(text(5)?), flag(6)?);
        Ok(User { id, password, active, identity: Arc::new(identity) })
    }

    async fn words(
        &self,
        user: i64,
        template: &'static str,
    ) -> Result<std::collections::BTreeSet<Box<str>>, sqlx::Error> {
        let parameters = template.matches('?').count();
        let rows = self.rows(template, |q| (0..parameters).fold(q, |q, _| q.bind(user))).await?;
        rows.iter().map(|row| row.try_get::<String, _>(0).map(Into::into)).collect()
    }
}

/// What [`Inner::user`] reads, in its order.
macro_rules! user_columns {
    () => {
        "u.id, u.{username}, u.email, u.first_name, u.last_name, u.password, \
         CASE WHEN u.is_active THEN 1 ELSE 0 END, CASE WHEN u.is_staff THEN 1 ELSE 0 END, \
         CASE WHEN u.is_superuser THEN 1 ELSE 0 END"
    };
}

const GROUPS: &str = "SELECT g.name FROM auth_group g \
    JOIN {table}_groups ug ON ug.group_id = g.id WHERE ug.{user_column} = ?";

const PERMISSIONS: &str = "SELECT CONCAT(c.app_label, '.', p.codename) FROM auth_permission p \
    JOIN django_content_type c ON c.id = p.content_type_id \
    WHERE p.id IN (SELECT up.permission_id FROM {table}_user_permissions up WHERE up.{user_column} = ?) \
    OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp \
        JOIN {table}_groups ug ON ug.group_id = gp.group_id WHERE ug.{user_column} = ?)";

#[async_trait]
impl Users for Sql {
    async fn user_by_name(&self, username: &str) -> Result<Option<User>, Unavailable> {
        let username = username.to_owned();
        self.ask(|store| async move {
            const QUERY: &str =
                concat!("SELECT ", user_columns!(), " FROM {table} u WHERE u.{username} = ?");
            let rows = store.rows(QUERY, |query| query.bind(username)).await?;
            match rows.first() {
                Some(row) => store.user(row).await.map(Some),
                None => Ok(None),
            }
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

#[async_trait]
impl Tokens for Sql {
    async fn user_by_token(&self, key: &str) -> Result<Option<User>, Unavailable> {
        let key = key.to_owned();
        self.ask(|store| async move {
            const QUERY: &str = concat!(
                "SELECT ",
                user_columns!(),
                ", t.{key} FROM authtoken_token t \
                 JOIN {table} u ON u.id = t.user_id WHERE t.{key} = ?"
            );
            let rows = store
                .rows(QUERY, {
                    let key = key.clone();
                    |query| query.bind(key)
                })
                .await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // MySQL's usual collations would also find a key in the other case.
            let stored: String = row.try_get(9)?;
            if !bool::from(stored.as_bytes().ct_eq(key.as_bytes())) {
                return Ok(None);
            }
            store.user(row).await.map(Some)
        })
        .await
    }

    async fn token_of(&self, user: i64, now: Timestamp) -> Result<(Secret, bool), Unavailable> {
        let fresh = random_bytes::<20>().map_err(|error| Unavailable::new("randomness", error))?;
        self.ask(move |store| async move {
            const SELECT: &str = "SELECT t.{key} FROM authtoken_token t WHERE t.user_id = ?";
            let read = |rows: Vec<AnyRow>| {
                let key = rows.first().map(|row| row.try_get::<String, _>(0)).transpose();
                key.map(|key| key.map(Secret::new))
            };
            if let Some(key) = read(store.rows(SELECT, |query| query.bind(user)).await?)? {
                return Ok((key, false));
            }
            let insert =
                "INSERT INTO authtoken_token ({key}, created, user_id) VALUES (?, {time}, ?)";
            let (key, moment) = (hex::encode(fresh), store.moment(now));
            let done = {
                let key = key.clone();
                store.execute(insert, |query| query.bind(key).bind(moment).bind(user)).await
            };
            match done {
                // Another request made it in between: theirs is the token.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    let key = read(store.rows(SELECT, |query| query.bind(user)).await?)?;
                    key.map(|key| (key, false)).ok_or(sqlx::Error::RowNotFound)
                }
                other => other.map(|_| (Secret::new(key), true)),
            }
        })
        .await
    }

    async fn delete_token(&self, user: i64) -> Result<bool, Unavailable> {
        self.ask(move |store| async move {
            let delete = "DELETE FROM authtoken_token WHERE user_id = ?";
            store.execute(delete, |query| query.bind(user)).await.map(|rows| rows > 0)
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Unavailable> {
        self.ask(|store| async move {
            let query = "SELECT t.{key}, u.{username} FROM authtoken_token t \
                         JOIN {table} u ON u.id = t.user_id ORDER BY u.id";
            let rows = store.rows(query, |query| query).await?;
            let token = |row: &AnyRow| {
                let key = Secret::new(row.try_get(0)?);
                Ok(Token { key, username: row.try_get::<String, _>(1)?.into() })
            };
            rows.iter().map(token).collect()
        })
        .await
    }
}

#[async_trait]
impl ApiKeys for Sql {
    async fn api_key(&self, digest: &str) -> Result<Option<ApiKey>, Unavailable> {
        let digest = digest.to_owned();
        self.ask(|store| async move {
            let query = "SELECT k.name, k.user_id FROM portcullis_api_key k WHERE k.digest = ?";
            let rows = store.rows(query, |query| query.bind(digest)).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let name = row.try_get::<String, _>(0)?.into();
            let Some(id) = row.try_get::<Option<i64>, _>(1)? else {
                return Ok(Some(ApiKey { name, user: None }));
            };
            const USER: &str =
                concat!("SELECT ", user_columns!(), " FROM {table} u WHERE u.id = ?");
            let rows = store.rows(USER, |query| query.bind(id)).await?;
            // The key of a user who is gone is no key.
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some(ApiKey { name, user: Some(store.user(row).await?) }))
        })
        .await
    }

    async fn create_api_key(
        &self,
        name: &str,
        digest: &str,
        user: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let (name, digest) = (name.to_owned(), digest.to_owned());
        self.ask(move |store| async move {
            let insert = "INSERT INTO portcullis_api_key (name, digest, user_id, created) \
                          VALUES (?, ?, CAST(? AS {bigint}), ?)";
            let bigint = if store.dialect == Dialect::Mysql { "SIGNED" } else { "BIGINT" };
            let insert = insert.replace("{bigint}", bigint);
            let created = now.to_string();
            let done = store
                .execute(&insert, |query| query.bind(name).bind(digest).bind(user).bind(created))
                .await;
            match done {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                other => other.map(|_| true),
            }
        })
        .await
    }

    async fn delete_api_key(&self, name: &str) -> Result<bool, Unavailable> {
        let name = name.to_owned();
        self.ask(|store| async move {
            let delete = "DELETE FROM portcullis_api_key WHERE name = ?";
            store.execute(delete, |query| query.bind(name)).await.map(|rows| rows > 0)
        })
        .await
    }

    async fn api_keys(&self) -> Result<Vec<(String, Option<String>)>, Unavailable> {
        self.ask(|store| async move {
            let query = "SELECT k.name, u.{username} FROM portcullis_api_key k \
                         LEFT JOIN {table} u ON u.id = k.user_id ORDER BY k.name";
            let rows = store.rows(query, |query| query).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
        .await
    }
}

/// Settings of each new connection. SQLite: readers do not wait for a writer, and a writer waits
/// for another instead of failing.
async fn prepare(
    connection: &mut sqlx::AnyConnection,
    dialect: Dialect,
) -> Result<(), sqlx::Error> {
    let statements: &[&'static str] = match dialect {
        Dialect::Sqlite => {
            &["PRAGMA journal_mode = WAL", "PRAGMA busy_timeout = 4000", "PRAGMA foreign_keys = ON"]
        }
        // Django keeps UTC; the session must not turn our moments into local time.
        Dialect::Mysql => &["SET time_zone = '+00:00'"],
        Dialect::Postgres => &[],
    };
    for statement in statements {
        sqlx::query(*statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A name that may stand in a query: nothing else ever does.
fn identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
