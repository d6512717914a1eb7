//! Who may pass. The only place where an [`Admitted`] is made, and without one nothing is
//! forwarded.

mod expression;
mod rule;

use std::sync::Arc;

use crate::{
    chain::{Chain, Verdict},
    identity::Accepted,
    rejection::Rejection,
    request::Request,
    scheme::{Failure, FailureKind},
};

pub use self::rule::{Config, Rule, Word};

/// Proof that a policy let a request pass, and as whom.
#[derive(Debug)]
pub struct Admitted {
    caller: Option<Accepted>,
}

impl Admitted {
    /// Whose request it is; nobody's on a route that anyone may use.
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

    /// DRF's `check_permissions`. A bad credential is refused whatever the rule says.
    ///
    /// # Errors
    /// As DRF: 401 or 403 by the first scheme for who is not known, 403 for who is.
    pub fn admit(
        &self,
        request: &Request,
        verdict: Verdict,
        chain: &Chain,
    ) -> Result<Admitted, Rejection> {
        let caller = match verdict {
            Verdict::Known(accepted) => Some(accepted),
            Verdict::Anonymous => None,
            Verdict::Refused(failure) => {
                let Failure { detail, challenge, members, kind, said, .. } = failure;
                let own = said.as_ref().map_or(challenge, |said| said.challenge.clone());
                let mut challenges = chain.challenges().clone();
                if let (Some(own), Some(first)) = (own, challenges.0.first_mut()) {
                    *first = own;
                }
                if let Some(said) = said {
                    return Err(Rejection::Said { said, challenges });
                }
                return Err(match kind {
                    FailureKind::Wait(wait) => Rejection::Throttled(wait),
                    FailureKind::Forbidden => Rejection::Forbidden(detail),
                    FailureKind::Unauthenticated => {
                        Rejection::AuthenticationFailed { detail, members, challenges }
                    }
                });
            }
        };
        let identity = caller.as_ref().map(|accepted| accepted.identity.as_ref());
        match (self.rule.allows(request, identity), identity) {
            (true, _) => Ok(Admitted { caller }),
            (false, None) if !chain.is_empty() => {
                Err(Rejection::NotAuthenticated(chain.challenges().clone()))
            }
            (false, _) => Err(Rejection::PermissionDenied),
        }
    }
}
