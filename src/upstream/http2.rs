//! A request as HTTP/2 has it (RFC 9113 section 8.3).

use hyper::{
    Request, Uri, Version,
    header::{self, HeaderValue},
    http::uri::{Authority, PathAndQuery, Scheme},
};

use super::connect::Connector;
use crate::request::Body;

/// Host goes into the target, and what belongs to one HTTP/1 connection goes away.
pub(super) fn translate(request: &mut Request<Body>, connector: &Connector) {
    // It comes here again if a connection has closed before it was sent.
    if request.version() == Version::HTTP_2 {
        return;
    }
    let headers = request.headers_mut();
    for name in [header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let host = headers.remove(header::HOST);
    let grpc = headers.get(header::CONTENT_TYPE);
    if grpc.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        // Without it gRPC servers do not answer; it tells of this connection, so it is the
        // gateway's to say.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if connector.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority.or(Some(Authority::from_static("localhost")));
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
}
