//! A request's whole way, a call each: find the route, run the chain, admit, check the limits,
//! write the identity, send. Every refusal becomes a response in one place.

mod answered;
mod memory;
mod seen;
mod to_https;
mod to_login;

use std::{sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use self::{
    answered::Answered,
    seen::{Asked, Seen},
    to_https::to_https,
    to_login::{to_login, wants_page},
};
pub use self::{memory::Memory, seen::told};
use crate::{
    chain::Chain,
    clock::Clock,
    cors::Cors,
    decision::{
        Decisions,
        ext_authz::{self, Removed},
    },
    endpoint::{Endpoint, Page},
    forward::{Forward, Outgoing},
    identity::Identity,
    language::Languages,
    observe::{
        log::AccessLog,
        metrics::{Fate, RouteMetrics, SchemeMetrics},
        recent::{Recent, RequestId},
    },
    policy::{Admitted, Policy},
    rejection::Rejection,
    reply::Renderer,
    request::{Ambiguity, Body, HeadLimits, Malformed, Peer, Request, TrustedProxies},
    route::{Found, Router},
    scheme::{Outcome, Scheme},
    store::Sql,
    system::csrf,
    throttle::Throttle,
    traces::Traces,
    upstream::{Reply, ReplyBody, Target},
    value::Network,
};

/// One configuration, ready to serve. A reload makes another and swaps them.
pub struct Gateway {
    /// The routes.
    pub router: Router<Route>,
    /// Renders refusals.
    pub renderer: Renderer,
    /// Which other origins may read.
    pub cors: Option<Cors>,
    /// What the gateway answers in, if not in English.
    pub language: Option<Languages>,
    /// Hosts that there are certificates for.
    pub names: Vec<String>,
    /// Who may ask for decisions over gRPC.
    pub ext_authz: Option<Vec<Network>>,
    /// Where browsers without a session are sent.
    pub login_url: Option<String>,
    /// Whose forwarding headers count.
    pub proxies: TrustedProxies,
    /// How large a head may be.
    pub head_limits: HeadLimits,
    /// The time.
    pub clock: Clock,
    /// Where access lines go.
    pub access: AccessLog,
    /// What `explain` is asked about.
    pub recent: Recent,
    /// Where spans go.
    pub traces: Traces,
    /// Asked by readiness.
    pub store: Sql,
    /// Counts requests without a route.
    pub unrouted: RouteMetrics,
    /// Forgets what is no longer so.
    pub memory: Arc<Memory>,
}

/// The request that a tunnel was made for, which is judged again while it lasts.
#[derive(Clone)]
pub struct Watched {
    head: Arc<Request>,
    identity: Option<Arc<Identity>>,
}

/// What happens to the requests that a matcher finds.
pub struct Route {
    /// Its path as written, for people.
    pub name: Arc<str>,
    /// Who is asking.
    pub chain: Chain,
    /// Who may.
    pub policy: Policy,
    /// How often.
    pub throttle: Throttle,
    /// What the upstream learns.
    pub forward: Arc<Forward>,
    /// Who answers.
    pub target: RouteTarget,
    /// `Allow` of refusals.
    pub allow: Option<HeaderValue>,
    /// Ambiguous paths that this route's upstream reads as we do.
    pub allow_paths: Vec<Ambiguity>,
    /// Its counters.
    pub metrics: RouteMetrics,
    /// Those of its schemes, by name.
    pub schemes: Vec<(Arc<str>, SchemeMetrics)>,
}

/// Who answers.
pub enum RouteTarget {
    /// A service behind, the echo, a redirect.
    Upstream(Arc<dyn Target>),
    /// A page of the gateway's own.
    Endpoint(Box<Endpoint>),
    /// The page where other proxies ask.
    Decisions(Decisions),
    /// A service that only those proxies reach.
    Elsewhere,
}

/// How long the beginning of a form may take to come.
const PEEK_TIME: Duration = Duration::from_secs(30);

impl Gateway {
    /// Answers a request.
    pub async fn handle(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Reply {
        let (parts, incoming) = request.into_parts();
        let body = Body::new(incoming, &parts);
        if let Some(proxies) = &self.ext_authz
            && ext_authz::is_call(&parts)
            && proxies.iter().any(|network| network.contains(peer.address))
        {
            return Box::pin(self.check(body, peer)).await;
        }
        self.answer(parts, body, peer, false).await
    }

    /// Answers a proxy that asks over gRPC.
    async fn check(&self, message: Body, peer: &Peer) -> Reply {
        let message = message.read(ext_authz::LIMIT, PEEK_TIME).await.map_err(Malformed::from);
        let asked = message.and_then(|message| ext_authz::read(&message, peer.address));
        ext_authz::answer(match asked {
            Ok((parts, client)) => self.answer(parts, Body::Empty, &client, true).await,
            Err(malformed) => self.renderer.render(&malformed.into(), None),
        })
    }

    /// Answers a request; `held`, if it is only asked about.
    async fn answer(&self, parts: Parts, body: Body, peer: &Peer, held: bool) -> Reply {
        let (started, id) = (self.clock.now(), RequestId::next());
        let asked = Asked {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            host: parts.headers.get(header::HOST).cloned(),
        };
        let cookies: Vec<_> = parts.headers.get_all(header::COOKIE).iter().cloned().collect();
        let origin = self.cors.as_ref().and_then(|_| parts.headers.get(header::ORIGIN).cloned());
        let preflight =
            self.cors.as_ref().and_then(|cors| cors.preflight(&asked.method, &parts.headers));
        let page = self.login_url.is_some() && wants_page(&parts.headers);
        let language = self.language.as_ref().map(|known| (known, known.choose(&parts.headers)));
        let kept = self.recent.is_kept();
        let trace = self.traces.begin(&parts.headers, || self.proxies.contains(peer.address));
        let told = kept.then(Vec::new);
        let mut seen = Seen { told, trace: trace.map(Box::new), ..Seen::default() };
        let (client, outcome) = match self.read(parts, body, peer) {
            Err(malformed) => (peer.address, Err(malformed.into())),
            Ok(request) if peer.redirects => {
                (request.client.address, to_https(&request, &self.names))
            }
            Ok(request) => match preflight.filter(|_| !held && !self.is_asked(&request)) {
                Some(answer) => (request.client.address, Ok(answer)),
                None => (request.client.address, self.serve(request, &mut seen, held).await),
            },
        };
        let Asked { method, uri, host } = seen.asked.take().unwrap_or(asked);
        let page = page && csrf::is_safe(&method);
        let allow = seen.route.and_then(|route| route.allow.as_ref());
        let own = outcome.is_err() || seen.route.is_some_and(Route::is_page);
        let mut fate = Fate::Passed;
        let mut refused = None;
        let mut reply = outcome.unwrap_or_else(|rejection| {
            fate = Fate::refused(rejection.status());
            log(&rejection, uri.path(), id);
            refused = kept.then(|| (rejection.detail().into_owned(), rejection.cause()));
            let login = self.login_url.as_ref().filter(|_| page && seen.vary);
            match (&rejection, login) {
                (Rejection::NotAuthenticated(_), Some(login)) => to_login(login, &uri),
                _ => self.renderer.render(&rejection, allow),
            }
        });
        if let (Some((known, code)), true) = (language, own) {
            // Of what pages say of themselves, only DRF's own has labels.
            let labels = method == Method::OPTIONS && seen.route.is_some_and(Route::has_labels);
            known.translate(&mut reply, code, labels);
        }
        self.memory.follow(cookies, &reply).await;
        seen.write(reply.headers_mut());
        if let Some(cors) = &self.cors {
            cors.allow(origin.as_ref(), reply.headers_mut());
        }
        let answered = Answered {
            id,
            asked: Asked { method, uri, host },
            client,
            status: reply.status(),
            fate,
            refused,
            started,
        };
        self.tell(answered, &mut seen);
        reply
    }

    /// Begins what its upstreams have to do beside requests.
    pub fn start(&self, control: &Handle) {
        for route in self.router.routes() {
            if let RouteTarget::Upstream(target) = &route.target {
                Arc::clone(target).start(control);
            }
        }
    }

    /// Judges a head.
    ///
    /// # Errors
    /// If it can be read in more than one way.
    pub fn read(&self, parts: Parts, body: Body, peer: &Peer) -> Result<Box<Request>, Malformed> {
        Request::read(parts, body, peer, &self.proxies, self.head_limits)
    }

    async fn serve<'a>(
        &'a self,
        mut request: Box<Request>,
        seen: &mut Seen<'a>,
        held: bool,
    ) -> Result<Reply, Rejection> {
        let mut route = self.route(&request)?;
        let asking = match &route.target {
            RouteTarget::Decisions(decisions) => {
                request = decisions.asked(*request, self.head_limits)?;
                seen.asked = Some(Asked::of(&request));
                route = self.route(&request)?;
                true
            }
            _ => held,
        };
        seen.route = Some(route);
        if route.chain.reads_body(&request) {
            request.body.peek(csrf::LOOKED_AT, PEEK_TIME).await?;
        }
        if let RouteTarget::Endpoint(endpoint) = &route.target {
            endpoint.limit(&request)?;
        }
        let admitted = route.decide(&request, |scheme, outcome| {
            route.count(scheme, outcome);
            seen.outcome(scheme, outcome);
        });
        let admitted = admitted.await?;
        if let Some(caller) = admitted.caller() {
            seen.user = Some((Arc::clone(&caller.identity), Arc::clone(&caller.scheme)));
        }
        if seen.by_cookie {
            let csrf = self.memory.sessions.csrf.check_upgrade(&request);
            csrf.map_err(|reason| Rejection::Forbidden(format!("CSRF Failed: {reason}").into()))?;
        }
        // After what the client names in `Connection` has been taken out.
        let mut traced = |outgoing: &mut Outgoing<'_>| {
            if let Some(trace) = &mut seen.trace {
                trace.send(outgoing.request().headers_mut(), self.clock.now());
            }
        };
        match &route.target {
            RouteTarget::Decisions(_) => Err(Rejection::NoRoute),
            _ if asking => {
                let mut decided = decided(route.forward.answer(&admitted)?);
                if held {
                    let removed = Removed(route.forward.owned_of(&request.headers));
                    decided.extensions_mut().insert(removed);
                }
                Ok(decided)
            }
            RouteTarget::Elsewhere => Err(Rejection::NoRoute),
            RouteTarget::Upstream(target) if request.upgrade.is_some() => {
                let identity = admitted.caller().map(|caller| Arc::clone(&caller.identity));
                let head = Arc::new(request.head());
                let mut outgoing = route.forward.apply(&admitted, request)?;
                traced(&mut outgoing);
                let mut reply = target.send(outgoing).await?;
                reply.extensions_mut().insert(Watched { head, identity });
                Ok(reply)
            }
            RouteTarget::Upstream(target) => {
                let mut outgoing = route.forward.apply(&admitted, request)?;
                traced(&mut outgoing);
                target.send(outgoing).await
            }
            // Boxed: each connection has the room that its requests may need, and pages need most.
            RouteTarget::Endpoint(endpoint) => Box::pin(endpoint.serve(*request, &admitted)).await,
        }
    }

    /// Whether the request of a tunnel would be let in again, as the same caller. An outage ends
    /// nothing.
    pub async fn still_admits(&self, watched: &Watched) -> bool {
        let Ok(route) = self.route(&watched.head) else { return false };
        if !matches!(route.target, RouteTarget::Upstream(_)) {
            return false;
        }
        let Ok(verdict) = route.chain.run(&watched.head, |_, _| {}).await else { return true };
        let Ok(admitted) = route.policy.admit(&watched.head, verdict, &route.chain) else {
            return false;
        };
        let id = |identity: &Identity| (identity.id.clone(), identity.username.clone());
        let now = admitted.caller().map(|caller| id(&caller.identity));
        now == watched.identity.as_deref().map(id)
    }

    /// Whether it is a proxy that asks: its answer is a decision, and nothing else is a yes.
    fn is_asked(&self, request: &Request) -> bool {
        let route = self.route(request);
        route.is_ok_and(|route| matches!(route.target, RouteTarget::Decisions(_)))
    }

    /// The route of a request, if its path is one that the route reads.
    ///
    /// # Errors
    /// No route, or an ambiguous path that the route does not allow.
    pub fn route(&self, request: &Request) -> Result<&Route, Rejection> {
        let found = self.router.find(&request.host, &request.target, &request.method);
        let allowed = match &found {
            Found::Route(route) => &route.allow_paths[..],
            Found::WrongMethod | Found::Nothing => &[],
        };
        let refused = request.target.ambiguities.iter().find(|found| !allowed.contains(found));
        match (refused, found) {
            (Some(ambiguity), _) => Err(Malformed::Path(*ambiguity).into()),
            (None, Found::Route(route)) => self.read_both_ways(request, route),
            (None, Found::WrongMethod) => Err(Rejection::MethodNotAllowed(request.method.clone())),
            (None, Found::Nothing) => Err(Rejection::NoRoute),
        }
    }

    /// A route that allows ambiguous paths gets them only if the other reading, with slashes
    /// collapsed and parameters cut off, leads to it too: `/files//admin` must not get the rule of
    /// `/files/` where `/files/admin/` has a stricter one.
    fn read_both_ways<'r>(
        &'r self,
        request: &Request,
        route: &'r Route,
    ) -> Result<&'r Route, Rejection> {
        let Some(ambiguity) = request.target.ambiguities.first() else { return Ok(route) };
        let leads_here = |path: &Vec<u8>| {
            let found = self.router.find_decoded(&request.host, path, &request.method);
            matches!(found, Found::Route(found) if std::ptr::eq(found, route))
        };
        match request.target.readings().iter().all(leads_here) {
            true => Ok(route),
            false => Err(Malformed::Path(*ambiguity).into()),
        }
    }
}

