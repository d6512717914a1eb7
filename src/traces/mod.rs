//! OpenTelemetry traces: of each request that is sampled, a span of its own and one of its upstream,
//! sent to a collector by OTLP over HTTP. W3C's `traceparent` goes on to the upstream whether or not
//! a request is sampled here.
//!
//! The settings are read by every build, so that one without the feature says what is missing.

#[cfg(feature = "otel")]
mod export;

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    client::{HttpClient, web_address},
    clock::Timestamp,
    crypto::random_bytes,
    observe::log::TraceId,
    value::{Path, Problem, Problems, Secret, UniqueMap},
};

/// The `traces` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Traces")]
pub struct Config {
    /// Where the collector takes traces, by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`.
    endpoint: String,
    /// Of how many requests, from 0 to 1. Whom a trusted proxy has sampled is sampled here too.
    sample: f64,
    /// `service.name`.
    service_name: String,
    /// Header fields for the collector, such as its API key.
    headers: UniqueMap<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample: 1.0,
            service_name: "portcullis".into(),
            headers: UniqueMap::default(),
        }
    }
}

impl Config {
    fn is(&self, other: &Self) -> bool {
        let headers = |config: &Self| -> Vec<(String, String)> {
            let headers = config.headers.0.iter();
            headers.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect()
        };
        self.endpoint == other.endpoint
            && self.sample == other.sample
            && self.service_name == other.service_name
            && headers(self) == headers(other)
    }

    fn check(&self, path: &Path) -> Result<(), Problems> {
        let mut problems = Problems::default();
        if cfg!(not(feature = "otel")) {
            let problem = Problem::new(path, "this binary was built without OpenTelemetry");
            problems.push(problem.help("build it with `cargo build --release --features otel`"));
        }
        if web_address(&self.endpoint).is_none() {
            // It may have a password in it.
            let problem = Problem::new(&path.key("endpoint"), "this is no address of a collector");
            problems.push(problem.help("for example http://127.0.0.1:4318/v1/traces"));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            let problem = Problem::new(&path.key("sample"), "this is no part of all requests");
            problems.push(problem.help("write 1 for all of them, 0.01 for one in a hundred"));
        }
        for (name, value) in &self.headers.0 {
            let sent = HeaderName::try_from(name.as_str()).is_ok()
                && HeaderValue::try_from(value.reveal()).is_ok();
            if !sent {
                // Not at its own line, on which a key would be shown.
                let message = format!("`{name}` cannot be sent as a header field");
                problems.push(Problem::new(&path.key("headers"), message));
            }
        }
        problems.finish(())
    }
}

/// The collectors that are there, by their settings: a configuration and the next share one.
#[derive(Clone, Default)]
pub struct Collectors(Arc<Mutex<Vec<Known>>>);

type Known = (Config, Weak<Inner>);

impl Collectors {
    /// The one with these settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn get(&self, config: &Config, path: &Path, http: &HttpClient) -> Result<Traces, Problems> {
        config.check(path)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, inner)| inner.strong_count() > 0);
        let same = known.iter().find(|(known, _)| known.is(config));
        if let Some(same) = same.and_then(|(_, inner)| inner.upgrade()) {
            return Ok(Traces(Some(same)));
        }
        let inner = Arc::new(Inner::new(config, path, http)?);
        known.push((config.clone(), Arc::downgrade(&inner)));
        Ok(Traces(Some(inner)))
    }
}

/// Where spans go.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    #[cfg(feature = "otel")]
    exporter: export::Exporter,
    sample: f64,
}

/// A request that is sampled.
#[derive(Debug)]
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "nothing is exported"))]
pub struct Trace {
    /// Of all that is done for it, here and elsewhere.
    pub id: TraceId,
    /// The span that it was sent from.
    parent: Option<[u8; 8]>,
    span: [u8; 8],
    upstream: [u8; 8],
    /// When it was sent on, if it was.
    sent: Option<Timestamp>,
}

/// What is told of a request when it has been answered.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as sent, without the query.
    pub path: &'a str,
    /// The path of the route.
    pub route: Option<&'a str>,
    /// The scheme that knew the caller.
    pub scheme: Option<&'a str>,
    /// The client's own address.
    pub client: std::net::IpAddr,
    /// The status answered.
    pub status: u16,
    /// When its head was there.
    pub started: Timestamp,
    /// When the head of the answer was.
    pub ended: Timestamp,
}

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

impl Inner {
    #[cfg(feature = "otel")]
    fn new(config: &Config, path: &Path, http: &HttpClient) -> Result<Self, Problems> {
        let exporter = export::Exporter::new(config, http);
        let exporter = exporter.map_err(|error| Problem::new(path, error))?;
        Ok(Self { exporter, sample: config.sample })
    }

