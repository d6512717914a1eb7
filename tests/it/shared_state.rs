//! One contract for every backend of what gateways have to agree on: the same questions to the memory
//! of a process, and to SQLite, PostgreSQL and MariaDB. Each is asked through two instances, as two
//! gateways ask it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use portcullis::{
    clock::{Clock, Timestamp},
    limits::{Counted, Counters, Nonces, ProcessState, StoreState},
    store::{Config, Database},
};
use tokio::runtime::Runtime;

use crate::{
    store::database,
    support::{Setup, from_test_run, gateway::free_port},
};

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// As many requests at once as no pool of connections has connections.
const AT_ONCE: u64 = 50;

/// A backend, as two gateways see it, and the clock of both.
struct Backend<S> {
    gateways: [Arc<S>; 2],
    clock: Clock,
    /// Before every scope: what an earlier run has left in a database is not this one's.
    run: String,
}

impl<S: Nonces + Counters + 'static> Backend<S> {
    fn new(gateways: [Arc<S>; 2], clock: Clock) -> Self {
        Self { gateways, clock, run: format!("run {} ", std::process::id()) }
    }

    fn scope(&self, name: &str) -> String {
        format!("{}{name}", self.run)
    }

    /// By the first gateway.
    async fn use_up(&self, scope: &str, nonce: &[u8], until: Timestamp) -> bool {
        self.gateways[0].use_up(&self.scope(scope), nonce, until).await.unwrap()
    }

    /// By the other gateway.
    async fn use_up_beside(&self, scope: &str, nonce: &[u8], until: Timestamp) -> bool {
        self.gateways[1].use_up(&self.scope(scope), nonce, until).await.unwrap()
    }

    async fn add(&self, scope: &str, key: &[u8], window: Duration) -> Counted {
        self.gateways[0].add(&self.scope(scope), key, window).await.unwrap()
    }

    async fn add_beside(&self, scope: &str, key: &[u8], window: Duration) -> Counted {
        self.gateways[1].add(&self.scope(scope), key, window).await.unwrap()
    }

    /// What many requests at once are told, half of them by each gateway.
    async fn at_once<T: Send + 'static, F>(&self, ask: impl Fn(Arc<S>) -> F) -> Vec<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let tasks = (0..AT_ONCE).map(|number| {
            let gateway = &self.gateways[usize::from(number % 2 == 0)];
            tokio::spawn(ask(Arc::clone(gateway)))
        });
        join_all(tasks).await.into_iter().map(Result::unwrap).collect()
    }

    async fn keeps_the_contract(&self) {
        self.a_nonce_is_good_once().await;
        self.of_many_uses_at_once_one_is_good().await;
        self.nonces_are_independent().await;
        self.a_nonce_is_forgotten_when_its_time_has_passed().await;
        self.counters_count_to_their_number().await;
        self.a_window_ends().await;
        self.of_many_counts_at_once_none_is_lost().await;
        self.counters_are_independent().await;
        self.any_bytes_are_a_key().await;
    }

    /// Attack: a request that carries a proof is recorded and sent again, to this gateway or to
    /// another of the same service.
    async fn a_nonce_is_good_once(&self) {
        let until = self.clock.now() + MINUTE;
        assert!(self.use_up("once", b"nonce", until).await);
        for _ in 0..3 {
            assert!(!self.use_up("once", b"nonce", until).await);
            assert!(!self.use_up_beside("once", b"nonce", until).await, "the other forgot it");
        }
    }

    /// Attack: a recorded proof is sent many times at the same moment to all gateways, so that each
    /// request looks before another one writes.
    async fn of_many_uses_at_once_one_is_good(&self) {
        for round in 0..5 {
            let race = format!("race {round}");
            for again in [false, true] {
                let until = self.clock.now() + MINUTE;
                let scope = self.scope("race");
                let answers = self.at_once(|gateway| {
                    let (scope, race) = (scope.clone(), race.clone());
                    async move { gateway.use_up(&scope, race.as_bytes(), until).await }
                });
                let answers: Vec<bool> = answers.await.into_iter().map(Result::unwrap).collect();
                let good = answers.iter().filter(|good| **good).count();
                assert_eq!(good, 1, "{race}, after it was forgotten: {again}");
                // Once more with a nonce that is known, and has passed.
                self.clock.advance(MINUTE + SECOND);
            }
        }
    }

    /// Attack: a client uses nonces up that another client, or another route, will need; with a scope
    /// and a nonce that stand for the same bytes when they are put together.
    async fn nonces_are_independent(&self) {
        let until = self.clock.now() + MINUTE;
        assert!(self.use_up("ab", b"c", until).await);
        for (scope, nonce) in [
            ("a", &b"bc"[..]),
            ("abc", b""),
            ("ab", b"d"),
            ("ab", b"C"),
            ("AB", b"c"),
            ("ab", b"c "),
        ] {
            assert!(self.use_up_beside(scope, nonce, until).await, "{scope} {nonce:?}");
            assert!(!self.use_up(scope, nonce, until).await, "{scope} {nonce:?}");
        }
        assert!(!self.use_up("ab", b"c", until).await);
    }

    /// Attack: a proof is sent again when its nonce was forgotten too early: at the last moment of
    /// its time, or after a second use that would be forgotten earlier.
    async fn a_nonce_is_forgotten_when_its_time_has_passed(&self) {
        let (soon, late) = (self.clock.now() + SECOND, self.clock.now() + MINUTE);
        assert!(self.use_up("passed", b"kept", late).await);
        assert!(!self.use_up("passed", b"kept", soon).await, "it is known");
        assert!(self.use_up("passed", b"brief", soon).await);
        // A client may choose the moment: a claim `exp` has no largest value.
        assert!(self.use_up("passed", b"endless", Timestamp(u64::MAX)).await);
        self.clock.advance(MINUTE - SECOND);
        assert!(!self.use_up_beside("passed", b"kept", soon).await, "its time was shortened");
        let until = self.clock.now() + MINUTE;
        assert!(self.use_up_beside("passed", b"brief", until).await, "its time has passed");
        assert!(!self.use_up("passed", b"brief", until).await, "it is used again");
        self.clock.advance(2 * SECOND);
        assert!(self.use_up("passed", b"kept", until).await, "its time has passed");
        assert!(!self.use_up("passed", b"brief", until).await, "it has its first time still");
        assert!(!self.use_up("passed", b"endless", until).await);
    }

    /// The rule: the counts of a window are numbers without a gap, and its end stands still.
    async fn counters_count_to_their_number(&self) {
        let ends = self.clock.now() + MINUTE;
        for count in [1, 3, 5] {
            assert_eq!(self.add("count", b"key", MINUTE).await, Counted { count, ends });
            self.clock.advance(SECOND);
            let counted = Counted { count: count + 1, ends };
            assert_eq!(self.add_beside("count", b"key", MINUTE).await, counted);
        }
    }

    /// Attack: a client goes on at a pace that moves the end of its window on with each request; or
    /// is kept out by a window that does not end.
    async fn a_window_ends(&self) {
        let ends = self.clock.now() + MINUTE;
        for count in 1..=6 {
            assert_eq!(self.add("window", b"key", MINUTE).await, Counted { count, ends });
            self.clock.advance(9 * SECOND);
        }
        self.clock.advance(7 * SECOND);
        // The next one begins with its first count, not with the end of the last.
        let ends = self.clock.now() + 2 * MINUTE;
        let first = Counted { count: 1, ends };
        assert_eq!(self.add_beside("window", b"key", 2 * MINUTE).await, first);
        assert_eq!(self.add("window", b"key", MINUTE).await, Counted { count: 2, ends });
    }

    /// Attack: guesses are sent at the same moment to all gateways, so that many of them read one
    /// count, write it plus one, and the budget holds for none.
    async fn of_many_counts_at_once_none_is_lost(&self) {
        for round in 0..5 {
            let key = format!("race {round}");
            for again in [false, true] {
                let scope = self.scope("count race");
                let counts = self.at_once(|gateway| {
                    let (scope, key) = (scope.clone(), key.clone());
                    async move { gateway.add(&scope, key.as_bytes(), MINUTE).await }
                });
                let counts: Vec<Counted> = counts.await.into_iter().map(Result::unwrap).collect();
                let numbers: BTreeSet<u64> = counts.iter().map(|counted| counted.count).collect();
                assert_eq!(numbers, (1..=AT_ONCE).collect(), "{key}, of a window after: {again}");
                let ends = self.clock.now() + MINUTE;
                assert!(counts.iter().all(|counted| counted.ends == ends), "{counts:?}");
                self.clock.advance(MINUTE + SECOND);
            }
        }
    }

    /// Attack: a client uses up the budget of another client, with a scope and a key that stand for
    /// the same bytes when they are put together; or a nonce is used up by a count.
    async fn counters_are_independent(&self) {
        let ends = self.clock.now() + MINUTE;
        let first = Counted { count: 1, ends };
        for (scope, key) in [
            ("xy", &b"z"[..]),
            ("x", b"yz"),
            ("xyz", b""),
            ("xy", b"Z"),
            ("XY", b"z"),
            ("xy", b"z "),
        ] {
            assert_eq!(self.add("xy", b"other", MINUTE).await.ends, ends);
            assert_eq!(self.add_beside(scope, key, MINUTE).await, first, "{scope} {key:?}");
            assert!(self.use_up(scope, key, ends).await, "{scope} {key:?}");
        }
        assert_eq!(self.add("xy", b"z", MINUTE).await.count, 2);
    }

    /// Attack: a nonce or key that the backend cannot hold, or cuts off, so that two are taken for
    /// one, or one is taken for an outage.
    async fn any_bytes_are_a_key(&self) {
        let until = self.clock.now() + MINUTE;
        let (long, longer) = (vec![b'n'; 10_000], vec![b'n'; 10_001]);
        let odd: [&[u8]; 11] = [
            b"",
            b"\0",
            b"\0\0",
            b"a\0b",
            b"a\0c",
            b"\xff\xfe",
            b"\xff\xfd",
            b"\xc3",
            b"' OR 1=1 --",
            &long,
            &longer,
        ];
        for key in odd {
            let shown = &key[..key.len().min(20)];
            assert!(self.use_up("odd", key, until).await, "{shown:?}");
            assert!(!self.use_up_beside("odd", key, until).await, "{shown:?}");
            assert_eq!(self.add("odd", key, MINUTE).await.count, 1, "{shown:?}");
            assert_eq!(self.add_beside("odd", key, MINUTE).await.count, 2, "{shown:?}");
        }
        for scope in ["", "\0", "é"] {
            assert!(self.use_up(scope, b"odd", until).await, "{scope:?}");
            assert!(!self.use_up_beside(scope, b"odd", until).await, "{scope:?}");
            assert_eq!(self.add(scope, b"odd", MINUTE).await.count, 1, "{scope:?}");
        }
    }
}

