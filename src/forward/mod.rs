//! What the upstream learns of the caller. Every name the gateway owns is removed from the
//! client's request, in every spelling that a server would fold to the same variable; then the
//! identity is written, last. The only place where an [`Outgoing`] is made.

mod assertion;
mod template;
mod value;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{assertion::Assertion, template::Template};
pub use self::{
    assertion::{Config as AssertionConfig, Signer},
    value::encode,
};
use crate::{
    identity::Identity,
    policy::Admitted,
    rejection::Rejection,
    request::{Body, Request},
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

/// Names that are the gateway's whatever is configured: what upstreams of this kind read, and the
/// CGI variables that some servers take from a header (gunicorn's `SCRIPT_NAME`).
const ALWAYS_OWNED: &[&str] = &[
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
    "x-remote-user",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-auth-request-user",
    "x-auth-request-groups",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-url-scheme",
    "x-script-name",
    "front-end-https",
    "x-auth-request-email",
    "portcullis-assertion",
    "script-name",
    "path-info",
    "path-translated",
    "remote-addr",
    "remote-host",
    "remote-ident",
    "remote-port",
    "auth-type",
    "server-name",
    "server-port",
    "server-protocol",
    "request-method",
    "request-uri",
    "query-string",
    "https",
    "proxy",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
];

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
    /// If the identity cannot be written faithfully: then nobody's request is sent.
    pub fn apply(&self, admitted: &Admitted, request: Request) -> Result<Outgoing, Rejection> {
        let Request { method, target, authority, mut headers, client, body, .. } = request;
        remove_hop_by_hop(&mut headers);
        self.owned.remove_from(&mut headers);
        headers.remove(header::HOST);
        join_cookies(&mut headers);

        let proto = HeaderValue::from_static(if client.secure { "https" } else { "http" });
        if let Ok(forwarded) = forwarded(&client.text, &authority, &proto) {
            headers.insert(header::FORWARDED, forwarded);
        }
        headers.insert(FORWARDED_FOR, client.text);
        headers.insert(FORWARDED_PROTO, proto);
        headers.insert(FORWARDED_HOST, authority.clone());
        headers.insert(header::HOST, authority);

        let identity = admitted.caller().map(|accepted| accepted.identity.as_ref());
        if let Some(identity) = identity {
            self.write(identity, &mut headers)?;
        }
        if let Some(assertion) = &self.assertion {
            let (name, value) = assertion.field(identity).map_err(|error| {
                Rejection::Unavailable(crate::store::Unavailable::new("the assertion", error))
            })?;
            headers.insert(name, value);
        }
        Ok(Outgoing { method, target: target.raw().clone(), headers, body })
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
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A request as it goes upstream: decided, stripped, signed.
#[derive(Debug)]
pub struct Outgoing {
    method: Method,
    target: PathAndQuery,
    headers: HeaderMap,
    body: Body,
}

impl Outgoing {
    /// Method, target, fields and body, to be sent.
    pub fn into_parts(self) -> (Method, PathAndQuery, HeaderMap, Body) {
        (self.method, self.target, self.headers, self.body)
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The fields that are sent.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// Fields that belong to one connection (RFC 9110 section 7.6.1), and those that `Connection`
/// lists. This comes before the identity is written: a client that lists an identity header gets
/// nothing by it (CVE-2024-45410).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    // One look at each field; almost always none of them is there.
    let hop_by_hop = |name: &&HeaderName| {
        matches!(
            name.as_str(),
            "keep-alive"
                | "proxy-connection"
                | "proxy-authorization"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
    };
    let found: Vec<HeaderName> = headers.keys().filter(hop_by_hop).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// HTTP/2 clients may send their cookies apart; HTTP/1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_some() {
        let all: Vec<&[u8]> =
            headers.get_all(header::COOKIE).iter().map(|c| c.as_bytes()).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(header::COOKIE, joined);
        }
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

/// The one spelling that names are compared in: a CGI variable's, where every byte that is not a
/// letter or digit is the same.
fn folded(name: &str) -> String {
    name.bytes().map(|byte| char::from(fold(byte))).collect()
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
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

/// The names that are the gateway's, on every route: what any route writes, any route removes,
/// since one upstream may stand behind several. Asked once for each field of each request.
#[derive(Clone)]
pub struct OwnedNames {
    /// Sorted, in [`folded`] form.
    names: Vec<String>,
    /// Bit n: a name of n bytes is among them. Most fields end here.
    lengths: u64,
}

/// What servers put before a header's name when they make a variable of it; a client that sends
/// it itself aims at the same variable.
const VARIABLE_PREFIX: &str = "http_";

impl Default for OwnedNames {
    fn default() -> Self {
        let mut names = Self { names: Vec::new(), lengths: 0 };
        ALWAYS_OWNED.iter().for_each(|name| names.add(name));
        names
    }
}

impl OwnedNames {
    /// Adds what a configuration writes.
    pub fn add_all(&mut self, config: &Config) {
        let built_in = [&config.user, &config.email, &config.name, &config.groups];
        let further = config.headers.0.iter().map(|(name, _)| name);
        let assertion = config.assertion.iter().map(|assertion| assertion.header());
        let names = built_in.into_iter().chain(further).map(String::as_str).chain(assertion);
        names.filter(|name| !name.is_empty()).for_each(|name| self.add(name));
    }

    /// Adds one.
    pub fn add(&mut self, name: &str) {
        for name in [folded(name), format!("{VARIABLE_PREFIX}{}", folded(name))] {
            self.lengths |=
                1_u64.checked_shl(u32::try_from(name.len()).unwrap_or(63)).unwrap_or(1 << 63);
            if let Err(place) = self.names.binary_search(&name) {
                self.names.insert(place, name);
            }
        }
    }

    fn contains(&self, name: &str) -> bool {
        let length = 1_u64.checked_shl(u32::try_from(name.len()).unwrap_or(63)).unwrap_or(1 << 63);
        let forwarded = || name.len() > 12 && name.bytes().map(fold).take(12).eq(*b"x_forwarded_");
        if self.lengths & length != 0
            && self.names.binary_search_by(|own| own.bytes().cmp(name.bytes().map(fold))).is_ok()
        {
            return true;
        }
        forwarded()
    }

    fn remove_from(&self, headers: &mut HeaderMap) {
        // Names are removed after the walk, which a map cannot be changed in; there are none in
        // an honest request but the few that a browser sends for itself.
        let forged: Vec<HeaderName> =
            headers.keys().filter(|name| self.contains(name.as_str())).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(yaml: &str) -> Forward {
        let config = serde_yaml::from_str(yaml).unwrap();
        let signer = Arc::new(
            Signer::new(&crate::value::Secret::new("s".into()), crate::clock::Clock::system())
                .unwrap(),
        );
        let mut owned = OwnedNames::default();
        owned.add_all(&config);
        Forward::new(&config, &Path::root(), &signer, &owned).unwrap()
    }

    proptest! {
        /// Attack (CVE-2025-64484, CVE-2026-54763, CVE-2026-88011 and more): a client sends
        /// `X_Remote_User`, `X.Remote.User` or any other spelling that the server behind folds to
        /// the variable it trusts.
        #[test]
        fn every_spelling_of_an_owned_name_is_removed(
            name in prop::sample::select(vec!["X-My-User", "Remote-User", "Script-Name", "X-Forwarded-For"]),
            separators in proptest::collection::vec(prop::sample::select(b"-_.!#$%&'*+^`|~".to_vec()), 4),
            upper in proptest::collection::vec(any::<bool>(), 20),
            prefix in any::<bool>(),
        ) {
            let mut separator = separators.into_iter();
            let mut spelled: String = name.bytes().zip(upper).map(|(byte, upper)| {
                let byte = if byte == b'-' { separator.next().unwrap() } else { byte };
                char::from(if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() })
            }).collect();
            if prefix && name != "X-Forwarded-For" {
                spelled = format!("HTTP_{spelled}");
            }
            let forward = forward("{ user: X-My-User }");
            prop_assert!(forward.owned.contains(HeaderName::try_from(&spelled).unwrap().as_str()));
        }
    }

    #[test]
    fn ordinary_names_stay() {
        let forward = forward("{}");
        for name in
            ["accept", "cookie", "user-agent", "authorization", "x-request-id", "remote", "x-user"]
        {
            assert!(!forward.owned.contains(name), "{name}");
        }
    }

    /// Attack (CVE-2024-45410): `Connection: remote-user` makes a proxy delete what it just wrote.
    #[test]
    fn connection_listed_fields_go_first() {
        let mut headers = HeaderMap::new();
        headers.append("connection", "close, X-A".parse().unwrap());
        headers.append("connection", "x-b".parse().unwrap());
        for name in ["x-a", "x-b", "x-c", "te", "transfer-encoding"] {
            headers.insert(name, "1".parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-c"]);
    }
}
