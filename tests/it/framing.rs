//! Attacks on framing and paths in HTTP/1.1: requests that two readers read differently,
//! and bytes that are no request. Each is refused in time, none reaches the upstream, and the
//! server goes on serving.

use std::{io::Read, time::Duration};

use crate::support::{Gateway, PASSWORD, Server, Setup, basic, until};

/// Everything is public, so that only the framing can refuse.
fn gateway(upstream: &Server) -> Gateway {
    Setup::new().alice().start(&format!(
        "authentication: [basic, token]\npermission: anyone\nlimits: {{ head_time: 1s }}\nroutes:\n\
         - {{ path: /, upstream: \"{url}\" }}\n\
         - {{ path: /admin/, permission: staff, upstream: \"{url}\" }}\n\
         - {{ path: /slash/, allow_paths: [encoded_slash], upstream: \"{url}\" }}\n\
         - {{ path: /files/, allow_paths: [encoded_slash, double_slash, semicolon, encoded_percent], upstream: \"{url}\" }}\n",
        url = upstream.url()
    ))
}

fn assert_serves(gateway: &Gateway, row: &str) {
    assert_eq!(gateway.get("/good", &[]).status, 200, "it does not serve any more after {row}");
}

/// Sends bytes and expects a refusal, the end of the connection, an upstream that saw nothing, and
/// a server that still serves. Tells what was otherwise.
fn wrong(gateway: &Gateway, upstream: &Server, bytes: &[u8], statuses: &[u16]) -> Option<String> {
    let row = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let before = upstream.count();
    let mut connection = gateway.connect();
    connection.send(bytes);
    let status = connection.receive(false).map(|answer| answer.status);
    let wrong = if status.is_none_or(|status| !statuses.contains(&status)) {
        Some(format!("{status:?} to {row:?}"))
    } else if !connection.is_closed() {
        Some(format!("the connection stays open after {row:?}"))
    } else if upstream.count() != before {
        Some(format!("the upstream saw {row:?}"))
    } else {
        None
    };
    assert_serves(gateway, &row);
    wrong
}

/// All rows, so that one run tells everything.
fn assert_refused<B: AsRef<[u8]>>(
    gateway: &Gateway,
    upstream: &Server,
    rows: impl IntoIterator<Item = B>,
    statuses: &[u16],
) {
    let rows = rows.into_iter();
    let wrong: Vec<_> =
        rows.filter_map(|bytes| wrong(gateway, upstream, bytes.as_ref(), statuses)).collect();
    assert!(wrong.is_empty(), "not refused with {statuses:?}: {wrong:#?}");
}

/// A request for each of these targets.
fn targets(targets: &[&str]) -> Vec<String> {
    let head = |target: &&str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    targets.iter().map(head).collect()
}

/// Attack (CVE-2026-2833, CVE-2026-2835 Pingora and every request-smuggling advisory): two
/// statements of where the body ends. The second request hides in what one reader takes for body.
#[test]
fn a_body_s_length_is_given_once_in_one_way() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let smuggled = "0\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let fields = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Content-Length: \u{665}",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        "Transfer_Encoding: chunked",
        "transfer.encoding: chunked",
        "Content_Length: 5",
        "CONTENT_LENGTH: 5\r\nContent-Length: 5",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
    ];
    let rows = fields
        .map(|fields| format!("POST /x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n{smuggled}"));
    assert_refused(&gateway, &upstream, rows, &[400]);
    let old = format!(
        "POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"
    );
    assert_refused(&gateway, &upstream, [old], &[400]);
}

/// RFC 9112 section 3.2.2: a server must accept the absolute form. Attack: the rule is looked up by one
/// part of it and the upstream is told another.
#[test]
fn the_absolute_form_is_the_path_on_its_host() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for (target, status, sent) in [
        ("http://localhost/x?y", 200, "GET /x?y HTTP/1.1"),
        ("http://localhost", 200, "GET / HTTP/1.1"),
        ("http://localhost?y", 200, "GET /?y HTTP/1.1"),
        ("https://localhost/x", 200, "GET /x HTTP/1.1"),
        ("HTTP://localhost/x", 200, "GET /x HTTP/1.1"),
        ("http://localhost/admin/", 401, ""),
    ] {
        let before = upstream.count();
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(gateway.raw(request.as_bytes()).unwrap().status, status, "{target}");
        assert_eq!(upstream.count() - before, usize::from(status == 200), "{target}");
        if status == 200 {
            let seen = upstream.last();
            assert_eq!(seen.line(), sent, "{target}");
            assert_eq!(seen.folded("host"), ["localhost"], "{target}");
        }
    }
}

