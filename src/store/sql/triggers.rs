//! Triggers that make PostgreSQL tell every gateway when Django ends something: a user disabled, a
//! password changed, a token or session deleted.

use super::{Dialect, Sql, broadcast::CHANNEL};
use crate::store::Unavailable;

/// A table, the events that end something in it, and the function that tells of them.
struct Trigger {
    table: &'static str,
    events: &'static str,
    function: &'static str,
}

const TRIGGERS: [Trigger; 8] = [
    Trigger {
        table: "{table}",
        events: "UPDATE OF {username}, email, first_name, last_name, password, is_active, is_staff, is_superuser OR DELETE",
        function: "portcullis_user('id')",
    },
    Trigger {
        table: "{table}_groups",
        events: "INSERT OR UPDATE OR DELETE",
        function: "portcullis_user('{user_column}')",
    },
    Trigger {
        table: "{table}_user_permissions",
        events: "INSERT OR UPDATE OR DELETE",
        function: "portcullis_user('{user_column}')",
    },
    Trigger {
        table: "auth_group_permissions",
        events: "INSERT OR UPDATE OR DELETE",
        function: "portcullis_everything()",
    },
    Trigger {
        table: "authtoken_token",
        events: "UPDATE OR DELETE",
        function: "portcullis_user('user_id')",
    },
    Trigger {
        table: "knox_authtoken",
        events: "UPDATE OF digest, user_id OR DELETE",
        function: "portcullis_user('user_id')",
    },
    Trigger {
        table: "token_blacklist_blacklistedtoken",
        events: "INSERT",
        function: "portcullis_blacklisted()",
    },
    Trigger {
        table: "django_session",
        // Not its end: a session that is used may end later each time.
        events: "UPDATE OF session_key, session_data OR DELETE",
        function: "portcullis_session()",
    },
];

const FUNCTIONS: [&str; 4] = [
    "CREATE OR REPLACE FUNCTION portcullis_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM pg_notify('{channel}', 'user ' || (to_jsonb(COALESCE(OLD, NEW)) ->> TG_ARGV[0])); \
     RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION portcullis_everything() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM pg_notify('{channel}', 'everything'); RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION portcullis_blacklisted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM pg_notify('{channel}', 'user ' || o.user_id) FROM token_blacklist_outstandingtoken o \
     WHERE o.id = NEW.token_id AND o.user_id IS NOT NULL; RETURN NULL; END $$",
    // The key is a secret that everybody who listens would learn: its digest names it as well.
    "CREATE OR REPLACE FUNCTION portcullis_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM pg_notify('{channel}', \
     'session ' || encode(sha256(convert_to(OLD.session_key, 'UTF8')), 'hex')); \
     RETURN NULL; END $$",
];

impl Sql {
    /// The statements that install the triggers, for tables that are there.
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
        if self.inner.dialect != Dialect::Postgres {
            return Err(Unavailable::new("the store", "only PostgreSQL can tell of changes"));
        }
        self.ask(move |store| async move {
            let mut present = Vec::new();
            for trigger in &TRIGGERS {
                let table = store.text(trigger.table);
                let query = "SELECT CASE WHEN to_regclass(?) IS NULL THEN 0 ELSE 1 END";
                let rows = store.rows(query, |query| query.bind(table.clone())).await?;
                let there: i32 = rows.first().map_or(Ok(0), |row| sqlx::Row::try_get(row, 0))?;
                if there == 1 {
                    present.push((table, trigger));
                }
            }
            let mut statements = Vec::new();
            if install {
                statements.extend(FUNCTIONS.map(|text| text.replace("{channel}", CHANNEL)));
            }
            for (table, trigger) in present {
                statements.push(format!("DROP TRIGGER IF EXISTS portcullis ON {table}"));
                if install {
                    statements.push(format!(
                        "CREATE TRIGGER portcullis AFTER {} ON {table} FOR EACH ROW \
                         EXECUTE FUNCTION {}",
                        store.text(trigger.events),
                        store.text(trigger.function)
                    ));
                }
            }
            if !install {
                for name in ["user", "everything", "blacklisted", "session"] {
                    statements.push(format!("DROP FUNCTION IF EXISTS portcullis_{name}()"));
                }
            }
            // All or nothing: half of them would be believed to be all.
            let mut transaction = store.pool.begin().await?;
            for statement in &statements {
                sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(statements)
        })
        .await
    }
}