impl Route {
    /// Everything but the sending: whether the request may pass, and as whose. `seen` learns of
    /// each scheme's outcome.
    ///
    /// # Errors
    /// Every way to refuse a request.
    pub async fn decide(
        &self,
        request: &Request,
        seen: impl FnMut(&dyn Scheme, &Outcome),
    ) -> Result<Admitted, Rejection> {
        let verdict = self.chain.run(request, seen).await?;
        let admitted = self.policy.admit(request, verdict, &self.chain)?;
        let identity = admitted.caller().map(|caller| caller.identity.as_ref());
        let client = request.client.address;
        self.throttle.admit(identity, client).map_err(Rejection::Throttled)?;
        Ok(admitted)
    }

    fn has_labels(&self) -> bool {
        matches!(&self.target, RouteTarget::Endpoint(page) if page.page() == Page::Token)
    }

    fn is_page(&self) -> bool {
        matches!(self.target, RouteTarget::Endpoint(_))
    }

    fn count(&self, scheme: &dyn Scheme, outcome: &Outcome) {
        let counters = self.schemes.iter().find(|(name, _)| Arc::ptr_eq(name, scheme.name()));
        match (counters, outcome) {
            (Some((_, counters)), Outcome::Authenticated(_)) => {
                counters.authenticated.inc();
            }
            (Some((_, counters)), Outcome::Failed(_)) => {
                counters.failed.inc();
            }
            _ => {}
        }
    }
}

/// A yes, for the proxy that asked.
fn decided(identity: HeaderMap) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.headers_mut() = identity;
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The cause, which the client does not learn.
fn log(rejection: &Rejection, path: &str, id: RequestId) {
    let status = rejection.status().as_u16();
    match rejection.cause() {
        Some(cause) => warn!(%id, path, cause, status, "not served"),
        None => debug!(%id, path, status, "refused"),
    }
}
