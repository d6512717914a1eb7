//! The audit trail: one line for each login, failure, lock and token made, under the target
//! `audit`. Names of accounts are in it; what proved them is not.

use std::net::IpAddr;

use tracing::info;

/// Something worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A password was right.
    LoginSucceeded,
    /// A credential was wrong.
    LoginFailed,
    /// So many were wrong that the client has to wait.
    Locked,
    /// A token was made.
    TokenCreated,
    /// A session or token was ended by who had it.
    LoggedOut,
    /// Credentials were taken back on the command line.
    Revoked,
    /// A pattern that no single request shows; `by` is its name.
    Suspicious,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Event::LoginSucceeded => "login_succeeded",
            Event::LoginFailed => "login_failed",
            Event::Locked => "locked",
            Event::TokenCreated => "token_created",
            Event::LoggedOut => "logged_out",
            Event::Revoked => "revoked",
            Event::Suspicious => "suspicious",
        }
    }
}

/// Writes one line. `account` is the name as stored where it is known, else as submitted.
pub fn record(event: Event, account: Option<&str>, client: IpAddr, by: &str) {
    // A name may hold line ends or terminal controls; Debug writes them escaped.
    let account = account.map(|name| {
        // Nobody has a longer one, and a log is not for filling.
        name.chars().take(254).collect::<String>().escape_debug().to_string()
    });
    let account = account.unwrap_or_default();
    info!(target: "audit", event = event.name(), account, %client, by);
}
