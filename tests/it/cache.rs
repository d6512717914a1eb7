//! Attacks on what is remembered: facts are kept, verdicts are not, and no
//! credential answers for another.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    Gateway, PASSWORD, Server, Setup, basic, gateway::ALICE_KEY, server::Then, until,
};

/// A service that lets everybody in under one name, slowly enough that many wait for one answer.
fn service(answer: &'static str, pause: Duration) -> Server {
    Server::start(move |_, wire| {
        thread::sleep(pause);
        let _ = wire.write_all(answer.as_bytes());
        Then::Keep
    })
}

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"username\":\"carol\"}";
const NO: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

/// Attack (CVE-2021-32701, heimdall#3452): a credential is let in on one route, and the cached
/// answer lets it in on another, which it may not use.
#[test]
fn a_cached_credential_is_judged_again_on_each_route() {
    let gateway = Gateway::start(
        "authentication: [token, basic]\npermission: authenticated\nroutes:\n\
         - { path: /, upstream: echo }\n\
         - { path: /staff/, permission: staff, upstream: echo }\n\
         - { path: /write/, permission: { scope: write }, upstream: echo }\n\
         - { path: /cel/, permission: { cel: 'request.method == \"POST\"' }, upstream: echo }\n",
    );
    let token = format!("Token {ALICE_KEY}");
    for authorization in [token.as_str(), &basic("alice", PASSWORD)] {
        let headers = [("Authorization", authorization)];
        for _ in 0..3 {
            assert_eq!(gateway.get("/", &headers).status, 200);
            assert_eq!(gateway.get("/staff/", &headers).status, 403);
            assert_eq!(gateway.get("/write/", &headers).status, 403);
            assert_eq!(gateway.get("/cel/", &headers).status, 403);
            assert_eq!(gateway.send("POST", "/cel/", &headers, b"").status, 200);
        }
    }
}

/// Attack (CVE-2026-33496, nginx-ldap-auth#103): one verifier's answer is another's, because the
/// cache's key lacks the verifier. The same text here is good for one scheme and bad for the next.
#[test]
fn two_schemes_do_not_share_what_they_know() {
    let gateway = Setup::new().alice().start(
        "authentication: [token, api_key]\nlockout: false\npermission: authenticated\nroutes:\n\
         - { path: /token/, authentication: [token], upstream: echo }\n\
         - { path: /key/, authentication: [api_key], upstream: echo }\n",
    );
    let token = format!("Token {ALICE_KEY}");
    for _ in 0..2 {
        assert_eq!(gateway.get("/token/", &[("Authorization", &token)]).status, 200);
        assert_eq!(gateway.get("/key/", &[("X-Api-Key", ALICE_KEY)]).status, 401);
    }
}

/// The same attack with two schemes of one kind: two services, each asked on its own route under
/// the kind's own name, are two verifiers.
#[test]
fn two_services_do_not_share_what_they_know() {
    let (yes, no) = (service(YES, Duration::ZERO), service(NO, Duration::ZERO));
    let route = |path: &str, server: &Server| {
        format!(
            "- {{ path: {path}, authentication: [callout: {{ url: \"{}\", headers: [X-Name] }}], upstream: echo }}\n",
            server.url()
        )
    };
    let routes = route("/yes/", &yes) + &route("/no/", &no);
    let gateway =
        Gateway::start(&format!("lockout: false\npermission: authenticated\nroutes:\n{routes}"));
    for _ in 0..2 {
        assert_eq!(gateway.get("/yes/", &[("X-Name", "x")]).status, 200);
        assert_eq!(
            gateway.get("/no/", &[("X-Name", "x")]).status,
            403,
            "asked of the other service"
        );
    }
}

