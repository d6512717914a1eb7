//! django-rest-knox's `TokenAuthentication`.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Parts, Scheme, lookup::Lookup, token};
use crate::{
    lockout::Subject,
    request::Request,
    system::knox::Knox,
    value::{Path, Problem, Problems},
};

/// `knox`: its settings stand at the top of the file, under `knox`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KnoxScheme")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        _path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let knox = Arc::clone(parts.knox);
        let challenge = HeaderValue::try_from(knox.keyword()).map_err(|_| {
            let at = Path::root().key("knox").key("keyword");
            Problem::new(&at, "the keyword cannot stand in a header")
        })?;
        let lookup = Lookup::new(name, parts);
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

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        // The package answers 500 to a token that is no text; no client can have relied on it.
        let token = match token::read(&request.headers, self.knox.keyword()) {
            None => return Answer::not_attempted(),
            Some(Err(detail)) => return Answer::failed(detail),
            Some(Ok(token)) => token,
        };
        let key = self.knox.fingerprint(token);
        Answer::known_or(self.lookup.known(&key), || {
            let load = self.knox.load(token);
            self.lookup.get_counted(key, Subject::Unguessable, &request.client, load)
        })
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}
