//! simplejwt's pages.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{
    Method, StatusCode,
    header::{HeaderValue, SET_COOKIE},
};
use serde_json::{Value, json};

use super::{
    Rotation, SimpleJwt, TokenError, TokenType,
    cookies::JwtCookies,
    error,
    scheme::{NO_TOKEN_FOUND, NOT_VALID},
    tokens::{CHANGED, Claims, INACTIVE, NO_USER, NOT_FOUND},
};
use crate::{
    account::{Accounts, LogIn, Submitted},
    csrf::Csrf,
    language::{Content, Text},
    limits::{Guess, Judged, Limits, Subject},
    observe::audit::{By, Event, record},
    package::{Handler, PageCall, PageContext, Site},
    rejection::{Challenges, Refusal, Rejection},
    request::{Purpose, credentials::cookie},
    store::{Unavailable, User},
    upstream::Reply,
    value::{Problem, Problems, Secret},
    web::{Field, Fields, View, answer, json::Json},
};

const NO_ACCOUNT: &str = "No active account found with the given credentials";
const NO_ACCOUNT_FOR_TOKEN: &str = "No active account found for the given token.";

/// The sentences that the package has translations for.
pub(super) const TEXTS: &[&str] = &[
    NO_ACCOUNT,
    NO_ACCOUNT_FOR_TOKEN,
    NO_TOKEN_FOUND,
    NOT_VALID,
    NO_USER,
    NOT_FOUND,
    INACTIVE,
    CHANGED,
    error::TEXTS[0],
    error::TEXTS[1],
    error::TEXTS[2],
    error::TEXTS[3],
    error::TEXTS[4],
    error::TEXTS[5],
    error::TEXTS[6],
    error::TEXTS[7],
];

/// What a page does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    ObtainPair,
    ObtainSliding,
    Refresh,
    RefreshSliding,
    Verify,
    Blacklist,
}

struct TokenPage {
    work: Work,
    name: &'static str,
    view: View,
    jwt: Arc<SimpleJwt>,
    /// Where clients keep tokens, if not themselves.
    cookies: Option<JwtCookies>,
    csrf: Arc<Csrf>,
    accounts: Arc<Accounts>,
    limits: Arc<Limits>,
    username_field: Arc<str>,
}

fn build(
    site: &Site<'_>,
    context: &PageContext<'_>,
    work: Work,
    view: View,
) -> Result<Arc<dyn Handler>, Problems> {
    let jwt = site.shared::<SimpleJwt>()?;
    let sliding = matches!(work, Work::ObtainSliding | Work::RefreshSliding);
    let cookies = match &jwt.config().cookies {
        Some(_) if sliding => {
            let problem = Problem::new(context.path, "sliding tokens are not kept in cookies");
            return Err(problem.help("use `endpoint: jwt` with `jwt: { cookies: … }`").into());
        }
        Some(config) => {
            let at = site.path("jwt").key("cookies");
            Some(JwtCookies::new(config, &site.pages_path("jwt"), &at)?)
        }
        None => None,
    };
    Ok(Arc::new(TokenPage {
        work,
        name: context.name,
        view: view.browsable(site.browsable_api),
        jwt,
        cookies,
        csrf: Arc::clone(site.csrf),
        accounts: Arc::clone(site.accounts),
        limits: Arc::clone(site.limits),
        username_field: Arc::clone(&site.username_field),
    }))
}

fn view(name: &'static str, description: &'static str, fields: Vec<Field>) -> View {
    View::new(name, description).method(Method::POST, fields)
}

fn credentials(site: &Site<'_>) -> Vec<Field> {
    vec![Field::text(site.username_field.to_string()), Field::text("password")]
}

pub(super) fn obtain_pair(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a set of user credentials and returns an access and refresh JSON web\n\
         token pair to prove the authentication of those credentials.";
    let view = view("Token Obtain Pair", DESCRIPTION, credentials(site));
    build(site, context, Work::ObtainPair, view)
}

pub(super) fn obtain_sliding(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a set of user credentials and returns a sliding JSON web token to\n\
         prove the authentication of those credentials.";
    let view = view("Token Obtain Sliding", DESCRIPTION, credentials(site));
    build(site, context, Work::ObtainSliding, view)
}

pub(super) fn refresh(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a refresh type JSON web token and returns an access type JSON web\n\
         token if the refresh token is valid.";
    let fields = vec![Field::text("refresh"), Field::text("access").read_only()];
    build(site, context, Work::Refresh, view("Token Refresh", DESCRIPTION, fields))
}

