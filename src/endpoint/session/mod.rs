//! Django's login and logout: a page for people, JSON for single-page applications.
//!
//! A form gets HTML and redirects, as `LoginView` and `LogoutView` answer it. A client that asks
//! for JSON, or sends it, gets JSON: `GET login/` hands out a CSRF token, `POST login/` says who is
//! logged in and hands out the next one, `POST logout/` says that it is done.

mod pages;
mod places;

use std::{borrow::Cow, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
        HeaderValue, RETRY_AFTER, SET_COOKIE, VARY,
    },
};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

pub use self::{pages::Pages, places::is_local};
use self::{
    pages::{Form, security_policy},
    places::{ascii, is_own},
};
use super::{
    Page, Parts,
    drf::{self, BODY_LIMIT, BODY_TIME, Field},
    json::Json,
    method_not_allowed, page, protect, redirect,
};
use crate::{
    login::Attempt,
    observe::audit::{self, Event},
    rejection::Rejection,
    request::Request,
    store::Unavailable,
    system::{csrf, session::Proof},
    upstream::{Reply, ReplyBody},
    value::Secret,
};

const WRONG: &str = "Please enter a correct username and password. Note that both fields may be \
                     case-sensitive.";

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

pub(super) async fn login(parts: &Parts, request: Request) -> Result<Reply, Rejection> {
    let wants = Wants::of(&request.headers);
    match request.method {
        Method::GET | Method::HEAD => show(parts, &request, wants, &Form::default()).await,
        Method::OPTIONS => Ok(page(StatusCode::OK, &json!({}), Page::Login.allow())),
        Method::POST => post(parts, request, wants).await,
        ref method => Ok(method_not_allowed(method, Page::Login.allow())),
    }
}

/// A CSRF token, for a page that is not the gateway's.
pub(super) async fn csrf_token(parts: &Parts, request: &Request) -> Result<Reply, Rejection> {
    show(parts, request, Wants::Json, &Form::default()).await
}

