//! Pages of the gateway's own. A new one is a file here and a word in [`Kind`].

mod drf;
pub mod json;
mod jwt;
mod knox;
mod session;
mod token;

pub use self::{
    jwt::Tokens as JwtTokens,
    session::{Pages as SessionPages, is_local},
};

use std::{borrow::Cow, sync::Arc};

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::{Deserialize, de};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    forward::Signer,
    login::Login,
    policy::{self, Admitted},
    rejection::Rejection,
    request::Request,
    store::{Store, Unavailable},
    system::{knox::Knox, session::Sessions},
    throttle::AuthLimit,
    upstream::{Reply, ReplyBody},
};

/// The `endpoint` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EndpointKind")]
pub enum Kind {
    /// DRF's `ObtainAuthToken`: user name and password for a token.
    Token,
    /// Django's login and logout: `login/` and `logout/` below the route.
    Session,
    /// simplejwt: obtain a pair at the route itself, `refresh/`, `verify/` and `blacklist/` below.
    Jwt,
    /// simplejwt's sliding tokens: obtain at the route itself, `refresh/` below.
    JwtSliding,
    /// django-rest-knox: `login/`, `logout/` and `logoutall/` below the route.
    Knox,
    /// A CSRF token and its cookie, for single-page applications.
    Csrf,
    /// Who the gateway takes the caller for.
    Whoami,
    /// The public keys of the identity assertion (RFC 7517).
    Jwks,
}

/// A page of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the views that they stand in for")]
pub enum Page {
    Token,
    Login,
    Logout,
    TokenObtainPair,
    TokenRefresh,
    TokenVerify,
    TokenBlacklist,
    TokenObtainSliding,
    TokenRefreshSliding,
    KnoxLogin,
    KnoxLogout,
    KnoxLogoutAll,
    Csrf,
    Whoami,
    Jwks,
}

/// Whom a page asks who is calling, unless its route says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nobody: the page looks for itself, or is for everybody.
    Nobody,
    /// The top-level chain.
    TopChain,
    /// One scheme.
    Scheme(&'static str),
}

impl Kind {
    /// Its pages by name; each stands at its name below the route, the first at the route itself
    /// if it has none there.
    pub fn pages(self) -> &'static [(&'static str, &'static str, Page)] {
        match self {
            Kind::Token => &[("token", "", Page::Token)],
            Kind::Session => {
                &[("login", "login/", Page::Login), ("logout", "logout/", Page::Logout)]
            }
            Kind::Jwt => &[
                ("obtain", "", Page::TokenObtainPair),
                ("refresh", "refresh/", Page::TokenRefresh),
                ("verify", "verify/", Page::TokenVerify),
                ("blacklist", "blacklist/", Page::TokenBlacklist),
            ],
            Kind::JwtSliding => &[
                ("obtain", "", Page::TokenObtainSliding),
                ("refresh", "refresh/", Page::TokenRefreshSliding),
            ],
            Kind::Knox => &[
                ("login", "login/", Page::KnoxLogin),
                ("logout", "logout/", Page::KnoxLogout),
                ("logoutall", "logoutall/", Page::KnoxLogoutAll),
            ],
            Kind::Csrf => &[("csrf", "", Page::Csrf)],
            Kind::Whoami => &[("whoami", "", Page::Whoami)],
            Kind::Jwks => &[("jwks", "", Page::Jwks)],
        }
    }
}

impl Page {
    /// Whom it asks who is calling.
    pub fn asks(self) -> Asks {
        match self {
            Page::Token | Page::Whoami | Page::KnoxLogin => Asks::TopChain,
            Page::KnoxLogout | Page::KnoxLogoutAll => Asks::Scheme("knox"),
            _ => Asks::Nobody,
        }
    }

    /// Who may come to the page, unless its route says otherwise; nothing for the rule at the top
    /// of the file.
    pub fn rule(self) -> Option<policy::Word> {
        match self {
            Page::Whoami => None,
            Page::KnoxLogin | Page::KnoxLogout | Page::KnoxLogoutAll => {
                Some(policy::Word::Authenticated)
            }
            _ => Some(policy::Word::Anyone),
        }
    }

