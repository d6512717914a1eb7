//! Spans, in OpenTelemetry's words, on their way to the collector: queued, batched and sent by its
//! SDK on a thread of its own. A collector that is slow or away costs spans, and never a request.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::Bytes;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_http::{HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as _, SpanLinks, SpanProcessor,
    },
};
use tracing::warn;

use super::{Config, Finished, Trace};
use crate::{client::HttpClient, clock::Timestamp, observe::recent::Explained};

/// For a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what is left at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Collectors answer little.
const LONGEST: usize = 64 << 10;

/// Sends spans.
pub(super) struct Exporter {
    processor: Arc<BatchSpanProcessor>,
    scope: InstrumentationScope,
}

impl Exporter {
    pub(super) fn new(config: &Config, http: &HttpClient) -> Result<Self, String> {
        let headers = &config.headers.0;
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender(http.clone()))
            .with_endpoint(&config.endpoint)
            .with_headers(headers.collect())
            .with_timeout(PATIENCE)
            .build();
        let mut exporter = exporter.map_err(|error| error.to_string())?;
        let resource = Resource::builder_empty().with_service_name(config.service_name.clone());
        exporter.set_resource(&resource.build());
        Ok(Self {
            processor: Arc::new(BatchSpanProcessor::builder(exporter).build()),
            scope: InstrumentationScope::builder("portcullis")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        })
    }

    /// A request's spans, by the semantic conventions of HTTP.
    pub(super) fn add(&self, trace: &Trace, finished: &Finished<'_>) {
        // Of the others there is no end.
        let known =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
        let is_known = known.contains(&finished.method);
        let method = if is_known { finished.method } else { "_OTHER" }.to_owned();
        let mut told = vec![
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("http.response.status_code", i64::from(finished.status)),
        ];
        let failed = finished.status >= 500;
        if failed {
            told.push(KeyValue::new("error.type", finished.status.to_string()));
        }
        if let Some(sent) = trace.sent {
            self.processor.on_end(SpanData {
                span_kind: SpanKind::Client,
                name: method.clone().into(),
                start_time: moment(sent),
                parent_span_id: SpanId::from_bytes(trace.span),
                parent_span_is_remote: false,
                attributes: told.clone(),
                ..self.span(trace, trace.upstream, finished, failed)
            });
        }
        told.push(KeyValue::new("url.path", Explained::path(finished.path)));
        told.push(KeyValue::new("client.address", finished.client.to_string()));
        let named = [("http.route", finished.route), ("portcullis.scheme", finished.scheme)];
        told.extend(
            named
                .into_iter()
                .filter_map(|(key, value)| value.map(|value| KeyValue::new(key, value.to_owned()))),
        );
        let name = if is_known { method } else { "HTTP".to_owned() };
        let name = match finished.route {
            Some(route) => format!("{name} {route}"),
            None => name,
        };
        self.processor.on_end(SpanData {
            name: name.into(),
            attributes: told,
            ..self.span(trace, trace.span, finished, failed)
        });
    }

    /// The request's own, as far as it is any's.
    fn span(&self, trace: &Trace, id: [u8; 8], finished: &Finished<'_>, failed: bool) -> SpanData {
        let context = SpanContext::new(
            TraceId::from_bytes(trace.id.0),
            SpanId::from_bytes(id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        SpanData {
            span_context: context,
            parent_span_id: trace.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: trace.parent.is_some(),
            span_kind: SpanKind::Server,
            name: "".into(),
            start_time: moment(finished.started),
            end_time: moment(finished.ended),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        }
    }

    pub(super) fn flush(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(LAST_PATIENCE) {
            warn!(%error, "the last traces could not be exported");
        }
    }
}

impl Drop for Exporter {
    /// Queued spans are still exported; this call does not wait for them.
    fn drop(&mut self) {
        let processor = Arc::clone(&self.processor);
        std::thread::spawn(move || processor.shutdown_with_timeout(LAST_PATIENCE));
    }
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + at.since(Timestamp::default())
}

/// The gateway's own HTTP client, for the SDK.
struct Sender(HttpClient);

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.0.exchange(request.map(Full::new), LONGEST, PATIENCE);
        let (status, headers, body) = sent.await?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