pub(super) fn refresh_sliding(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a sliding JSON web token and returns a new, refreshed version if the\n\
         token's refresh period has not expired.";
    let view = view("Token Refresh Sliding", DESCRIPTION, vec![Field::text("token")]);
    build(site, context, Work::RefreshSliding, view)
}

pub(super) fn verify(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a token and indicates if it is valid.  This view provides no\n\
         information about a token's fitness for a particular use.";
    let view = view("Token Verify", DESCRIPTION, vec![Field::text("token")]);
    build(site, context, Work::Verify, view)
}

pub(super) fn blacklist(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str = "Takes a token and blacklists it. Must be used with the\n\
         `rest_framework_simplejwt.token_blacklist` app installed.";
    let view = view("Token Blacklist", DESCRIPTION, vec![Field::text("refresh")]);
    build(site, context, Work::Blacklist, view)
}

/// What a page's work came to.
enum Outcome {
    /// 200 with this body, and tokens for the client's cookies.
    Good { body: Value, access: Option<String>, refresh: Option<String> },
    /// The refresh token is gone, and its cookies with it.
    Ended,
}

fn not_valid(error: TokenError) -> Refusal {
    Refusal::with_code(Text::from(error), "token_not_valid")
}

impl Outcome {
    fn good(body: Value) -> Self {
        Outcome::Good { body, access: None, refresh: None }
    }
}

impl Handler for TokenPage {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(self.serve(call))
    }
}

impl TokenPage {
    async fn serve(&self, call: PageCall<'_>) -> Result<Reply, Rejection> {
        if let Some(answer) = self.view.before(&call.request, call.language)? {
            return Ok(answer);
        }
        let in_cookie = match &self.cookies {
            // Another site may post a form here: with a cookie that the browser adds, or with the
            // attacker's own name and password, so that the victim works in the attacker's account.
            Some(cookies) => {
                let checked = self.csrf.check(&call.request, None);
                checked.map_err(|reason| Rejection::Forbidden(Refusal::csrf(&reason).detail))?;
                cookie(&call.request.headers, &cookies.refresh.name).map(|t| t.into_owned())
            }
            None => None,
        };
        let client = call.client().address;
        let mut data = self.view.data(call.request).await?;
        if let (Work::Refresh | Work::Blacklist, Some(token), Json::Object(fields)) =
            (self.work, in_cookie, &mut data)
            && !fields.iter().any(|(name, _)| name == "refresh")
        {
            fields.push(("refresh".into(), Json::text(&token)));
        }
        let fields = self.view.read(&Method::POST, &data)?;
        let by = By::page("simplejwt", self.name);
        let outcome = match self.work {
            Work::ObtainPair | Work::ObtainSliding => self.obtain(&fields, client, by).await?,
            // Tokens cannot be guessed, and an office has many: only a flood of dead ones is stopped.
            _ => {
                let (subject, purpose) = (Subject::Unguessable, Purpose::Serve);
                let guess = Guess { subject, client, by, purpose };
                let judge = async {
                    Ok(match self.work_with_token(&fields, client).await? {
                        Ok(good) => Judged::Right(Ok(good)),
                        Err(refusal) => Judged::Wrong(Err(refusal), None),
                    })
                };
                let judged = self.limits.attempt(&guess, judge).await?;
                judged.map_err(Rejection::Throttled)?
            }
        };
        match outcome {
            Ok(Worked::Outcome(outcome)) => Ok(self.reply(outcome)),
            Ok(Worked::Invalid(errors)) => Err(Rejection::Invalid(errors)),
            Err(refusal) => Err(Rejection::Refused {
                refusal: Arc::new(refusal),
                challenges: Challenges(
                    HeaderValue::try_from(self.jwt.challenge()).into_iter().collect(),
                ),
            }),
        }
    }

    async fn obtain(
        &self,
        fields: &Fields,
        client: std::net::IpAddr,
        by: By<'_>,
    ) -> Result<Result<Worked, Refusal>, Rejection> {
        let password = Secret::new(fields.text("password").to_owned());
        let username = fields.text(&self.username_field);
        let submitted = Submitted { username, password: &password, client, by };
        let user = match self.accounts.log_in("password", &submitted).await? {
            LogIn::User(user) => user,
            LogIn::Wait(wait) => return Err(Rejection::Throttled(wait)),
            LogIn::Wrong => return Ok(Err(Refusal::new(NO_ACCOUNT))),
            // The protocol has no place for a second step.
            LogIn::SecondFactor(_) => return Err(Rejection::PermissionDenied),
        };
        let made = self.make(&user).await?;
        record(Event::TokenCreated, Some(&user.identity.username), client, by);
        Ok(Ok(Worked::Outcome(made)))
    }

