//! Where a request comes from: what a stranger writes to the left of what the trusted proxy writes
//! changes nothing, and neither does what the proxy quotes of the stranger's.
//!
//! Input: a byte of choices, then what the stranger says.

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{FORWARDED, HeaderName, HeaderValue},
};
use portcullis::request::{Client, ForwardedHeader, Peer, TrustedProxies};

use super::Input;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The stranger as the proxy sees it.
const STRANGER: &str = "192.0.2.1";

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let says = input.0;
    if HeaderValue::from_bytes(says).is_err() {
        return;
    }
    // In one field or in two, as proxies add theirs.
    let with = |name: &HeaderName, own: &str| {
        let mut headers = HeaderMap::new();
        let mut add = |value: &[u8]| headers.append(name, value.try_into().expect("a value"));
        if choice & 1 == 0 {
            add(&[says, b", ", own.as_bytes()].concat());
        } else {
            add(says);
            add(own.as_bytes());
        }
        headers
    };
    for own in [STRANGER.to_owned(), format!("{STRANGER}, 10.0.0.2"), format!("{STRANGER}:443")] {
        expect(&client(&with(&FOR, &own), ForwardedHeader::XForwarded), false);
    }
    let mut headers = with(&PROTO, "https");
    headers.insert(FOR, HeaderValue::from_static(STRANGER));
    expect(&client(&headers, ForwardedHeader::XForwarded), true);
    let own = format!("for={STRANGER};proto=https");
    expect(&client(&with(&FORWARDED, &own), ForwardedHeader::Forwarded), true);
    // A quoted text ends at its quote and nowhere else (RFC 9110 section 5.6.4).
    let quoted = says.iter().flat_map(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        other => vec![*other],
    });
    let quoted: Vec<u8> = quoted.collect();
    for own in [
        [b"host=\"", &quoted[..], b"\";for=192.0.2.1;proto=https"].concat(),
        [b"for=192.0.2.1;host=\"", &quoted[..], b"\";proto=https"].concat(),
    ] {
        let headers = [(FORWARDED, own[..].try_into().expect("a value"))];
        expect(&client(&headers.into_iter().collect(), ForwardedHeader::Forwarded), true);
    }

    // Alone: nobody's word, or the word of whom the proxy believes itself.
    let alone = HeaderMap::from_iter([(FOR, says.try_into().expect("a value"))]);
    let believed = client(&alone, ForwardedHeader::XForwarded);
    assert_eq!(believed.address, slowly(says), "{}", says.escape_ascii());
    let proxies = TrustedProxies::default();
    let peer = Peer::new(STRANGER.parse().expect("an address"), false);
    assert_eq!(peer.client(&alone, &proxies).address, peer.address, "a stranger is believed");
}

/// Behind a proxy of ours, which has others of ours before it.
fn client(headers: &HeaderMap, field: ForwardedHeader) -> Client {
    let networks = vec!["10.0.0.0/8".parse().expect("a network")];
    let peer = Peer::new([10, 0, 0, 1].into(), false);
    peer.client(headers, &TrustedProxies { networks, field })
}

#[track_caller]
fn expect(client: &Client, secure: bool) {
    assert_eq!(client.address.to_string(), STRANGER);
    assert_eq!(client.text, STRANGER);
    assert_eq!(client.secure, secure);
}

/// From the right the first that is no proxy of ours, or the last before nonsense.
fn slowly(says: &[u8]) -> IpAddr {
    let mut address = IpAddr::from([10, 0, 0, 1]);
    for element in says.rsplit(|byte| *byte == b',') {
        let element = std::str::from_utf8(element.trim_ascii()).unwrap_or("none");
        let in_brackets = element.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let with_port = element.parse::<std::net::SocketAddr>().map(|both| both.ip());
        let Ok(one) = in_brackets.unwrap_or(element).parse().or(with_port) else { break };
        address = IpAddr::to_canonical(&one);
        if !matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10) {
            break;
        }
    }
    address
}
