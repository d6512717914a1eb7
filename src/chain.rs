//! Schemes in order: the first that does not pass decides, and the first of all decides how a
//! refusal looks (DRF: 401 with its challenge, or 403 if it has none). Where a cookie carries the
//! credential, the chain checks for cross-site request forgery, whatever the scheme.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    clock::Clock,
    csrf::{self, Csrf},
    identity::Accepted,
    rejection::{Challenges, Refusal},
    request::{Purpose, Request},
    scheme::{Answer, BodyNeed, Carrier, CsrfCheck, Examination, Examined, Notes, Outcome, Scheme},
    store::Unavailable,
};

/// The schemes of a route.
pub struct Chain {
    schemes: Vec<Arc<dyn Scheme>>,
    challenges: Challenges,
    csrf: Arc<Csrf>,
    clock: Clock,
}

/// What the chain makes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Proven.
    Known(Accepted),
    /// No scheme found a credential of its own.
    Anonymous,
    /// A bad credential; no policy admits that.
    Refused(Arc<Refusal>),
    /// A credential that the upstream judges, and the rule with it.
    Left,
}

/// What learns of each scheme's outcome, before the chain goes on.
pub trait Observer: Send {
    /// A scheme has examined the request.
    fn examined(&mut self, scheme: &dyn Scheme, outcome: &Outcome, notes: Option<Box<Notes>>);
}

/// What a chain comes to; an error if a scheme could not tell: then none after it is asked.
pub type Verdicts = Result<Verdict, Unavailable>;

/// A verdict, or what has to be awaited for it.
pub enum Begun<'a> {
    /// Decided, without a future.
    Done(Verdicts),
    /// A scheme has to ask.
    Waiting(Waiting<'a>),
}

/// A chain that waits for one of its schemes.
pub struct Waiting<'a> {
    chain: &'a Chain,
    request: &'a Request,
    purpose: Purpose,
    place: usize,
    examination: BoxFuture<'a, Examination>,
}

impl Waiting<'_> {
    /// Waits for the scheme, and goes on with those behind it.
    ///
    /// # Errors
    /// If a scheme could not tell.
    pub async fn finish(self, observer: &mut dyn Observer) -> Verdicts {
        let Self { chain, request, purpose, place, examination } = self;
        let mut waiting = Some(examination);
        for scheme in chain.schemes.iter().skip(place) {
            let examination = match waiting.take() {
                Some(examination) => examination.await,
                None => match chain.ask(scheme, request, purpose) {
                    Answer::Now(examination) => examination,
                    Answer::Later(examination) => examination.await,
                },
            };
            if let Some(verdict) = chain.conclude(scheme, request, examination, observer)? {
                return Ok(verdict);
            }
        }
        Ok(chain.unclaimed(request))
    }
}

impl Chain {
    /// A chain. With `all`, refusals list every challenge, not only the first scheme's.
    pub fn new(schemes: Vec<Arc<dyn Scheme>>, all: bool, csrf: Arc<Csrf>, clock: Clock) -> Self {
        let challenges = match all {
            true => schemes.iter().filter_map(|scheme| scheme.challenge()).collect(),
            false => schemes.first().and_then(|scheme| scheme.challenge()).into_iter().collect(),
        };
        Self { schemes, challenges: Challenges(challenges), csrf, clock }
    }

    /// Whether there is no scheme: then a refusal is DRF's "permission denied".
    pub fn is_empty(&self) -> bool {
        self.schemes.is_empty()
    }

