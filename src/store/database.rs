//! The database: where statements run, how long they may take, and what becomes of their text.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AnyPool, AssertSqlSafe, Row,
    any::{AnyArguments, AnyRow},
};
use tokio::runtime::Handle;

use super::{
    Table, Unavailable, User,
    config::{UsernameMatch, is_django_project},
    model::{Column, UserModel},
    table::Owner,
    template::{Arg, Dialect},
};
use crate::{
    clock::{Clock, Timestamp},
    identity::{Identity, UserKey},
    observe::metrics::StoreMetrics,
    value::{Secret, stripped},
};

/// A relational store. Its statements run on the control runtime; callers await the answer.
#[derive(Clone)]
pub struct Database {
    pub(super) inner: Arc<Inner>,
    pub(super) control: Handle,
}

pub(super) struct Inner {
    pub(super) pool: AnyPool,
    /// Where it is.
    pub(super) url: Secret,
    pub(super) model: UserModel,
    /// Of all packages, Django's own first.
    pub(super) tables: Vec<Table>,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    /// A moment of the clock; see [`PAUSE`].
    pub(super) down_until: AtomicU64,
    /// How many gateways have heard of revocations.
    pub(super) heard: AtomicUsize,
    /// Nothing is written: see [`Database::dry_run`].
    pub(super) dry_run: AtomicBool,
    /// SQLite's.
    pub(super) file: Option<std::path::PathBuf>,
    /// Whether an SQLite file that is not there may be made.
    pub(super) may_create: bool,
    pub(super) own_tables: bool,
    /// The queries that the configuration will need: see [`Database::needs`].
    pub(super) needs: Mutex<BTreeSet<&'static str>>,
    pub(super) examined: AtomicBool,
    /// Names that services have: see [`Database::reserve`].
    pub(super) services: Mutex<BTreeSet<Box<str>>>,
    pub(super) username_match: UsernameMatch,
    /// Whether a pooler is between, which gives each transaction a connection.
    pub(super) pooler: bool,
    /// Where PostgreSQL is listened to; nothing where a pooler alone can be reached.
    pub(super) listen_url: Option<Secret>,
    pub(super) metrics: StoreMetrics,
}

/// A database that cannot be reached is tried again after this long.
const PAUSE: Duration = Duration::from_secs(1);

