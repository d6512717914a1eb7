//! Envoy's `ext_authz` over gRPC (`envoy.service.auth.v3.Authorization/Check`), and what speaks it:
//! Istio, Contour, the Gateway API's `ExternalAuth`. The message says which request the proxy holds
//! and whose it is; the answer says what the application gets of it and what not, or what the client
//! is told instead.

use std::{collections::HashMap, net::IpAddr, str::FromStr};

use bytes::{BufMut, BytesMut};
use hyper::{
    HeaderMap, Method, StatusCode, Version,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
    http::{request::Parts, uri::PathAndQuery},
};
use prost::Message;

use super::request_target;
use crate::{
    request::{Malformed, Peer, body::Unread},
    upstream::{Reply, ReplyBody},
};

/// The method that a proxy calls.
pub const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Whether it is such a call.
pub fn is_call(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    parts.uri.path() == PATH
        && (&parts.method, parts.version) == (&Method::POST, Version::HTTP_2)
        && kind.starts_with(b"application/grpc")
}

/// A message is a head and what the proxy knows of the connection.
pub const LIMIT: usize = 128 << 10;

/// Names of the client's own that the application must not see, on an answer that is a yes.
#[derive(Clone)]
pub struct Removed(pub Vec<HeaderName>);

/// The request that a message tells of, and whose it is.
///
/// # Errors
/// A message that does not tell of one request clearly.
pub fn read(framed: &[u8], asker: IpAddr) -> Result<(Parts, Peer), Malformed> {
    // gRPC over HTTP/2, "Length-Prefixed-Message": a flag for compression, the length, the message.
    let message = match framed.split_first_chunk() {
        Some(([0, a, b, c, d], message))
            if usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])) == Ok(message.len()) =>
        {
            message
        }
        _ => return Err(Malformed::Described),
    };
    let check = CheckRequest::decode(message).map_err(|_| Malformed::Described)?;
    let attributes = check.attributes.unwrap_or_default();
    let http = attributes.request.and_then(|request| request.http).ok_or(Malformed::Described)?;
    let source = attributes.source.and_then(|peer| peer.address?.socket_address);
    let client = match source {
        Some(socket) => socket.address.parse().map_err(|_| Malformed::Described)?,
        // By a Unix socket: a peer has no address there.
        None => asker,
    };
    let mut head = hyper::Request::new(());
    *head.method_mut() = Method::from_str(&http.method).map_err(|_| Malformed::Described)?;
    let target: PathAndQuery = request_target(http.path)?;
    *head.uri_mut() = target.into();
    let headers = head.headers_mut();
    for (name, value) in http.headers {
        put(headers, &name, value.as_bytes())?;
    }
    for field in http.header_map.into_iter().flat_map(|map| map.headers) {
        let value =
            if field.raw_value.is_empty() { field.value.into_bytes() } else { field.raw_value };
        put(headers, &field.key, &value)?;
    }
    let host = HeaderValue::try_from(http.host).map_err(|_| Malformed::Host)?;
    headers.insert(header::HOST, host);
    // The body stays with the proxy.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    let (parts, ()) = head.into_parts();
    // That is who has connected to Envoy: another trusted proxy, perhaps, that says for whom.
    Ok((parts, Peer::new(client, http.scheme.eq_ignore_ascii_case("https"))))
}

/// What of the head is a field; `:path` and the like are told beside.
fn put(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), Malformed> {
    if name.starts_with(':') {
        return Ok(());
    }
    let name = HeaderName::from_str(name).map_err(|_| Malformed::Described)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| Malformed::Described)?;
    headers.append(name, value);
    Ok(())
}

/// A body that could not be read is no message.
impl From<Unread> for Malformed {
    fn from(_: Unread) -> Self {
        Malformed::Described
    }
}

