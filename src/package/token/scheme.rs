//! DRF's `TokenAuthentication`: an opaque key in `authtoken_token`.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{id_of, rows};
use crate::{
    credential_cache::{CachedResult, Loaded},
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{Purpose, Request, credentials::keyword_token},
    scheme::{Answer, Lookup, Scheme},
    store::{Database, Unavailable},
    value::{Problem, Problems},
};

pub(super) const INVALID: &str = "Invalid token.";
pub(super) const INACTIVE: &str = "User inactive or deleted.";

/// `- token: { keyword: Bearer }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Token")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
    /// The word before the key, and the challenge: DRF's class attribute `keyword`.
    keyword: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, keyword: "Token".into() }
    }
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let word = !self.keyword.is_empty()
            && self.keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let Some(challenge) = HeaderValue::try_from(&self.keyword).ok().filter(|_| word) else {
            let at = context.path.key("keyword");
            let problem = Problem::new(&at, "the keyword is not one word");
            return Err(problem.help("use letters and digits, for example Token or Bearer").into());
        };
        context.site.db.needs(&[rows::BY_KEY]);
        Ok(Arc::new(Token {
            lookup: context.lookup(),
            keyword: self.keyword.clone(),
            challenge,
            db: context.site.db.clone(),
        }))
    }
}

struct Token {
    lookup: Lookup,
    keyword: String,
    challenge: HeaderValue,
    db: Database,
}

impl Scheme for Token {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let token = match keyword_token(&request.headers, &self.keyword) {
            None => return Answer::not_attempted(),
            Some(Err(detail)) => return Answer::failed(Refusal::new(detail)),
            Some(Ok(token)) => token,
        };
        self.lookup.answer(token.as_bytes(), &request.client, purpose, || self.load(token))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl Token {
    async fn load(&self, token: &str) -> Result<Loaded, Unavailable> {
        // The column holds 40 characters: a longer text is no token.
        let user = match token.chars().count() <= 40 {
            true => rows::user_of(&self.db, token).await?,
            false => None,
        };
        Ok(match user {
            Some(user) if user.active => {
                Loaded::new(CachedResult::Identity(user.identity)).named(id_of(token))
            }
            Some(_) => Loaded::refused(Refusal::new(INACTIVE)),
            None => Loaded::refused(Refusal::new(INVALID)),
        })
    }
}
