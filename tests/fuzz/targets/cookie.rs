//! Cookies: read as Django reads them, written so that a browser takes them for what they are.
//!
//! Input: `Cookie` fields up to an empty line, then a cookie's name, domain, path and value to be
//! written.

use std::time::Duration;

use hyper::{HeaderMap, header::COOKIE};
use portcullis::{
    clock::Timestamp,
    cookie::{Cookie, SameSite},
    request::credentials,
    value::Path,
};

use super::Input;

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let mut headers = HeaderMap::new();
    loop {
        let line = input.line();
        if line.is_empty() {
            break;
        }
        if let Ok(value) = line.try_into() {
            headers.append(COOKIE, value);
        }
    }
    let name = input.text();
    // Names of cookies are tokens, which `check` below sees to.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!".contains(&byte);
    for name in ["sessionid", name].into_iter().filter(|name| name.bytes().all(token)) {
        let read = credentials::cookie(&headers, name).map(std::borrow::Cow::into_owned);
        let expected = django(&headers, name);
        // An empty name is what Django gives a text without `=`; nobody is asked for that one.
        if !name.is_empty() {
            assert_eq!(read, expected, "{name:?} of {headers:?}");
        }
    }
    write(name, input.text(), input.text(), input.text());
}

/// Django's `parse_cookie`, as WSGI calls it, but for the blanks that it removes: those of RFC 9110 alone.
fn django(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().map(|line| line.as_bytes()).collect();
    let text = String::from_utf8_lossy(&lines.join(&b"; "[..])).into_owned();
    let pairs = text.split(';').filter_map(|chunk| chunk.split_once('='));
    let mut pairs = pairs.map(|(key, value)| (strip(key), strip(value)));
    pairs.rfind(|(key, _)| *key == name).map(|(_, value)| unquote(value))
}

fn strip(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `http.cookies._unquote`: `\\(?:([0-3][0-7][0-7])|(.))`.
fn unquote(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    let [b'"', .., b'"'] = value.as_bytes() else { return value.to_owned() };
    let inner = &characters[1..characters.len() - 1];
    let (mut text, mut place) = (String::new(), 0);
    while let Some(character) = inner.get(place) {
        let digit = |offset: usize, most: char| {
            let digit = inner.get(place + offset).filter(|digit| ('0'..=most).contains(*digit));
            digit.and_then(|digit| digit.to_digit(8))
        };
        match (character, digit(1, '3'), digit(2, '7'), digit(3, '7'), inner.get(place + 1)) {
            ('\\', Some(a), Some(b), Some(c), _) => {
                text.extend(char::from_u32(a << 6 | b << 3 | c));
                place += 4;
            }
            ('\\', .., Some(next)) => {
                text.push(*next);
                place += 2;
            }
            (other, ..) => {
                text.push(*other);
                place += 1;
            }
        }
    }
    text
}

/// What `check` lets pass is one `Set-Cookie` with the attributes that it was given and no others,
/// and comes back as it was.
fn write(name: &str, domain: &str, path: &str, value: &str) {
    let domain = (!domain.is_empty()).then(|| domain.to_owned());
    let cookie = Cookie {
        name: name.to_owned(),
        domain,
        path: path.to_owned(),
        secure: true,
        http_only: true,
        same_site: SameSite::Lax,
    };
    // Values are tokens of ours.
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if cookie.check(&Path::root()).is_err() || !plain {
        return;
    }
    let set = cookie.set(value, Some(Duration::from_secs(60)), Timestamp::from_seconds(0));
    let set = set.to_str().expect("it can stand in a header");
    let mut attributes: Vec<(&str, &str)> = set
        .split(';')
        .map(|part| part.trim().split_once('=').unwrap_or((part.trim(), "")))
        .collect();
    let mut expected = vec![
        (name, value),
        ("HttpOnly", ""),
        ("Max-Age", "60"),
        ("Path", path),
        ("SameSite", "Lax"),
        ("Secure", ""),
        ("expires", "Thu, 01 Jan 1970 00:01:00 GMT"),
    ];
    expected.extend(cookie.domain.as_deref().map(|domain| ("Domain", domain)));
    attributes[1..].sort_unstable();
    expected[1..].sort_unstable();
    assert_eq!(attributes, expected, "{set}");

    let sent = format!("{name}={value}").parse().expect("so it can in another");
    let headers = HeaderMap::from_iter([(COOKIE, sent)]);
    assert_eq!(credentials::cookie(&headers, name).as_deref(), Some(value), "read back");
    let gone = cookie.delete();
    assert!(gone.to_str().is_ok_and(|gone| gone.starts_with(&format!("{name}=\"\";"))), "{gone:?}");
}
