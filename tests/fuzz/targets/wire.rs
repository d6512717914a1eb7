//! From the client's connection to the upstream's: each request that is let through is one request
//! there, with the method, target and body that were judged, and nothing in it that the upstream
//! would take for the gateway's word.
//!
//! Input: a byte that says how the client's bytes come, then these.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis::{
    forward::Forward,
    request::{Body, HeadLimits, Peer, Request, TrustedProxies},
};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Input,
    framing::serve,
    reference::{Message, requests},
    shown,
    strip::{admitted, forward, is_owned},
};

thread_local! {
    static FORWARD: Forward = forward(&json!({})).expect("the defaults are good");
}

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let pieces = usize::from(input.byte()).max(1);
    let bytes = input.0;
    let (expected, _) = requests(bytes);
    let number = RefCell::new(0);
    serve(bytes, pieces, async |request| {
        let number = number.replace_with(|number| *number + 1);
        let sent = pass_on(request).await;
        let Some((sent, is_answered)) = sent else { return };
        let (mut whole, end) = requests(&sent);
        let what = || format!("{} for request {number} of {}", shown(&sent), shown(bytes));
        // Refused in its middle, or broken off: then it must not end as if it were whole.
        if whole.is_empty() && !is_answered {
            return;
        }
        let expected = expected.get(number).unwrap_or_else(|| panic!("not whole: {}", what()));
        assert_eq!((whole.len(), end), (1, sent.len()), "not one request: {}", what());
        check(&whole.remove(0), expected);
    });
}

/// The bytes that the upstream gets for a request that is let through, and whether it answers.
async fn pass_on(request: hyper::Request<Incoming>) -> Option<(Vec<u8>, bool)> {
    let (head, incoming) = request.into_parts();
    let body = Body::new(incoming, &head);
    let peer = Peer::new([192, 0, 2, 1].into(), false);
    let limits = HeadLimits { bytes: 32 << 10, fields: 100 };
    let request = Request::read(head, body, &peer, &TrustedProxies::default(), limits).ok()?;
    let admitted = admitted(&request, None);
    let outgoing = FORWARD.with(|forward| forward.apply(&admitted, request)).ok()?;

    // As `upstream` sends it.
    let upstream = Upstream::default();
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(upstream.clone())).await.expect("there is nothing to fail");
    let exchange = async {
        let answer = sender.send_request(*outgoing.into_request()).await;
        drop(sender);
        answer.is_ok()
    };
    let (is_answered, _) = futures_util::future::join(exchange, connection).await;
    Some((upstream.0.take().written, is_answered))
}

/// The absolute form says what the origin form says, with the host before it (RFC 9112 section 3.2.2).
fn origin_form(target: &[u8]) -> Vec<u8> {
    let Some(place) = target.windows(3).position(|three| three == b"://") else {
        return target.to_vec();
    };
    if target[..place].contains(&b'/') {
        return target.to_vec();
    }
    let rest = &target[place + 3..];
    let path = rest.iter().position(|byte| b"/?".contains(byte)).map_or(&b""[..], |at| &rest[at..]);
    let slash = if path.starts_with(b"/") { &b""[..] } else { b"/" };
    [slash, path].concat()
}

fn check(sent: &Message, expected: &Message) {
    assert_eq!(shown(&sent.method), shown(&expected.method));
    assert_eq!(shown(&sent.target), shown(&origin_form(&expected.target)));
    assert_eq!(shown(&sent.body), shown(&expected.body));
    let host = expected.values("host");
    assert_eq!((sent.values("host"), host.len()), (host.clone(), 1));
    let host = String::from_utf8_lossy(host[0]);
    let forwarded = format!("for=192.0.2.1;host=\"{host}\";proto=http");
    for (name, value) in &sent.fields {
        let own = match name.as_slice() {
            b"forwarded" => &forwarded,
            b"x-forwarded-for" => "192.0.2.1",
            b"x-forwarded-host" => &host,
            b"x-forwarded-proto" => "http",
            name => {
                let name = String::from_utf8_lossy(name);
                assert!(!is_owned(&name, ""), "{name} is the client's");
                continue;
            }
        };
        assert_eq!(shown(value), shown(own.as_bytes()));
        assert_eq!(sent.values(&String::from_utf8_lossy(name)).len(), 1);
    }
}

/// A server that answers as soon as it has a whole request.
#[derive(Clone, Default)]
struct Upstream(Rc<RefCell<Conversation>>);

#[derive(Default)]
struct Conversation {
    written: Vec<u8>,
    answered: bool,
    ended: bool,
    waiting: Option<Waker>,
}

impl Conversation {
    fn wake(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl AsyncRead for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut here = self.0.borrow_mut();
        if !here.answered && !requests(&here.written).0.is_empty() {
            here.answered = true;
            buffer.put_slice(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        } else if !here.answered && !here.ended {
            here.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut here = self.0.borrow_mut();
        here.written.extend_from_slice(bytes);
        here.wake();
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut here = self.0.borrow_mut();
        here.ended = true;
        here.wake();
        Poll::Ready(Ok(()))
    }
}
