//! django-rest-knox's pages: a token for who is let in, and its end.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Parts, drf::View, page, protect, user_id};
use crate::{
    clock::Timestamp,
    identity::Identity,
    observe::audit::{self, Event},
    policy::Admitted,
    rejection::Rejection,
    request::{
        Request,
        credentials::{Authorization, Credential},
    },
    upstream::{Reply, ReplyBody},
};

const LOGIN: View = view(
    r#"{"name":"Login","description":"","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}"#,
);
const LOGOUT: View = view(
    r#"{"name":"Logout","description":"","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}"#,
);
const LOGOUT_ALL: View = view(
    r#"{"name":"Logout All","description":"Log the user out of all sessions\nI.E. deletes all auth tokens for the user","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}"#,
);

const fn view(metadata: &'static str) -> View {
    View { allow: "POST, OPTIONS", browsable: true, metadata }
}

pub(super) async fn login(
    parts: &Parts,
    request: Request,
    admitted: &Admitted,
) -> Result<Reply, Rejection> {
    if let Some(answer) = LOGIN.before(&request) {
        return Ok(answer);
    }
    // A service, or a user of somebody else's, has no row that a token could belong to.
    let (Some(caller), Some(id)) = (admitted.caller(), user_id(admitted)) else {
        return Err(Rejection::PermissionDenied);
    };
    let Some(made) = parts.knox.create(id).await? else {
        let errors = json!({ "error": "Maximum amount of tokens allowed per user exceeded." });
        return Ok(page(StatusCode::FORBIDDEN, &errors, LOGIN.allow));
    };
    let username = &caller.identity.username;
    audit::record(Event::TokenCreated, Some(username), request.client.address, "knox login");
    let mut body = Map::new();
    body.insert("expiry".into(), made.expiry.map(iso_8601).into());
    body.insert("token".into(), made.token.reveal().into());
    if let Some(fields) = parts.knox.user_fields() {
        let of_user = fields.iter().map(|field| (field.clone(), value(&caller.identity, field)));
        body.insert("user".into(), Value::Object(of_user.collect()));
    }
    Ok(page(StatusCode::OK, &body.into(), LOGIN.allow))
}

pub(super) async fn logout(
    parts: &Parts,
    request: Request,
    admitted: &Admitted,
    all: bool,
) -> Result<Reply, Rejection> {
    let view = if all { LOGOUT_ALL } else { LOGOUT };
    if let Some(answer) = view.before(&request) {
        return Ok(answer);
    }
    let Some(caller) = admitted.caller() else { return Err(Rejection::PermissionDenied) };
    let client = request.client.address;
    match all {
        true => {
            let Some(id) = user_id(admitted) else { return Err(Rejection::PermissionDenied) };
            parts.knox.delete_all(id).await?;
        }
        false => {
            let token = Authorization::read(&request.headers).map(|field| field.credential);
            let Some(Credential::One(token)) = token else {
                return Err(Rejection::PermissionDenied);
            };
            parts.knox.delete(&String::from_utf8_lossy(token)).await?;
        }
    }
    audit::record(Event::LoggedOut, Some(&caller.identity.username), client, "knox logout");
    let mut reply = Reply::new(ReplyBody::full(""));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    protect(reply.headers_mut());
    let allow = hyper::header::HeaderValue::from_static(view.allow);
    reply.headers_mut().insert(hyper::header::ALLOW, allow);
    Ok(reply)
}

/// DRF's `DateTimeField` in UTC.
fn iso_8601(moment: Timestamp) -> String {
    let text = moment.to_string().replacen(' ', "T", 1);
    format!("{}Z", text.strip_suffix(".000000").unwrap_or(&text))
}

fn value(identity: &Identity, field: &str) -> Value {
    match field {
        "id" => identity.id.as_deref().and_then(|id| id.parse::<i64>().ok()).into(),
        "username" => (*identity.username).into(),
        "email" => (*identity.email).into(),
        "is_staff" => identity.staff.into(),
        "is_superuser" => identity.superuser.into(),
        _ => Value::Null,
    }
}
