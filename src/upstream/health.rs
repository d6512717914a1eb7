//! Checks of a server's health, apart from the requests that it gets.

use std::sync::Weak;

use hyper::{
    Request, Uri,
    header::{HOST, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tracing::{info, warn};

use super::{http2, pool::Sender, server::Server, service::Service};
use crate::{
    clock::Clock,
    request::Body,
    value::{Count, FromWord, Path, Period, Problem, Problems},
};

/// The `health` setting of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Health")]
pub(super) struct Config {
    /// What is asked for; any status under 400 is well.
    path: String,
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

/// What is asked of each server, and what its answers mean.
#[derive(Clone)]
pub(super) struct Checks {
    config: Config,
    target: PathAndQuery,
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
        match target {
            Some(target) => problems.finish(Checks { config: self.clone(), target }),
            None => Err(problems),
        }
    }
}

impl Checks {
    /// Checks every server again and again, until the upstream is gone.
    pub(super) async fn run(self, service: Weak<Service>) {
        while let Some(alive) = service.upgrade() {
            let servers = alive.servers.load_full();
            let host = alive.host.clone();
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
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("portcullis-health"));
        let answer = match sender {
            Sender::Http1(mut sender) => sender.send_request(request).await,
            Sender::Http2(mut sender, _) => {
                http2::translate(&mut request, &server.connector);
                sender.send_request(request).await
            }
        };
        match answer {
            Ok(answer) if answer.status().as_u16() < 400 => Ok(()),
            Ok(answer) => Err(format!("it answers {}", answer.status())),
            Err(error) => Err(error.to_string()),
        }
    }
}
