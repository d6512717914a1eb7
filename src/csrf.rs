//! Django's protection against cross-site request forgery, as `CsrfViewMiddleware` checks it and
//! with its words: Origin, else (over HTTPS) Referer; then the cookie; then the token.

use std::{borrow::Cow, time::Duration};

use hyper::{
    HeaderMap, Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, REFERER, UPGRADE},
};
use schemars::JsonSchema;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::{
    clock::Timestamp,
    cookie::{Cookie, SameSite},
    crypto::{NoRandomness, random_text},
    request::{Request, credentials::cookie, form},
    value::{Path, Period, Problem, Problems},
};

/// The `csrf` setting: Django's `CSRF_*`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Csrf")]
pub struct Config {
    /// `CSRF_COOKIE_NAME`.
    cookie: String,
    /// `CSRF_HEADER_NAME`, as the client sends it.
    header: String,
    /// `CSRF_COOKIE_AGE`; `null` for a cookie that ends with the browser.
    age: Option<Period>,
    /// `CSRF_COOKIE_DOMAIN`.
    domain: Option<String>,
    /// `CSRF_COOKIE_PATH`.
    path: String,
    /// `CSRF_COOKIE_SECURE`.
    secure: bool,
    /// `CSRF_COOKIE_HTTPONLY`.
    http_only: bool,
    /// `CSRF_COOKIE_SAMESITE`.
    same_site: SameSite,
    /// `CSRF_TRUSTED_ORIGINS`: `https://app.example`, `https://*.example`.
    trusted_origins: Vec<String>,
    /// `CSRF_USE_SESSIONS`: the secret is kept in the session and not in a cookie.
    use_sessions: bool,
    /// Whether the check is made. Without it any site can act as a visitor who is logged in; it is
    /// for projects whose own middleware sets `_dont_enforce_csrf_checks`.
    enforce: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cookie: "csrftoken".into(),
            header: "X-CSRFToken".into(),
            age: Some(Period::seconds(364 * 86_400)),
            domain: None,
            path: "/".into(),
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            trusted_origins: Vec::new(),
            use_sessions: false,
            enforce: true,
        }
    }
}

impl Config {
    /// `CSRF_COOKIE_NAME`.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Whether the secret is kept in the session.
    pub fn use_sessions(&self) -> bool {
        self.use_sessions
    }
}

/// The form field that may carry the token.
pub const FIELD: &str = "csrfmiddlewaretoken";

/// Checks requests and hands out tokens.
#[derive(Debug)]
pub struct Csrf {
    cookie: Cookie,
    age: Option<Duration>,
    header: HeaderName,
    /// The header's name as Django writes it in messages.
    header_title: String,
    trusted: Vec<TrustedOrigin>,
    /// Whether the secret is kept in the session.
    pub use_sessions: bool,
    enforce: bool,
}

#[derive(Debug)]
struct TrustedOrigin {
    text: String,
    scheme: String,
    /// `.example` for `https://*.example`.
    netloc: String,
}

impl Csrf {
    /// From the setting.
    ///
    /// # Errors
    /// Names that cannot be, and origins that are none.
    pub fn new(config: &Config, path: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let cookie = Cookie {
            name: config.cookie.clone(),
            domain: config.domain.clone(),
            path: config.path.clone(),
            secure: config.secure,
            http_only: config.http_only,
            same_site: config.same_site,
        };
        problems.keep(cookie.check(path));
        let header = HeaderName::try_from(&config.header).unwrap_or_else(|_| {
            problems.push(Problem::new(&path.key("header"), "this is not the name of a header"));
            HeaderName::from_static("x-csrftoken")
        });
        let mut trusted = Vec::new();
        for (index, origin) in config.trusted_origins.iter().enumerate() {
            match origin.split_once("://").filter(|(_, netloc)| !netloc.contains('/')) {
                Some((scheme, netloc)) => trusted.push(TrustedOrigin {
                    text: origin.clone(),
                    scheme: scheme.to_owned(),
                    netloc: netloc.trim_start_matches('*').to_owned(),
                }),
                None => {
                    let at = path.key("trusted_origins").index(index);
                    let problem = Problem::new(&at, format!("`{origin}` is not an origin"));
                    problems.push(problem.help("write scheme and host: https://app.example"));
                }
            }
        }
        let header_title = title(header.as_str());
        let age = config.age.map(|age| age.0);
        let (use_sessions, enforce) = (config.use_sessions, config.enforce);
        problems.finish(Self { cookie, age, header, header_title, trusted, use_sessions, enforce })
    }

