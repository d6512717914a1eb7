//! Counters and times in Prometheus' names and text format.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

/// All metrics of the process; they outlive reloads.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RouteStatus, Counter>,
    durations: Family<RouteOutcome, Histogram>,
    outcomes: Family<SchemeOutcome, Counter>,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Access lines that a slow sink has cost.
    pub lines_lost: Gauge,
    /// Reloads, by whether the new configuration was taken.
    reloads: Family<ByResult, Counter>,
    /// Requests that were sent to an upstream again.
    pub retries: Counter,
    /// The servers of upstreams that are there now; their families are filled when they are read.
    servers: Arc<Mutex<Vec<Weak<ServerMetrics>>>>,
    server_requests: Family<ServerResult, Counter>,
    server_up: Family<ServerName, Gauge>,
    /// Credentials that were remembered, and that were not.
    lookups: Family<ByResult, Counter>,
    store: Family<ByResult, Histogram>,
    lockouts: Family<LockedBy, Counter>,
    suspicious: Family<Noticed, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteStatus {
    route: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteOutcome {
    route: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LockedBy {
    by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Noticed {
    pattern: &'static str,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Answered by the upstream or a page.
    Passed,
    /// 401 or 403 of the gateway's.
    Denied,
    /// 429 of the gateway's.
    Limited,
    /// Another 4xx of the gateway's.
    Invalid,
    /// A 5xx of the gateway's.
    Failed,
}

const DISPOSITIONS: [&str; 5] = ["passed", "denied", "limited", "invalid", "failed"];

impl Disposition {
    /// Of a request that the gateway has refused with this status.
    pub fn refused(status: StatusCode) -> Self {
        match status.as_u16() {
            401 | 403 => Self::Denied,
            429 => Self::Limited,
            400..500 => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

/// What no single request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Many accounts fail from one network.
    ManyAccounts,
    /// An account is used from a network that it never was before.
    NewNetwork,
    /// A user's tokens are refreshed again and again.
    RefreshBurst,
}

impl Pattern {
    const ALL: [Self; 3] = [Self::ManyAccounts, Self::NewNetwork, Self::RefreshBurst];

    /// As metrics and the audit trail say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ManyAccounts => "many_accounts",
            Self::NewNetwork => "new_network",
            Self::RefreshBurst => "refresh_burst",
        }
    }
}

/// How often a credential was remembered.
#[derive(Clone, Default)]
pub struct Lookups {
    /// It was.
    pub hits: Counter,
    /// It was not, and the store was asked.
    pub misses: Counter,
}

/// How long the store took.
#[derive(Clone)]
pub struct StoreMetrics {
    /// To answer.
    pub answered: Histogram,
    /// Not to.
    pub failed: Histogram,
}

/// Locks, by what was locked.
#[derive(Clone, Default)]
pub struct Locks {
    /// An account, from one network or from everywhere.
    pub account: Counter,
    /// A network.
    pub network: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SchemeOutcome {
    scheme: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerName {
    upstream: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerResult {
    upstream: String,
    server: String,
    result: &'static str,
}

/// Counters of one server of an upstream. They end with it, for names of servers come and go.
pub struct ServerMetrics {
    name: ServerName,
    /// Requests that it has answered.
    pub answered: Counter,
    /// Requests that it has not, or only to say that it cannot.
    pub failed: Counter,
    up: AtomicBool,
}

impl ServerMetrics {
    /// Whether checks of its health find it well.
    pub fn up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }
}

/// A route's counters, found once when the route is built.
pub struct RouteMetrics {
    /// By the first digit of the status, 1 to 5.
    classes: [Counter; 5],
    /// By [`Disposition`].
    seconds: [Histogram; 5],
}

/// A scheme's counters.
pub struct SchemeMetrics {
    /// Good credentials.
    pub authenticated: Counter,
    /// Bad ones.
    pub failed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram =
            || Histogram::new([0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0]);
        let metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(seconds),
            outcomes: Family::default(),
            connections: Gauge::default(),
            lines_lost: Gauge::default(),
            reloads: Family::default(),
            retries: Counter::default(),
            servers: Arc::default(),
            server_requests: Family::default(),
            server_up: Family::default(),
            lookups: Family::default(),
            store: Family::new_with_constructor(seconds),
            lockouts: Family::default(),
            suspicious: Family::default(),
        };
        {
            let mut registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
            let registry = registry.sub_registry_with_prefix("portcullis");
            registry.register("requests", "Requests answered", metrics.requests.clone());
            let help = "Seconds from the head of the request to the head of the answer";
            registry.register("request_duration_seconds", help, metrics.durations.clone());
            let help = "What schemes made of the credentials that were theirs";
            registry.register("scheme_outcomes", help, metrics.outcomes.clone());
            registry.register("connections", "Open connections", metrics.connections.clone());
            let help = "Access lines lost because the sink was too slow";
            registry.register("access_lines_lost", help, metrics.lines_lost.clone());
            registry.register("reloads", "Reloads of the configuration", metrics.reloads.clone());
            let help = "Credentials that were remembered, or asked for";
            registry.register("cache_lookups", help, metrics.lookups.clone());
            let help = "Seconds that the store took to answer, or not to";
            registry.register("store_query_duration_seconds", help, metrics.store.clone());
            let help = "Accounts and networks locked for their failures";
            registry.register("lockouts", help, metrics.lockouts.clone());
            let help = "Patterns that no single request shows";
            registry.register("suspicious", help, metrics.suspicious.clone());
            let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
            registry.register("build", "What runs", version);
            let help = "Requests sent to an upstream again";
            registry.register("upstream_retries", help, metrics.retries.clone());
            let help = "Requests sent to a server of an upstream";
            registry.register("upstream_requests", help, metrics.server_requests.clone());
            let help = "Whether checks of its health find a server well";
            registry.register("upstream_server_up", help, metrics.server_up.clone());
        }
        metrics.begin();
        metrics
    }
}

impl Metrics {
    /// Every series that is known before anything happens, at zero: what begins at one is an
    /// increase of nothing to Prometheus.
    fn begin(&self) {
        let _ = (self.lookups(), self.store(), self.locks());
        Pattern::ALL.iter().for_each(|pattern| drop(self.suspicious(*pattern)));
        for result in ["taken", "refused"] {
            drop(self.reloads.get_or_create(&ByResult { result }));
        }
    }

    /// Of the credential cache.
    pub fn lookups(&self) -> Lookups {
        let counter = |result| self.lookups.get_or_create(&ByResult { result }).clone();
        Lookups { hits: counter("hit"), misses: counter("miss") }
    }

    /// Of the store.
    pub fn store(&self) -> StoreMetrics {
        let seconds = |result| self.store.get_or_create(&ByResult { result }).clone();
        StoreMetrics { answered: seconds("ok"), failed: seconds("failed") }
    }

    /// Of the lockout.
    pub fn locks(&self) -> Locks {
        let counter = |by| self.lockouts.get_or_create(&LockedBy { by }).clone();
        Locks { account: counter("account"), network: counter("network") }
    }

    /// Of a pattern.
    pub fn suspicious(&self, pattern: Pattern) -> Counter {
        self.suspicious.get_or_create(&Noticed { pattern: pattern.name() }).clone()
    }

    /// The counters of a route.
    pub fn route(&self, route: &str) -> RouteMetrics {
        let class = |class: usize| {
            let labels =
                RouteStatus { route: route.to_owned(), status: format!("{}xx", class + 1) };
            self.requests.get_or_create(&labels).clone()
        };
        let seconds = DISPOSITIONS.map(|outcome| {
            let labels = RouteOutcome { route: route.to_owned(), outcome };
            self.durations.get_or_create(&labels).clone()
        });
        RouteMetrics { classes: std::array::from_fn(class), seconds }
    }

    /// The counters of a scheme.
    pub fn scheme(&self, scheme: &str) -> SchemeMetrics {
        let counter = |outcome| {
            let labels = SchemeOutcome { scheme: scheme.to_owned(), outcome };
            self.outcomes.get_or_create(&labels).clone()
        };
        SchemeMetrics { authenticated: counter("authenticated"), failed: counter("failed") }
    }

    /// The counters of a server, by its text in the file and its address.
    pub fn server(&self, upstream: &str, server: &str) -> Arc<ServerMetrics> {
        let metrics = Arc::new(ServerMetrics {
            name: ServerName { upstream: upstream.to_owned(), server: server.to_owned() },
            answered: Counter::default(),
            failed: Counter::default(),
            up: AtomicBool::new(true),
        });
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|server| server.strong_count() > 0);
        servers.push(Arc::downgrade(&metrics));
        metrics
    }

    /// Writes what the servers of now have counted into their families.
    fn gather_servers(&self) {
        self.server_requests.clear();
        self.server_up.clear();
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for server in servers.iter().filter_map(Weak::upgrade) {
            let ServerName { upstream, server: name } = server.name.clone();
            for (result, counter) in [("answered", &server.answered), ("failed", &server.failed)] {
                let (upstream, server) = (upstream.clone(), name.clone());
                let labels = ServerResult { upstream, server, result };
                self.server_requests.get_or_create(&labels).inc_by(counter.get());
            }
            let up = i64::from(server.up.load(Ordering::Relaxed));
            self.server_up.get_or_create(&server.name).set(up);
        }
    }

    /// Counts a reload.
    pub fn reloaded(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&ByResult { result }).inc();
    }

    /// Everything, in the text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Held while servers are gathered: of two readers at once each would add them.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.gather_servers();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl RouteMetrics {
    /// Counts an answer.
    pub fn answered(&self, status: StatusCode, disposition: Disposition, time: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.inc();
        }
        if let Some(seconds) = self.seconds.get(disposition as usize) {
            seconds.observe(time.as_secs_f64());
        }
    }
}
