//! The credential cache, and what invalidates it.

use std::sync::Arc;

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};
use tokio::sync::watch;

use super::exchange::cookie_pair;
use crate::{
    account::BrowserSessions, credential_cache::CredentialCache, store::Revocation, upstream::Reply,
};

/// The credential cache, and what invalidates it.
pub struct Invalidation {
    /// The cache.
    pub cache: Arc<CredentialCache>,
    /// What keeps sessions of browsers.
    pub sessions: Option<Arc<dyn BrowserSessions>>,
    /// Closed when this configuration is gone: a task that listens for it need not stay.
    pub alive: watch::Sender<()>,
}

impl Invalidation {
    /// Forgets what has been revoked, from the next look-up on.
    pub fn forget(&self, revocations: Vec<Revocation>) {
        self.cache.revoke(revocations);
    }

    /// An answer with another session than the client has sent: that one has ended, or is renewed.
    pub(super) async fn note_session_change(&self, cookies: &[HeaderValue], reply: &Reply) {
        let Some(sessions) = self.sessions.as_ref().filter(|_| !cookies.is_empty()) else {
            return;
        };
        let set = reply.headers().get_all(header::SET_COOKIE).iter().find_map(|cookie| {
            let (name, value) = cookie_pair(cookie);
            sessions.is_cookie(name).then_some(value)
        });
        let Some(set) = set else { return };
        let mut sent = HeaderMap::new();
        sent.extend(cookies.iter().map(|cookie| (header::COOKIE, cookie.clone())));
        sessions.replaced(&sent, set).await;
    }
}
