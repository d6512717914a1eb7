//! A browser without a session is sent to the login page.

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};

use crate::upstream::{Reply, ReplyBody};

/// Whether a client would rather have a page for people than an error for programs.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    accept.starts_with(b"text/html") || accept.starts_with(b"application/xhtml+xml")
}

/// Django's `redirect_to_login`.
pub(super) fn to_login(login: &str, uri: &hyper::Uri) -> Reply {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let next: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = hyper::StatusCode::FOUND;
    let headers = reply.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("{login}?next={next}")) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    crate::web::answer::security_headers(headers);
    reply
}
