//! HTTPS to upstreams: whose certificates are believed, and the one that the gateway shows.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use crate::support::{
    Gateway, Setup,
    gateway::portcullis,
    server::{Server, Then},
    tls::{Authority, authority, file, issue},
};

/// A server with a certificate for `name`; it asks for one if it knows whose to believe.
fn server(authority: &Authority, name: &str, clients: Option<&Authority>) -> Server {
    let (certificate, key) = issue(authority, name);
    showing(&certificate, &key, clients)
}

fn showing(
    certificate: &rcgen::Certificate,
    key: &rcgen::KeyPair,
    clients: Option<&Authority>,
) -> Server {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    Server::start_tls(Arc::new(config), |_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Keep
    })
}

fn route(server: &Server, tls: &str) -> String {
    let server = format!("https://127.0.0.1:{}", server.port);
    format!(
        "permission: anyone\nroutes: [{{ path: /, upstream: {{ servers: [\"{server}\"], tls: {{ {tls} }} }} }}]\n"
    )
}

fn status(setup: Setup, yaml: &str) -> u16 {
    setup.start(yaml).get("/", &[]).status
}

/// The rule: a certificate that has signed itself, as `openssl req -x509` makes it, is trusted where it is
/// listed. Attack: another one of the same name, or the listed one on another host or after its end.
#[test]
fn a_listed_certificate_is_trusted_itself() {
    let signed = |name: &str, authority: bool, ended: bool| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        if authority {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        if ended {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), key)
    };
    for (name, authority, ended, listed, expected) in [
        ("127.0.0.1", true, false, true, 200),
        ("127.0.0.1", false, false, true, 200),
        ("127.0.0.1", true, false, false, 502),
        ("other.example", true, false, true, 502),
        ("127.0.0.1", true, true, true, 502),
    ] {
        let (certificate, key) = signed(name, authority, ended);
        let other = signed(name, authority, ended).0;
        let setup = Setup::new();
        let named = if listed { &certificate } else { &other };
        let ca = file(&setup.dir.0, "ca.pem", &named.pem());
        let server = showing(&certificate, &key, None);
        let row = format!("{name} authority {authority} ended {ended} listed {listed}");
        assert_eq!(status(setup, &route(&server, &format!("ca: \"{ca}\""))), expected, "{row}");
    }
}

/// Attack: somebody between gateway and upstream answers in its name. Only a certificate of a
/// believed authority, for the server's own name, is an answer.
#[test]
fn only_the_right_certificate_is_believed() {
    let (own, other) = (authority(), authority());
    for (by, name, tls, expected) in [
        (&own, "127.0.0.1", "", 200),
        (&other, "127.0.0.1", "", 502),
        (&own, "127.0.0.2", "", 502),
        (&own, "app.internal", "", 502),
        (&own, "app.internal", ", name: app.internal", 200),
    ] {
        let setup = Setup::new();
        let ca = file(&setup.dir.0, "ca.pem", &own.pem());
        let server = server(by, name, None);
        let yaml = route(&server, &format!("ca: {ca}{tls}"));
        assert_eq!(status(setup, &yaml), expected, "{name} {tls}");
    }
    // Without `ca` the system's authorities are believed, and this is none of them.
    let server = server(&own, "127.0.0.1", None);
    let yaml = route(&server, "").replace(", tls: {  }", "");
    assert_eq!(status(Setup::new(), &yaml), 502);
}

/// The rule: the gateway shows its certificate to an upstream that wants one.
#[test]
fn the_gateway_shows_a_certificate() {
    let own = authority();
    let server = server(&own, "127.0.0.1", Some(&own));
    let (certificate, key) = issue(&own, "gateway");
    let files = |setup: &Setup| {
        let folder = &setup.dir.0;
        let ca = file(folder, "ca.pem", &own.pem());
        let certificate = file(folder, "own.pem", &certificate.pem());
        let key = file(folder, "own.key", &key.serialize_pem());
        (ca, certificate, key)
    };
    let setup = Setup::new();
    let (ca, certificate, key) = files(&setup);
    let tls = format!("ca: {ca}, certificate: {certificate}, key: {key}");
    assert_eq!(status(setup, &route(&server, &tls)), 200);
    let setup = Setup::new();
    let (ca, ..) = files(&setup);
    assert_eq!(status(setup, &route(&server, &format!("ca: {ca}"))), 502);
}

/// Attack: a file that cannot be read leaves an upstream unverified. It is a start refused.
#[test]
fn unreadable_files_refuse_the_start() {
    let own = authority();
    let server = server(&own, "127.0.0.1", None);
    let setup = Setup::new();
    let empty = file(&setup.dir.0, "empty.pem", "");
    for (tls, said) in [
        ("ca: /nowhere/ca.pem".to_owned(), "/nowhere/ca.pem"),
        (format!("ca: {empty}"), "there is no certificate in it"),
        ("certificate: a.pem".to_owned(), "give both `certificate` and `key`"),
    ] {
        setup.write(&route(&server, &tls));
        let output = portcullis(&setup.config(), &["check"], "");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{tls}: {text}");
    }
}

/// The rule: a reload reads the files again.
#[test]
fn a_reload_reads_certificates_again() {
    let (own, other) = (authority(), authority());
    let server = server(&own, "127.0.0.1", None);
    let setup = Setup::new();
    let ca = file(&setup.dir.0, "ca.pem", &other.pem());
    let gateway: Gateway = setup.start(&route(&server, &format!("ca: {ca}")));
    assert_eq!(gateway.get("/", &[]).status, 502);
    file(&gateway.setup.dir.0, "ca.pem", &own.pem());
    gateway.signal("HUP");
    crate::support::until("it is read", || gateway.get("/", &[]).status == 200);
}
