#![doc = include_str!("README.md")]

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{
    Method, StatusCode,
    header::{CACHE_CONTROL, HeaderValue},
};
use serde_json::{Value, json};

use super::{Asks, BuildPage, Descriptor, Handler, Page, PageCall, PageContext, PageSet, Site};
use crate::{
    forward::Signer, language::Content, policy::Admitted, rejection::Rejection, store::Unavailable,
    upstream::Reply, value::Problems, web::answer,
};

/// Pages about the gateway itself.
pub static PACKAGE: Descriptor = Descriptor {
    pages: &[
        PageSet {
            word: "whoami",
            description: "The caller, as the gateway knows it.",
            pages: &[Page {
                asks: Asks::TopChain,
                rule: None,
                throttled: true,
                ..page("whoami", |_, _| Ok(Arc::new(Whoami)))
            }],
        },
        PageSet {
            word: "jwks",
            description: "The public keys of the identity assertion (RFC 7517).",
            pages: &[page("jwks", jwks)],
        },
    ],
    ..Descriptor::new("gateway_pages", include_str!("README.md"))
};

const fn page(name: &'static str, build: BuildPage) -> Page {
    Page { slash: false, ..Page::plain(name, "", "GET, HEAD, OPTIONS", build) }
}

/// The answer to `OPTIONS`, and to methods that read.
fn read_only(
    method: &Method,
    answer: impl FnOnce() -> Result<Reply, Rejection>,
) -> Result<Reply, Rejection> {
    match *method {
        Method::GET | Method::HEAD => answer(),
        Method::OPTIONS => Ok(answer::json(StatusCode::OK, &Content::Map(Vec::new()), None)),
        _ => Err(Rejection::MethodNotAllowed(method.clone())),
    }
}

struct Whoami;

impl Handler for Whoami {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        let answer = || Ok(answer::json(StatusCode::OK, &whoami(call.admitted).into(), None));
        let answered = read_only(&call.request.method, answer);
        Box::pin(std::future::ready(answered))
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

struct Jwks(Arc<Signer>);

fn jwks(site: &Site<'_>, _: &PageContext<'_>) -> Result<Arc<dyn Handler>, Problems> {
    Ok(Arc::new(Jwks(Arc::clone(site.signer))))
}

impl Handler for Jwks {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        let answer = || {
            let keys = self.0.jwks();
            let keys = keys.map_err(|error| Unavailable::new("the signing keys", error))?;
            let mut reply = answer::json(StatusCode::OK, &keys.into(), None);
            let age = HeaderValue::from_static("public, max-age=300");
            reply.headers_mut().insert(CACHE_CONTROL, age);
            Ok(reply)
        };
        let answered = read_only(&call.request.method, answer);
        Box::pin(std::future::ready(answered))
    }
}
