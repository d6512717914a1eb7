//! DRF's `ObtainAuthToken`: form, multipart or JSON with `username` and `password`; the user's
//! token, made if there is none.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, LOCATION},
};
use serde_json::{Map, Value, json};

use super::{
    Kind, Parts,
    json::{self, Json},
    method_not_allowed, page, refusal,
};
use crate::{
    login::Attempt,
    observe::audit::{self, Event},
    rejection::Rejection,
    request::{Request, form},
    upstream::{Reply, ReplyBody},
    value::Secret,
};

const BODY_LIMIT: usize = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(10);

pub(super) async fn serve(parts: &Parts, request: Request) -> Result<Reply, Rejection> {
    let allow = Kind::Token.allow();
    if !request.target.path().ends_with('/') {
        return Ok(with_slash(&request));
    }
    if !accepts_json(&request.headers) {
        let detail = "Could not satisfy the request Accept header.";
        return Ok(refusal(StatusCode::NOT_ACCEPTABLE, detail, allow));
    }
    if request.method == Method::OPTIONS {
        return Ok(page(StatusCode::OK, &metadata(), allow));
    }
    if request.method != Method::POST {
        return Ok(method_not_allowed(&request.method, allow));
    }
    let client = request.client.address;
    parts.auth_limit.admit(client).map_err(Rejection::Throttled)?;
    let kind = request.headers.get(CONTENT_TYPE).cloned();
    let body = request.body.read(BODY_LIMIT, BODY_TIME).await?;
    let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let data = match parse(kind, body).await {
        Ok(data) => data,
        Err((status, detail)) => return Ok(refusal(status, detail, allow)),
    };
    let (username, password) = match credentials(&data) {
        Ok(credentials) => credentials,
        Err(errors) => return Ok(page(StatusCode::BAD_REQUEST, &errors, allow)),
    };
    let user = match parts.login.attempt(&username, &password, client, "token endpoint").await? {
        Attempt::User(user) => user,
        Attempt::Wait(wait) => return Err(Rejection::Throttled(wait)),
        Attempt::Wrong => {
            let errors = json!({
                "non_field_errors": ["Unable to log in with provided credentials."]
            });
            return Ok(page(StatusCode::BAD_REQUEST, &errors, allow));
        }
    };
    let (token, created) = parts.store.token_of(user.id, parts.clock.now()).await?;
    if created {
        let username = &user.identity.username;
        audit::record(Event::TokenCreated, Some(username), client, "token endpoint");
    }
    Ok(page(StatusCode::OK, &json!({ "token": token.reveal() }), allow))
}

/// Django's `APPEND_SLASH`.
fn with_slash(request: &Request) -> Reply {
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let query = request.target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{}/{query}", request.target.path()));
    if let Ok(location) = location {
        reply.headers_mut().insert(LOCATION, location);
    }
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, html);
    reply.headers_mut().remove(ALLOW);
    super::protect(reply.headers_mut());
    reply
}

/// DRF's negotiation with JSON as the only renderer: `q` is ignored.
fn accepts_json(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(ACCEPT) else { return true };
    let accept = accept.to_str().unwrap_or_default().to_ascii_lowercase();
    accept.split(',').any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        matches!(kind, "*/*" | "application/*" | "application/json")
    })
}

type Refused = (StatusCode, String);

