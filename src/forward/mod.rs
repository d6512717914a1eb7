//! What the upstream learns of the caller. Every name the gateway owns is removed from the
//! client's request, in every spelling that a server would fold to the same variable; then the
//! identity is written, last. The only place where an [`Outgoing`] is made.
//!
#![doc = include_str!("README.md")]

mod assertion;
mod hop_by_hop;
mod owned;
mod template;
mod value;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{
    HeaderMap, Method,
    body::Body as _,
    header::{self, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{assertion::Assertion, owned::folded, template::Template};
pub use self::{
    assertion::{Config as AssertionConfig, Signer},
    hop_by_hop::remove_hop_by_hop,
    owned::OwnedNames,
    value::encode,
};
use crate::{
    clock::Timestamp,
    identity::{Accepted, Identity},
    policy::Admitted,
    rejection::Rejection,
    request::{Body, Request},
    traces::Trace,
    value::{FromWord, Path, Problem, Problems, UniqueMap, optional_word_or_map},
};

/// The `identity` setting: which header says what. An empty name leaves one out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "IdentityHeaders")]
pub struct Config {
    /// The user name.
    user: String,
    /// The e-mail address, if there is one.
    email: String,
    /// The full name, if there is one.
    name: String,
    /// The groups, joined with commas, if there are any.
    groups: String,
    /// Further headers: a name and a template such as `{user.id}`.
    headers: UniqueMap<String>,
    /// The signed assertion, for upstreams that want proof.
    #[serde(deserialize_with = "optional_word_or_map")]
    #[schemars(schema_with = "crate::value::word_or_map_schema::<AssertionConfig>")]
    assertion: Option<AssertionConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            user: "Remote-User".into(),
            email: "Remote-Email".into(),
            name: "Remote-Name".into(),
            groups: "Remote-Groups".into(),
            headers: UniqueMap::default(),
            assertion: None,
        }
    }
}

impl Config {
    /// The header with the user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The assertion's settings.
    pub fn assertion(&self) -> Option<&AssertionConfig> {
        self.assertion.as_ref()
    }
}

impl FromWord for AssertionConfig {
    const EXPECTING: &'static str = "the audience, or a map with `audience`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self::for_audience(word))
    }
}

/// Writes identities as headers.
pub struct Forward {
    number: u64,
    fields: Vec<(HeaderName, Template)>,
    owned: OwnedNames,
    assertion: Option<Assertion>,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Forward {
    /// By a configuration.
    ///
    /// # Errors
    /// Names and templates that are none, and names that are taken.
    pub fn new(
        config: &Config,
        path: &Path,
        signer: &Arc<Signer>,
        owned: &OwnedNames,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let built_in = [
            ("user", &config.user, "{user.username}"),
            ("email", &config.email, "{user.email}"),
            ("name", &config.name, "{user.name}"),
            ("groups", &config.groups, "{user.groups}"),
        ];
        let named = built_in.into_iter().filter(|(_, name, _)| !name.is_empty());
        let named = named.map(|(key, name, template)| (path.key(key), name, template));
        let further = config
            .headers
            .0
            .iter()
            .map(|(name, template)| (path.key("headers").key(name), name, template.as_str()));
        let mut fields: Vec<(HeaderName, Template)> = Vec::new();
        for (at, name, template) in named.chain(further) {
            let header = writable_name(name, &at);
            let template = Template::parse(template, &at);
            if let (Some(header), Some(template)) = (problems.keep(header), problems.keep(template))
            {
                if fields.iter().any(|(known, _)| folded(known.as_str()) == folded(header.as_str()))
                {
                    problems.push(Problem::new(&at, format!("`{header}` is written twice")));
                }
                fields.push((header, template));
            }
        }
        let at = path.key("assertion");
        let assertion = config.assertion.as_ref().and_then(|config| {
            let header = problems.keep(writable_name(config.header(), &at.key("header")))?;
            problems.keep(Assertion::new(config, header, &at, signer))
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        problems.finish(Self { number, fields, owned: owned.clone(), assertion })
    }

    /// Makes of a request what goes upstream.
    ///
    /// # Errors
    /// If the identity cannot be written faithfully: then the request is not sent.
    pub fn apply<'a>(
        &self,
        admitted: &'a Admitted,
        request: Box<Request>,
    ) -> Result<Outgoing<'a>, Rejection> {
        let Request { method, target, authority, mut headers, client, body, upgrade, has, .. } =
            *request;
        remove_hop_by_hop(&mut headers, |name| self.owned.contains(name));
        if has.cookies > 1 {
            join_cookies(&mut headers);
        }

        let proto = HeaderValue::from_static(if client.secure { "https" } else { "http" });
        if let Ok(forwarded) = forwarded(&client.text, &authority, &proto) {
            headers.insert(header::FORWARDED, forwarded);
        }
        headers.insert(FORWARDED_FOR, client.text);
        headers.insert(FORWARDED_PROTO, proto);
        headers.insert(FORWARDED_HOST, authority.clone());
        headers.insert(header::HOST, authority);
        // The length of the body is not known. The client library leaves such a one out of a GET
        // unless it is told how to send it.
        if !body.is_empty() && body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }

        let caller = admitted.caller().map(|accepted| &*accepted.identity);
        self.sign(admitted.caller(), &mut headers)?;
        let mut outgoing = Box::new(hyper::Request::new(body));
        *outgoing.method_mut() = method;
        *outgoing.uri_mut() = target.into_raw().into();
        if let Some(upgrade) = upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, upgrade.protocol.clone());
            outgoing.extensions_mut().insert(upgrade);
        }
        *outgoing.headers_mut() = headers;
        Ok(Outgoing { request: outgoing, caller, client: client.address })
    }

    /// What a proxy that asked gets, to be set on the request that it holds: every field by which any route
    /// says who is asking, an empty one where there is nothing to say, so that none of the client's own
    /// stays (CVE-2026-30851): one service may be behind several routes.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn answer(&self, admitted: &Admitted) -> Result<HeaderMap, Rejection> {
        let mut headers = HeaderMap::new();
        self.sign(admitted.caller(), &mut headers)?;
        for name in self.owned.written() {
            headers.entry(name).or_insert(HeaderValue::from_static(""));
        }
        Ok(headers)
    }

    /// Those of a client's names that are the gateway's, however they are spelled.
    pub fn owned_of(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        headers.keys().filter(|name| self.owned.contains(name.as_str())).cloned().collect()
    }

    /// Writes who is asking, and the assertion of it.
    fn sign(&self, caller: Option<&Accepted>, headers: &mut HeaderMap) -> Result<(), Rejection> {
        if let Some(accepted) = caller {
            self.write(&accepted.identity, headers)?;
        }
        if let Some(assertion) = &self.assertion {
            let (name, value) = assertion.field(caller).map_err(|error| {
                Rejection::Unavailable(crate::store::Unavailable::new("the assertion", error))
            })?;
            headers.insert(name, value);
        }
        Ok(())
    }

    /// Writes the identity's fields; rendered once per identity, copied after that.
    fn write(&self, identity: &Identity, headers: &mut HeaderMap) -> Result<(), Rejection> {
        if let Some((number, written)) = identity.written.get()
            && *number == self.number
        {
            headers.extend(written.iter().cloned());
            return Ok(());
        }
        let mut written = Vec::with_capacity(self.fields.len());
        for (name, template) in &self.fields {
            if let Some(value) = template.render(identity)? {
                written.push((name.clone(), value));
            }
        }
        headers.extend(written.iter().cloned());
        // Another writer's rendering may be there already; then this one renders each time.
        let _ = identity.written.set((self.number, written.into()));
        Ok(())
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A request as it goes upstream: decided, stripped, signed. It can be looked at, and changed in the
/// ways offered here alone: no step after the strip can write an identity.
#[derive(Debug)]
pub struct Outgoing<'a> {
    request: Box<hyper::Request<Body>>,
    /// Who is asking, if they are known.
    pub caller: Option<&'a Identity>,
    /// The client's own address.
    pub client: IpAddr,
}

