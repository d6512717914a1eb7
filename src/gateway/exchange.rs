//! One request and its answer, from the head to the access line: what logs, metrics, traces and
//! `explain` need of it (Envoy's `StreamInfo`).

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use hyper::{
    HeaderMap, Method, Uri,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};

use super::Route;
use crate::{
    chain::Observer,
    clock::Timestamp,
    identity::Identity,
    language::{Language, Text},
    observe::{
        metrics::Disposition,
        recent::{RequestId, SchemeResult},
    },
    rejection::RefusalKind,
    request::{Purpose, Request},
    scheme::{Notes, Outcome, Scheme, Seal},
    traces::Trace,
    web::answer::vary,
};

/// One request and its answer.
pub(super) struct Exchange<'g> {
    /// Why the request is decided.
    pub(super) purpose: Purpose,
    pub(super) id: RequestId,
    pub(super) started: Timestamp,
    /// As the client sent it, or the proxy that asks about it.
    pub(super) line: RequestLine,
    /// The client's own address, when it is known; else the peer's.
    pub(super) client: IpAddr,
    /// The route, when it is found.
    pub(super) route: Option<&'g Route>,
    /// The caller that was admitted, and the scheme that knew it.
    pub(super) caller: Option<(Arc<Identity>, Arc<str>)>,
    /// Whether the decision was a yes: what refuses it after that is the route's target.
    pub(super) admitted: bool,
    /// What schemes have for the answer.
    pub(super) notes: Notes,
    /// Whether the answer depends on the client's cookies.
    pub(super) vary_cookie: bool,
    /// What each scheme has said, if it may be asked for.
    pub(super) results: Option<Vec<(Arc<str>, SchemeResult)>>,
    /// Its trace, if it is sampled.
    pub(super) trace: Option<Box<Trace>>,
    /// What the gateway's own answers are said in, if not in English.
    pub(super) language: Option<&'g Language>,
    /// What became of it.
    pub(super) disposition: Disposition,
    /// Why it was refused, and what the client did not learn of it, if that may be asked for.
    pub(super) refused: Option<(String, Option<String>)>,
    /// The cookies that came with it.
    pub(super) cookies: Vec<HeaderValue>,
    /// The origin of the page that made it, where pages of other origins may read answers.
    pub(super) origin: Option<HeaderValue>,
    /// Whether the client would rather have a page for people than an error for programs.
    pub(super) wants_page: bool,
}

/// The parts of the request kept for logging.
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: Option<HeaderValue>,
}

impl RequestLine {
    pub(super) fn of_head(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            host: head.headers.get(header::HOST).cloned(),
        }
    }

    /// Of a request that another proxy asks about.
    pub(super) fn of_request(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            uri: request.target.raw().clone().into(),
            host: Some(request.authority.clone()),
        }
    }
}

impl<'g> Exchange<'g> {
    /// Of a request that is only decided: nothing answers it, and nothing is told of it.
    pub(super) fn unanswered(
        purpose: Purpose,
        route: &'g Route,
        now: Timestamp,
        client: IpAddr,
    ) -> Self {
        let line = RequestLine { method: Method::GET, uri: Uri::default(), host: None };
        Self {
            purpose,
            id: RequestId::default(),
            started: now,
            line,
            client,
            route: Some(route),
            caller: None,
            admitted: false,
            notes: Notes::default(),
            vary_cookie: false,
            results: None,
            trace: None,
            language: None,
            disposition: Disposition::Passed,
            refused: None,
            cookies: Vec::new(),
            origin: None,
            wants_page: false,
        }
    }

    /// Notes the route, and returns it.
    pub(super) fn routed(&mut self, route: &'g Route) -> &'g Route {
        self.route = Some(route);
        route
    }

    /// What schemes have for the client, on every answer.
    pub(super) fn write_notes(&mut self, headers: &mut HeaderMap) {
        if self.vary_cookie {
            vary(headers, "Cookie");
        }
        if !self.notes.headers.is_empty() {
            headers.extend(self.notes.headers.drain(..));
        }
        if !self.notes.cookies.is_empty() {
            set_cookies(std::mem::take(&mut self.notes.cookies), headers);
        }
    }

    /// The seal that signs the answer.
    pub(super) fn seal(&self) -> Option<&Arc<dyn Seal>> {
        self.notes.seal.as_ref()
    }

    fn note(&mut self, notes: Notes) {
        self.notes.cookies.extend(notes.cookies);
        self.notes.headers.extend::<Vec<(HeaderName, HeaderValue)>>(notes.headers);
        self.notes.challenge = notes.challenge.or(self.notes.challenge.take());
        self.notes.seal = notes.seal.or(self.notes.seal.take());
    }
}

impl Observer for Exchange<'_> {
    fn examined(&mut self, scheme: &dyn Scheme, outcome: &Outcome, notes: Option<Box<Notes>>) {
        self.vary_cookie |= scheme.reads_cookies();
        if let Some(route) = self.route.filter(|_| self.purpose.spends()) {
            route.count(scheme, outcome);
        }
        if let Some(results) = &mut self.results {
            let ended = notes.as_ref().is_some_and(|notes| notes.ended);
            results.push((Arc::clone(scheme.name()), summary(outcome, ended)));
        }
        if let Some(notes) = notes {
            self.note(*notes);
        }
    }
}

/// What a scheme has said, in the words of `explain`.
fn summary(outcome: &Outcome, ended: bool) -> SchemeResult {
    match outcome {
        Outcome::NotAttempted if ended => SchemeResult::Ended,
        Outcome::NotAttempted => SchemeResult::NotAttempted,
        Outcome::Authenticated(_) => SchemeResult::Authenticated,
        Outcome::Left => SchemeResult::Left,
        Outcome::Failed(refusal) => match refusal.kind {
            RefusalKind::Locked(_) => SchemeResult::Wait,
            _ => SchemeResult::Failed(match (&refusal.detail, &refusal.reason) {
                (Text::Message(message), None) => Cow::Borrowed(message),
                (text, None) => Cow::Owned(text.english().into_owned()),
                (text, Some(reason)) => Cow::Owned(format!("{} ({reason})", text.english())),
            }),
        },
    }
}

/// An upstream that logs a user in or out itself has the last word; of the schemes, the last that
/// spoke.
fn set_cookies(cookies: Vec<HeaderValue>, headers: &mut HeaderMap) {
    let set = headers.get_all(header::SET_COOKIE).iter();
    let mut set: Vec<Vec<u8>> = set.map(|cookie| cookie_pair(cookie).0.to_vec()).collect();
    let mut kept = Vec::new();
    for cookie in cookies.into_iter().rev() {
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

/// The name and the value that a `Set-Cookie` sets.
pub(super) fn cookie_pair(cookie: &HeaderValue) -> (&[u8], &[u8]) {
    let pair = cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}