async fn parse(content_type: &str, body: Bytes) -> Result<Json, Refused> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bad = |detail: String| (StatusCode::BAD_REQUEST, detail);
    match kind.as_str() {
        "application/json" if body.is_empty() => Ok(Json::Object(Vec::new())),
        "application/json" => {
            json::parse(&body).map_err(|error| bad(format!("JSON parse error - {error}")))
        }
        "application/x-www-form-urlencoded" => {
            let pairs = form_urlencoded::parse(&body);
            Ok(Json::Object(pairs.map(|(k, v)| (k.into_owned(), Json::text(&v))).collect()))
        }
        "multipart/form-data" => {
            let fields = form::multipart(content_type, body).await;
            let fields =
                fields.map_err(|error| bad(format!("Multipart form parse error - {error}")))?;
            Ok(Json::Object(fields.into_iter().map(|(k, v)| (k, Json::text(&v))).collect()))
        }
        _ => {
            let detail = format!("Unsupported media type \"{content_type}\" in request.");
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// `AuthTokenSerializer`: both fields, or every error.
fn credentials(data: &Json) -> Result<(String, Secret), Value> {
    let Json::Object(fields) = data else {
        let message =
            format!("Invalid data. Expected a dictionary, but got {}.", data.python_type());
        return Err(json!({ "non_field_errors": [message] }));
    };
    // Of two with one name the last counts, in Python's dictionaries as in Django's forms.
    let field =
        |name: &str| fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
    let username = text(field("username"), true);
    let password = text(field("password"), false);
    match (username, password) {
        (Ok(username), Ok(password)) => Ok((username, Secret::new(password))),
        (username, password) => {
            let mut errors = Map::new();
            for (name, result) in [("username", username), ("password", password)] {
                if let Err(messages) = result {
                    errors.insert(name.into(), messages.into());
                }
            }
            Err(errors.into())
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

/// DRF's `SimpleMetadata` of the view.
fn metadata() -> Value {
    serde_json::from_str(METADATA).unwrap_or_default()
}

const METADATA: &str = r#"{"name":"Obtain Auth Token","description":"","renders":["application/json"],"parses":["application/x-www-form-urlencoded","multipart/form-data","application/json"],"actions":{"POST":{"username":{"type":"string","required":true,"read_only":false,"label":"Username"},"password":{"type":"string","required":true,"read_only":false,"label":"Password"},"token":{"type":"string","required":false,"read_only":true,"label":"Token"}}}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(kind: &str, body: &[u8]) -> String {
        match parse(kind, Bytes::copy_from_slice(body)).await {
            Err((status, detail)) => format!("{} {detail}", status.as_u16()),
            Ok(data) => match credentials(&data) {
                Ok((username, password)) => format!("{username}/{}", password.reveal()),
                Err(errors) => errors.to_string(),
            },
        }
    }

    /// What DRF 3.18 answers, where no store is needed.
    #[tokio::test]
    async fn reads_as_the_contract_says() {
        let required =
            r#"{"username":["This field is required."],"password":["This field is required."]}"#;
        for (body, expected) in [
            (r#"{"username":" alice ","password":"x "}"#, "alice/x "),
            (r#"{"username":12,"password":1.5}"#, "12/1.5"),
            ("{}", required),
            ("", required),
            (r#"{"username":"a"}"#, r#"{"password":["This field is required."]}"#),
            (
                r#"{"username":"","password":""}"#,
                r#"{"username":["This field may not be blank."],"password":["This field may not be blank."]}"#,
            ),
            (
                r#"{"username":null,"password":null}"#,
                r#"{"username":["This field may not be null."],"password":["This field may not be null."]}"#,
            ),
            (
                r#"{"username":true,"password":[]}"#,
                r#"{"username":["Not a valid string."],"password":["Not a valid string."]}"#,
            ),
            (
                "[]",
                r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#,
            ),
            (
                "\"x\"",
                r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}"#,
            ),
            (
                r#"{"username":"a\u0000","password":"b"}"#,
                r#"{"username":["Null characters are not allowed."]}"#,
            ),
            (
                r#"{"username":"a\ud800","password":"b"}"#,
                r#"{"username":["Surrogate characters are not allowed: U+D800."]}"#,
            ),
            (
                "{",
                "400 JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            ),
            (
                r#"{"username":NaN}"#,
                "400 JSON parse error - Out of range float values are not JSON compliant: 'NaN'",
            ),
            (
                "\u{feff}{}",
                "400 JSON parse error - Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
            ),
        ] {
            assert_eq!(answer("application/json", body.as_bytes()).await, expected, "{body}");
        }
        assert_eq!(
            answer("application/json", b"{\"username\":\"\xff\"}").await,
            "400 JSON parse error - 'utf-8' codec can't decode byte 0xff in position 13: invalid start byte"
        );
        assert_eq!(answer("", b"x").await, "415 Unsupported media type \"\" in request.");
        assert_eq!(
            answer("text/plain", b"x").await,
            "415 Unsupported media type \"text/plain\" in request."
        );
        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            answer(form, b"username=no&username=alice&password=a%20b%2B+").await,
            "alice/a b+ "
        );
        let multipart = "multipart/form-data; boundary=B";
        let body = b"--B\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\n--B--\r\n";
        assert_eq!(answer(multipart, body).await, "alice/x");
        assert_eq!(METADATA.len(), 425);
        assert_eq!(metadata().to_string(), METADATA);
    }
}
