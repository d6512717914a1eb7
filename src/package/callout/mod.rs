#![doc = include_str!("README.md")]

use std::{sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Descriptor, Probe, SchemeContext, SchemeKind, SchemeSettings};
use crate::{
    client::{HttpClient, web_address},
    clock::Clock,
    credential_cache::{CachedResult, Loaded},
    crypto::digest::Fingerprint,
    identity::Identity,
    rejection::{DENIED, INCORRECT, Refusal, RefusalKind},
    request::{Purpose, Request},
    scheme::{Answer, Carrier, Custom, DETAIL_LIMIT, Examination, Scheme, refused},
    store::Unavailable,
    value::{Period, Problem, Problems},
};

/// A custom scheme over HTTP.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("callout")],
    ..Descriptor::new("callout", include_str!("README.md"))
};

/// `- callout: { url: http://127.0.0.1:9000/check, headers: [X-Username] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Callout")]
pub struct Config {
    /// A second name.
    name: Option<String>,
    /// Your service.
    url: String,
    /// The headers it is sent. A request without any of them is not this scheme's.
    headers: Vec<String>,
    /// `WWW-Authenticate` when this scheme is first; without one, refusals are 403.
    challenge: Option<String>,
    /// How long it may take.
    timeout: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            url: String::new(),
            headers: vec!["Authorization".into()],
            challenge: None,
            timeout: Period::seconds(5),
        }
    }
}

/// What the service answers with 200.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    username: String,
    /// The user's primary key: assertions and limits take it for that.
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    groups: Vec<Box<str>>,
    #[serde(default)]
    permissions: Vec<Box<str>>,
    #[serde(default)]
    scopes: Vec<Box<str>>,
    #[serde(default)]
    staff: bool,
    #[serde(default)]
    superuser: bool,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
    /// Seconds after which the service wants to be asked again.
    #[serde(default)]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

/// An answer longer than this is not read.
const ANSWER_LIMIT: usize = 64 << 10;

/// A refusal longer than this is not passed on, for the same reason as a detail of
/// [`DETAIL_LIMIT`].
const BODY_LIMIT: usize = 4096;

/// DRF's `PermissionDenied` and `Throttled`, where the service has no words of its own.
const THROTTLED: &str = "Request was throttled.";

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let mut problems = Problems::default();
        let url = web_address(&self.url);
        if url.is_none() {
            let message = format!("`{}` is not the URL of a service", self.url);
            problems.push(
                Problem::new(&context.path.key("url"), message)
                    .help("for example http://127.0.0.1:9000/check"),
            );
        }
        let challenge = self.challenge.as_deref();
        let custom = Custom::new(context.lookup(), &self.headers, challenge, context.path);
        let custom = problems.keep(custom);
        match (url, custom) {
            (Some(url), Some(custom)) => {
                context.site.reaches(probe(&url, context.site.http, self.timeout.0));
                Ok(Arc::new(Callout {
                    custom,
                    url,
                    timeout: self.timeout.0,
                    http: context.site.http.clone(),
                    clock: context.site.clock.clone(),
                }))
            }
            _ => Err(problems),
        }
    }
}

/// Any answer shows that the service is there; only a request with a credential is one to judge.
fn probe(url: &Uri, http: &HttpClient, time: Duration) -> Probe {
    let (url, http) = (url.clone(), http.clone());
    Probe::new(format!("the callout {url}"), move || {
        let (url, http) = (url.clone(), http.clone());
        async move {
            let asked =
                http.send(Method::OPTIONS, &url, HeaderMap::new(), ANSWER_LIMIT, time).await;
            asked
                .map(|(status, ..)| format!("it answers {status}"))
                .map_err(|error| error.to_string())
        }
    })
}

struct Callout {
    custom: Custom,
    url: Uri,
    timeout: Duration,
    http: HttpClient,
    clock: Clock,
}

impl Scheme for Callout {
    fn name(&self) -> &Arc<str> {
        &self.custom.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let credential = self.custom.credential(request);
        if credential.is_empty() {
            return Answer::not_attempted();
        }
        let key = self.custom.lookup.key(&credential);
        let known = self.custom.known(&key, request, purpose);
        Answer::known_or(known, || self.ask(key, request, purpose))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        self.custom.challenge.clone()
    }

