//! A key in a header of its choice, or where asked in a query parameter or cookie.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::rows::{self, Owner};
use crate::{
    credential_cache::{CachedResult, Loaded},
    crypto::digest::sha256_hex,
    identity::Identity,
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{
        Purpose, Request,
        credentials::{bytes, cookie},
    },
    scheme::{Answer, Carrier, CsrfCheck, Lookup, Scheme},
    store::{CredentialId, Database, Unavailable},
    value::{Path, Problem, Problems},
};

/// `- api_key: { header: X-Api-Key }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ApiKey")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
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

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let path = context.path;
        let mut problems = Problems::default();
        let header = HeaderName::try_from(&self.header).unwrap_or_else(|_| {
            let message = format!("`{}` is not a header name", self.header);
            problems.push(Problem::new(&path.key("header"), message).help("for example X-Api-Key"));
            HeaderName::from_static("x-api-key")
        });
        let services = problems.keep(self.services(path)).unwrap_or_default();
        services.values().for_each(|service| context.site.db.reserve(&service.username));
        context.site.db.needs(&[rows::BY_DIGEST]);
        problems.finish(Arc::new(ApiKey {
            lookup: context.lookup(),
            header,
            query: self.query.clone(),
            cookie: self.cookie.clone(),
            services,
            db: context.site.db.clone(),
        }))
    }
}

impl Config {
    /// The keys that stand in the file, by digest.
    fn services(&self, path: &Path) -> Result<HashMap<String, Arc<Identity>>, Problems> {
        let mut problems = Problems::default();
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
                problems.push(Problem::new(&at, "this key is listed twice"));
            }
        }
        problems.finish(services)
    }
}

struct ApiKey {
    lookup: Lookup,
    header: HeaderName,
    query: Option<String>,
    cookie: Option<String>,
    services: HashMap<String, Arc<Identity>>,
    db: Database,
}

const INVALID: &str = "Invalid API key.";

/// Where a request has its key.
enum Found<'a> {
    Nowhere,
    /// In the header or the query.
    Plain(&'a [u8]),
    Cookie(Cow<'a, str>),
    Twice,
}

impl Scheme for ApiKey {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let key = match self.find(request) {
            Found::Nowhere => return Answer::not_attempted(),
            Found::Twice => {
                return Answer::failed(Refusal::new("Only one API key may be sent."));
            }
            Found::Plain(key) => Cow::Borrowed(key),
            Found::Cookie(key) => bytes(key),
        };
        if key.is_empty() {
            return Answer::failed(Refusal::new(INVALID));
        }
        self.lookup.answer(&key, &request.client, purpose, || self.load(key.clone()))
    }

    fn reads_cookies(&self) -> bool {
        self.cookie.is_some()
    }

    fn carrier(&self, request: &Request) -> Carrier {
        match self.find(request) {
            Found::Cookie(_) => Carrier::Cookie(CsrfCheck::BeforeCredential),
            Found::Nowhere | Found::Plain(_) | Found::Twice => Carrier::Header,
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("ApiKey header=\"{}\"", self.header)).ok()
    }
}

impl ApiKey {
    fn find<'a>(&self, request: &'a Request) -> Found<'a> {
        let mut fields = request.headers.get_all(&self.header).iter();
        match (fields.next(), fields.next()) {
            (Some(_), Some(_)) => Found::Twice,
            (Some(field), None) => Found::Plain(field.as_bytes()),
            (None, _) => match (self.in_query(request), self.in_cookie(request)) {
                (Some(key), _) => Found::Plain(key.as_bytes()),
                (None, Some(key)) => Found::Cookie(key),
                (None, None) => Found::Nowhere,
            },
        }
    }

    fn in_query<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let name = self.query.as_deref()?;
        let mut pairs = request.target.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, key)| key)
    }

    fn in_cookie<'a>(&self, request: &'a Request) -> Option<Cow<'a, str>> {
        cookie(&request.headers, self.cookie.as_deref()?)
    }

    async fn load(&self, key: Cow<'_, [u8]>) -> Result<Loaded, Unavailable> {
        // Looked up by digest: the time it takes tells nothing about the key.
        let digest = sha256_hex(&key);
        let loaded = match self.services.get(&digest) {
            Some(service) => Loaded::new(CachedResult::Identity(Arc::clone(service))),
            None => self.stored(&digest).await?,
        };
        Ok(loaded.named(CredentialId::new("api_key", digest)))
    }

    async fn stored(&self, digest: &str) -> Result<Loaded, Unavailable> {
        Ok(match rows::find(&self.db, digest).await? {
            None => Loaded::refused(Refusal::new(INVALID)),
            Some(key) => match key.owner {
                Owner::User(user) if user.active => {
                    Loaded::new(CachedResult::Identity(user.identity))
                }
                Owner::User(_) => Loaded::refused(Refusal::new("User inactive or deleted.")),
                Owner::Service => {
                    let service = Identity { username: key.name.into(), ..Identity::default() };
                    Loaded::new(CachedResult::Identity(Arc::new(service)))
                }
            },
        })
    }
}