/// A database whose answer is waited for long enough on a busy machine.
fn at(url: &str, runtime: &Runtime) -> Database {
    let config = format!("{{ url: '{url}', create: true, own_tables: true, timeout: 10s }}");
    let config: Config = serde_yaml::from_str(&config).unwrap();
    database(&config, runtime.handle())
}

fn on_store(url: &str) {
    let runtime = Runtime::new().unwrap();
    let stores = [at(url, &runtime), at(url, &runtime)];
    runtime.block_on(async {
        stores[0].create_tables().await.unwrap();
        let clock = Clock::test(START);
        let gateways = stores.map(|store| Arc::new(StoreState::new(store, clock.clone())));
        Backend::new(gateways, clock).keeps_the_contract().await;
    });
}

/// Neither says what it does not know.
fn is_unavailable(url: &str) {
    let runtime = Runtime::new().unwrap();
    let store = at(url, &runtime);
    runtime.block_on(neither_answers(&StoreState::new(store, Clock::test(START))));
}

async fn neither_answers(state: &StoreState) {
    for _ in 0..2 {
        let used = state.use_up("gone", b"nonce", START + MINUTE).await;
        assert!(used.is_err(), "a nonce is taken for {used:?}");
        let counted = state.add("gone", b"key", MINUTE).await;
        assert!(counted.is_err(), "a count is taken for {counted:?}");
    }
}

