//! Triggers that make PostgreSQL tell every gateway when Django ends something: a user disabled, a
//! password changed, a token or session deleted. Each table says which ([`super::Trigger`]).

use sqlx::AssertSqlSafe;

use super::{
    Database, Unavailable, broadcast::CHANNEL, database::Sql, model::UserModel, table::Trigger,
    template::Dialect,
};

/// Functions that 0.1.0 has installed.
const FORMER: [&str; 4] = ["user", "everything", "blacklisted", "session"];

impl Database {
    /// Installs the triggers, for tables that are there; the statements that did it.
    ///
    /// # Errors
    /// If the store does not answer, or is no PostgreSQL.
    pub async fn install_triggers(&self) -> Result<Vec<String>, Unavailable> {
        self.triggers(true).await
    }

    /// Removes what [`Self::install_triggers`] has installed.
    ///
    /// # Errors
    /// As there.
    pub async fn remove_triggers(&self) -> Result<Vec<String>, Unavailable> {
        self.triggers(false).await
    }

    async fn triggers(&self, install: bool) -> Result<Vec<String>, Unavailable> {
        if self.model().dialect != Dialect::Postgres {
            return Err(Unavailable::new("the store", "only PostgreSQL can tell of changes"));
        }
        self.run(move |sql| async move {
            let mut statements = Vec::new();
            for table in &sql.0.tables {
                let Some(trigger) = &table.trigger else { continue };
                if sql.has_table(table).await? {
                    statements.extend(of_table(&sql.0.model, table.name, trigger, install));
                }
            }
            let former = |name| format!("DROP FUNCTION IF EXISTS portcullis_{name}()");
            statements.extend(FORMER.map(former));
            sql.all_or_nothing(&statements).await?;
            Ok(statements)
        })
        .await
    }
}

impl Sql {
    /// A part of the triggers would be taken for all of them.
    async fn all_or_nothing(&self, statements: &[String]) -> Result<(), sqlx::Error> {
        let mut transaction = self.transaction().await?;
        for statement in statements {
            let query = sqlx::raw_sql(AssertSqlSafe(statement.clone()));
            query.execute(transaction.connection()).await?;
        }
        transaction.commit().await
    }
}

fn of_table(
    model: &UserModel,
    name: &'static str,
    trigger: &Trigger,
    install: bool,
) -> Vec<String> {
    let table = model.statement(name, None);
    let function = format!("portcullis_on_{}", table.trim_matches('"'));
    let drop = format!("DROP TRIGGER IF EXISTS portcullis ON {table}");
    if !install {
        return vec![drop, format!("DROP FUNCTION IF EXISTS {function}()")];
    }
    let message = model.statement(trigger.message, None);
    let events = model.statement(trigger.events, None);
    vec![
        format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ \
             DECLARE message text; BEGIN message := ({message}); \
             IF message IS NOT NULL THEN PERFORM pg_notify('{CHANNEL}', message); END IF; \
             RETURN NULL; END $$"
        ),
        drop,
        format!(
            "CREATE TRIGGER portcullis AFTER {events} ON {table} FOR EACH ROW \
             EXECUTE FUNCTION {function}()"
        ),
    ]
}
