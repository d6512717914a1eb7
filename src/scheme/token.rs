//! DRF's `TokenAuthentication`: an opaque key in `authtoken_token`.

use std::sync::Arc;

use hyper::{HeaderMap, header::HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Parts, Scheme, lookup::Lookup};
use crate::{
    clock::Timestamp,
    lockout::Subject,
    request::{
        Request,
        credentials::{Authorization, Credential},
    },
    store::{Store, Unavailable, cache::Fact},
    value::{Path, Problem, Problems},
};

/// `- token: { keyword: Bearer }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Token")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// The word before the key, and the challenge: DRF's class attribute `keyword`.
    keyword: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, keyword: "Token".into() }
    }
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let word = !self.keyword.is_empty()
            && self.keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let Some(challenge) = HeaderValue::try_from(&self.keyword).ok().filter(|_| word) else {
            let problem = Problem::new(&path.key("keyword"), "the keyword is not one word");
            return Err(problem.help("use letters and digits, for example Token or Bearer").into());
        };
        Ok(Arc::new(Token {
            lookup: Lookup::new(name, parts),
            keyword: self.keyword.clone(),
            challenge,
            store: Arc::clone(parts.store),
        }))
    }
}

struct Token {
    lookup: Lookup,
    keyword: String,
    challenge: HeaderValue,
    store: Arc<dyn Store>,
}

impl Scheme for Token {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let key = match read(&request.headers, &self.keyword) {
            None => return Answer::not_attempted(),
            Some(Err(detail)) => return Answer::failed(detail),
            Some(Ok(key)) => key,
        };
        let fingerprint = self.lookup.key(&[key.as_bytes()]);
        Answer::known_or(self.lookup.known(&fingerprint), || {
            let load = self.load(key);
            self.lookup.get_counted(fingerprint, Subject::Unguessable, &request.client, load)
        })
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl Token {
    async fn load(&self, key: &str) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        // The column holds 40 characters: a longer text is nobody's.
        let user = match key.chars().count() <= 40 {
            true => self.store.user_by_token(key).await?,
            false => None,
        };
        let fact = match user {
            Some(user) if user.active => Fact::Identity(user.identity),
            Some(_) => Fact::refused("User inactive or deleted."),
            None => Fact::refused("Invalid token."),
        };
        Ok((fact, None))
    }
}

/// The token of an `Authorization` field as `TokenAuthentication` reads it, or what is wrong with
/// it; knox has copied that.
pub(super) fn read<'a>(
    headers: &'a HeaderMap,
    keyword: &str,
) -> Option<Result<&'a str, &'static str>> {
    let field = Authorization::read(headers).filter(|field| field.is(keyword))?;
    Some(match field.credential {
        Credential::One(token) => std::str::from_utf8(token).map_err(
            |_| "Invalid token header. Token string should not contain invalid characters.",
        ),
        Credential::Missing => Err("Invalid token header. No credentials provided."),
        Credential::Spaces => Err("Invalid token header. Token string should not contain spaces."),
    })
}
