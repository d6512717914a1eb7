//! What answers a request that was admitted: an upstream, or a page of the gateway's own.

use std::{borrow::Cow, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::{
    clock::Timestamp,
    forward::{Forward, Outgoing},
    identity::Identity,
    language::Language,
    policy::Admitted,
    rejection::Rejection,
    request::Request,
    traces::Trace,
    upstream::{Reply, Service, Upstream},
};

/// An admitted request, and what there is to answer it with.
pub struct Call<'a> {
    /// The request.
    pub request: Box<Request>,
    /// Proof that it may be answered.
    pub admitted: &'a Admitted,
    /// Writes the identity for an upstream.
    pub forward: &'a Forward,
    /// Its trace, if it is sampled.
    pub trace: Option<&'a mut Trace>,
    /// What the gateway's own answers are said in, if not in English.
    pub language: Option<&'a Language>,
    /// When it came.
    pub now: Timestamp,
}

/// What a target would do with a request.
pub enum Preview<'a> {
    /// Send this upstream.
    Upstream(Outgoing<'a>),
    /// Answer it itself; as this.
    Gateway(Cow<'static, str>),
}

/// What answers a route's requests.
pub trait Target: Send + Sync {
    /// Answers a request.
    fn answer<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Rejection>>;
    /// What [`Self::answer`] would do, for `explain`.
    ///
    /// # Errors
    /// Why it would not be done.
    fn preview<'a>(
        &self,
        request: Box<Request>,
        admitted: &'a Admitted,
        forward: &Forward,
    ) -> Result<Preview<'a>, Rejection>;
    /// Begins what has to be done beside requests; it ends with the target.
    fn start(&self, control: &Handle) {
        let _ = control;
    }
    /// Whether a request of another protocol, once answered, leaves a connection to be re-checked.
    fn is_upstream(&self) -> bool {
        false
    }
    /// Where it leads, if that is a service.
    fn service(&self) -> Option<&Arc<Service>> {
        None
    }
    /// Whether an application behind the gateway gets the request, which may judge credentials itself.
    fn leads_on(&self) -> bool {
        self.is_upstream()
    }
}

/// The request that a tunnel was made for, which is re-checked while the tunnel lasts.
#[derive(Clone)]
pub struct Watched {
    /// The request, without its body.
    pub head: Arc<Request>,
    /// As whom it was admitted.
    pub identity: Option<Arc<Identity>>,
}

impl Target for Upstream {
    fn answer<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            let Call { request, admitted, forward, trace, now, .. } = call;
            let watched = request.upgrade.is_some().then(|| Watched {
                head: Arc::new(request.head()),
                identity: admitted.caller().map(|caller| Arc::clone(&caller.identity)),
            });
            let mut outgoing = forward.apply(admitted, request)?;
            // After what the client names in `Connection` has been taken out.
            if let Some(trace) = trace {
                outgoing.set_trace(trace, now);
            }
            let mut reply = self.send(outgoing).await?;
            if let Some(watched) = watched {
                reply.extensions_mut().insert(watched);
            }
            Ok(reply)
        })
    }

    fn preview<'a>(
        &self,
        request: Box<Request>,
        admitted: &'a Admitted,
        forward: &Forward,
    ) -> Result<Preview<'a>, Rejection> {
        let mut outgoing = forward.apply(admitted, request)?;
        self.rewrite(&mut outgoing)?;
        Ok(Preview::Upstream(outgoing))
    }

    fn start(&self, control: &Handle) {
        Upstream::start(self, control);
    }

    fn is_upstream(&self) -> bool {
        true
    }

    fn service(&self) -> Option<&Arc<Service>> {
        Upstream::service(self)
    }
}

/// A route that other proxies ask about, and send on themselves: the gateway has no way there.
pub struct DecisionOnly;

impl Target for DecisionOnly {
    fn answer<'a>(&'a self, _: Call<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(std::future::ready(Err(Rejection::NoRoute)))
    }

    fn preview<'a>(
        &self,
        _: Box<Request>,
        _: &'a Admitted,
        _: &Forward,
    ) -> Result<Preview<'a>, Rejection> {
        Ok(Preview::Gateway("with the decision alone: the proxy that asks sends it on".into()))
    }

    fn leads_on(&self) -> bool {
        true
    }
}