    fn reads_cookies(&self) -> bool {
        self.custom.reads_cookies()
    }

    fn carrier(&self, _: &Request) -> Carrier {
        self.custom.carrier()
    }
}

impl Callout {
    async fn ask(&self, key: Fingerprint, request: &Request, purpose: Purpose) -> Examination {
        let load = async {
            let chosen = self.custom.headers(request);
            let headers = chosen.map(|(name, value)| (name.clone(), value.clone())).collect();
            let answer =
                self.http.send(Method::POST, &self.url, headers, ANSWER_LIMIT, self.timeout);
            let (status, headers, body) = answer.await?;
            self.fact(status, &headers, &body)
        };
        self.custom.ask(key, request, purpose, load).await
    }

    fn fact(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Loaded, Unavailable> {
        let outage = |cause: &str| Unavailable::new("the callout", cause);
        match status {
            StatusCode::OK => {
                let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
                if !kind.starts_with(b"application/json") {
                    return Err(outage("200 without application/json"));
                }
                let answer = serde_json::from_slice::<Answered>(body);
                let answer =
                    answer.map_err(|error| outage(&format!("unreadable identity: {error}")))?;
                if answer.username.is_empty() {
                    return Err(outage("200 with an empty username"));
                }
                let until = answer.expires_in.map(|s| self.clock.now() + Duration::from_secs(s));
                let identity = CachedResult::Identity(Arc::new(answer.into()));
                Ok(Loaded::new(identity).until(until))
            }
            StatusCode::NO_CONTENT => Ok(Loaded::new(CachedResult::NotMine)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Ok(Loaded::refused(custom_refusal(status, headers, body)))
            }
            // The time to wait is another number a second later.
            StatusCode::TOO_MANY_REQUESTS => {
                let refusal = custom_refusal(status, headers, body);
                Ok(Loaded::refused(refusal).until(Some(self.clock.now())))
            }
            other => Err(outage(&format!("it answered {other}"))),
        }
    }
}

/// A refusal as the service has written it, if that can be passed on.
fn custom_refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let challenge = headers.get(WWW_AUTHENTICATE).cloned();
    let own = serde_json::from_slice(body).ok().filter(|own| can_be_passed_on(own, body.len()));
    let body = match (own, status) {
        (Some(own), _) => own,
        (None, StatusCode::UNAUTHORIZED) => return refused(None, challenge),
        (None, StatusCode::FORBIDDEN) => serde_json::json!({ "detail": DENIED }),
        (None, _) => serde_json::json!({ "detail": THROTTLED }),
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED => RefusalKind::Unauthenticated,
        StatusCode::FORBIDDEN => RefusalKind::Forbidden,
        _ => RefusalKind::TooManyRequests,
    };
    let detail = body.get("detail").and_then(serde_json::Value::as_str).map(str::to_owned);
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let refusal = match detail {
        Some(detail) => Refusal::new(detail),
        None => Refusal::new(INCORRECT),
    };
    let challenge = challenge.map(Box::new);
    Refusal { kind, challenge, body: Some(Box::new(body)), retry_after, ..refusal }
}

/// Whether a body may be passed on: something is in it, and not too much of it to keep.
fn can_be_passed_on(body: &serde_json::Value, length: usize) -> bool {
    let full = match body {
        serde_json::Value::Object(members) => !members.is_empty(),
        serde_json::Value::Array(entries) => !entries.is_empty(),
        _ => false,
    };
    let fits = |detail: &str| (1..=DETAIL_LIMIT).contains(&detail.len());
    let detail = body.get("detail").and_then(serde_json::Value::as_str);
    full && length <= BODY_LIMIT && detail.is_none_or(fits)
}

impl From<Answered> for Identity {
    fn from(answer: Answered) -> Self {
        Identity {
            id: answer.id.map(|id| match id {
                Id::Number(number) => number.to_string().into(),
                Id::Text(text) => text.into(),
            }),
            username: answer.username.into(),
            email: answer.email.into(),
            name: answer.name.into(),
            groups: answer.groups.into_iter().collect(),
            permissions: answer.permissions.into_iter().collect(),
            scopes: answer.scopes.into_iter().collect(),
            staff: answer.staff,
            superuser: answer.superuser,
            claims: answer.claims,
            ..Identity::default()
        }
    }
}
