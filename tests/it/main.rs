//! The real binary, on real sockets, before real upstreams. Each test opens with the attack it
//! keeps out, or the rule it holds. Those that need a server or Django are ignored, with the reason:
//! `tests/run` starts what they need and runs them too.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and time is the real one"
)]

mod cache;
mod chains;
mod client_certificates;
mod contract;
mod contract_token;
mod csrf;
mod decision;
mod django;
mod explain;
mod forms;
mod framing;
#[path = "../fuzz/smoke.rs"]
mod fuzz;
mod golden;
mod http2;
mod jwt;
mod jwt_attacks;
mod jwt_cookies;
mod jwt_keys;
mod lifecycle;
mod listeners;
mod limits;
mod observed;
mod outage;
mod revocation;
mod revocation_postgres;
mod servers;
mod session;
mod shared_state;
mod spoofing;
mod store;
mod support;
mod tls;
mod tunnel;
mod upstream;
mod upstream_http2;
mod upstream_tls;
mod user_deletion;
#[cfg(feature = "wasm")]
mod wasm;