impl Database {
    /// Creates what may be created: Django's tables in an embedded store, which is an SQLite file
    /// that no project has migrated; ours there, and where allowed.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn create_tables(&self) -> Result<(), Unavailable> {
        if let Some(missing) = self.missing() {
            return match self.is_needed() {
                true => Err(Unavailable::new("the store", missing)),
                false => Ok(()),
            };
        }
        if let Some(file) = &self.inner.file {
            // Tokens stand in it in the clear: the file is made before SQLite makes it readable for
            // all users. SQLite itself tells if it cannot be made.
            let mut options = std::fs::OpenOptions::new();
            let _ = std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600)
                .write(true)
                .create_new(true)
                .open(file);
        }
        self.run(|sql| async move {
            let store = &sql.0;
            let embedded = store.model.dialect == Dialect::Sqlite
                && !is_django_project(&mut *store.pool.acquire().await?).await?;
            let may_make = |table: &&Table| match table.owner {
                Owner::Django => embedded,
                Owner::Gateway => embedded || store.own_tables,
            };
            for table in store.tables.iter().filter(may_make) {
                for statement in table.sqlite {
                    let text = store.model.statement(statement, None);
                    let make = || sqlx::query(AssertSqlSafe(text.clone())).execute(&store.pool);
                    // PostgreSQL's `IF NOT EXISTS` fails where two gateways start at once.
                    if make().await.is_err() {
                        make().await?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// From now on nothing is written, and statements that write report success: for `explain`,
    /// which shows what would happen.
    pub fn dry_run(&self) {
        self.inner.dry_run.store(true, Ordering::Relaxed);
    }

    /// The project's user model.
    pub fn model(&self) -> &UserModel {
        &self.inner.model
    }

    /// A column of the user table that a setting names; nothing if that is no plain name.
    pub fn column(&self, name: &str) -> Option<Column> {
        Column::new(name, self.inner.model.dialect)
    }

    pub(super) fn matches_exactly(&self) -> bool {
        self.inner.username_match == UsernameMatch::Exact
    }

    /// Runs `work` on the control runtime, within the store's time. A caller that goes away does
    /// not cancel it: half a conversation would cost the pool a connection.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn run<T, F>(&self, work: impl FnOnce(Sql) -> F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let outage = |cause: &dyn ToString| Unavailable::new("the store", cause.to_string());
        if self.inner.clock.now().0 < self.inner.down_until.load(Ordering::Relaxed) {
            return Err(outage(&"it did not answer a moment ago"));
        }
        let timeout = self.inner.timeout;
        let work = work(Sql(Arc::clone(&self.inner)));
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
        // It is not there: for a moment no other request waits as long to learn it.
        let pause = self.inner.clock.now() + PAUSE;
        self.inner.down_until.store(pause.0, Ordering::Relaxed);
        Err(error)
    }
}

/// Statements, for work that [`Database::run`] runs.
#[derive(Clone)]
pub struct Sql(pub(super) Arc<Inner>);

impl Sql {
    /// The rows of a query. In its text, which is the same for all databases:
    ///
    /// - `?`, `{time}` and `{user_key}` are parameters, in order: a text or number, a moment, a
    ///   user's key;
    /// - `{users}`, `{pk}`, `{username}`, `{password}` are the user table and its columns, and
    ///   `{user_columns}` is what [`Self::user`] reads of a table called `u`;
    /// - `{groups}`, `{groups.user}`, `{groups.group}`, and the same of `{permissions}`, are its
    ///   many-to-many tables, where it has them, and their columns;
    /// - `{micros X}` reads a moment (see [`moment`]), `{text X}` a text;
    /// - `{key}` is the quoted column `key`; `{true}`, `{false}`, `{bigint}` are literals and a type.
    ///
    /// # Errors
    /// The database's.
    pub async fn rows(
        &self,
        template: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        self.rows_of(template, None, args).await
    }

    /// [`Self::rows`], where `{column}` is a column that a setting names.
    ///
    /// # Errors
    /// The database's.
    pub async fn rows_by(
        &self,
        template: &'static str,
        column: &Column,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        self.rows_of(template, Some(column), args).await
    }

    async fn rows_of(
        &self,
        template: &'static str,
        column: Option<&Column>,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let text = self.0.model.statement(template, column);
        let args = self.0.model.arguments(args)?;
        if !self.0.pooler {
            return sqlx::query_with(AssertSqlSafe(text), args).fetch_all(&self.0.pool).await;
        }
        // Outside a transaction the pooler may hand the connection on between the statement and its
        // parameters, which would then be another client's statement's.
        let mut transaction = self.transaction().await?;
        let rows = transaction.fetch(text, args).await?;
        transaction.end().await?;
        Ok(rows)
    }

    /// How many rows a statement changed; its text is as for [`Self::rows`].
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(
        &self,
        template: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<u64, sqlx::Error> {
        self.execute_of(template, None, args).await
    }

    /// [`Self::execute`], where `{column}` is a column of the user model.
    pub(super) async fn execute_of(
        &self,
        template: &'static str,
        column: Option<&Column>,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<u64, sqlx::Error> {
        if self.is_dry_run() {
            return Ok(1);
        }
        let text = self.0.model.statement(template, column);
        let args = self.0.model.arguments(args)?;
        self.change(text, args).await
    }

    async fn change(&self, text: String, args: AnyArguments) -> Result<u64, sqlx::Error> {
        if !self.0.pooler {
            let done = sqlx::query_with(AssertSqlSafe(text), args).execute(&self.0.pool).await?;
            return Ok(done.rows_affected());
        }
        let mut transaction = self.transaction().await?;
        let rows = transaction.change(text, args).await?;
        transaction.end().await?;
        Ok(rows)
    }

    pub(super) async fn insert_into_users(
        &self,
        values: &[(&Column, &'static str)],
        args: Vec<Arg>,
    ) -> Result<(), sqlx::Error> {
        let (text, args) = (self.0.model.insert(values), self.0.model.arguments(args)?);
        self.change(text, args).await.map(|_| ())
    }

    /// Whether nothing is written; see [`Database::dry_run`].
    pub fn is_dry_run(&self) -> bool {
        self.0.dry_run.load(Ordering::Relaxed)
    }

    /// Whether texts compare without case, so that what was found has to be compared again.
    pub fn ignores_case(&self) -> bool {
        self.0.model.dialect == Dialect::Mysql
    }

    /// The user of a row that begins with `{user_columns}`, with groups and permissions.
    ///
    /// # Errors
    /// The database's.
    pub async fn user(&self, row: &AnyRow) -> Result<User, sqlx::Error> {
        let key = self.0.key_of(row, 0)?;
        let flag = |column| row.try_get::<i64, _>(column).map(|flag| flag != 0);
        let text = |column| row.try_get::<String, _>(column);
        let name = format!("{} {}", text(3)?, text(4)?);
        let identity = Identity {
            id: Some(key.to_string().into()),
            row: Some(key.clone()),
            username: text(1)?.into(),
            email: text(2)?.into(),
            name: stripped(&name).into(),
            groups: self.groups(&key).await?,
            permissions: self.permissions(&key).await?,
            staff: flag(7)?,
            superuser: flag(8)?,
            ..Identity::default()
        };
        let (password, active) = (Secret::new(text(5)?), flag(6)?);
        Ok(User { id: key, password, active, identity: Arc::new(identity) })
    }

    /// The user of the first row that begins with `{user_columns}`.
    ///
    /// # Errors
    /// The database's.
    pub async fn first_user(&self, rows: &[AnyRow]) -> Result<Option<User>, sqlx::Error> {
        match rows.first() {
            Some(row) => self.user(row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn groups(&self, key: &UserKey) -> Result<Words, sqlx::Error> {
        match &self.0.model.groups {
            Some(_) => self.words(GROUPS, [Arg::from(key)]).await,
            None => Ok(Words::new()),
        }
    }

    async fn permissions(&self, key: &UserKey) -> Result<Words, sqlx::Error> {
        let key = Arg::from(key);
        match (&self.0.model.permissions, &self.0.model.groups) {
            (Some(_), Some(_)) => self.words(PERMISSIONS, [key.clone(), key]).await,
            (Some(_), None) => self.words(OWN_PERMISSIONS, [key]).await,
            (None, Some(_)) => self.words(GROUP_PERMISSIONS, [key]).await,
            (None, None) => Ok(Words::new()),
        }
    }

    async fn words(
        &self,
        template: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Words, sqlx::Error> {
        let rows = self.rows(template, args).await?;
        rows.iter().map(|row| row.try_get::<String, _>(0).map(Into::into)).collect()
    }
}

impl Inner {
    /// A user's key in a column of a row.
    pub(super) fn key_of(&self, row: &AnyRow, column: usize) -> Result<UserKey, sqlx::Error> {
        use super::KeyKind;
        if self.model.key == KeyKind::Integer {
            return row.try_get(column).map(UserKey::Integer);
        }
        let text: String = row.try_get(column)?;
        let no_key = || sqlx::Error::Decode(format!("`{text}` is not a key of a user").into());
        self.model.parse_key(&text).ok_or_else(no_key)
    }
}

type Words = std::collections::BTreeSet<Box<str>>;

pub(super) const GROUPS: &str = "SELECT g.name FROM auth_group g \
    JOIN {groups} ug ON ug.{groups.group} = g.id WHERE ug.{groups.user} = {user_key}";

pub(super) const PERMISSIONS: &str = "SELECT CONCAT(c.app_label, '.', p.codename) FROM auth_permission p \
    JOIN django_content_type c ON c.id = p.content_type_id \
    WHERE p.id IN (SELECT up.{permissions.permission} FROM {permissions} up \
        WHERE up.{permissions.user} = {user_key}) \
    OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp \
        JOIN {groups} ug ON ug.{groups.group} = gp.group_id WHERE ug.{groups.user} = {user_key})";

pub(super) const OWN_PERMISSIONS: &str = "SELECT CONCAT(c.app_label, '.', p.codename) FROM auth_permission p \
    JOIN django_content_type c ON c.id = p.content_type_id \
    JOIN {permissions} up ON up.{permissions.permission} = p.id \
    WHERE up.{permissions.user} = {user_key}";

pub(super) const GROUP_PERMISSIONS: &str = "SELECT CONCAT(c.app_label, '.', p.codename) FROM auth_permission p \
    JOIN django_content_type c ON c.id = p.content_type_id \
    WHERE p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp \
        JOIN {groups} ug ON ug.{groups.group} = gp.group_id WHERE ug.{groups.user} = {user_key})";

/// What `{micros …}` reads.
///
/// # Errors
/// If the column is not there, or no number.
pub fn moment(row: &AnyRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    Ok(optional_moment(row, column)?.unwrap_or_default())
}

/// The same where the column may be empty.
///
/// # Errors
/// As [`moment`].
pub fn optional_moment(row: &AnyRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    Ok(micros.map(|micros| Timestamp(u64::try_from(micros).unwrap_or_default())))
}

/// Whether a statement failed since such a row is there already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Whether a row can hold it. PostgreSQL answers NUL in a text with an error, which would look like
/// an outage.
pub fn storable(text: &str) -> bool {
    !text.contains('\0')
}
