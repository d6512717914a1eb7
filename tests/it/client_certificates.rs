//! Mutual TLS: a certificate becomes somebody, and each route says for itself who needs one.

use crate::support::{
    Gateway, PASSWORD, Setup,
    gateway::portcullis,
    tls::{Authority, Kept, ask, authority, file, issue, person},
    until,
};

/// A gateway for `api.example` that believes certificates of `clients`.
fn gateway(server: &Authority, clients: &Authority, rest: &str) -> Gateway {
    let setup = Setup::new().user("alice", PASSWORD).inactive("bob", PASSWORD);
    setup.prepare("routes: [{ path: /, upstream: echo }]\n");
    write(&setup, server, clients, rest);
    Gateway::spawn(setup)
}

fn write(setup: &Setup, server: &Authority, clients: &Authority, rest: &str) {
    let (certificate, key) = issue(server, "api.example");
    let folder = &setup.dir.0;
    let certificate = file(folder, "server.pem", &certificate.pem());
    let key = file(folder, "server.key", &key.serialize_pem());
    let ca = file(folder, "clients.pem", &clients.pem());
    let text = format!(
        "listen: {{ address: \"127.0.0.1:{}\", tls: {{ certificate: {certificate}, key: {key}, \
         client_ca: {ca} }} }}\nstore: {{ url: \"sqlite://{}\", create: true }}\n{rest}",
        setup.port,
        setup.database().display()
    );
    std::fs::write(setup.config(), text).unwrap();
}

const ROUTES: &str = "\
authentication: [certificate]
routes:
  - { path: /, upstream: echo }
  - { path: /open/, permission: anyone, authentication: [], upstream: echo }
  - path: /service/
    authentication: [{ certificate: { name: service, field: email, user: certificate } }]
    upstream: echo
";

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

