//! A request target: what is judged is sent, byte for byte; and a path in which no ambiguity was
//! found is the same path to every kind of server that could stand behind.

use std::collections::BTreeSet;

use hyper::{
    Version,
    body::Bytes,
    header::{HOST, HeaderValue},
    http::uri::PathAndQuery,
};
use portcullis::request::{Body, HeadLimits, Peer, Request, TrustedProxies, decode_path};

use super::shown;

pub(crate) fn target(data: &[u8]) {
    let Some(request) = read(data) else { return };
    let target = &request.target;
    // The library cuts a fragment off; the reader of framing refuses it before. Of nothing and of
    // a query alone, which HTTP/2 allows, it makes the path `/`, on the wire too.
    let whole = data.split(|byte| *byte == b'#').next().unwrap_or_default();
    let sent = target.raw().as_str().as_bytes();
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let judged = format!("{}{query}", target.path()).into_bytes();
    let alone = [b"/", whole].concat();
    let expected = if whole.starts_with(b"/") { whole } else { &alone };
    assert_eq!(shown(&judged), shown(expected), "something else is judged");
    assert!(sent == judged || [b"/", sent].concat() == judged, "{} is sent", shown(sent));

    let decoded = decode_path(target.path());
    assert_eq!(shown(&decoded), shown(&decode(target.path().as_bytes())), "decoded");
    if target.ambiguities.is_empty() {
        for reading in readings(target.path()) {
            assert_eq!(shown(&reading), shown(&decoded), "two readings of {}", target.path());
        }
    }
}

/// A request for a target, as HTTP/2 takes it: HTTP/1.1 takes less.
pub(super) fn read(data: &[u8]) -> Option<Box<Request>> {
    let raw = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(data)).ok()?;
    let mut request = hyper::Request::new(());
    *request.uri_mut() = raw.into();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert(HOST, HeaderValue::from_static("h"));
    let limits = HeadLimits { bytes: 32 << 10, fields: 100 };
    let peer = Peer::new([192, 0, 2, 1].into(), false);
    let (head, ()) = request.into_parts();
    Request::read(head, Body::Empty, &peer, &TrustedProxies::default(), limits).ok()
}

/// Every path that a server could take this one for: it decodes once or twice, and before, between
/// and after that it does none, some or all of what servers do, in any order.
pub(super) fn readings(path: &str) -> BTreeSet<Vec<u8>> {
    let mut seen = BTreeSet::from([(path.as_bytes().to_vec(), 0)]);
    let mut new: Vec<_> = seen.iter().cloned().collect();
    while let Some((path, decodings)) = new.pop() {
        let mut next: Vec<_> =
            [collapse, cut_parameters, resolve_dots, turn_backslashes, end_at_nul]
                .map(|step| (step(&path), decodings))
                .into();
        if decodings < 2 {
            next.push((decode(&path), decodings + 1));
        }
        new.extend(next.into_iter().filter(|reading| seen.insert(reading.clone())));
    }
    seen.into_iter().filter(|(_, decodings)| *decodings > 0).map(|(path, _)| path).collect()
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut place = 0;
    while place < path.len() {
        let digits = path
            .get(place + 1..place + 3)
            .filter(|digits| path[place] == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| {
            u8::from_str_radix(std::str::from_utf8(digits).unwrap_or_default(), 16).ok()
        });
        decoded.push(byte.unwrap_or(path[place]));
        place += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

fn segments(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').collect()
}

/// Slashes in a row are one.
fn collapse(path: &[u8]) -> Vec<u8> {
    let mut collapsed = path.to_vec();
    collapsed.dedup_by(|a, b| (*a, *b) == (b'/', b'/'));
    collapsed
}

/// `/a;x=y/b` is `/a/b`.
fn cut_parameters(path: &[u8]) -> Vec<u8> {
    let plain =
        |segment: &&[u8]| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    segments(path).iter().map(plain).collect::<Vec<_>>().join(&b'/')
}

/// `/a/./b/../c` is `/a/c`.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut resolved: Vec<&[u8]> = Vec::new();
    let all = segments(path);
    for (place, segment) in all.iter().enumerate() {
        match *segment {
            b"." => {}
            b".." if resolved.len() > 1 => {
                resolved.pop();
            }
            b".." => {}
            other => resolved.push(other),
        }
        // A path that ends in dots is a folder.
        if place + 1 == all.len() && matches!(*segment, b"." | b"..") {
            resolved.push(b"");
        }
    }
    resolved.join(&b'/')
}

/// As Windows and browsers read it.
fn turn_backslashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// As C reads it.
fn end_at_nul(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}
