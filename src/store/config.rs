//! The `store` setting, and a database made of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyPoolOptions;
use tokio::runtime::Handle;

use super::{
    Table, UserModel,
    database::{Database, Inner},
    model,
    template::Dialect,
};
use crate::{
    clock::Clock,
    observe::metrics::StoreMetrics,
    value::{Count, FromWord, Path, Period, Problem, Problems, RESERVED, Secret, word_or_map},
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
    /// Makes an empty embedded store where the SQLite file is not there; `bootstrap` does so too.
    create: bool,
    /// Lets the gateway create tables of its own (`portcullis_…`) in a database it does not own.
    own_tables: bool,
    /// Django's `AUTH_USER_MODEL`.
    #[serde(deserialize_with = "word_or_map")]
    #[schemars(schema_with = "crate::value::word_or_map_schema::<model::Config>")]
    user_model: model::Config,
    /// The user model's `USERNAME_FIELD`.
    pub username_field: String,
    /// Which spellings of a user name a person may log in with.
    username_match: UsernameMatch,
    /// Whether a pooler such as PgBouncer is between, which gives each transaction another
    /// connection: `pool_mode = transaction`.
    pooler: bool,
    /// PostgreSQL itself, where a pooler is between: `LISTEN` needs a connection that stays. Without
    /// it what Django ends is learned of within `cache.ttl`.
    listen_url: Option<Secret>,
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
            create: false,
            own_tables: false,
            user_model: model::Config::default(),
            username_field: "username".into(),
            username_match: UsernameMatch::Exact,
            pooler: false,
            listen_url: None,
            connections: Count(8),
            timeout: Period::seconds(5),
        }
    }
}

/// Which spellings of a user name a person may log in with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UsernameMatch {
    /// The stored one alone.
    #[default]
    Exact,
    /// All that the column's collation takes for it, as Django does: with MySQL's usual ones `ALICE`,
    /// `álice` and `alice ` are alice.
    Collation,
}

impl FromWord for Config {
    const EXPECTING: &'static str = "a database URL, or a map with `url`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { url: Secret::new(word.to_owned()), ..Self::default() })
    }
}

impl Database {
    /// Builds a store that connects when it is first asked.
    ///
    /// # Errors
    /// What is wrong in the setting.
    pub fn new(
        config: &Config,
        path: &Path,
        tables: Vec<Table>,
        control: &Handle,
        metrics: StoreMetrics,
    ) -> Result<Self, Problems> {
        let (dialect, url) = location(config, path)?;
        let model = UserModel::new(&config.user_model, &config.username_field, dialect, path)?;
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
                model,
                tables,
                timeout: config.timeout.0,
                clock: Clock::system(),
                down_until: AtomicU64::new(0),
                heard: AtomicUsize::new(0),
                dry_run: AtomicBool::new(false),
                file: file(&url),
                may_create: config.create || config.bootstrap.is_some(),
                own_tables: config.own_tables,
                needs: Mutex::default(),
                examined: AtomicBool::new(false),
                services: Mutex::default(),
                username_match: config.username_match,
                pooler: config.pooler,
                listen_url: match &config.listen_url {
                    Some(url) => Some(url.clone()),
                    None => (!config.pooler).then(|| Secret::new(url.clone())),
                },
                metrics,
            }),
            control: control.clone(),
        })
    }
}

/// Which database it is, and its URL as the library wants it.
fn location(config: &Config, path: &Path) -> Result<(Dialect, String), Problem> {
    let url = config.url.reveal();
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    // As django-environ and dj-database-url spell them, too.
    let (dialect, scheme) = match scheme {
        "sqlite" | "sqlite3" | "spatialite" => (Dialect::Sqlite, "sqlite"),
        "postgres" | "postgresql" | "psql" | "pgsql" | "postgis" | "timescale" | "timescalegis" => {
            (Dialect::Postgres, "postgres")
        }
        "mysql" | "mariadb" | "mysql2" | "mysqlgis" | "mysql-connector" => {
            (Dialect::Mysql, "mysql")
        }
        other => {
            let problem = Problem::new(path, format!("unknown database `{other}`"));
            return Err(problem.help("use sqlite://…, postgres://… or mysql://…"));
        }
    };
    match dialect {
        Dialect::Sqlite => check_file(rest, path)?,
        Dialect::Postgres | Dialect::Mysql => check_parts(rest, dialect, path)?,
    }
    let url = match dialect {
        // What only looks makes no file.
        Dialect::Sqlite if !url.contains('?') => format!("{scheme}:{rest}?mode=rw"),
        _ => format!("{scheme}:{rest}"),
    };
    let Some(password) = &config.password else { return Ok((dialect, url)) };
    let url = with_password(&url, password).ok_or_else(|| {
        let problem = Problem::new(&path.key("password"), "the URL names no user for it");
        problem.help("write postgres://user@host/database, and leave the password out")
    })?;
    Ok((dialect, url))
}

