//! The `listen` setting: where clients connect, and how they are spoken to there.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, tls};
use crate::value::{FromWord, Path, Problem, Problems};

/// One entry of `listen`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port, `unix:/path`, or `systemd:0`.
    pub address: Address,
    /// Its certificates, if it speaks HTTPS.
    pub tls: Option<tls::Config>,
    /// Whether each connection begins with the PROXY protocol; only `trusted_proxies` may connect
    /// then.
    #[serde(default)]
    proxy_protocol: bool,
    /// `https`: every request is sent to the same URL over HTTPS, where one of the certificates is
    /// for its host.
    redirect: Option<Redirect>,
}

/// Where requests of a listener are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ListenRedirect")]
enum Redirect {
    /// To the default port of HTTPS.
    Https,
}

impl FromWord for Listener {
    const EXPECTING: &'static str = "an address such as 0.0.0.0:8080, or a map with `address`";
    fn from_word(word: &str) -> Result<Self, String> {
        let address = word.parse().map_err(|()| {
            format!(
                "`{word}` is not an address and a port, such as 0.0.0.0:8080, unix:/path, or systemd:0"
            )
        })?;
        Ok(Self::at(address))
    }
}

/// How the connections of a listener are served.
pub struct Policy {
    /// Nothing is plain HTTP.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// `Strict-Transport-Security` of every answer.
    pub(super) hsts: Option<HeaderValue>,
    pub(super) proxy_protocol: bool,
    pub(super) redirects: bool,
    /// Hosts that the certificates are for.
    pub names: Vec<String>,
}

impl Listener {
    /// Plain HTTP.
    pub fn at(address: Address) -> Self {
        Self { address, tls: None, proxy_protocol: false, redirect: None }
    }

    /// Whether clients are asked for certificates.
    pub fn asks_clients(&self) -> bool {
        self.tls.as_ref().is_some_and(tls::Config::asks_clients)
    }

    /// # Errors
    /// Certificates that are none, and settings that do not go together.
    pub fn build(&self, path: &Path, proxies: bool) -> Result<Policy, Problems> {
        let mut problems = Problems::default();
        if self.proxy_protocol && !proxies {
            let problem = Problem::new(
                &path.key("proxy_protocol"),
                "nobody may connect: `trusted_proxies` is empty",
            );
            problems.push(problem.help("list the load balancer's network there"));
        }
        if self.redirect.is_some() && self.tls.is_some() {
            let problem =
                Problem::new(&path.key("redirect"), "who comes here speaks HTTPS already");
            problems.push(problem.help("leave out `redirect`, or `tls`"));
        }
        let built = self.tls.as_ref().map(|tls| tls.build(&path.key("tls")));
        let built = built.and_then(|built| problems.keep(built));
        let (tls, names) = built.unzip();
        problems.finish(Policy {
            tls,
            hsts: self.tls.as_ref().and_then(tls::Config::hsts),
            proxy_protocol: self.proxy_protocol,
            redirects: self.redirect.is_some(),
            names: names.unwrap_or_default(),
        })
    }
}

impl Policy {
    /// Whether it speaks HTTPS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}
