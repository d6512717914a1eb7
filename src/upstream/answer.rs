//! An upstream's answer, as far as it can be trusted.

use hyper::header;

use super::{Reply, ReplyBody, pool::Connection, remove_hop_by_hop};
use crate::{rejection::Rejection, request::folds_to_framing};

/// What the client gets of an answer.
///
/// # Errors
/// An answer that can be read in two ways, or that was not requested.
pub(super) fn reply(
    mut response: hyper::Response<hyper::body::Incoming>,
    connection: Connection,
    idle_timeout: std::time::Duration,
) -> Result<Reply, Rejection> {
    // No upgrade was requested: the bytes after a 101 would belong to no request.
    if response.status().is_informational() {
        let cause = format!("an unasked {}", response.status());
        return Err(Rejection::UpstreamBroken(cause));
    }
    check_framing(response.headers())?;
    let (headers, length) = (response.headers(), header::CONTENT_LENGTH);
    let told = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(length).is_some_and(|length| length != "0");
    if response.status() == hyper::StatusCode::NO_CONTENT && told {
        return Err(Rejection::UpstreamBroken("a 204 that tells of a body".into()));
    }
    let version = std::mem::replace(response.version_mut(), hyper::Version::HTTP_11);
    // Of those that end here one is asked of the client by the upstream's own protection.
    remove_hop_by_hop(response.headers_mut(), |name| name == header::PROXY_AUTHENTICATE);
    Ok(response.map(|body| ReplyBody::stream(body, connection, version, idle_timeout)))
}

/// An answer whose end can be read in two ways is no answer: what the client reads as its end may
/// be the middle of the next one's.
fn check_framing(headers: &hyper::HeaderMap) -> Result<(), Rejection> {
    let (mut told, mut good) = (0, true);
    for (name, value) in headers {
        if name == header::TRANSFER_ENCODING {
            told += 1;
            good &= value.as_bytes().eq_ignore_ascii_case(b"chunked");
        } else if name == header::CONTENT_LENGTH {
            told += 1;
            good &= !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
        } else {
            good &= !folds_to_framing(name.as_str());
        }
    }
    if good && told <= 1 {
        return Ok(());
    }
    Err(Rejection::UpstreamBroken("an answer whose length is told in more than one way".into()))
}