    #[cfg(not(feature = "otel"))]
    fn new(config: &Config, _: &Path, _: &HttpClient) -> Result<Self, Problems> {
        Ok(Self { sample: config.sample })
    }

    /// So many of a thread's requests as the setting says, and no pattern of the client's.
    fn draws(&self) -> bool {
        thread_local! {
            static SINCE: Cell<f64> = const { Cell::new(0.0) };
        }
        let since = SINCE.get() + self.sample;
        let drawn = since >= 1.0;
        SINCE.set(if drawn { since - 1.0 } else { since });
        drawn
    }
}

impl Traces {
    /// The request's trace, if it is sampled. A caller that is `trusted` has a say in that; of the others
    /// only the id is taken, so that a client cannot make every request cost a trace.
    pub fn begin(&self, headers: &HeaderMap, trusted: impl FnOnce() -> bool) -> Option<Trace> {
        let inner = self.0.as_ref()?;
        let parent = Parent::of(headers);
        let asked = parent.as_ref().is_some_and(|parent| parent.sampled) && trusted();
        if !asked && !inner.draws() {
            return None;
        }
        let span = random_bytes().ok()?;
        let upstream = random_bytes().ok()?;
        Some(match parent {
            Some(Parent { trace, span: parent, .. }) => {
                Trace { id: TraceId(trace), parent: Some(parent), span, upstream, sent: None }
            }
            None => {
                let id = TraceId(random_bytes().ok()?);
                Trace { id, parent: None, span, upstream, sent: None }
            }
        })
    }

    /// Queues what is known of a request.
    pub fn finish(&self, trace: &Trace, finished: &Finished<'_>) {
        #[cfg(feature = "otel")]
        if let Some(inner) = &self.0 {
            inner.exporter.add(trace, finished);
        }
        #[cfg(not(feature = "otel"))]
        let _ = (trace, finished);
    }

    /// Sends what has not been sent yet, at the end.
    pub fn flush(&self) {
        #[cfg(feature = "otel")]
        if let Some(inner) = &self.0 {
            inner.exporter.flush();
        }
    }
}

impl Trace {
    /// Notes that the request goes on now, and tells its upstream.
    pub fn send(&mut self, headers: &mut HeaderMap, now: Timestamp) {
        let text = format!("00-{}-{}-01", self.id, hex::encode(self.upstream));
        let Ok(traceparent) = HeaderValue::try_from(text) else { return };
        self.sent = Some(now);
        headers.insert(TRACEPARENT, traceparent);
        // It belongs to a trace that this is no part of.
        if self.parent.is_none() {
            headers.remove(TRACESTATE);
        }
    }
}

/// What a client says of a trace that its request is part of.
struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Parent {
    /// W3C Trace Context section 3.2. A field that breaks its rules, or is there twice, is ignored.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let (Some(one), None) = (all.next(), all.next()) else { return None };
        let text = one.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version: [u8; 1] = lower_hex(version)?;
        if version == [0xff] || version == [0] && parts.next().is_some() {
            return None;
        }
        let (trace, span) = (lower_hex(trace)?, lower_hex(span)?);
        let [flags] = lower_hex(flags)?;
        let named = trace != [0; 16] && span != [0; 8];
        named.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode_to_slice(text, &mut bytes).ok().filter(|()| lower).map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(values: &[&str]) -> Option<Parent> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::try_from(*value).unwrap());
        }
        Parent::of(&headers)
    }

    /// The examples of W3C Trace Context, and what breaks its rules.
    #[test]
    fn traceparent_is_read_strictly() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = parent(&[good]).unwrap();
        assert!(read.sampled && hex::encode(read.span) == "b7ad6b7169203331");
        assert!(!parent(&[&good.replace("-01", "-02")]).unwrap().sampled);
        assert!(parent(&[&(good.replacen("00", "cc", 1) + "-what-comes")]).unwrap().sampled);
        for bad in [
            "",
            "00",
            &good.replacen("00", "ff", 1),
            &format!("{good}-more"),
            &good.to_uppercase(),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &good[..54],
        ] {
            assert!(parent(&[bad]).is_none(), "{bad}");
        }
        assert!(parent(&[good, good]).is_none());
        assert!(parent(&[]).is_none());
    }

    #[cfg(feature = "otel")]
    #[test]
    fn so_many_are_drawn_as_the_setting_says() {
        let control = tokio::runtime::Runtime::new().unwrap();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = HttpClient::new(control.handle(), crate::clock::Clock::system());
        let endpoint = "http://127.0.0.1:1/".to_owned();
        let config = Config { endpoint, sample: 0.25, ..Config::default() };
        let inner = Inner::new(&config, &Path::root(), &http).unwrap();
        assert_eq!((0..1000).filter(|_| inner.draws()).count(), 250);
    }
}
