//! Health, readiness and metrics, on a listener of their own: no request on a public port ever
//! reaches them, and no header ever skips authentication for them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tracing::error;

use crate::{
    clock::Timestamp,
    listen::{self, Serving},
    observe::{log::AccessLog, metrics::Metrics, recent::Recent},
};

/// What the admin pages tell.
#[derive(Clone)]
pub struct Admin {
    /// Counters.
    pub metrics: Metrics,
    /// Knows how many of its lines were lost.
    pub access: AccessLog,
    /// What was decided of the last requests.
    pub recent: Recent,
    /// The configuration of now, whose store is asked for readiness.
    pub current: Arc<ArcSwap<Serving>>,
    /// False while the gateway drains.
    pub serving: Arc<AtomicBool>,
    /// When the store last answered readiness; zero if it never has.
    pub answered: Arc<AtomicU64>,
}

impl Admin {
    /// Serves until the runtime ends.
    pub async fn serve(self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return error!(%error, "the admin pages are lost"),
        };
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors: connections that end give some back.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let admin = admin.clone();
                    async move { Ok::<_, Infallible>(admin.answer(&request).await) }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match request.uri().path() {
            "/health/live" => text(StatusCode::OK, "alive\n"),
            "/health/ready" if !self.serving.load(Ordering::Relaxed) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/health/ready" => self.ready().await,
            "/metrics" => {
                self.metrics.lines_lost.set(self.access.lost());
                let mut reply = text(StatusCode::OK, &self.metrics.render());
                let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format));
                reply
            }
            path => match path.strip_prefix("/requests/") {
                Some(id) => self.explained(id),
                None => text(
                    StatusCode::NOT_FOUND,
                    "there are /health/live, /health/ready, /metrics and /requests/ID\n",
                ),
            },
        }
    }

    /// What was decided of a request, and why.
    fn explained(&self, id: &str) -> Response<Full<Bytes>> {
        let found = id.parse().ok().and_then(|id| self.recent.find(id));
        let Some(json) = found.and_then(|found| serde_json::to_string(&found).ok()) else {
            return text(StatusCode::NOT_FOUND, "there is no such request among the last\n");
        };
        let mut reply = text(StatusCode::OK, &json);
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply
    }

    /// Whether requests should come here. A gateway before several services is ready as long as one has a
    /// server, since another gateway would not have those that are lost either. While the store is down, who is known stays known for the
    /// cache's grace, at every gateway alike: if all of them said no, no request would be served.
    async fn ready(&self) -> Response<Full<Bytes>> {
        let gateway = &self.current.load_full().gateway;
        let now = gateway.clock.now();
        if gateway.db.ping().await.is_ok() {
            self.answered.store(now.0, Ordering::Relaxed);
            return match gateway.without_server().await {
                (lost, _) if lost.is_empty() => text(StatusCode::OK, "ready\n"),
                (lost, true) => {
                    let said = format!("ready; no server answers behind {}\n", lost.join(", "));
                    text(StatusCode::OK, &said)
                }
                (lost, false) => {
                    let said = format!("no server answers behind {}\n", lost.join(", "));
                    text(StatusCode::SERVICE_UNAVAILABLE, &said)
                }
            };
        }
        let answered = Timestamp(self.answered.load(Ordering::Relaxed));
        if now.since(answered) < gateway.invalidation.cache.grace() {
            return text(StatusCode::OK, "the store does not answer; who is known is served\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_owned())));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// Binds the admin listener; `shared`, if a gateway that this one comes after still has it.
///
/// # Errors
/// If the address cannot be had.
pub fn bind(address: SocketAddr, shared: bool) -> std::io::Result<std::net::TcpListener> {
    if !shared {
        listen::look_at(address)?;
    }
    listen::bind_tcp(address)
}
