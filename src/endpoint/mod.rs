//! Pages of the gateway's own. A new one is a file here and a word in [`Kind`].

mod json;
mod token;

use std::{borrow::Cow, sync::Arc};

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    forward::Signer,
    login::Login,
    policy::Admitted,
    rejection::Rejection,
    request::Request,
    store::Store,
    throttle::AuthLimit,
    upstream::{Reply, ReplyBody},
};

/// The `endpoint` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Endpoint")]
pub enum Kind {
    /// DRF's `ObtainAuthToken`: user name and password for a token.
    Token,
    /// Who the gateway takes the caller for.
    Whoami,
    /// The public keys of the identity assertion (RFC 7517).
    Jwks,
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
    /// For what is written.
    pub clock: Clock,
}

/// A page, ready to be served.
pub struct Endpoint {
    kind: Kind,
    parts: Parts,
}

impl Kind {
    /// Whether everybody may come to the page, unless its route says otherwise: DRF's obtain view
    /// has no permission class.
    pub fn is_public(self) -> bool {
        match self {
            Kind::Token | Kind::Jwks => true,
            Kind::Whoami => false,
        }
    }

    /// The methods of the page, for `Allow`.
    pub fn allow(self) -> &'static str {
        match self {
            Kind::Token => "POST, OPTIONS",
            Kind::Whoami | Kind::Jwks => "GET, HEAD, OPTIONS",
        }
    }
}

impl Endpoint {
    /// A page of `kind`.
    pub fn new(kind: Kind, parts: Parts) -> Self {
        Self { kind, parts }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Answers a request that was let in.
    ///
    /// # Errors
    /// Limits, outages, and bodies that cannot be read.
    pub async fn serve(&self, request: Request, admitted: &Admitted) -> Result<Reply, Rejection> {
        match (self.kind, &request.method) {
            (Kind::Token, _) => token::serve(&self.parts, request).await,
            (_, &Method::OPTIONS) => Ok(page(StatusCode::OK, &json!({}), self.kind.allow())),
            (_, method) if method != Method::GET && method != Method::HEAD => {
                Ok(method_not_allowed(method, self.kind.allow()))
            }
            (Kind::Whoami, _) => Ok(page(StatusCode::OK, &whoami(admitted), self.kind.allow())),
            (Kind::Jwks, _) => {
                let keys = self.parts.signer.jwks().map_err(|error| {
                    Rejection::Unavailable(crate::store::Unavailable::new(
                        "the signing keys",
                        error,
                    ))
                })?;
                let mut reply = page(StatusCode::OK, &keys, self.kind.allow());
                let age = HeaderValue::from_static("public, max-age=300");
                reply.headers_mut().insert(header::CACHE_CONTROL, age);
                Ok(reply)
            }
        }
    }
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
