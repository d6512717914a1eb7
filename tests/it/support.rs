//! A gateway, an upstream and raw HTTP between them.

pub(crate) mod browser;
pub(crate) mod explained;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod postgres;
pub(crate) mod server;
pub(crate) mod tls;

pub(crate) use self::{
    browser::Browser,
    explained::Foretold,
    gateway::{Gateway, Setup, portcullis},
    http::{Answer, Connection, basic},
    postgres::Postgres,
    server::Server,
};

use std::time::{Duration, Instant};

/// What the user of most tests has.
pub(crate) const PASSWORD: &str = "correct horse";
/// DRF's `NotAuthenticated` and `PermissionDenied`.
pub(crate) const NOT_AUTHENTICATED: &str =
    r#"{"detail":"Authentication credentials were not provided."}"#;
pub(crate) const NOT_PERMITTED: &str =
    r#"{"detail":"You do not have permission to perform this action."}"#;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so; says what was waited for if it never is.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What `tests/run` has exported. A test that asks for it has an `#[ignore]` that says what it needs:
/// passing without it would claim what nobody has seen.
pub(crate) fn from_test_run(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run"))
}
