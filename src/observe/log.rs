//! The log, and the one access line that each request leaves. Both go through a writer with a
//! queue: a sink that blocks costs lines, which are counted, and never a request.

use std::{io::Write, net::IpAddr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

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
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
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
        Self { level: "info".into(), format: Format::Text, access: true }
    }
}

/// Writes access lines to standard output.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Sink>>);

struct Sink {
    writer: NonBlocking,
    format: Format,
}

/// What an access line says. An interface: names are not changed.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
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
}

/// Starts logging to standard error, and access lines to standard output. The guards write what is
/// queued when they are dropped.
pub fn start(config: &Config) -> (AccessLog, Vec<WorkerGuard>) {
    let (errors, error_guard) = queue("log", std::io::stderr());
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(errors);
    // A second start in one process (tests) keeps the first's.
    let _ = match config.format {
        Format::Text => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    if !config.access {
        return (AccessLog(None), vec![error_guard]);
    }
    let (writer, guard) = queue("access log", std::io::stdout());
    let sink = Sink { writer, format: config.format };
    (AccessLog(Some(Arc::new(sink))), vec![error_guard, guard])
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
        let mut text = Vec::with_capacity(256);
        let written = match sink.format {
            Format::Json => serde_json::to_writer(&mut text, line).is_ok(),
            Format::Text => {
                let Line { client, method, host, path, status, microseconds, .. } = line;
                let user = line.user.unwrap_or("-").escape_debug();
                let scheme = line.scheme.unwrap_or("-");
                let (host, path) = (host.escape_debug(), path.escape_debug());
                let line = format_args!(
                    "{client} {user} {scheme} \"{method} {host}{path}\" {status} {microseconds}us"
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