/// A decision as the proxy reads it: a yes if it says what the application must not see.
pub fn answer(mut decided: Reply) -> Reply {
    let removed = decided.extensions_mut().remove::<Removed>();
    let (status, headers) = (decided.status(), decided.headers());
    let response = match removed {
        Some(Removed(names)) if status == StatusCode::OK => yes(headers, &names),
        _ => no(status, headers, decided.body().whole()),
    };
    let message = response.encode_to_vec();
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut reply = Reply::new(ReplyBody::with_trailers(framed.freeze(), trailers));
    let kind = HeaderValue::from_static("application/grpc");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

fn yes(headers: &HeaderMap, removed: &[HeaderName]) -> CheckResponse {
    let mut ok = OkResponse::default();
    for (name, value) in headers {
        match *name {
            // These are for the client.
            header::SET_COOKIE | header::VARY => {
                ok.response_headers_to_add.push(field(name, value, true));
            }
            _ if name.as_str().starts_with("access-control-") => {
                ok.response_headers_to_add.push(field(name, value, false));
            }
            // It tells of this answer.
            header::CACHE_CONTROL => {}
            _ if value.is_empty() => ok.headers_to_remove.push(name.as_str().to_owned()),
            _ => ok.headers.push(field(name, value, false)),
        }
    }
    // These are Envoy's own word.
    const KEPT: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-client-cert"];
    let kept = |name: &HeaderName| KEPT.contains(&name.as_str());
    let others = removed.iter().filter(|name| !headers.contains_key(*name) && !kept(name));
    ok.headers_to_remove.extend(others.map(|name| name.as_str().to_owned()));
    CheckResponse { status: Some(Status { code: 0 }), denied: None, ok: Some(ok) }
}

/// `PERMISSION_DENIED`, with what the client is told.
fn no(status: StatusCode, headers: &HeaderMap, body: Option<&Bytes>) -> CheckResponse {
    // A yes without what belongs to it is none.
    let status = if status.is_success() { StatusCode::FORBIDDEN } else { status };
    let mut told = Vec::new();
    for name in headers.keys().filter(|name| **name != header::CONTENT_LENGTH) {
        let values = headers.get_all(name).iter().enumerate();
        told.extend(values.map(|(place, value)| field(name, value, place > 0)));
    }
    let body = body.map(|body| String::from_utf8_lossy(body).into_owned());
    let denied = DeniedResponse {
        status: Some(HttpStatus { code: status.as_u16().into() }),
        headers: told,
        body: body.unwrap_or_default(),
    };
    CheckResponse { status: Some(Status { code: 7 }), denied: Some(denied), ok: None }
}

/// A field that is added, or takes the place of those there are.
fn field(name: &HeaderName, value: &HeaderValue, add: bool) -> HeaderOption {
    const APPEND: i32 = 0;
    const OVERWRITE: i32 = 2;
    let key = name.as_str().to_owned();
    let header = match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Field { key, value: text.to_owned(), raw_value: Vec::new() },
        Err(_) => Field { key, value: String::new(), raw_value: value.as_bytes().to_vec() },
    };
    HeaderOption { header: Some(header), append_action: if add { APPEND } else { OVERWRITE } }
}

// Of Envoy's messages, what is read and written here; the numbers are theirs.

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "1")]
    source: Option<Source>,
    #[prost(message, optional, tag = "4")]
    request: Option<Requested>,
}

#[derive(Clone, PartialEq, Message)]
struct Source {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, optional, tag = "1")]
    socket_address: Option<SocketAddress>,
}

#[derive(Clone, PartialEq, Message)]
struct SocketAddress {
    #[prost(string, tag = "2")]
    address: String,
}

#[derive(Clone, PartialEq, Message)]
struct Requested {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
struct Http {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    /// With the query.
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
    /// Instead of `headers`, where Envoy is told to `encode_raw_headers`.
    #[prost(message, optional, tag = "13")]
    header_map: Option<Fields>,
}

#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<Field>,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(bytes = "vec", tag = "3")]
    raw_value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Field>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "2")]
    denied: Option<DeniedResponse>,
    #[prost(message, optional, tag = "3")]
    ok: Option<OkResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct DeniedResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct OkResponse {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    response_headers_to_add: Vec<HeaderOption>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(http: Http, source: &str) -> Vec<u8> {
        let socket_address = Some(SocketAddress { address: source.into() });
        let attributes = Attributes {
            source: Some(Source { address: Some(Address { socket_address }) }),
            request: Some(Requested { http: Some(http) }),
        };
        let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap();
        [&[0][..], &length.to_be_bytes(), &message].concat()
    }

    fn asked(path: &str) -> Http {
        Http {
            method: "GET".into(),
            path: path.into(),
            host: "api.example".into(),
            headers: [(":path".into(), "/other".into()), ("x-a".into(), "b".into())].into(),
            ..Http::default()
        }
    }

    const ASKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_message_is_a_request() {
        let (parts, peer) = read(&framed(asked("/a?b=c"), "192.0.2.7"), ASKER).unwrap();
        assert_eq!((parts.method, parts.uri.to_string()), (Method::GET, "/a?b=c".to_owned()));
        assert_eq!(parts.headers.len(), 2, "{:?}", parts.headers);
        assert_eq!(parts.headers["host"], "api.example");
        assert_eq!((peer.address.to_string(), peer.secure), ("192.0.2.7".to_owned(), false));
    }

    /// Attack: a message that does not say what Envoy says, or not all of it, is taken for a request
    /// that may pass.
    #[test]
    fn what_is_no_message_is_no_request() {
        let good = framed(asked("/"), "192.0.2.7");
        let compressed = [&[1], &good[1..]].concat();
        let longer = [&good[..], b"x"].concat();
        let none = [0; 5];
        for bytes in
            [&good[..good.len() - 1], &compressed, &longer, &none, b"", b"\0\0\0\0\x02\xff\xff"]
        {
            assert!(read(bytes, ASKER).is_err(), "{bytes:?}");
        }
        for path in ["", "*", "a", "http://h/", "/a#b"] {
            assert!(read(&framed(asked(path), "192.0.2.7"), ASKER).is_err(), "{path}");
        }
        assert!(read(&framed(asked("/"), "nobody"), ASKER).is_err());
    }

    #[test]
    fn a_yes_takes_the_clients_own_names_away() {
        let mut reply = Reply::new(ReplyBody::full(""));
        let headers = reply.headers_mut();
        headers.insert("remote-user", HeaderValue::from_static("alice"));
        headers.insert("remote-email", HeaderValue::from_static(""));
        let ok = yes(reply.headers(), &["remote_user", "remote-user"].map(HeaderName::from_static));
        let ok = ok.ok.unwrap();
        assert_eq!(ok.headers.len(), 1);
        assert_eq!(ok.headers_to_remove, ["remote-email", "remote_user"]);
    }
}
