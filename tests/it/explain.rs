//! `portcullis explain`: it says what the gateway would do, and does nothing of it.

use crate::support::{
    Browser, Foretold, Gateway, PASSWORD, Server, Setup, browser::FORM, gateway::ALICE_KEY,
};

/// What a browser sends to open a WebSocket.
const WEBSOCKET: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn gateway(upstream: &Server) -> Gateway {
    let yaml = format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nauth_rate: 1000/min\n\
         authentication: [session, token]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: \"{}\" }}\n- {{ path: /accounts/, endpoint: session }}\n",
        upstream.url()
    );
    Setup::new().alice().start(&yaml).explaining()
}

/// Attack: cross-site WebSocket hijacking, which whoever asks `explain` is told to be safe from, or
/// is told to be open to where nobody is.
#[test]
fn a_websocket_of_another_site_is_refused_before_and_after() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let cookie = format!("sessionid={}", browser.session());
    let token = format!("Token {ALICE_KEY}");
    for (credential, origin, refused) in [
        (("Cookie", &cookie), "https://evil.example", Some(403)),
        (("Cookie", &cookie), "null", Some(403)),
        (("Cookie", &cookie), "http://localhost", None),
        (("Authorization", &token), "https://evil.example", None),
    ] {
        let mut headers = WEBSOCKET.to_vec();
        headers.extend([(credential.0, credential.1.as_str()), ("Origin", origin)]);
        let foretold = Foretold::ask(&gateway, "GET", "/ws/", &headers, b"");
        assert_eq!(foretold.refused(), refused, "{credential:?} {origin} {foretold:?}");
        let answer = gateway.get("/ws/", &headers);
        assert_eq!(answer.status, refused.unwrap_or(200), "{credential:?} {origin}");
    }
    assert_eq!(upstream.count(), 2);
}

/// Attack: a form of another site, with the victim's cookies and a token that it has made up. The
/// token stands in the body, which decides only where it is given.
#[test]
fn a_body_decides_where_it_is_given() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let right = format!("csrfmiddlewaretoken={}", browser.cookies["csrftoken"]);
    let cookies: Vec<_> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let cookies = cookies.join("; ");
    let headers = [("Content-Type", FORM), ("Cookie", cookies.as_str())];
    let wrong = format!("csrfmiddlewaretoken={}", "x".repeat(64));
    for (body, refused) in [(&right, None), (&wrong, Some(403)), (&String::new(), Some(403))] {
        let foretold = Foretold::ask(&gateway, "POST", "/form/", &headers, body.as_bytes());
        assert_eq!(foretold.refused(), refused, "{body}");
        assert_eq!(foretold.admitted(), refused.is_none().then_some("alice"), "{body}");
        let answer = gateway.send("POST", "/form/", &headers, body.as_bytes());
        assert_eq!(answer.status, refused.unwrap_or(200), "{body}");
    }
    assert_eq!(upstream.last().body, right.as_bytes());
}
