//! A service on one or more servers: a request goes to one of them, and to another only where
//! that is safe.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use hyper::{Method, Request, StatusCode, header::HeaderValue};
use tokio::runtime::Handle;
use tracing::warn;

use super::{
    Reply, answer,
    balance::Balancer,
    health::Checks,
    http2,
    pool::{Connection, SendFailure},
    resolve,
    rewrite::Rewrite,
    server::{Entry, Server},
    tunnel,
};
use crate::{
    forward::Outgoing,
    observe::{causes, metrics::Metrics},
    rejection::Rejection,
    request::{Body, Upgrade},
};

/// One service, on one or more servers.
pub struct Service {
    pub(super) entries: Vec<Entry>,
    /// The servers of now.
    pub(super) servers: ArcSwap<Vec<Arc<Server>>>,
    pub(super) balancer: Balancer,
    pub(super) rewrite: Rewrite,
    /// The host that checks of its health ask for.
    pub(super) host: Option<HeaderValue>,
    pub(super) checks: Option<Checks>,
    pub(super) resolve: Duration,
    pub(super) response_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) metrics: Metrics,
    pub(super) started: AtomicBool,
    /// Requests that are being tried again now.
    pub(super) repeated: AtomicUsize,
}

/// So many requests may be tried again at a time, or a fifth of all: a service that is down must
/// not get twice the load.
const REPEATED: usize = 3;

/// How long a server may take to be connected to, where readiness asks.
const READINESS: Duration = Duration::from_secs(1);

impl Service {
    pub(super) fn start(self: &Arc<Self>, control: &Handle) {
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.entries.iter().any(|entry| entry.address.named_host().is_some()) {
            control.spawn(resolve::run(Arc::downgrade(self), self.resolve));
        }
        if let Some(checks) = self.checks.clone() {
            control.spawn(checks.run(Arc::downgrade(self)));
        }
    }

    /// Whether a server can be reached now: one that the checks of its health find well, or, without such
    /// checks, one that can be connected to.
    pub async fn has_server(&self) -> bool {
        let servers = self.servers.load_full();
        if self.checks.is_some() {
            return servers.iter().any(|server| server.is_up());
        }
        let connecting = servers.iter().map(|server| {
            Box::pin(async move { server.connector.connect(&server.address).await.map(|_| ()) })
        });
        if servers.is_empty() {
            return false;
        }
        let first = futures_util::future::select_ok(connecting);
        tokio::time::timeout(READINESS, first).await.is_ok_and(|found| found.is_ok())
    }

    pub(super) fn rewrite(&self, outgoing: &mut Outgoing<'_>) -> Result<(), Rejection> {
        self.rewrite.apply(outgoing)
    }

    pub(super) async fn send(&self, mut outgoing: Outgoing<'_>) -> Result<Reply, Rejection> {
        self.rewrite.apply(&mut outgoing)?;
        let user = self.balancer.user(&outgoing);
        let mut request = outgoing.into_request();
        let mut upgrade = request.extensions_mut().remove::<Upgrade>();
        let mut tried: Vec<Arc<Server>> = Vec::new();
        let (mut refused, mut again) = (None, None);
        loop {
            let server = match self.balancer.choose(&self.servers.load(), user, &tried) {
                Ok(server) => server,
                // What became of the last is more to the point than that there is no other.
                Err(none) => return Err(refused.unwrap_or(none)),
            };
            match self.exchange(&server, request, &mut upgrade).await {
                Ok(reply) => {
                    self.judge(&server, reply.status());
                    return Ok(reply);
                }
                // A server that cannot be connected to has seen nothing: the next one may.
                Err(Exchange::Unreachable(unsent, rejection)) => {
                    self.failed(&server);
                    again = again.or_else(|| self.repeat());
                    if again.is_none() {
                        return Err(rejection);
                    }
                    request = unsent;
                    refused = Some(rejection);
                    tried.push(server);
                }
                Err(Exchange::Failed(rejection)) => {
                    if is_its_fault(&rejection) {
                        self.failed(&server);
                    }
                    return Err(rejection);
                }
            }
        }
    }
}

/// Why an exchange has no answer.
enum Exchange {
    /// The request is still whole.
    Unreachable(Box<Request<Body>>, Rejection),
    Failed(Rejection),
}

