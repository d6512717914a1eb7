//! Attacks on identity headers and on request metadata: a client that tries to tell the upstream who it is, or the
//! gateway where it comes from. The upstream here is a raw socket: what it saw is what was sent.

use crate::support::{
    Gateway, PASSWORD, Server, Setup, basic,
    server::{Then, fold},
};

/// Everything in a forged header's value.
const FORGED: &str = "mallory";

/// Names that upstreams take for the gateway's word, or for their own CGI variables.
const OWNED: &[&str] = &[
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-User-Id",
    "X-Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "Portcullis-Assertion",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Script-Name",
    "Path-Info",
    "Path-Translated",
    "Remote-Addr",
    "Remote-Host",
    "Remote-Ident",
    "Auth-Type",
    "Server-Name",
    "Server-Port",
    "Request-Method",
    "Request-Uri",
    "Query-String",
    "Https",
    "Proxy",
    "Http-Remote-User",
    "Http-X-User-Id",
];

/// What may stand in a field name beside letters and digits.
const SEPARATORS: &str = "-_.!#$%&'*+^`|~";

fn gateway(upstream: &Server) -> Gateway {
    let url = upstream.url();
    Setup::new()
        .alice()
        .user("bare", "x")
        .sql("UPDATE auth_user SET email = '' WHERE username = 'bare'")
        .start(&format!(
            "authentication: [basic, token, api_key]\npermission: authenticated\n\
         identity: {{ headers: {{ x-USER-id: \"{{user.id}}\" }} }}\nroutes:\n\
         - {{ path: /, upstream: \"{url}\" }}\n\
         - {{ path: /public/, permission: anyone, upstream: \"{url}\" }}\n\
         - {{ path: /open/, authentication: [], permission: anyone, upstream: \"{url}\" }}\n\
         - {{ path: /staff/, permission: staff, upstream: \"{url}\" }}\n"
        ))
        .explaining()
}

fn spell(name: &str, separator: char, case: usize) -> String {
    let name = name.replace('-', &separator.to_string());
    match case {
        0 => name,
        1 => name.to_ascii_lowercase(),
        2 => name.to_ascii_uppercase(),
        _ => name
            .char_indices()
            .map(|(i, c)| if i % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
            .collect(),
    }
}

/// Attack (CVE-2025-64484, CVE-2026-39858, -54763, -52845, -88011, CVE-2015-0219, CVE-2026-3902):
/// the client sends an identity header in a spelling that the gateway does not strip and WSGI, CGI
/// or ASGI fold to the same variable. Every name, every separator, every case, once and twice; on
/// a protected route, a public one (oauth2-proxy's skipped routes, PR 1065), and one without any scheme.
#[test]
fn no_spelling_of_an_owned_name_passes() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let right = basic("alice", PASSWORD);
    for separator in SEPARATORS.chars() {
        for case in 0..4 {
            let names: Vec<String> =
                OWNED.iter().map(|name| spell(name, separator, case)).collect();
            let forged: Vec<_> = names.iter().map(|name| (name.as_str(), FORGED)).collect();
            for (target, user) in [("/", Some("alice")), ("/public/", None), ("/open/", None)] {
                let mut headers = forged.clone();
                headers.extend(&forged);
                headers.extend(user.map(|_| ("Authorization", right.as_str())));
                let answer = gateway.get(target, &headers);
                assert_eq!(answer.status, 200, "{separator} {target}");
                let seen = upstream.last();
                assert!(!seen.head.contains(FORGED), "{separator} {target}\n{}", seen.head);
                assert_eq!(
                    seen.folded("remote-user"),
                    Vec::from_iter(user),
                    "{separator} {target}"
                );
                assert_eq!(seen.folded("x-user-id").len(), usize::from(user.is_some()));
                assert_eq!(seen.folded("x-forwarded-for"), ["127.0.0.1"]);
            }
        }
    }
}

