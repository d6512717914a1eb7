//! Where a browser may be sent: places on this host, and nowhere else.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::Request;

/// A path on this host, as every browser reads it: browsers take a backslash for a slash, and drop
/// tabs and line ends, so `/\evil.example` leads elsewhere.
pub fn is_local(to: &str) -> bool {
    to.starts_with('/')
        && !to.starts_with("//")
        && !to.contains('\\')
        && !to.chars().any(char::is_control)
}

/// A path below the page itself, or its query: `page`, `page/?a=b`, `?a=b`. A browser takes what stands
/// before a colon for a scheme, and drops blanks in front.
pub fn is_beside(to: &str) -> bool {
    let first = to.split(['/', '?', '#']).next().unwrap_or_default();
    !to.is_empty()
        && !to.starts_with('/')
        && !first.contains(':')
        && !to.starts_with(char::is_whitespace)
        && !to.contains('\\')
        && !to.chars().any(char::is_control)
}

/// A whole address on the host and over the scheme that the client uses, or a better one.
pub fn is_own(to: &str, request: &Request) -> bool {
    let (host, secure) = (request.authority.to_str().unwrap_or_default(), request.client.secure);
    let rest = match (to.strip_prefix("https://"), to.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if !secure => rest,
        _ => return false,
    };
    rest.strip_prefix(host).is_some_and(|rest| rest.is_empty() || is_local(rest))
}

/// Django's `iri_to_uri`: what is not ASCII is percent-encoded.
pub fn ascii(to: &str) -> String {
    const SPACE: AsciiSet = CONTROLS.add(b' ');
    utf8_percent_encode(to, &SPACE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack (CVE-2021-29651, CVE-2024-52003): a link to the login page whose `next` leads to a
    /// page of the attacker's that asks for the password once more.
    #[test]
    fn next_stays_on_this_host() {
        for good in ["/", "/a/b?c=d#e", "/é", "/a//b", "/a:b@c", "/?q=a b"] {
            assert!(is_local(good), "{good}");
        }
        for evil in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\tevil",
            "/\n/evil.example",
            " /",
            "evil",
        ] {
            assert!(!is_local(evil), "{evil:?}");
        }
        for good in ["page", "page/?a=b:c", "?a=b", "../up/", "a/b:c", "#there"] {
            assert!(is_beside(good), "{good}");
        }
        for evil in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            " //evil.example",
            "\u{a0}//evil.example",
            "\u{1}//evil.example",
            "a\\b",
        ] {
            assert!(!is_beside(evil), "{evil:?}");
        }
    }
}
