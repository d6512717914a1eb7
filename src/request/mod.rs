//! The request as every later step reads it: checked once, then only looked at.

pub mod body;
mod buffer;
mod certificate;
pub mod credentials;
pub mod form;
mod forwarded;
mod path;
mod peer;
mod purpose;
mod upgrade;

use hyper::{
    HeaderMap, Method, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE},
    http::{
        request::Parts,
        uri::{PathAndQuery, Scheme},
    },
};

pub use self::{
    body::Body,
    buffer::Buffer,
    certificate::{Certificate, covers},
    path::{Ambiguity, Target, decode as decode_path},
    peer::{Client, ForwardedHeader, Peer, TrustedProxies, network_of},
    purpose::Purpose,
    upgrade::Upgrade,
};

/// A request whose head has been judged: one target, one host, one framing.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, exactly as they will be sent on.
    pub target: Target,
    /// The host asked for: lower case, no port, no final dot.
    pub host: Box<str>,
    /// `Host` or `:authority` as sent.
    pub authority: hyper::header::HeaderValue,
    /// The header fields as received.
    pub headers: HeaderMap,
    /// Who asks, and how.
    pub client: Client,
    /// What follows the head.
    pub body: Body,
    /// The protocol that the client would rather speak from here on.
    pub upgrade: Option<Upgrade>,
    /// What its fields were looked through for.
    pub has: Has,
}

/// Which fields a request has, of those that few requests have: each is looked for once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Has {
    /// `Origin`: the page that has made the request.
    pub origin: bool,
    /// How many `Cookie` fields.
    pub cookies: usize,
}

/// How large a head may be, in either protocol.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of all fields.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// Why a head was refused: the client is told how to correct it, and an attacker nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not HTTP/1.1, as the parser sees it.
    #[error(
        "The request is not valid HTTP/1.1. Percent-encode characters such as \" and < in the target, \
         and give the body's length once."
    )]
    Syntax,
    /// `CONNECT` and `TRACE`.
    #[error("This method is not served here.")]
    Method,
    /// Asterisk form, none, the absolute form of another protocol.
    #[error("The request target must be a path that starts with a slash.")]
    Form,
    /// See [`Ambiguity`].
    #[error("The path can be read in more than one way ({0}).")]
    Path(Ambiguity),
    /// None, two, not a host.
    #[error("Exactly one valid Host is needed.")]
    Host,
    /// Not the host that TLS was made for.
    #[error("This connection was made for another host.")]
    Misdirected,
    /// More than one way to tell where the body ends.
    #[error("The body's length must be given once, in one way.")]
    Framing,
    /// Two `Authorization` fields.
    #[error("Only one Authorization field may be sent.")]
    Authorization,
    /// A proxy asks about a request and does not say which.
    #[error("X-Forwarded-Method and X-Forwarded-Uri must say, once each, which request is meant.")]
    Described,
    /// The head is larger than `limits.head`.
    #[error("The header fields are too large.")]
    TooLarge,
}

impl Request {
    /// The same head, to be judged again later.
    pub fn head(&self) -> Self {
        Self {
            method: self.method.clone(),
            target: self.target.clone(),
            host: self.host.clone(),
            authority: self.authority.clone(),
            headers: self.headers.clone(),
            client: self.client.clone(),
            body: Body::Empty,
            upgrade: None,
            has: self.has,
        }
    }

    /// Judges a head.
    ///
    /// # Errors
    /// The first thing that makes the request ambiguous or too large.
    pub fn read(
        parts: Parts,
        body: Body,
        peer: &Peer,
        proxies: &TrustedProxies,
        limits: HeadLimits,
    ) -> Result<Box<Self>, Malformed> {
        let Parts { method, uri, version, headers, mut extensions, .. } = parts;
        // Methods are case-sensitive (RFC 9110 section 9.1), and Django makes capitals of them: a rule
        // for `DELETE` must hold for `delete`.
        let odd = method.as_str().bytes().any(|byte| byte.is_ascii_lowercase());
        if odd || method == Method::CONNECT || method == Method::TRACE {
            return Err(Malformed::Method);
        }
        // HTTP/2 carries scheme and authority beside the path; in HTTP/1 they are the absolute form, which
        // a server has to accept (RFC 9112 section 3.2.2). It says the host once more, or the request is
        // one that two readers send to two hosts.
        if let Some(scheme) = uri.scheme()
            && *scheme != Scheme::HTTP
            && *scheme != Scheme::HTTPS
        {
            return Err(Malformed::Form);
        }
        let fields = Fields::read(&headers, limits)?;
        if version != Version::HTTP_2 && fields.host.is_none() {
            return Err(Malformed::Host);
        }
        let (host, authority) = host(&fields, uri.authority())?;
        // A certificate, and later a rule, was chosen for another host (RFC 9110 section 15.5.20). A
        // trusted proxy reaches us by a name of ours, and speaks for others.
        if let Some(name) = peer.server_name.as_deref()
            && !name.eq_ignore_ascii_case(&host)
            && !proxies.contains(peer.address)
        {
            return Err(Malformed::Misdirected);
        }
        let target = uri.into_parts().path_and_query.ok_or(Malformed::Form).and_then(target)?;
        let client = peer.client(&headers, proxies);
        let has = fields.has;
        let upgradable = version == Version::HTTP_11 && method == Method::GET && body.is_empty();
        let upgrade = match upgradable && fields.upgrade {
            true => Upgrade::read(&headers, &mut extensions),
            false => None,
        };
        // Boxed: it goes from step to step, and a pointer is what is moved.
        Ok(Box::new(Self { method, target, host, authority, headers, client, body, upgrade, has }))
    }
}

