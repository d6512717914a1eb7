//! What the two custom schemes share, whoever answers for them: chosen headers are all that is
//! seen of a request, so only they can matter: they are the whole cache key. What is asked again is
//! counted, for who knows what is guessed at: a PIN can be, and guessing has to end.

use std::{future::Future, sync::Arc};

use hyper::header::{COOKIE, HeaderName, HeaderValue};

use super::{Outcome, Parts, lookup::Lookup};
use crate::{
    clock::Timestamp,
    crypto::digest::Fingerprint,
    lockout::Subject,
    request::Request,
    store::{
        Unavailable,
        cache::{Fact, INCORRECT},
    },
    value::{Path, Problem, Problems},
};

/// A detail longer than this is not passed on: it is kept, and would be memory that an attacker
/// can fill.
pub(super) const DETAIL_LIMIT: usize = 1024;

/// A refusal in somebody else's words.
pub(super) fn refused(detail: Option<&str>, challenge: Option<HeaderValue>) -> Fact {
    let detail = detail.filter(|detail| !detail.is_empty() && detail.len() <= DETAIL_LIMIT);
    Fact::Refused { detail: detail.unwrap_or(INCORRECT).into(), challenge, members: None }
}

/// A scheme whose answers are somebody else's.
pub(super) struct Custom {
    pub(super) lookup: Lookup,
    pub(super) challenge: Option<HeaderValue>,
    headers: Vec<HeaderName>,
}

impl Custom {
    pub(super) fn new(
        name: Arc<str>,
        headers: &[String],
        challenge: Option<&str>,
        path: &Path,
        parts: &Parts<'_>,
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
        problems.finish(Self { lookup: Lookup::new(name, parts), challenge, headers: names })
    }

    /// The chosen headers that a request has, in the order they were chosen.
    pub(super) fn headers<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let values = |name| request.headers.get_all(name).iter().map(move |value| (name, value));
        self.headers.iter().flat_map(values)
    }

    /// The same as parts of a cache key; without any, the request is not this scheme's.
    pub(super) fn credential<'a>(&'a self, request: &'a Request) -> Vec<&'a [u8]> {
        // Most requests have each of them once.
        let mut parts = Vec::with_capacity(self.headers.len() * 2);
        for (name, value) in self.headers(request) {
            parts.extend([name.as_str().as_bytes(), value.as_bytes()]);
        }
        parts
    }

    pub(super) fn reads_cookies(&self) -> bool {
        self.headers.contains(&COOKIE)
    }

    /// What is remembered of the credential.
    pub(super) fn known(
        &self,
        key: &Fingerprint,
        request: &Request,
    ) -> Option<Result<Outcome, Unavailable>> {
        self.lookup.known_unless_locked(key, Subject::Guessable, &request.client)
    }

    /// What `load` makes of the credential.
    pub(super) async fn ask<F>(
        &self,
        key: Fingerprint,
        request: &Request,
        load: F,
    ) -> Result<Outcome, Unavailable>
    where
        F: Future<Output = Result<(Fact, Option<Timestamp>), Unavailable>>,
    {
        self.lookup.get_counted(key, Subject::Guessable, &request.client, load).await
    }
}
