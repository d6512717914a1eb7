//! Pages of the gateway's own: what `endpoint` names.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{
    Method, StatusCode,
    header::{ALLOW, HeaderValue},
};
use tokio::runtime::Handle;

use super::Site;
use crate::{
    forward::Forward,
    language::Language,
    policy::{Admitted, Word},
    rejection::Rejection,
    request::{Client, Request},
    target::{Call, Preview, Target},
    upstream::Reply,
    value::{Path, Problems},
    web::answer,
};

/// A word that `endpoint` may name, with its pages.
#[derive(Clone, Copy)]
pub struct PageSet {
    /// The word.
    pub word: &'static str,
    /// Of what it is, for the schema.
    pub description: &'static str,
    /// Its pages. Each stands at its path below the route; the page of a set that has one alone
    /// stands at the route itself.
    pub pages: &'static [Page],
}

/// A page.
#[derive(Clone, Copy)]
pub struct Page {
    /// Its name: `endpoint: { jwt: { page: refresh } }`.
    pub name: &'static str,
    /// Below the route: `login/`, `users/{id}/`; empty for the route itself.
    pub path: &'static str,
    /// `Allow`, in DRF's order.
    pub allow: &'static str,
    /// Whether it stands in every answer, as for DRF's views, or only in those to `OPTIONS` and in 405.
    pub says_allow: bool,
    /// Which schemes authenticate its callers, unless its route says otherwise.
    pub asks: Asks,
    /// The rule, unless its route says otherwise; none for that at the top of the file.
    pub rule: Option<Word>,
    /// Whether `throttle` at the top of the file counts its requests: as for the view that it
    /// stands in for.
    pub throttled: bool,
    /// A limit of its own.
    pub limit: Limit,
    /// Whether DRF says `Vary: Accept`.
    pub negotiates: bool,
    /// Whether its path ends with a slash, which is added where it is missing (`APPEND_SLASH`).
    pub slash: bool,
    /// Builds what answers.
    pub build: BuildPage,
}

impl Page {
    /// A DRF view that takes forms from any caller.
    pub const fn drf(name: &'static str, path: &'static str, build: BuildPage) -> Self {
        Self {
            allow: "POST, OPTIONS",
            says_allow: true,
            throttled: true,
            negotiates: true,
            ..Self::plain(name, path, "", build)
        }
    }

    /// A page that is no DRF view, for any caller.
    pub const fn plain(
        name: &'static str,
        path: &'static str,
        allow: &'static str,
        build: BuildPage,
    ) -> Self {
        Self {
            name,
            path,
            allow,
            says_allow: false,
            asks: Asks::None,
            rule: Some(Word::Anyone),
            throttled: false,
            limit: Limit::None,
            negotiates: false,
            slash: true,
            build,
        }
    }
}

/// Builds what answers at a page; or says everything that is wrong in the settings for it.
pub type BuildPage = fn(&Site<'_>, &PageContext<'_>) -> Result<Arc<dyn Handler>, Problems>;

/// Which schemes authenticate the callers of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// None: the page looks itself, or is for all.
    None,
    /// The top-level chain.
    TopChain,
    /// One scheme, by its word.
    Scheme(&'static str),
}

/// A limit of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// None.
    None,
    /// `auth_rate`: a POST takes a password, and counts before the chain is asked.
    Passwords,
}

/// Where a page is built.
pub struct PageContext<'a> {
    /// Where the route stands in the file.
    pub path: &'a Path,
    /// The page's name.
    pub name: &'static str,
}

/// What a page is asked.
pub struct PageCall<'a> {
    /// The request.
    pub request: Request,
    /// As whom it was admitted.
    pub admitted: &'a Admitted,
    /// What the answer is said in, if not in English.
    pub language: Option<&'a Language>,
}

impl PageCall<'_> {
    /// Who asks, and how.
    pub fn client(&self) -> &Client {
        &self.request.client
    }

    /// The part of the path in the place of the page's `{…}`.
    pub fn variable(&self) -> Option<&str> {
        self.request.target.path().trim_end_matches('/').rsplit('/').next()
    }
}

/// What answers on a page.
pub trait Handler: Send + Sync {
    /// Answers.
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>>;
}

/// A page at its place.
pub struct Served {
    /// The page.
    pub page: &'static Page,
    /// What answers.
    pub handler: Arc<dyn Handler>,
    /// Whether the route is for one path exactly: then a missing final slash is not added.
    pub exact: bool,
    /// Whether answers say `Vary: Accept`.
    pub negotiates: bool,
}

impl Target for Served {
    fn answer<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        let Call { request, admitted, language, .. } = call;
        let says_allow = self.page.says_allow || request.method == Method::OPTIONS;
        if !self.exact && self.page.slash && !request.target.path().ends_with('/') {
            return Box::pin(std::future::ready(Ok(with_slash(&request))));
        }
        Box::pin(async move {
            let call = PageCall { request: *request, admitted, language };
            let mut reply = self.handler.answer(call).await?;
            let redirects = reply.status().is_redirection();
            let headers = reply.headers_mut();
            if says_allow && !redirects && !headers.contains_key(ALLOW) {
                headers.insert(ALLOW, HeaderValue::from_static(self.page.allow));
            }
            if self.negotiates {
                answer::vary(headers, "Accept");
            }
            Ok(reply)
        })
    }

    fn preview<'a>(
        &self,
        _: Box<Request>,
        _: &'a Admitted,
        _: &Forward,
    ) -> Result<Preview<'a>, Rejection> {
        Ok(Preview::Gateway(format!("by the page `{}`", self.page.name).into()))
    }

    fn start(&self, _: &Handle) {}
}

/// Django's `APPEND_SLASH`.
fn with_slash(request: &Request) -> Reply {
    let query = request.target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let to = format!("{}/{query}", request.target.path());
    answer::redirect(StatusCode::MOVED_PERMANENTLY, &to)
}