/// Attack (CVE-2026-71326, CVE-2026-35030): fields joined without their lengths make one key of two
/// credentials.
#[test]
fn joined_fields_do_not_collide() {
    let echo = Server::start(|seen, wire| {
        let name = format!("{:?}{:?}", seen.folded("x-a"), seen.folded("x-b"));
        let body = serde_json::json!({ "username": name }).to_string();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        let _ = write!(wire, "{head}{length}\r\n\r\n{body}");
        Then::Keep
    });
    let gateway = Gateway::start(&format!(
        "authentication: [callout: {{ url: \"{}\", headers: [X-A, X-B] }}]\npermission: authenticated\n\
         routes: [{{ path: /, endpoint: whoami }}]\n",
        echo.url()
    ));
    let mut names = std::collections::HashSet::new();
    for headers in [
        &[("X-A", "12"), ("X-B", "3")][..],
        &[("X-A", "1"), ("X-B", "23")],
        &[("X-A", "123")],
        &[("X-B", "123")],
        &[("X-A", "1"), ("X-A", "23")],
        &[("X-A", "1"), ("X-A", "2"), ("X-A", "3")],
        &[("X-A", "12x-b3")],
        &[("X-A", ""), ("X-B", "123")],
    ] {
        let name = gateway.get("/", headers).json()["username"].to_string();
        assert!(names.insert(name.clone()), "{headers:?} was answered with {name}");
    }
}

/// Attack: many requests with one new credential at once ask the service as many times.
#[test]
fn one_credential_is_looked_up_once() {
    let service = service(YES, Duration::from_millis(300));
    let gateway = Arc::new(Gateway::start(&format!(
        "authentication: [callout: {{ url: \"{}\", headers: [X-Name] }}]\npermission: authenticated\n\
         routes: [{{ path: /, upstream: echo }}]\n",
        service.url()
    )));
    let together = Arc::new(Barrier::new(20));
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let (gateway, together) = (Arc::clone(&gateway), Arc::clone(&together));
            thread::spawn(move || {
                together.wait();
                gateway.get("/", &[("X-Name", "x")]).echoed("remote-user")
            })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.join().unwrap().as_deref(), Some("carol"));
    }
    let asked = service.all().iter().filter(|seen| !seen.line().starts_with("OPTIONS ")).count();
    assert_eq!(asked, 1);
}

/// Attack (CVE-2026-33544): state shared between requests gives one user's answer to another. A
/// thousand requests of fifty users, on kept connections of both workers, first use and cached.
#[test]
fn every_answer_belongs_to_its_asker() {
    let key = |number: usize| format!("{number:0>40}");
    let mut setup = Setup::new();
    for number in 0..50 {
        let name = format!("user{number}");
        setup = setup.user(&name, &name).token(&name, &key(number));
    }
    let gateway = setup.start(
        "authentication: [token, basic]\npermission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut connection = gateway.connect();
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= 1000 {
                        break;
                    }
                    let number = turn * 7 % 50;
                    let name = format!("user{number}");
                    let authorization = match turn % 3 {
                        0 => basic(&name, &name),
                        _ => format!("Token {}", key(number)),
                    };
                    let head = format!(
                        "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n"
                    );
                    connection.send(head.as_bytes());
                    let answer = connection.receive(false).unwrap();
                    assert_eq!(answer.echoed("remote-user"), Some(name));
                }
            });
        }
    });
}

/// Attack (CVE-2021-41230, GHSA-x883-2vmg-xwf7): who was disabled, or lost a group, keeps what the
/// cache remembers. The bound is `cache.ttl`.
#[test]
fn a_disabled_user_and_a_lost_group_end_within_the_ttl() {
    let gateway = Setup::new().alice().group("alice", "editors").start(
        "cache: { ttl: 300ms, negative_ttl: 100ms }\nauthentication: [token]\npermission: authenticated\n\
         routes: [{ path: /, upstream: echo }]\n",
    );
    let token = format!("Token {ALICE_KEY}");
    let ask = || gateway.get("/", &[("Authorization", &token)]);
    assert_eq!(ask().echoed("remote-groups").as_deref(), Some("editors"));
    gateway.execute("DELETE FROM auth_user_groups");
    until("the group is gone", || ask().echoed("remote-groups").is_none());
    gateway.execute("UPDATE auth_user SET is_active = 0");
    until("alice is out", || ask().status == 401);
    assert_eq!(ask().text(), r#"{"detail":"User inactive or deleted."}"#);
    gateway.execute("UPDATE auth_user SET is_active = 1");
    until("alice is in again, after negative_ttl", || ask().status == 200);
    gateway.execute("DELETE FROM authtoken_token");
    until("the token is gone", || ask().text() == r#"{"detail":"Invalid token."}"#);
}
