//! The store is down: who is known stays in for a stated time, who is not is
//! told 503. Nobody is told 401 for a credential that nobody could check.

use crate::support::{
    Answer, Connection, Gateway, NOT_AUTHENTICATED, PASSWORD, Setup, basic,
    gateway::{ALICE_KEY, free_port},
    http::request,
};

const ROUTES: &str = "authentication: [token, basic, api_key]\npermission: authenticated\nroutes:\n\
     - { path: /, upstream: echo }\n\
     - { path: /public/, permission: anyone, upstream: echo }\n\
     - { path: /api-token-auth/, endpoint: token }\n";

fn admin(gateway: &Gateway, path: &str) -> Answer {
    let mut connection = Connection::open(gateway.setup.admin);
    connection.send(&request("GET", path, &[], b""));
    connection.receive(false).unwrap()
}

/// Attack: the database is taken down, and "cannot ask" is read as "no" (clients throw their good
/// tokens away) or as "not mine" (a later scheme or the public route lets the request in).
#[test]
fn a_credential_that_cannot_be_checked_is_503() {
    let nobody = free_port();
    for url in [
        format!("postgres://django:secret@127.0.0.1:{nobody}/django"),
        format!("mysql://django:secret@127.0.0.1:{nobody}/django"),
    ] {
        let store = format!("store: {{ url: \"{url}\", timeout: 500ms }}\n");
        let gateway = Setup::new().start(&format!("{store}{ROUTES}"));
        let alice = basic("alice", PASSWORD);
        for target in ["/", "/public/"] {
            for header in [
                ("Authorization", &*format!("Token {ALICE_KEY}")),
                ("Authorization", &alice),
                ("X-Api-Key", "key"),
            ] {
                for _ in 0..2 {
                    let answer = gateway.get(target, &[header]);
                    assert_eq!(answer.status, 503, "{url} {target} {header:?}");
                    assert!(answer.header("retry-after").is_some());
                    assert_eq!(answer.header("www-authenticate"), None);
                    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
                }
            }
        }
        let json = [("Content-Type", "application/json")];
        let body = br#"{"username":"alice","password":"correct horse"}"#;
        assert_eq!(gateway.send("POST", "/api-token-auth/", &json, body).status, 503);
        // What needs no store is answered as always.
        assert_eq!(gateway.get("/public/", &[]).status, 200);
        assert_eq!(gateway.get("/", &[]).text(), NOT_AUTHENTICATED);
        assert_eq!(gateway.get("/", &[("Authorization", "Basic !!!")]).status, 401);
        assert_eq!(admin(&gateway, "/health/ready").status, 503);
        assert_eq!(admin(&gateway, "/health/live").status, 200);
        assert!(!gateway.output().contains("secret"), "the store's password is in the log");
    }
}

/// The rule: within `cache.grace` a known credential goes on working; an unknown one, and one that
/// was refused, are 503.
#[test]
fn who_is_known_stays_in_for_the_grace() {
    // Nothing is believed for longer than an instant, so that each request asks.
    let gateway = Setup::new().alice().user("bob", "x").token("bob", &"c".repeat(40)).start(
        &format!("cache: {{ ttl: 0s, negative_ttl: 0s, grace: 1h }}\nlockout: false\n{ROUTES}"),
    );
    let ask = |key: &str| gateway.get("/", &[("Authorization", &format!("Token {key}"))]);
    let (alice, bob) = (basic("alice", PASSWORD), basic("bob", "x"));
    assert_eq!(ask(ALICE_KEY).status, 200);
    assert_eq!(gateway.get("/", &[("Authorization", &alice)]).status, 200);
    assert_eq!(ask("unknown").status, 401);
    assert_eq!(admin(&gateway, "/health/ready").status, 200);

    gateway.execute("ALTER TABLE auth_user RENAME TO gone");
    for _ in 0..3 {
        assert_eq!(ask(ALICE_KEY).echoed("remote-user").as_deref(), Some("alice"));
        let answer = gateway.get("/", &[("Authorization", &alice)]);
        assert_eq!(answer.echoed("remote-user").as_deref(), Some("alice"));
        assert_eq!(ask(&"c".repeat(40)).status, 503, "a good one that was never seen");
        assert_eq!(gateway.get("/", &[("Authorization", &bob)]).status, 503);
        assert_eq!(ask("unknown").status, 503);
    }

    gateway.execute("ALTER TABLE gone RENAME TO auth_user");
    crate::support::until("it recovers", || ask(&"c".repeat(40)).status == 200);
    crate::support::until("it refuses again", || ask("unknown").status == 401);
}
