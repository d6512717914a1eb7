//! Django's tables on SQLite, PostgreSQL and MySQL/MariaDB: one text a query, written in what the
//! three have in common. What is asked stands beside this file, a table a file.

mod api_keys;
mod broadcast;
mod knox;
mod open;
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

use sqlx::{
    Any, AnyPool, AssertSqlSafe, Row,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tokio::runtime::Handle;

pub use self::{
    broadcast::{Heard, Revocations},
    open::Config,
};
use super::{Unavailable, User, schema};
use crate::{
    clock::{Clock, Timestamp},
    identity::Identity,
    observe::metrics::StoreMetrics,
    value::Secret,
};

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
    /// SQLite's.
    file: Option<std::path::PathBuf>,
    own_tables: bool,
    metrics: StoreMetrics,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

impl Sql {
    /// Creates what may be created: Django's tables in an embedded store, which is an SQLite file
    /// that no project has migrated; ours there, and where allowed.
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
            let embedded = store.dialect == Dialect::Sqlite && !store.is_project_s().await?;
            let django = if embedded { schema::DJANGO } else { &[] };
            let own = if embedded || store.own_tables { schema::OWN } else { &[] };
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
        let asked = self.inner.clock.now();
        // The timer is made where it runs: the worker's may be gone before the answer comes.
        let in_time = async move { tokio::time::timeout(timeout, work).await };
        let answered = self.control.spawn(in_time).await;
        let seconds = self.inner.clock.now().since(asked).as_secs_f64();
        let metrics = &self.inner.metrics;
        let good = matches!(answered, Ok(Ok(Ok(_))));
        if good { &metrics.answered } else { &metrics.failed }.observe(seconds);
        let error = match answered {
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
    /// Whether an SQLite file is a Django project's.
    async fn is_project_s(&self) -> Result<bool, sqlx::Error> {
        open::is_project_s(&mut *self.pool.acquire().await?).await
    }

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

/// Whether a row can hold it. PostgreSQL answers NUL in a text with an error, which would look like
/// an outage.
fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A name that may stand in a query: nothing else ever does.
fn identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
