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

use super::acme::{self, Acme, Challenge, Managed};
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
    certificate: Option<PathBuf>,
    /// A PEM file with its private key.
    key: Option<PathBuf>,
    /// Instead of these: an authority that issues certificates by itself.
    acme: Option<acme::Config>,
    /// Further certificates, each for the names that stand in it.
    #[serde(default)]
    more: Vec<Pair>,
    /// A PEM file with the authorities of client certificates. Routes decide whether a certificate is
    /// required; these authorities apply to every route that is reached by this listener.
    client_ca: Option<PathBuf>,
    /// A PEM file with the lists of certificates that these authorities have revoked. Each list has
    /// a date by which the next is there: after that, no certificate is accepted.
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
    first: First,
    /// By name, in lower case; `*.` in front of one is for all names a step below.
    named: Vec<(String, Arc<CertifiedKey>)>,
}

#[derive(Debug)]
enum First {
    OfFiles(Arc<CertifiedKey>),
    Managed(Arc<Managed>),
}

/// How a listener speaks TLS.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// What its certificates are for.
    pub(super) names: Vec<String>,
    pub(super) managed: Option<Arc<Managed>>,
}

impl Config {
    /// Whether an authority asks on the listeners without TLS.
    pub(super) fn shows_pages(&self) -> bool {
        self.acme.as_ref().is_some_and(|acme| acme.challenge() == Challenge::Http01)
    }

    pub(super) fn asks_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    /// `Strict-Transport-Security` (RFC 6797).
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        let age = self.hsts?.0.as_secs();
        HeaderValue::try_from(format!("max-age={age}")).ok()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Those that cannot be read, and keys of other certificates.
    pub(super) fn build(&self, path: &Path, acme: &Acme) -> Result<Tls, Problems> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut problems = Problems::default();
        let first = problems.keep(self.first(path, acme, &provider));
        let more = self.more.iter().enumerate().map(|(index, pair)| {
            load(&pair.certificate, &pair.key, &path.key("more").index(index), &provider)
        });
        let more: Vec<_> = more.filter_map(|loaded| problems.keep(loaded)).collect();
        let clients = problems.keep(self.clients(path, &provider));
        let (Some(first), Some(clients)) = (first, clients) else { return Err(problems) };
        let (files, managed) = match &first {
            First::OfFiles(first) => (Some(first), None),
            First::Managed(managed) => (None, Some(Arc::clone(managed))),
        };
        let named = files.into_iter().chain(&more);
        let named: Vec<_> = named
            .flat_map(|key| names(key).into_iter().map(|name| (name, Arc::clone(key))))
            .collect();
        let managed_names = self.acme.iter().flat_map(acme::Config::names);
        let names = named.iter().map(|(name, _)| name.clone()).chain(managed_names).collect();
        let certificates = Certificates { named, first };
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
        if self.acme.as_ref().is_some_and(|acme| acme.challenge() == Challenge::TlsAlpn01) {
            config.alpn_protocols.push(ACME.to_vec());
        }
        // Its own keys for each listener and each reload: a session that was begun under other rules
        // for clients is not resumed (CVE-2025-23419).
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
        problems.finish(Tls { config: Arc::new(config), names, managed })
    }

    fn first(
        &self,
        path: &Path,
        acme: &Acme,
        provider: &CryptoProvider,
    ) -> Result<First, Problems> {
        match (&self.certificate, &self.key, &self.acme) {
            (Some(certificate), Some(key), None) => {
                load(certificate, key, path, provider).map(First::OfFiles)
            }
            (None, None, Some(config)) => acme.get(config, &path.key("acme")).map(First::Managed),
            (_, _, Some(_)) => {
                let problem = Problem::new(path, "a certificate is from a file or from ACME");
                Err(problem.help("leave out `certificate` and `key`, or `acme`").into())
            }
            _ => {
                let problem = Problem::missing(path, "a certificate and its key belong together");
                Err(problem.help("give both `certificate` and `key`, or `acme`").into())
            }
        }
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
                        Problem::missing(&path.key("client_crl"), "`client_crl` needs `client_ca`");
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
        // A list that is out of date may miss a revoked certificate: none is accepted by it.
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

/// What only an authority speaks (RFC 8737 section 6.2): it asks, and sends nothing.
pub(super) const ACME: &[u8] = b"acme-tls/1";

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        if let First::Managed(managed) = &self.first
            && hello.alpn().is_some_and(|mut spoken| spoken.all(|protocol| protocol == ACME))
        {
            return managed.challenge(&asked?);
        }
        let named = asked.and_then(|asked| {
            let exact = self.named.iter().find(|(name, _)| *name == asked);
            exact.or_else(|| self.named.iter().find(|(name, _)| covers(name, &asked)))
        });
        match (named, &self.first) {
            (Some((_, key)), _) | (None, First::OfFiles(key)) => Some(Arc::clone(key)),
            (None, First::Managed(managed)) => managed.certificate(),
        }
    }
}
