//! The same promises over HTTP/2 (with prior knowledge, as behind another proxy): what is refused
//! in HTTP/1.1 is refused here, and one stream's refusal does not end the others.

use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Gateway, gateway::ALICE_KEY};

const ROUTES: &str = "routes:\n  - { path: /, upstream: echo }\n  - { path: /public/, permission: anyone, upstream: echo }\n";

type Client = SendRequest<Empty<Bytes>>;

fn with_client<F: Future<Output = ()>>(test: impl FnOnce(Client) -> F) {
    let gateway = Gateway::start(ROUTES);
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
    let mut request = Request::builder().uri(uri);
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
