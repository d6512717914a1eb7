//! A request over plain HTTP is sent to HTTPS.

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};

use crate::{
    rejection::Rejection,
    request::{Malformed, Request, covers},
    upstream::{Reply, ReplyBody},
};

/// To the same URL, where there is a certificate for its host: another `Host` does not
/// get a link to it (CVE-2025-64101).
pub(super) fn to_https(request: &Request, names: &[String]) -> Result<Reply, Rejection> {
    if !names.iter().any(|name| covers(name, &request.host)) {
        return Err(Malformed::Misdirected.into());
    }
    let url = format!("https://{}{}", request.host, request.target.raw());
    let url = HeaderValue::try_from(url).map_err(|_| Malformed::Form)?;
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = StatusCode::PERMANENT_REDIRECT;
    reply.headers_mut().insert(header::LOCATION, url);
    Ok(reply)
}
