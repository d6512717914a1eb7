//! Schemes in order: the first that does not pass decides, and the first of all decides how a
//! refusal looks (DRF: 401 with its challenge, or 403 if it has none).

use std::sync::Arc;

use hyper::header::HeaderValue;

use crate::{
    identity::Accepted,
    request::Request,
    scheme::{Answer, Failure, Outcome, Scheme},
    store::Unavailable,
};

/// The schemes of a route.
pub struct Chain {
    schemes: Vec<Arc<dyn Scheme>>,
    challenges: Challenges,
}

/// What a refusal answers: nothing makes it 403.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges(pub Vec<HeaderValue>);

/// What the chain makes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Proven.
    Known(Accepted),
    /// Nobody tried.
    Anonymous,
    /// Somebody tried and failed; no policy admits that.
    Refused(Failure),
}

impl Chain {
    /// A chain. With `all`, refusals list every challenge, not only the first scheme's.
    pub fn new(schemes: Vec<Arc<dyn Scheme>>, all: bool) -> Self {
        let challenges = match all {
            true => schemes.iter().filter_map(|scheme| scheme.challenge()).collect(),
            false => schemes.first().and_then(|scheme| scheme.challenge()).into_iter().collect(),
        };
        Self { schemes, challenges: Challenges(challenges) }
    }

    /// Whether there is no scheme: then a refusal is DRF's "permission denied".
    pub fn is_empty(&self) -> bool {
        self.schemes.is_empty()
    }

    /// The names of its schemes, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.schemes.iter().map(|scheme| scheme.name())
    }

    /// Whether a scheme looks into the beginning of this request's body.
    pub fn reads_body(&self, request: &Request) -> bool {
        self.schemes.iter().any(|scheme| scheme.reads_body(request))
    }

    /// The challenges of a refusal.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Asks the schemes in order; `seen` learns of every outcome.
    ///
    /// # Errors
    /// If a scheme could not tell: then nobody after it is asked.
    pub async fn run(
        &self,
        request: &Request,
        mut seen: impl FnMut(&dyn Scheme, &Outcome),
    ) -> Result<Verdict, Unavailable> {
        for scheme in &self.schemes {
            let outcome = match scheme.authenticate(request) {
                Answer::Now(outcome) => outcome?,
                Answer::Later(outcome) => outcome.await?,
            };
            seen(scheme.as_ref(), &outcome);
            match outcome {
                Outcome::NotAttempted | Outcome::Ended(_) => {}
                Outcome::Authenticated(accepted) => return Ok(Verdict::Known(accepted)),
                Outcome::Failed(failure) => return Ok(Verdict::Refused(failure)),
            }
        }
        let leftover = self.schemes.iter().find_map(|scheme| scheme.leftover(request));
        Ok(leftover.map_or(Verdict::Anonymous, Verdict::Refused))
    }
}
