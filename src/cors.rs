//! Cross-origin resource sharing (the Fetch standard, section 3.2): which pages of other origins
//! may read answers. Preflights are answered here, for a browser sends them without credentials
//! and an upstream that authenticates could not; refusals say it too, so that a page can tell an
//! expired token from a broken network. What an upstream says itself is left alone.

use hyper::{
    HeaderMap, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    route::PathPattern,
    upstream::{Reply, ReplyBody},
    value::{Path, Period, Problem, Problems},
    web::answer::vary,
};

/// The `cors` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Cors")]
pub struct Config {
    /// `https://app.example.com`, `https://*.example.com`, `*` for all, or `null` for pages without
    /// an origin, such as files and sandboxed frames.
    origins: Vec<String>,
    /// Whether requests may carry cookies; not with `*`.
    credentials: bool,
    /// Methods that a page may use.
    methods: Vec<String>,
    /// Header fields that a page may send.
    headers: Vec<String>,
    /// Header fields that a page may read, beside those it always may.
    expose: Vec<String>,
    /// How long a browser may remember the answer.
    max_age: Period,
    /// The paths that pages of other origins may read; empty is all.
    paths: Vec<PathPattern>,
}

impl Default for Config {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            origins: Vec::new(),
            credentials: false,
            methods: words(&["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"]),
            headers: words(&["accept", "authorization", "content-type", "x-csrftoken"]),
            expose: words(&["www-authenticate", "retry-after"]),
            max_age: Period::seconds(86_400),
            paths: Vec::new(),
        }
    }
}

/// A host with its port, or all below a name: `*.example.com`, and nothing shorter.
fn is_host(host: &str) -> bool {
    let name = match host.strip_prefix('*') {
        Some(rest) => rest.strip_prefix('.').unwrap_or_default(),
        None => host,
    };
    let port = name.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port != 0))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]_".contains(c))
}

/// Says which origins may read.
pub struct Cors {
    origins: Vec<AllowedOrigin>,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: HeaderValue,
    max_age: u64,
    paths: Vec<PathPattern>,
}

enum AllowedOrigin {
    Any,
    Exact(String),
    /// Scheme with its slashes, and what the host ends with.
    Below(String, String),
}

impl AllowedOrigin {
    fn allows(&self, origin: &str) -> bool {
        match self {
            AllowedOrigin::Any => true,
            AllowedOrigin::Exact(known) => known == origin,
            AllowedOrigin::Below(scheme, end) => {
                origin.strip_prefix(scheme.as_str()).is_some_and(|host| {
                    host.strip_suffix(end.as_str()).is_some_and(|name| !name.is_empty())
                })
            }
        }
    }
}

impl Cors {
    /// From the setting.
    ///
    /// # Errors
    /// Origins and names that are none.
    pub fn new(config: &Config, path: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut origins = Vec::new();
        for (index, origin) in config.origins.iter().enumerate() {
            let at = path.key("origins").index(index);
            match origin.split_once("://") {
                _ if origin == "*" && config.credentials => {
                    let message = "every site could act with the cookies of your users";
                    problems.push(Problem::new(&at, message).help("list the origins one by one"));
                }
                _ if origin == "*" => origins.push(AllowedOrigin::Any),
                _ if origin == "null" && config.credentials => {
                    let message =
                        "every page without an origin could act with the cookies of your users";
                    let problem = Problem::new(&at, message);
                    problems.push(problem.help("leave `null` out, or set `credentials: false`"));
                }
                _ if origin == "null" => origins.push(AllowedOrigin::Exact("null".into())),
                Some((scheme, host)) if is_host(host) => {
                    origins.push(match host.strip_prefix('*') {
                        Some(end) => AllowedOrigin::Below(format!("{scheme}://"), end.to_owned()),
                        None => AllowedOrigin::Exact(origin.clone()),
                    });
                }
                _ => {
                    let problem = Problem::new(&at, format!("`{origin}` is not an origin"));
                    problems.push(problem.help("write scheme and host: https://app.example.com"));
                }
            }
        }
        let mut list = |key: &str, words: &[String]| {
            HeaderValue::try_from(words.join(", ")).unwrap_or_else(|_| {
                problems.push(Problem::new(&path.key(key), "this cannot stand in a header"));
                HeaderValue::from_static("")
            })
        };
        let methods = list("methods", &config.methods);
        let headers = list("headers", &config.headers);
        let expose = list("expose", &config.expose);
        let (credentials, max_age) = (config.credentials, config.max_age.0.as_secs());
        let paths = config.paths.clone();
        problems.finish(Self { origins, credentials, methods, headers, expose, max_age, paths })
    }

