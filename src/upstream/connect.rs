//! A new connection to a server, ready for requests.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use futures_util::FutureExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{
    address::Address,
    pool::{FIRST_STREAMS, MOST_STREAMS, Sender, StreamPermits},
    tls::Tls,
};
use crate::rejection::Rejection;

/// How one server is connected to.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) timeout: Duration,
    pub(super) http2: bool,
    pub(super) tls: Option<Tls>,
}

/// An HTTP/2 connection that says nothing for so long is asked whether it is there.
const PING: Duration = Duration::from_secs(20);

/// So much of an answer is taken that its client does not take; and so much of all on a connection,
/// which all of them together do not use up.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MOST_STREAMS as u32;

impl Connector {
    pub(super) async fn connect(&self, address: &Address) -> Result<Sender, Rejection> {
        match tokio::time::timeout(self.timeout, self.open(address)).await {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(error)) => Err(Rejection::UpstreamUnreachable(format!("{address}: {error}"))),
            Err(_) => Err(Rejection::UpstreamSlow),
        }
    }

    async fn open(
        &self,
        address: &Address,
    ) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
        match address {
            Address::Unix(path) => Ok(self.speak(UnixStream::connect(path).await?).await?),
            Address::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let Some(tls) = &self.tls else { return Ok(self.speak(stream).await?) };
                let stream = tls.connector.connect(tls.name.clone(), stream).await?;
                if self.http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(io::Error::other("it does not speak HTTP/2").into());
                }
                Ok(self.speak(stream).await?)
            }
        }
    }

    async fn speak<S>(&self, stream: S) -> Result<Sender, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        // A connection ends with its senders; what went wrong on it, they tell.
        if self.http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING)
                .initial_max_send_streams(FIRST_STREAMS)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW);
            let (sender, mut connection) = builder.handshake(io).await?;
            let room = StreamPermits::new();
            let of_sender = Arc::clone(&room);
            tokio::spawn(poll_fn(move |context| {
                let polled = connection.poll_unpin(context);
                room.limit(connection.current_max_send_streams());
                polled.map(drop)
            }));
            return Ok(Sender::Http2(sender, of_sender));
        }
        let (sender, connection) = http1::Builder::new().handshake(io).await?;
        tokio::spawn(connection.with_upgrades().map(drop));
        Ok(Sender::Http1(sender))
    }
}
