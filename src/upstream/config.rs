//! The `upstream` setting.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

use arc_swap::ArcSwap;
use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    address::Address,
    balance::{Balance, Balancer},
    connect::Connector,
    health,
    rewrite::Rewrite,
    server::{Entry, OutlierDetection},
    service::Service,
    tls::{self, Tls},
};
use crate::{
    clock::Clock,
    observe::metrics::Metrics,
    value::{Count, FromWord, Path, Period, Problem, Problems, false_or_map, optional_word_or_map},
};

/// The `upstream` setting.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Upstream")]
pub struct Config {
    /// `http://host:port`, `https://host`, `unix:/path/to/socket`, or `echo`; one or several.
    servers: Vec<String>,
    /// Which of several gets a request: `round_robin`, `least_requests`, or `user` (the same one
    /// for the same user).
    balance: Balance,
    /// How long connecting may take.
    connect_timeout: Period,
    /// How long the upstream may take to begin its answer.
    response_timeout: Period,
    /// How long either side may be silent in the middle of a body.
    idle_timeout: Period,
    /// How long an unused connection is kept. Below the upstream's own keep-alive time.
    keep_alive: Period,
    /// Requests that each server may be answering at a time; more are 503. No limit, unless given.
    connections: Option<Count>,
    /// How often the addresses of a host are looked up.
    resolve: Period,
    /// Whether it speaks HTTP/2, as gRPC needs: for `http://` without asking.
    http2: bool,
    /// Certificates, for `https://`.
    tls: tls::Config,
    /// Checks of each server, apart from the requests that it gets.
    #[serde(deserialize_with = "optional_word_or_map")]
    #[schemars(schema_with = "crate::value::word_or_map_schema::<health::Config>")]
    health: Option<health::Config>,
    /// One of several servers that fails gets no requests for a while; or `false`.
    #[serde(deserialize_with = "false_or_map")]
    #[schemars(schema_with = "crate::value::false_or_map_schema::<Outliers>")]
    outliers: Option<Outliers>,
    /// How long a server that is new or well again takes until it gets its full share.
    slow_start: Period,
    /// What is cut off the path, such as `/api`; it is told in `X-Forwarded-Prefix`.
    strip_prefix: Option<String>,
    /// What is put before the path.
    add_prefix: Option<String>,
    /// The `Host` that the upstream gets, if not the client's; that one is in `X-Forwarded-Host`.
    host: Option<String>,
}

/// The `outliers` setting of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Outliers")]
struct Outliers {
    /// Failures one after the other: no connection, a broken answer, none in time, 502, 503, 504.
    failures: Count,
    /// How long it gets nothing then.
    duration: Period,
}

impl Default for Outliers {
    fn default() -> Self {
        Self { failures: Count(5), duration: Period::seconds(10) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            balance: Balance::default(),
            connect_timeout: Period::seconds(5),
            response_timeout: Period::seconds(60),
            idle_timeout: Period::seconds(60),
            keep_alive: Period::seconds(30),
            connections: None,
            resolve: Period::seconds(30),
            http2: false,
            tls: tls::Config::default(),
            health: None,
            outliers: Some(Outliers::default()),
            slow_start: Period::seconds(0),
            strip_prefix: None,
            add_prefix: None,
            host: None,
        }
    }
}

impl FromWord for Config {
    const EXPECTING: &'static str = "a URL, `echo`, or a map with `servers`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { servers: vec![word.to_owned()], ..Self::default() })
    }
}

/// What every upstream is built with.
pub struct UpstreamContext<'a> {
    /// The number of threads that send.
    pub workers: usize,
    /// The time.
    pub clock: &'a Clock,
    /// Counters.
    pub metrics: &'a Metrics,
}

impl Config {
    /// With a host for the checks of its health, if the file names none for them.
    #[must_use]
    pub fn checked_as(&self, host: Option<&str>) -> Self {
        let mut config = self.clone();
        if let (Some(health), None, Some(host)) = (&mut config.health, &self.host, host) {
            health.host.get_or_insert_with(|| host.to_owned());
        }
        config
    }

    /// Where the service runs.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Whether it is the built-in echo.
    pub fn is_echo(&self) -> bool {
        self.servers == ["echo"]
    }

