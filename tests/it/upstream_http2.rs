//! HTTP/2 to upstreams, as gRPC needs it: both ways at once, with the trailers that end an answer.

use std::{convert::Infallible, thread};

use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::{Bytes, Frame, Incoming},
    header::HeaderValue,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Gateway, Setup};

/// An upstream that speaks HTTP/2 only. It answers with what it was sent, one frame for one, and
/// with a trailer that says how the request looked.
fn mirror() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request)) });
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(AT_ONCE);
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    port
}

/// Requests that it takes on a connection.
const AT_ONCE: u32 = 3;

fn answer(request: Request<Incoming>) -> Response<BoxBody<Bytes, hyper::Error>> {
    if request.uri().path() == "/endless" {
        let frame = || Ok(Frame::data(Bytes::from_static(&[b'x'; 16 << 10])));
        let frames = futures_util::stream::repeat_with(frame);
        return Response::new(BoxBody::new(StreamBody::new(frames)));
    }
    let text = |name: &str| {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    let seen = format!(
        "{} te={} user={} host={}",
        request.uri(),
        text("te"),
        text("remote-user"),
        text("host")
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("seen", HeaderValue::try_from(seen).unwrap());
    let trailers = futures_util::stream::once(async { Ok(Frame::trailers(trailers)) });
    let body = futures_util::StreamExt::chain(
        http_body_util::BodyStream::new(request.into_body()),
        trailers,
    );
    Response::new(BoxBody::new(StreamBody::new(body)))
}

struct Answer {
    status: StatusCode,
    version: Version,
    body: Bytes,
    trailers: HeaderMap,
}

/// A request over HTTP/2 to the gateway.
fn ask(gateway: &Gateway, headers: &[(&str, &str)], body: &'static [u8]) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", gateway.setup.port)).await;
        let io = TokioIo::new(stream.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::post("http://api.example/pkg.Service/Call?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from_static(body))).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let whole = body.collect().await.unwrap();
        let trailers = whole.trailers().cloned().unwrap_or_default();
        Answer { status: head.status, version: head.version, body: whole.to_bytes(), trailers }
    })
}

fn before(port: u16, more: &str) -> Gateway {
    Setup::new().alice().start(&format!(
        "authentication: [token]\nroutes: [{{ path: /, upstream: {{ servers: \
         [\"http://127.0.0.1:{port}\"]{more} }} }}]\n"
    ))
}

/// The rule: a gRPC call passes with its trailers, as the caller who was proved.
#[test]
fn grpc_passes() {
    let gateway = before(mirror(), ", http2: true");
    let token = format!("Token {}", crate::support::gateway::ALICE_KEY);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("remote-user", "root"),
    ];
    for _ in 0..3 {
        let answer = ask(&gateway, &headers, b"\0\0\0\0\x02hi");
        assert_eq!((answer.status, answer.version), (StatusCode::OK, Version::HTTP_2));
        assert_eq!(&answer.body[..], b"\0\0\0\0\x02hi");
        assert_eq!(answer.trailers["grpc-status"], "0");
        assert_eq!(
            answer.trailers["seen"],
            "http://api.example/pkg.Service/Call?x=1 te=trailers user=alice host="
        );
    }
}

/// The rule: a call without a credential is 401, which gRPC reads as UNAUTHENTICATED.
#[test]
fn grpc_is_refused_by_status() {
    let gateway = before(mirror(), ", http2: true");
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    assert_eq!(ask(&gateway, &headers, b"").status, StatusCode::UNAUTHORIZED);
}

/// The rule: clients of HTTP/1.1 reach it too, and one that speaks only HTTP/1.1 is 502 then.
#[test]
fn versions_are_translated() {
    let token = format!("Token {}", crate::support::gateway::ALICE_KEY);
    let gateway = before(mirror(), ", http2: true");
    let answer = gateway.send("POST", "/a", &[("Authorization", &token)], b"body");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"body"[..]));
    let old = crate::support::Server::ok();
    let gateway = before(old.port, ", http2: true");
    assert_eq!(gateway.get("/", &[("Authorization", &token)]).status, 502);
}

/// Attack: clients ask for answers without end and take nothing of them, as many as the upstream
/// answers at a time, and more than a connection has room for. Others are served, and whole.
#[test]
fn who_takes_nothing_holds_up_nobody() {
    let gateway = before(mirror(), ", http2: true, response_timeout: 2s");
    let token = format!("Token {}", crate::support::gateway::ALICE_KEY);
    let attackers: Vec<_> = (0..4 * AT_ONCE)
        .map(|_| {
            let mut attacker = gateway.connect();
            let head =
                format!("GET /endless HTTP/1.1\r\nHost: h\r\nAuthorization: {token}\r\n\r\n");
            attacker.send(head.as_bytes());
            attacker
        })
        .collect();
    for _ in 0..20 {
        let answer = gateway.send("POST", "/a", &[("Authorization", &token)], &[b'y'; 50_000]);
        assert_eq!((answer.status, answer.body.len()), (200, 50_000));
    }
    drop(attackers);
}