    /// Whether pages of other origins have a say about a path.
    pub fn covers(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.is_for(path))
    }

    /// The answer to a preflight; nothing if the request is none.
    pub fn preflight(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Reply> {
        let asks = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let origin = headers.get(ORIGIN).filter(|_| method == Method::OPTIONS && asks)?;
        if !self.covers(path) {
            return None;
        }
        // As django-cors-headers answers it.
        let mut reply = Reply::new(ReplyBody::full(""));
        let answer = reply.headers_mut();
        if self.allow(Some(origin), answer) {
            answer.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.into());
        }
        Some(reply)
    }

    /// Says on an answer whether the origin may read it, unless the upstream has; whether it may.
    pub fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return true;
        }
        vary(headers, "Origin");
        let text = origin.and_then(|origin| origin.to_str().ok());
        let allowed = text.is_some_and(|text| self.origins.iter().any(|known| known.allows(text)));
        let Some(origin) = origin.filter(|_| allowed) else { return false };
        let all = !self.credentials && matches!(self.origins[..], [AllowedOrigin::Any]);
        let told = if all { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, told);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !self.expose.is_empty() {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Cors::new(&Config { origins, ..Config::default() }, &Path::root()).unwrap()
    }

    fn allows(cors: &Cors, origin: &str) -> bool {
        cors.allow(Some(&HeaderValue::try_from(origin).unwrap()), &mut HeaderMap::new())
    }

    /// Attack: a site whose name ends or begins like the one that is trusted.
    #[test]
    fn only_listed_origins_may_read() {
        let cors = cors(&["https://app.example", "https://*.trusted.example"]);
        for good in ["https://app.example", "https://a.trusted.example"] {
            assert!(allows(&cors, good), "{good}");
        }
        for evil in [
            "http://app.example",
            "https://app.example.evil",
            "https://evil-app.example",
            "https://app.example:8443",
            "https://trusted.example",
            "https://eviltrusted.example",
            "null",
            "",
        ] {
            assert!(!allows(&cors, evil), "{evil}");
        }
    }

    #[test]
    fn cookies_of_everybody_for_everybody_are_refused() {
        let config = Config { origins: vec!["*".into()], credentials: true, ..Config::default() };
        assert!(Cors::new(&config, &Path::root()).is_err());
        for all in ["https://*", "https://*example.com", "https://*.", "https://", "https://a/b"] {
            let config = Config { origins: vec![all.into()], ..Config::default() };
            assert!(Cors::new(&config, &Path::root()).is_err(), "{all}");
        }
    }

    #[test]
    fn preflights() {
        let cors = cors(&["https://app.example"]);
        let mut headers = HeaderMap::new();
        assert!(cors.preflight(&Method::OPTIONS, "/", &headers).is_none());
        headers.insert(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert!(cors.preflight(&Method::OPTIONS, "/", &headers).is_none());
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        assert!(cors.preflight(&Method::GET, "/", &headers).is_none());
        let reply = cors.preflight(&Method::OPTIONS, "/", &headers).unwrap();
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        headers.insert(ORIGIN, HeaderValue::from_static("https://evil.example"));
        let reply = cors.preflight(&Method::OPTIONS, "/", &headers).unwrap();
        assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS));
    }
}
