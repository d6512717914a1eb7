//! The gateway beside another proxy: nginx (`auth_request`), Apache httpd (mod_lua), Traefik (ForwardAuth), Caddy
//! (`forward_auth`), HAProxy and Envoy (`ext_authz`, over HTTP or gRPC) ask about a request that they hold,
//! and the answer is the gateway's own decision. What they say of the request is trusted from
//! listed peers alone; for everybody else the page is not there.
//!
#![doc = include_str!("README.md")]

pub mod ext_authz;

use std::str::FromStr;

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rejection::Rejection,
    request::{Body, ForwardedHeader, HeadLimits, Malformed, Peer, Request, TrustedProxies},
    route::PathPattern,
    value::{Network, Path, Problem},
};

/// The `decisions` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Decisions")]
pub struct Config {
    /// Where proxies ask.
    pub path: PathPattern,
    /// Who may ask: the proxies' own networks.
    proxies: Vec<Network>,
    /// How they say which request they hold.
    #[serde(default)]
    request_in: Described,
}

/// How a proxy says which request it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DescribedRequest")]
enum Described {
    /// In `X-Forwarded-Method`, `-Uri`, `-Host`, `-Proto` and `-For`, as Traefik and Caddy do.
    #[default]
    Headers,
    /// In a message of Envoy's, over gRPC, at `/envoy.service.auth.v3.Authorization/Check`.
    ExtAuthz,
    /// It sends the request itself, without its body, below `path`, as Envoy does; `-Proto` and
    /// `-For` as above.
    Path,
}

impl Config {
    /// Who may ask over gRPC, if that is how they ask.
    pub fn grpc(&self) -> Option<Vec<Network>> {
        self.is_grpc().then(|| self.proxies.clone())
    }

    fn is_grpc(&self) -> bool {
        self.request_in == Described::ExtAuthz
    }
}

/// What proxies ask.
pub struct Decisions {
    path: PathPattern,
    proxies: TrustedProxies,
    described: Described,
    prefix: String,
}

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Decisions {
    /// From the setting.
    ///
    /// # Errors
    /// If no proxy could ask, or any client.
    pub fn new(config: &Config, path: &Path) -> Result<Self, Problem> {
        let at = path.key("proxies");
        if config.proxies.is_empty() {
            let problem = Problem::missing(&at, "no proxy may ask for decisions");
            return Err(problem.help("list the networks of the proxies that do"));
        }
        if let Some(network) = config.proxies.iter().find(|network| network.is_everyone()) {
            let message =
                format!("{network} is every address: any client could say what it asks for");
            return Err(Problem::new(&at, message).help("list the proxies' own networks"));
        }
        if config.path.is_exact() && config.request_in == Described::Path {
            let problem = Problem::new(&path.key("path"), "requests are asked about below it");
            return Err(problem.help("leave out the `=`"));
        }
        if config.is_grpc() && config.path.to_string() != format!("={}", ext_authz::PATH) {
            let problem = Problem::new(&path.key("path"), "Envoy does not ask there over gRPC");
            return Err(problem.help(format!("it is \"={}\"", ext_authz::PATH)));
        }
        let field = ForwardedHeader::XForwarded;
        Ok(Self {
            path: config.path.clone(),
            proxies: TrustedProxies { networks: config.proxies.clone(), field },
            described: config.request_in,
            prefix: config.path.to_string().trim_matches(['=', '/']).to_owned(),
        })
    }

    /// Whether a request asks for a decision.
    ///
    /// # Errors
    /// It comes from a peer that is not listed: for all others the page is not there.
    pub fn is_asked(&self, request: &Request) -> Result<bool, Rejection> {
        if !self.path.matches(&request.target) {
            return Ok(false);
        }
        match self.proxies.contains(request.client.peer) {
            true => Ok(true),
            false => Err(Rejection::NoRoute),
        }
    }

    /// The request that is asked about.
    ///
    /// # Errors
    /// If the asker does not say one request clearly, or asks about this page itself.
    pub fn described(
        &self,
        asking: Request,
        limits: HeadLimits,
    ) -> Result<Box<Request>, Rejection> {
        let peer = asking.client.peer;
        let mut headers = asking.headers;
        let (method, target) = match self.described {
            Described::Headers => (take(&mut headers, &METHOD)?, take(&mut headers, &URI)?),
            // Messages are read before; this is none.
            Described::ExtAuthz => return Err(Rejection::NoRoute),
            Described::Path => {
                let target = asking.target.raw().as_str();
                let below = target.get(1 + self.prefix.len()..).ok_or(Malformed::Form)?;
                (asking.method.to_string(), below.to_owned())
            }
        };
        let method = Method::from_str(&method).map_err(|_| Malformed::Described)?;
        let target = request_target(target)?;
        if self.described == Described::Path {
            // It came with the request itself, and the client may have sent this.
            headers.remove(HOST);
        }
        if headers.contains_key(HOST) {
            let host = take(&mut headers, &HOST)?;
            let host = HeaderValue::try_from(host).map_err(|_| Malformed::Host)?;
            headers.insert(header::HOST, host);
        } else {
            headers.insert(header::HOST, asking.authority);
        }
        // The body stays with the proxy.
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let mut head = hyper::Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = target.into();
        *head.headers_mut() = headers;
        let (parts, ()) = head.into_parts();
        let peer = Peer::new(peer, false);
        let described = Request::read(parts, Body::Empty, &peer, &self.proxies, limits)?;
        match self.path.matches(&described.target) {
            true => Err(Rejection::NoRoute),
            false => Ok(described),
        }
    }
}

/// A target in origin form. The parser behind would cut a fragment off in silence.
fn request_target(target: String) -> Result<PathAndQuery, Malformed> {
    let target = Some(target).filter(|target| target.starts_with('/') && !target.contains('#'));
    target.and_then(|target| target.parse().ok()).ok_or(Malformed::Described)
}

/// A field that says one thing, once.
fn take(headers: &mut HeaderMap, name: &HeaderName) -> Result<String, Malformed> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Malformed::Described);
    };
    let value = value.to_str().map(str::to_owned).map_err(|_| Malformed::Described)?;
    headers.remove(name);
    Ok(value)
}
