//! Answers of the gateway's own.

use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    language::{Content, Language},
    upstream::{Reply, ReplyBody},
};

/// JSON as DRF renders it, never kept by a cache.
pub fn json(status: StatusCode, body: &Content, language: Option<&Language>) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(body.write(language).to_string()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security_headers(headers);
    reply
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = status;
    security_headers(reply.headers_mut());
    reply
}

/// To a URL; see [`super::redirect_target`] for which.
pub fn redirect(status: StatusCode, to: &str) -> Reply {
    let mut reply = empty(status);
    if let Ok(location) = HeaderValue::try_from(to) {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, html);
    reply
}

/// The headers that Django's default middleware puts on every answer.
pub fn security_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Django's `patch_vary_headers(response, [name])`: the names in one field, none of them twice.
pub fn vary(headers: &mut HeaderMap, name: &'static str) {
    let mut names: Vec<&str> = Vec::new();
    for line in headers.get_all(header::VARY) {
        names.extend(line.to_str().unwrap_or_default().split(',').map(str::trim));
    }
    if names.iter().any(|known| known.eq_ignore_ascii_case(name) || *known == "*") {
        return;
    }
    names.retain(|known| !known.is_empty());
    if names.is_empty() {
        headers.insert(header::VARY, HeaderValue::from_static(name));
        return;
    }
    names.push(name);
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        headers.insert(header::VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_names_each_once() {
        let mut headers = HeaderMap::new();
        for name in ["Accept", "Cookie", "accept", "Cookie"] {
            vary(&mut headers, name);
        }
        assert_eq!(headers[header::VARY], "Accept, Cookie");
        headers.insert(header::VARY, HeaderValue::from_static("*"));
        vary(&mut headers, "Cookie");
        assert_eq!(headers[header::VARY], "*");
    }
}