/// Attack (CVE-2026-33494, CVE-2021-43557, CVE-2025-66490, CVE-2026-41059, CVE-2026-33186): a
/// target that the gateway matches as one path and the upstream reads as another.
#[test]
fn a_target_has_one_reading_or_is_refused() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    assert_refused(
        &gateway,
        &upstream,
        targets(&[
            "/a#b",
            "/#",
            "/a?b#c",
            "http://evil.example/admin/",
            "http://localhost:81/",
            "http://localhost.evil.example/",
            "http://user@localhost/",
            "http://evil.example@localhost/",
            "http://localhost\\@evil.example/",
            "http:///admin/",
            "http:/admin/",
            "http:admin/",
            "ws://localhost/",
            "ftp://localhost/",
            "file:///admin/",
            "http://localhost/x/../admin/",
            "http://localhost//admin/",
            "http://localhost/a#b",
            "//",
            "*",
            "admin/",
            "localhost:80",
            "?x",
            "",
            "/..",
            "/.",
            "/x/..",
            "/x/.",
            "/x/../admin/",
            "/x/./admin/",
            "/../admin/",
            "/%2e%2e/admin/",
            "/x/%2e%2e/admin/",
            "/x/.%2E/admin/",
            "/x/%2E./admin/",
            "/%2e/admin/",
            "/x/..;/admin/",
            "/x/%2e%2e;a/admin/",
            "/..%2fadmin/",
            "/x/..%5cadmin/",
            "/x%2fadmin",
            "/x%2Fadmin",
            "/x%5cadmin",
            "/x\\..\\admin",
            "/\\admin/",
            "/admin;x/",
            "/x;/admin/",
            "/x%3bq/",
            "//admin/",
            "/x//admin/",
            "///",
            "/x//",
            "/x%00",
            "/admin%00.png",
            "/x\0",
            "/x%0d%0aX:y",
            "/x%7f",
            "/x\u{7f}",
            "/%",
            "/%2",
            "/%zz",
            "/%u0041",
            "/%252e%252e/admin/",
            "/x%25",
            "/\u{e9}",
            "/%61dmin/",
            "/%41",
            "/adm%69n/",
        ]),
        &[400],
    );
    let bytes = b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_refused(&gateway, &upstream, [bytes], &[400]);
}

/// The rule: what was matched and judged is byte for byte what is sent, the query untouched.
#[test]
fn the_target_is_sent_as_it_came() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for target in [
        "/",
        "/x",
        "/x/",
        "/x?",
        "/?",
        "/x?a=%2f..%2F;b=//\\..&c=%zz",
        "/caf%C3%A9/?q=%C3%A9",
        "/~u/%7Eu/a.b/...c/..d/a,b:c@d!$&'()*+=",
        "/a%20b",
        "/files/a%2Fb",
        "/files/a;b=c/d",
        "/files//a",
        "/files/100%25",
    ] {
        assert_eq!(gateway.get(target, &[]).status, 200, "{target}");
        assert_eq!(upstream.last().line(), format!("GET {target} HTTP/1.1"));
    }
    // What a route allows, it allows alone.
    assert_refused(
        &gateway,
        &upstream,
        targets(&[
            "/slash/a%2Fb;c",
            "/slash/a%2Fb//c",
            "/slash/a%2Fb%25",
            "/slash/a;b",
            "/slash//a%2Fb",
        ]),
        &[400],
    );
    assert_eq!(gateway.get("/slash/a%2Fb", &[]).status, 200);
    assert_refused(
        &gateway,
        &upstream,
        targets(&[
            "/files/../admin/",
            "/files/%2e%2e/x",
            "/files/..%2fadmin",
            "/files/..;/admin/",
            "/files/a%5cb",
            "/files/%00",
        ]),
        &[400],
    );
}

