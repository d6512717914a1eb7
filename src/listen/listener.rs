//! The `listen` setting: where clients connect, and how they are spoken to there.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Handle;

use super::{
    Address,
    acme::{Acme, Answers, Managed},
    tls,
};
use crate::{
    clock::Clock,
    value::{FromWord, Path, Problem, Problems},
};

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

/// What a listener is built among.
pub struct ListenerContext<'a> {
    /// Whether there are trusted proxies.
    pub proxies: bool,
    /// Whether some listener has no TLS.
    pub plain: bool,
    /// Whether such listeners answer an authority.
    pub pages: bool,
    /// Certificates that come by themselves.
    pub acme: &'a Acme,
}

/// How the connections of a listener are served.
pub struct ListenerOptions {
    /// Nothing is plain HTTP.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// `Strict-Transport-Security` of every answer.
    pub(super) hsts: Option<HeaderValue>,
    pub(super) proxy_protocol: bool,
    pub(super) redirects: bool,
    /// What it tells an authority that asks by HTTP-01.
    pub(super) answers: Option<Answers>,
    managed: Option<Arc<Managed>>,
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

    /// Whether an authority asks on the listeners without TLS.
    pub fn shows_pages(&self) -> bool {
        self.tls.as_ref().is_some_and(tls::Config::shows_pages)
    }

    /// # Errors
    /// Certificates that are none, and settings that do not go together.
    pub fn build(
        &self,
        path: &Path,
        around: &ListenerContext<'_>,
    ) -> Result<ListenerOptions, Problems> {
        let mut problems = Problems::default();
        if self.proxy_protocol && !around.proxies {
            let problem = Problem::new(
                &path.key("proxy_protocol"),
                "no proxy may connect: `trusted_proxies` is empty",
            );
            let problem = problem.lacking(&Path::root().key("trusted_proxies"));
            problems.push(problem.help("list the load balancer's network there"));
        }
        if self.redirect.is_some() && self.tls.is_some() {
            let problem =
                Problem::new(&path.key("redirect"), "who comes here speaks HTTPS already");
            problems.push(problem.help("leave out `redirect`, or `tls`"));
        }
        if self.shows_pages() && !around.plain {
            let at = path.key("tls").key("acme").key("challenge");
            let problem = Problem::new(&at, "every listener speaks TLS: none answers HTTP-01");
            let problem = problem.lacking(&Path::root().key("listen"));
            problems.push(problem.help("add a listener such as 0.0.0.0:80 without `tls`"));
        }
        let tls = self.tls.as_ref().map(|tls| tls.build(&path.key("tls"), around.acme));
        let tls = tls.and_then(|tls| problems.keep(tls));
        let answers = around.acme.answers();
        let (tls, names, managed) = match tls {
            Some(tls) => (Some(tls.config), tls.names, tls.managed),
            None => (None, Vec::new(), None),
        };
        problems.finish(ListenerOptions {
            tls,
            answers: (self.tls.is_none() && around.pages).then(|| answers.clone()),
            managed,
            hsts: self.tls.as_ref().and_then(tls::Config::hsts),
            proxy_protocol: self.proxy_protocol,
            redirects: self.redirect.is_some(),
            names,
        })
    }
}

impl ListenerOptions {
    /// Starts what certificates that come by themselves need.
    pub fn begin(&self, control: &Handle, clock: &Clock) {
        if let Some(managed) = &self.managed {
            managed.begin(control, clock);
        }
    }

    /// Whether it speaks HTTPS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}
