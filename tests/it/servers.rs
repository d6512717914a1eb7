//! An upstream on several servers: which of them gets a request, and what becomes of one that
//! fails, hangs or is full.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use crate::support::{
    Gateway, PASSWORD, Server, Setup, basic, gateway::free_port, server::Then, until,
};

/// Before these servers, with more settings of the upstream.
fn before(servers: &[&str], more: &str) -> Gateway {
    before_with(Setup::new().alice(), servers, more)
}

fn before_with(setup: Setup, servers: &[&str], more: &str) -> Gateway {
    setup.start(&format!(
        "permission: anyone\nroutes: [{{ path: /, upstream: {{ servers: {servers:?}{more} }} }}]\n"
    ))
}

fn nobody() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

fn answering(status: &'static str) -> Server {
    Server::start(move |_, wire| {
        let _ = write!(wire, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        Then::Keep
    })
}

/// The rule: servers take turns.
#[test]
fn servers_take_turns() {
    let (one, two) = (Server::ok(), Server::ok());
    let gateway = before(&[&one.url(), &two.url()], "");
    (0..10).for_each(|_| assert_eq!(gateway.get("/", &[]).status, 200));
    assert_eq!((one.count(), two.count()), (5, 5));
}

/// The rule: a server that cannot be connected to has seen nothing, so that any request, a POST too,
/// goes to the next.
#[test]
fn what_was_not_sent_goes_to_the_next() {
    let alive = Server::ok();
    let gateway = before(&[&nobody(), &alive.url()], "");
    for _ in 0..6 {
        assert_eq!(gateway.send("POST", "/", &[], b"once").status, 200);
    }
    assert_eq!(alive.count(), 6);
    assert!(alive.all().iter().all(|seen| seen.body == b"once"));
}

/// The rule: one that fails five times gets nothing for a while; where all fail, they are asked all
/// the same, since an answer of theirs is better than none.
#[test]
fn a_server_that_fails_gets_nothing() {
    let (ill, well) = (answering("503 Service Unavailable"), Server::ok());
    let gateway = before(&[&ill.url(), &well.url()], "");
    let statuses: Vec<_> = (0..30).map(|_| gateway.get("/", &[]).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 5, "{statuses:?}");
    assert_eq!(ill.count(), 5);

    let (one, two) = (answering("503 Service Unavailable"), answering("502 Bad Gateway"));
    let gateway = before(&[&one.url(), &two.url()], "");
    (0..30).for_each(|_| assert!(gateway.get("/", &[]).status >= 502));
    assert_eq!(one.count() + two.count(), 30);

    let (ill, well) = (answering("503 Service Unavailable"), Server::ok());
    let gateway = before(&[&ill.url(), &well.url()], ", outliers: false");
    (0..30).for_each(|_| drop(gateway.get("/", &[])));
    assert_eq!((ill.count(), well.count()), (15, 15));
}

/// The rule: an answer that says what is wrong with the request is not the server's failure.
#[test]
fn refusals_of_the_application_are_not_failures() {
    let (one, two) = (answering("404 Not Found"), answering("500 Internal Server Error"));
    let gateway = before(&[&one.url(), &two.url()], "");
    (0..30).for_each(|_| drop(gateway.get("/", &[])));
    assert_eq!((one.count(), two.count()), (15, 15));
}

/// The rule: with `balance: user` the same user comes to the same server.
#[test]
fn a_user_stays_with_a_server() {
    let servers: Vec<Server> = (0..3).map(|_| Server::ok()).collect();
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let names: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    let mut setup = Setup::new();
    for name in &names {
        setup = setup.user(name, PASSWORD);
    }
    let gateway = before_with(setup, &urls, ", balance: user");
    for name in &names {
        let authorization = basic(name, PASSWORD);
        let counts = || servers.iter().map(Server::count).collect::<Vec<_>>();
        let before = counts();
        for _ in 0..3 {
            assert_eq!(gateway.get("/", &[("Authorization", &authorization)]).status, 200);
        }
        let more: Vec<_> = counts().iter().zip(before).map(|(now, before)| now - before).collect();
        assert!(more.contains(&3), "{name}: {more:?}");
    }
    assert!(servers.iter().all(|server| server.count() > 0), "and not all to the same");
}

/// A server that holds each request until it is told to answer.
fn holding() -> (Server, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel();
    let held = Mutex::new(held);
    let server = Server::start(move |_, wire| {
        let _ = held.lock().unwrap().recv();
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Keep
    });
    (server, release)
}

/// The rule: with `balance: least_requests` a server that is slow gets no more until it is done.
#[test]
fn a_busy_server_is_spared() {
    let (busy, release) = holding();
    let idle = Server::ok();
    let gateway = before(&[&busy.url(), &idle.url()], ", balance: least_requests");
    thread::scope(|scope| {
        // Until the one that hangs has one.
        while busy.count() == 0 {
            scope.spawn(|| gateway.get("/", &[]));
            let before = busy.count() + idle.count();
            until("one of them has it", || {
                busy.count() + idle.count() > before || busy.count() > 0
            });
        }
        let before = idle.count();
        (0..10).for_each(|_| assert_eq!(gateway.get("/", &[]).status, 200));
        assert_eq!((busy.count(), idle.count()), (1, before + 10));
        release.send(()).unwrap();
    });
}

/// Attack: slow requests pile up at an upstream until it falls. More than `connections` are 503 at
/// once, with a time to come back.
#[test]
fn a_full_server_is_503() {
    let (full, release) = holding();
    let gateway = before(&[&full.url()], ", connections: 2");
    thread::scope(|scope| {
        let held: Vec<_> = (0..2).map(|_| scope.spawn(|| gateway.get("/", &[]).status)).collect();
        until("both are there", || full.count() == 2);
        let refused = gateway.get("/", &[]);
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        (0..2).for_each(|_| release.send(()).unwrap());
        held.into_iter().for_each(|held| assert_eq!(held.join().unwrap(), 200));
        release.send(()).unwrap();
        assert_eq!(gateway.get("/", &[]).status, 200, "there is room again");
    });
}

/// The rule: a server whose health is bad gets nothing until it is well again; if it is the only
/// one, clients are told at once.
#[test]
fn health_is_checked() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let server = Server::start(move |seen, wire| {
        let ill = seen.line().starts_with("GET /health ") && !told.load(Ordering::Relaxed);
        let status = if ill { "500 Ill" } else { "200 OK" };
        let _ = write!(wire, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        Then::Keep
    });
    let checks = ", health: { path: /health, interval: 20ms, unhealthy: 2, healthy: 2 }";
    let gateway = before(&[&server.url()], checks);
    assert_eq!(gateway.get("/", &[]).status, 200);
    let up = |number| format!("server=\"127.0.0.1:{}\"}} {number}\n", server.port);
    let seen = |number| {
        gateway.admin("/metrics").text().contains(&format!(
            "server_up{{upstream=\"{}\",{}",
            server.url(),
            up(number)
        ))
    };
    assert!(seen(1), "{}", gateway.admin("/metrics").text());
    well.store(false, Ordering::Relaxed);
    until("it is down", || gateway.get("/", &[]).status == 503);
    assert!(seen(0));
    let asked = server.all().iter().filter(|seen| !seen.line().contains("/health")).count();
    assert_eq!(gateway.get("/", &[]).status, 503);
    let after = server.all().iter().filter(|seen| !seen.line().contains("/health")).count();
    assert_eq!(asked, after, "and it is left alone");
    well.store(true, Ordering::Relaxed);
    until("it is up", || gateway.get("/", &[]).status == 200);
}

/// The rule: a framework that answers 400 to a host that is not its own is well. What is asked, and what
/// is well, can be said; by default it is asked as the route's clients ask.
#[test]
fn health_is_asked_as_clients_ask() {
    let server = Server::start(move |seen, wire| {
        let known = seen.folded("host") == ["shop.example"];
        let proto = seen.folded("x_forwarded_proto");
        let status = match (known, seen.line().starts_with("GET /teapot "), proto.as_slice()) {
            (false, ..) => "400 Bad Request",
            (true, true, _) => "418 Teapot",
            (true, false, ["https"]) => "200 OK",
            (true, false, _) => "301 Moved",
        };
        let _ = write!(wire, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        Then::Keep
    });
    let secure = "headers: { X-Forwarded-Proto: https }";
    for (route, health, well) in [
        ("host: shop.example", "{ path: / }".to_owned(), true),
        ("host: \"*.example\"", "{ path: / }".to_owned(), false),
        ("host: \"*\"", "{ path: / }".to_owned(), false),
        ("host: \"*\"", "{ path: /, host: shop.example }".to_owned(), true),
        ("host: shop.example", "{ path: /, status: 200 }".to_owned(), false),
        ("host: shop.example", format!("{{ path: /, status: 200-299, {secure} }}"), true),
        ("host: shop.example", "{ path: /teapot, status: 418 }".to_owned(), true),
        ("host: shop.example", "{ path: /teapot }".to_owned(), false),
    ] {
        let before = server.count();
        let often = "{ interval: 20ms, unhealthy: 2, healthy: 2,";
        let health = health.replacen('{', often, 1);
        let gateway = Gateway::start(&format!(
            "permission: anyone\nroutes:\n- {{ path: /, {route}, upstream: {{ servers: [\"{}\"], \
             health: {health} }} }}\n",
            server.url()
        ));
        until("it was checked", || server.count() > before + 4);
        let answer = gateway.admin("/health/ready");
        assert_eq!(answer.status == 200, well, "{route} {health}: {}", answer.text());
    }
}

/// The rule: readiness says when a route has no server, and fails where none has one.
#[test]
fn readiness_knows_routes_without_a_server() {
    let server = Server::ok();
    let dead = free_port();
    let route = |path: &str, port: u16| {
        format!("- {{ path: {path}, upstream: \"http://127.0.0.1:{port}\" }}\n")
    };
    for (routes, status, said) in [
        (route("/", server.port), 200, "ready\n"),
        (route("/", dead), 503, "no server answers behind /\n"),
        (
            route("/", server.port) + &route("/lost/", dead) + &route("/gone/", dead),
            200,
            "ready; no server answers behind /lost/, /gone/\n",
        ),
        ("- { path: /, upstream: echo }\n".to_owned(), 200, "ready\n"),
    ] {
        let gateway = Gateway::start(&format!("permission: anyone\nroutes:\n{routes}"));
        let answer = gateway.admin("/health/ready");
        assert_eq!((answer.status, answer.text().as_str()), (status, said), "{routes}");
    }
}

/// The rule: a host is looked up, and each of its addresses is a server.
#[test]
fn a_host_is_its_addresses() {
    let server = Server::ok();
    let gateway = before(&[&format!("http://localhost:{}", server.port)], ", resolve: 50ms");
    assert_eq!(gateway.get("/", &[]).status, 200);
    let address = format!("server=\"127.0.0.1:{}\"", server.port);
    until("it is looked up", || gateway.admin("/metrics").text().contains(&address));
    assert_eq!(gateway.get("/", &[]).status, 200);
}

/// The rule: what a configuration knows of its servers, and its connections, the next one has too.
#[test]
fn a_reload_keeps_connections() {
    let server = Server::ok();
    let gateway = before(&[&server.url()], "");
    let counted = || gateway.admin("/metrics").text().contains("result=\"answered\"} 6\n");
    (0..3).for_each(|_| assert_eq!(gateway.get("/", &[]).status, 200));
    gateway.signal("HUP");
    until("it is taken", || gateway.output().contains("the new configuration serves"));
    (0..3).for_each(|_| assert_eq!(gateway.get("/", &[]).status, 200));
    assert!(counted(), "{}", gateway.admin("/metrics").text());
}

/// Attack (CVE-2026-40912): a prefix is cut off after the decision, and what is left is another path
/// than the one that was judged.
#[test]
fn prefixes_are_cut_and_put_before() {
    let server = Server::ok();
    let gateway = Setup::new().alice().start(&format!(
        "permission: anyone\nroutes:\n  - path: /api/\n    allow_paths: [double_slash]\n    upstream: \
         {{ servers: [\"{}\"], strip_prefix: /api, add_prefix: /v2, host: app.internal }}\n",
        server.url()
    ));
    let answer = gateway.get("/api/users/?q=1", &[("X-Forwarded-Prefix", "/forged")]);
    assert_eq!(answer.status, 200);
    let seen = server.last();
    assert_eq!(seen.line(), "GET /v2/users/?q=1 HTTP/1.1");
    assert_eq!(seen.folded("host"), ["app.internal"]);
    assert_eq!(seen.folded("x-forwarded-prefix"), ["/api"]);
    assert_eq!(seen.folded("x-forwarded-host"), ["localhost"]);
    for target in ["/%61pi/users/", "/api/%2e%2e/admin/", "/api/../admin/"] {
        assert_eq!(gateway.get(target, &[]).status, 400, "{target}");
    }
    assert_eq!(server.count(), 1);
    let explained = gateway.command(&["explain", "GET", "http://localhost/api/a"]);
    assert!(explained.contains("GET /v2/a\n"), "{explained}");
}