/// Attack (CVE-2026-27587, CVE-2026-27588, CVE-2026-48794; CVE-2025-54576, where a query counted as
/// part of the path): another spelling of a protected path, or of the host, gets the public rule.
#[test]
fn no_spelling_of_a_protected_path_is_public() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for target in [
        "/admin",
        "/admin/",
        "/admin?x=/public",
        "/admin/x",
        "/Admin/",
        "/ADMIN",
        "/aDMIN/x",
        "/admin/?",
        "/admin/%20",
        "/admin/.x",
    ] {
        let status = gateway.get(target, &[]).status;
        assert!(matches!(status, 401 | 404), "{status} to {target}");
    }
    assert_eq!(upstream.count(), 0);

    let hosts = Gateway::start(
        "authentication: [basic]\npermission: anyone\nroutes:\n- { path: /, upstream: echo }\n\
         - { host: internal.example, path: /, permission: authenticated, upstream: echo }\n",
    );
    for host in [
        "internal.example",
        "INTERNAL.example",
        "internal.example.",
        "internal.example:80",
        "Internal.Example.:8443",
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(hosts.raw(bytes.as_bytes()).unwrap().status, 401, "{host}");
    }
}

/// Attack: no host, two, or something that is none, which each reader resolves in its own way.
#[test]
fn there_is_exactly_one_valid_host() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let fields = [
        "X: y",
        "Host: a\r\nHost: b",
        "Host: a\r\nHost: a",
        "Host:",
        "Host: a b",
        "Host: a/b",
        "Host: a@b",
        "Host: a,b",
        "Host: a:99999",
        "Host: a:b",
        "Host: :80",
        "Host: [::1",
        "Host: http://a",
        "Host: a..b",
        // Some upstreams drop every final dot: then it is the host whose rule it escapes.
        "Host: a..",
        "Host: a:+80",
        "Host: \u{e9}",
        "Host: a?b",
        "Host: a#b",
        "Host: a\\b",
        "Host : a",
    ];
    let rows = fields.map(|fields| format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"));
    assert_refused(&gateway, &upstream, rows, &[400]);
    assert_refused(&gateway, &upstream, [b"GET / HTTP/1.0\r\n\r\n"], &[400]);
    for host in ["localhost", "a.example:8080", "[::1]:80", "127.0.0.1"] {
        let answer =
            gateway.raw(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(upstream.last().folded("host"), [host]);
    }
}

/// Attack (CVE-2021-32777): of two `Authorization` fields the gateway checks one and the upstream
/// believes the other.
#[test]
fn two_credentials_in_one_request_are_refused() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let (alice, mallory) = (basic("alice", PASSWORD), basic("mallory", "x"));
    for (first, second) in [(&alice, &mallory), (&mallory, &alice), (&alice, &alice)] {
        for name in ["Authorization", "AUTHORIZATION"] {
            let bytes = format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {first}\r\n{name}: {second}\r\n\r\n"
            );
            assert_refused(&gateway, &upstream, [bytes], &[400]);
        }
    }
}

/// Attack: methods that turn a proxy into a tunnel or a mirror.
#[test]
fn connect_and_trace_are_not_served() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let rows = [
        "TRACE / HTTP/1.1\r\nHost: localhost",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80",
        "CONNECT / HTTP/1.1\r\nHost: localhost",
    ];
    let rows = rows.map(|head| format!("{head}\r\n\r\n"));
    assert_refused(&gateway, &upstream, rows, &[400, 405]);
    // Attack: Django makes capitals of a method, and a rule for DELETE is slipped by `delete`.
    for method in ["delete", "Delete", "trace", "connect", "get", "purge"] {
        let answer =
            gateway.raw(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        assert_eq!(answer.unwrap().status, 405, "{method}");
    }
    let trace = gateway.raw(b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(trace.status, 405);
    assert!(trace.header("allow").is_some(), "405 names the methods there are");
}

/// Attack: a head so large that it fills memory, in one field, in many, or in the target.
#[test]
fn a_head_has_a_size() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let target = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000));
    let spread = (0..90).map(|n| format!("X-{n}: {}\r\n", "a".repeat(2000))).collect::<String>();
    let spread = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{spread}\r\n");
    assert_refused(&gateway, &upstream, [large, many, target, spread], &[400, 414, 431]);
}

