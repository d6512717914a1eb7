//! A rejection becomes a response here and nowhere else, so that status, challenge, body and log
//! cannot drift apart.

use std::sync::Arc;

use hyper::header::{self, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, de};

use serde_json::{Map, Value};

use crate::{
    language::{Language, write_map},
    rejection::Rejection,
    request::Malformed,
    upstream::{Reply, ReplyBody},
    value::{Path, Problem, Problems},
    web::answer::security_headers,
};

/// The `errors` setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// DRF's `{"detail": …}`.
    Drf,
    /// RFC 9457, `application/problem+json`.
    Problem,
    /// The user's own body.
    Template(TemplateConfig),
}

/// A body of the user's own: a Jinja template with `status`, `title`, `detail`, and `errors` of forms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ErrorTemplate")]
pub struct TemplateConfig {
    /// For example `{"error": {{ detail | tojson }}}`.
    body: String,
    /// Its media type.
    #[serde(default = "json")]
    content_type: String,
}

fn json() -> String {
    "application/json".into()
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Config;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`drf`, `problem`, or a map with `body` and `content_type`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Config, E> {
                match word {
                    "drf" => Ok(Config::Drf),
                    "problem" => Ok(Config::Problem),
                    other => Err(E::unknown_variant(other, &["drf", "problem"])),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Config, A::Error> {
                TemplateConfig::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(Config::Template)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Errors".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let template = generator.subschema_for::<TemplateConfig>();
        schemars::json_schema!({ "anyOf": [{ "enum": ["drf", "problem"] }, template] })
    }
}

/// Renders rejections.
#[derive(Clone)]
pub struct Renderer(Shape);

#[derive(Clone)]
enum Shape {
    Drf,
    Problem,
    Template { environment: Arc<minijinja::Environment<'static>>, content_type: HeaderValue },
}

impl Renderer {
    /// By a configuration.
    ///
    /// # Errors
    /// A template that does not compile or does not render.
    pub fn new(config: &Config, path: &Path) -> Result<Self, Problems> {
        let TemplateConfig { body, content_type } = match config {
            Config::Drf => return Ok(Self(Shape::Drf)),
            Config::Problem => return Ok(Self(Shape::Problem)),
            Config::Template(template) => template,
        };
        let problem = |key: &str, message: String| Problem::new(&path.key(key), message);
        let content_type = HeaderValue::try_from(content_type)
            .map_err(|_| problem("content_type", "this is not a media type".into()))?;
        let mut environment = minijinja::Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        // A refusal may repeat words of the request.
        if content_type.as_bytes().starts_with(b"text/html") {
            environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
        }
        environment
            .add_template_owned("error", body.clone())
            .map_err(|error| problem("body", format!("the template does not compile: {error}")))?;
        let renderer = Self(Shape::Template { environment: Arc::new(environment), content_type });
        match renderer.body(&Rejection::PermissionDenied, None) {
            Some(_) => Ok(renderer),
            None => {
                let problem = problem("body", "the template does not render".into());
                let help = "it may use `status`, `title`, `detail` and `errors`";
                Err(problem.help(help).into())
            }
        }
    }

    /// The response to a rejection.
    pub fn render(&self, rejection: &Rejection, of: &Rendering<'_>) -> Reply {
        let body = self.body(rejection, of.language).unwrap_or_default();
        let mut reply = Reply::new(ReplyBody::full(body));
        *reply.status_mut() = rejection.status();
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type());
        for challenge in rejection.challenges() {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(seconds) = rejection.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if of.negotiates {
            headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        }
        if let Some(allow) = of.allow {
            headers.insert(header::ALLOW, allow.clone());
        } else if let Rejection::Malformed(Malformed::Method) = rejection {
            let allow = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        security_headers(headers);
        if rejection.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }

    fn content_type(&self) -> HeaderValue {
        match &self.0 {
            Shape::Drf => HeaderValue::from_static("application/json"),
            Shape::Problem => HeaderValue::from_static("application/problem+json"),
            Shape::Template { content_type, .. } => content_type.clone(),
        }
    }

    fn body(&self, rejection: &Rejection, language: Option<&Language>) -> Option<String> {
        let detail = rejection.detail();
        let detail = detail.in_language(language);
        let status = rejection.status();
        let title = status.canonical_reason().unwrap_or_default();
        let errors = || rejection.errors().map(|errors| errors.write(language));
        let members = || write_map(rejection.members().iter().map(|(k, v)| (*k, v)), language);
        match &self.0 {
            Shape::Drf => {
                if let Some(body) = rejection.custom_body().cloned().or_else(errors) {
                    return Some(escaped(&body));
                }
                let mut body = Map::from_iter([("detail".to_owned(), Value::from(&*detail))]);
                body.extend(members());
                Some(escaped(&Value::Object(body)))
            }
            Shape::Problem => {
                let mut body = Map::from_iter([
                    ("title".to_owned(), Value::from(title)),
                    ("status".to_owned(), Value::from(status.as_u16())),
                    ("detail".to_owned(), Value::from(&*detail)),
                ]);
                body.extend(members());
                body.extend(errors().map(|errors| ("errors".to_owned(), errors)));
                Some(escaped(&Value::Object(body)))
            }
            Shape::Template { environment, .. } => {
                let context = minijinja::context! {
                    status => status.as_u16(), title, detail => &*detail, errors => in_template(errors())
                };
                environment.get_template("error").ok()?.render(context).ok()
            }
        }
    }
}

/// What a refusal is rendered for.
#[derive(Clone, Copy, Default)]
pub struct Rendering<'a> {
    /// The methods that the route says it has.
    pub allow: Option<&'a HeaderValue>,
    /// Whether the view behind has more than one renderer, as DRF's have by default.
    pub negotiates: bool,
    /// What the client is told in, if not in English.
    pub language: Option<&'a Language>,
}

/// Errors as a template takes them; none where there are none.
fn in_template(errors: Option<Value>) -> Option<minijinja::Value> {
    serde_json::from_value(errors?).ok()
}

/// As DRF writes JSON: what JavaScript takes for the end of a line is escaped.
fn escaped(body: &serde_json::Value) -> String {
    const FIRST_BYTE: u8 = 0xe2;
    let mut text = Vec::with_capacity(256);
    let written = serde_json::to_writer(&mut text, body);
    let text = String::from_utf8(text).ok().filter(|_| written.is_ok()).unwrap_or_default();
    // Most bodies are ASCII, and a byte is found faster than a character.
    match text.as_bytes().contains(&FIRST_BYTE) {
        true => text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::StatusCode;

    use super::*;
    use crate::{language::Content, rejection::Challenges};

    async fn body(reply: Reply) -> String {
        let bytes = reply.into_body().collect().await.map(|body| body.to_bytes());
        String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
    }

    fn render(renderer: &Renderer, rejection: &Rejection) -> Reply {
        renderer.render(rejection, &Rendering::default())
    }

    #[tokio::test]
    async fn drf_s_bodies_byte_for_byte() {
        let renderer = Renderer::new(&Config::Drf, &Path::root()).unwrap();
        let rejection = Rejection::NotAuthenticated(Challenges::default());
        let reply = render(&renderer, &rejection);
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            body(reply).await,
            r#"{"detail":"Authentication credentials were not provided."}"#
        );
        assert_eq!(
            body(render(&renderer, &Rejection::PermissionDenied)).await,
            r#"{"detail":"You do not have permission to perform this action."}"#
        );
        let errors = Content::field_error("username", "This field is required.");
        assert_eq!(
            body(render(&renderer, &Rejection::Invalid(errors))).await,
            r#"{"username":["This field is required."]}"#
        );
        let wait = std::time::Duration::from_millis(3200);
        let reply = render(&renderer, &Rejection::Throttled(wait));
        assert_eq!(reply.headers().get("retry-after").unwrap(), "4");
        assert_eq!(
            body(reply).await,
            r#"{"detail":"Request was throttled. Expected available in 4 seconds."}"#
        );
    }

    #[tokio::test]
    async fn other_shapes() {
        let renderer = Renderer::new(&Config::Problem, &Path::root()).unwrap();
        let reply = render(&renderer, &Rejection::NoRoute);
        assert_eq!(reply.headers().get("content-type").unwrap(), "application/problem+json");
        assert_eq!(
            body(reply).await,
            r#"{"title":"Not Found","status":404,"detail":"Not found."}"#
        );
        let errors = Content::field_error("username", "This field is required.");
        assert_eq!(
            body(render(&renderer, &Rejection::Invalid(errors))).await,
            r#"{"title":"Bad Request","status":400,"detail":"Invalid input.","errors":{"username":["This field is required."]}}"#
        );
        let own = |body: &str| {
            Config::Template(TemplateConfig { body: body.into(), content_type: json() })
        };
        let renderer = Renderer::new(&own(r#"{"e":{{ detail|tojson }}}"#), &Path::root()).unwrap();
        assert_eq!(body(render(&renderer, &Rejection::NoRoute)).await, r#"{"e":"Not found."}"#);
        // Attack: a page of the operator's own repeats a client's words, with a script in them.
        let page = Config::Template(TemplateConfig {
            body: "<p>{{ detail }}</p>".into(),
            content_type: "text/html; charset=utf-8".into(),
        });
        let renderer = Renderer::new(&page, &Path::root()).unwrap();
        let origin = Rejection::Unparsable(crate::language::Text::Verbatim("<script>".into()));
        assert_eq!(body(render(&renderer, &origin)).await, "<p>&lt;script&gt;</p>");
        assert!(Renderer::new(&own("{{ nope }}"), &Path::root()).is_err());
        assert!(Renderer::new(&own("{{"), &Path::root()).is_err());
    }
}
