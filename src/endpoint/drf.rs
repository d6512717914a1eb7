//! What DRF's views do before their own work: negotiation, `OPTIONS`, parsing, and the fields of
//! a serializer with DRF's words for what is wrong with them.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Map, Value, json};

use super::{
    json::{self, Json},
    method_not_allowed, page, refusal,
};
use crate::{
    rejection::Rejection,
    request::{Request, form},
    upstream::Reply,
};

/// How much of a body a page of the gateway's own reads, and how long it waits for it.
pub(super) const BODY_LIMIT: usize = 64 << 10;
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);

/// A view that takes a POST.
pub(super) struct View {
    /// Its methods.
    pub allow: &'static str,
    /// Whether the view has DRF's browsable renderer beside JSON: then a client that wants HTML is
    /// not refused. What it gets is JSON.
    pub browsable: bool,
    /// What `OPTIONS` answers (`SimpleMetadata`).
    pub metadata: &'static str,
}

/// What is to be done with a request.
pub(super) enum Taken {
    /// This is what was posted.
    Data(Json),
    /// This is the answer.
    Answer(Reply),
}

impl View {
    /// Everything before the view's own work. The body is read last.
    pub(super) fn before(&self, request: &Request) -> Option<Reply> {
        let Some(renderers) = self.renderers(request) else {
            return Some(refusal(StatusCode::NOT_FOUND, "Not found.", self.allow));
        };
        if !accepts(&request.headers, renderers) {
            let detail = "Could not satisfy the request Accept header.";
            return Some(refusal(StatusCode::NOT_ACCEPTABLE, detail, self.allow));
        }
        if request.method == Method::OPTIONS {
            let metadata: Value = serde_json::from_str(self.metadata).unwrap_or_default();
            return Some(page(StatusCode::OK, &metadata, self.allow));
        }
        if request.method != Method::POST {
            return Some(method_not_allowed(&request.method, self.allow));
        }
        None
    }

    /// The renderers that `?format=` leaves.
    fn renderers(&self, request: &Request) -> Option<Renderers> {
        let query = request.target.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let format = pairs.find(|(name, _)| name == "format").map(|(_, format)| format);
        match format.as_deref() {
            None | Some("") => Some(Renderers { json: true, html: self.browsable }),
            Some("json") => Some(Renderers { json: true, html: false }),
            Some("api") if self.browsable => Some(Renderers { json: false, html: true }),
            Some(_) => None,
        }
    }

    /// `request.data`.
    pub(super) async fn data(&self, request: Request) -> Result<Taken, Rejection> {
        let kind = request.headers.get(CONTENT_TYPE).cloned();
        let body = request.body.read(BODY_LIMIT, BODY_TIME).await?;
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match parse(kind, body).await {
            Ok(data) => Ok(Taken::Data(data)),
            Err((status, detail)) => Ok(Taken::Answer(refusal(status, detail, self.allow))),
        }
    }
}

/// A `CharField` of a serializer: its name, and whether blanks around it are cut off.
pub(super) struct Field<'a>(pub &'a str, pub bool);

/// The fields of a serializer, or what is wrong with each.
pub(super) fn fields<const N: usize>(
    data: &Json,
    wanted: [Field<'_>; N],
) -> Result<[String; N], Value> {
    let Json::Object(given) = data else {
        let message = match data {
            Json::Null => "No data provided".to_owned(),
            _ => format!("Invalid data. Expected a dictionary, but got {}.", data.python_type()),
        };
        return Err(json!({ "non_field_errors": [message] }));
    };
    let mut errors = Map::new();
    let texts = wanted.map(|Field(name, trim)| {
        // Of two with one name the last counts, in Python's dictionaries as in Django's forms.
        let value = given.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
        text(value, trim).unwrap_or_else(|messages| {
            errors.insert(name.into(), messages.into());
            String::new()
        })
    });
    if errors.is_empty() { Ok(texts) } else { Err(errors.into()) }
}

/// What a view could answer with.
#[derive(Clone, Copy)]
struct Renderers {
    json: bool,
    html: bool,
}

/// DRF's negotiation: `q` is ignored.
fn accepts(headers: &HeaderMap, renderers: Renderers) -> bool {
    let Some(accept) = headers.get(ACCEPT) else { return true };
    let accept = accept.to_str().unwrap_or_default().to_ascii_lowercase();
    accept.split(',').any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind == "*/*"
            || (renderers.json && matches!(kind, "application/*" | "application/json"))
            || (renderers.html && matches!(kind, "text/html" | "text/*"))
    })
}

type Refused = (StatusCode, String);

pub(super) async fn parse(content_type: &str, body: Bytes) -> Result<Json, Refused> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bad = |detail: String| (StatusCode::BAD_REQUEST, detail);
    match kind.as_str() {
        // Nothing is an empty form, whatever it is called.
        _ if body.is_empty() => Ok(Json::Object(Vec::new())),
        "application/json" => {
            json::parse(&body).map_err(|error| bad(format!("JSON parse error - {error}")))
        }
        "application/x-www-form-urlencoded" => {
            let pairs = form_urlencoded::parse(&body);
            Ok(Json::Object(pairs.map(|(k, v)| (k.into_owned(), Json::text(&v))).collect()))
        }
        "multipart/form-data" => {
            let fields = form::multipart(content_type, body).await;
            let fields = fields.map_err(|error| {
                let error = match error {
                    multer::Error::NoBoundary => "Invalid boundary in multipart: None".to_owned(),
                    other => other.to_string(),
                };
                bad(format!("Multipart form parse error - {error}"))
            })?;
            Ok(Json::Object(fields.into_iter().map(|(k, v)| (k, Json::text(&v))).collect()))
        }
        _ => {
            let detail = format!("Unsupported media type \"{content_type}\" in request.");
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// DRF's `CharField`.
fn text(value: Option<&Json>, trim: bool) -> Result<String, Vec<String>> {
    let one = |message: &str| Err(vec![message.to_owned()]);
    let (text, surrogate) = match value {
        None => return one("This field is required."),
        Some(Json::Null) => return one("This field may not be null."),
        Some(Json::Text { text, surrogate }) => (text.as_str(), *surrogate),
        Some(Json::Number(digits)) => (digits.as_str(), None),
        Some(Json::Bool | Json::Array | Json::Object(_)) => return one("Not a valid string."),
    };
    let text = if trim { text.trim() } else { text };
    if text.is_empty() {
        return one("This field may not be blank.");
    }
    let mut messages = Vec::new();
    if text.contains('\0') {
        messages.push("Null characters are not allowed.".to_owned());
    }
    if let Some(surrogate) = surrogate {
        messages.push(format!("Surrogate characters are not allowed: U+{surrogate:X}."));
    }
    if messages.is_empty() { Ok(text.to_owned()) } else { Err(messages) }
}
