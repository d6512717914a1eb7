//! A browser's session, as other packages and the gateway see it.

use futures_util::future::BoxFuture;
use hyper::{HeaderMap, header::HeaderValue};

use crate::{
    request::Purpose,
    store::{Unavailable, User},
};

/// How a user was known at the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By the password in the row.
    Password,
    /// By a proxy in front.
    RemoteUser,
}

/// Sessions of browsers, which a cookie names.
pub trait BrowserSessions: Send + Sync {
    /// Whether `Set-Cookie` of this name is a session's.
    fn is_cookie(&self, name: &[u8]) -> bool;
    /// The primary key of the user whose session a request carries, as text.
    fn user_of<'a>(
        &'a self,
        headers: &'a HeaderMap,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Option<Box<str>>, Unavailable>>;
    /// Django's `login(request, user)`: the cookies to set.
    fn begin<'a>(
        &'a self,
        headers: &'a HeaderMap,
        user: &'a User,
        proof: Proof,
    ) -> BoxFuture<'a, Result<Vec<HeaderValue>, Unavailable>>;
    /// Django's `logout(request)`: the cookie that ends it at the client.
    fn end<'a>(&'a self, headers: &'a HeaderMap)
    -> BoxFuture<'a, Result<HeaderValue, Unavailable>>;
    /// An upstream that sets another session than the client has sent has ended or renewed that
    /// one: what is remembered of it is no longer so. The same again is only a later expiry.
    fn replaced<'a>(&'a self, sent: &'a HeaderMap, set: &'a [u8]) -> BoxFuture<'a, ()>;
}
