//! What a gateway remembers, and how it learns that it is no longer so.

use std::{collections::HashSet, sync::Arc};

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};

use tokio::sync::watch;

use super::seen::cookie_pair;
use crate::{
    store::{cache::Facts, revocation::Revocation},
    system::session::Sessions,
    upstream::Reply,
};

/// What a gateway remembers of credentials.
pub struct Memory {
    /// The credential cache.
    pub facts: Arc<Facts>,
    /// Names sessions in it.
    pub sessions: Arc<Sessions>,
    /// Closed when this memory is gone: whoever listens for it need not stay.
    pub alive: watch::Sender<()>,
}

impl Memory {
    /// Forgets what has been revoked, from the next look-up on.
    pub async fn forget(&self, revocations: Vec<Revocation>) {
        let mut users = HashSet::new();
        for revocation in revocations {
            match revocation {
                Revocation::User(id) => {
                    users.insert(id);
                }
                Revocation::Session(digest) => self.sessions.revoke(&digest).await,
                Revocation::Everything => self.facts.clear(),
                Revocation::Missed => self.facts.doubt(),
            }
        }
        if !users.is_empty() {
            self.facts.revoke_users(users);
        }
    }

    /// An upstream that answers with another session than the client sent has ended or renewed that
    /// one: what is remembered of it is no longer so. The same again is only a later expiry.
    pub(super) async fn follow(&self, cookies: Vec<HeaderValue>, reply: &Reply) {
        let sessions = &self.sessions;
        let set = reply.headers().get_all(header::SET_COOKIE).iter().find_map(|cookie| {
            let (name, value) = cookie_pair(cookie);
            sessions.is_cookie(name).then_some(value)
        });
        let Some(set) = set else { return };
        let mut sent = HeaderMap::new();
        sent.extend(cookies.into_iter().map(|cookie| (header::COOKIE, cookie)));
        if let Some(key) = sessions.key(&sent).filter(|key| key.as_bytes() != set) {
            sessions.forget(&key).await;
        }
    }
}
