//! What the custom schemes share, whatever answers for them: chosen headers are all that is seen of
//! a request, so they are the whole cache key. What is asked again is counted, for its service alone
//! knows what is guessed at: a PIN can be, and guessing has to end.

use std::future::Future;

use hyper::header::{COOKIE, HeaderName, HeaderValue};

use super::{Carrier, CsrfCheck, Examination, Lookup};
use crate::{
    credential_cache::Loaded,
    crypto::digest::Fingerprint,
    language::Text,
    limits::Subject,
    rejection::{INCORRECT, Refusal},
    request::{Purpose, Request},
    store::Unavailable,
    value::{Path, Problem, Problems},
};

/// A detail longer than this is not passed on: it is kept, and would be memory that an attacker
/// can fill.
pub const DETAIL_LIMIT: usize = 1024;

/// A refusal in the words of the service, if they can be passed on.
pub fn refused(detail: Option<&str>, challenge: Option<HeaderValue>) -> Refusal {
    let detail = detail.filter(|detail| !detail.is_empty() && detail.len() <= DETAIL_LIMIT);
    let detail = detail.map_or(Text::Message(INCORRECT), |detail| Text::Verbatim(detail.into()));
    Refusal { challenge: challenge.map(Box::new), ..Refusal::new(detail) }
}

/// A scheme whose answers are those of a service or component.
pub struct Custom {
    /// Its part of the cache.
    pub lookup: Lookup,
    /// `WWW-Authenticate` when it is first.
    pub challenge: Option<HeaderValue>,
    headers: Vec<HeaderName>,
}

impl Custom {
    /// By the settings that all of them have.
    ///
    /// # Errors
    /// Headers and challenges that are none.
    pub fn new(
        lookup: Lookup,
        headers: &[String],
        challenge: Option<&str>,
        path: &Path,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut names = Vec::new();
        for (index, header) in headers.iter().enumerate() {
            match HeaderName::try_from(header) {
                Ok(name) => names.push(name),
                Err(_) => {
                    let at = path.key("headers").index(index);
                    problems.push(Problem::new(&at, format!("`{header}` is not a header name")));
                }
            }
        }
        if headers.is_empty() {
            let problem = Problem::new(&path.key("headers"), "no header can be a credential");
            problems.push(problem.help("list those that the scheme reads"));
        }
        let challenge = challenge.map(HeaderValue::try_from).transpose().unwrap_or_else(|_| {
            problems.push(Problem::new(&path.key("challenge"), "this cannot stand in a header"));
            None
        });
        problems.finish(Self { lookup, challenge, headers: names })
    }

    /// The chosen headers that a request has, in the order they were chosen.
    pub fn headers<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let values = |name| request.headers.get_all(name).iter().map(move |value| (name, value));
        self.headers.iter().flat_map(values)
    }

    /// The same as parts of a cache key; without any, the request is not this scheme's.
    pub fn credential<'a>(&'a self, request: &'a Request) -> Vec<&'a [u8]> {
        // Most requests have each of them once.
        let mut parts = Vec::with_capacity(self.headers.len() * 2);
        for (name, value) in self.headers(request) {
            parts.extend([name.as_str().as_bytes(), value.as_bytes()]);
        }
        parts
    }

    /// Whether a cookie is among them.
    pub fn reads_cookies(&self) -> bool {
        self.headers.contains(&COOKIE)
    }

    /// With cookies, the service judges requests, and sees no origin of a WebSocket.
    pub fn carrier(&self) -> Carrier {
        match self.reads_cookies() {
            true => Carrier::Cookie(CsrfCheck::UpgradesOnly),
            false => Carrier::Header,
        }
    }

    /// What is remembered of the credential.
    pub fn known(
        &self,
        key: &Fingerprint,
        request: &Request,
        purpose: Purpose,
    ) -> Option<Examination> {
        self.lookup.known_unless_locked(key, Subject::Guessable, &request.client, purpose)
    }

    /// What `load` makes of the credential.
    ///
    /// # Errors
    /// If the service could not tell.
    pub async fn ask<F>(
        &self,
        key: Fingerprint,
        request: &Request,
        purpose: Purpose,
        load: F,
    ) -> Examination
    where
        F: Future<Output = Result<Loaded, Unavailable>>,
    {
        let client = &request.client;
        self.lookup.get_counted(key, Subject::Guessable, client, purpose, load).await
    }
}
