//! The log, and the one access line that each request leaves. Both go through a writer with a
//! queue: a sink that blocks costs lines, which are counted, and never a request.

use std::{
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, fmt, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

use super::{file::LogFile, recent::RequestId};

/// The `log` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Log")]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, or tracing's filter language.
    level: String,
    /// How lines look.
    format: Format,
    /// Whether each request leaves a line.
    access: bool,
    /// A file that gets the audit trail too, as JSON. It may be moved away at any time.
    audit: Option<PathBuf>,
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LogFormat")]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".into(), format: Format::Text, access: true, audit: None }
    }
}

/// Writes access lines to standard output.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Sink>>);

struct Sink {
    writer: NonBlocking,
    /// Nothing while no lines are wanted.
    format: ArcSwapOption<Format>,
}

/// What is logged, and where to.
pub struct Logs {
    /// One line for each request.
    pub access: AccessLog,
    filter: reload::Handle<EnvFilter, Registry>,
    /// What stays until the end.
    fixed: String,
    /// They write what is queued when they are dropped.
    _guards: Vec<WorkerGuard>,
}

/// What an access line says. An interface: names are not changed.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// What names the request, also to `explain`.
    pub id: RequestId,
    /// The client's own address.
    pub client: IpAddr,
    /// The method.
    pub method: &'a str,
    /// The host asked for.
    pub host: &'a str,
    /// The path as sent, without the query, which may hold secrets.
    pub path: &'a str,
    /// The status answered.
    pub status: u16,
    /// The path of the route, if there was one.
    pub route: Option<&'a str>,
    /// The name of who was let in.
    pub user: Option<&'a str>,
    /// The scheme that knew them.
    pub scheme: Option<&'a str>,
    /// From the head of the request to the head of the answer.
    pub microseconds: u128,
    /// The trace that it is part of, if it is sampled: 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceId>,
}

/// The id of a trace (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Starts logging to standard error, access lines to standard output, and the audit trail to its
/// file.
///
/// # Errors
/// If that file cannot be written.
pub fn start(config: &Config) -> io::Result<Logs> {
    let (errors, error_guard) = queue("log", io::stderr());
    let (writer, access_guard) = queue("access log", io::stdout());
    let mut guards = vec![error_guard, access_guard];
    let (filter, handle) = reload::Layer::new(config.filter());
    let lines = fmt::layer().with_writer(errors);
    let lines = match config.format {
        Format::Text => lines.with_ansi(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let audit = match &config.audit {
        None => None,
        Some(path) => {
            let (file, guard) = queue("audit log", LogFile::open(path.clone())?);
            guards.push(guard);
            let lines = fmt::layer().json().flatten_event(true).with_writer(file);
            Some(lines.with_filter(filter_fn(|about| about.target() == "audit")))
        }
    };
    // A second start in one process (tests) keeps the first's.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(audit).try_init();
    let access = AccessLog(Some(Arc::new(Sink { writer, format: config.lines() })));
    Ok(Logs { access, filter: handle, fixed: config.fixed(), _guards: guards })
}

impl Config {
    fn filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.level).unwrap_or_else(|_| EnvFilter::new("info"))
    }

    fn lines(&self) -> ArcSwapOption<Format> {
        ArcSwapOption::from(self.access.then(|| Arc::new(self.format)))
    }

    /// What a reload does not change, as a text to compare.
    fn fixed(&self) -> String {
        format!("{:?} {:?}", self.format, self.audit)
    }
}

impl Logs {
    /// Takes another level, and whether requests leave lines.
    pub fn change(&self, config: &Config) {
        if config.fixed() != self.fixed {
            warn!("a change of the log's format or audit file takes a restart");
        }
        // It fails only when nothing is logged any more.
        let _ = self.filter.reload(config.filter());
        if let Some(sink) = &self.access.0 {
            sink.format.store(config.lines().load_full());
        }
    }
}

fn queue(name: &str, sink: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).thread_name(name).finish(sink)
}

impl AccessLog {
    /// One that writes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Queues a line.
    pub fn write(&self, line: &Line<'_>) {
        let Some(sink) = &self.0 else { return };
        let Some(format) = sink.format.load_full() else { return };
        let mut text = Vec::with_capacity(256);
        let written = match *format {
            Format::Json => serde_json::to_writer(&mut text, line).is_ok(),
            Format::Text => {
                let Line { id, client, method, host, path, status, microseconds, .. } = line;
                let user = line.user.unwrap_or("-").escape_debug();
                let scheme = line.scheme.unwrap_or("-");
                let (host, path) = (host.escape_debug(), path.escape_debug());
                let line = format_args!(
                    "{client} {user} {scheme} \"{method} {host}{path}\" {status} {microseconds}us {id}"
                );
                text.write_fmt(line).is_ok()
            }
        };
        if written {
            text.push(b'\n');
            // The queue takes the line or counts it as lost.
            let _ = sink.writer.clone().write_all(&text);
        }
    }

    /// Lines lost because the sink was too slow.
    pub fn lost(&self) -> i64 {
        let lost = self.0.as_ref().map_or(0, |sink| sink.writer.error_counter().dropped_lines());
        i64::try_from(lost).unwrap_or(i64::MAX)
    }
}
