//! All of the decision on a request: page limits, the body that schemes need, the chain with its
//! check for forgery, the rule, and the throttle. Serving, `explain` and re-checks call the same.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use hyper::Method;

use super::{Route, exchange::Exchange};
use crate::{
    chain::{Begun, Verdict, Verdicts},
    limits::AuthRate,
    policy::Admitted,
    rejection::Rejection,
    request::{Purpose, Request},
    scheme::BodyNeed,
};

/// How long the body that a scheme needs may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);

pub(super) type Decision = Result<Admitted, Rejection>;

/// What is decided, or what has to be awaited for it.
pub(super) enum Step<'a, T> {
    /// Decided, without a future.
    Now(T),
    /// To be awaited.
    Later(BoxFuture<'a, T>),
}

impl<T> Step<'_, T> {
    pub(super) async fn finish(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(value) => value.await,
        }
    }
}

impl Route {
    /// Decides on a request; without a future where nothing has to be asked. Nothing that is counted
    /// or used up moves but in [`Purpose::Serve`].
    pub(super) fn decide<'a, 'g: 'a>(
        &'a self,
        request: &'a mut Request,
        exchange: &'a mut Exchange<'g>,
    ) -> Step<'a, Decision> {
        let limited = self.limit(request, exchange.purpose);
        let need = match exchange.purpose {
            // What proved it was read when it was served.
            Purpose::Recheck => BodyNeed::None,
            Purpose::Serve | Purpose::Explain => self.chain.body_need(request),
        };
        if limited.is_some() || need != BodyNeed::None {
            return Step::Later(Box::pin(self.prepare(limited, need, request, exchange)));
        }
        self.judge(request, exchange)
    }

    /// The limit that counts this request, before its credential is looked at.
    fn limit(&self, request: &Request, purpose: Purpose) -> Option<&AuthRate> {
        let counts = purpose.spends() && request.method == Method::POST;
        self.auth_rate.as_deref().filter(|_| counts)
    }

    async fn prepare(
        &self,
        limited: Option<&AuthRate>,
        need: BodyNeed,
        request: &mut Request,
        exchange: &mut Exchange<'_>,
    ) -> Decision {
        if let Some(rate) = limited {
            rate.admit(request.client.address).await.map_err(Rejection::Throttled)?;
        }
        match need {
            BodyNeed::None => {}
            BodyNeed::Beginning(bytes) => request.body.peek(bytes, BODY_TIME).await?,
            BodyNeed::Whole(limit) => request.body.peek_whole(limit, BODY_TIME).await?,
        }
        self.judge(request, exchange).finish().await
    }

    fn judge<'a, 'g: 'a>(
        &'a self,
        request: &'a Request,
        exchange: &'a mut Exchange<'g>,
    ) -> Step<'a, Decision> {
        match self.chain.begin(request, exchange.purpose, exchange) {
            Begun::Done(verdict) => Step::Now(self.admit(request, exchange, verdict)),
            Begun::Waiting(waiting) => Step::Later(Box::pin(async move {
                let verdict = waiting.finish(exchange).await;
                self.admit(request, exchange, verdict)
            })),
        }
    }

    /// The rule, then the throttle: DRF's order.
    fn admit(&self, request: &Request, exchange: &mut Exchange<'_>, verdict: Verdicts) -> Decision {
        let challenge = exchange.notes.challenge.as_ref();
        let verdict = match verdict? {
            // A page of the gateway's own has nobody behind it who would judge.
            Verdict::Left if !self.target.leads_on() => Verdict::Anonymous,
            verdict => verdict,
        };
        let left = matches!(verdict, Verdict::Left);
        let admitted = self.policy.admit(request, verdict, &self.chain, challenge)?;
        let caller = admitted.caller();
        if exchange.purpose.spends() && !left {
            let identity = caller.map(|caller| caller.identity.as_ref());
            let throttled = self.throttle.admit(identity, request.client.address);
            throttled.map_err(Rejection::Throttled)?;
        }
        if let Some(caller) = caller {
            exchange.caller = Some((Arc::clone(&caller.identity), Arc::clone(&caller.scheme)));
        }
        Ok(admitted)
    }
}