impl Outgoing<'_> {
    /// To be sent.
    pub fn into_request(self) -> Box<hyper::Request<Body>> {
        self.request
    }

    /// Notes that it goes on now, and tells the upstream the trace that it is part of.
    pub fn set_trace(&mut self, trace: &mut Trace, now: Timestamp) {
        trace.send(self.request.headers_mut(), now);
    }

    /// Makes it what the upstream wants: another path, with the prefix that was cut off it, and
    /// another host.
    pub fn rewrite(
        &mut self,
        target: Option<PathAndQuery>,
        prefix: Option<HeaderValue>,
        host: Option<HeaderValue>,
    ) {
        if let Some(target) = target {
            *self.request.uri_mut() = target.into();
        }
        let headers = self.request.headers_mut();
        if let Some(prefix) = prefix {
            headers.insert(FORWARDED_PREFIX, prefix);
        }
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.request.uri().path_and_query().map_or("", |target| target.as_str())
    }

    /// The fields that are sent.
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }
}

/// HTTP/2 clients may send their cookies apart; HTTP/1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(|c| c.as_bytes()).collect();
    // `Connection` may have named them: then none is left.
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
        && !all.is_empty()
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// `Forwarded` (RFC 7239) with the same facts as the `X-Forwarded-*` beside it.
fn forwarded(
    client: &HeaderValue,
    host: &HeaderValue,
    proto: &HeaderValue,
) -> Result<HeaderValue, header::InvalidHeaderValue> {
    let mut value = Vec::with_capacity(32 + client.len() + host.len());
    value.extend_from_slice(b"for=");
    let ipv6 = client.as_bytes().contains(&b':');
    value.extend_from_slice(if ipv6 { b"\"[" } else { b"" });
    value.extend_from_slice(client.as_bytes());
    value.extend_from_slice(if ipv6 { b"]\"" } else { b"" });
    value.extend_from_slice(b";host=\"");
    value.extend_from_slice(host.as_bytes());
    value.extend_from_slice(b"\";proto=");
    value.extend_from_slice(proto.as_bytes());
    HeaderValue::from_maybe_shared(hyper::body::Bytes::from(value))
}

/// A name that may be written: a header name with dashes only, since some servers drop the others
/// and some fold them.
fn writable_name(name: &str, at: &Path) -> Result<HeaderName, Problems> {
    let dashed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let reserved =
        ["host", "connection", "content-length", "transfer-encoding", "authorization", "cookie"];
    match HeaderName::try_from(name) {
        Ok(header) if dashed && !reserved.contains(&header.as_str()) => Ok(header),
        _ => {
            let message = format!("`{name}` cannot be an identity header");
            let help = "use letters, digits and dashes, for example Remote-User";
            Err(Problem::new(at, message).help(help).into())
        }
    }
}