    /// Whether the rates at the top of the file count: as for the views that it stands in for. The
    /// pages that take passwords have limits of their own, and keys are for everybody.
    pub fn is_throttled(self) -> bool {
        !matches!(self, Page::Token | Page::Login | Page::Logout | Page::Csrf | Page::Jwks)
    }

    /// Whether the view has a second renderer, which DRF says in `Vary`.
    fn negotiates(self) -> bool {
        !matches!(
            self,
            Page::Token | Page::Login | Page::Logout | Page::Csrf | Page::Whoami | Page::Jwks
        )
    }

    /// The methods of the page, for `Allow`.
    pub fn allow(self) -> &'static str {
        match self {
            Page::Login => "GET, HEAD, POST, OPTIONS",
            Page::Csrf | Page::Whoami | Page::Jwks => "GET, HEAD, OPTIONS",
            _ => "POST, OPTIONS",
        }
    }
}

/// `endpoint: jwt`, or one page of it: `endpoint: { jwt: { page: refresh } }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What kind.
    pub kind: Kind,
    /// One of its pages, or all.
    pub page: Option<String>,
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            page: String,
        }
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Config;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of an endpoint, or a map such as `jwt: { page: refresh }`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Config, E> {
                let kind = Kind::deserialize(de::value::StrDeserializer::new(word))?;
                Ok(Config { kind, page: None })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
                let kind = map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let One { page } = map.next_value()?;
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(Config { kind, page: Some(page) }),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word = generator.subschema_for::<Kind>();
        let page = schemars::json_schema!({
            "type": "object", "properties": { "page": { "type": "string" } },
            "required": ["page"], "additionalProperties": false
        });
        schemars::json_schema!({ "anyOf": [word, {
            "type": "object", "additionalProperties": page, "minProperties": 1, "maxProperties": 1
        }] })
    }
}

/// What pages are built from.
#[derive(Clone)]
pub struct Parts {
    /// Users and tokens.
    pub store: Arc<dyn Store>,
    /// Password checks.
    pub login: Arc<Login>,
    /// The limit on pages that take passwords.
    pub auth_limit: Arc<AuthLimit>,
    /// The assertion's keys.
    pub signer: Arc<Signer>,
    /// Django's sessions.
    pub sessions: Arc<Sessions>,
    /// How the login pages look, and where they lead.
    pub session_pages: Arc<SessionPages>,
    /// django-rest-knox.
    pub knox: Arc<Knox>,
    /// The user model's `USERNAME_FIELD`, which is the name of the field in some pages.
    pub username_field: Arc<str>,
    /// For what is written.
    pub clock: Clock,
}

/// A page, ready to be served.
pub struct Endpoint {
    page: Page,
    parts: Parts,
    /// The project's own tokens, on pages that need them.
    jwt: Option<jwt::Tokens>,
    /// Whether the route is for one path exactly: then a missing final slash is not added.
    exact: bool,
}

impl Endpoint {
    /// A page.
    pub fn new(page: Page, parts: Parts, jwt: Option<jwt::Tokens>, exact: bool) -> Self {
        Self { page, parts, jwt, exact }
    }

    /// Which.
    pub fn page(&self) -> Page {
        self.page
    }

    /// The limit of a page whose password the chain looks at: before it does.
    ///
    /// # Errors
    /// Too many.
    pub fn limit(&self, request: &Request) -> Result<(), Rejection> {
        if self.page != Page::KnoxLogin || request.method != Method::POST {
            return Ok(());
        }
        self.parts.auth_limit.admit(request.client.address).map_err(Rejection::Throttled)
    }