/// The rule: the common name of a certificate is a user of the store; no certificate is 403, for
/// HTTP has no challenge that asks for one.
#[test]
fn a_certificate_is_a_user() {
    let (server, clients) = (authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let port = gateway.setup.port;
    let alice = person(&clients, "alice");
    let answer = ask(port, &server, Some(&alice), "/", "Remote-User: root\r\n").unwrap();
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(answer.contains("\"remote-user\": \"alice\""), "{answer}");
    let nobody = ask(port, &server, None, "/", "").unwrap();
    assert_eq!(status(&nobody), "403");
    assert!(nobody.contains("Authentication credentials were not provided."), "{nobody}");
    for name in ["mallory", "bob"] {
        let answer = ask(port, &server, Some(&person(&clients, name)), "/", "").unwrap();
        assert_eq!(status(&answer), "403", "{name}");
        assert!(answer.contains("User inactive or deleted."), "{answer}");
    }
}

/// Attack (CVE-2025-23419): a connection that was made for a route without client certificates is
/// used for one that needs them. The chain of each request's own route decides.
#[test]
fn each_route_says_who_needs_one() {
    let (server, clients) = (authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let port = gateway.setup.port;
    for (target, expected) in [("/open/", "200"), ("/", "403"), ("/service/", "403")] {
        let answer = ask(port, &server, None, target, "").unwrap();
        assert_eq!(status(&answer), expected, "{target}");
    }
    let billing = person(&clients, "billing");
    let answer = ask(port, &server, Some(&billing), "/service/", "").unwrap();
    assert!(answer.contains("\"remote-user\": \"billing@example.com\""), "{answer}");
    let answer = ask(port, &server, Some(&billing), "/open/", "").unwrap();
    assert!(status(&answer) == "200" && !answer.contains("\"remote-user\""), "{answer}");
}

/// Attack: a certificate that the client has made itself, or that another authority vouches for.
#[test]
fn other_authorities_are_not_believed() {
    let (server, clients, other) = (authority(), authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let forged = person(&other, "alice");
    let answer = ask(gateway.setup.port, &server, Some(&forged), "/", "");
    assert_eq!(answer, None, "there is not even a connection");
}

/// Attack: a session of TLS that was begun under one authority is resumed after a reload took it
/// away. The new configuration knows nothing of it.
#[test]
fn a_reload_takes_an_authority_away() {
    let (server, clients, other) = (authority(), authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let alice = person(&clients, "alice");
    let port = gateway.setup.port;
    let answer = ask(port, &server, Some(&alice), "/", "").unwrap();
    assert_eq!(status(&answer), "200");
    write(&gateway.setup, &server, &other, ROUTES);
    gateway.signal("HUP");
    until("it is believed no longer", || ask(port, &server, Some(&alice), "/", "").is_none());
}

/// Attack: a connection that was made with a certificate is kept, for when it is revoked.
#[test]
fn a_kept_connection_ends_when_its_certificate_may_be_revoked() {
    let (server, clients, other) = (authority(), authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let port = gateway.setup.port;
    let mut kept = Kept::new(port, &server, Some(&person(&clients, "alice")));
    let mut nobody = Kept::new(port, &server, None);
    for _ in 0..2 {
        assert_eq!(kept.ask("/").as_deref(), Some("200"));
        assert_eq!(nobody.ask("/open/").as_deref(), Some("200"));
    }
    write(&gateway.setup, &server, &other, ROUTES);
    gateway.signal("HUP");
    until("it is closed", || kept.ask("/").is_none());
    assert_eq!(nobody.ask("/open/").as_deref(), Some("200"), "who has shown none stays");
}

/// Attack: over HTTP/2, by a client that does not hear that the connection ends.
#[test]
fn a_connection_that_stays_is_not_believed() {
    let (server, clients, other) = (authority(), authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let port = gateway.setup.port;
    let mut kept = Kept::new(port, &server, Some(&person(&clients, "alice")));
    assert_eq!(kept.asks_http2(1), Some(true));
    write(&gateway.setup, &server, &other, ROUTES);
    gateway.signal("HUP");
    until("it is reloaded", || gateway.output().contains("the new configuration serves"));
    for stream in [3, 5, 7] {
        assert_ne!(kept.asks_http2(stream), Some(true));
    }
}

/// Attack: the file with the revocations is cut off, or another one is put in its place, and whoever
/// was revoked is let in again.
#[test]
fn a_list_of_revocations_without_one_is_refused() {
    let (server, clients) = (authority(), authority());
    let gateway = gateway(&server, &clients, ROUTES);
    let text = std::fs::read_to_string(gateway.setup.config()).unwrap();
    for content in ["", "xx", &clients.pem()] {
        let list = file(&gateway.setup.dir.0, "revoked.pem", content);
        let with_list = text.replace(", client_ca:", &format!(", client_crl: {list}, client_ca:"));
        std::fs::write(gateway.setup.config(), with_list).unwrap();
        let output = portcullis(&gateway.setup.config(), &["check"], "");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("there is no revocation list in it"), "{content:?}: {told}");
    }
}

/// The rule: a proxy that shows its certificate may name users, wherever it connects from.
#[test]
fn a_proxy_is_proven_by_its_certificate() {
    let (server, clients) = (authority(), authority());
    let routes = "authentication: [{ remote_user: { from_certificates: [edge.example] } }]\n\
                  routes: [{ path: /, upstream: echo }]\n";
    let gateway = gateway(&server, &clients, routes);
    let port = gateway.setup.port;
    let named = "Remote-User: alice\r\n";
    let edge = issue(&clients, "edge.example");
    let answer = ask(port, &server, Some(&edge), "/", named).unwrap();
    assert!(answer.contains("\"remote-user\": \"alice\""), "{answer}");
    for shown in [None, Some(&issue(&clients, "other.example"))] {
        assert_eq!(status(&ask(port, &server, shown, "/", named).unwrap()), "403");
    }
}

/// A mistake: nobody can have a certificate, since nobody is asked for one.
#[test]
fn a_scheme_without_a_listener_is_told() {
    let setup = Setup::new();
    setup.write("authentication: [certificate]\nroutes: [{ path: /, upstream: echo }]\n");
    let output = portcullis(&setup.config(), &["check"], "");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("no listener asks clients for certificates"), "{text}");
}
