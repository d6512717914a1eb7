//! simplejwt's `JWTAuthentication` and `JWTStatelessUserAuthentication`.

use std::{borrow::Cow, sync::Arc};

use hyper::header::{HeaderName, HeaderValue};

use super::{
    super::{Answer, Failure, Outcome, Parts, Scheme, lookup::Lookup},
    NOT_VALID, members, refused,
};
use crate::{
    clock::Timestamp,
    lockout::Subject,
    request::{
        Request,
        credentials::{Authorization, Credential, bytes, cookie},
    },
    store::{Unavailable, cache::Fact},
    system::{
        jwt_cookies::JwtCookies,
        session::Sessions,
        simplejwt::{Named, SimpleJwt},
    },
    value::{Path, Problem, Problems},
};

pub(super) fn build(name: Arc<str>, parts: &Parts<'_>) -> Result<Arc<dyn Scheme>, Problems> {
    let tokens = parts.simplejwt()?;
    let path = Path::root().key("jwt");
    let config = tokens.config();
    let header = HeaderName::try_from(&config.header);
    let challenge = HeaderValue::try_from(tokens.challenge());
    let (Ok(header), Ok(challenge)) = (header, challenge) else {
        return Err(Problem::new(&path, "`header` or `keywords` cannot stand in a request").into());
    };
    let cookies = config.cookies.as_ref().map(|c| JwtCookies::new(c, "/", &path.key("cookies")));
    Ok(Arc::new(Own {
        lookup: Lookup::new(name, parts),
        header,
        challenge,
        cookies: cookies.transpose()?,
        tokens,
        sessions: Arc::clone(parts.sessions),
    }))
}

struct Own {
    lookup: Lookup,
    header: HeaderName,
    challenge: HeaderValue,
    cookies: Option<JwtCookies>,
    tokens: Arc<SimpleJwt>,
    sessions: Arc<Sessions>,
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

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        match self.find(request) {
            Found::Nowhere => Answer::not_attempted(),
            Found::Malformed => {
                let detail = "Authorization header must contain two space-delimited values";
                let members = Some(Arc::new(members("bad_authorization_header")));
                let failure = Failure { members, ..Failure::new(detail) };
                Answer::Now(Ok(Outcome::Failed(failure)))
            }
            Found::Header(token) => self.judge(token.into(), request),
            // A browser sends cookies with requests that other sites have made.
            Found::Cookie(token) => match self.sessions.csrf.check(request, None) {
                Err(reason) => {
                    let failure = Failure::forbidden(format!("CSRF Failed: {reason}"));
                    Answer::Now(Ok(Outcome::Failed(failure)))
                }
                Ok(()) => self.judge(bytes(token), request),
            },
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }

    fn reads_cookies(&self) -> bool {
        self.cookies.is_some()
    }

    fn reads_body(&self, request: &Request) -> bool {
        self.cookies.is_some()
            && crate::system::csrf::may_be_in_body(request)
            && matches!(self.find(request), Found::Cookie(_))
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

    fn judge<'a>(&'a self, token: Cow<'a, [u8]>, request: &'a Request) -> Answer<'a> {
        let key = self.lookup.key(&[&token]);
        Answer::known_or(self.lookup.known(&key), || async move {
            let (subject, load) = (Subject::Unguessable, self.load(&token));
            self.lookup.get_counted(key, subject, &request.client, load).await
        })
    }

    async fn load(&self, token: &[u8]) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        let claims = match self.tokens.read_for_use(token).await? {
            Ok(claims) => claims,
            Err(messages) => {
                let mut members = members(NOT_VALID);
                members.insert("messages".into(), messages.into());
                return Ok((refused("Given token not valid for any token type", members), None));
            }
        };
        let mut identity = match self.tokens.user(&claims).await? {
            Named::User(user) => user.identity,
            Named::Stateless(identity) => Arc::new(*identity),
            Named::Nobody(detail, code) => return Ok((refused(detail, members(code)), None)),
        };
        let expiry = self.tokens.expiry(&claims);
        // Nobody else has it yet.
        if let Some(identity) = Arc::get_mut(&mut identity) {
            identity.claims = claims;
        }
        Ok((Fact::Identity(identity), Some(expiry)))
    }
}
