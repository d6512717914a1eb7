//! Nonces and counters in the database, for several gateways on one.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::Row;

use super::shared::{Counted, Counters, Nonces, digest_of};
use crate::{
    clock::{Clock, Timestamp},
    store::{Arg, Database, Owner, Sql, Table, Unavailable, is_unique_violation},
};

/// The gateway's own: moments are microseconds since 1970.
pub const TABLES: &[Table] = &[
    own(
        "portcullis_nonce",
        &[
            "CREATE TABLE IF NOT EXISTS portcullis_nonce (digest char(64) NOT NULL PRIMARY KEY, until bigint NOT NULL)",
        ],
    ),
    own(
        "portcullis_counter",
        &[
            "CREATE TABLE IF NOT EXISTS portcullis_counter (digest char(64) NOT NULL PRIMARY KEY, counted bigint NOT NULL, ends bigint NOT NULL)",
        ],
    ),
];

const fn own(name: &'static str, sqlite: &'static [&'static str]) -> Table {
    Table { name, sqlite, owner: Owner::Gateway, on_user_delete: None, trigger: None }
}

/// The nonces and counters of all gateways on a database.
pub struct StoreState {
    db: Database,
    clock: Clock,
}

impl StoreState {
    /// On a database that has [`TABLES`].
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }
}

fn micros(moment: Timestamp) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

impl Nonces for StoreState {
    fn use_up<'a>(
        &'a self,
        scope: &'a str,
        nonce: &'a [u8],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        let digest = hex::encode(digest_of(scope, nonce));
        let now = micros(self.clock.now());
        self.db.run(move |sql| use_up(sql, digest, micros(until), now)).boxed()
    }
}

/// One that is there and has passed is as good as none: only one request can move it on.
async fn use_up(sql: Sql, digest: String, until: i64, now: i64) -> Result<bool, sqlx::Error> {
    const INSERT: &str = "INSERT INTO portcullis_nonce (digest, until) VALUES (?, ?)";
    const RENEW: &str = "UPDATE portcullis_nonce SET until = ? WHERE digest = ? AND until <= ?";
    const SWEEP: &str = "DELETE FROM portcullis_nonce WHERE until <= ?";
    match sql.execute(INSERT, [Arg::from(&*digest), until.into()]).await {
        Err(error) if is_unique_violation(&error) => {
            let renewed = sql.execute(RENEW, [until.into(), Arg::from(digest), now.into()]).await?;
            Ok(renewed > 0)
        }
        Err(error) => Err(error),
        Ok(_) => {
            // A nonce in some hundred sweeps: the table stays as small as what is remembered.
            if digest.starts_with("00") {
                sql.execute(SWEEP, [now.into()]).await?;
            }
            Ok(true)
        }
    }
}

impl Counters for StoreState {
    fn add<'a>(
        &'a self,
        scope: &'a str,
        key: &'a [u8],
        window: Duration,
    ) -> BoxFuture<'a, Result<Counted, Unavailable>> {
        let digest = hex::encode(digest_of(scope, key));
        let now = self.clock.now();
        let (now, ends) = (micros(now), micros(now + window));
        self.db.run(move |sql| add(sql, digest, ends, now)).boxed()
    }
}

/// In a transaction, so that the count that is read is the one that was made.
async fn add(sql: Sql, digest: String, ends: i64, now: i64) -> Result<Counted, sqlx::Error> {
    const ADD: &str =
        "UPDATE portcullis_counter SET counted = counted + 1 WHERE digest = ? AND ends > ?";
    const RESTART: &str =
        "UPDATE portcullis_counter SET counted = 1, ends = ? WHERE digest = ? AND ends <= ?";
    const INSERT: &str = "INSERT INTO portcullis_counter (digest, counted, ends) VALUES (?, 0, ?)";
    const SWEEP: &str = "DELETE FROM portcullis_counter WHERE ends <= ?";
    const READ: &str = "SELECT c.counted, c.ends FROM portcullis_counter c WHERE c.digest = ?";
    let text = || Arg::from(&*digest);
    loop {
        let mut transaction = sql.transaction().await?;
        let mut there = transaction.execute(ADD, [text(), now.into()]).await?;
        if there == 0 {
            there = transaction.execute(RESTART, [ends.into(), text(), now.into()]).await?;
        }
        if there == 0 {
            // The row is made outside the transaction: on MariaDB each transaction that has looked for
            // it holds a lock of the gap, which the others' inserts would wait for.
            transaction.commit().await?;
            if sql.is_dry_run() {
                let ends = Timestamp(u64::try_from(ends).unwrap_or_default());
                return Ok(Counted { count: 1, ends });
            }
            match sql.execute(INSERT, [text(), ends.into()]).await {
                Err(error) if !is_unique_violation(&error) => return Err(error),
                // Made here, or by a gateway that was quicker.
                _ => {}
            }
            // One key in some hundred sweeps: the table stays as small as what is counted.
            if digest.starts_with("00") {
                sql.execute(SWEEP, [now.into()]).await?;
            }
            continue;
        }
        let rows = transaction.rows(READ, [text()]).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let number = |column| -> Result<u64, sqlx::Error> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
        };
        return Ok(Counted { count: number(0)?, ends: Timestamp(number(1)?) });
    }
}
