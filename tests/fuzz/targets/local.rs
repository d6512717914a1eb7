//! Where a login may lead: no text that is called a place on this host leads a browser elsewhere.

use portcullis::web::is_local;

pub(crate) fn target(data: &[u8]) {
    let Ok(to) = std::str::from_utf8(data) else { return };
    if is_local(to) {
        assert_eq!(host(to), None, "{to:?} leads to another host");
    }
}

/// The host that a browser on another page goes to (the URL standard's basic parser, as far as it
/// matters here): blanks and control characters around are cut off, tabs and line ends are dropped,
/// a backslash is a slash, and whatever has a scheme or two slashes says its host.
fn host(to: &str) -> Option<String> {
    let to = to.trim_matches(|c: char| c <= ' ');
    let to: String = to.chars().filter(|c| !"\t\r\n".contains(*c)).collect();
    let to = to.replace('\\', "/");
    let after_scheme = to.find(':').filter(|end| {
        let scheme = &to[..*end];
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    match (after_scheme, to.strip_prefix("//")) {
        (Some(end), _) => Some(to[end + 1..].to_owned()),
        (None, Some(rest)) => Some(rest.to_owned()),
        // Relative: to a page that nobody has thought of.
        (None, None) => (!to.starts_with('/')).then_some(to),
    }
}
