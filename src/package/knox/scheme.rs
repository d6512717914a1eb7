//! django-rest-knox's `TokenAuthentication`.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{rows, tokens::Knox};
use crate::{
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{Purpose, Request, credentials::keyword_token},
    scheme::{Answer, Lookup, Scheme},
    value::{Problem, Problems},
};

/// `knox`: its settings stand at the top of the file, under `knox`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KnoxScheme")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let site = context.site;
        let knox = site.shared::<Knox>()?;
        site.db.needs(&[rows::BY_KEY]);
        let challenge = HeaderValue::try_from(knox.keyword()).map_err(|_| {
            let at = site.path("knox").key("keyword");
            Problem::new(&at, "the keyword cannot stand in a header")
        })?;
        let lookup = knox.lookup(Arc::clone(&context.name), site.limits);
        Ok(Arc::new(KnoxScheme { lookup, knox, challenge }))
    }
}

struct KnoxScheme {
    lookup: Lookup,
    knox: Arc<Knox>,
    challenge: HeaderValue,
}

impl Scheme for KnoxScheme {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        // The package answers 500 to a token that is no text; no client can have relied on it.
        let token = match keyword_token(&request.headers, self.knox.keyword()) {
            None => return Answer::not_attempted(),
            Some(Err(detail)) => return Answer::failed(Refusal::new(detail)),
            Some(Ok(token)) => token,
        };
        let load = || self.knox.load(token, purpose);
        self.lookup.answer(token.as_bytes(), &request.client, purpose, load)
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}
