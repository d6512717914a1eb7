//! `Forwarded` (RFC 7239) and `X-Forwarded-*`, read only from trusted peers and from the right
//! end: what a client wrote into the left end is not trusted.

use std::net::{IpAddr, SocketAddr};

use hyper::{HeaderMap, header::HeaderName};

use super::{ForwardedHeader, TrustedProxies};

/// What a trusted proxy says of the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) address: Option<IpAddr>,
    pub(super) secure: Option<bool>,
}

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) fn read(headers: &HeaderMap, proxies: &TrustedProxies) -> Claim {
    if proxies.field == ForwardedHeader::Forwarded {
        let lines = headers.get_all(FORWARDED).iter();
        let elements: Vec<_> = lines.flat_map(|line| split(line.as_bytes(), b',')).collect();
        return Claim {
            address: nearest(elements.iter().map(|e| parameter(e, "for")), proxies),
            secure: elements.last().and_then(|e| secure(parameter(e, "proto")?)),
        };
    }
    Claim {
        address: nearest(list(headers, &FORWARDED_FOR).into_iter().map(Some), proxies),
        secure: list(headers, &FORWARDED_PROTO).last().and_then(|proto| secure(proto)),
    }
}

/// From the right: the first address that is not a trusted proxy. An element that is no address
/// ends the walk, since whatever stands left of it was written by a stranger.
fn nearest<'a>(
    elements: impl DoubleEndedIterator<Item = Option<&'a [u8]>>,
    proxies: &TrustedProxies,
) -> Option<IpAddr> {
    let mut last = None;
    for element in elements.rev() {
        let Some(address) = element.and_then(address) else { break };
        last = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    last
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii).collect()
}

fn parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    split(element, b';').into_iter().find_map(|pair| {
        let (key, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        let value = value.get(1..)?.trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        key.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then_some(bare.unwrap_or(value))
    })
}

/// Splits where a separator stands outside quotes (RFC 9110 section 5.6.4). It is read from the
/// right: a quote that a stranger has opened on the left swallows nothing of the proxy's.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut rest, mut quoted) = (Vec::new(), text, false);
    for (place, byte) in text.iter().enumerate().rev() {
        let before = text.get(..place).unwrap_or_default();
        let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if *byte == b'"' && backslashes % 2 == 0 {
            quoted = !quoted;
        } else if *byte == separator && !quoted {
            parts.push(rest.get(place + 1..).unwrap_or_default());
            rest = before;
        }
    }
    parts.push(rest);
    parts.reverse();
    parts
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

/// Some proxies (Traefik) write `wss` and `ws` for requests that open a WebSocket; a scheme has no case
/// (RFC 3986 section 3.1).
fn secure(proto: &[u8]) -> Option<bool> {
    match proto.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(true),
        b"http" | b"ws" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &'static str, value: &'static str) -> Claim {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let field = match name {
            "forwarded" => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::XForwarded,
        };
        let proxies = TrustedProxies { networks, field };
        let headers = [(HeaderName::from_static(name), value.parse().unwrap())];
        read(&HeaderMap::from_iter(headers), &proxies)
    }

    /// Attack: a proxy writes `X-Forwarded-For` and passes on the `Forwarded` that the client made
    /// up, which nginx does unless told otherwise.
    #[test]
    fn only_the_configured_header_is_read() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = TrustedProxies { networks, field: ForwardedHeader::XForwarded };
        let headers = HeaderMap::from_iter([
            (FORWARDED, "for=6.6.6.6".parse().unwrap()),
            (FORWARDED_FOR, "192.0.2.1".parse().unwrap()),
        ]);
        assert_eq!(read(&headers, &proxies).address, Some("192.0.2.1".parse().unwrap()));
    }

    /// What proxies really write. Attack: the scheme of a WebSocket's request is not known, so that the
    /// browser's own origin is another one, and a page that was fetched over http is the same.
    #[test]
    fn schemes_as_proxies_write_them() {
        for (value, secure) in [
            ("https", Some(true)),
            ("wss", Some(true)),
            ("HTTPS", Some(true)),
            (" https ", Some(true)),
            ("http,https", Some(true)),
            ("http", Some(false)),
            ("ws", Some(false)),
            ("https, http", Some(false)),
            ("", None),
            ("on", None),
            ("httpss", None),
        ] {
            assert_eq!(claim("x-forwarded-proto", value).secure, secure, "{value}");
            let value = value.trim();
            if !value.contains(',') {
                for element in [format!("proto={value}"), format!("for=a;Proto=\"{value}\"")] {
                    let element: &'static str = element.leak();
                    assert_eq!(claim("forwarded", element).secure, secure, "{element}");
                }
            }
        }
    }

    /// Attack (CVE-2026-33495 and its family): the client writes an address of its choice into
    /// `X-Forwarded-For`; a proxy appends the true one to the right.
    #[test]
    fn the_right_end_counts() {
        for (name, value) in [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.2"),
            ("x-forwarded-for", "192.0.2.1:443"),
            ("x-forwarded-for", "6.6.6.6, nonsense, 192.0.2.1"),
            ("forwarded", "for=6.6.6.6, for=\"192.0.2.1:80\";proto=https, for=10.0.0.2;proto=http"),
        ] {
            assert_eq!(claim(name, value).address, Some("192.0.2.1".parse().unwrap()), "{value}");
        }
        assert_eq!(claim("x-forwarded-for", "6.6.6.6, nonsense").address, None);
        assert_eq!(
            claim("forwarded", "for=\"[2001:db8::1]\";proto=https"),
            Claim { address: Some("2001:db8::1".parse().unwrap()), secure: Some(true) }
        );
    }
}