    /// Checks a request; `in_session` is the session's own secret, which counts with
    /// `use_sessions`.
    ///
    /// # Errors
    /// Django's reason.
    pub fn check(&self, request: &Request, in_session: Option<&str>) -> Result<(), String> {
        if is_safe(&request.method) || !self.enforce {
            return Ok(());
        }
        match field(&request.headers, &ORIGIN) {
            Some(origin) => self.check_origin(request, &origin)?,
            None if request.client.secure => self.check_referer(request)?,
            None => {}
        }
        let secret = match self.use_sessions {
            true => in_session.map(str::to_owned),
            false => {
                self.secret(&request.headers).map_err(|reason| format!("CSRF cookie {reason}."))?
            }
        };
        let secret = secret.ok_or("CSRF cookie not set.")?;
        let (token, source) = match form_token(request) {
            Some(token) => (token, "POST".to_owned()),
            None => {
                let value = field(&request.headers, &self.header);
                let value = value.ok_or("CSRF token missing.")?;
                (value, format!("the '{}' HTTP header", self.header_title))
            }
        };
        let bad = |reason: &str| format!("CSRF token from {source} {reason}.");
        check_format(&token).map_err(bad)?;
        let same = unmask(&token).as_bytes().ct_eq(secret.as_bytes());
        if same.into() { Ok(()) } else { Err(bad("incorrect")) }
    }

    /// Checks a request for another protocol, for which the browser of another site's page brings
    /// cookies along and needs no leave: a WebSocket.
    ///
    /// # Errors
    /// Django's reason.
    pub fn check_upgrade(&self, request: &Request) -> Result<(), String> {
        // Asked on each request with a cookie: most have no origin, and are done here.
        let Some(origin) = field(&request.headers, &ORIGIN) else { return Ok(()) };
        let names = [UPGRADE.as_str(), "sec-websocket-key", "sec-websocket-version"];
        let is_one = request.upgrade.is_some()
            || names.iter().any(|name| request.headers.contains_key(*name));
        if is_one { self.check_origin(request, &origin) } else { Ok(()) }
    }

    fn check_origin(&self, request: &Request, origin: &str) -> Result<(), String> {
        let scheme = if request.client.secure { "https" } else { "http" };
        let own = format!("{scheme}://{}", latin1(&request.authority));
        let trusted = |known: &TrustedOrigin| match known.text.contains('*') {
            false => known.text == origin,
            true => split(origin).is_some_and(|(scheme, netloc)| {
                scheme == known.scheme && is_same_domain(netloc, &known.netloc)
            }),
        };
        if origin == own || self.trusted.iter().any(trusted) {
            return Ok(());
        }
        Err(format!("Origin checking failed - {origin} does not match any trusted origins."))
    }

    /// Over HTTPS a page of another site sends its own address; none means that it was hidden.
    fn check_referer(&self, request: &Request) -> Result<(), String> {
        let failed = |reason: &str| format!("Referer checking failed - {reason}");
        let referer = field(&request.headers, &REFERER).ok_or_else(|| failed("no Referer."))?;
        let (scheme, netloc) = split(&referer).ok_or_else(|| failed("Referer is malformed."))?;
        if scheme != "https" {
            return Err(failed("Referer is insecure while host is secure."));
        }
        let authority = latin1(&request.authority);
        let good = match &self.cookie.domain {
            None => authority,
            Some(domain) => match authority.rsplit_once(':') {
                Some((_, port)) if port != "443" && port != "80" => format!("{domain}:{port}"),
                _ => domain.clone(),
            },
        };
        let mut hosts = self.trusted.iter().map(|trusted| trusted.netloc.as_str());
        match hosts.any(|host| is_same_domain(netloc, host)) || is_same_domain(netloc, &good) {
            true => Ok(()),
            false => Err(failed(&format!("{referer} does not match any trusted origins."))),
        }
    }

    /// The secret in the cookie; older versions of Django wrote it masked.
    ///
    /// # Errors
    /// What is wrong with the cookie.
    pub fn secret(&self, headers: &HeaderMap) -> Result<Option<String>, &'static str> {
        let Some(cookie) = cookie(headers, &self.cookie.name) else { return Ok(None) };
        check_format(&cookie)?;
        Ok(Some(unmask(&cookie).into_owned()))
    }

    /// A cookie in place of a malformed one, which would have every later request refused (Django's
    /// `CsrfViewMiddleware.process_request`).
    pub fn replacement(&self, headers: &HeaderMap, now: Timestamp) -> Option<HeaderValue> {
        if self.use_sessions || self.secret(headers).is_ok() {
            return None;
        }
        // Without randomness the cookie stays as it is, and so does the refusal.
        new_secret().ok().map(|secret| self.set_cookie(&secret, now))
    }

    /// `Set-Cookie` with a secret.
    pub fn set_cookie(&self, secret: &str, now: Timestamp) -> HeaderValue {
        self.cookie.set(secret, self.age, now)
    }
}

