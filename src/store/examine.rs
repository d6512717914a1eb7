//! Whether the store is what the configuration needs: its file is there, the database can read every
//! query, no pooler is between that nobody has named, and no service has a user's name.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, atomic::Ordering},
};

use sqlx::{AssertSqlSafe, Executor, Row, SqlSafeStr};

use super::{
    Database, Unavailable,
    database::{GROUP_PERMISSIONS, GROUPS, OWN_PERMISSIONS, PERMISSIONS, Sql},
    template::Dialect,
    users::BY_NAME,
};

/// Stand for the queries of the user model in [`Database::needs`].
const GROUPS_OF_USERS: &str = "groups";
const PERMISSIONS_OF_USERS: &str = "permissions";

impl Database {
    /// Whether it is a file that is not there, and that a start will make.
    pub fn is_yet_to_be_made(&self) -> bool {
        let missing = self.inner.file.as_ref().is_some_and(|file| !file.exists());
        missing && (self.inner.may_create || !self.is_needed())
    }

    /// What is to be done about a file that is not there, and that nobody has asked to be made: it is
    /// likelier a wrong name than a wish for an empty store.
    pub fn missing(&self) -> Option<String> {
        let file = self.inner.file.as_ref().filter(|file| !file.exists())?;
        (!self.inner.may_create).then(|| {
            format!(
                "there is no {}: name the project's database, or have an empty one made with \
                 `store: {{ bootstrap: admin }}` or `create: true`",
                file.display()
            )
        })
    }

    pub(super) fn is_needed(&self) -> bool {
        !self.inner.needs.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Says, while a configuration is built, that a query will be asked. Users are asked for with it.
    pub fn needs(&self, queries: &[&'static str]) {
        let mut needs = self.inner.needs.lock().unwrap_or_else(PoisonError::into_inner);
        needs.extend([BY_NAME, GROUPS_OF_USERS, PERMISSIONS_OF_USERS]);
        needs.extend(queries);
    }

    /// Says, while a configuration is built, that a service has this name. Where an upstream goes by
    /// names, a user of the same name would be the same to it.
    pub fn reserve(&self, name: &str) {
        let mut services = self.inner.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert(name.into());
    }

    /// The names that services have.
    pub fn reserved(&self) -> BTreeSet<Box<str>> {
        self.inner.services.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a service has this name.
    pub fn is_reserved(&self, name: &str) -> bool {
        let services = self.inner.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.contains(name)
    }

    /// Has the database read every query that the configuration needs, and runs none; what it says of
    /// those that it cannot: a table that is not there, or a column.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn examine(&self) -> Result<Vec<String>, Unavailable> {
        let mut found = self.unreadable().await?;
        if found.is_empty() {
            for name in self.reserved() {
                if self.user_by_name(&name).await?.is_some() {
                    found.push(format!(
                        "a service and a user are both called `{name}`: rename the service"
                    ));
                }
            }
        }
        self.inner.examined.store(found.is_empty(), Ordering::Relaxed);
        Ok(found)
    }

    async fn unreadable(&self) -> Result<Vec<String>, Unavailable> {
        let needs = self.inner.needs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.run(|sql| async move {
            // What fails from here on is a statement, and not the way to the database.
            sql.rows("SELECT 1", []).await?;
            let mut problems = BTreeSet::new();
            if !sql.0.pooler && sql.is_pooled().await? {
                // One client's statement would be run with another one's parameters.
                problems.insert(
                    "a pooler of transactions is between: set `store: { pooler: true }`".to_owned(),
                );
            }
            for query in needs {
                let Some(text) = sql.needed(query) else { continue };
                if let Err(error) = sql.prepare(text).await {
                    match error {
                        sqlx::Error::Database(said) => problems.insert(said.to_string()),
                        sqlx::Error::ColumnDecode { .. } | sqlx::Error::AnyDriverError(_) => {
                            problems.insert(error.to_string())
                        }
                        other => return Err(other),
                    };
                }
            }
            Ok(problems.into_iter().collect())
        })
        .await
    }

    /// Whether it answers, and has once read all that the configuration needs, for readiness.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        if self.inner.examined.load(Ordering::Relaxed) {
            return self.run(|sql| async move { sql.rows("SELECT 1", []).await.map(|_| ()) }).await;
        }
        if !self.is_needed() {
            return Ok(());
        }
        let problems = self.examine().await?;
        match problems.first() {
            Some(problem) => Err(Unavailable::new("the store", problem.clone())),
            None => Ok(()),
        }
    }
}

impl Sql {
    /// Whether two connections that are open are one to PostgreSQL.
    async fn is_pooled(&self) -> Result<bool, sqlx::Error> {
        if self.0.model.dialect != Dialect::Postgres {
            return Ok(false);
        }
        let mut one = self.0.pool.acquire().await?.detach();
        let mut other = self.0.pool.acquire().await?.detach();
        let process = async |connection: &mut sqlx::AnyConnection| -> Result<String, sqlx::Error> {
            let query = sqlx::raw_sql("SELECT CAST(pg_backend_pid() AS TEXT)");
            query.fetch_one(connection).await?.try_get(0)
        };
        Ok(process(&mut one).await? == process(&mut other).await?)
    }

    /// Has the database read a statement.
    async fn prepare(&self, text: String) -> Result<(), sqlx::Error> {
        if self.0.model.dialect == Dialect::Postgres {
            // Behind a pooler, what the library prepares has names that others use.
            let mut transaction = self.0.pool.begin().await?;
            let name = format!(
                "portcullis_{}",
                hex::encode(crate::crypto::random_bytes::<8>().unwrap_or_default())
            );
            let text = format!("PREPARE {name} AS {text}; DEALLOCATE {name}");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *transaction).await?;
            return transaction.rollback().await;
        }
        // It would remember the statement without the types of its parameters.
        let mut connection = self.0.pool.acquire().await?.detach();
        (&mut connection).prepare(AssertSqlSafe(text).into_sql_str()).await.map(|_| ())
    }

    /// The text of a query of [`Database::needs`]; none if the user model makes it needless.
    fn needed(&self, template: &'static str) -> Option<String> {
        let model = &self.0.model;
        let template = match template {
            GROUPS_OF_USERS if model.groups.is_none() => return None,
            GROUPS_OF_USERS => GROUPS,
            PERMISSIONS_OF_USERS => match (&model.permissions, &model.groups) {
                (Some(_), Some(_)) => PERMISSIONS,
                (Some(_), None) => OWN_PERMISSIONS,
                (None, Some(_)) => GROUP_PERMISSIONS,
                (None, None) => return None,
            },
            other => other,
        };
        Some(model.statement(template, None))
    }
}
