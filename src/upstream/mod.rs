//! Where admitted requests go: a service behind, or the built-in echo.

mod body;
mod echo;
mod pool;
mod tunnel;

pub use pool::set_worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hyper::{Method, StatusCode, header, http::uri::PathAndQuery};
use schemars::JsonSchema;
use serde::Deserialize;

use self::pool::{Address, Connection, Pool, SendFailure};
pub use self::{
    body::{Reply, ReplyBody},
    echo::Echo,
    tunnel::Tunnel,
};
use crate::{
    forward::{Outgoing, remove_hop_by_hop},
    rejection::Rejection,
    request::{Body, Upgrade, folds_to_framing},
    value::{FromWord, Path, Period, Problem, Problems},
};

/// What answers admitted requests.
#[async_trait]
pub trait Target: Send + Sync {
    /// Sends a request and gives the head of the answer; its body streams.
    async fn send(&self, outgoing: Outgoing) -> Result<Reply, Rejection>;
}

/// The `upstream` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Upstream")]
pub struct Config {
    /// `http://host:port`, `unix:/path/to/socket`, or `echo`. Several take turns.
    servers: Vec<String>,
    /// How long connecting may take.
    connect_timeout: Period,
    /// How long the upstream may take to begin its answer.
    response_timeout: Period,
    /// How long either side may be silent in the middle of a body.
    idle_timeout: Period,
    /// How long an unused connection is kept. Below the upstream's own keep-alive time.
    keep_alive: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            connect_timeout: Period::seconds(5),
            response_timeout: Period::seconds(60),
            idle_timeout: Period::seconds(60),
            keep_alive: Period::seconds(30),
        }
    }
}

impl FromWord for Config {
    const EXPECTING: &'static str = "a URL, `echo`, or a map with `servers`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { servers: vec![word.to_owned()], ..Self::default() })
    }
}

impl Config {
    /// Where the service runs.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Builds the target; `workers` is the number of threads that send.
    ///
    /// # Errors
    /// Servers that are none.
    pub fn build(&self, path: &Path, workers: usize) -> Result<Box<dyn Target>, Problems> {
        if self.servers == ["echo"] {
            return Ok(Box::new(Echo));
        }
        let mut problems = Problems::default();
        if self.servers.is_empty() {
            problems.push(Problem::new(path, "this upstream has no server"));
        }
        let mut pools = Vec::new();
        for server in &self.servers {
            match Address::parse(server) {
                Some(address) => pools.push(Pool::new(address, workers, self.keep_alive.0)),
                None => {
                    let problem = Problem::new(path, format!("`{server}` is not an upstream"));
                    let help = "use http://host:port, unix:/path/to/socket, or echo";
                    problems.push(problem.help(help));
                }
            }
        }
        problems.finish(Box::new(Upstream {
            pools,
            turn: AtomicUsize::new(0),
            connect_timeout: self.connect_timeout.0,
            response_timeout: self.response_timeout.0,
            idle_timeout: self.idle_timeout.0,
        }))
    }
}

/// One service, on one or more servers.
struct Upstream {
    pools: Vec<Pool>,
    turn: AtomicUsize,
    connect_timeout: Duration,
    response_timeout: Duration,
    idle_timeout: Duration,
}

#[async_trait]
impl Target for Upstream {
    async fn send(&self, outgoing: Outgoing) -> Result<Reply, Rejection> {
        let mut request = outgoing.into_request();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut refused = None;
        // A server that cannot be connected to has seen nothing of the request: the next may.
        for turn in 0..self.pools.len() {
            let Some(pool) = self.pools.get((start + turn) % self.pools.len()) else { break };
            match self.exchange(pool, request).await {
                Ok(reply) => return Ok(reply),
                Err(Exchange::Unreachable(unsent, rejection)) => {
                    request = unsent;
                    refused = Some(rejection);
                }
                Err(Exchange::Failed(rejection)) => return Err(rejection),
            }
        }
        Err(refused.unwrap_or(Rejection::UpstreamUnreachable("no server".into())))
    }
}

enum Exchange {
    Unreachable(Box<hyper::Request<Body>>, Rejection),
    Failed(Rejection),
}

