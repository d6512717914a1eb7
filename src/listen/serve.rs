//! One connection: HTTP/1.1 or HTTP/2 by its first bytes, with limits on everything that a client
//! can make long.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{CONTENT_LENGTH, HeaderValue, STRICT_TRANSPORT_SECURITY},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Arrived, Config, Serving, Shared,
    acme::Answers,
    coalesce::{FlushCycle, WriteCoalescer},
    ending::Ending,
    framing::FramingGuard,
    proxy_protocol,
    socket::Stream,
    tls,
    unparsed::Left,
    write_timeout::WriteTimeout,
};
use crate::{
    request::{Certificate, Peer},
    target::Watched,
    upstream::{Reply, ReplyBody, Tunnel},
};

/// Of one HTTP/2 stream's answers that a slow reader leaves in memory.
const SEND_BUFFER: usize = 256 << 10;

/// A connection that has just come.
pub(super) async fn accepted(stream: Stream, arrived: Arrived, shared: Shared) {
    let time = arrived.limits.send_time.0;
    match stream {
        Stream::Tcp(stream) => {
            // Small answers must not wait for a full packet; a socket that is gone tells it when
            // read.
            let _ = stream.set_nodelay(true);
            handshake(WriteTimeout::new(stream, time), arrived, shared).await;
        }
        Stream::Unix(stream) => handshake(WriteTimeout::new(stream, time), arrived, shared).await,
    }
}

