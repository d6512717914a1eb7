//! Counters and times in Prometheus' names and text format.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// All metrics of the process; they outlive reloads.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RouteStatus, Counter>,
    durations: Family<RouteName, Histogram>,
    outcomes: Family<SchemeOutcome, Counter>,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Access lines that a slow sink has cost.
    pub lines_lost: Gauge,
    /// Reloads, by whether the new configuration was taken.
    reloads: Family<Reload, Counter>,
    /// Requests that were sent to an upstream again.
    pub retries: Counter,
    /// The servers of upstreams that are there now; their families are filled when they are read.
    servers: Arc<Mutex<Vec<Weak<ServerMetrics>>>>,
    server_requests: Family<ServerResult, Counter>,
    server_up: Family<ServerName, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteStatus {
    route: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteName {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SchemeOutcome {
    scheme: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    result: &'static str,
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
    seconds: Histogram,
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
        let seconds =
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
            let help = "Requests sent to an upstream again";
            registry.register("upstream_retries", help, metrics.retries.clone());
            let help = "Requests sent to a server of an upstream";
            registry.register("upstream_requests", help, metrics.server_requests.clone());
            let help = "Whether checks of its health find a server well";
            registry.register("upstream_server_up", help, metrics.server_up.clone());
        }
        metrics
    }
}

impl Metrics {
    /// The counters of a route.
    pub fn route(&self, route: &str) -> RouteMetrics {
        let class = |class: usize| {
            let labels =
                RouteStatus { route: route.to_owned(), status: format!("{}xx", class + 1) };
            self.requests.get_or_create(&labels).clone()
        };
        let seconds = self.durations.get_or_create(&RouteName { route: route.to_owned() }).clone();
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
        self.reloads.get_or_create(&Reload { result }).inc();
    }

    /// Everything, in the text format.
    pub fn render(&self) -> String {
        self.gather_servers();
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl RouteMetrics {
    /// Counts an answer.
    pub fn answered(&self, status: hyper::StatusCode, time: std::time::Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.inc();
        }
        self.seconds.observe(time.as_secs_f64());
    }
}
