//! The one outgoing HTTP client for calls of the gateway's own: it follows no redirect, reads no
//! more than it is told to, and waits no longer.

mod jwks;

use std::{
    path::{Path as File, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, body::Bytes};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, crypto::aws_lc_rs};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Handle;

pub use self::jwks::KeySet;
use crate::{
    clock::Clock,
    crypto::{pem, server_certificates},
    observe::causes,
    store::Unavailable,
    value::{Path, Problem, Problems},
};

/// The address of a web server that calls can go to.
pub fn web_address(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let authority = url.authority()?;
    // A port that is none would be taken for one that was not given.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let digits = port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit());
    let reachable = port.is_empty() || digits && authority.port_u16().is_some_and(|port| port != 0);
    let web = matches!(url.scheme_str(), Some("http" | "https"));
    (web && reachable && !authority.host().is_empty()).then_some(url)
}

/// The `client` setting: calls of the gateway's own, to key sets, callouts and collectors.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Client")]
pub struct Config {
    /// A PEM file with authorities that are trusted beside the system's, or with servers' own
    /// certificates.
    ca: Option<PathBuf>,
}

/// Sends requests on the control runtime.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    control: Handle,
    clock: Clock,
}

impl HttpClient {
    /// A client that trusts the system's certificate authorities. Where there are none, as in an
    /// empty container, calls over TLS fail and all else works.
    pub fn new(control: &Handle, clock: Clock) -> Self {
        let builder = hyper_rustls::HttpsConnectorBuilder::new();
        let builder = match builder.with_native_roots() {
            Ok(builder) => builder,
            Err(error) => {
                tracing::warn!(%error, "no certificate authorities: callouts over TLS will fail");
                let nobody = rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(nobody)
            }
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, control: control.clone(), clock }
    }

    /// With what the file says.
    ///
    /// # Errors
    /// A file that cannot be read or is something else.
    pub fn configured(config: &Config, control: &Handle, clock: Clock) -> Result<Self, Problems> {
        let client = Self::new(control, clock);
        match &config.ca {
            Some(file) => client.trusting(file, &Path::root().key("client").key("ca")),
            None => Ok(client),
        }
    }

    /// One that trusts the authorities of a file, too.
    ///
    /// # Errors
    /// A file that cannot be read or is something else.
    pub fn trusting(&self, file: &File, at: &Path) -> Result<Self, Problems> {
        let mut roots = pem::authorities(file, at)?;
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let listed = pem::certificates(file, at)?;
        let problem = |error: String| Problem::new(at, format!("TLS: {error}"));
        let verifier = server_certificates::verifier(roots, listed).map_err(problem)?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, ..self.clone() })
    }

    /// The clock that expiries in answers are counted from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends a request without a body; status, fields and body of the answer.
    ///
    /// # Errors
    /// If there is no answer in `time`, or it is longer than `limit`.
    pub async fn send(
        &self,
        method: Method,
        url: &Uri,
        headers: HeaderMap,
        limit: usize,
        time: Duration,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Unavailable> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        self.exchange(request, limit, time).await
    }

    /// Sends a request; status, fields and body of the answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        time: Duration,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Unavailable> {
        let client = self.client.clone();
        let exchange = async move {
            let (head, body) = client.request(request).await.map_err(|e| outage(&e))?.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(|e| outage(&*e))?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        // The timer is made where it runs: the worker's may be gone before the answer comes.
        let in_time = async move { tokio::time::timeout(time, exchange).await };
        match self.control.spawn(in_time).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Unavailable::new("a service", "no answer in time")),
            Err(error) => Err(outage(&error)),
        }
    }
}

fn outage(error: &(impl std::error::Error + ?Sized)) -> Unavailable {
    Unavailable::new("a service", causes(error))
}
