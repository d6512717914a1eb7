//! simplejwt's `JWTAuthentication` and `JWTStatelessUserAuthentication`.

use std::{borrow::Cow, sync::Arc};

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SimpleJwt, cookies::JwtCookies, id_of, tokens::Named};
use crate::{
    credential_cache::{CachedResult, Loaded},
    language::Content,
    limits::Subject,
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{
        Purpose, Request,
        credentials::{Authorization, Credential, bytes, cookie},
    },
    scheme::{Answer, Carrier, CsrfCheck, Lookup, Scheme},
    store::Unavailable,
    value::{Problem, Problems},
};

pub(super) const NO_TOKEN_FOUND: &str =
    "Authorization header must contain two space-delimited values";
pub(super) const NOT_VALID: &str = "Given token not valid for any token type";

/// `jwt` without an issuer: its settings stand at the top of the file, under `jwt`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SimpleJwtScheme")]
pub(super) struct Config {}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        None
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let site = context.site;
        let tokens = site.shared::<SimpleJwt>()?;
        if !tokens.is_stateless() {
            site.db.needs(tokens.queries());
        }
        let path = site.path("jwt");
        let config = tokens.config();
        let header = HeaderName::try_from(&config.header);
        let challenge = HeaderValue::try_from(tokens.challenge());
        let (Ok(header), Ok(challenge)) = (header, challenge) else {
            let problem = Problem::new(&path, "`header` or `keywords` cannot stand in a request");
            return Err(problem.into());
        };
        let at = path.key("cookies");
        let cookies = config.cookies.as_ref().map(|c| JwtCookies::new(c, "/", &at));
        Ok(Arc::new(Own {
            lookup: context.lookup(),
            header,
            challenge,
            cookies: cookies.transpose()?,
            tokens,
        }))
    }
}

struct Own {
    lookup: Lookup,
    header: HeaderName,
    challenge: HeaderValue,
    cookies: Option<JwtCookies>,
    tokens: Arc<SimpleJwt>,
}

/// Where a token stood.
enum Found<'a> {
    Header(&'a [u8]),
    Cookie(Cow<'a, str>),
    Nowhere,
    Malformed,
}

impl Scheme for Own {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        match self.find(request) {
            Found::Nowhere => Answer::not_attempted(),
            Found::Malformed => {
                Answer::failed(Refusal::with_code(NO_TOKEN_FOUND, "bad_authorization_header"))
            }
            Found::Header(token) => self.judge(token.into(), request, purpose),
            Found::Cookie(token) => self.judge(bytes(token), request, purpose),
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }

    fn reads_cookies(&self) -> bool {
        self.cookies.is_some()
    }

    fn carrier(&self, request: &Request) -> Carrier {
        match self.find(request) {
            Found::Cookie(_) => Carrier::Cookie(CsrfCheck::BeforeCredential),
            Found::Header(_) | Found::Nowhere | Found::Malformed => Carrier::Header,
        }
    }
}

impl Own {
    fn find<'a>(&self, request: &'a Request) -> Found<'a> {
        let field = request.headers.get(&self.header).and_then(Authorization::of);
        let keywords = &self.tokens.config().keywords;
        let own = field.filter(|f| keywords.iter().any(|word| f.keyword == word.as_bytes()));
        match (own.map(|field| field.credential), &self.cookies) {
            (Some(Credential::One(token)), _) => Found::Header(token),
            (Some(Credential::Missing | Credential::Spaces), _) => Found::Malformed,
            (None, Some(cookies)) => {
                match cookie(&request.headers, &cookies.access.name).filter(|c| !c.is_empty()) {
                    Some(token) => Found::Cookie(token),
                    None => Found::Nowhere,
                }
            }
            (None, None) => Found::Nowhere,
        }
    }

    fn judge<'a>(
        &'a self,
        token: Cow<'a, [u8]>,
        request: &'a Request,
        purpose: Purpose,
    ) -> Answer<'a> {
        let key = self.lookup.key(&[&token]);
        Answer::known_or(self.lookup.known(&key, purpose), || async move {
            let (subject, load) = (Subject::Unguessable, self.load(&token));
            self.lookup.get_counted(key, subject, &request.client, purpose, load).await
        })
    }

    async fn load(&self, token: &[u8]) -> Result<Loaded, Unavailable> {
        let claims = match self.tokens.read_for_use(token).await? {
            Ok(claims) => claims,
            Err(messages) => {
                let mut refusal = Refusal::with_code(NOT_VALID, "token_not_valid");
                refusal.members.push(("messages", Content::List(messages)));
                return Ok(Loaded::refused(refusal));
            }
        };
        let mut identity = match self.tokens.user(&claims).await? {
            Named::User(user) => user.identity,
            Named::Stateless(identity) => Arc::new(*identity),
            Named::Unknown(detail, code) => {
                return Ok(Loaded::refused(Refusal::with_code(detail, code)));
            }
        };
        let expiry = self.tokens.expiry(&claims);
        let id = self.tokens.jti(&claims).and_then(id_of);
        // It is not shared yet.
        if let Some(identity) = Arc::get_mut(&mut identity) {
            identity.claims = claims;
        }
        let loaded = Loaded::new(CachedResult::Identity(identity)).until(Some(expiry));
        Ok(Loaded { id, ..loaded })
    }
}