/// Attack (slowloris): a connection that never finishes its head, or never begins one, is kept for
/// ever. `limits.head_time` ends it.
#[test]
fn a_slow_head_is_given_up() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    // The last three could still become HTTP/2.
    let beginnings: [&[u8]; 6] = [
        b"G",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"\r\n",
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\n",
    ];
    let connections = beginnings.map(|bytes| {
        let mut connection = gateway.connect();
        connection.send(bytes);
        (bytes, connection)
    });
    let mut kept = Vec::new();
    for (bytes, mut connection) in connections {
        let stream = connection.0.get_mut();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = Vec::new();
        match connection.0.read_to_end(&mut answer) {
            Ok(_) if answer.is_empty() || answer.starts_with(b"HTTP/1.1 408") => {}
            _ => kept.push(String::from_utf8_lossy(bytes)),
        }
    }
    assert!(kept.is_empty(), "kept open: {kept:?}");
    assert_serves(&gateway, "slow heads");
    assert_eq!(upstream.count(), 1);
}

/// Attack: bytes that are no HTTP at all, or nearly, until something panics.
#[test]
fn garbage_is_refused_and_the_server_goes_on() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let rows: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\0\0\0\0\0\0\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1 x\r\nHost: h\r\n\r\n",
        b"GET  /  HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nRemote User: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nRemote\0User: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Token a\0\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\r\n\r\n",
    ];
    for bytes in rows {
        let mut connection = gateway.connect();
        connection.send(bytes);
        connection.finish_sending();
        let row = String::from_utf8_lossy(bytes).into_owned();
        let mut all = Vec::new();
        let _ = connection.0.read_to_end(&mut all);
        let answer = String::from_utf8_lossy(&all);
        let refused = !answer.starts_with("HTTP/1.1") || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{answer} to {row:?}");
        assert_serves(&gateway, &row);
    }
    assert_eq!(upstream.count(), rows.len(), "only the good requests in between");
}

/// Attack: a body whose chunks are malformed, cut off, or lie about their size, until the gateway
/// blames the upstream (502) or lets what follows pass as a request.
#[test]
fn a_client_s_broken_body_is_the_client_s_fault() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for body in [
        "zz\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "0x4\r\nbody\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nbody\r\n0\r\n\r\n",
        "4\r\nbodybody\r\n0\r\n\r\n",
        "\r\n\r\n",
    ] {
        let bytes = format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /admin/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let mut connection = gateway.connect();
        connection.send(bytes.as_bytes());
        let answer = connection.receive(false);
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, None | Some(400..=499)), "{status:?} to {body:?}");
        assert!(connection.is_closed(), "{body:?}");
        assert_serves(&gateway, body);
    }
    let admin = upstream.all().iter().any(|seen| seen.line().contains("/admin/"));
    assert!(!admin, "a smuggled request reached the upstream");
}

/// Attack: a refused request's body is read, or what follows it is taken for the next request.
#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut connection = gateway.connect();
        let head = format!(
            "POST /admin/ HTTP/1.1\r\nHost: localhost\r\n{expect}Content-Length: 100000000\r\n\r\n"
        );
        connection.send(head.as_bytes());
        let answer = connection.receive(false).expect("an answer without the body");
        assert_eq!(answer.status, 401);
        assert!(connection.is_closed(), "a hundred megabytes are waited for");
    }
    assert_eq!(upstream.count(), 0);
}

