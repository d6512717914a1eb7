//! Several statements that hold together: all of them, or none.

use sqlx::{
    AnyConnection, AssertSqlSafe,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use super::{
    database::Sql,
    template::{Arg, Dialect},
};

/// Statements of which nothing stays until [`Transaction::commit`]; dropped, nothing does.
pub struct Transaction {
    inner: sqlx::Transaction<'static, sqlx::Any>,
    sql: Sql,
}

impl Sql {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The database's.
    pub async fn transaction(&self) -> Result<Transaction, sqlx::Error> {
        let inner = match self.0.model.dialect {
            // Two that have read and then want to write would refuse each other at once.
            Dialect::Sqlite => self.0.pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres | Dialect::Mysql => self.0.pool.begin().await?,
        };
        Ok(Transaction { inner, sql: self.clone() })
    }
}

impl Transaction {
    /// As [`Sql::rows`].
    ///
    /// # Errors
    /// The database's.
    pub async fn rows(
        &mut self,
        template: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let model = &self.sql.0.model;
        let (text, args) = (model.statement(template, None), model.arguments(args)?);
        self.fetch(text, args).await
    }

    pub(super) async fn fetch(
        &mut self,
        text: String,
        args: AnyArguments,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        self.query(text, args).fetch_all(&mut *self.inner).await
    }

    /// Behind a pooler statements have no names: another client's may be known under the same one.
    fn query(&self, text: String, args: AnyArguments) -> Query<'static, sqlx::Any, AnyArguments> {
        let query = sqlx::query_with(AssertSqlSafe(text), args);
        query.persistent(!self.sql.0.pooler)
    }

    /// As [`Sql::execute`].
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(
        &mut self,
        template: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<u64, sqlx::Error> {
        let model = &self.sql.0.model;
        let (text, args) = (model.statement(template, None), model.arguments(args)?);
        self.change(text, args).await
    }

    pub(super) async fn change(
        &mut self,
        text: String,
        args: AnyArguments,
    ) -> Result<u64, sqlx::Error> {
        Ok(self.query(text, args).execute(&mut *self.inner).await?.rows_affected())
    }

    /// Ends one that has one statement.
    pub(super) async fn end(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.sql.0.model.dialect
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Makes it so; in a dry run (see [`super::Database::dry_run`]) nothing is.
    ///
    /// # Errors
    /// The database's; then nothing has changed.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.sql.is_dry_run() {
            true => self.inner.rollback().await,
            false => self.inner.commit().await,
        }
    }
}