impl Service {
    async fn exchange(
        &self,
        server: &Arc<Server>,
        mut request: Box<Request<Body>>,
        upgrade: &mut Option<Upgrade>,
    ) -> Result<Reply, Exchange> {
        // An upstream may close a kept connection at the very moment it is used again. What was
        // not sent is sent again on another; what was sent, once, if it is safe and has no body.
        let mut repeated = None;
        loop {
            let kept = Connection::kept(server);
            let reused = kept.is_some();
            let unused = kept.as_ref().and_then(Connection::unused);
            let mut connection = match kept {
                Some(connection) => connection,
                // Boxed: what connecting needs, TLS above all, must not be room of every request.
                None => match Box::pin(Connection::new(server)).await {
                    Ok(connection) => connection,
                    Err(rejection) => return Err(Exchange::Unreachable(request, rejection)),
                },
            };
            let spare = reused && repeated.is_none() && upgrade.is_none();
            let spare = (spare && is_repeatable(&request)).then(|| copy(&request));
            let progress = request.body().progress();
            if server.connector.http2 {
                http2::translate(&mut request, &server.connector);
            }
            let mut sent = std::pin::pin!(connection.send(request));
            let (response, idle) = (self.response_timeout, self.idle_timeout);
            match within(response, idle, progress.as_deref(), sent.as_mut()).await {
                Err(silent) => return Err(Exchange::Failed(silent)),
                Ok(Ok(response)) => {
                    let reply = match upgrade.take() {
                        Some(upgrade) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                            tunnel::switch(response, upgrade, connection)
                        }
                        _ => answer::reply(response, connection, self.idle_timeout),
                    };
                    return reply.map_err(Exchange::Failed);
                }
                Ok(Err(SendFailure::Unsent(unsent))) if reused => request = unsent,
                Ok(Err(SendFailure::Unsent(_))) => {
                    let cause = "it closed a new connection".to_owned();
                    return Err(Exchange::Failed(Rejection::UpstreamBroken(cause)));
                }
                Ok(Err(SendFailure::Lost(error))) => {
                    let gone = is_gone(&error);
                    if let (true, Some(unused)) = (gone, unused) {
                        server.shelves.ended(unused);
                    }
                    let gone = gone && spare.is_some();
                    let permit = if gone { self.repeat() } else { None };
                    match (spare, permit) {
                        (Some(spare), Some(permit)) => {
                            repeated = Some(permit);
                            request = spare;
                        }
                        _ => return Err(Exchange::Failed(blame(&error, progress.as_deref()))),
                    }
                }
            }
        }
    }

    /// Whether one request more may be tried again; it counts as long as it is held.
    fn repeat(&self) -> Option<Repeat<'_>> {
        let busy: usize = self.servers.load().iter().map(|server| server.busy()).sum();
        let before = self.repeated.fetch_add(1, Ordering::Relaxed);
        let repeat = Repeat(&self.repeated);
        if before >= REPEATED.max(busy / 5) {
            return None;
        }
        self.metrics.retries.inc();
        Some(repeat)
    }

    fn judge(&self, server: &Server, status: StatusCode) {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => self.failed(server),
            _ => server.answered(&self.balancer.clock),
        }
    }

    fn failed(&self, server: &Server) {
        let out = server.failed(&self.balancer.detection, &self.balancer.clock);
        // The only server gets its requests all the same.
        if out && self.servers.load().len() > 1 {
            warn!(server = %server.address, "ejected: it fails, and gets no requests for a while");
        }
    }
}

/// A request that is being tried again.
struct Repeat<'a>(&'a AtomicUsize);

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_its_fault(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::UpstreamBroken(_) | Rejection::UpstreamSlow)
}

/// Waits for the upstream, but not longer than `response` after all of the request went on. Before that
/// the body may not stop for longer than `idle`, because the client sends nothing or the upstream takes
/// nothing.
async fn within<T>(
    response: Duration,
    idle: Duration,
    progress: Option<&AtomicU64>,
    mut answer: impl Future<Output = T> + Unpin,
) -> Result<T, Rejection> {
    let Some(progress) = progress else {
        let answer = tokio::time::timeout(response, answer).await;
        return answer.map_err(|_| Rejection::UpstreamSlow);
    };
    // It is looked at so often, since a timer for each frame would cost more than the frame.
    let step = (response.min(idle) / 8).max(Duration::from_millis(1));
    let (mut seen, mut silent) = (progress.load(Ordering::Relaxed), Duration::ZERO);
    loop {
        if let Ok(answer) = tokio::time::timeout(step, &mut answer).await {
            return Ok(answer);
        }
        let now = progress.load(Ordering::Relaxed);
        silent = if now == seen { silent + step } else { Duration::ZERO };
        seen = now;
        let most = if seen == Body::ALL_SENT { response } else { idle };
        if silent >= most {
            return Err(match Body::is_client_s_turn(seen) {
                true => Rejection::BodyTooSlow,
                false => Rejection::UpstreamSlow,
            });
        }
    }
}

/// Whether the upstream has ended the connection, with FIN or with RST: before it answered, or while
/// the request was written.
fn is_gone(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::NotConnected
                    | ErrorKind::UnexpectedEof
            );
        }
        source = cause.source();
    }
    error.is_incomplete_message() || error.is_closed()
}

/// A body that the client has broken off is the client's fault, not the upstream's.
fn blame(error: &hyper::Error, progress: Option<&AtomicU64>) -> Rejection {
    let frames = progress.map(|frames| frames.load(Ordering::Relaxed));
    if error.is_user() || frames == Some(Body::BROKEN_OFF) {
        return Rejection::BodyBroken;
    }
    Rejection::UpstreamBroken(causes(error))
}

/// Safe methods (RFC 9110 section 9.2.1) without a body.
fn is_repeatable(request: &Request<Body>) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    safe && request.body().is_empty()
}

fn copy(request: &Request<Body>) -> Box<Request<Body>> {
    let mut copy = Box::new(Request::new(Body::Empty));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
