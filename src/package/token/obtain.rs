//! DRF's `ObtainAuthToken`: form, multipart or JSON with `username` and `password`; the user's
//! token, made if there is none.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use super::Tokens;
use crate::{
    account::{Accounts, Grant, LogIn, Submitted},
    language::Content,
    observe::audit::{By, Event, record},
    package::{Handler, PageCall, PageContext, Site},
    rejection::Rejection,
    upstream::Reply,
    value::{Problems, Secret},
    web::{Field, View, answer},
};

pub(super) const UNABLE: &str = "Unable to log in with provided credentials.";

struct Obtain {
    view: View,
    accounts: Arc<Accounts>,
    tokens: Arc<Tokens>,
}

pub(super) fn build(site: &Site<'_>, _: &PageContext<'_>) -> Result<Arc<dyn Handler>, Problems> {
    let (accounts, tokens) = (Arc::clone(site.accounts), site.shared::<Tokens>()?);
    Ok(Arc::new(Obtain { view: view(), accounts, tokens }))
}

/// With `AuthTokenSerializer`.
fn view() -> View {
    let fields = vec![
        Field::text("username").label("Username"),
        Field::untrimmed("password").label("Password"),
        Field::text("token").label("Token").read_only(),
    ];
    View::new("Obtain Auth Token", "").method(Method::POST, fields).json_only().forms_first()
}

impl Handler for Obtain {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(self.obtain(call))
    }
}

impl Obtain {
    async fn obtain(&self, call: PageCall<'_>) -> Result<Reply, Rejection> {
        if let Some(answer) = self.view.before(&call.request, call.language)? {
            return Ok(answer);
        }
        let (client, headers) = (call.client().address, call.request.headers.clone());
        let data = self.view.data(call.request).await?;
        let fields = self.view.read(&Method::POST, &data)?;
        let by = By::page("token", "obtain");
        let password = Secret::new(fields.text("password").to_owned());
        let username = fields.text("username");
        let submitted = Submitted { username, password: &password, client, by };
        let user = match self.accounts.log_in("password", &submitted).await? {
            LogIn::User(user) => user,
            LogIn::Wait(wait) => return Err(Rejection::Throttled(wait)),
            LogIn::Wrong => {
                return Err(Rejection::Invalid(Content::field_error("non_field_errors", UNABLE)));
            }
            // The protocol has no place for a second step.
            LogIn::SecondFactor(_) => return Err(Rejection::PermissionDenied),
        };
        let granted = self.tokens.issue(&user, &headers).await?;
        if granted.is_new {
            record(Event::TokenCreated, Some(&user.identity.username), client, by);
        }
        let values = granted.values.iter();
        let mut body: Map<String, Value> =
            values.map(|(name, token)| ((*name).to_owned(), token.reveal().into())).collect();
        for (name, field) in &self.tokens.fields {
            body.insert(name.clone(), user.identity.json(field));
        }
        Ok(answer::json(StatusCode::OK, &Value::Object(body).into(), None))
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;
    use crate::web::parse;

    async fn answer(kind: &str, body: &[u8]) -> String {
        match parse(kind, Bytes::copy_from_slice(body)).await {
            Err(rejection) => {
                format!("{} {}", rejection.status().as_u16(), rejection.detail().english())
            }
            Ok(data) => match view().read(&Method::POST, &data) {
                Ok(fields) => format!("{}/{}", fields.text("username"), fields.text("password")),
                Err(rejection) => rejection.errors().unwrap().write(None).to_string(),
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
    }
}