    /// The names of its schemes, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.schemes.iter().map(|scheme| scheme.name())
    }

    /// How much of the body has to be there before the schemes are asked.
    pub fn body_need(&self, request: &Request) -> BodyNeed {
        // Django's token may stand in a form.
        let form = csrf::may_be_in_body(request);
        let of = |scheme: &Arc<dyn Scheme>| {
            let token = form
                && matches!(
                    scheme.carrier(request),
                    Carrier::Cookie(CsrfCheck::BeforeCredential | CsrfCheck::AfterUser)
                );
            let form = if token { BodyNeed::Beginning(csrf::LOOKED_AT) } else { BodyNeed::None };
            scheme.body_need(request).max(form)
        };
        self.schemes.iter().map(of).max().unwrap_or_default()
    }

    /// The challenges of a refusal.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Asks the schemes in order, as far as the request and the cache decide.
    pub fn begin<'a>(
        &'a self,
        request: &'a Request,
        purpose: Purpose,
        observer: &mut dyn Observer,
    ) -> Begun<'a> {
        for (place, scheme) in self.schemes.iter().enumerate() {
            let examination = match self.ask(scheme, request, purpose) {
                Answer::Now(examination) => examination,
                Answer::Later(examination) => {
                    let chain = self;
                    return Begun::Waiting(Waiting { chain, request, purpose, place, examination });
                }
            };
            match self.conclude(scheme, request, examination, observer) {
                Ok(None) => {}
                Ok(Some(verdict)) => return Begun::Done(Ok(verdict)),
                Err(unavailable) => return Begun::Done(Err(unavailable)),
            }
        }
        Begun::Done(Ok(self.unclaimed(request)))
    }

    fn ask<'a>(
        &'a self,
        scheme: &'a Arc<dyn Scheme>,
        request: &'a Request,
        purpose: Purpose,
    ) -> Answer<'a> {
        if may_be_forged(request)
            && scheme.carrier(request) == Carrier::Cookie(CsrfCheck::BeforeCredential)
            && let Err(reason) = self.csrf.check(request, None)
        {
            return Answer::failed(Refusal::csrf(&reason));
        }
        scheme.authenticate(request, purpose)
    }

    /// What a scheme's answer means for the chain; nothing if the next scheme is to be asked.
    fn conclude(
        &self,
        scheme: &Arc<dyn Scheme>,
        request: &Request,
        examination: Examination,
        observer: &mut dyn Observer,
    ) -> Result<Option<Verdict>, Unavailable> {
        let Examined { outcome, mut notes } = examination?;
        let outcome = match outcome {
            Outcome::Authenticated(accepted) if may_be_forged(request) => {
                match self.check_forgery(scheme, request, notes.as_deref()) {
                    Ok(()) => Outcome::Authenticated(accepted),
                    Err(reason) => {
                        let cookie = self.csrf.replacement(&request.headers, self.clock.now());
                        if let Some(cookie) = cookie {
                            notes.get_or_insert_default().cookies.push(cookie);
                        }
                        Outcome::Failed(Arc::new(Refusal::csrf(&reason)))
                    }
                }
            }
            other => other,
        };
        observer.examined(scheme.as_ref(), &outcome, notes);
        Ok(match outcome {
            Outcome::NotAttempted => None,
            Outcome::Authenticated(accepted) => Some(Verdict::Known(accepted)),
            Outcome::Failed(refusal) => Some(Verdict::Refused(refusal)),
            Outcome::Left => Some(Verdict::Left),
        })
    }

    fn check_forgery(
        &self,
        scheme: &Arc<dyn Scheme>,
        request: &Request,
        notes: Option<&Notes>,
    ) -> Result<(), String> {
        let Carrier::Cookie(check) = scheme.carrier(request) else { return Ok(()) };
        if check == CsrfCheck::AfterUser {
            let secret = notes.and_then(|notes| notes.csrf_secret.as_ref());
            self.csrf.check(request, secret.map(|secret| secret.reveal()))?;
        }
        // A WebSocket is opened by a GET, which is safe otherwise.
        self.csrf.check_upgrade(request)
    }

    /// A credential that is in a scheme's place and that no scheme could read is a bad one.
    fn unclaimed(&self, request: &Request) -> Verdict {
        let unclaimed = self.schemes.iter().find_map(|scheme| scheme.unclaimed_credential(request));
        unclaimed.map_or(Verdict::Anonymous, |refusal| Verdict::Refused(Arc::new(refusal)))
    }
}

/// Whether a page of another site could have made the request with effect: it is not safe, or may
/// open a WebSocket, which has an origin.
fn may_be_forged(request: &Request) -> bool {
    !csrf::is_safe(&request.method) || request.has.origin
}
