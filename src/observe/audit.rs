//! The audit trail: one line for each log-in, failure, lock and token made, under the target
//! `audit`. Names of accounts are in it; what proved them is not.

use std::{fmt, net::IpAddr};

use tracing::info;

/// Where an event came from: a package, and a page or scheme of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'a> {
    package: &'a str,
    page: &'a str,
}

impl<'a> By<'a> {
    /// A scheme, by its name in the configuration.
    pub fn scheme(name: &'a str) -> Self {
        Self { package: name, page: "" }
    }

    /// A page of a package.
    pub fn page(package: &'a str, page: &'a str) -> Self {
        Self { package, page }
    }
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.package)?;
        if self.page.is_empty() { Ok(()) } else { write!(f, " {}", self.page) }
    }
}

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
    /// A pattern that no single request shows; it is the page in `by`.
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
            Event::Suspicious => "suspicious",
        }
    }
}

/// Writes one line. `account` is the name as stored where it is known, else as submitted.
pub fn record(event: Event, account: Option<&str>, client: IpAddr, by: By<'_>) {
    record_because(event, account, client, by, None);
}

/// The same, with what was wrong where more is known than that something was.
pub fn record_because(
    event: Event,
    account: Option<&str>,
    client: IpAddr,
    by: By<'_>,
    reason: Option<&str>,
) {
    // A name may hold line ends or terminal controls; Debug writes them escaped.
    let account = account.map(|name| {
        // The column has no longer ones, and a log must not be filled by a client.
        name.chars().take(254).collect::<String>().escape_debug().to_string()
    });
    let account = account.unwrap_or_default();
    info!(target: "audit", event = event.name(), account, %client, %by, reason);
}
