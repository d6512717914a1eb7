//! TLS of a listener: certificates from files, chosen by the name that the client asks for. A reload
//! reads the files again; connections that are open keep what they have.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::value::{Path, Problem, Problems};

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
    /// Reads the files.
    ///
    /// # Errors
    /// Those that cannot be read, and keys of other certificates.
    pub fn build(&self, path: &Path) -> Result<Arc<ServerConfig>, Problems> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut problems = Problems::default();
        let first = problems.keep(load(&self.certificate, &self.key, path, &provider));
        let more = self.more.iter().enumerate().map(|(index, pair)| {
            load(&pair.certificate, &pair.key, &path.key("more").index(index), &provider)
        });
        let more: Vec<_> = more.filter_map(|loaded| problems.keep(loaded)).collect();
        let Some(first) = first else { return Err(problems) };
        let named = [&first].into_iter().chain(&more);
        let named =
            named.flat_map(|key| names(key).into_iter().map(|name| (name, Arc::clone(key))));
        let certificates = Certificates { named: named.collect(), first: Arc::clone(&first) };
        let unusable =
            |error: rustls::Error| Problems::from(Problem::new(path, format!("TLS: {error}")));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
        problems.finish(Arc::new(config))
    }
}

fn load(
    certificate: &std::path::Path,
    key: &std::path::Path,
    path: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, Problems> {
    let problem = |key: &str, file: &std::path::Path, why: String| {
        Problems::from(Problem::new(&path.key(key), format!("`{}`: {why}", file.display())))
    };
    let bad =
        |error: &dyn std::fmt::Display| problem("certificate", certificate, error.to_string());
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| bad(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    if chain.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key);
    let private = private.map_err(|error| problem("key", key, error.to_string()))?;
    let certified =
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                problem("key", key, "this is the key of another certificate".into())
            }
            error => bad(&error),
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
        let fits = |name: &str, asked: &str| match name.strip_prefix("*.") {
            Some(parent) => asked.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => name == asked,
        };
        let named = asked.and_then(|asked| {
            let exact = self.named.iter().find(|(name, _)| *name == asked);
            exact.or_else(|| self.named.iter().find(|(name, _)| fits(name, &asked)))
        });
        Some(Arc::clone(named.map_or(&self.first, |(_, key)| key)))
    }
}