    /// Answers a request that was let in.
    ///
    /// # Errors
    /// Limits, outages, and bodies that cannot be read.
    pub async fn serve(&self, request: Request, admitted: &Admitted) -> Result<Reply, Rejection> {
        let single = matches!(self.page, Page::Csrf | Page::Whoami | Page::Jwks);
        if !self.exact && !single && !request.target.path().ends_with('/') {
            return Ok(with_slash(&request));
        }
        let allow = self.page.allow();
        let parts = &self.parts;
        match (self.page, &request.method) {
            (Page::Token, _) => token::serve(parts, request).await,
            (Page::Login, _) => session::login(parts, request).await,
            (Page::Logout, _) => session::logout(parts, request).await,
            (Page::KnoxLogin, _) => knox::login(parts, request, admitted).await,
            (Page::KnoxLogout | Page::KnoxLogoutAll, _) => {
                knox::logout(parts, request, admitted, self.page == Page::KnoxLogoutAll).await
            }
            (Page::Csrf | Page::Whoami | Page::Jwks, &Method::OPTIONS) => {
                Ok(page(StatusCode::OK, &json!({}), allow))
            }
            (Page::Csrf | Page::Whoami | Page::Jwks, method)
                if method != Method::GET && method != Method::HEAD =>
            {
                Ok(method_not_allowed(method, allow))
            }
            (Page::Csrf, _) => session::csrf_token(parts, &request).await,
            (Page::Whoami, _) => Ok(page(StatusCode::OK, &whoami(admitted), allow)),
            (Page::Jwks, _) => self.jwks(),
            (_, _) => match &self.jwt {
                Some(tokens) => jwt::serve(self.page, tokens, parts, request).await,
                None => Err(Rejection::NoRoute),
            },
        }
        .map(|mut reply| {
            if self.page.negotiates() {
                reply.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
            }
            reply
        })
    }

    fn jwks(&self) -> Result<Reply, Rejection> {
        let keys =
            self.parts.signer.jwks().map_err(|error| {
                Rejection::Unavailable(Unavailable::new("the signing keys", error))
            })?;
        let mut reply = page(StatusCode::OK, &keys, self.page.allow());
        let age = HeaderValue::from_static("public, max-age=300");
        reply.headers_mut().insert(header::CACHE_CONTROL, age);
        Ok(reply)
    }
}

/// Django's `APPEND_SLASH`.
fn with_slash(request: &Request) -> Reply {
    let query = request.target.query().map(|query| format!("?{query}")).unwrap_or_default();
    redirect(StatusCode::MOVED_PERMANENTLY, &format!("{}/{query}", request.target.path()))
}

/// To a place on this host.
fn redirect(status: StatusCode, to: &str) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = status;
    if let Ok(location) = HeaderValue::try_from(to) {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, html);
    protect(reply.headers_mut());
    reply
}

/// The primary key of who was let in, where it is a user of the store.
fn user_id(admitted: &Admitted) -> Option<i64> {
    admitted.caller()?.identity.row
}

fn whoami(admitted: &Admitted) -> Value {
    let Some(caller) = admitted.caller() else {
        return json!({ "authenticated": false });
    };
    let identity = &caller.identity;
    json!({
        "authenticated": true,
        "scheme": &*caller.scheme,
        "username": identity.username,
        "id": identity.id,
        "email": identity.email,
        "name": identity.name,
        "groups": identity.groups,
        "scopes": identity.scopes,
        "staff": identity.staff,
        "superuser": identity.superuser,
    })
}

/// A page of JSON as DRF renders it, never kept by a cache.
fn page(status: StatusCode, body: &Value, allow: &'static str) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(body.to_string()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    protect(headers);
    reply
}

/// `{"detail": …}` with a status.
fn refusal(status: StatusCode, detail: impl Into<Cow<'static, str>>, allow: &'static str) -> Reply {
    page(status, &json!({ "detail": detail.into() }), allow)
}

fn method_not_allowed(method: &Method, allow: &'static str) -> Reply {
    let detail = format!("Method \"{method}\" not allowed.");
    refusal(StatusCode::METHOD_NOT_ALLOWED, detail, allow)
}

/// The headers that Django's default middleware puts on every answer.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
