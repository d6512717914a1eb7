//! Why a request is decided.

/// Why a request is decided. Counters, nonces, one-time tickets, session touches and `last_login`
/// move in [`Purpose::Serve`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To answer it.
    Serve,
    /// To say what would happen: `portcullis explain`.
    Explain,
    /// To see whether what it was admitted by is still valid, while the connection that it opened
    /// lasts: a one-time proof was checked when it was served.
    Recheck,
}

impl Purpose {
    /// Whether what is decided has effects: a nonce is used up, a failure counted, a session touched.
    pub fn spends(self) -> bool {
        self == Self::Serve
    }
}
