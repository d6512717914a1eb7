//! What the configuration reaches over the network, to be tried before requests need it.

use futures_util::future::BoxFuture;

type Ask = dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync;

/// A service that a scheme asks.
pub struct Probe {
    /// What it is, and where.
    pub what: String,
    ask: Box<Ask>,
}

impl Probe {
    /// With what asks it, as the scheme will.
    pub fn new<F>(what: String, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        Self { what, ask: Box::new(move || Box::pin(ask())) }
    }

    /// What was found.
    ///
    /// # Errors
    /// Why nothing was, or nothing that the scheme can use.
    pub async fn ask(&self) -> Result<String, String> {
        (self.ask)().await
    }
}