/// A server's URL with a port at which there is none.
fn without_server(url: &str) -> String {
    let (server, database) = url.rsplit_once('/').unwrap();
    let (host, _) = server.rsplit_once(':').unwrap();
    format!("{host}:{}/{database}", free_port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_keeps_the_contract() {
    let clock = Clock::test(START);
    let state = Arc::new(ProcessState::new(clock.clone()));
    Backend::new([Arc::clone(&state), state], clock).keeps_the_contract().await;
}

#[test]
fn sqlite_keeps_the_contract() {
    let setup = Setup::new();
    on_store(&format!("sqlite://{}", setup.database().display()));
}

#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn postgresql_keeps_the_contract() {
    on_store(&from_test_run("PORTCULLIS_TEST_POSTGRES"));
}

#[test]
#[ignore = "needs MariaDB: tests/run"]
fn mariadb_keeps_the_contract() {
    on_store(&from_test_run("PORTCULLIS_TEST_MARIADB"));
}

/// Attack: the table of nonces is gone, or the file of the store, and each recorded proof is good
/// again; or each guess is the first.
#[test]
fn sqlite_that_is_gone_is_unavailable() {
    let setup = Setup::new();
    is_unavailable(&format!("sqlite://{}/no-such-folder/store.db", setup.dir.0.display()));

    let runtime = Runtime::new().unwrap();
    let store = at(&format!("sqlite://{}", setup.database().display()), &runtime);
    runtime.block_on(async {
        store.create_tables().await.unwrap();
        let state = StoreState::new(store.clone(), Clock::test(START));
        assert!(state.use_up("gone", b"nonce", START + MINUTE).await.unwrap());
        assert_eq!(state.add("gone", b"key", MINUTE).await.unwrap().count, 1);
        for table in ["DROP TABLE portcullis_nonce", "DROP TABLE portcullis_counter"] {
            store.run(move |sql| async move { sql.execute(table, []).await }).await.unwrap();
        }
        neither_answers(&state).await;
        // The rest of the store answers: this is no outage of it.
        store.ping().await.unwrap();
    });
}

/// Attack: the database is flooded until it does not answer, and each recorded proof is good again.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn postgresql_that_is_gone_is_unavailable() {
    is_unavailable(&without_server(&from_test_run("PORTCULLIS_TEST_POSTGRES")));
}

/// Attack: as with PostgreSQL.
#[test]
#[ignore = "needs MariaDB: tests/run"]
fn mariadb_that_is_gone_is_unavailable() {
    is_unavailable(&without_server(&from_test_run("PORTCULLIS_TEST_MARIADB")));
}
