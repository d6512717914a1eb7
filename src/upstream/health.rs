//! Checks of a server's health, apart from the requests that it gets.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::{
    Request, Uri,
    header::{HOST, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tracing::{info, warn};

use super::{pool::Sender, server::Server, service::Service};
use crate::{
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
            if zero {
                problems.push(Problem::new(&path.key(key), format!("`{key}` cannot be nothing")));
            }
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
        let mut counts: Vec<(Weak<Server>, Count, Count)> = Vec::new();
        loop {
            let Some(alive) = service.upgrade() else { return };
            let servers = alive.servers.load_full();
            let (host, clock) = (alive.host.clone(), alive.clock.clone());
            drop(alive);
            counts.retain(|(server, ..)| server.strong_count() > 0);
            let asked = servers.iter().map(|server| self.asks(server, host.clone()));
            let answers = futures_util::future::join_all(asked).await;
            for (server, well) in servers.iter().zip(answers) {
                let known =
                    counts.iter_mut().find(|(known, ..)| known.as_ptr() == Arc::as_ptr(server));
                let (good, bad) = match known {
                    Some((_, good, bad)) => (good, bad),
                    None => {
                        counts.push((Arc::downgrade(server), Count(0), Count(0)));
                        let Some((_, good, bad)) = counts.last_mut() else { continue };
                        (good, bad)
                    }
                };
                (*good, *bad) = match well {
                    Ok(()) => (Count(good.0 + 1), Count(0)),
                    Err(_) => (Count(0), Count(bad.0 + 1)),
                };
                if let Err(cause) = &well
                    && *bad == self.config.unhealthy
                    && server.is_up()
                {
                    warn!(server = %server.address, cause, "down");
                    server.set_up(false, clock.now());
                } else if *good == self.config.healthy && !server.is_up() {
                    info!(server = %server.address, "up again");
                    server.set_up(true, clock.now());
                }
            }
            drop(servers);
            tokio::time::sleep(self.config.interval.0).await;
        }
    }

    async fn asks(&self, server: &Server, host: Option<HeaderValue>) -> Result<(), String> {
        let time: Duration = self.config.timeout.0;
        let asked = tokio::time::timeout(time, self.ask(server, host));
        asked.await.unwrap_or_else(|_| Err("no answer in time".into()))
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
            Sender::Http2(mut sender) => {
                super::http2::translate(&mut request, server.connector.tls.is_some());
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
