//! The parts of a request's address that a MAC covers: host, port, path and query as the client
//! wrote them.

/// Host and port of an authority (`Host`, `:authority`, a forwarded host), the host without the
/// brackets of IPv6. Without a port it is the scheme's. User information, an empty port and a port
/// beyond 65535 are refused, as Django and mohawk do.
pub fn origin(authority: &str, is_tls: bool) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => inside.split_once(']').filter(|(host, _)| host.contains(':'))?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let foreign = |c: char| c.is_whitespace() || matches!(c, '@' | '/' | '?' | '#' | '\\' | '[');
    if host.is_empty() || host.contains(foreign) {
        return None;
    }
    if port.is_empty() {
        return Some((host, if is_tls { 443 } else { 80 }));
    }
    let digits = port.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?;
    Some((host, digits.parse().ok()?))
}

/// The path and query that are signed. mohawk leaves out a question mark that nothing follows, and
/// a fragment, which no client should have sent.
pub fn resource(target: &str) -> &str {
    let target = target.split_once('#').map_or(target, |(before, _)| before);
    match target.split_once('?') {
        Some((path, "")) => path,
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (authority, is_tls, expected) in [
            ("example.com", false, Some(("example.com", 80))),
            ("example.com", true, Some(("example.com", 443))),
            ("Example.COM.:8000", true, Some(("Example.COM.", 8000))),
            ("example.com:08000", false, Some(("example.com", 8000))),
            ("example.com:0", false, Some(("example.com", 0))),
            ("[::1]", true, Some(("::1", 443))),
            ("[fe80::1]:8000", false, Some(("fe80::1", 8000))),
            ("example.com:", false, None),
            ("example.com:99999", false, None),
            ("example.com:+80", false, None),
            ("example.com:80:80", false, None),
            ("::1", false, None),
            ("[::1", false, None),
            ("[::1]80", false, None),
            ("[example.com]", false, None),
            ("user@example.com", false, None),
            ("example.com/x", false, None),
            (":80", false, None),
            ("", false, None),
        ] {
            assert_eq!(origin(authority, is_tls), expected, "{authority}");
        }
    }

    #[test]
    fn what_is_signed_of_a_target() {
        for (target, signed) in [
            ("/a", "/a"),
            ("/a?", "/a"),
            ("/a??", "/a??"),
            ("/a?b=1#c", "/a?b=1"),
            ("/a?#c", "/a"),
            ("/a%2Fb;c?d=%zz", "/a%2Fb;c?d=%zz"),
            ("", ""),
        ] {
            assert_eq!(resource(target), signed);
        }
    }
}
