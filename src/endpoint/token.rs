//! DRF's `ObtainAuthToken`: form, multipart or JSON with `username` and `password`; the user's
//! token, made if there is none.

use hyper::StatusCode;
use serde_json::json;

use super::{
    Parts,
    drf::{self, Field, Taken, View},
    page,
};
use crate::{
    login::Attempt,
    observe::audit::{self, Event},
    rejection::Rejection,
    request::Request,
    upstream::Reply,
    value::Secret,
};

const VIEW: View = View { allow: "POST, OPTIONS", browsable: false, metadata: METADATA };

pub(super) async fn serve(parts: &Parts, request: Request) -> Result<Reply, Rejection> {
    if let Some(answer) = VIEW.before(&request) {
        return Ok(answer);
    }
    let client = request.client.address;
    parts.auth_limit.admit(client).map_err(Rejection::Throttled)?;
    let data = match VIEW.data(request).await? {
        Taken::Data(data) => data,
        Taken::Answer(answer) => return Ok(answer),
    };
    let bad = |errors| Ok(page(StatusCode::BAD_REQUEST, &errors, VIEW.allow));
    // `AuthTokenSerializer`.
    let (username, password) = match drf::fields(&data, [USERNAME, PASSWORD]) {
        Ok([username, password]) => (username, Secret::new(password)),
        Err(errors) => return bad(errors),
    };
    let user = match parts.login.attempt(&username, &password, client, "token endpoint").await? {
        Attempt::User(user) => user,
        Attempt::Wait(wait) => return Err(Rejection::Throttled(wait)),
        Attempt::Wrong => {
            return bad(json!({
                "non_field_errors": ["Unable to log in with provided credentials."]
            }));
        }
    };
    let (token, created) = parts.store.token_of(user.id, parts.clock.now()).await?;
    if created {
        let username = &user.identity.username;
        audit::record(Event::TokenCreated, Some(username), client, "token endpoint");
    }
    Ok(page(StatusCode::OK, &json!({ "token": token.reveal() }), VIEW.allow))
}

const USERNAME: Field<'_> = Field("username", true);
const PASSWORD: Field<'_> = Field("password", false);

/// DRF's `SimpleMetadata` of the view.
const METADATA: &str = r#"{"name":"Obtain Auth Token","description":"","renders":["application/json"],"parses":["application/x-www-form-urlencoded","multipart/form-data","application/json"],"actions":{"POST":{"username":{"type":"string","required":true,"read_only":false,"label":"Username"},"password":{"type":"string","required":true,"read_only":false,"label":"Password"},"token":{"type":"string","required":false,"read_only":true,"label":"Token"}}}}"#;

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    async fn answer(kind: &str, body: &[u8]) -> String {
        match drf::parse(kind, Bytes::copy_from_slice(body)).await {
            Err((status, detail)) => format!("{} {detail}", status.as_u16()),
            Ok(data) => match drf::fields(&data, [USERNAME, PASSWORD]) {
                Ok([username, password]) => format!("{username}/{password}"),
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
    }
}
