//! What DRF's views do before their own work: negotiation, `OPTIONS`, methods, and parsing.

use std::{borrow::Cow, time::Duration};

use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Map, Value, json};

use super::{
    answer, charset,
    field::{Field, Fields},
    json::{self, Json},
};
use crate::{
    language::{Content, Language, Text},
    rejection::Rejection,
    request::{Request, form},
    upstream::Reply,
};

/// How much of a body a page of the gateway's own reads, and how long it waits for it.
pub const BODY_LIMIT: usize = 64 << 10;
/// See [`BODY_LIMIT`].
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// A view: what it is called, its methods with their fields, and how it renders. `OPTIONS`, `Allow`
/// and DRF's errors follow from it.
#[derive(Clone, Debug)]
pub struct View {
    name: &'static str,
    description: &'static str,
    methods: Vec<(Method, Vec<Field>)>,
    browsable: bool,
    parsers: [&'static str; 3],
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

impl View {
    /// A view with DRF's default renderers and parsers.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        let parsers = [JSON, FORM, MULTIPART];
        Self { name, description, methods: Vec::new(), browsable: true, parsers }
    }

    /// With a method, and the fields of its serializer; none where it has no serializer.
    #[must_use]
    pub fn method(mut self, method: Method, fields: Vec<Field>) -> Self {
        self.methods.push((method, fields));
        self
    }

    /// Without DRF's browsable renderer: a client that wants HTML is refused. With it such a client
    /// gets JSON.
    #[must_use]
    pub fn json_only(self) -> Self {
        self.browsable(false)
    }

    /// With DRF's browsable renderer, or without it, as the project's defaults are.
    #[must_use]
    pub fn browsable(self, browsable: bool) -> Self {
        Self { browsable, ..self }
    }

    /// With forms before JSON in what `OPTIONS` lists.
    #[must_use]
    pub fn forms_first(self) -> Self {
        Self { parsers: [FORM, MULTIPART, JSON], ..self }
    }

    /// Whether DRF says `Vary: Accept`: there is more than one renderer.
    pub fn negotiates(&self) -> bool {
        self.browsable
    }

    /// `Allow`.
    pub fn allow(&self) -> String {
        let names = self.methods.iter().map(|(method, _)| method.as_str());
        names.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
    }

    /// The fields of a method.
    fn fields(&self, method: &Method) -> &[Field] {
        let found = self.methods.iter().find(|(known, _)| known == method);
        found.map_or(&[], |(_, fields)| fields)
    }

    /// Everything before the view's own work; the answer, if that is all.
    ///
    /// # Errors
    /// A format or method that the view does not have.
    pub fn before(
        &self,
        request: &Request,
        language: Option<&Language>,
    ) -> Result<Option<Reply>, Rejection> {
        let renderers = self.renderers(request).ok_or(Rejection::NoRoute)?;
        if !accepts(&request.headers, renderers) {
            return Err(Rejection::NotAcceptable);
        }
        if request.method == Method::OPTIONS {
            let metadata = Content::Data(self.metadata(language));
            return Ok(Some(answer::json(StatusCode::OK, &metadata, None)));
        }
        match self.methods.iter().any(|(method, _)| *method == request.method) {
            true => Ok(None),
            false => Err(Rejection::MethodNotAllowed(request.method.clone())),
        }
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

    /// DRF's `SimpleMetadata`.
    fn metadata(&self, language: Option<&Language>) -> Value {
        let renders: &[&str] = if self.browsable { &[JSON, "text/html"] } else { &[JSON] };
        let mut said = Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("description".to_owned(), json!(self.description)),
            ("renders".to_owned(), json!(renders)),
            ("parses".to_owned(), json!(self.parsers)),
        ]);
        let mut actions = Map::new();
        for (method, fields) in self.methods.iter().filter(|(_, fields)| !fields.is_empty()) {
            let fields =
                fields.iter().map(|field| (field.name().to_owned(), field.metadata(language)));
            actions.insert(method.as_str().to_owned(), Value::Object(fields.collect()));
        }
        if !actions.is_empty() {
            said.insert("actions".to_owned(), Value::Object(actions));
        }
        said.into()
    }

    /// `request.data`.
    ///
    /// # Errors
    /// A body that cannot be read.
    pub async fn data(&self, request: Request) -> Result<Json, Rejection> {
        let kind = request.headers.get(CONTENT_TYPE).cloned();
        let body = request.body.read(BODY_LIMIT, BODY_TIME).await?;
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        parse(kind, body).await
    }

    /// The fields of a method in `request.data`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(&self, method: &Method, data: &Json) -> Result<Fields, Rejection> {
        Fields::read(data, self.fields(method)).map_err(Rejection::Invalid)
    }
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

/// A body by its type: JSON, a form, or a multipart form.
///
/// # Errors
/// A body that cannot be read, as DRF says it.
pub async fn parse(content_type: &str, body: Bytes) -> Result<Json, Rejection> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let unparsable = |what: &str, error: Cow<'_, str>| {
        Rejection::Unparsable(Text::Verbatim(format!("{what} parse error - {error}").into()))
    };
    match kind.as_str() {
        // Nothing is an empty form, whatever it is called.
        _ if body.is_empty() => Ok(Json::Object(Vec::new())),
        JSON => charset::to_utf8(content_type, &body)
            .and_then(|text| json::parse(&text))
            .map_err(|error| unparsable("JSON", error.into())),
        FORM => {
            let pairs = form_urlencoded::parse(&body);
            Ok(Json::Object(pairs.map(|(k, v)| (k.into_owned(), Json::text(&v))).collect()))
        }
        MULTIPART => {
            let fields = form::multipart(content_type, body).await.map_err(|error| {
                let error = match error {
                    multer::Error::NoBoundary => "Invalid boundary in multipart: None".into(),
                    other => other.to_string().into(),
                };
                unparsable("Multipart form", error)
            })?;
            Ok(Json::Object(fields.into_iter().map(|(k, v)| (k, Json::text(&v))).collect()))
        }
        _ => Err(Rejection::UnsupportedMediaType(content_type.into())),
    }
}
