//! Django's protection against forged requests: one that passes carries the cookie's secret, and
//! comes from a page of this host or of a trusted one.
//!
//! Input: a byte of choices, then the fields of a POST, a line each.

use std::sync::LazyLock;

use hyper::{
    HeaderMap, Method,
    header::{HOST, ORIGIN, REFERER},
};
use portcullis::{
    csrf::{Config, Csrf},
    request::{Body, HeadLimits, Peer, Request, TrustedProxies},
    value::Path,
};
use serde_json::json;

use super::{Input, map};

static CSRF: LazyLock<Csrf> = LazyLock::new(|| {
    let trusted =
        json!({ "trusted_origins": ["https://app.example", "https://*.trusted.example"] });
    let config: Config = serde_json::from_value(trusted).expect("settings");
    Csrf::new(&config, &Path::root()).expect("good ones")
});

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let secure = input.byte() & 1 == 1;
    let headers = map(&input.fields());
    let (mut parts, ()) = hyper::Request::new(()).into_parts();
    (parts.method, parts.headers) = (Method::POST, headers.clone());
    let peer = Peer::new([192, 0, 2, 1].into(), secure);
    let limits = HeadLimits { bytes: 32 << 10, fields: 100 };
    let request = Request::read(parts, Body::Empty, &peer, &TrustedProxies::default(), limits);
    let Ok(request) = request else { return };
    if CSRF.check(&request, None).is_err() {
        return;
    }
    let host = text(&headers, HOST.as_str()).expect("a request has a host");
    let allowed = |place: &str, own: &[String]| {
        let rest = place.strip_prefix("https://");
        let below = rest.and_then(|rest| rest.strip_suffix(".trusted.example"));
        own.iter().any(|own| own == place)
            || place == "https://app.example"
            || below.is_some_and(|name| !name.contains(['/', '?', '#']))
    };
    match (text(&headers, ORIGIN.as_str()), text(&headers, REFERER.as_str())) {
        (Some(origin), _) => {
            let own = format!("{}://{host}", if secure { "https" } else { "http" });
            // `.trusted.example` itself is one of its own, as for Django.
            let good = allowed(&origin, &[own, "https://trusted.example".into()]);
            assert!(good, "a request of {origin}");
        }
        (None, Some(referer)) if secure => {
            let end = referer.match_indices(['/', '?', '#']).map(|(place, _)| place);
            let end = end.filter(|place| *place >= 8).min().unwrap_or(referer.len());
            let own =
                [format!("https://{}", host.to_lowercase()), "https://trusted.example".into()];
            assert!(allowed(&referer[..end], &own), "a request of {referer}");
        }
        (None, None) => assert!(!secure, "a request of nobody knows whom"),
        (None, Some(_)) => {}
    }
    let cookie = portcullis::request::credentials::cookie(&headers, "csrftoken");
    let cookie = cookie.expect("a request that passes has the cookie");
    let token = text(&headers, "x-csrftoken").expect("and the token");
    assert_eq!(secret(&cookie), secret(&token));
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(name).iter().map(|line| line.as_bytes());
    let lines: Vec<String> =
        lines.map(|line| line.iter().map(|b| char::from(*b)).collect()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The secret in a cookie or token: 32 letters, or 32 behind a mask of 32.
fn secret(token: &str) -> String {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let digits: Vec<usize> =
        token.chars().map(|c| letters.find(c).expect("a letter or a digit")).collect();
    match digits.as_slice() {
        plain if plain.len() == 32 => token.to_owned(),
        masked => {
            assert_eq!(masked.len(), 64);
            let pairs = masked[32..].iter().zip(&masked[..32]);
            pairs.map(|(c, m)| char::from(letters.as_bytes()[(c + 62 - m) % 62])).collect()
        }
    }
}