/// A new secret.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn new_secret() -> Result<String, NoRandomness> {
    random_text(SECRET)
}

/// A token for a form: the secret behind a fresh mask, so that compressed answers do not leak it.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn mask(secret: &str) -> Result<String, NoRandomness> {
    let mask = random_text(SECRET)?;
    Ok(format!("{mask}{}", masked(secret, &mask)))
}

/// Methods that change nothing (RFC 9110 section 9.2.1).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether the token may stand in the body: `request.POST` has only forms that were posted.
pub fn may_be_in_body(request: &Request) -> bool {
    request.method == Method::POST
        && request.headers.get(CONTENT_TYPE).is_some_and(|kind| form::is_form(kind.as_bytes()))
}

fn form_token(request: &Request) -> Option<String> {
    let kind = request.headers.get(CONTENT_TYPE).filter(|_| may_be_in_body(request))?;
    // As much as is always there: where it ends must not depend on packets.
    let ahead = request.body.ahead();
    let ahead = ahead.slice(..ahead.len().min(LOOKED_AT));
    form::field(kind.to_str().ok()?, &ahead, FIELD).filter(|token| !token.is_empty())
}

/// How much of a form is looked through for the token, which Django's templates put first.
pub const LOOKED_AT: usize = 64 << 10;

const SECRET: usize = 32;
const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn check_format(token: &str) -> Result<(), &'static str> {
    if ![SECRET, 2 * SECRET].contains(&token.chars().count()) {
        Err("has incorrect length")
    } else if !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Err("has invalid characters")
    } else {
        Ok(())
    }
}

fn digit(byte: u8) -> usize {
    ALPHABET.iter().position(|known| *known == byte).unwrap_or_default()
}

fn letter(digit: usize) -> char {
    ALPHABET.get(digit % 62).map_or('a', |byte| char::from(*byte))
}

fn masked(secret: &str, mask: &str) -> String {
    secret.bytes().zip(mask.bytes()).map(|(s, m)| letter(digit(s) + digit(m))).collect()
}

fn unmask(token: &str) -> Cow<'_, str> {
    match token.split_at_checked(SECRET) {
        Some((mask, rest)) if !rest.is_empty() => {
            let pairs = rest.bytes().zip(mask.bytes());
            pairs.map(|(c, m)| letter(62 + digit(c) - digit(m))).collect::<String>().into()
        }
        _ => token.into(),
    }
}

/// Django's `is_same_domain`.
fn is_same_domain(host: &str, pattern: &str) -> bool {
    let pattern = pattern.to_lowercase();
    match pattern.strip_prefix('.') {
        Some(apex) => host.ends_with(&pattern) || host == apex,
        None => !pattern.is_empty() && pattern == host,
    }
}

/// Scheme and network location of a URL that has both.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let netloc = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if netloc.contains('[') != netloc.contains(']') {
        return None;
    }
    (!scheme.is_empty() && scheme.chars().all(plain) && !netloc.is_empty())
        .then_some((scheme, netloc))
}

/// `x-csrftoken` is `X-Csrftoken` in Django's messages.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// A field as WSGI hands it over: several are one, joined with commas, so that no reader can take
/// the one that suits it.
fn field(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<String> = headers.get_all(name).iter().map(latin1).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn latin1(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_as_django_does() {
        let (secret, mask) =
            ("abcdefghijklmnopqrstuvwxyzABCDEF", "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3zz");
        assert_eq!(masked(secret, mask), "aC5dF8gIbjLemOhpRksUnvXqy0tB3w34");
        let token = format!("{mask}{}", masked(secret, mask));
        assert_eq!(unmask(&token), secret);
        assert_eq!(unmask(&super::mask(secret).unwrap()), secret);
        assert_eq!(unmask(secret), secret);
    }

    #[test]
    fn domains() {
        assert!(is_same_domain("a.example", ".example") && is_same_domain("example", ".example"));
        assert!(!is_same_domain("evilexample", ".example"));
        assert!(!is_same_domain("example.evil", "example") && !is_same_domain("", ""));
        assert_eq!(split("https://e.x/a?b=c#d"), Some(("https", "e.x")));
        for wrong in ["foo", "https://[::1", "://x", "https://", "null", "https:/x"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
