//! Checks of a server's health, apart from the requests that it gets.

use std::{collections::BTreeMap, sync::Weak};

use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    header::{HOST, HeaderName, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use tracing::{info, warn};

use super::{http2, pool::Sender, server::Server, service::Service};
use crate::{
    clock::Clock,
    request::{Body, canonical_host},
    value::{Count, FromWord, Path, Period, Problem, Problems},
};

/// The `health` setting of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Health")]
pub(super) struct Config {
    /// What is asked for.
    path: String,
    /// The `Host` that is asked: some frameworks answer 400 for one that they do not know. Else the
    /// upstream's `host`, or the route's, or the server's address.
    pub(super) host: Option<String>,
    /// Further header fields, such as `X-Forwarded-Proto: https` for a service that redirects.
    headers: BTreeMap<String, String>,
    /// Which answers are well: a status, or a range such as `200-299`.
    #[schemars(with = "String")]
    status: Statuses,
    /// How often.
    interval: Period,
    /// How long an answer may take.
    timeout: Period,
    /// Failures one after the other until it is down.
    unhealthy: Count,
    /// Answers one after the other until it is up again.
    healthy: Count,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/".into(),
            host: None,
            headers: BTreeMap::new(),
            status: Statuses(200, 399),
            interval: Period::seconds(5),
            timeout: Period::seconds(2),
            unhealthy: Count(3),
            healthy: Count(2),
        }
    }
}

impl FromWord for Config {
    const EXPECTING: &'static str = "the path that is asked for, or a map with `path`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { path: word.to_owned(), ..Self::default() })
    }
}

/// The first and the last status that are well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses(u16, u16);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            One(u16),
            Range(String),
        }
        let (first, last) = match Written::deserialize(deserializer) {
            Ok(Written::One(status)) => (Some(status), Some(status)),
            Ok(Written::Range(text)) => {
                let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                (first.trim().parse().ok(), last.trim().parse().ok())
            }
            Err(_) => (None, None),
        };
        match (first, last) {
            (Some(first), Some(last)) if 100 <= first && first <= last && last <= 599 => {
                Ok(Self(first, last))
            }
            _ => Err(de::Error::custom("write a status, or a range such as 200-299")),
        }
    }
}

/// What is asked of each server, and what its answers mean.
#[derive(Clone)]
pub(super) struct Checks {
    config: Config,
    target: PathAndQuery,
    host: Option<HeaderValue>,
    headers: HeaderMap,
}

impl Config {
    /// # Errors
    /// A path that is none, and checks that never or always fail.
    pub(super) fn build(&self, path: &Path) -> Result<Checks, Problems> {
        let mut problems = Problems::default();
        let target = PathAndQuery::try_from(self.path.as_str()).ok();
        let target = target.filter(|target| target.path().starts_with('/'));
        let target = problems.keep(target.ok_or_else(|| {
            let problem = Problem::new(&path.key("path"), format!("`{}` is no path", self.path));
            problem.help("write it as /health").into()
        }));
        for (key, zero) in [
            ("interval", self.interval.0.is_zero()),
            ("timeout", self.timeout.0.is_zero()),
            ("unhealthy", self.unhealthy.0 == 0),
            ("healthy", self.healthy.0 == 0),
        ] {
            problems.refuse_zero(zero, &path.key(key));
        }
        let host = self.host.as_ref().and_then(|host| {
            let known = canonical_host(host).and_then(|_| HeaderValue::try_from(host).ok());
            problems.keep(known.ok_or_else(|| {
                let problem = Problem::new(&path.key("host"), format!("`{host}` is no host"));
                problem.help("write it as api.example.com").into()
            }))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let at = path.key("headers").key(name);
            let field = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            match field {
                Some((name, _)) if name == HOST => {
                    let problem = Problem::new(&at, "`Host` has a setting of its own");
                    problems.push(problem.help("write it as `host`"));
                }
                Some((name, value)) => {
                    headers.insert(name, value);
                }
                None => problems.push(Problem::new(&at, "this cannot be a header field")),
            }
        }
        match target {
            Some(target) => problems.finish(Checks { config: self.clone(), target, host, headers }),
            None => Err(problems),
        }
    }
}

impl Checks {
    /// Checks every server again and again, until the upstream is gone.
    pub(super) async fn run(self, service: Weak<Service>) {
        while let Some(alive) = service.upgrade() {
            let servers = alive.servers.load_full();
            let host = self.host.clone().or_else(|| alive.host.clone());
            let clock = alive.balancer.clock.clone();
            drop(alive);
            let checks = servers.iter().map(|server| self.check(server, host.clone(), &clock));
            futures_util::future::join_all(checks).await;
            drop(servers);
            tokio::time::sleep(self.config.interval.0).await;
        }
    }

    async fn check(&self, server: &Server, host: Option<HeaderValue>, clock: &Clock) {
        let asked = tokio::time::timeout(self.config.timeout.0, self.ask(server, host)).await;
        let found = asked.unwrap_or_else(|_| Err("no answer in time".into()));
        let enough = if found.is_ok() { self.config.healthy } else { self.config.unhealthy };
        if server.checked(found.is_ok(), enough.0, clock) {
            match found {
                Ok(()) => info!(server = %server.address, "up again"),
                Err(cause) => warn!(server = %server.address, cause, "down"),
            }
        }
    }

    async fn ask(&self, server: &Server, host: Option<HeaderValue>) -> Result<(), String> {
        let connected = server.connector.connect(&server.address).await;
        let sender = connected.map_err(|rejection| rejection.cause().unwrap_or_default())?;
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = Uri::from(self.target.clone());
        let headers = request.headers_mut();
        let own = HeaderValue::try_from(server.address.to_string()).ok();
        let host = host.or(own).unwrap_or(HeaderValue::from_static("localhost"));
        headers.insert(USER_AGENT, HeaderValue::from_static("portcullis-health"));
        headers.extend(self.headers.clone());
        headers.insert(HOST, host);
        let answer = match sender {
            Sender::Http1(mut sender) => sender.send_request(request).await,
            Sender::Http2(mut sender, _) => {
                http2::translate(&mut request, &server.connector);
                sender.send_request(request).await
            }
        };
        match answer {
            Ok(answer) => {
                let Statuses(first, last) = self.config.status;
                match answer.status() {
                    status if (first..=last).contains(&status.as_u16()) => Ok(()),
                    status if status == StatusCode::BAD_REQUEST && self.host.is_none() => {
                        Err(format!(
                            "it answers {status}: if it does not know this host, set `health.host`"
                        ))
                    }
                    status => Err(format!("it answers {status}")),
                }
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
