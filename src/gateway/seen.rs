//! What is known of a request when it has been answered, and what schemes have for its client.

use std::sync::Arc;

use hyper::{
    HeaderMap, Method, Uri,
    header::{self, HeaderValue},
};

use super::Route;
use crate::{
    identity::Identity,
    observe::recent::Told,
    request::Request,
    scheme::{FailureKind, Outcome, Scheme},
    traces::Trace,
};

/// What is known of a request when it has been answered.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub(super) route: Option<&'a Route>,
    /// The request that another proxy asks about.
    pub(super) asked: Option<Asked>,
    pub(super) user: Option<(Arc<Identity>, Arc<str>)>,
    /// `Set-Cookie` of schemes, whoever answers.
    pub(super) cookies: Vec<HeaderValue>,
    /// Whether the answer depends on the client's cookies.
    pub(super) vary: bool,
    /// Whether it was a cookie that proved who is asking.
    pub(super) by_cookie: bool,
    /// What each scheme has said, if somebody may ask.
    pub(super) told: Option<Vec<(Arc<str>, Told)>>,
    /// Its trace, if it is sampled.
    pub(super) trace: Option<Box<Trace>>,
}

/// What a scheme has said, in the words of `explain`.
pub fn told(outcome: &Outcome) -> Told {
    match outcome {
        Outcome::NotAttempted => Told::NotAttempted,
        Outcome::Authenticated(_) => Told::Authenticated,
        Outcome::Ended(_) => Told::Ended,
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::Wait(_) => Told::Wait,
            FailureKind::Unauthenticated | FailureKind::Forbidden => {
                Told::Failed(failure.detail.clone())
            }
        },
    }
}

/// What of a request is needed when it is gone.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: Option<HeaderValue>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            uri: request.target.raw().clone().into(),
            host: Some(request.authority.clone()),
        }
    }
}

impl Seen<'_> {
    pub(super) fn outcome(&mut self, scheme: &dyn Scheme, outcome: &Outcome) {
        self.vary |= scheme.reads_cookies();
        if let Some(all) = &mut self.told {
            all.push((Arc::clone(scheme.name()), told(outcome)));
        }
        match outcome {
            Outcome::NotAttempted => {}
            Outcome::Ended(cookie) => self.cookies.push(cookie.clone()),
            Outcome::Authenticated(accepted) => {
                self.by_cookie = scheme.reads_cookies();
                self.cookies.extend(accepted.cookies.iter().cloned())
            }
            Outcome::Failed(failure) => self.cookies.extend(failure.cookie.clone()),
        }
    }

    /// What schemes have for the client, on every answer.
    pub(super) fn write(&mut self, headers: &mut HeaderMap) {
        if self.vary {
            vary_by_cookie(headers);
        }
        if self.cookies.is_empty() {
            return;
        }
        // An upstream that logs somebody in or out itself has the last word; of the schemes, the
        // last that spoke.
        let set = headers.get_all(header::SET_COOKIE).iter();
        let mut set: Vec<Vec<u8>> = set.map(|cookie| cookie_pair(cookie).0.to_vec()).collect();
        let mut kept = Vec::new();
        for cookie in self.cookies.drain(..).rev() {
            let name = cookie_pair(&cookie).0.to_vec();
            if !set.contains(&name) {
                set.push(name);
                kept.push(cookie);
            }
        }
        for cookie in kept.into_iter().rev() {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

/// The name and the value that a `Set-Cookie` sets.
pub(super) fn cookie_pair(cookie: &HeaderValue) -> (&[u8], &[u8]) {
    let pair = cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Django's `patch_vary_headers(response, ["Cookie"])`.
fn vary_by_cookie(headers: &mut HeaderMap) {
    let mut names: Vec<&str> = Vec::new();
    for line in headers.get_all(header::VARY) {
        names.extend(line.to_str().unwrap_or_default().split(',').map(str::trim));
    }
    if names.iter().any(|name| name.eq_ignore_ascii_case("cookie") || *name == "*") {
        return;
    }
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
        return;
    }
    names.push("Cookie");
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        headers.insert(header::VARY, value);
    }
}
