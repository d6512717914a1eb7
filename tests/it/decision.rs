//! The gateway beside another proxy, which asks what it decides of a request that the proxy holds.

use std::collections::BTreeMap;

use crate::support::{Answer, Browser, Gateway, PASSWORD, Setup, basic, gateway::ALICE_KEY};

const ROUTES: &str = "permission: authenticated\nauthentication: [token, basic]\nroutes:\n\
     - { path: / }\n\
     - { path: /public/, permission: anyone }\n\
     - { path: /staff/, permission: staff }\n\
     - { path: /write/, method: POST }\n\
     - { path: /files/, allow_paths: [double_slash] }\n\
     - { path: /here/, upstream: echo }\n\
     - { path: /, host: other.example, permission: anyone }\n";

fn start(decisions: &str) -> Gateway {
    Setup::new().alice().start(&format!("decisions: {{ path: /_decide, {decisions} }}\n{ROUTES}"))
}

fn usual() -> Gateway {
    start("proxies: [127.0.0.1]")
}

/// What a proxy asks that holds this request.
fn ask(gateway: &Gateway, method: &str, uri: &str, more: &[(&str, &str)]) -> Answer {
    let mut headers = vec![("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri)];
    headers.extend(more);
    gateway.get("/_decide", &headers)
}

fn token() -> (&'static str, String) {
    ("Authorization", format!("Token {ALICE_KEY}"))
}

/// The rule: the answer is what the gateway itself would decide, status and challenge included, and
/// a yes says who is asking.
#[test]
fn the_decision_is_the_gateway_s_own() {
    let gateway = usual();
    let (name, value) = token();
    let good = [(name, &*value)];
    for (method, uri, headers, status) in [
        ("GET", "/", &good[..], 200),
        ("GET", "/", &[], 401),
        ("GET", "/", &[(name, "Token wrong")], 401),
        ("GET", "/public/x?y=z", &[], 200),
        ("GET", "/public/x", &[(name, "Token wrong")], 401),
        ("DELETE", "/staff/", &good, 403),
        ("POST", "/write/", &good, 200),
        ("GET", "/write/", &good, 405),
        ("GET", "/files/a//b", &good, 200),
        ("GET", "/a//b", &good, 400),
        ("GET", "/", &[("X-Forwarded-Host", "other.example")], 200),
        // The page is not asked about itself.
        ("GET", "/_decide", &good, 404),
    ] {
        let answer = ask(&gateway, method, uri, headers);
        assert_eq!(answer.status, status, "{method} {uri} {headers:?}");
        let challenged = answer.header("www-authenticate").is_some();
        assert_eq!(challenged, status == 401, "{method} {uri}");
        if status == 200 && headers == good {
            assert_eq!(answer.header("remote-user"), Some("alice"));
            assert_eq!(answer.header("remote-email"), Some("alice@example.com"));
        }
    }
    let right = basic("alice", PASSWORD);
    assert_eq!(ask(&gateway, "GET", "/", &[("Authorization", &right)]).status, 200);
    // Only the proxy reaches those services; what has a service here is served here.
    assert_eq!(gateway.get("/", &good).status, 404);
    assert_eq!(gateway.get("/", &[]).status, 401);
    assert_eq!(gateway.get("/here/", &good).status, 200);
}

/// Attack (CVE-2026-30851, CVE-2026-39998): the proxy copies what the answer has, and of what the
/// answer does not have the client's own stays. Every name is there, with nothing in it if nobody
/// is known, and once.
#[test]
fn a_forged_identity_is_overwritten_by_every_yes() {
    let gateway = usual();
    let names = ["remote-user", "remote-email", "remote-name", "remote-groups"];
    let forged = names.map(|name| (name, "admin"));
    let said = |answer: &Answer| -> BTreeMap<&str, Vec<String>> {
        names
            .map(|name| {
                let values = answer.values(name).into_iter().map(str::to_owned);
                (name, values.collect())
            })
            .into()
    };
    let answer = ask(&gateway, "GET", "/public/", &forged);
    assert_eq!(answer.status, 200);
    assert_eq!(said(&answer), names.map(|name| (name, vec![String::new()])).into());
    let (name, value) = token();
    let mut headers = forged.to_vec();
    headers.push((name, &value));
    let answer = ask(&gateway, "GET", "/", &headers);
    let expected = [("remote-user", "alice"), ("remote-email", "alice@example.com")];
    let expected = |name| expected.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| *v);
    assert_eq!(said(&answer), names.map(|name| (name, vec![expected(name).to_owned()])).into());
}

/// Attack: a header that only another route writes is forged; the service behind is the same, and the
/// proxy copies what a yes says.
#[test]
fn a_yes_covers_what_any_route_writes() {
    let gateway = Setup::new().alice().start(
        "decisions: { path: /_decide, proxies: [127.0.0.1] }\n\
         secret_key: throwaway-secret-key-for-tests-0123456789\nroutes:\n\
         - { path: /, permission: anyone }\n\
         - { path: /own/, identity: { user: X-Caller, email: \"\", headers: { X-Key: \"{user.id}\" },\
         \n    assertion: { audience: own, header: X-Proof } } }\n\
         - { path: /django/, identity: { assertion: django } }\n",
    );
    let (name, value) = token();
    let all = ["remote-user", "remote-email", "remote-name", "remote-groups", "x-caller", "x-key"];
    let proofs = ["x-proof", "portcullis-assertion"];
    for (path, filled) in [
        ("/", &["remote-user", "remote-email"][..]),
        ("/own/", &["x-caller", "x-key", "x-proof"]),
        ("/django/", &["remote-user", "remote-email", "portcullis-assertion"]),
    ] {
        let mut headers: Vec<_> = all.iter().chain(&proofs).map(|name| (*name, "forged")).collect();
        headers.push((name, &value));
        let answer = ask(&gateway, "GET", path, &headers);
        assert_eq!(answer.status, 200, "{path}");
        for name in all.iter().chain(&proofs) {
            let values = answer.values(name);
            assert_eq!(values.len(), 1, "{path} {name}: {values:?}");
            assert_eq!(!values[0].is_empty(), filled.contains(name), "{path} {name}: {values:?}");
            assert_ne!(values[0], "forged", "{path} {name}");
        }
    }
}

/// Attack (CVE-2026-40575): a client reaches the page itself and says what it likes of a request, or
/// says it on an ordinary request, which is then judged by another path than it has.
#[test]
fn only_listed_proxies_are_believed() {
    let gateway = start("proxies: [192.0.2.0/24]");
    for headers in [&[][..], &[("X-Forwarded-For", "192.0.2.1")]] {
        assert_eq!(ask(&gateway, "GET", "/public/", headers).status, 404);
    }
    let gateway = usual();
    let forged = [("X-Forwarded-Uri", "/public/"), ("X-Forwarded-Method", "GET")];
    assert_eq!(gateway.get("/here/", &forged).status, 401);
    assert_eq!(gateway.get("/_decide/public/", &[]).status, 400);
    for (proxies, says) in [("[]", "no proxy may ask"), ("[0.0.0.0/0]", "0.0.0.0/0")] {
        let setup = Setup::new();
        setup.write(&format!("decisions: {{ path: /_decide, proxies: {proxies} }}\n{ROUTES}"));
        let output = crate::support::gateway::portcullis(&setup.config(), &["check"], "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(says), "{proxies}: {text}");
    }
}

/// Attack (GHSA-68wm-pfjf-wqp6, CVE-2026-25748, CVE-2026-41059): a request that cannot be read in one
/// way makes the page answer something that the proxy takes for a yes.
#[test]
fn what_cannot_be_read_is_never_a_yes() {
    let gateway = usual();
    let (name, value) = token();
    let good = (name, &*value);
    for uri in [
        "",
        "public/",
        "*",
        "/public/#/",
        "/public/../staff/",
        "/public/%2e%2e/staff/",
        "/%",
        "/public%2fx",
        "/a\\b",
        "/public/;x",
        "/%00",
        "http://h/public/",
        "/a b",
        "/public/\tx",
    ] {
        let answer = ask(&gateway, "GET", uri, &[good]);
        assert_eq!(answer.status, 400, "{uri:?} {}", answer.text());
    }
    for method in ["", "G T", "CONNECT", "TRACE", "GET, POST", "\u{e9}"] {
        let status = ask(&gateway, method, "/public/", &[good]).status;
        assert!(status == 400 || status == 405, "{method:?} {status}");
    }
    for headers in [
        &[("X-Forwarded-Method", "GET")][..],
        &[("X-Forwarded-Uri", "/public/")],
        &[("X-Forwarded-Uri", "/public/"), ("X-Forwarded-Uri", "/"), ("X-Forwarded-Method", "GET")],
        &[("X-Forwarded-Uri", "/"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST")],
    ] {
        assert_eq!(gateway.get("/_decide", headers).status, 400, "{headers:?}");
    }
    for host in ["", "a b", "a/b", "other.example, h", "a@other.example"] {
        let answer = ask(&gateway, "GET", "/", &[("X-Forwarded-Host", host), good]);
        assert_eq!(answer.status, 400, "{host:?}");
    }
}

/// Attack: a browser's preflight is answered by the gateway itself, with a 2xx; the proxy that asked
/// about one takes it for a yes that has no identity in it, and lets the client's own pass.
#[test]
fn a_preflight_is_no_yes() {
    for proxies in ["127.0.0.1", "192.0.2.0/24"] {
        let gateway = Setup::new().alice().start(&format!(
            "cors: {{ origins: [\"https://app.example\"] }}\n\
             decisions: {{ path: /_decide, proxies: [\"{proxies}\"] }}\n{ROUTES}"
        ));
        for origin in ["https://app.example", "https://evil.example"] {
            let headers = [
                ("X-Forwarded-Method", "OPTIONS"),
                ("X-Forwarded-Uri", "/staff/"),
                ("Origin", origin),
                ("Access-Control-Request-Method", "GET"),
            ];
            let status = gateway.send("OPTIONS", "/_decide", &headers, b"").status;
            assert_eq!(status, if proxies == "127.0.0.1" { 401 } else { 404 }, "{origin}");
        }
    }
}

/// Attack: cross-site WebSocket hijacking beside a proxy. The browser of another site's page brings the
/// cookie along and asks nobody; the proxy asks about a GET like any other.
#[test]
fn another_site_s_page_gets_no_yes_for_a_websocket() {
    let gateway = Setup::new().alice().start(
        "decisions: { path: /_decide, proxies: [127.0.0.1] }\npermission: authenticated\n\
         secret_key: throwaway-secret-key-for-tests-0123456789\n\
         authentication: [session, token]\nroutes:\n\
         - { path: / }\n- { path: /accounts/, endpoint: session }\n",
    );
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let cookie = format!("sessionid={}", browser.session());
    let (name, value) = token();
    for (asked, credential, origin, status) in [
        (("Sec-WebSocket-Key", "dGhl"), ("Cookie", &*cookie), "https://evil.example", 403),
        (("Upgrade", "websocket"), ("Cookie", &*cookie), "null", 403),
        (("Upgrade", "websocket"), ("Cookie", &*cookie), "http://localhost", 200),
        (("Upgrade", "websocket"), (name, &*value), "https://evil.example", 200),
        // What it reads otherwise, the browser itself keeps from the page.
        (("X-Other", "x"), ("Cookie", &*cookie), "https://evil.example", 200),
    ] {
        let answer = ask(&gateway, "GET", "/ws/", &[asked, credential, ("Origin", origin)]);
        assert_eq!(answer.status, status, "{asked:?} {origin}");
    }
}

/// The rule: Envoy sends the request itself below the page, and what is behind the prefix is judged
/// again from the start.
#[test]
fn a_request_below_the_page() {
    let gateway = start("proxies: [127.0.0.1], request_in: path");
    let (name, value) = token();
    let good = [(name, &*value)];
    for (method, target, headers, status) in [
        ("GET", "/_decide/public/?x=1", &[][..], 200),
        ("GET", "/_decide/", &[], 401),
        ("GET", "/_decide/", &good, 200),
        ("POST", "/_decide/write/", &good, 200),
        ("PUT", "/_decide/write/", &good, 405),
        ("GET", "/_decide/staff/", &good, 403),
        ("GET", "/_decide", &good, 400),
        ("GET", "/_decide?/public/", &good, 400),
        ("GET", "/_decidepublic/", &[], 401),
        ("GET", "/_decide/public/../staff/", &good, 400),
        ("GET", "/_decide/_decide/public/", &good, 404),
        // A header that Envoy's client has sent says nothing.
        ("GET", "/_decide/", &[("X-Forwarded-Host", "other.example")], 401),
        ("GET", "/_decide/", &[("X-Forwarded-Uri", "/public/")], 401),
    ] {
        let answer = gateway.send(method, target, headers, b"");
        assert_eq!(answer.status, status, "{method} {target} {headers:?}");
    }
}
