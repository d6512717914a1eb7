//! The `Authorization` and `Cookie` fields, taken apart as Django REST framework and Django take
//! them apart.

use std::borrow::Cow;

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, HeaderValue},
};

/// `Authorization`, split at ASCII blanks: a keyword and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// The first word, as sent.
    pub keyword: &'a [u8],
    /// What follows.
    pub credential: Credential<'a>,
}

/// What follows the keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Nothing.
    Missing,
    /// One word.
    One(&'a [u8]),
    /// More than one.
    Spaces,
}

impl<'a> Authorization<'a> {
    /// The field, if it is there and not blank.
    pub fn read(headers: &'a HeaderMap) -> Option<Self> {
        headers.get(AUTHORIZATION).and_then(Self::of)
    }

    /// The same of another field, where a scheme has one of its own.
    pub fn of(value: &'a HeaderValue) -> Option<Self> {
        let words = value.as_bytes().trim_ascii();
        let end = words.iter().position(u8::is_ascii_whitespace).unwrap_or(words.len());
        let (keyword, rest) = words.split_at_checked(end).filter(|_| !words.is_empty())?;
        let credential = match rest.trim_ascii_start() {
            [] => Credential::Missing,
            // A token is long: looked through to its end without a branch for each byte.
            word => match word.iter().fold(false, |blank, byte| blank | byte.is_ascii_whitespace())
            {
                false => Credential::One(word),
                true => Credential::Spaces,
            },
        };
        Some(Self { keyword, credential })
    }

    /// Whether the keyword is `keyword`, in any case.
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// What DRF says of an `Authorization` field with a keyword of its own and no token.
pub const NO_TOKEN: &str = "Invalid token header. No credentials provided.";
/// The same of more than one word.
pub const SPACES_IN_TOKEN: &str = "Invalid token header. Token string should not contain spaces.";
/// The same of bytes that are no UTF-8.
pub const NO_TEXT_IN_TOKEN: &str =
    "Invalid token header. Token string should not contain invalid characters.";

/// The token of an `Authorization` field as DRF's `TokenAuthentication` reads it, or what is wrong
/// with it; knox has copied that.
pub fn keyword_token<'a>(
    headers: &'a HeaderMap,
    keyword: &str,
) -> Option<Result<&'a str, &'static str>> {
    let field = Authorization::read(headers).filter(|field| field.is(keyword))?;
    Some(match field.credential {
        Credential::One(token) => std::str::from_utf8(token).map_err(|_| NO_TEXT_IN_TOKEN),
        Credential::Missing => Err(NO_TOKEN),
        Credential::Spaces => Err(SPACES_IN_TOKEN),
    })
}

/// The value of a cookie as Django reads it: of several with one name the last counts, names are
/// case-sensitive, blanks around are not part of either, a value may be quoted. Several `Cookie`
/// fields are one list, which is also what is sent on.
///
/// Blanks are the two of RFC 9110 section 5.6.3. Django's `str.strip` removes all that Unicode calls a
/// space as well, so that another cookie passes for this one.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = pair.split_at(equals);
            if without_blanks(key) == name.as_bytes() {
                found = Some(value.get(1..).unwrap_or_default());
            }
        }
    }
    let value = String::from_utf8_lossy(without_blanks(found?));
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => Some(unquote(quoted).into()),
        None => Some(value),
    }
}

fn without_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A cookie's value as a scheme takes what stands in a header.
pub fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Python's `http.cookies`: `\"` for a quote, `\054` for a comma.
fn unquote(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((before, escaped)) = rest.split_once('\\') {
        text.push_str(before);
        let octal =
            escaped.get(..3).filter(|digits| digits.bytes().all(|b| (b'0'..b'8').contains(&b)));
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                text.push(char::from(code));
                rest = escaped.get(3..).unwrap_or_default();
            }
            None => {
                let mut characters = escaped.chars();
                text.push(characters.next().unwrap_or('\\'));
                rest = characters.as_str();
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_drf_does() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            Authorization::read(&headers).map(|a| (a.is("token"), format!("{:?}", a.credential)))
        };
        assert_eq!(read(""), None);
        assert_eq!(read("  "), None);
        assert_eq!(read("Token"), Some((true, "Missing".into())));
        assert_eq!(read(" tOkEn\t a "), Some((true, format!("{:?}", Credential::One(b"a")))));
        assert_eq!(read("Token a b"), Some((true, "Spaces".into())));
        assert_eq!(read("Token: a").map(|a| a.0), Some(false));
    }

    /// Attack (the neighbour of CVE-2021-32777): send a cookie twice, in one field or two, so that
    /// the gateway judges one value and the upstream reads the other. Django reads the last.
    #[test]
    fn of_two_cookies_with_one_name_the_last_counts() {
        let read = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (COOKIE, line.parse().unwrap()));
            cookie(&HeaderMap::from_iter(lines), "sid").map(Cow::into_owned)
        };
        assert_eq!(read(&["sid=a; sid=b"]).as_deref(), Some("b"));
        assert_eq!(read(&["sid=a", "x=y; sid=b"]).as_deref(), Some("b"));
        assert_eq!(read(&["x=y;sid = a "]).as_deref(), Some("a"));
        assert_eq!(read(&[r#"sid="a\054\"\000b""#]).as_deref(), Some("a,\"\0b"));
        assert_eq!(read(&["sid=a=b"]).as_deref(), Some("a=b"));
        assert_eq!(read(&["SID=a; sid2=b; sid"]), None);
        assert_eq!(read(&["sid=a; sid="]).as_deref(), Some(""));
    }

    /// Attack: a subdomain sets a cookie whose name is the session's and a space of Unicode, which no
    /// `__Host-` prefix and no attribute of the session cookie keeps out. Trimmed, it is the session's
    /// and, being the last, wins over the browser's own.
    #[test]
    fn a_cookie_whose_name_has_a_space_of_unicode_is_another_one() {
        let read = |line: String| {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            cookie(&HeaderMap::from_iter([(COOKIE, line)]), "sid").map(Cow::into_owned)
        };
        for space in ["\u{2000}", "\u{a0}", "\u{3000}", "\u{85}", "\u{feff}", "\u{2028}"] {
            for name in [format!("sid{space}"), format!("{space}sid"), format!(" {space}sid")] {
                let found = read(format!("sid=own; {name}=planted"));
                assert_eq!(found.as_deref(), Some("own"), "{name:?}");
            }
            assert_eq!(read(format!("sid={space}own")), Some(format!("{space}own")));
        }
    }
}