fn target(target: PathAndQuery) -> Result<Target, Malformed> {
    if !target.path().starts_with('/') {
        return Err(Malformed::Form);
    }
    Target::new(target).map_err(Malformed::Path)
}

/// What one look through the fields finds.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a hyper::header::HeaderValue>,
    hosts: usize,
    upgrade: bool,
    has: Has,
}

impl<'a> Fields<'a> {
    /// Checks fields that must be there once, and the size of all. Names that some servers fold to a
    /// framing field (`Content_Length`) are refused with it: they were written to be misread.
    fn read(headers: &'a HeaderMap, limits: HeadLimits) -> Result<Self, Malformed> {
        let (mut size, mut lengths, mut authorizations, mut framed) = (0, 0, 0, true);
        let mut found = Self::default();
        for (name, value) in headers {
            size += name.as_str().len() + value.len() + 4;
            if name == HOST {
                found.host = Some(value);
                found.hosts += 1;
            } else if name == CONTENT_LENGTH {
                lengths += 1;
            } else if name == TRANSFER_ENCODING {
                lengths += 1;
                framed &= value.as_bytes().eq_ignore_ascii_case(b"chunked");
            } else if name == AUTHORIZATION {
                authorizations += 1;
            } else if name == ORIGIN {
                found.has.origin = true;
            } else if name == COOKIE {
                found.has.cookies += 1;
            } else if name == UPGRADE {
                found.upgrade = true;
            } else if folds_to_framing(name.as_str()) {
                return Err(Malformed::Framing);
            }
        }
        if size > limits.bytes || headers.len() > limits.fields {
            return Err(Malformed::TooLarge);
        }
        if lengths > 1 || !framed {
            return Err(Malformed::Framing);
        }
        if authorizations > 1 { Err(Malformed::Authorization) } else { Ok(found) }
    }
}

/// Whether it is a spelling of a framing field that some servers fold to it (a CGI variable's).
pub fn folds_to_framing(name: &str) -> bool {
    let fold =
        |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' };
    let folds_to = |known: &[u8]| {
        name.len() == known.len() && name.bytes().map(fold).eq(known.iter().copied())
    };
    folds_to(b"content_length") || folds_to(b"transfer_encoding")
}

fn host(
    fields: &Fields<'_>,
    authority: Option<&hyper::http::uri::Authority>,
) -> Result<(Box<str>, hyper::header::HeaderValue), Malformed> {
    let value = match (fields.host, authority) {
        (Some(field), Some(authority)) if field.as_bytes() != authority.as_str().as_bytes() => {
            return Err(Malformed::Host);
        }
        (Some(field), _) => field.clone(),
        (None, Some(authority)) => authority.as_str().try_into().map_err(|_| Malformed::Host)?,
        (None, None) => return Err(Malformed::Host),
    };
    if fields.hosts > 1 {
        return Err(Malformed::Host);
    }
    let host = value.to_str().ok().and_then(canonical_host).ok_or(Malformed::Host)?;
    Ok((host, value))
}

/// `Example.COM.:8080` is `example.com`; anything that is not a host and port is nothing.
pub fn canonical_host(text: &str) -> Option<Box<str>> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (&text[..address.len() + 2], rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let good = !host.is_empty()
        && host.len() <= 255
        && (host.starts_with('[') || is_name(host))
        && (port.is_empty()
            || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    good.then(|| host.to_ascii_lowercase().into())
}

/// Letters, digits, `-` and `_`, with single dots between them.
fn is_name(host: &str) -> bool {
    let mut before = b'.';
    host.bytes().all(|byte| {
        let good = match byte {
            b'.' => before != b'.',
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        };
        before = byte;
        good
    }) && before != b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for same in
            ["example.com", "Example.COM", "example.com.", "example.com:8080", "example.com:"]
        {
            assert_eq!(canonical_host(same).as_deref(), Some("example.com"), "{same}");
        }
        assert_eq!(canonical_host("[::1]:80").as_deref(), Some("[::1]"));
        for wrong in [
            "", ".", "a b", "a/b", "a@b", "a:b", "a:99999", "..", "a..b", "[::1", "[x]", "a,b",
            "é", ":80", "a..", "a.b..:80", "a:+80",
        ] {
            assert_eq!(canonical_host(wrong), None, "{wrong}");
        }
    }
}