/// Three slashes are a relative path to Django's packages, and an absolute one here.
fn check_file(rest: &str, path: &Path) -> Result<(), Problem> {
    let Some(file) = rest.strip_prefix("///").filter(|file| !file.is_empty()) else {
        return Ok(());
    };
    let name = file.split('?').next().unwrap_or_default();
    let here =
        std::path::Path::new(name).exists() && !std::path::Path::new(&format!("/{name}")).exists();
    if here {
        let problem =
            Problem::new(path, format!("there is no /{name}, but there is {name} in this folder"));
        return Err(
            problem.help(format!("write sqlite://{name}: three slashes begin an absolute path"))
        );
    }
    Ok(())
}

/// What a URL library would read as something else, or pass over.
fn check_parts(rest: &str, dialect: Dialect, path: &Path) -> Result<(), Problem> {
    let modes: &[&str] = match dialect {
        Dialect::Postgres => &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        _ => &["disabled", "preferred", "required", "verify-ca", "verify-identity"],
    };
    let known: &[&str] = match dialect {
        Dialect::Postgres => &[
            "sslmode",
            "ssl-mode",
            "sslrootcert",
            "ssl-root-cert",
            "ssl-ca",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
            "statement-cache-capacity",
            "host",
            "hostaddr",
            "port",
            "dbname",
            "user",
            "password",
            "application_name",
            "options",
        ],
        _ => &[
            "sslmode",
            "ssl-mode",
            "sslca",
            "ssl-ca",
            "charset",
            "collation",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
            "statement-cache-capacity",
            "socket",
        ],
    };
    let secret = rest.rsplit_once('@').map_or("", |(secret, _)| secret);
    if secret.trim_start_matches("//").contains(['#', '?', '/']) {
        let problem = Problem::new(path, "a character before the `@` ends the user and password");
        return Err(problem.help(
            "write # as %23, ? as %3F, / as %2F and @ as %40 in it, or give the password apart as `password`",
        ));
    }
    let refused = |what: &str, help: &str| Err(Problem::new(path, what.to_owned()).help(help));
    if rest.contains("?service=") || rest.contains("&service=") {
        return refused(
            "a service file of libpq is not read",
            "write host, port, user and database of the service into the URL",
        );
    }
    if !rest.starts_with("//") {
        return refused("the database URL has no host", "write postgres://user@host:5432/database");
    }
    if rest.contains('#') {
        return refused("a `#` ends the database URL", "write # as %23");
    }
    let authority = rest.trim_start_matches("//").split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.contains(',') {
        return refused("the database URL names several hosts", "name one, or a proxy before them");
    }
    let socket = dialect == Dialect::Mysql && host.to_ascii_lowercase().contains("%2f");
    if host.is_empty() || socket {
        return refused(
            "the database URL has no host",
            "for a Unix socket write postgres://user@localhost/database?host=/folder, or for MySQL \
             mysql://user@localhost/database?socket=/file",
        );
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split(['=', '[']).next().unwrap_or_default();
        let value = pair.split_once('=').map_or("", |(_, value)| value).to_ascii_lowercase();
        if matches!(name, "sslmode" | "ssl-mode")
            && !modes.contains(&value.replace('_', "-").as_str())
        {
            let problem =
                Problem::new(path, format!("unknown `{name}={value}` in the database URL"));
            return Err(problem.help(format!("known are {}", modes.join(", "))));
        }
        if !known.contains(&name) {
            let problem =
                Problem::new(path, format!("unknown parameter `{name}` of the database URL"));
            return Err(problem.help(format!("known are {}", known.join(", "))));
        }
    }
    Ok(())
}

/// A URL with the password in it, encoded as URLs want it.
fn with_password(url: &str, password: &Secret) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = rest.split_once('@').filter(|(user, _)| !user.contains([':', '/']))?;
    let password = utf8_percent_encode(password.reveal(), &RESERVED);
    Some(format!("{scheme}://{user}:{password}@{rest}"))
}

/// The file of an SQLite URL; none for one in memory.
fn file(url: &str) -> Option<std::path::PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next()?;
    let path = percent_decode_str(path).decode_utf8().ok()?;
    (!path.is_empty() && path != ":memory:").then(|| path.as_ref().into())
}

/// Whether an SQLite file is a Django project's: then nothing in it is the gateway's to change.
pub(super) async fn is_django_project(
    connection: &mut sqlx::AnyConnection,
) -> Result<bool, sqlx::Error> {
    const MIGRATED: &str = "SELECT name FROM sqlite_master WHERE name = 'django_migrations'";
    Ok(sqlx::query(MIGRATED).fetch_optional(connection).await?.is_some())
}

/// Settings of each new connection. SQLite: readers do not wait for a writer, and a writer waits
/// for another instead of failing.
async fn prepare(
    connection: &mut sqlx::AnyConnection,
    dialect: Dialect,
) -> Result<(), sqlx::Error> {
    let statements: &[&'static str] = match dialect {
        Dialect::Sqlite => &["PRAGMA busy_timeout = 4000", "PRAGMA foreign_keys = ON"],
        // Django keeps UTC; the session must not turn our moments into local time.
        Dialect::Mysql => &["SET time_zone = '+00:00'"],
        Dialect::Postgres => &[],
    };
    for statement in statements {
        sqlx::query(*statement).execute(&mut *connection).await?;
    }
    // It stays in the file.
    if dialect == Dialect::Sqlite && !is_django_project(connection).await? {
        sqlx::query("PRAGMA journal_mode = WAL").execute(connection).await?;
    }
    Ok(())
}
