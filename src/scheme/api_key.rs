//! A key in a header of its choice, or where asked in a query parameter or cookie; a user's, or a
//! named service's. Kept as SHA-256, in the configuration or in `portcullis_api_key`.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Failure, Outcome, Parts, Scheme, lookup::Lookup};
use crate::{
    clock::Timestamp,
    crypto::digest::sha256_hex,
    identity::Identity,
    lockout::Subject,
    request::{
        Request,
        credentials::{bytes, cookie},
    },
    store::{Store, Unavailable, cache::Fact},
    system::{csrf, session::Sessions},
    value::{Path, Problem, Problems},
};

/// `- api_key: { header: X-Api-Key }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ApiKey")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// The header that carries the key.
    header: String,
    /// A query parameter that may carry it too. It ends up in logs and histories.
    query: Option<String>,
    /// A cookie that may carry it too; then a request that changes something needs a CSRF token.
    cookie: Option<String>,
    /// Keys of services, known to this file alone.
    keys: Vec<Key>,
}

/// A service's key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApiKeyEntry")]
struct Key {
    /// What the service is called upstream.
    service: String,
    /// SHA-256 of the key in hexadecimal, as `portcullis hash-key` prints it.
    sha256: String,
    /// Groups the service is in.
    #[serde(default)]
    groups: Vec<String>,
    /// What the key is good for.
    #[serde(default)]
    scopes: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, header: "X-Api-Key".into(), query: None, cookie: None, keys: Vec::new() }
    }
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let mut problems = Problems::default();
        let header = HeaderName::try_from(&self.header).unwrap_or_else(|_| {
            let message = format!("`{}` is not a header name", self.header);
            problems.push(Problem::new(&path.key("header"), message).help("for example X-Api-Key"));
            HeaderName::from_static("x-api-key")
        });
        let mut services = HashMap::new();
        for (index, key) in self.keys.iter().enumerate() {
            let at = path.key("keys").index(index);
            if hex::decode(&key.sha256).map(|digest| digest.len()) != Ok(32) {
                let problem =
                    Problem::new(&at.key("sha256"), "this is not a SHA-256 in hexadecimal");
                problems.push(problem.help("print it with `portcullis hash-key`"));
            }
            let words = |words: &[String]| words.iter().map(|w| w.as_str().into()).collect();
            let identity = Identity {
                username: key.service.as_str().into(),
                groups: words(&key.groups),
                scopes: words(&key.scopes),
                ..Identity::default()
            };
            if services.insert(key.sha256.to_lowercase(), Arc::new(identity)).is_some() {
                problems.push(Problem::new(&at, "this key stands here twice"));
            }
        }
        problems.finish(Arc::new(ApiKey {
            lookup: Lookup::new(name, parts),
            header,
            query: self.query.clone(),
            cookie: self.cookie.clone(),
            services,
            sessions: Arc::clone(parts.sessions),
            store: Arc::clone(parts.store),
        }))
    }
}

struct ApiKey {
    lookup: Lookup,
    header: HeaderName,
    query: Option<String>,
    cookie: Option<String>,
    services: HashMap<String, Arc<Identity>>,
    /// Their CSRF rule, for keys in cookies.
    sessions: Arc<Sessions>,
    store: Arc<dyn Store>,
}

impl Scheme for ApiKey {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let mut fields = request.headers.get_all(&self.header).iter();
        let key = match (fields.next(), fields.next()) {
            (Some(_), Some(_)) => return Answer::failed("Only one API key may be sent."),
            (Some(field), None) => Cow::Borrowed(field.as_bytes()),
            (None, _) => match (self.in_query(request), self.in_cookie(request)) {
                (Some(key), _) => Cow::Borrowed(key.as_bytes()),
                // A browser sends cookies with requests that other sites have made.
                (None, Some(key)) => match self.sessions.csrf.check(request, None) {
                    Ok(()) => bytes(key),
                    Err(reason) => {
                        let failure = Failure::forbidden(format!("CSRF Failed: {reason}"));
                        return Answer::Now(Ok(Outcome::Failed(failure)));
                    }
                },
                (None, None) => return Answer::not_attempted(),
            },
        };
        if key.is_empty() {
            return Answer::failed("Invalid API key.");
        }
        let fingerprint = self.lookup.key(&[&key]);
        Answer::known_or(self.lookup.known(&fingerprint), || {
            let load = self.load(key);
            self.lookup.get_counted(fingerprint, Subject::Unguessable, &request.client, load)
        })
    }

    fn reads_cookies(&self) -> bool {
        self.cookie.is_some()
    }

    fn reads_body(&self, request: &Request) -> bool {
        csrf::may_be_in_body(request)
            && request.headers.get(&self.header).is_none()
            && self.in_query(request).is_none()
            && self.in_cookie(request).is_some()
    }

    /// RFC 9110 wants a challenge with each 401; this one names the header to send.
    fn challenge(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("ApiKey header=\"{}\"", self.header)).ok()
    }
}

impl ApiKey {
    fn in_query<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let name = self.query.as_deref()?;
        let mut pairs = request.target.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, key)| key)
    }

    fn in_cookie<'a>(&self, request: &'a Request) -> Option<Cow<'a, str>> {
        cookie(&request.headers, self.cookie.as_deref()?)
    }

    async fn load(&self, key: Cow<'_, [u8]>) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        // Looked up by digest: the time it takes tells nothing about the key.
        let digest = sha256_hex(&key);
        let fact = match self.services.get(&digest) {
            Some(service) => Fact::Identity(Arc::clone(service)),
            None => self.stored(&digest).await?,
        };
        Ok((fact, None))
    }

    async fn stored(&self, digest: &str) -> Result<Fact, Unavailable> {
        Ok(match self.store.api_key(digest).await? {
            None => Fact::refused("Invalid API key."),
            Some(key) => match key.user {
                Some(user) if user.active => Fact::Identity(user.identity),
                Some(_) => Fact::refused("User inactive or deleted."),
                None => {
                    let service = Identity { username: key.name, ..Identity::default() };
                    Fact::Identity(Arc::new(service))
                }
            },
        })
    }
}