    async fn make(&self, user: &User) -> Result<Outcome, Unavailable> {
        let jwt = &self.jwt;
        if self.work == Work::ObtainSliding {
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

    async fn work_with_token(
        &self,
        fields: &Fields,
        client: std::net::IpAddr,
    ) -> Result<Result<Worked, Refusal>, Unavailable> {
        let (field, kind) = match self.work {
            Work::Refresh | Work::Blacklist => ("refresh", Some(TokenType::Refresh)),
            Work::RefreshSliding => ("token", Some(TokenType::Sliding)),
            _ => ("token", None),
        };
        let token = fields.text(field);
        let claims = match self.jwt.read(token.as_bytes(), kind).await? {
            Ok(claims) => claims,
            Err(error) => return Ok(Err(not_valid(error))),
        };
        let outcome = match self.work {
            Work::Refresh => self.refreshed(token, &claims, client).await?,
            Work::RefreshSliding => match self.jwt.slide(&claims)? {
                Ok(token) => Ok(Outcome::good(json!({ "token": token }))),
                Err(error) => Err(not_valid(error)),
            },
            Work::Blacklist => {
                let owner = self.jwt.owner(&claims).await?.unwrap_or_default();
                self.jwt.blacklist(&claims, token, owner.map(|user| user.id)).await?;
                Ok(Outcome::Ended)
            }
            _ => {
                if self.jwt.verify_asks_blacklist() && self.jwt.is_blacklisted(&claims).await? {
                    let errors = Content::field_error("non_field_errors", error::BLACKLISTED);
                    return Ok(Ok(Worked::Invalid(errors)));
                }
                Ok(Outcome::good(json!({})))
            }
        };
        Ok(outcome.map(Worked::Outcome))
    }

    async fn refreshed(
        &self,
        token: &str,
        claims: &Claims,
        client: std::net::IpAddr,
    ) -> Result<Result<Outcome, Refusal>, Unavailable> {
        let jwt = &self.jwt;
        let owner = match jwt.owner(claims).await? {
            Ok(owner) => owner,
            // The package answers 500 to a user who is gone; no client can have relied on it.
            Err(()) => return Ok(Err(not_valid(TokenError::Invalid))),
        };
        if owner.as_ref().is_some_and(|user| !jwt.admits(user)) {
            return Ok(Err(Refusal::new(NO_ACCOUNT_FOR_TOKEN)));
        }
        if let Some(user) = &owner {
            self.limits.suspicion.refreshed(&user.identity.username, client);
        }
        let access = jwt.access_of(claims)?;
        Ok(match jwt.rotate(claims, token, owner.as_ref()).await? {
            // Of two requests with one refresh token only one gets its successor.
            Rotation::UsedUp => Err(not_valid(TokenError::Blacklisted)),
            Rotation::Stays => Ok(Outcome::Good {
                body: json!({ "access": access }),
                access: Some(access),
                refresh: None,
            }),
            Rotation::New(refresh) => Ok(Outcome::Good {
                body: json!({ "access": access, "refresh": refresh }),
                access: Some(access),
                refresh: Some(refresh),
            }),
        })
    }

    fn reply(&self, outcome: Outcome) -> Reply {
        let said = |body: Value| answer::json(StatusCode::OK, &body.into(), None);
        let (mut reply, cookies) = match (outcome, &self.cookies) {
            (Outcome::Ended, jar) => {
                (said(json!({})), jar.as_ref().map(JwtCookies::delete).unwrap_or_default())
            }
            (Outcome::Good { body, .. }, None) => (said(body), Vec::new()),
            // Where scripts are not to see tokens, the body has none.
            (Outcome::Good { access, refresh, .. }, Some(jar)) => {
                let (access, refresh) = (access.as_deref(), refresh.as_deref());
                let now = self.jwt.clock.now();
                (said(json!({})), jar.set(access, refresh, self.jwt.lifetimes(), now))
            }
        };
        for cookie in cookies {
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
        reply
    }
}

/// What came of a good token.
enum Worked {
    Outcome(Outcome),
    /// 400 with these errors: the token is good, and what is asked of it is not.
    Invalid(Content),
}
