//! A rejection becomes a response here and nowhere else, so that status, challenge, body and log
//! cannot drift apart.

use std::sync::Arc;

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use schemars::JsonSchema;
use serde::{Deserialize, de};

use crate::{
    endpoint::protect,
    rejection::Rejection,
    request::Malformed,
    store::cache::Members,
    upstream::{Reply, ReplyBody},
    value::{Path, Problem, Problems},
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

/// A body of the user's own: a Jinja template with `status`, `title` and `detail`.
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
        environment
            .add_template_owned("error", body.clone())
            .map_err(|error| problem("body", format!("the template does not compile: {error}")))?;
        let renderer = Self(Shape::Template { environment: Arc::new(environment), content_type });
        match renderer.body(StatusCode::FORBIDDEN, "x", None) {
            Some(_) => Ok(renderer),
            None => {
                let problem = problem("body", "the template does not render".into());
                Err(problem.help("it may use `status`, `title` and `detail`").into())
            }
        }
    }

    /// The response to a rejection. `allow` is the route's, where it says which methods it has.
    pub fn render(&self, rejection: &Rejection, allow: Option<&HeaderValue>) -> Reply {
        let status = rejection.status();
        let body = match (&self.0, rejection.said()) {
            (Shape::Drf, Some(said)) => Some(escaped(said)),
            _ => self.body(status, &rejection.detail(), rejection.members()),
        };
        let body = body.unwrap_or_default();
        let mut reply = Reply::new(ReplyBody::full(body));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type());
        for challenge in rejection.challenges() {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(seconds) = rejection.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow.clone());
        } else if let Rejection::Malformed(Malformed::Method) = rejection {
            let allow = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        protect(headers);
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

    fn body(&self, status: StatusCode, detail: &str, members: Option<&Members>) -> Option<String> {
        let title = status.canonical_reason().unwrap_or_default();
        let with_members = |mut body: serde_json::Value| {
            if let (Some(body), Some(members)) = (body.as_object_mut(), members) {
                body.extend(members.clone());
            }
            Some(escaped(&body))
        };
        match &self.0 {
            Shape::Drf => with_members(serde_json::json!({ "detail": detail })),
            Shape::Problem => {
                let status = status.as_u16();
                with_members(
                    serde_json::json!({ "title": title, "status": status, "detail": detail }),
                )
            }
            Shape::Template { environment, .. } => {
                let context = minijinja::context! { status => status.as_u16(), title, detail };
                environment.get_template("error").ok()?.render(context).ok()
            }
        }
    }
}

/// As DRF writes JSON: what JavaScript takes for the end of a line is escaped.
fn escaped(body: &serde_json::Value) -> String {
    const FIRST_BYTE: u8 = 0xe2;
    let text = body.to_string();
    // Most bodies are ASCII, and a byte is found faster than a character.
    match text.as_bytes().contains(&FIRST_BYTE) {
        true => text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::chain::Challenges;

    async fn body(reply: Reply) -> String {
        let bytes = reply.into_body().collect().await.map(|body| body.to_bytes());
        String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn drf_s_bodies_byte_for_byte() {
        let renderer = Renderer::new(&Config::Drf, &Path::root()).unwrap();
        let rejection = Rejection::NotAuthenticated(Challenges::default());
        let reply = renderer.render(&rejection, None);
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        let n = body(reply).await;
        assert_eq!(
            crate::crypto::digest::sha256_hex(n.as_bytes()),
            "dbff0849bc109eee7f9b7b1fe12e40fc8add21823b2f1fb600b37f620cbd7862"
        );
        let p = body(renderer.render(&Rejection::PermissionDenied, None)).await;
        assert_eq!(
            crate::crypto::digest::sha256_hex(p.as_bytes()),
            "9cd1a74094aa824be194aab50f0b8114351284e76fa15f73b3ec84a233204796"
        );
        let wait = std::time::Duration::from_millis(3200);
        let reply = renderer.render(&Rejection::Throttled(wait), None);
        assert_eq!(reply.headers().get("retry-after").unwrap(), "4");
        assert_eq!(
            body(reply).await,
            r#"{"detail":"Request was throttled. Expected available in 4 seconds."}"#
        );
    }

    #[tokio::test]
    async fn other_shapes() {
        let renderer = Renderer::new(&Config::Problem, &Path::root()).unwrap();
        let reply = renderer.render(&Rejection::NoRoute, None);
        assert_eq!(reply.headers().get("content-type").unwrap(), "application/problem+json");
        assert_eq!(
            body(reply).await,
            r#"{"title":"Not Found","status":404,"detail":"Not found."}"#
        );
        let own = |body: &str| {
            Config::Template(TemplateConfig { body: body.into(), content_type: json() })
        };
        let renderer = Renderer::new(&own(r#"{"e":{{ detail|tojson }}}"#), &Path::root()).unwrap();
        assert_eq!(body(renderer.render(&Rejection::NoRoute, None)).await, r#"{"e":"Not found."}"#);
        assert!(Renderer::new(&own("{{ nope }}"), &Path::root()).is_err());
        assert!(Renderer::new(&own("{{"), &Path::root()).is_err());
    }
}
