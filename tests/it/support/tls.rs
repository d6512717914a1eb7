//! Certificates, and a client that may show one.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version::TLS13,
};

use super::PATIENCE;

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `name`, and its key.
pub(crate) fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A certificate of a client, with a common name and an e-mail address.
pub(crate) fn person(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let email = format!("{name}@example.com").try_into().unwrap();
    params.subject_alt_names = vec![SanType::Rfc822Name(email)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A client that speaks HTTPS.
pub(crate) struct Client {
    roots: RootCertStore,
    version: &'static SupportedProtocolVersion,
    shown: Option<(CertificateDer<'static>, Vec<u8>)>,
}

impl Client {
    pub(crate) fn trusting(certificate: &CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        Self { roots, version: &TLS13, shown: None }
    }

    pub(crate) fn speaking(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { version, ..self }
    }

    fn showing(self, shown: &(rcgen::Certificate, KeyPair)) -> Self {
        Self { shown: Some((shown.0.der().clone(), shown.1.serialize_der())), ..self }
    }

    /// What is answered to a request for `host` on a connection for `name`; nothing if there is no
    /// connection.
    pub(crate) fn ask(&self, port: u16, name: &str, host: &str) -> Option<String> {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.send(port, name, &head)
    }

    fn open(&self, port: u16, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match self.shown.clone() {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, socket)
    }

    fn send(&self, port: u16, name: &str, head: &str) -> Option<String> {
        let mut stream = self.open(port, name);
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        // Not every server says that it closes; what has come counts.
        let _ = stream.read_to_end(&mut answer);
        (!answer.is_empty()).then(|| String::from_utf8(answer).unwrap())
    }
}

/// What `api.example` answers to a request for `target` with these fields; nothing if there is no
/// connection.
pub(crate) fn ask(
    port: u16,
    server: &Authority,
    shown: Option<&(rcgen::Certificate, KeyPair)>,
    target: &str,
    fields: &str,
) -> Option<String> {
    let client = client(server, shown);
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n{fields}\r\n");
    client.send(port, "api.example", &head)
}

fn client(server: &Authority, shown: Option<&(rcgen::Certificate, KeyPair)>) -> Client {
    let client = Client::trusting(server.der());
    match shown {
        Some(shown) => client.showing(shown),
        None => client,
    }
}

/// A connection to `api.example` that is kept.
pub(crate) struct Kept(StreamOwned<ClientConnection, TcpStream>);

impl Kept {
    pub(crate) fn new(
        port: u16,
        server: &Authority,
        shown: Option<&(rcgen::Certificate, KeyPair)>,
    ) -> Self {
        Self(client(server, shown).open(port, "api.example"))
    }

    /// Whether an HTTP/2 request is answered with 200, by a client that does nothing that it is asked to:
    /// no ping and no end is heard. The first begins the connection.
    pub(crate) fn asks_http2(&mut self, stream: u8) -> Option<bool> {
        if stream == 1 {
            self.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").ok()?;
        }
        // GET, https, / and the host (RFC 7541 appendix A).
        let mut head = vec![0x82, 0x87, 0x84, 0x41, 11];
        head.extend(b"api.example");
        let length = u8::try_from(head.len()).unwrap();
        self.0.write_all(&[0, 0, length, 1, 5, 0, 0, 0, stream]).ok()?;
        self.0.write_all(&head).ok()?;
        loop {
            let mut frame = [0; 9];
            self.0.read_exact(&mut frame).ok()?;
            let [a, b, c, kind, .., of] = frame;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).ok()?;
            if (kind, of) == (1, stream) {
                // The status comes first.
                return Some(payload.first() == Some(&0x88));
            }
        }
    }

    /// The status of an answer; nothing if the connection was closed.
    pub(crate) fn ask(&mut self, target: &str) -> Option<String> {
        let head = format!("HEAD {target} HTTP/1.1\r\nHost: api.example\r\n\r\n");
        self.0.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).ok()?;
            answer.extend(byte);
        }
        String::from_utf8(answer.get(9..12)?.to_vec()).ok()
    }
}

/// Writes PEM files and says where they are.
pub(crate) fn file(folder: &Path, name: &str, pem: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, pem).unwrap();
    path.display().to_string()
}
