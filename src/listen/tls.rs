//! TLS of a listener: certificates from files, chosen by the name that the client asks for. A reload
//! reads the files again; connections that are open keep what they have.

use std::{path::PathBuf, sync::Arc};

use hyper::header::HeaderValue;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    crypto::pem,
    request::covers,
    value::{Path, Period, Problem, Problems},
};

/// The `tls` setting of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub struct Config {
    /// A PEM file: the certificate, and those between it and the root.
    certificate: PathBuf,
    /// A PEM file with its private key.
    key: PathBuf,
    /// Further certificates, each for the names that stand in it.
    #[serde(default)]
    more: Vec<Pair>,
    /// A PEM file with the authorities whose clients may show certificates. Who has to show one, the
    /// schemes and rules of routes say; routes are those of all listeners, so whoever one of them
    /// believes is believed.
    client_ca: Option<PathBuf>,
    /// A PEM file with the lists of certificates that these authorities have revoked. Each list has
    /// a date by which the next is there: after that, no certificate is believed.
    client_crl: Option<PathBuf>,
    /// For how long browsers shall come by HTTPS only: `Strict-Transport-Security`.
    hsts: Option<Period>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificate")]
struct Pair {
    /// As above.
    certificate: PathBuf,
    /// As above.
    key: PathBuf,
}

/// The certificates of a listener; the first is for who asks for a name that none has.
#[derive(Debug)]
struct Certificates {
    first: Arc<CertifiedKey>,
    /// By name, in lower case; `*.` in front of one is for all names a step below.
    named: Vec<(String, Arc<CertifiedKey>)>,
}

impl Config {
    pub(super) fn asks_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    /// `Strict-Transport-Security` (RFC 6797).
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        let age = self.hsts?.0.as_secs();
        HeaderValue::try_from(format!("max-age={age}")).ok()
    }

    /// Reads the files; also the names that the certificates are for.
    ///
    /// # Errors
    /// Those that cannot be read, and keys of other certificates.
    pub(super) fn build(&self, path: &Path) -> Result<(Arc<ServerConfig>, Vec<String>), Problems> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut problems = Problems::default();
        let first = problems.keep(load(&self.certificate, &self.key, path, &provider));
        let more = self.more.iter().enumerate().map(|(index, pair)| {
            load(&pair.certificate, &pair.key, &path.key("more").index(index), &provider)
        });
        let more: Vec<_> = more.filter_map(|loaded| problems.keep(loaded)).collect();
        let clients = problems.keep(self.clients(path, &provider));
        let (Some(first), Some(clients)) = (first, clients) else { return Err(problems) };
        let named = [&first].into_iter().chain(&more);
        let named =
            named.flat_map(|key| names(key).into_iter().map(|name| (name, Arc::clone(key))));
        let certificates = Certificates { named: named.collect(), first: Arc::clone(&first) };
        let names = certificates.named.iter().map(|(name, _)| name.clone()).collect();
        let unusable =
            |error: rustls::Error| Problems::from(Problem::new(path, format!("TLS: {error}")));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Its own keys for each listener and each reload: a session that was begun under other rules
        // for clients is not resumed (CVE-2025-23419).
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
        problems.finish((Arc::new(config), names))
    }

    /// Who judges clients' certificates; none is needed for a connection.
    fn clients(
        &self,
        path: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, Problems> {
        let Some(file) = &self.client_ca else {
            return match &self.client_crl {
                Some(_) => {
                    let problem =
                        Problem::missing(&path.key("client_crl"), "nobody's clients are asked");
                    Err(problem.help("name their authorities with `client_ca`").into())
                }
                None => Ok(None),
            };
        };
        let at = path.key("client_ca");
        let roots = pem::authorities(file, &at)?;
        let lists = match &self.client_crl {
            Some(file) => pem::revocation_lists(file, &path.key("client_crl"))?,
            None => Vec::new(),
        };
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        // A list that is out of date may miss whom it is there for: nobody is believed by it.
        let builder = builder.with_crls(lists).enforce_revocation_expiration();
        let verifier = builder.allow_unauthenticated().build();
        verifier.map(Some).map_err(|error| pem::unusable(file, &at, &error))
    }
}

fn load(
    certificate: &std::path::Path,
    key: &std::path::Path,
    path: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, Problems> {
    let (at, at_key) = (path.key("certificate"), path.key("key"));
    let mut problems = Problems::default();
    let chain = problems.keep(pem::certificates(certificate, &at));
    let private = problems.keep(pem::private_key(key, &at_key));
    let (Some(chain), Some(private)) = (chain, private) else { return Err(problems) };
    let certified =
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                pem::unusable(key, &at_key, &"this is the key of another certificate")
            }
            error => pem::unusable(certificate, &at, &error),
        })?;
    Ok(Arc::new(certified))
}

/// The names in a certificate.
fn names(key: &CertifiedKey) -> Vec<String> {
    let end = key.cert.first().and_then(|end| webpki::EndEntityCert::try_from(end).ok());
    end.map_or_else(Vec::new, |end| end.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let named = asked.and_then(|asked| {
            let exact = self.named.iter().find(|(name, _)| *name == asked);
            exact.or_else(|| self.named.iter().find(|(name, _)| covers(name, &asked)))
        });
        Some(Arc::clone(named.map_or(&self.first, |(_, key)| key)))
    }
}