impl Upstream {
    async fn exchange(
        &self,
        pool: &Pool,
        mut request: Box<hyper::Request<Body>>,
    ) -> Result<Reply, Exchange> {
        // An upstream may close a kept connection at the very moment it is used again. What was
        // not sent is sent again on another; what was sent, once, if it is safe and has no body.
        let mut retried = false;
        loop {
            let kept = pool.take();
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => match self.connect(pool).await {
                    Ok(connection) => connection,
                    Err(rejection) => {
                        return Err(Exchange::Unreachable(request, rejection));
                    }
                },
            };
            let again = (reused && !retried && is_repeatable(&request)).then(|| copy(&request));
            let progress = request.body().progress();
            let upgrade = request.extensions_mut().remove::<Upgrade>();
            let mut sent = std::pin::pin!(connection.send(request));
            match within(self.response_timeout, progress, sent.as_mut()).await {
                Err(silent) => return Err(Exchange::Failed(silent)),
                Ok(Ok(response)) => {
                    let reply = match upgrade {
                        Some(upgrade) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                            tunnel::switch(response, upgrade)
                        }
                        _ => self.reply(response, connection),
                    };
                    return reply.map_err(Exchange::Failed);
                }
                Ok(Err(SendFailure::Unsent(unsent))) if reused => request = unsent,
                Ok(Err(SendFailure::Unsent(_))) => {
                    let cause = "it closed a new connection".to_owned();
                    return Err(Exchange::Failed(Rejection::UpstreamBroken(cause)));
                }
                Ok(Err(SendFailure::Lost(error))) => match again {
                    Some(copy) if error.is_incomplete_message() || error.is_closed() => {
                        retried = true;
                        request = copy;
                    }
                    _ => return Err(Exchange::Failed(blame(&error))),
                },
            }
        }
    }

    async fn connect(&self, pool: &Pool) -> Result<Connection, Rejection> {
        match tokio::time::timeout(self.connect_timeout, pool.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Rejection::UpstreamUnreachable(error.to_string())),
            Err(_) => Err(Rejection::UpstreamSlow),
        }
    }

    fn reply(
        &self,
        mut response: hyper::Response<hyper::body::Incoming>,
        connection: Connection,
    ) -> Result<Reply, Rejection> {
        // Nobody has asked for an upgrade: what follows a 101 would be nobody's.
        if response.status().is_informational() {
            let cause = format!("an unasked {}", response.status());
            return Err(Rejection::UpstreamBroken(cause));
        }
        check_framing(response.headers())?;
        // Of those that end here one is asked of the client by the upstream's own protection.
        remove_hop_by_hop(response.headers_mut(), |name| name == header::PROXY_AUTHENTICATE);
        Ok(response.map(|body| ReplyBody::stream(body, connection, self.idle_timeout)))
    }
}

/// Waits for the upstream, but not longer than `time` after the last of the request went on; if
/// more of it was to come, it is the client who is silent.
async fn within<T>(
    time: Duration,
    progress: Option<Arc<AtomicU64>>,
    mut answer: impl Future<Output = T> + Unpin,
) -> Result<T, Rejection> {
    let frames = || progress.as_ref().map_or(0, |frames| frames.load(Ordering::Relaxed));
    loop {
        let before = frames();
        match tokio::time::timeout(time, &mut answer).await {
            Ok(answer) => return Ok(answer),
            Err(_) if frames() != before => {}
            Err(_) if progress.is_none() || before == Body::ALL_SENT => {
                return Err(Rejection::UpstreamSlow);
            }
            Err(_) => return Err(Rejection::BodyTooSlow),
        }
    }
}

/// A body that the client has broken off is the client's fault, not the upstream's.
fn blame(error: &hyper::Error) -> Rejection {
    if error.is_user() {
        Rejection::BodyBroken
    } else {
        Rejection::UpstreamBroken(error.to_string())
    }
}

/// An answer whose end can be read in two ways is no answer: what the client reads as its end may
/// be the middle of the next one's.
fn check_framing(headers: &hyper::HeaderMap) -> Result<(), Rejection> {
    let (mut told, mut good) = (0, true);
    for (name, value) in headers {
        if name == header::TRANSFER_ENCODING {
            told += 1;
            good &= value.as_bytes().eq_ignore_ascii_case(b"chunked");
        } else if name == header::CONTENT_LENGTH {
            told += 1;
            good &= !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
        } else {
            good &= !folds_to_framing(name.as_str());
        }
    }
    if good && told <= 1 {
        return Ok(());
    }
    Err(Rejection::UpstreamBroken("an answer whose length is told in more than one way".into()))
}

/// Safe methods (RFC 9110 section 9.2.1) without a body.
fn is_repeatable(request: &hyper::Request<Body>) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    safe && request.extensions().get::<Upgrade>().is_none() && request.body().is_empty()
}

fn copy(request: &hyper::Request<Body>) -> Box<hyper::Request<Body>> {
    let mut copy = Box::new(hyper::Request::new(Body::Empty));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// A redirect of the gateway's own.
pub struct Redirect {
    status: hyper::StatusCode,
    to: hyper::header::HeaderValue,
}

impl Redirect {
    /// To a URL, with 308: the method stays.
    ///
    /// # Errors
    /// If it is no URL.
    pub fn new(to: &str, path: &Path) -> Result<Self, Problems> {
        let absolute = to.parse::<hyper::Uri>().is_ok_and(|uri| uri.scheme().is_some());
        let origin =
            to.starts_with('/') && !to.starts_with("//") && to.parse::<PathAndQuery>().is_ok();
        match hyper::header::HeaderValue::try_from(to) {
            Ok(to) if absolute || origin => {
                Ok(Self { status: hyper::StatusCode::PERMANENT_REDIRECT, to })
            }
            _ => {
                let problem = Problem::new(path, format!("`{to}` is not where one can go"));
                Err(problem.help("write https://host/path, or a path").into())
            }
        }
    }
}

#[async_trait]
impl Target for Redirect {
    async fn send(&self, _: Outgoing) -> Result<Reply, Rejection> {
        let mut reply = Reply::new(ReplyBody::full(""));
        *reply.status_mut() = self.status;
        reply.headers_mut().insert(header::LOCATION, self.to.clone());
        Ok(reply)
    }
}