/// Attack (CVE-2026-30851, CVE-2026-39998): the user has no e-mail, name or group, the gateway has
/// nothing to write, and the client's own value stays.
#[test]
fn what_the_user_does_not_have_the_client_cannot_add() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let authorization = basic("bare", "x");
    let mut headers: Vec<_> = OWNED.iter().map(|name| (*name, FORGED)).collect();
    headers.push(("Authorization", &authorization));
    assert_eq!(gateway.get("/", &headers).status, 200);
    let seen = upstream.last();
    assert_eq!(seen.folded("remote-user"), ["bare"]);
    for name in ["remote-email", "remote-name", "remote-groups"] {
        assert_eq!(seen.folded(name), Vec::<&str>::new(), "{name}");
    }
}

/// Attack (CVE-2024-45410, CVE-2026-29054, CVE-2025-48865, GHSA-w9mr-28mw-j8hg): `Connection:
/// Remote-User` makes the proxy delete the header that it has just written.
#[test]
fn connection_cannot_take_the_identity_away() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let authorization = basic("alice", PASSWORD);
    for lines in [
        &["Remote-User"][..],
        &["remote-user, X-FORWARDED-FOR, x-user-id, Forwarded, Host"],
        &["keep-alive", "close, Remote-User", "X-Forwarded-For,Remote-Email"],
        &["Remote_User,,  ,Remote-User\t"],
    ] {
        let mut headers: Vec<_> = lines.iter().map(|line| ("cOnnection", *line)).collect();
        headers.extend([("Authorization", authorization.as_str()), ("Remote-User", FORGED)]);
        assert_eq!(gateway.get("/", &headers).status, 200);
        let seen = upstream.last();
        assert_eq!(seen.folded("remote-user"), ["alice"], "{lines:?}");
        assert_eq!(seen.folded("remote-email"), ["alice@example.com"], "{lines:?}");
        assert_eq!(seen.folded("x-forwarded-for"), ["127.0.0.1"], "{lines:?}");
        assert_eq!(seen.folded("x-user-id").len(), 1, "{lines:?}");
        assert_eq!(seen.folded("host"), ["localhost"], "{lines:?}");
        assert!(!seen.head.contains(FORGED), "{}", seen.head);
    }
}

/// Attack: the fields of one connection are carried over to the next, where they mean something
/// else (an upgrade, a proxy's password, a field that only this hop may use).
#[test]
fn hop_by_hop_fields_end_at_the_gateway() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let headers = [
        ("Connection", "Upgrade, X-Private, HTTP2-Settings"),
        ("Upgrade", "websocket, h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic c2VjcmV0"),
        ("TE", "trailers"),
        ("X-Private", "1"),
        ("X-Kept", "1"),
    ];
    assert_eq!(gateway.get("/public/", &headers).status, 200);
    let seen = upstream.last();
    for (name, _) in &headers[..8] {
        assert_eq!(seen.folded(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(seen.folded("x-kept"), ["1"]);
}

/// Attack: a forged identity travels in the trailers of a chunked body, which some servers add to
/// the request's fields.
#[test]
fn trailers_do_not_carry_an_identity() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let authorization = basic("alice", PASSWORD);
    for target in ["/", "/public/"] {
        let bytes = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
             Transfer-Encoding: chunked\r\nTrailer: Remote-User, X_Remote_User\r\n\r\n\
             4\r\nbody\r\n0\r\nRemote-User: {FORGED}\r\nX_Remote_User: {FORGED}\r\nX-Other: 1\r\n\r\n"
        );
        let answer = gateway.raw(bytes.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{target}");
        let seen = upstream.last();
        assert_eq!(seen.body, b"body");
        assert_eq!(seen.trailers, "", "{target}");
        assert_eq!(seen.folded("trailer"), Vec::<&str>::new());
        assert_eq!(seen.folded("remote-user"), ["alice"]);
        assert!(!seen.head.contains(FORGED), "{}", seen.head);
    }
}

/// Attack (CVE-2026-40575, CVE-2026-34457, CVE-2026-33495): a header names a path, a method or an
/// agent that needs no credential. Nothing reaches the upstream.
#[test]
fn no_header_lowers_the_policy() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for (name, value) in [
        ("X-Forwarded-Uri", "/public/"),
        ("X-Original-URL", "/public/"),
        ("X-Original-URI", "/public/"),
        ("X-Rewrite-URL", "/public/"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Path", "/public/"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("User-Agent", "GoogleHC/1.0"),
        ("User-Agent", "kube-probe/1.30"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "internal"),
        ("Remote-User", "alice"),
        ("Portcullis-Assertion", "x"),
        ("Upgrade", "websocket"),
        ("Access-Control-Request-Method", "GET"),
        ("Referer", "http://localhost/"),
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            let answer = gateway.send(method, "/", &[(name, value)], b"");
            assert_eq!(answer.status, 401, "{method} {name}: {value}");
        }
    }
    let alice = basic("alice", PASSWORD);
    let answer = gateway.get("/staff/", &[("Authorization", &alice), ("Remote-User", "root")]);
    assert_eq!(answer.status, 403);
    assert_eq!(upstream.count(), 0, "a refused request reached the upstream");
}