    /// What is cut off the path.
    pub fn strip_prefix(&self) -> Option<&str> {
        self.strip_prefix.as_deref()
    }

    /// Whether building it reads files, which may be others the next time.
    pub(super) fn reads_files(&self) -> bool {
        self.servers.iter().any(|server| server.starts_with("https:"))
    }

    /// Builds the service.
    ///
    /// # Errors
    /// Servers that are none, and settings that do not go together.
    pub(super) fn build(
        &self,
        path: &Path,
        context: &UpstreamContext<'_>,
    ) -> Result<Service, Problems> {
        let mut problems = Problems::default();
        if self.servers.is_empty() {
            problems.push(Problem::missing(path, "this upstream has no server"));
        }
        let entries = problems.keep(self.entries(path, context)).unwrap_or_default();
        let host = self.host.as_deref();
        let (strip, add) = (self.strip_prefix.as_deref(), self.add_prefix.as_deref());
        let rewrite = problems.keep(Rewrite::new(strip, add, host, path)).unwrap_or_default();
        let checks = self.health.as_ref();
        let checks = checks.and_then(|checks| problems.keep(checks.build(&path.key("health"))));
        for (key, zero) in [
            ("connections", self.connections == Some(Count(0))),
            ("resolve", self.resolve.0.is_zero()),
            ("outliers", self.outliers.as_ref().is_some_and(|o| o.failures.0 == 0)),
        ] {
            problems.refuse_zero(zero, &path.key(key));
        }
        let servers = entries.iter().map(|entry| Arc::new(entry.server(entry.address.clone())));
        problems.finish(Service {
            servers: ArcSwap::from_pointee(servers.collect()),
            entries,
            balancer: self.balancer(context),
            rewrite,
            host: host.and_then(|host| HeaderValue::try_from(host).ok()),
            checks,
            resolve: self.resolve.0,
            response_timeout: self.response_timeout.0,
            idle_timeout: self.idle_timeout.0,
            metrics: context.metrics.clone(),
            started: AtomicBool::new(false),
            repeated: AtomicUsize::new(0),
        })
    }

    fn balancer(&self, context: &UpstreamContext<'_>) -> Balancer {
        let (failures, duration) = match &self.outliers {
            Some(outliers) => (outliers.failures.0, outliers.duration.0),
            None => (u64::MAX, std::time::Duration::ZERO),
        };
        Balancer {
            balance: self.balance,
            detection: OutlierDetection {
                failures: u32::try_from(failures).unwrap_or(u32::MAX),
                duration,
                slow_start: self.slow_start.0,
            },
            most: self.connections.map_or(usize::MAX, Count::get),
            clock: context.clock.clone(),
            turn: AtomicU64::new(0),
        }
    }

    fn entries(&self, path: &Path, context: &UpstreamContext<'_>) -> Result<Vec<Entry>, Problems> {
        let mut problems = Problems::default();
        let mut entries = Vec::new();
        let at = path.key("tls");
        let tls = match self.reads_files() {
            true => problems.keep(self.tls.build(self.http2, &at)),
            false => None,
        };
        if !self.reads_files() && self.tls != tls::Config::default() {
            let problem = Problem::new(
                &at,
                "there are settings for TLS, and no server of this upstream is `https://`",
            );
            problems.push(problem.help("write them as https://host"));
        }
        for text in &self.servers {
            let Some(address) = Address::parse(text) else {
                let problem = Problem::new(path, format!("`{text}` is not an upstream"));
                let help = "use http://host:port, https://host, unix:/path/to/socket, or echo";
                problems.push(problem.help(help));
                continue;
            };
            let tls = match (&address, &tls) {
                (Address::Tcp { host, secure: true, .. }, Some(connector)) => {
                    let name = problems.keep(self.tls.name(host, &at.key("name")));
                    name.map(|name| Tls { connector: connector.clone(), name })
                }
                _ => None,
            };
            entries.push(Entry {
                text: text.clone(),
                address,
                connector: Connector { timeout: self.connect_timeout.0, http2: self.http2, tls },
                workers: context.workers,
                keep_alive: self.keep_alive.0,
                metrics: context.metrics.clone(),
            });
        }
        problems.finish(entries)
    }
}
