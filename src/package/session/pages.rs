//! Django's login and logout: a page for people, JSON for single-page applications.
//!
//! A form gets HTML and redirects, as `LoginView` and `LogoutView` answer it. A client that asks
//! for JSON, or sends it, gets JSON: `GET login/` hands out a CSRF token, `POST login/` says who is
//! logged in and hands out the next one, `POST logout/` says that it is done.

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
        RETRY_AFTER, SET_COOKIE, VARY,
    },
};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use super::{
    sessions::Sessions,
    templates::{Form, Pages, security_policy},
};
use crate::{
    account::{Accounts, LogIn, Proof, Submitted},
    clock::Clock,
    csrf,
    language::{Content, Language},
    limits::Limits,
    observe::audit::{self, By, Event},
    package::{Handler, PageCall, PageContext, Site},
    rejection::{Refusal, Rejection},
    request::Request,
    store::Unavailable,
    upstream::{Reply, ReplyBody},
    value::{Problems, Secret},
    web::{
        BODY_LIMIT, BODY_TIME, Field, Fields,
        answer::{self, security_headers},
        is_local,
        json::Json,
        parse,
        redirect_target::{ascii, is_beside, is_own},
    },
};

/// How a client wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Html,
    Json,
}

impl Wants {
    /// By `Accept`: the first of the two that it names; and by what the client sends itself.
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_lowercase()
        };
        let accept = text(&ACCEPT);
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        for kind in kinds {
            match kind {
                "application/json" => return Wants::Json,
                "text/html" | "application/xhtml+xml" => return Wants::Html,
                _ => {}
            }
        }
        match text(&CONTENT_TYPE).starts_with("application/json") {
            true => Wants::Json,
            false => Wants::Html,
        }
    }
}

/// What the pages work with.
struct Parts {
    sessions: Arc<Sessions>,
    pages: Arc<Pages>,
    accounts: Arc<Accounts>,
    limits: Arc<Limits>,
    clock: Clock,
}

impl Parts {
    fn of(site: &Site<'_>) -> Result<Self, Problems> {
        Ok(Self {
            sessions: site.shared::<Sessions>()?,
            pages: site.shared::<Pages>()?,
            accounts: Arc::clone(site.accounts),
            limits: Arc::clone(site.limits),
            clock: site.clock.clone(),
        })
    }
}

struct Login(Parts);
struct Logout(Parts);
struct CsrfToken(Parts);

pub(super) fn login(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    site.needs_secret_key(context.path, "sessions")?;
    Ok(Arc::new(Login(Parts::of(site)?)))
}

pub(super) fn logout(
    site: &Site<'_>,
    context: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    site.needs_secret_key(context.path, "sessions")?;
    Ok(Arc::new(Logout(Parts::of(site)?)))
}

pub(super) fn csrf_token(
    site: &Site<'_>,
    _: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    Ok(Arc::new(CsrfToken(Parts::of(site)?)))
}

impl Handler for Login {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            let PageCall { request, language, .. } = call;
            let wants = Wants::of(&request.headers);
            match request.method {
                Method::GET | Method::HEAD => {
                    show(&self.0, &request, wants, &Form::default()).await
                }
                Method::OPTIONS => Ok(nothing_to_say()),
                Method::POST => post(&self.0, request, wants, language).await,
                method => Err(Rejection::MethodNotAllowed(method)),
            }
        })
    }
}

impl Handler for Logout {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            match call.request.method {
                Method::POST => end(&self.0, call.request).await,
                Method::OPTIONS => Ok(nothing_to_say()),
                method => Err(Rejection::MethodNotAllowed(method)),
            }
        })
    }
}

/// For a page that is not the gateway's.
impl Handler for CsrfToken {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            match call.request.method {
                Method::GET | Method::HEAD => {
                    show(&self.0, &call.request, Wants::Json, &Form::default()).await
                }
                Method::OPTIONS => Ok(nothing_to_say()),
                method => Err(Rejection::MethodNotAllowed(method)),
            }
        })
    }
}

/// The answer to `OPTIONS`.
fn nothing_to_say() -> Reply {
    answer::json(StatusCode::OK, &Content::Map(Vec::new()), None)
}

/// The form, or its token alone; with the cookie that belongs to the token.
async fn show(
    parts: &Parts,
    request: &Request,
    wants: Wants,
    form: &Form<'_>,
) -> Result<Reply, Rejection> {
    let (secret, cookie) = secret(parts, request).await?;
    let token = csrf::mask(&secret).map_err(Unavailable::randomness)?;
    let mut reply = match wants {
        Wants::Json => said(json!({ "csrf_token": token })),
        Wants::Html => {
            let in_query = allowed(query_next(request), request);
            let next = if form.next.is_empty() { &in_query } else { form.next };
            let form = Form { next, ..*form };
            let text = parts.pages.login(request.target.path(), &token, &form);
            html(StatusCode::OK, text.unwrap_or_default())
        }
    };
    let renewed = parts.sessions.renewed(&request.headers).await?;
    let cookies = cookie.into_iter().chain(renewed);
    reply.headers_mut().extend(cookies.map(|cookie| (SET_COOKIE, cookie)));
    Ok(not_kept(reply))
}

