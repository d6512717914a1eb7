//! Who may pass. The only place where an [`Admitted`] is made, and without one nothing is
//! forwarded.
//!
#![doc = include_str!("README.md")]

mod expression;
mod rule;

use std::sync::Arc;

use crate::{
    chain::{Chain, Verdict},
    identity::Accepted,
    rejection::{Challenges, Refusal, RefusalKind, Rejection},
    request::Request,
};
use hyper::header::HeaderValue;

pub use self::rule::{Config, Rule, Word};

/// Proof that a policy let a request pass, and as whom.
#[derive(Debug)]
pub struct Admitted {
    caller: Option<Accepted>,
}

impl Admitted {
    /// Whose request it is; none on a route that anyone may use.
    pub fn caller(&self) -> Option<&Accepted> {
        self.caller.as_ref()
    }
}

/// A route's permission.
pub struct Policy {
    rule: Rule,
    described: Arc<str>,
}

impl Policy {
    /// Of a rule.
    pub fn new(rule: Rule) -> Self {
        Self { described: rule.to_string().into(), rule }
    }

    /// What `explain` says of it.
    pub fn describe(&self) -> &Arc<str> {
        &self.described
    }

    /// Whether every caller may, the anonymous too.
    pub fn is_open(&self) -> bool {
        self.rule.is_open()
    }

    /// DRF's `check_permissions`. A bad credential is refused whatever the rule says. `challenge`
    /// takes the place of the first one: a scheme has said why it knows the caller not.
    ///
    /// # Errors
    /// As DRF: 401 or 403 by the first scheme for a caller who is not known, 403 for one who is.
    pub fn admit(
        &self,
        request: &Request,
        verdict: Verdict,
        chain: &Chain,
        challenge: Option<&HeaderValue>,
    ) -> Result<Admitted, Rejection> {
        let caller = match verdict {
            Verdict::Known(accepted) => Some(accepted),
            Verdict::Anonymous => None,
            Verdict::Refused(refusal) => return Err(refused(refusal, chain)),
            Verdict::Left => return Ok(Admitted { caller: None }),
        };
        let identity = caller.as_ref().map(|accepted| accepted.identity.as_ref());
        match (self.rule.allows(request, identity), identity) {
            (true, _) => Ok(Admitted { caller }),
            (false, None) if !chain.is_empty() => {
                Err(Rejection::NotAuthenticated(challenges(chain, challenge)))
            }
            (false, _) => Err(Rejection::PermissionDenied),
        }
    }
}

fn refused(refusal: Arc<Refusal>, chain: &Chain) -> Rejection {
    let challenges = match refusal.kind {
        RefusalKind::Unauthenticated => challenges(chain, refusal.challenge.as_deref()),
        _ => Challenges::default(),
    };
    Rejection::Refused { refusal, challenges }
}

/// The chain's challenges, the first replaced by a scheme's own.
fn challenges(chain: &Chain, own: Option<&HeaderValue>) -> Challenges {
    let mut challenges = chain.challenges().clone();
    if let (Some(own), Some(first)) = (own, challenges.0.first_mut()) {
        *first = own.clone();
    }
    challenges
}
