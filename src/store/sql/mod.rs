//! Django's tables on SQLite, PostgreSQL and MySQL/MariaDB: one text a query, written in what the
//! three have in common. What is asked stands beside this file, a table a file.

mod api_keys;
mod broadcast;
mod knox;
mod outstanding;
mod sessions;
mod tokens;
mod triggers;
mod users;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, Row,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    query::Query,
};
use tokio::runtime::Handle;

pub use self::broadcast::{Heard, Revocations};
use super::{Unavailable, User, schema};
use crate::{
    clock::{Clock, Timestamp},
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
    /// The database user's password, where it does not stand in the URL; as it is, not encoded.
    password: Option<Secret>,
    /// On an empty embedded store: creates this superuser and prints its password and token once.
    pub bootstrap: Option<String>,
    /// Lets the gateway create tables of its own (`portcullis_…`) in a database it does not own.
    own_tables: bool,
    /// Django's `AUTH_USER_MODEL`.
    user_model: String,
    /// The user model's `USERNAME_FIELD`.
    pub username_field: String,
    /// Connections at the most.
    connections: Count,
    /// How long an answer may take before the store counts as unavailable.
    timeout: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite://gateway.db".into()),
            password: None,
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
    /// Where it is, for a connection that listens.
    url: Secret,
    dialect: Dialect,
    table: String,
    /// The column of the many-to-many tables that names the user.
    user_column: String,
    username_field: String,
    timeout: Duration,
    clock: Clock,
    /// A moment of the clock; see [`PAUSE`].
    down_until: AtomicU64,
    /// How many gateways have heard of revocations.
    heard: AtomicUsize,
    /// Nothing is written: see [`Sql::only_look`].
    only_look: AtomicBool,
    embedded: bool,
    /// An embedded store's.
    file: Option<std::path::PathBuf>,
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
        let url = match &config.password {
            Some(password) => with_password(&url, password).ok_or_else(|| {
                let problem = Problem::new(&path.key("password"), "the URL names no user for it");
                problem.help("write postgres://user@host/database, and leave the password out")
            })?,
            None => url,
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
                url: Secret::new(url.clone()),
                dialect,
                table: format!("{app}_{name}").to_lowercase(),
                user_column: format!("{name}_id").to_lowercase(),
                username_field: config.username_field.clone(),
                timeout: config.timeout.0,
                clock: Clock::system(),
                down_until: AtomicU64::new(0),
                heard: AtomicUsize::new(0),
                only_look: AtomicBool::new(false),
                embedded: dialect == Dialect::Sqlite,
                file: file(&url),
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
        if let Some(file) = &self.inner.file {
            // Tokens stand in it in the clear: the file is made before SQLite makes it for
            // everybody to read. SQLite itself tells if it cannot be made.
            let mut options = std::fs::OpenOptions::new();
            let _ = std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600)
                .write(true)
                .create_new(true)
                .open(file);
        }
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

    /// From now on nothing is written, and whoever writes is told that it was done: for `explain`,
    /// which shows what would happen.
    pub fn only_look(&self) {
        self.inner.only_look.store(true, Ordering::Relaxed);
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
        let outage = |cause: &dyn ToString| Unavailable::new("the store", cause.to_string());
        if self.inner.clock.now().0 < self.inner.down_until.load(Ordering::Relaxed) {
            return Err(outage(&"it did not answer a moment ago"));
        }
        let timeout = self.inner.timeout;
        let work = work(Arc::clone(&self.inner));
        let error = match self.control.spawn(tokio::time::timeout(timeout, work)).await {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(error @ (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)))) => outage(&error),
            Ok(Ok(Err(error))) => return Err(outage(&error)),
            Ok(Err(_)) => outage(&"no answer in time"),
            Err(error) => return Err(outage(&error)),
        };
        // It is not there: for a moment nobody else waits as long to learn it.
        let pause = self.inner.clock.now() + PAUSE;
        self.inner.down_until.store(pause.0, Ordering::Relaxed);
        Err(error)
    }
}

/// A database that cannot be reached is tried again after this long.
const PAUSE: Duration = Duration::from_secs(1);

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

    /// A column that holds a moment, read as microseconds since 1970.
    fn micros(&self, column: &str) -> String {
        match self.dialect {
            Dialect::Postgres => {
                format!("CAST(ROUND(EXTRACT(EPOCH FROM {column}) * 1000000) AS BIGINT)")
            }
            Dialect::Mysql => {
                format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {column})")
            }
            // Django writes the fraction only where there is one.
            Dialect::Sqlite => format!(
                "CAST(strftime('%s', {column}) AS INTEGER) * 1000000 \
                 + CAST(substr({column} || '.000000', 21, 6) AS INTEGER)"
            ),
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
        if self.only_look.load(Ordering::Relaxed) {
            return Ok(1);
        }
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
            row: Some(id),
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

/// What [`Inner::micros`] reads.
fn moment(row: &AnyRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    Ok(optional_moment(row, column)?.unwrap_or_default())
}

/// The same where the column may be empty.
fn optional_moment(row: &AnyRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    Ok(micros.map(|micros| Timestamp(u64::try_from(micros).unwrap_or_default())))
}

/// What [`Inner::user`] reads, in its order.
macro_rules! user_columns {
    () => {
        "u.id, u.{username}, u.email, u.first_name, u.last_name, u.password, \
         CASE WHEN u.is_active THEN 1 ELSE 0 END, CASE WHEN u.is_staff THEN 1 ELSE 0 END, \
         CASE WHEN u.is_superuser THEN 1 ELSE 0 END"
    };
}
use user_columns;

const GROUPS: &str = "SELECT g.name FROM auth_group g \
    JOIN {table}_groups ug ON ug.group_id = g.id WHERE ug.{user_column} = ?";

const PERMISSIONS: &str = "SELECT CONCAT(c.app_label, '.', p.codename) FROM auth_permission p \
    JOIN django_content_type c ON c.id = p.content_type_id \
    WHERE p.id IN (SELECT up.permission_id FROM {table}_user_permissions up WHERE up.{user_column} = ?) \
    OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp \
        JOIN {table}_groups ug ON ug.group_id = gp.group_id WHERE ug.{user_column} = ?)";

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

/// A URL with the password in it, encoded as URLs want it.
fn with_password(url: &str, password: &Secret) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = rest.split_once('@').filter(|(user, _)| !user.contains([':', '/']))?;
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let password: String = password.reveal().bytes().map(byte).collect();
    Some(format!("{scheme}://{user}:{password}@{rest}"))
}

/// The file of an SQLite URL; none for one in memory.
fn file(url: &str) -> Option<std::path::PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next()?;
    (!path.is_empty() && path != ":memory:").then(|| path.into())
}

/// Whether a row can hold it. PostgreSQL answers NUL in a text with an error, which would look like
/// an outage.
fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A name that may stand in a query: nothing else ever does.
fn identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
