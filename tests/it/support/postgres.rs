//! Django's tables on the PostgreSQL of `tests/run`, in a schema of the test's own.

use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgPoolOptions};
use tokio::runtime::Runtime;

use super::{
    from_test_run,
    gateway::{ALICE_KEY, hash},
};

const TABLES: [&str; 12] = [
    "auth_user",
    "auth_group",
    "auth_user_groups",
    "auth_user_user_permissions",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_session",
    "authtoken_token",
    "knox_authtoken",
    "token_blacklist_outstandingtoken",
    "token_blacklist_blacklistedtoken",
];

pub(crate) struct Postgres {
    /// With the schema in it.
    pub(crate) url: String,
    pub(crate) schema: String,
    /// Ids of users begin above it, so that no two tests' messages name the same one.
    pub(crate) base: i64,
    pool: PgPool,
    runtime: Runtime,
}

impl Postgres {
    /// With alice and her token in it.
    pub(crate) fn start(name: &str) -> Self {
        let url = from_test_run("PORTCULLIS_TEST_POSTGRES");
        let process = std::process::id();
        let schema = format!("it_{name}_{process}");
        let base = i64::from(process % 100_000) * 10_000
            + i64::from(u16::from_le_bytes(portcullis::crypto::random_bytes().unwrap()) % 100)
                * 100;
        let runtime = Runtime::new().unwrap();
        let url = format!("{url}?options=-csearch_path%3D{schema}");
        let pool = runtime.block_on(PgPoolOptions::new().connect(&url)).unwrap();
        let database = Self { url, schema, base, pool, runtime };
        database.execute(&format!("CREATE SCHEMA {}", database.schema));
        for table in TABLES {
            database.execute(&format!("CREATE TABLE {table} (LIKE public.{table} INCLUDING ALL)"));
        }
        database.execute(&format!("ALTER TABLE auth_user ALTER id RESTART WITH {}", base + 1));
        database.user("alice");
        database.execute(&format!(
            "INSERT INTO authtoken_token SELECT '{ALICE_KEY}', now(), id FROM auth_user"
        ));
        database
    }

    /// A user with the password of most tests.
    pub(crate) fn user(&self, name: &str) {
        let hash = hash(super::PASSWORD);
        self.execute(&format!(
            "INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, \
             is_active, date_joined, first_name) \
             VALUES ('{hash}', false, '{name}', '', '', false, true, now(), '')"
        ));
    }

    /// The URL in another spelling, with the schema as the name of the application: a gateway that
    /// has it is told of nothing over local sockets by who has this one.
    pub(crate) fn elsewhere(&self) -> String {
        format!("{}&application_name={}", self.url, self.schema)
    }

    pub(crate) fn execute(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        self.runtime.block_on(sqlx::raw_sql(statement).execute(&self.pool)).unwrap();
    }

    /// The first column of every row, as text.
    pub(crate) fn texts(&self, query: &str) -> Vec<String> {
        let query = sqlx::query(AssertSqlSafe(query.to_owned()));
        let rows = self.runtime.block_on(query.fetch_all(&self.pool)).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Begins a transaction; it ends with the value.
    pub(crate) fn begin(&self) -> sqlx::Transaction<'static, sqlx::Postgres> {
        self.runtime.block_on(self.pool.begin()).unwrap()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.schema));
        self.runtime.block_on(async {
            let _ = sqlx::raw_sql(drop).execute(&self.pool).await;
            self.pool.close().await;
        });
    }
}
