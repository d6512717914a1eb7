//! What a scheme is: it looks at a request and says *not mine*, *mine and good*, or *mine and
//! bad*; or that it could not tell. It returns data, with notes for the answer, and never touches the
//! response. The schemes themselves are in [`package`](crate::package).

mod custom;
mod lookup;
mod notes;

pub use self::{
    custom::{Custom, DETAIL_LIMIT, refused},
    lookup::Lookup,
    notes::{Notes, Seal},
};

use std::{future::Future, pin::Pin, sync::Arc};

use hyper::header::HeaderValue;

use crate::{
    identity::Accepted,
    rejection::Refusal,
    request::{Purpose, Request},
    store::Unavailable,
};

/// What a scheme makes of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// No credential of this scheme: the next may look.
    NotAttempted,
    /// A good one: no other scheme is asked.
    Authenticated(Accepted),
    /// A bad one: no other scheme may rescue it.
    Failed(Arc<Refusal>),
    /// One that the upstream judges: no other scheme is asked, and the rule is not.
    Left,
}

/// An outcome, and what the answer gets whatever it is.
#[derive(Debug)]
pub struct Examined {
    /// The outcome.
    pub outcome: Outcome,
    /// Boxed, for most requests have none.
    pub notes: Option<Box<Notes>>,
}

impl From<Outcome> for Examined {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, notes: None }
    }
}

impl Examined {
    /// With notes.
    pub fn with(outcome: Outcome, notes: Notes) -> Self {
        Self { outcome, notes: Some(Box::new(notes)) }
    }
}

/// What a scheme says, or that it could not tell.
pub type Examination = Result<Examined, Unavailable>;

/// A scheme's answer: at once where the request alone or the cache decides, so that the hot path
/// boxes no future and yields to nothing; later where something has to be asked.
pub enum Answer<'a> {
    /// Decided.
    Now(Examination),
    /// To be asked.
    Later(Pin<Box<dyn Future<Output = Examination> + Send + 'a>>),
}

impl<'a> Answer<'a> {
    /// What is known, else what is to be asked.
    pub fn known_or<F>(known: Option<Examination>, ask: impl FnOnce() -> F) -> Self
    where
        F: Future<Output = Examination> + Send + 'a,
    {
        known.map_or_else(|| Self::Later(Box::pin(ask())), Self::Now)
    }

    /// Not a credential of this scheme.
    pub fn not_attempted() -> Self {
        Self::Now(Ok(Outcome::NotAttempted.into()))
    }

    /// A credential that needs no look-up to be refused.
    pub fn failed(refusal: Refusal) -> Self {
        Self::Now(Ok(Outcome::Failed(Arc::new(refusal)).into()))
    }
}

/// How much of a request's body has to be there before a scheme can look at the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BodyNeed {
    /// Nothing.
    #[default]
    None,
    /// So many bytes of its beginning, or all of it if it is shorter.
    Beginning(usize),
    /// All of it; a longer one is 413.
    Whole(usize),
}

/// What carries a request's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A field or parameter that no browser adds by itself.
    Header,
    /// A cookie, which browsers add to requests that pages of other sites make. The chain checks
    /// for forgery as it says.
    Cookie(CsrfCheck),
    /// The connection: its peer, or the certificate it was made with.
    Connection,
}

/// When the chain checks a request with a cookie for cross-site request forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfCheck {
    /// Before the credential is looked at, as dj-rest-auth's cookie class does.
    BeforeCredential,
    /// When the user is known, as DRF's `SessionAuthentication` does.
    AfterUser,
    /// Not for requests, which the scheme's own service judges; for WebSockets, which open without
    /// asking a page's origin.
    UpgradesOnly,
}

/// A way to prove who is asking.
pub trait Scheme: Send + Sync {
    /// Its name in logs and metrics.
    fn name(&self) -> &Arc<str>;
    /// Looks at a request. With [`Purpose::Recheck`] it says whether what it accepted before is
    /// still valid; with anything but [`Purpose::Serve`] it changes nothing.
    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a>;
    /// `WWW-Authenticate` when this scheme is first; without one, refusals are 403 (DRF's
    /// `authenticate_header`).
    fn challenge(&self) -> Option<HeaderValue>;
    /// Asked when no scheme has taken the request for its own: a credential that is in this scheme's
    /// place and that no scheme could read is a bad one, not none.
    fn unclaimed_credential(&self, request: &Request) -> Option<Refusal> {
        let _ = request;
        None
    }
    /// Whether its answer depends on cookies, which caches have to know (`Vary`).
    fn reads_cookies(&self) -> bool {
        false
    }
    /// What carries its credential in this request.
    fn carrier(&self, request: &Request) -> Carrier {
        let _ = request;
        Carrier::Header
    }
    /// How much of this request's body it reads.
    fn body_need(&self, request: &Request) -> BodyNeed {
        let _ = request;
        BodyNeed::None
    }
}