/// Attack (CVE-2026-35051, CVE-2026-54764): parts of `X-Forwarded-*` and `Forwarded` are the
/// client's. They are one set, made by the gateway; only a listed proxy is believed, and of its
/// list only the right end.
#[test]
fn forwarded_fields_are_rebuilt_as_a_set() {
    let upstream = Server::ok();
    let claims = [
        ("X-Forwarded-For", "6.6.6.6, 192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "443"),
        ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
        ("X-Real-IP", "6.6.6.6"),
    ];
    let stranger = gateway(&upstream);
    assert_eq!(stranger.get("/public/", &claims).status, 200);
    let seen = upstream.last();
    assert_eq!(seen.folded("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.folded("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.folded("x-forwarded-host"), ["localhost"]);
    assert_eq!(seen.folded("forwarded"), ["for=127.0.0.1;host=\"localhost\";proto=http"]);
    assert!(!seen.head.contains("6.6.6.6") && !seen.head.contains("evil"), "{}", seen.head);

    let trusted = Gateway::start(&format!(
        "trusted_proxies: [127.0.0.1]\npermission: anyone\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        upstream.url()
    )).explaining();
    assert_eq!(trusted.get("/", &claims[..4]).status, 200);
    let seen = upstream.last();
    assert_eq!(seen.folded("x-forwarded-for"), ["192.0.2.7"], "the right end of the list");
    assert_eq!(seen.folded("x-forwarded-proto"), ["https"]);
    assert!(!seen.head.contains("6.6.6.6"), "{}", seen.head);
}

/// Attack: anybody names the user they want to be, in the header that `remote_user` reads.
#[test]
fn remote_user_counts_from_a_proven_peer_only() {
    let yaml = |network: &str| {
        format!(
            "authentication: [remote_user: {{ from: [{network}] }}]\npermission: authenticated\n\
             routes: [{{ path: /, upstream: echo }}]\n"
        )
    };
    let stranger = Gateway::start(&yaml("192.0.2.0/24")).explaining();
    for (name, more) in [("Remote-User", "x"), ("REMOTE_USER", "x"), ("Remote-User", "192.0.2.1")] {
        let answer = stranger.get("/", &[(name, "alice"), ("X-Forwarded-For", more)]);
        assert_eq!(answer.status, 403, "{name}");
    }
    let proven = Gateway::start(&yaml("127.0.0.1")).explaining();
    let answer = proven.get("/", &[("Remote-User", "alice")]);
    assert_eq!(answer.echoed("remote-user").as_deref(), Some("alice"));
    for headers in [
        &[("Remote-User", "nobody")][..],
        &[("Remote_User", "alice")],
        &[("Remote-User", "alice"), ("Remote-User", "bob")],
        &[("Remote-User", "")],
    ] {
        assert_eq!(proven.get("/", headers).status, 403, "{headers:?}");
    }
}

/// Attack: one gateway is behind another, and what the first writes for `papà` is the name of another
/// user to the second.
#[test]
fn a_name_is_the_same_behind_two_gateways() {
    let setup = Setup::new().user("papà", PASSWORD).user("pap%C3%A0", PASSWORD);
    let second = setup.start(
        "authentication: [remote_user: { from: [127.0.0.1], percent_encoded: true }]\n\
         permission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    for written in ["pap%C3%A0", "pap%25C3%25A0"] {
        let answer = second.get("/", &[("Remote-User", written)]);
        assert_eq!(answer.echoed("remote-user").as_deref(), Some(written));
    }
}

/// A service for `callout` that answers with the name in hexadecimal in `X-Name`.
fn names() -> Server {
    Server::start(|seen, wire| {
        let name = hex::decode(seen.folded("x-name").concat()).unwrap();
        let body = match name.as_slice() {
            b"(number)" => r#"{"username":7}"#.into(),
            b"(list)" => r#"{"username":["alice"]}"#.into(),
            b"(twice)" => r#"{"username":"alice","username":"root"}"#.into(),
            b"(nobody)" => r#"{"detail":"fine"}"#.into(),
            b"(unknown)" => r#"{"username":"alice","is_root":true}"#.into(),
            name => serde_json::json!({ "username": String::from_utf8_lossy(name) }).to_string(),
        };
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        let _ = write!(wire, "{head}{length}\r\n\r\n{body}");
        Then::Keep
    })
}

/// Attack (CVE-2023-27493, CVE-2026-31908): a name with CR and LF becomes a second header or a
/// second request. Every name arrives as exactly one field that tells it from all others, and
/// never raw; the rule is written in src/forward/value.rs.
#[test]
fn no_name_breaks_out_of_its_header() {
    let (upstream, service) = (Server::ok(), names());
    let gateway = Gateway::start(&format!(
        "authentication: [callout: {{ url: \"{}\", headers: [X-Name], challenge: X }}]\n\
         permission: authenticated\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        service.url(),
        upstream.url()
    ))
    .explaining();
    let mut written = std::collections::HashSet::new();
    for (name, expected) in [
        ("alice", "alice"),
        ("a\r\nRemote-Groups: admins", "a%0D%0ARemote-Groups: admins"),
        ("a\r\n\r\nGET /admin HTTP/1.1", "a%0D%0A%0D%0AGET /admin HTTP/1.1"),
        ("a\nb", "a%0Ab"),
        ("a\0b", "a%00b"),
        ("a\u{7f}b", "a%7Fb"),
        ("a,b", "a%2Cb"),
        ("a%2Cb", "a%252Cb"),
        (" alice", "%20alice"),
        ("alice ", "alice%20"),
        ("\talice", "%09alice"),
        (" ", "%20"),
        ("élise", "%C3%A9lise"),
        ("e\u{301}lise", "e%CC%81lise"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
    ] {
        let answer = gateway.get("/", &[("X-Name", &hex::encode(name))]);
        assert_eq!(answer.status, 200, "{name:?}");
        let seen = upstream.last();
        assert_eq!(seen.folded("remote-user"), [expected], "{name:?}");
        assert_eq!(seen.folded("remote-groups"), Vec::<&str>::new(), "{name:?}");
        assert!(written.insert(expected), "two names are one upstream: {name:?}");
    }
    let served = upstream.count();
    for unreadable in ["", "(number)", "(list)", "(twice)", "(nobody)", "(unknown)"] {
        let answer = gateway.get("/", &[("X-Name", &hex::encode(unreadable))]);
        assert_eq!(answer.status, 503, "{unreadable}");
    }
    let endless = gateway.get("/", &[("X-Name", &hex::encode("日".repeat(700)))]);
    assert_eq!(endless.status, 403, "a name that cannot be written is a refusal");
    assert_eq!(upstream.count(), served, "no such request was sent on");
}

/// Attack: the callout is made to ask elsewhere, or its answer is believed where it is no answer.
#[test]
fn a_callout_fails_closed() {
    let upstream = Server::ok();
    for (row, bytes) in [
        ("a redirect", &b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"[..]),
        ("no JSON", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("an error", b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"username\":\"alice\"}"),
        ("another success", b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"username\":\"alice\"}"),
        ("cut", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"username\":\"alice\"}"),
        ("garbage", b"hello"),
    ] {
        let service = Server::start(move |_, wire| {
            let _ = wire.write_all(bytes);
            Then::Close
        });
        let gateway = Gateway::start(&format!(
            "authentication: [callout: {{ url: \"{}\", headers: [X-Name] }}]\npermission: anyone\n\
             routes: [{{ path: /, upstream: \"{}\" }}]\n",
            service.url(),
            upstream.url()
        )).explaining();
        let answer = gateway.get("/", &[("X-Name", "x"), ("X-Secret", "not for the service")]);
        assert_eq!(answer.status, 503, "{row}");
        let seen = service.last();
        assert!(seen.line().starts_with("POST "), "{}", seen.head);
        assert_eq!(seen.folded("x-secret"), Vec::<&str>::new(), "only the chosen headers");
    }
    assert_eq!(upstream.count(), 0);
}

/// Attack (CVE-2026-33433): the header's name is configured in another case than the client's, so
/// that stripping and setting touch different fields.
#[test]
fn configured_names_are_compared_as_the_upstream_folds_them() {
    let upstream = Server::ok();
    for name in ["x-my-user", "X-MY-USER", "x-My-uSER"] {
        let gateway = Gateway::start(&format!(
            "authentication: [basic]\npermission: anyone\nidentity: {{ user: {name} }}\n\
             routes: [{{ path: /, upstream: \"{}\" }}]\n",
            upstream.url()
        ))
        .explaining();
        let authorization = basic("alice", PASSWORD);
        for forged in ["X-My-User", "x_my_user", "X.MY.USER", "HTTP_X_MY_USER"] {
            gateway.get("/", &[(forged, FORGED), ("Authorization", &authorization)]);
            let seen = upstream.last();
            assert_eq!(seen.folded("x-my-user"), ["alice"], "{name} {forged}");
            assert!(!seen.head.contains(FORGED), "{name} {forged}");
            gateway.get("/", &[(forged, FORGED), ("Remote-User", FORGED)]);
            assert!(!upstream.last().head.contains(FORGED), "{name} {forged} anonymous");
        }
    }
    assert_eq!(fold("X.My-User"), "x_my_user");
}

/// Attack: the top of the file names the user in a header of its own, and one route writes others;
/// on that route the client's own value of the top's header reaches the upstream. So does the
/// header of a proxy in front, from somebody who is not that proxy.
#[test]
fn what_any_route_writes_no_route_lets_through() {
    let upstream = Server::ok();
    let gateway = Gateway::start(&format!(
        "identity: {{ user: X-My-User, headers: {{ X-Number: \"{{user.id}}\" }}, assertion: {{ audience: a, header: X-Proof }} }}\n\
         authentication: [token, remote_user: {{ from: [192.0.2.1], header: X-Proxy-User }}]\n\
         permission: anyone\n\
         routes:\n- {{ path: /, upstream: \"{url}\" }}\n- {{ path: /b/, upstream: \"{url}\", identity: {{ user: X-Other }} }}\n",
        url = upstream.url()
    )).explaining();
    for path in ["/", "/b/"] {
        let names = ["X-My-User", "x_number", "X-Proof", "X-Proxy-User", "X-Other"];
        let headers = names.map(|name| (name, FORGED));
        assert_eq!(gateway.get(path, &headers).status, 200);
        let seen = upstream.last();
        let forged: Vec<_> = seen.fields().filter(|(_, value)| *value == FORGED).collect();
        assert!(forged.is_empty(), "{path}: {forged:?}");
    }
}
