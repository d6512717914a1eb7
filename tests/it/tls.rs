//! HTTPS: certificates by name, read again at a reload, and never less than HTTPS.

use std::path::Path;

use rustls::{
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};

use crate::support::{
    Gateway, Setup,
    gateway::{ALICE_KEY, portcullis},
    tls::Client,
    until,
};

const ROUTES: &str =
    "permission: anyone\nlimits: { head_time: 1s }\nroutes: [{ path: /, upstream: echo }]\n";

/// A certificate of its own for these names, in files of this name.
fn certificate(folder: &Path, file: &str, names: &[&str]) -> CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join(format!("{file}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{file}.key")), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn file(setup: &Setup, tls: &str) -> String {
    let head = format!("listen: {{ address: \"127.0.0.1:{}\"{tls} }}\n", setup.port);
    let store = setup.database();
    format!("{head}store: {{ url: \"sqlite://{}\", create: true }}\n{ROUTES}", store.display())
}

fn tls_of(setup: &Setup, file: &str) -> String {
    let at = |kind: &str| setup.dir.0.join(format!("{file}.{kind}")).display().to_string();
    format!(", tls: {{ certificate: {}, key: {} }}", at("pem"), at("key"))
}

fn start(setup: Setup, tls: &str) -> Gateway {
    setup.prepare(ROUTES);
    std::fs::write(setup.config(), file(&setup, tls)).unwrap();
    Gateway::spawn(setup)
}

/// The rule: HTTPS by both versions of TLS that there are, said to the upstream; and an attack: a
/// client that begins and does not go on, or speaks plain HTTP, holds a connection for ever.
#[test]
fn https_is_served_and_nothing_else() {
    let setup = Setup::new();
    let known = certificate(&setup.dir.0, "one", &["a.example"]);
    let tls = tls_of(&setup, "one");
    let gateway = start(setup, &tls);
    let port = gateway.setup.port;
    for version in [&TLS12, &TLS13] {
        let client = Client::trusting(&known).speaking(version);
        let answer = client.ask(port, "a.example", "a.example").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"x-forwarded-proto\": \"https\""), "{answer}");
    }
    let mut silent = gateway.connect();
    let mut plain = gateway.connect();
    plain.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(plain.head().is_none_or(|(status, _)| status != 200));
    assert!(silent.is_closed());
    let client = Client::trusting(&known);
    assert!(client.ask(port, "a.example", "a.example").is_some(), "it serves on");
}

/// Attack (CVE-2025-23419 and its family): the connection is made for one host, whose certificate
/// was shown, and the request is for another.
#[test]
fn a_request_is_for_the_host_of_its_connection() {
    let setup = Setup::new();
    let folder = setup.dir.0.clone();
    let one = certificate(&folder, "one", &["a.example"]);
    let two = certificate(&folder, "two", &["*.b.example", "b.example"]);
    let at = |file: &str| folder.join(file).display().to_string();
    let tls = format!(
        ", tls: {{ certificate: {}, key: {}, more: [{{ certificate: {}, key: {} }}] }}",
        at("one.pem"),
        at("one.key"),
        at("two.pem"),
        at("two.key")
    );
    let gateway = start(setup, &tls);
    let port = gateway.setup.port;
    let status = |known, name: &str, host: &str| {
        let answer = Client::trusting(known).ask(port, name, host)?;
        answer.split(' ').nth(1)?.parse::<u16>().ok()
    };
    assert_eq!(status(&one, "a.example", "a.example"), Some(200));
    assert_eq!(status(&one, "a.example", "A.example.:8443"), Some(200));
    assert_eq!(status(&two, "b.example", "b.example"), Some(200));
    assert_eq!(status(&two, "x.b.example", "x.b.example"), Some(200));
    assert_eq!(status(&two, "a.example", "a.example"), None, "another's certificate");
    assert_eq!(status(&two, "x.y.b.example", "x.y.b.example"), None, "two steps below");
    assert_eq!(status(&one, "a.example", "b.example"), Some(421));
    assert_eq!(status(&two, "x.b.example", "y.b.example"), Some(421));
    // An address is no name, and asks for none.
    assert_eq!(status(&one, "127.0.0.1", "a.example"), None, "it is not in the certificate");
}

/// Attack (CVE-2026-27586 and its family): a certificate that cannot be read, or one that was taken
/// out of the file, makes plain HTTP of a port that spoke HTTPS. And the rule: a renewed certificate
/// counts from the reload on.
#[test]
fn a_reload_reads_certificates_and_never_opens_a_port() {
    let setup = Setup::new();
    let folder = setup.dir.0.clone();
    let old = certificate(&folder, "one", &["a.example"]);
    let tls = tls_of(&setup, "one");
    let gateway = start(setup, &tls);
    let port = gateway.setup.port;
    let good = |known| Client::trusting(known).ask(port, "a.example", "a.example").is_some();
    assert!(good(&old));
    let new = certificate(&folder, "one", &["a.example"]);
    gateway.signal("HUP");
    until("the new certificate", || good(&new));
    assert!(!good(&old));

    std::fs::write(folder.join("one.key"), "nonsense").unwrap();
    gateway.signal("HUP");
    until("it is told", || gateway.output().contains("the old configuration stays"));
    assert!(good(&new));

    std::fs::write(gateway.setup.config(), file(&gateway.setup, "")).unwrap();
    gateway.signal("HUP");
    until("it is told", || gateway.output().contains("takes a restart"));
    let mut plain = gateway.connect();
    plain.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {ALICE_KEY}\r\n\r\n").as_bytes());
    assert!(plain.head().is_none(), "the port speaks plain HTTP");
}

/// The rule: what is wrong with a certificate is told before the start, with the line.
#[test]
fn a_bad_certificate_is_a_problem() {
    let setup = Setup::new();
    let folder = setup.dir.0.clone();
    certificate(&folder, "one", &["a.example"]);
    certificate(&folder, "two", &["a.example"]);
    std::fs::write(folder.join("no.pem"), "nonsense").unwrap();
    for (certificate, key, says) in [
        ("missing.pem", "one.key", "missing.pem"),
        ("no.pem", "one.key", "no certificate"),
        ("one.pem", "missing.key", "missing.key"),
        ("one.pem", "one.pem", "one.pem"),
        ("one.pem", "two.key", "the key of another certificate"),
    ] {
        let at = |file: &str| folder.join(file).display().to_string();
        let tls = format!(", tls: {{ certificate: {}, key: {} }}", at(certificate), at(key));
        std::fs::write(setup.config(), file(&setup, &tls)).unwrap();
        let output = portcullis(&setup.config(), &["check"], "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(says), "{says}: {text}");
        assert!(text.contains("gateway.yaml:1:"), "{text}");
    }
}
