//! TLS to upstreams: whose certificates are trusted, and which one the gateway shows.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, client::danger::ServerCertVerifier, crypto::aws_lc_rs,
    pki_types::ServerName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::TlsConnector;

use crate::{
    crypto::{pem, server_certificates},
    value::{Path, Problem, Problems},
};

/// The `tls` setting of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UpstreamTls")]
pub(super) struct Config {
    /// A PEM file with the authorities that are trusted, instead of the system's; or with the server's own
    /// certificate.
    ca: Option<PathBuf>,
    /// A PEM file with the certificate that the gateway shows, and those between it and the root.
    certificate: Option<PathBuf>,
    /// A PEM file with its private key.
    key: Option<PathBuf>,
    /// The name that the server's certificate must have, if it is not the server's host.
    name: Option<String>,
}

/// How one server is spoken to over TLS.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Config {
    /// # Errors
    /// Files that cannot be read or are something else.
    pub(super) fn build(&self, http2: bool, path: &Path) -> Result<TlsConnector, Problems> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::new(path, format!("TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(path)?);
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = pem::certificates(certificate, &path.key("certificate"))?;
                let at = path.key("key");
                let built = builder.with_client_auth_cert(chain, pem::private_key(key, &at)?);
                built.map_err(|error| pem::unusable(key, &at, &error))?
            }
            _ => {
                let problem = Problem::missing(path, "a certificate and its key belong together");
                return Err(problem.help("give both `certificate` and `key`, or neither").into());
            }
        };
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn verifier(&self, path: &Path) -> Result<Arc<dyn ServerCertVerifier>, Problems> {
        let (roots, listed) = match &self.ca {
            Some(file) => {
                let at = path.key("ca");
                (pem::authorities(file, &at)?, pem::certificates(file, &at)?)
            }
            None => (self.system_authorities(path)?, Vec::new()),
        };
        let verifier = server_certificates::verifier(roots, listed);
        verifier.map_err(|error| Problem::new(path, format!("TLS: {error}")).into())
    }

    fn system_authorities(&self, path: &Path) -> Result<RootCertStore, Problems> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let problem = Problem::new(path, "this machine has no certificate authorities");
            let help = "install ca-certificates, or name the upstream's own with `ca`";
            return Err(problem.help(help).into());
        }
        Ok(roots)
    }

    /// The name that the certificate of the server at `host` must have.
    ///
    /// # Errors
    /// If it can be none.
    pub(super) fn name(&self, host: &str, path: &Path) -> Result<ServerName<'static>, Problems> {
        let name = self.name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned())
            .map_err(|_| Problem::new(path, format!("no certificate is for `{name}`")).into())
    }
}