/// The form, or its token alone; with the cookie that belongs to the token.
async fn show(
    parts: &Parts,
    request: &Request,
    wants: Wants,
    form: &Form<'_>,
) -> Result<Reply, Rejection> {
    let (secret, cookie) = secret(parts, request).await?;
    let token = csrf::mask(&secret).map_err(|e| Unavailable::new("randomness", e))?;
    let mut reply = match wants {
        Wants::Json => page(StatusCode::OK, &json!({ "csrf_token": token }), Page::Login.allow()),
        Wants::Html => {
            let in_query = allowed(query_next(request), request);
            let next = if form.next.is_empty() { &in_query } else { form.next };
            let form = Form { next, ..*form };
            let text = parts.session_pages.login(request.target.path(), &token, &form);
            html(StatusCode::OK, text.unwrap_or_default(), Page::Login.allow())
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
        Ok(None) | Err(_) => csrf::new_secret().map_err(|e| Unavailable::new("randomness", e))?,
    };
    let cookie = sessions.csrf.set_cookie(&secret, parts.clock.now());
    Ok((secret, Some(cookie)))
}

async fn post(parts: &Parts, mut request: Request, wants: Wants) -> Result<Reply, Rejection> {
    request.body.peek(BODY_LIMIT, BODY_TIME).await?;
    if let Some(refused) = forged(parts, &request, wants, Page::Login).await? {
        return Ok(refused);
    }
    let client = request.client.address;
    if let Err(wait) = parts.auth_limit.admit(client) {
        return too_many(parts, &request, wants, wait, &Form::default()).await;
    }
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let data = match drf::parse(kind.unwrap_or_default(), request.body.ahead().clone()).await {
        Ok(data) => data,
        Err((status, detail)) => {
            return Ok(page(status, &json!({ "detail": detail }), Page::Login.allow()));
        }
    };
    let next = next(&request, &data);
    let fields = drf::fields(&data, [Field("username", true), Field("password", false)]);
    let (username, password): (String, Secret) = match (fields, wants) {
        // Django's form takes names as Django makes them (NFKC); its other pages do not.
        (Ok([username, password]), _) => (username.nfkc().collect(), Secret::new(password)),
        (Err(errors), Wants::Json) => {
            return Ok(page(StatusCode::BAD_REQUEST, &errors, Page::Login.allow()));
        }
        (Err(errors), Wants::Html) => {
            let (typed, error) = (typed(&data, "username"), form_error(&errors));
            let form = Form { next: &next, username: &typed, error: Some(&error), wait: None };
            return show(parts, &request, wants, &form).await;
        }
    };
    let form = Form { next: &next, username: &username, error: Some(WRONG), wait: None };
    let user = match parts.login.attempt(&username, &password, client, "login page").await? {
        Attempt::User(user) => user,
        Attempt::Wait(wait) => return too_many(parts, &request, wants, wait, &form).await,
        Attempt::Wrong => {
            return match wants {
                Wants::Html => show(parts, &request, wants, &form).await,
                Wants::Json => {
                    let errors = json!({ "non_field_errors": [WRONG] });
                    Ok(page(StatusCode::BAD_REQUEST, &errors, Page::Login.allow()))
                }
            };
        }
    };
    let old = parts.sessions.key(&request.headers).map(Cow::into_owned);
    let begun = parts.sessions.login(old.as_deref(), &user, Proof::Password).await?;
    let mut reply = match wants {
        Wants::Html => {
            let to = if next.is_empty() { &parts.session_pages.login_redirect } else { &next };
            redirect(StatusCode::FOUND, &ascii(to))
        }
        Wants::Json => {
            let token = csrf::mask(&begun.csrf_secret);
            let token = token.map_err(|e| Unavailable::new("randomness", e))?;
            let body = json!({ "username": user.identity.username, "csrf_token": token });
            page(StatusCode::OK, &body, Page::Login.allow())
        }
    };
    reply.headers_mut().extend(begun.cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
    Ok(not_kept(reply))
}

pub(super) async fn logout(parts: &Parts, mut request: Request) -> Result<Reply, Rejection> {
    let wants = Wants::of(&request.headers);
    match request.method {
        Method::POST => {}
        Method::OPTIONS => return Ok(page(StatusCode::OK, &json!({}), Page::Logout.allow())),
        ref method => return Ok(method_not_allowed(method, Page::Logout.allow())),
    }
    request.body.peek(BODY_LIMIT, BODY_TIME).await?;
    if let Some(refused) = forged(parts, &request, wants, Page::Logout).await? {
        return Ok(refused);
    }
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let data = drf::parse(kind.unwrap_or_default(), request.body.ahead().clone()).await;
    let next = next(&request, &data.unwrap_or(Json::Null));
    let key = parts.sessions.key(&request.headers).map(Cow::into_owned);
    if let Some(key) = &key {
        parts.sessions.logout(key).await?;
        audit::record(Event::LoggedOut, None, request.client.address, "logout page");
    }
    let pages: &Arc<Pages> = &parts.session_pages;
    // The page cannot be fetched, so nobody is sent back to it.
    let itself = next.split(['?', '#']).next() == Some(request.target.path());
    let next = Some(&*next).filter(|next| !next.is_empty() && !itself);
    let to = next.or(pages.logout_redirect.as_deref());
    let mut reply = match (wants, to) {
        (Wants::Json, _) => {
            let body = json!({ "detail": "Successfully logged out." });
            page(StatusCode::OK, &body, Page::Logout.allow())
        }
        (Wants::Html, Some(to)) => redirect(StatusCode::FOUND, &ascii(to)),
        (Wants::Html, None) => {
            let text = pages.logged_out(&login_url(request.target.path()));
            html(StatusCode::OK, text, Page::Logout.allow())
        }
    };
    reply.headers_mut().extend(key.map(|_| (SET_COOKIE, parts.sessions.expired_cookie())));
    Ok(not_kept(reply))
}

/// The answer to a form that did not come from a page of ours.
async fn forged(
    parts: &Parts,
    request: &Request,
    wants: Wants,
    which: Page,
) -> Result<Option<Reply>, Unavailable> {
    let sessions = &parts.sessions;
    let secret = match sessions.csrf.use_sessions {
        true => match sessions.key(&request.headers) {
            Some(key) => sessions.csrf_secret(&key).await?,
            None => None,
        },
        false => None,
    };
    let Err(reason) = sessions.csrf.check(request, secret.as_deref()) else { return Ok(None) };
    let allow = which.allow();
    Ok(Some(match wants {
        Wants::Json => {
            let body = json!({ "detail": format!("CSRF Failed: {reason}") });
            page(StatusCode::FORBIDDEN, &body, allow)
        }
        Wants::Html => {
            let text = parts.session_pages.forbidden(&reason, &login_url(request.target.path()));
            html(StatusCode::FORBIDDEN, text, allow)
        }
    }))
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
    if is_local(&next) || is_own(&next, request) { next } else { String::new() }
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
fn form_error(errors: &serde_json::Value) -> String {
    let messages = errors.as_object().into_iter().flatten().filter_map(|(_, list)| {
        list.as_array()?.first()?.as_str().map(|message| match message {
            null if null.starts_with("Null") => null,
            _ => "This field is required.",
        })
    });
    let distinct: std::collections::BTreeSet<&str> = messages.collect();
    distinct.into_iter().collect::<Vec<_>>().join(" ")
}

fn query_next(request: &Request) -> String {
    let query = request.target.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "next").map(|(_, next)| next.into_owned()).unwrap_or_default()
}

fn html(status: StatusCode, text: String, allow: &'static str) -> Reply {
    let policy = security_policy(&text);
    let mut reply = Reply::new(ReplyBody::full(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    protect(headers);
    not_kept(reply)
}

/// Django's `never_cache`, and what the answer depends on.
fn not_kept(mut reply: Reply) -> Reply {
    let policy = "max-age=0, no-cache, no-store, must-revalidate, private";
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(policy));
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    reply
}
