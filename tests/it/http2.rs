//! The same promises over HTTP/2 (with prior knowledge, as behind another proxy): what is refused
//! in HTTP/1.1 is refused here, and one stream's refusal does not end the others.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Browser, Gateway, PASSWORD, gateway::ALICE_KEY};

const ROUTES: &str = "routes:\n  - { path: /, upstream: echo }\n  - { path: /public/, permission: anyone, upstream: echo }\n";

type Client = SendRequest<Empty<Bytes>>;

fn with_client<F: Future<Output = ()>>(test: impl FnOnce(Client) -> F) {
    with_client_of(&Gateway::start(ROUTES), test);
}

fn with_client_of<F: Future<Output = ()>>(gateway: &Gateway, test: impl FnOnce(Client) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = ("127.0.0.1", gateway.setup.port);
        let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        test(client).await;
    });
}

async fn send(client: &mut Client, uri: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    send_as(client, "GET", uri, headers).await
}

async fn send_as(
    client: &mut Client,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The rule: a token is a token, and a forged name is nobody's, on every stream.
#[test]
fn identity_is_the_gateway_s_word() {
    with_client(async |mut client: Client| {
        let token = format!("Token {ALICE_KEY}");
        for _ in 0..3 {
            let (status, _) = send(&mut client, "http://h/", &[]).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            let headers =
                [("authorization", &*token), ("remote-user", "root"), ("remote_user", "root")];
            let (status, body) = send(&mut client, "http://h/x", &headers).await;
            let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (status, &seen["headers"]["remote-user"]),
                (StatusCode::OK, &"alice".into())
            );
            assert!(!body.contains("root"), "{body}");
            let (status, body) =
                send(&mut client, "http://h/public/", &[("Remote.User", "root")]).await;
            assert!(status == StatusCode::OK && !body.contains("root"), "{body}");
        }
    });
}

/// Attack: what HTTP/1.1 refuses is tried in the other protocol, which carries path and host apart.
#[test]
fn ambiguous_requests_are_refused() {
    with_client(async |mut client: Client| {
        for uri in
            ["http://h/a/../b", "http://h/a%2fb", "http://h//a", "http://h/a;b", "http://h/%61"]
        {
            assert_eq!(send(&mut client, uri, &[]).await.0, StatusCode::BAD_REQUEST, "{uri}");
        }
        for headers in [
            [("host", "other"), ("x-a", "b")],
            [("content_length", "5"), ("x-a", "b")],
            [("authorization", "Token a"), ("authorization", "Token b")],
        ] {
            let (status, _) = send(&mut client, "http://h/", &headers).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{headers:?}");
        }
        assert_eq!(send(&mut client, "http://h/public/", &[]).await.0, StatusCode::OK);
    });
}

/// Attack: thousands of small fields, which HTTP/2 packs into a few bytes each.
#[test]
fn fields_are_counted() {
    with_client(async |mut client: Client| {
        let names: Vec<String> = (0..150).map(|number| format!("x-{number}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
        let (status, _) = send(&mut client, "http://h/public/", &headers).await;
        assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    });
}

/// The rule (RFC 9113 section 8.2.3): a client may send each cookie in a field of its own. A session
/// is one all the same, with the same CSRF check; of two with one name the last counts.
#[test]
fn a_session_in_crumbs_is_one() {
    let gateway = Gateway::start(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nauthentication: [session]\nroutes:\n\
         - { path: /, upstream: echo }\n- { path: /accounts/, endpoint: session }\n",
    );
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let token = browser.cookies["csrftoken"].clone();
    let (good, dead) =
        (format!("sessionid={}", browser.session()), format!("sessionid={}", "z".repeat(32)));
    let csrf = format!("csrftoken={token}");
    with_client_of(&gateway, async |mut client: Client| {
        for (method, headers, status) in [
            ("GET", vec![("cookie", "a=b"), ("cookie", &*good), ("cookie", "c=d")], 200),
            ("GET", vec![("cookie", &dead), ("cookie", &good)], 200),
            ("GET", vec![("cookie", &good), ("cookie", &dead)], 403),
            ("POST", vec![("cookie", &good), ("cookie", &csrf)], 403),
            ("POST", vec![("cookie", &csrf), ("cookie", &good), ("x-csrftoken", &token)], 200),
        ] {
            let (found, body) = send_as(&mut client, method, "http://h/", &headers).await;
            assert_eq!(found, status, "{method} {headers:?} {body}");
            assert_eq!(status == 200, body.contains("\"remote-user\": \"alice\""), "{body}");
        }
    });
}

/// Attack: an HTTP/2 request is reset in the middle of its body, without an error, and the upstream
/// takes what it has got for all of it.
#[test]
fn a_reset_is_no_end_of_a_body() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start(&format!(
        "permission: anyone\nroutes: [{{ path: /, upstream: \"http://{}\" }}]\n",
        upstream.local_addr().unwrap()
    ));
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    // POST, http, /, and the host h (RFC 7541 appendix A).
    let head = frame(1, 4, 1, &[0x83, 0x86, 0x84, 0x41, 1, b'h']);
    let mut client = TcpStream::connect(("127.0.0.1", gateway.setup.port)).unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client
        .write_all(&[frame(4, 0, 0, b""), head, frame(0, 0, 1, b"{\"amount\": 10")].concat())
        .unwrap();
    let (mut stream, _) = upstream.accept().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"10\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    client.write_all(&frame(3, 0, 1, &[0; 4])).unwrap();
    stream.read_to_end(&mut seen).unwrap();
    assert!(seen.ends_with(b"10\r\n"), "{}", seen.escape_ascii());
}

/// The rule: an answer to HEAD has no body, which HTTP/2 clients take for a broken stream, and says how
/// long it would be (RFC 9110 section 9.3.2).
#[test]
fn head_has_no_body() {
    with_client(|mut client| async move {
        for (uri, status) in [("http://h/", 401), ("http://h/public/", 200)] {
            let (got, body) = send_as(&mut client, "GET", uri, &[]).await;
            let (head, none) = send_as(&mut client, "HEAD", uri, &[]).await;
            assert_eq!((got.as_u16(), head.as_u16()), (status, status), "{uri}");
            assert!(!body.is_empty() && none.is_empty(), "{uri}: {none:?}");
        }
    });
}