/// The rule: a client that is refused before it has sent a short body keeps its connection: else
/// its next request would be lost, for nobody has told it that the connection ends.
#[test]
fn a_refusal_before_the_body_costs_no_connection() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    for (length, body) in [
        ("Content-Length: 13", "{\"name\": \"x\"}"),
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n0\r\n\r\n"),
    ] {
        let mut connection = gateway.connect();
        for _ in 0..3 {
            let head = format!("POST /admin/ HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n");
            connection.send(head.as_bytes());
            assert_eq!(connection.receive(false).expect("an answer").status, 401, "{length}");
            connection.send(body.as_bytes());
        }
        connection.send(b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(connection.receive(false).expect("an answer").status, 200, "{length}");
    }
    assert_eq!(upstream.count(), 2);
}

/// The rule: promises hold on a connection's first request and on its hundredth.
#[test]
fn a_kept_connection_forgets_the_request_before() {
    let upstream = Server::ok();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let alice = basic("alice", PASSWORD);
    for _ in 0..100 {
        let known = format!("GET /a HTTP/1.1\r\nHost: localhost\r\nAuthorization: {alice}\r\n\r\n");
        connection.send(known.as_bytes());
        assert_eq!(connection.receive(false).unwrap().status, 200);
        assert_eq!(upstream.last().folded("remote-user"), ["alice"]);
        connection.send(b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(connection.receive(false).unwrap().status, 200);
        assert_eq!(upstream.last().folded("remote-user"), Vec::<&str>::new());
    }
    // Pipelined: each its own answer, in order.
    let known =
        format!("GET /admin/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: {alice}\r\n\r\n");
    connection.send(format!("{known}GET /admin/ HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    assert_eq!(connection.receive(false).unwrap().status, 403);
    assert_eq!(connection.receive(false).unwrap().status, 401);
}

/// Attack: a route allows ambiguous paths; written with two slashes or a parameter, a path below a
/// stricter route gets the laxer one, and the upstream reads it as the stricter one's.
#[test]
fn an_allowed_ambiguity_does_not_open_a_stricter_route() {
    let gateway = Gateway::start(
        "permission: anyone\nroutes:\n\
         - { path: /files/, allow_paths: [double_slash, semicolon, encoded_slash], upstream: echo }\n\
         - { path: /files/secret/, permission: staff, upstream: echo }\n",
    );
    for path in ["/files/a//b", "/files/a;v=1", "/files/a%2Fb"] {
        assert_eq!(gateway.get(path, &[]).status, 200, "{path}");
    }
    for path in ["/files//secret/x", "/files/secret;a/x", "/files/secret%2Fx", "/files/;/secret/x"]
    {
        assert_eq!(gateway.get(path, &[]).status, 400, "{path}");
    }
}

/// The rule: what the parser refuses is refused by the gateway, as everything else is: with a body by
/// `errors`, security headers and a log line. An upstream's own answer of that form stays as it is.
#[test]
fn what_cannot_be_parsed_is_answered() {
    let upstream = Server::answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let routes = format!(
        "errors: {{ body: '{{\"said\":{{{{ detail | tojson }}}}}}' }}\n\
         routes: [{{ path: /, permission: anyone, upstream: \"http://127.0.0.1:{}\" }}]\n",
        upstream.port
    );
    let gateway = Setup::new().start(&routes);
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(2000));
    for (request, status, says) in [
        ("GET /?a=\"b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "Percent-encode"),
        ("GET /?a=<b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "Percent-encode"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, "not valid HTTP/1.1"),
        (&many, 431, "too large"),
    ] {
        for after in ["", "GET /good HTTP/1.1\r\nHost: h\r\n\r\n"] {
            let mut connection = gateway.connect();
            connection.send(format!("{after}{request}").as_bytes());
            if !after.is_empty() {
                let own = connection.receive(false).unwrap();
                assert_eq!((own.status, own.body.len()), (400, 0), "the upstream's answer");
                assert_eq!(own.header("x-content-type-options"), None);
            }
            let answer = connection.receive(false).unwrap();
            assert_eq!(answer.status, status, "{request:?}");
            let text = answer.text();
            assert!(text.starts_with("{\"said\":\"") && text.contains(says), "{request:?}: {text}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request:?}");
            assert_eq!(answer.values("connection").len(), 1, "{request:?}");
            assert!(connection.receive(false).is_none(), "the connection has to end");
        }
    }
    until("each has a line", || gateway.output().matches("\"- *\" 4").count() == 8);
}
