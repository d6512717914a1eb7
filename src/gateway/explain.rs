//! What would happen to a request, for `portcullis explain`: the very decision that serving makes,
//! and nothing of it is spent.

use std::sync::Arc;

use super::{Gateway, Route, exchange::Exchange, https_redirect::to_https};
use crate::{
    observe::recent::SchemeResult,
    policy::Admitted,
    rejection::Rejection,
    request::{Peer, Purpose, Request},
    target::Preview,
};

/// What would happen to a request.
#[derive(Default)]
pub struct Explanation<'g> {
    /// The client's own address.
    pub client: Option<std::net::IpAddr>,
    /// The route.
    pub route: Option<&'g Route>,
    /// What each scheme that was asked says, in their order.
    pub schemes: Vec<(Arc<str>, SchemeResult)>,
    /// As whom it is admitted, or why it is refused.
    pub decision: Option<Result<Admitted, Rejection>>,
    /// Answered before any route is looked at; by what.
    pub before: Option<&'static str>,
    /// The request, when it is admitted.
    pub request: Option<Box<Request>>,
}

impl Gateway {
    /// Decides on a request as [`Self::handle`] does, and answers nothing.
    pub async fn explain(&self, request: Box<Request>, peer: &Peer) -> Explanation<'_> {
        let mut explained = Explanation::default();
        if let Err(rejection) = self.explain_into(request, peer, &mut explained).await {
            explained.decision = Some(Err(rejection));
        }
        explained
    }

    async fn explain_into<'g>(
        &'g self,
        mut request: Box<Request>,
        peer: &Peer,
        explained: &mut Explanation<'g>,
    ) -> Result<(), Rejection> {
        explained.client = Some(request.client.address);
        if peer.redirects {
            to_https(&request, &self.names)?;
            explained.before = Some("by a redirect to HTTPS");
            return Ok(());
        }
        if let Some(decisions) = &self.decisions
            && decisions.is_asked(&request)?
        {
            request = decisions.described(*request, self.head_limits)?;
        } else if self.preflight(&request).is_some() {
            explained.before = Some("by `cors`: a preflight, which asks before the request itself");
            return Ok(());
        }
        let route = self.route(&request)?;
        explained.route = Some(route);
        let client = request.client.address;
        let mut exchange = Exchange::unanswered(Purpose::Explain, route, self.clock.now(), client);
        exchange.results = Some(Vec::new());
        let decision = route.decide(&mut request, &mut exchange).finish().await;
        explained.schemes = exchange.results.take().unwrap_or_default();
        explained.decision = Some(decision);
        explained.request = Some(request);
        Ok(())
    }
}

impl Route {
    /// What the target would do with an admitted request.
    ///
    /// # Errors
    /// Why it would do nothing.
    pub fn preview<'a>(
        &self,
        request: Box<Request>,
        admitted: &'a Admitted,
    ) -> Result<Preview<'a>, Rejection> {
        self.target.preview(request, admitted, &self.forward)
    }
}