/// What comes before HTTP: whose connection it is, and TLS.
async fn handshake<S>(mut stream: S, mut arrived: Arrived, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let time = arrived.limits.head_time.0;
    let mut proxy_local = false;
    if arrived.options.proxy_protocol {
        if !shared.current.load().gateway.proxies.contains(arrived.peer.to_canonical()) {
            return;
        }
        match timeout(time, proxy_protocol::read(&mut stream)).await {
            Ok(Ok(Some(client))) => arrived.peer = client,
            Ok(Ok(None)) => proxy_local = true,
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let redirects = arrived.options.redirects;
    let peer = Peer { proxy_local, redirects, ..Peer::new(arrived.peer, false) };
    // Boxed: a task keeps the room of its largest part, and what greets is soon gone.
    match arrived.options.tls.clone() {
        None => Box::pin(connection(stream, peer, arrived, shared)).await,
        Some(tls) => Box::pin(secure(stream, tls, peer, arrived, shared)).await,
    }
}

async fn secure<S>(stream: S, tls: Arc<ServerConfig>, peer: Peer, arrived: Arrived, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let Ok(Ok(stream)) = timeout(arrived.limits.head_time.0, handshake).await else { return };
    let session = stream.get_ref().1;
    // The ACME validator needs only the handshake.
    if session.alpn_protocol() == Some(tls::ACME) {
        return;
    }
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let peer = Peer {
        secure: true,
        server_name: session.server_name().map(Into::into),
        certificate: shown.and_then(|shown| Certificate::read(shown)).map(Arc::new),
        ..peer
    };
    Box::pin(connection(stream, peer, arrived, shared)).await;
}

/// What the requests of a connection share.
struct Connection {
    peer: Peer,
    current: Arc<ArcSwap<Serving>>,
    hsts: Option<HeaderValue>,
    answers: Option<Answers>,
    /// How many requests there were.
    begun: AtomicU64,
    ending: Ending,
    /// Filled by the request that ends HTTP on this connection.
    switched: Mutex<Option<(Tunnel, Watched)>>,
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let is_head = request.method() == Method::HEAD;
        let mut reply = self.answer_whole(request).await;
        if is_head {
            without_body(&mut reply);
        }
        reply
    }

    async fn answer_whole(&self, request: Request<Incoming>) -> Reply {
        self.begun.fetch_add(1, Ordering::Relaxed);
        // An authority knows no host that is redirected, and no credential.
        if let Some(page) = self.answers.as_ref().and_then(|all| all.page(request.uri().path())) {
            return page;
        }
        // The configuration of this moment; a reload does not touch a request under way.
        let serving = self.current.load_full();
        let mut reply = match self.ending.is_distrusted() {
            false => serving.gateway.handle(request, &self.peer).await,
            true => {
                let peer = Peer { certificate: None, ..self.peer.clone() };
                Box::pin(serving.gateway.handle(request, &peer)).await
            }
        };
        self.mark(&mut reply);
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.peer.tunnel.store(true, Ordering::Relaxed);
            let extensions = reply.extensions_mut();
            let tunnel = extensions.remove::<Tunnel>().zip(extensions.remove::<Watched>());
            *self.switched.lock().unwrap_or_else(PoisonError::into_inner) = tunnel;
        }
        reply
    }

    /// What every answer of the listener has.
    fn mark(&self, reply: &mut Reply) {
        if let Some(hsts) = &self.hsts {
            reply.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}

/// The answer to a HEAD says how long the body would be. Over HTTP/1 the library leaves the body out,
/// over HTTP/2 it does not.
fn without_body(reply: &mut Reply) {
    let Some(length) = reply.body().whole().map(|body| body.len()) else { return };
    reply.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    *reply.body_mut() = ReplyBody::full(Vec::new());
}

async fn connection<S>(stream: S, peer: Peer, arrived: Arrived, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = arrived.limits;
    let (size, fields) = (limits.head.bytes(), limits.headers.get());
    let tunnel = Arc::clone(&peer.tunnel);
    let guard = FramingGuard::new(stream, size, fields, limits.head_time.0, tunnel);
    let cycle = Arc::new(FlushCycle::default());
    let left = Left::default();
    let stream = TokioIo::new(WriteCoalescer::new(guard, &cycle, &left));
    let ending = Ending {
        listening: arrived.listening,
        stop: shared.stop.clone(),
        certified: peer.certificate.is_some(),
        idle: limits.head_time.0,
    };
    let requests = Arc::new(Connection {
        peer,
        current: Arc::clone(&shared.current),
        hsts: arrived.options.hsts.clone(),
        answers: arrived.options.answers.clone(),
        begun: AtomicU64::new(0),
        ending,
        switched: Mutex::default(),
    });
    let service = service_fn(|request| {
        let requests = Arc::clone(&requests);
        async move { Ok::<_, Infallible>(requests.answer(request).await) }
    });
    let builder = builder(&limits);
    let is_unparsed = {
        let connection = builder.serve_connection_with_upgrades(stream, service);
        let connection = std::pin::pin!(connection);
        requests.ending.until_over(connection, &cycle, &requests.begun).await
    };
    let ended = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(held) = ended {
        if !is_unparsed {
            return held.write().await;
        }
        let gateway = &requests.current.load_full().gateway;
        let mut reply = gateway.refuse_unparsed(held.status, &requests.peer);
        requests.mark(&mut reply);
        return held.answer(&reply).await;
    }
    let switched = requests.switched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((tunnel, watched)) = switched {
        run_tunnel(tunnel, &watched, &shared, limits.tunnel_idle.0, &requests.ending).await;
    }
}

/// The request that opened a tunnel is judged again at least this often, and after each revocation.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A tunnel lasts as long as its request would be let in, and no longer than the gateway.
async fn run_tunnel(
    tunnel: Tunnel,
    watched: &Watched,
    shared: &Shared,
    idle: Duration,
    ending: &Ending,
) {
    let no_longer = async {
        loop {
            // Asked at once too: something may have been revoked before the upstream had answered.
            let gateway = &shared.current.load_full().gateway;
            let changed = gateway.invalidation.cache.changed.notified();
            if !gateway.still_admits(watched).await {
                return;
            }
            let _ = timeout(ASK_AGAIN, changed).await;
        }
    };
    let mut stop = shared.stop.clone();
    tokio::select! {
        () = tunnel.carry(idle) => {}
        () = no_longer => {}
        () = ending.distrusted() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

fn builder(limits: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time.0)
        .max_headers(limits.headers.get());
    let streams = u32::try_from(limits.streams.0).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(limits.head.0).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.head_time.0)
        .keep_alive_timeout(limits.head_time.0);
    builder
}