/// The CSRF secret that the client has or gets.
async fn secret(
    parts: &Parts,
    request: &Request,
) -> Result<(String, Option<HeaderValue>), Unavailable> {
    let sessions = &parts.sessions;
    if sessions.csrf.use_sessions {
        return sessions.csrf_in_session(sessions.key(&request.headers).as_deref()).await;
    }
    // One that is there is sent again, with a fresh date; a broken one is replaced.
    let secret = match sessions.csrf.secret(&request.headers) {
        Ok(Some(secret)) => secret,
        Ok(None) | Err(_) => csrf::new_secret().map_err(Unavailable::randomness)?,
    };
    let cookie = sessions.csrf.set_cookie(&secret, parts.clock.now());
    Ok((secret, Some(cookie)))
}

async fn post(
    parts: &Parts,
    mut request: Request,
    wants: Wants,
    language: Option<&Language>,
) -> Result<Reply, Rejection> {
    request.body.peek(BODY_LIMIT, BODY_TIME).await?;
    if let Some(refused) = forged(parts, &request, wants).await? {
        return Ok(refused);
    }
    let client = request.client.address;
    if let Err(wait) = parts.limits.auth_rate.admit(client).await {
        return too_many(parts, &request, wants, wait, &Form::default()).await;
    }
    let data = data(&request).await?;
    let next = next(&request, &data);
    let wanted = [Field::text("username"), Field::untrimmed("password")];
    let fields = match (Fields::read(&data, &wanted), wants) {
        (Ok(fields), _) => fields,
        (Err(errors), Wants::Json) => return Err(Rejection::Invalid(errors)),
        (Err(errors), Wants::Html) => {
            let (typed, error) = (typed(&data, "username"), form_error(&errors, language));
            let form = Form { next: &next, username: &typed, error: Some(&error), wait: None };
            return show(parts, &request, wants, &form).await;
        }
    };
    // Django's form takes names as Django makes them (NFKC); its other pages do not.
    let username: String = fields.text("username").nfkc().collect();
    let password = Secret::new(fields.text("password").to_owned());
    let wrong = &*parts.pages.wrong;
    let form = Form { next: &next, username: &username, error: Some(wrong), wait: None };
    let by = By::page("session", "login");
    let submitted = Submitted { username: &username, password: &password, client, by };
    let user = match (parts.accounts.log_in("password", &submitted).await?, wants) {
        (LogIn::User(user), _) => user,
        (LogIn::Wait(wait), _) => return too_many(parts, &request, wants, wait, &form).await,
        (LogIn::Wrong, Wants::Html) => return show(parts, &request, wants, &form).await,
        (LogIn::Wrong, Wants::Json) => {
            return Err(Rejection::Invalid(Content::field_error(
                "non_field_errors",
                wrong.to_owned(),
            )));
        }
        (LogIn::SecondFactor(_), _) => return Err(Rejection::PermissionDenied),
    };
    let old = parts.sessions.key(&request.headers).map(Cow::into_owned);
    let begun = parts.sessions.login(old.as_deref(), &user, Proof::Password).await?;
    let mut reply = match wants {
        Wants::Html => {
            let to = if next.is_empty() { &parts.pages.login_redirect } else { &next };
            answer::redirect(StatusCode::FOUND, &ascii(to))
        }
        Wants::Json => {
            let token = csrf::mask(&begun.csrf_secret).map_err(Unavailable::randomness)?;
            said(json!({ "username": user.identity.username, "csrf_token": token }))
        }
    };
    reply.headers_mut().extend(begun.cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
    Ok(not_kept(reply))
}

async fn end(parts: &Parts, mut request: Request) -> Result<Reply, Rejection> {
    let wants = Wants::of(&request.headers);
    request.body.peek(BODY_LIMIT, BODY_TIME).await?;
    if let Some(refused) = forged(parts, &request, wants).await? {
        return Ok(refused);
    }
    let next = next(&request, &data(&request).await.unwrap_or(Json::Null));
    let key = parts.sessions.key(&request.headers).map(Cow::into_owned);
    if let Some(key) = &key {
        parts.sessions.logout(key).await?;
        let by = By::page("session", "logout");
        audit::record(Event::LoggedOut, None, request.client.address, by);
    }
    // The page cannot be fetched, so no browser is sent back to it.
    let itself = next.split(['?', '#']).next() == Some(request.target.path());
    let next = Some(&*next).filter(|next| !next.is_empty() && !itself);
    let to = next.or(parts.pages.logout_redirect.as_deref());
    let mut reply = match (wants, to) {
        (Wants::Json, _) => said(json!({ "detail": "Successfully logged out." })),
        (Wants::Html, Some(to)) => answer::redirect(StatusCode::FOUND, &ascii(to)),
        (Wants::Html, None) => {
            html(StatusCode::OK, parts.pages.logged_out(&login_url(request.target.path())))
        }
    };
    reply.headers_mut().extend(key.map(|_| (SET_COOKIE, parts.sessions.expired_cookie())));
    Ok(not_kept(reply))
}

/// What was posted; the body is there.
async fn data(request: &Request) -> Result<Json, Rejection> {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    parse(kind.unwrap_or_default(), request.body.ahead().clone()).await
}

/// The answer to a form that did not come from a page of ours.
///
/// # Errors
/// The same, to a client that wants JSON.
async fn forged(
    parts: &Parts,
    request: &Request,
    wants: Wants,
) -> Result<Option<Reply>, Rejection> {
    let sessions = &parts.sessions;
    let secret = match sessions.csrf.use_sessions {
        true => match sessions.key(&request.headers) {
            Some(key) => sessions.csrf_secret(&key).await?,
            None => None,
        },
        false => None,
    };
    let Err(reason) = sessions.csrf.check(request, secret.as_deref()) else { return Ok(None) };
    match wants {
        Wants::Json => Err(Rejection::Forbidden(Refusal::csrf(&reason).detail)),
        Wants::Html => {
            let text = parts.pages.forbidden(&reason, &login_url(request.target.path()));
            Ok(Some(html(StatusCode::FORBIDDEN, text)))
        }
    }
}

async fn too_many(
    parts: &Parts,
    request: &Request,
    wants: Wants,
    wait: Duration,
    form: &Form<'_>,
) -> Result<Reply, Rejection> {
    if wants == Wants::Json {
        return Err(Rejection::Throttled(wait));
    }
    let seconds = wait.as_secs() + 1;
    let form = Form { wait: Some(seconds), error: None, ..*form };
    let mut reply = show(parts, request, wants, &form).await?;
    *reply.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    reply.headers_mut().insert(RETRY_AFTER, seconds.into());
    Ok(reply)
}

/// `…/logout/` has `…/login/` beside it.
fn login_url(path: &str) -> String {
    let above = path.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
    format!("{above}/login/")
}

/// Where to go: the form's `next`, else the query's; nothing, if that is not a place on this host.
fn next(request: &Request, data: &Json) -> String {
    let in_form = typed(data, "next");
    let next = if in_form.is_empty() { query_next(request) } else { in_form };
    allowed(next, request)
}

fn allowed(next: String, request: &Request) -> String {
    let good = is_local(&next) || is_beside(&next) || is_own(&next, request);
    if good { next } else { String::new() }
}

/// A field as it was typed.
fn typed(data: &Json, field: &str) -> String {
    let Json::Object(fields) = data else { return String::new() };
    let text = fields.iter().rev().find_map(|(name, value)| match value {
        Json::Text { text, .. } if name == field => Some(text.clone()),
        _ => None,
    });
    text.unwrap_or_default()
}

/// What a form says of fields, in the words of Django's forms.
fn form_error(errors: &Content, language: Option<&Language>) -> String {
    let Content::Map(fields) = errors else { return String::new() };
    let messages = fields.iter().filter_map(|(_, messages)| match messages {
        Content::List(messages) => messages.first(),
        _ => None,
    });
    let messages = messages.map(|message| match message {
        Content::Text(text) if text.english().starts_with("Null") => text.in_language(language),
        _ => "This field is required.".into(),
    });
    let distinct: std::collections::BTreeSet<Cow<'_, str>> = messages.collect();
    distinct.into_iter().collect::<Vec<_>>().join(" ")
}

fn query_next(request: &Request) -> String {
    let query = request.target.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "next").map(|(_, next)| next.into_owned()).unwrap_or_default()
}

fn said(body: serde_json::Value) -> Reply {
    answer::json(StatusCode::OK, &body.into(), None)
}

fn html(status: StatusCode, text: String) -> Reply {
    let policy = security_policy(&text);
    let mut reply = Reply::new(ReplyBody::full(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    security_headers(headers);
    not_kept(reply)
}

/// Django's `never_cache`, and what the answer depends on.
fn not_kept(mut reply: Reply) -> Reply {
    let policy = "max-age=0, no-cache, no-store, must-revalidate, private";
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(policy));
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    reply
}
