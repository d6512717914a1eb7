//! A request's whole way, a call each: read it, find its route, decide, and have the route's target
//! answer. Every refusal becomes a response in one place, and every answer leaves one report.

mod decide;
mod exchange;
mod explain;
mod https_redirect;
mod invalidation;
mod login_redirect;
mod report;

use std::{sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use self::{
    decide::Step,
    exchange::{Exchange, RequestLine},
    https_redirect::to_https,
    login_redirect::{to_login, wants_page},
};
pub use self::{explain::Explanation, invalidation::Invalidation};
use crate::{
    chain::Chain,
    clock::Clock,
    cors::Cors,
    csrf,
    decision::{
        Decisions,
        ext_authz::{self, Removed},
    },
    forward::Forward,
    identity::Identity,
    language::{Language, Languages},
    limits::{AuthRate, Throttle},
    observe::{
        log::AccessLog,
        metrics::{Disposition, RouteMetrics, SchemeMetrics},
        recent::{Recent, RequestId},
    },
    policy::Policy,
    rejection::Rejection,
    reply::{Renderer, Rendering},
    request::{
        Ambiguity, Body, Buffer, HeadLimits, Malformed, Peer, Purpose, Request, TrustedProxies,
    },
    route::{Found, Router},
    scheme::{Notes, Outcome, Scheme},
    store::Database,
    target::{Call, Target, Watched},
    traces::Traces,
    upstream::{Reply, ReplyBody, Service},
    value::Network,
    web::answer,
};

/// One configuration, ready to serve. A reload makes another and swaps them.
pub struct Gateway {
    /// The routes.
    pub router: Router<Route>,
    /// Renders refusals.
    pub renderer: Renderer,
    /// Whether refusals say `Vary: Accept` where DRF's views with two renderers do.
    pub browsable_api: bool,
    /// Which other origins may read.
    pub cors: Option<Cors>,
    /// What the gateway answers in, if not in English.
    pub language: Option<Languages>,
    /// Hosts that there are certificates for.
    pub names: Vec<String>,
    /// Where other proxies ask for decisions.
    pub decisions: Option<Decisions>,
    /// Which peers may ask for them over gRPC.
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
    pub db: Database,
    /// Counts requests without a route.
    pub unrouted: RouteMetrics,
    /// The credential cache, and what invalidates it.
    pub invalidation: Arc<Invalidation>,
}

/// What happens to the requests that a matcher finds.
pub struct Route {
    /// Its path as written, for people.
    pub name: Arc<str>,
    /// Authenticates the caller.
    pub chain: Chain,
    /// Which callers may.
    pub policy: Policy,
    /// How often.
    pub throttle: Throttle,
    /// The limit on requests that take a password, before the chain is asked.
    pub auth_rate: Option<Arc<AuthRate>>,
    /// What the upstream learns.
    pub forward: Arc<Forward>,
    /// Which bodies have to have a length.
    pub buffer: Buffer,
    /// Answers.
    pub target: Arc<dyn Target>,
    /// `Allow` of refusals.
    pub allow: Option<HeaderValue>,
    /// Whether it stands in each of them, as DRF's views have it, or only in 405.
    pub says_allow: bool,
    /// Whether refusals say `Vary: Accept`, as DRF's views with two renderers do.
    pub negotiates: bool,
    /// Ambiguous paths that this route's upstream reads as we do.
    pub allow_paths: Vec<Ambiguity>,
    /// Its counters.
    pub metrics: RouteMetrics,
    /// Those of its schemes, by name.
    pub schemes: Vec<(Arc<str>, SchemeMetrics)>,
}

/// How long a message of a proxy that asks may take to come.
const MESSAGE_TIME: Duration = Duration::from_secs(30);

impl Gateway {
    /// Answers a request.
    pub async fn handle(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Reply {
        let (head, incoming) = request.into_parts();
        let body = Body::new(incoming, &head);
        if self.is_ext_authz(&head, peer) {
            return Box::pin(self.check(body, peer)).await;
        }
        let mut exchange = self.begin(&head, peer);
        let answer = match self.read(head, body, peer) {
            Ok(request) => self.serve(request, peer, &mut exchange).await,
            Err(malformed) => Err(malformed.into()),
        };
        let mut reply = match answer {
            Ok(reply) => reply,
            Err(rejection) => self.render(&rejection, &mut exchange),
        };
        if !exchange.cookies.is_empty() {
            self.invalidation.note_session_change(&exchange.cookies, &reply).await;
        }
        self.finish(&mut reply, &mut exchange);
        reply
    }

    /// Refuses what the HTTP/1.1 parser could not read, with the status that it has for it. Nothing
    /// is known of the request: its line says `- *`.
    pub fn refuse_unparsed(&self, status: StatusCode, peer: &Peer) -> Reply {
        let (mut head, ()) = hyper::Request::new(()).into_parts();
        head.method = Method::from_bytes(b"-").unwrap_or_default();
        head.uri = Uri::from_static("*");
        let mut exchange = self.begin(&head, peer);
        let malformed = match status {
            StatusCode::BAD_REQUEST => Malformed::Syntax,
            _ => Malformed::TooLarge,
        };
        let mut reply = self.render(&malformed.into(), &mut exchange);
        self.finish(&mut reply, &mut exchange);
        reply
    }

    async fn serve<'g>(
        &'g self,
        mut request: Box<Request>,
        peer: &Peer,
        exchange: &mut Exchange<'g>,
    ) -> Result<Reply, Rejection> {
        exchange.client = request.client.address;
        if peer.redirects {
            return to_https(&request, &self.names);
        }
        if let Some(decisions) = &self.decisions
            && decisions.is_asked(&request)?
        {
            request = decisions.described(*request, self.head_limits)?;
            return self.decide_for_proxy(request, exchange).await.map(|(reply, _)| reply);
        }
        if let Some(preflight) = self.preflight(&request) {
            return Ok(preflight);
        }
        let route = exchange.routed(self.route(&request)?);
        if request.has.cookies > 0 {
            exchange.cookies = request.headers.get_all(header::COOKIE).iter().cloned().collect();
        }
        let admitted = match route.decide(&mut request, exchange) {
            Step::Now(decision) => decision?,
            Step::Later(decision) => decision.await?,
        };
        exchange.admitted = true;
        if route.buffer.is_for(&request.body) {
            let body = std::mem::replace(&mut request.body, Body::Empty);
            request.body = Box::pin(route.buffer.whole(body)).await?;
        }
        let call = Call {
            request,
            admitted: &admitted,
            forward: &route.forward,
            trace: exchange.trace.as_deref_mut(),
            language: exchange.language,
            now: self.clock.now(),
        };
        route.target.answer(call).await
    }

    /// What is known of a request before anything is judged.
    fn begin(&self, head: &Parts, peer: &Peer) -> Exchange<'_> {
        let headers = &head.headers;
        let trace = self.traces.begin(headers, || self.proxies.contains(peer.address));
        Exchange {
            purpose: Purpose::Serve,
            id: RequestId::next(),
            started: self.clock.now(),
            line: RequestLine::of_head(head),
            client: peer.address,
            route: None,
            caller: None,
            admitted: false,
            notes: Notes::default(),
            vary_cookie: false,
            results: self.recent.is_kept().then(Vec::new),
            trace: trace.map(Box::new),
            language: self.language.as_ref().and_then(|known| known.choose(headers)),
            disposition: Disposition::Passed,
            refused: None,
            cookies: Vec::new(),
            origin: self.cors.as_ref().and_then(|_| headers.get(header::ORIGIN).cloned()),
            wants_page: self.login_url.is_some() && wants_page(headers),
        }
    }

    /// A refusal becomes a response here and nowhere else.
    fn render(&self, rejection: &Rejection, exchange: &mut Exchange<'_>) -> Reply {
        exchange.disposition = Disposition::refused(rejection.status());
        log(rejection, exchange.line.uri.path(), exchange.id);
        if exchange.results.is_some() {
            exchange.refused = Some((rejection.detail().english().into_owned(), rejection.cause()));
        }
        let page = exchange.wants_page && csrf::is_safe(&exchange.line.method);
        let login = self.login_url.as_ref().filter(|_| page && exchange.vary_cookie);
        if let (Rejection::NotAuthenticated(_), Some(login)) = (rejection, login) {
            return to_login(login, &exchange.line.uri);
        }
        let negotiates = !exchange.admitted || exchange.route.is_none_or(|route| route.negotiates);
        self.rendered(rejection, exchange.route, negotiates, exchange.language)
    }

    fn rendered(
        &self,
        rejection: &Rejection,
        route: Option<&Route>,
        negotiates: bool,
        language: Option<&Language>,
    ) -> Reply {
        let says_allow = |route: &&Route| {
            route.says_allow || matches!(rejection, Rejection::MethodNotAllowed(_))
        };
        let allow = route.filter(says_allow).and_then(|route| route.allow.as_ref());
        let negotiates = negotiates && self.browsable_api;
        let rendering = Rendering { allow, negotiates, language };
        self.renderer.render(rejection, &rendering)
    }

    /// What every answer gets, the upstream's too; then the one report.
    fn finish(&self, reply: &mut Reply, exchange: &mut Exchange<'_>) {
        let answered_here = exchange.disposition != Disposition::Passed
            || exchange.route.is_some_and(|route| !route.target.is_upstream());
        if answered_here && self.language.as_ref().is_some_and(Languages::negotiates) {
            said_in(exchange.language, reply.headers_mut());
        }
        exchange.write_notes(reply.headers_mut());
        if let Some(cors) = &self.cors
            && cors.covers(exchange.line.uri.path())
        {
            cors.allow(exchange.origin.as_ref(), reply.headers_mut());
        }
        if let Some(seal) = exchange.seal() {
            let body = match exchange.line.method == Method::HEAD {
                true => Some(&[][..]),
                false => reply.body().whole().map(AsRef::as_ref),
            };
            let signed = seal.sign(reply.status(), reply.headers(), body);
            reply.headers_mut().extend(signed);
        }
        let status = reply.status();
        self.report(exchange, status);
    }

    fn preflight(&self, request: &Request) -> Option<Reply> {
        self.cors.as_ref()?.preflight(&request.method, request.target.path(), &request.headers)
    }

    /// Decides on a request that another proxy holds. The names are those of the client's fields
    /// that the application must not see.
    async fn decide_for_proxy<'g>(
        &'g self,
        mut request: Box<Request>,
        exchange: &mut Exchange<'g>,
    ) -> Result<(Reply, Removed), Rejection> {
        exchange.client = request.client.address;
        exchange.line = RequestLine::of_request(&request);
        let route = exchange.routed(self.route(&request)?);
        let admitted = route.decide(&mut request, exchange).finish().await?;
        let removed = Removed(route.forward.owned_of(&request.headers));
        Ok((decided(route.forward.answer(&admitted)?), removed))
    }

    fn is_ext_authz(&self, head: &Parts, peer: &Peer) -> bool {
        let listed = |proxies: &Vec<Network>| proxies.iter().any(|n| n.contains(peer.address));
        self.ext_authz.as_ref().is_some_and(|proxies| ext_authz::is_call(head) && listed(proxies))
    }

    /// Answers a proxy that asks over gRPC.
    async fn check(&self, message: Body, peer: &Peer) -> Reply {
        let message = message.read(ext_authz::LIMIT, MESSAGE_TIME).await.map_err(Malformed::from);
        let described = message.and_then(|message| ext_authz::read(&message, peer.address));
        let (head, client) = match described {
            Ok(described) => described,
            Err(malformed) => {
                return ext_authz::answer(self.rendered(&malformed.into(), None, true, None));
            }
        };
        let mut exchange = self.begin(&head, &client);
        let decided = match self.read(head, Body::Empty, &client) {
            Ok(request) => self.decide_for_proxy(request, &mut exchange).await,
            Err(malformed) => Err(malformed.into()),
        };
        let mut reply = match decided {
            Ok((mut reply, removed)) => {
                reply.extensions_mut().insert(removed);
                reply
            }
            Err(rejection) => self.render(&rejection, &mut exchange),
        };
        self.finish(&mut reply, &mut exchange);
        ext_authz::answer(reply)
    }

    /// The routes of which no server can be reached now, and whether others have one.
    pub async fn without_server(&self) -> (Vec<Arc<str>>, bool) {
        let mut asked: Vec<(&Arc<Service>, Vec<Arc<str>>)> = Vec::new();
        for route in self.router.routes() {
            let Some(service) = route.target.service() else { continue };
            match asked.iter_mut().find(|(known, _)| Arc::ptr_eq(known, service)) {
                Some((_, names)) => names.push(Arc::clone(&route.name)),
                None => asked.push((service, vec![Arc::clone(&route.name)])),
            }
        }
        let found = asked.iter().map(|(service, _)| service.has_server());
        let found = futures_util::future::join_all(found).await;
        let lost = asked.into_iter().zip(&found).filter(|(_, found)| !**found);
        let names = lost.flat_map(|((_, names), _)| names).collect();
        (names, found.contains(&true))
    }

    /// Begins what its upstreams have to do beside requests.
    pub fn start(&self, control: &Handle) {
        self.router.routes().for_each(|route| route.target.start(control));
    }

    /// Judges a head.
    ///
    /// # Errors
    /// If it can be read in more than one way.
    pub fn read(&self, head: Parts, body: Body, peer: &Peer) -> Result<Box<Request>, Malformed> {
        Request::read(head, body, peer, &self.proxies, self.head_limits)
    }

    /// Whether the request of a tunnel would be let in again, as the same caller: what it was
    /// admitted by is still valid, and the rule still admits it. An outage ends nothing.
    pub async fn still_admits(&self, watched: &Watched) -> bool {
        let mut request = watched.head.head();
        let Ok(route) = self.route(&watched.head) else { return false };
        if !route.target.is_upstream() {
            return false;
        }
        let (now, client) = (self.clock.now(), request.client.address);
        let mut exchange = Exchange::unanswered(Purpose::Recheck, route, now, client);
        let admitted = match route.decide(&mut request, &mut exchange).finish().await {
            Ok(admitted) => admitted,
            Err(Rejection::Unavailable(_)) => return true,
            Err(_) => return false,
        };
        let id = |identity: &Identity| (identity.id.clone(), identity.username.clone());
        let now = admitted.caller().map(|caller| id(&caller.identity));
        now == watched.identity.as_deref().map(id)
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

/// The language of an answer that the client had a say in. What is no JSON has no sentences.
fn said_in(language: Option<&Language>, headers: &mut HeaderMap) {
    let json = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !json.is_some_and(|kind| kind.ends_with(b"json")) {
        return;
    }
    answer::vary(headers, "Accept-Language");
    let code = language.and_then(|language| HeaderValue::try_from(language.code()).ok());
    if let Some(code) = code {
        headers.insert(header::CONTENT_LANGUAGE, code);
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
        None => debug!(%id, path, status, reason = rejection.reason(), "refused"),
    }
}
