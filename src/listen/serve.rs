//! One connection: HTTP/1.1 or HTTP/2 by its first bytes, with limits on everything that a client
//! can make long.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use hyper::{Request, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{Place, Shared, framing::Framed};
use crate::{gateway::Watched, request::Peer, upstream::Tunnel};

/// Of one HTTP/2 stream's answers that a slow reader leaves in memory.
const SEND_BUFFER: usize = 256 << 10;

/// A connection that has just come.
pub(super) async fn accepted(stream: TcpStream, address: SocketAddr, place: Place, shared: Shared) {
    // Small answers must not wait for a full packet; a socket that is gone tells it when read.
    let _ = stream.set_nodelay(true);
    if !place.secure {
        return connection(stream, Peer::new(address.ip(), false), shared).await;
    }
    // The certificates of this moment. A file that has none for this address any more does not make
    // plain HTTP of it.
    let tls = shared.gateway.load().tls.get(&place.address).cloned();
    let Some(tls) = tls else { return };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    if let Ok(Ok(stream)) = tokio::time::timeout(shared.limits.head_time.0, handshake).await {
        let name = stream.get_ref().1.server_name().map(Into::into);
        let peer = Peer { server_name: name, ..Peer::new(address.ip(), true) };
        connection(stream, peer, shared).await;
    }
}

async fn connection<S>(stream: S, peer: Peer, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = Arc::new(peer);
    let gateway = Arc::clone(&shared.gateway);
    let tunnel = Arc::clone(&peer.tunnel);
    // Filled by the request that ends HTTP on this connection.
    let switched = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&switched);
    let service = service_fn(move |request: Request<Incoming>| {
        let (peer, gateway, slot) = (Arc::clone(&peer), Arc::clone(&gateway), Arc::clone(&slot));
        async move {
            // The configuration of this moment; a reload does not touch a request under way.
            let gateway = gateway.load_full();
            let mut reply = gateway.handle(request, &peer).await;
            if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
                peer.tunnel.store(true, Ordering::Relaxed);
                let extensions = reply.extensions_mut();
                let tunnel = extensions.remove::<Tunnel>().zip(extensions.remove::<Watched>());
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = tunnel;
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let builder = builder(&shared);
    let limits = &shared.limits;
    let (size, fields) = (limits.head.bytes(), limits.headers.get());
    let framed = Framed::new(stream, size, fields, limits.head_time.0, tunnel);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(framed), service);
    let mut connection = std::pin::pin!(connection);
    let mut stop = shared.stop.clone();
    let ended = tokio::select! {
        // What went wrong on a connection is the client's affair; what a request met is logged.
        _ = connection.as_mut() => true,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    let switched = switched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((tunnel, watched)) = switched {
        carry(tunnel, &watched, &shared).await;
    }
}

/// Whoever made a tunnel is asked for again at least this often, and when anything is revoked.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A tunnel lasts as long as its request would be let in, and no longer than the gateway.
async fn carry(tunnel: Tunnel, watched: &Watched, shared: &Shared) {
    let no_longer = async {
        loop {
            // Asked at once too: something may have been revoked before the upstream had answered.
            let gateway = shared.gateway.load_full();
            let changed = gateway.memory.facts.changed.notified();
            if !gateway.still_admits(watched).await {
                return;
            }
            let _ = tokio::time::timeout(ASK_AGAIN, changed).await;
        }
    };
    let mut stop = shared.stop.clone();
    tokio::select! {
        () = tunnel.carry(shared.limits.tunnel_idle.0) => {}
        () = no_longer => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

fn builder(shared: &Shared) -> Builder<TokioExecutor> {
    let limits = &shared.limits;
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
