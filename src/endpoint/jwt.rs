//! simplejwt's pages.

use std::sync::Arc;

use hyper::{
    StatusCode,
    header::{HeaderValue, SET_COOKIE, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use super::{
    Page, Parts,
    drf::{self, Field, Taken, View},
    json::Json,
    page,
};
use crate::{
    lockout::Subject,
    login::Attempt,
    observe::audit::{self, Event},
    rejection::Rejection,
    request::{Request, credentials::cookie},
    store::{Unavailable, User},
    system::{
        jwt_cookies::JwtCookies,
        simplejwt::{Claims, Rotation, SimpleJwt, TokenType},
    },
    upstream::Reply,
    value::Secret,
};

/// What the pages work with.
#[derive(Clone)]
pub struct Tokens {
    /// Makes and reads tokens.
    pub tokens: Arc<SimpleJwt>,
    /// Where clients keep them, if not themselves.
    pub cookies: Option<JwtCookies>,
}

const ALLOW: &str = "POST, OPTIONS";

macro_rules! metadata {
    ($name:literal, $description:literal, $fields:literal) => {
        concat!(
            r#"{"name":""#,
            $name,
            r#"","description":""#,
            $description,
            r#"","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"],"actions":{"POST":"#,
            $fields,
            "}}"
        )
    };
}

/// `SimpleMetadata` of each view, and its fields.
fn view(page: Page) -> View {
    let metadata = match page {
        Page::TokenObtainSliding => metadata!(
            "Token Obtain Sliding",
            r"Takes a set of user credentials and returns a sliding JSON web token to\nprove the authentication of those credentials.",
            r#"{"username":{"type":"string","required":true,"read_only":false,"label":"Username"},"password":{"type":"string","required":true,"read_only":false,"label":"Password"}}"#
        ),
        Page::TokenRefresh => metadata!(
            "Token Refresh",
            r"Takes a refresh type JSON web token and returns an access type JSON web\ntoken if the refresh token is valid.",
            r#"{"refresh":{"type":"string","required":true,"read_only":false,"label":"Refresh"},"access":{"type":"string","required":false,"read_only":true,"label":"Access"}}"#
        ),
        Page::TokenRefreshSliding => metadata!(
            "Token Refresh Sliding",
            r"Takes a sliding JSON web token and returns a new, refreshed version if the\ntoken's refresh period has not expired.",
            r#"{"token":{"type":"string","required":true,"read_only":false,"label":"Token"}}"#
        ),
        Page::TokenVerify => metadata!(
            "Token Verify",
            r"Takes a token and indicates if it is valid.  This view provides no\ninformation about a token's fitness for a particular use.",
            r#"{"token":{"type":"string","required":true,"read_only":false,"label":"Token"}}"#
        ),
        Page::TokenBlacklist => metadata!(
            "Token Blacklist",
            r"Takes a token and blacklists it. Must be used with the\n`rest_framework_simplejwt.token_blacklist` app installed.",
            r#"{"refresh":{"type":"string","required":true,"read_only":false,"label":"Refresh"}}"#
        ),
        _ => metadata!(
            "Token Obtain Pair",
            r"Takes a set of user credentials and returns an access and refresh JSON web\ntoken pair to prove the authentication of those credentials.",
            r#"{"username":{"type":"string","required":true,"read_only":false,"label":"Username"},"password":{"type":"string","required":true,"read_only":false,"label":"Password"}}"#
        ),
    };
    View { allow: ALLOW, browsable: true, metadata }
}

/// What a page's own work came to.
enum Outcome {
    /// 200 with this body, and tokens for the client's cookies.
    Good { body: Value, access: Option<String>, refresh: Option<String> },
    /// The refresh token is gone, and its cookies with it.
    Ended,
    /// 400 with this body.
    Invalid(Value),
    /// 401: the package's words, and its code if it has one.
    Refused(String, Option<&'static str>),
}

impl Outcome {
    fn good(body: Value) -> Self {
        Outcome::Good { body, access: None, refresh: None }
    }

    fn not_valid(error: impl Into<String>) -> Self {
        Outcome::Refused(error.into(), Some("token_not_valid"))
    }
}

pub(super) async fn serve(
    which: Page,
    tokens: &Tokens,
    parts: &Parts,
    request: Request,
) -> Result<Reply, Rejection> {
    let view = view(which);
    if let Some(answer) = view.before(&request) {
        return Ok(answer);
    }
    let client = request.client.address;
    let lockout = &parts.login.lockout;
    let takes_password = matches!(which, Page::TokenObtainPair | Page::TokenObtainSliding);
    if takes_password {
        parts.auth_limit.admit(client).map_err(Rejection::Throttled)?;
    } else if let Some(wait) = lockout.wait(Subject::Unguessable, client) {
        // Tokens cannot be guessed, and an office has many: only a flood of dead ones is stopped.
        return Err(Rejection::Throttled(wait));
    }
    let in_cookie = match &tokens.cookies {
        // Another site may post a form here: with a cookie that the browser adds, or with the
        // attacker's own name and password, so that the victim works in the attacker's account.
        Some(cookies) => {
            let csrf = parts.sessions.csrf.check(&request, None);
            csrf.map_err(|reason| Rejection::Forbidden(format!("CSRF Failed: {reason}").into()))?;
            cookie(&request.headers, &cookies.refresh.name).map(|token| token.into_owned())
        }
        None => None,
    };
    let mut data = match view.data(request).await? {
        Taken::Data(data) => data,
        Taken::Answer(answer) => return Ok(answer),
    };
    if matches!(which, Page::TokenRefresh | Page::TokenBlacklist)
        && let (Some(token), Json::Object(fields)) = (in_cookie, &mut data)
        && !fields.iter().any(|(name, _)| name == "refresh")
    {
        fields.push(("refresh".into(), Json::text(&token)));
    }
    let jwt = &*tokens.tokens;
    let outcome = match which {
        Page::TokenRefresh => {
            let told =
                |user: &User| parts.login.suspicion.refreshed(&user.identity.username, client);
            refresh(jwt, &data, told).await?
        }
        Page::TokenRefreshSliding => slide(jwt, &data).await?,
        Page::TokenVerify => verify(jwt, &data).await?,
        Page::TokenBlacklist => blacklist(jwt, &data).await?,
        _ => {
            match drf::fields(&data, [Field(&parts.username_field, true), Field("password", true)])
            {
                Err(errors) => Outcome::Invalid(errors),
                Ok([username, password]) => {
                    let password = Secret::new(password);
                    match parts.login.attempt(&username, &password, client, "jwt endpoint").await? {
                        Attempt::Wait(wait) => return Err(Rejection::Throttled(wait)),
                        Attempt::Wrong => {
                            let detail = "No active account found with the given credentials";
                            Outcome::Refused(detail.into(), None)
                        }
                        Attempt::User(user) => {
                            let sliding = which == Page::TokenObtainSliding;
                            let made = obtain(jwt, &user, sliding).await?;
                            let name = Some(&*user.identity.username);
                            audit::record(Event::TokenCreated, name, client, "jwt endpoint");
                            made
                        }
                    }
                }
            }
        }
    };
    if let (Outcome::Refused(..), false) = (&outcome, takes_password)
        && let Ok(attempt) = lockout.begin(Subject::Unguessable, client)
    {
        attempt.failed();
    }
    Ok(reply(tokens, outcome))
}

async fn obtain(jwt: &SimpleJwt, user: &User, sliding: bool) -> Result<Outcome, Unavailable> {
    if sliding {
        let (_, token) = jwt.sliding_for(user).await?;
        jwt.logged_in(user).await?;
        return Ok(Outcome::good(json!({ "token": token })));
    }
    let (claims, refresh) = jwt.refresh_for(user).await?;
    let access = jwt.access_of(&claims)?;
    jwt.logged_in(user).await?;
    Ok(Outcome::Good {
        body: json!({ "refresh": refresh, "access": access }),
        access: Some(access),
        refresh: Some(refresh),
    })
}

async fn refresh(
    jwt: &SimpleJwt,
    data: &Json,
    told: impl Fn(&User),
) -> Result<Outcome, Unavailable> {
    let (token, claims) = match read(jwt, data, "refresh", Some(TokenType::Refresh)).await? {
        Ok(read) => read,
        Err(outcome) => return Ok(outcome),
    };
    let owner = match jwt.owner(&claims).await? {
        Ok(owner) => owner,
        // The package answers 500 to a user who is gone; no client can have relied on it.
        Err(()) => return Ok(Outcome::not_valid("Token is invalid")),
    };
    if owner.as_ref().is_some_and(|user| !jwt.admits(user)) {
        return Ok(Outcome::Refused("No active account found for the given token.".into(), None));
    }
    owner.iter().for_each(told);
    let access = jwt.access_of(&claims)?;
    Ok(match jwt.rotate(&claims, &token, owner.as_ref()).await? {
        // Of two requests with one refresh token only one gets its successor.
        Rotation::UsedUp => Outcome::not_valid("Token is blacklisted"),
        Rotation::Stays => {
            Outcome::Good { body: json!({ "access": access }), access: Some(access), refresh: None }
        }
        Rotation::New(refresh) => Outcome::Good {
            body: json!({ "access": access, "refresh": refresh }),
            access: Some(access),
            refresh: Some(refresh),
        },
    })
}

async fn slide(jwt: &SimpleJwt, data: &Json) -> Result<Outcome, Unavailable> {
    let claims = match read(jwt, data, "token", Some(TokenType::Sliding)).await? {
        Ok((_, claims)) => claims,
        Err(outcome) => return Ok(outcome),
    };
    Ok(match jwt.slide(&claims)? {
        Ok(token) => Outcome::good(json!({ "token": token })),
        Err(error) => Outcome::not_valid(error),
    })
}

async fn verify(jwt: &SimpleJwt, data: &Json) -> Result<Outcome, Unavailable> {
    let claims = match read(jwt, data, "token", None).await? {
        Ok((_, claims)) => claims,
        Err(outcome) => return Ok(outcome),
    };
    if jwt.verify_asks_blacklist() && jwt.is_blacklisted(&claims).await? {
        return Ok(Outcome::Invalid(json!({ "non_field_errors": ["Token is blacklisted"] })));
    }
    Ok(Outcome::good(json!({})))
}

async fn blacklist(jwt: &SimpleJwt, data: &Json) -> Result<Outcome, Unavailable> {
    let (token, claims) = match read(jwt, data, "refresh", Some(TokenType::Refresh)).await? {
        Ok(read) => read,
        Err(outcome) => return Ok(outcome),
    };
    let owner = jwt.owner(&claims).await?.unwrap_or_default();
    jwt.blacklist(&claims, &token, owner.map(|user| user.id)).await?;
    Ok(Outcome::Ended)
}

/// The token in a field, and its claims.
async fn read(
    jwt: &SimpleJwt,
    data: &Json,
    field: &'static str,
    kind: Option<TokenType>,
) -> Result<Result<(String, Claims), Outcome>, Unavailable> {
    let token = match drf::fields(data, [Field(field, true)]) {
        Ok([token]) => token,
        Err(errors) => return Ok(Err(Outcome::Invalid(errors))),
    };
    let claims = jwt.read(token.as_bytes(), kind).await?;
    Ok(claims.map(|claims| (token, claims)).map_err(Outcome::not_valid))
}

fn reply(tokens: &Tokens, outcome: Outcome) -> Reply {
    let mut cookies = Vec::new();
    let mut reply = match outcome {
        Outcome::Invalid(errors) => page(StatusCode::BAD_REQUEST, &errors, ALLOW),
        Outcome::Refused(detail, code) => {
            let mut body = json!({ "detail": detail });
            if let (Some(code), Some(body)) = (code, body.as_object_mut()) {
                body.insert("code".into(), code.into());
            }
            let mut reply = page(StatusCode::UNAUTHORIZED, &body, ALLOW);
            if let Ok(challenge) = HeaderValue::try_from(tokens.tokens.challenge()) {
                reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            reply
        }
        Outcome::Ended => {
            cookies.extend(tokens.cookies.iter().flat_map(JwtCookies::delete));
            page(StatusCode::OK, &json!({}), ALLOW)
        }
        Outcome::Good { body, access, refresh } => match &tokens.cookies {
            None => page(StatusCode::OK, &body, ALLOW),
            // Where scripts are not to see tokens, the body has none.
            Some(jar) => {
                let now = tokens.tokens.clock.now();
                let (access, refresh) = (access.as_deref(), refresh.as_deref());
                cookies = jar.set(access, refresh, tokens.tokens.lifetimes(), now);
                page(StatusCode::OK, &json!({}), ALLOW)
            }
        },
    };
    for cookie in cookies {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    reply
}
