#![doc = include_str!("README.md")]

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    package::{Descriptor, SchemeContext, SchemeKind, SchemeSettings},
    request::{
        Purpose, Request,
        credentials::{Authorization, cookie},
    },
    scheme::{Answer, Outcome, Scheme},
    value::{Problem, Problems},
};

/// Credentials that the upstream judges.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("upstream")],
    ..Descriptor::new("upstream", include_str!("README.md"))
};

/// `- upstream: { keywords: [Bearer] }`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UpstreamJudges")]
struct Config {
    /// A second name.
    name: Option<String>,
    /// First words of `Authorization`, in any case; `*` for all.
    keywords: Vec<String>,
    /// Header fields that carry such a credential.
    headers: Vec<String>,
    /// Cookies that do.
    cookies: Vec<String>,
    /// `WWW-Authenticate`, where this scheme is the first of a chain.
    challenge: Option<String>,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let mut problems = Problems::default();
        let mut headers = Vec::new();
        for (index, name) in self.headers.iter().enumerate() {
            let at = context.path.key("headers").index(index);
            match HeaderName::try_from(name) {
                Ok(AUTHORIZATION) => {
                    let problem =
                        Problem::new(&at, "`Authorization` is not a header of one scheme");
                    problems.push(problem.help("name its first words: `keywords: [Bearer]`"));
                }
                Ok(name) => headers.push(name),
                Err(_) => {
                    let message = format!("`{name}` is not a header name");
                    problems.push(Problem::new(&at, message).help("for example X-Api-Key"));
                }
            }
        }
        if self.keywords.is_empty() && self.headers.is_empty() && self.cookies.is_empty() {
            let problem = Problem::new(context.path, "no credential is named");
            problems.push(
                problem.help("list what carries it: `keywords: [Bearer]`, `headers`, `cookies`"),
            );
        }
        let challenge = self.challenge.as_ref().map(HeaderValue::try_from).transpose();
        let challenge = challenge.unwrap_or_else(|_| {
            let at = context.path.key("challenge");
            let problem = Problem::new(&at, "the challenge cannot stand in a header");
            problems.push(problem.help("for example Bearer realm=\"api\""));
            None
        });
        problems.finish(Arc::new(Upstream {
            name: Arc::clone(&context.name),
            keywords: self.keywords.clone(),
            headers,
            cookies: self.cookies.clone(),
            challenge,
        }))
    }
}

struct Upstream {
    name: Arc<str>,
    keywords: Vec<String>,
    headers: Vec<HeaderName>,
    cookies: Vec<String>,
    challenge: Option<HeaderValue>,
}

impl Upstream {
    fn is_shown(&self, request: &Request) -> bool {
        let any = self.keywords.iter().any(|keyword| keyword == "*");
        let keyword = Authorization::read(&request.headers)
            .is_some_and(|field| any || self.keywords.iter().any(|keyword| field.is(keyword)));
        keyword
            || self.headers.iter().any(|name| request.headers.contains_key(name))
            || self.cookies.iter().any(|name| cookie(&request.headers, name).is_some())
    }
}

impl Scheme for Upstream {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, _purpose: Purpose) -> Answer<'a> {
        match self.is_shown(request) {
            true => Answer::Now(Ok(Outcome::Left.into())),
            false => Answer::not_attempted(),
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        self.challenge.clone()
    }

    fn reads_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }
}
