//! Another protocol between client and upstream, once the upstream has said 101 to one that was
//! asked for: bytes go both ways unread.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{Response, body::Incoming, header, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Reply, ReplyBody, pool::Connection, remove_hop_by_hop, server::Busy};
use crate::{rejection::Rejection, request::Upgrade};

/// The two connections, when both have switched. It travels with the answer that says so.
#[derive(Clone)]
pub struct Tunnel {
    client: OnUpgrade,
    upstream: OnUpgrade,
    /// The server is at it as long as the tunnel lasts.
    _busy: Arc<Busy>,
}

/// Read at once, on either side.
const BUFFER: usize = 8 << 10;

/// The answer that switches protocols.
///
/// # Errors
/// If the upstream has switched to another one than was asked for.
pub(super) fn switch(
    mut response: Response<Incoming>,
    upgrade: Upgrade,
    connection: Connection,
) -> Result<Reply, Rejection> {
    let to = response.headers().get(header::UPGRADE).cloned();
    let asked = upgrade.protocol.as_bytes();
    let to = to.filter(|to| to.as_bytes().eq_ignore_ascii_case(asked)).ok_or_else(|| {
        Rejection::UpstreamBroken("it switched to a protocol that was not requested".into())
    })?;
    let upstream = hyper::upgrade::on(&mut response);
    remove_hop_by_hop(response.headers_mut(), |name| name == header::CONTENT_LENGTH);
    let mut reply = response.map(|_| ReplyBody::full(""));
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, to);
    reply.extensions_mut().insert(Tunnel {
        client: upgrade.client,
        upstream,
        _busy: Arc::new(connection.into_busy()),
    });
    Ok(reply)
}

impl Tunnel {
    /// Carries bytes both ways until both ends are done, one breaks off, or neither has sent
    /// anything for `idle`.
    pub async fn carry(self, idle: Duration) {
        let (Ok(client), Ok(upstream)) = (self.client.await, self.upstream.await) else { return };
        let (client_in, client_out) = tokio::io::split(TokioIo::new(client));
        let (upstream_in, upstream_out) = tokio::io::split(TokioIo::new(upstream));
        let moved = AtomicU64::new(0);
        let both = async {
            tokio::try_join!(
                pump(client_in, upstream_out, &moved),
                pump(upstream_in, client_out, &moved),
            )
        };
        let silence = async {
            loop {
                let before = moved.load(Ordering::Relaxed);
                tokio::time::sleep(idle).await;
                if moved.load(Ordering::Relaxed) == before {
                    return;
                }
            }
        };
        tokio::select! {
            // An end that breaks off has said all there is to say.
            _ = both => {}
            () = silence => {}
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        to.write_all(bytes).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}
