//! The token page, DRF's `ObtainAuthToken`, end to end.

use crate::support::{Answer, Gateway, PASSWORD, Setup, gateway::ALICE_KEY};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const ROUTES: &str =
    "routes:\n- { path: /api-token-auth/, endpoint: token }\n- { path: /, upstream: echo }\n";
const UNABLE: &str = r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#;
const REQUIRED: &str =
    r#"{"username":["This field is required."],"password":["This field is required."]}"#;

fn gateway(chain: &str) -> Gateway {
    Setup::new()
        .alice()
        .inactive("bob", PASSWORD)
        .user("carol", "päss wörd ")
        .user("12", "1.5")
        .start(&format!(
            "lockout: false\nauth_rate: 100000/min\nauthentication: {chain}\npermission: authenticated\n{ROUTES}"
        ))
}

fn post(gateway: &Gateway, kind: &str, body: &[u8]) -> Answer {
    gateway.send("POST", "/api-token-auth/", &[("Content-Type", kind)], body)
}

fn assert_answer(answer: &Answer, status: u16, body: &str, row: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body), "{row}");
    assert_eq!(answer.header("content-type"), Some(JSON), "{row}");
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"), "{row}");
    assert_eq!(answer.header("set-cookie"), None, "{row}");
}

/// The rule: form, multipart and JSON give the same key, made once; it opens the API.
#[test]
fn a_password_buys_a_token() {
    let gateway = gateway("[token]");
    let alice = format!(r#"{{"token":"{ALICE_KEY}"}}"#);
    let multipart = "multipart/form-data; boundary=B";
    let parts = b"--B\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ncorrect horse\r\n--B--\r\n";
    for (kind, body) in [
        (JSON, &br#"{"username":"alice","password":"correct horse"}"#[..]),
        (JSON, br#"{"username":" alice ","password":"correct horse","more":[1]}"#),
        ("application/json; charset=utf-8", br#"{"username":"alice","password":"correct horse"}"#),
        (FORM, b"username=alice&password=correct+horse"),
        (multipart, parts),
    ] {
        assert_answer(&post(&gateway, kind, body), 200, &alice, kind);
    }
    let body = r#"{"username":"carol","password":"päss wörd "}"#.as_bytes();
    let first = post(&gateway, JSON, body);
    let key = first.json()["token"].as_str().unwrap().to_owned();
    assert!(
        key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "{key}"
    );
    assert_eq!(post(&gateway, JSON, body).text(), first.text(), "the same key again");
    let inside = gateway.get("/", &[("Authorization", &format!("Token {key}"))]);
    assert_eq!(inside.echoed("remote-user").as_deref(), Some("carol"));
    let numbers = post(&gateway, JSON, br#"{"username":12,"password":1.5}"#);
    assert_eq!(numbers.status, 200, "numbers are text: {}", numbers.text());
}

/// The rule: every 400 of the contract, byte for byte.
#[test]
fn refusals_are_drf_s() {
    let gateway = gateway("[token]");
    let not_utf8 = br#"{"username":"#.iter().chain(b"\"\xff\"}").copied().collect::<Vec<u8>>();
    let detail = |text: &str| serde_json::json!({ "detail": text }).to_string();
    let rows: Vec<(&[u8], String)> = vec![
        (br#"{"username":"alice","password":"wrong"}"#, UNABLE.into()),
        (br#"{"username":"alice","password":"correct horse "}"#, UNABLE.into()),
        (br#"{"username":"nobody","password":"correct horse"}"#, UNABLE.into()),
        (br#"{"username":"bob","password":"correct horse"}"#, UNABLE.into()),
        (br#"{"username":"Alice","password":"correct horse"}"#, UNABLE.into()),
        (b"", REQUIRED.into()),
        (b"{}", REQUIRED.into()),
        (br#"{"username":"alice"}"#, r#"{"password":["This field is required."]}"#.into()),
        (
            br#"{"username":"","password":""}"#,
            r#"{"username":["This field may not be blank."],"password":["This field may not be blank."]}"#.into(),
        ),
        (
            br#"{"username":null,"password":null}"#,
            r#"{"username":["This field may not be null."],"password":["This field may not be null."]}"#.into(),
        ),
        (
            br#"{"username":true,"password":[]}"#,
            r#"{"username":["Not a valid string."],"password":["Not a valid string."]}"#.into(),
        ),
        (
            b"[]",
            r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#.into(),
        ),
        (
            b"\"x\"",
            r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}"#.into(),
        ),
        (
            br#"{"username":"a\u0000","password":"b"}"#,
            r#"{"username":["Null characters are not allowed."]}"#.into(),
        ),
        (
            br#"{"username":"a\ud800","password":"b"}"#,
            r#"{"username":["Surrogate characters are not allowed: U+D800."]}"#.into(),
        ),
        (
            b"{",
            detail("JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ),
        (
            br#"{"username":NaN}"#,
            detail("JSON parse error - Out of range float values are not JSON compliant: 'NaN'"),
        ),
        (
            &not_utf8,
            detail("JSON parse error - 'utf-8' codec can't decode byte 0xff in position 13: invalid start byte"),
        ),
        (
            b"\xef\xbb\xbf{}",
            detail("JSON parse error - Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
        ),
    ];
    for (body, expected) in rows {
        let row = String::from_utf8_lossy(body).into_owned();
        assert_answer(&post(&gateway, JSON, body), 400, &expected, &row);
    }
    assert_answer(&post(&gateway, FORM, b"username=alice&password=wrong"), 400, UNABLE, "a form");
}

/// The rule: media type, negotiation, method and missing slash as DRF and Django answer them.
#[test]
fn everything_around_the_body() {
    let gateway = gateway("[token]");
    let right = br#"{"username":"alice","password":"correct horse"}"#;
    let path = "/api-token-auth/";
    let unsupported = |kind: &str| {
        serde_json::json!({ "detail": format!("Unsupported media type \"{kind}\" in request.") })
            .to_string()
    };
    let answer = gateway.send("POST", path, &[], right);
    assert_answer(&answer, 415, &unsupported(""), "no content type");
    assert_answer(&post(&gateway, "text/plain", right), 415, &unsupported("text/plain"), "text");

    let acceptable = r#"{"detail":"Could not satisfy the request Accept header."}"#;
    for accept in ["text/html", "application/xml", ""] {
        let headers = [("Content-Type", JSON), ("Accept", accept)];
        assert_answer(&gateway.send("POST", path, &headers, right), 406, acceptable, accept);
    }
    for accept in ["*/*", "application/*", "text/html, */*;q=0.1", "application/json;q=0"] {
        let headers = [("Content-Type", JSON), ("Accept", accept)];
        assert_eq!(gateway.send("POST", path, &headers, right).status, 200, "{accept}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let body = format!("{{\"detail\":\"Method \\\"{method}\\\" not allowed.\"}}");
        assert_answer(&gateway.send(method, path, &[], b""), 405, &body, method);
    }
    assert_eq!(gateway.send("HEAD", path, &[], b"").status, 405);
    let options = gateway.send("OPTIONS", path, &[], b"");
    assert_eq!((options.status, options.body.len()), (200, 425));
    for method in ["GET", "POST"] {
        let answer = gateway.send(method, "/api-token-auth?a=b", &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (301, ""), "{method}");
        assert_eq!(answer.header("location"), Some("/api-token-auth/?a=b"));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
}

/// The rule: the project's default classes run before the page, so a stale token blocks log-in; a
/// route with an empty list switches that off.
#[test]
fn the_default_classes_run_first() {
    let stale = ("Authorization", "Token stale");
    let headers = [("Content-Type", JSON), stale];
    let right = br#"{"username":"alice","password":"correct horse"}"#;
    let first = gateway("[token]");
    let answer = first.send("POST", "/api-token-auth/", &headers, right);
    assert_eq!((answer.status, answer.text().as_str()), (401, r#"{"detail":"Invalid token."}"#));
    assert_eq!(answer.header("www-authenticate"), Some("Token"));

    let open = Gateway::start(
        "authentication: [token]\npermission: authenticated\n\
         routes: [{ path: /api-token-auth/, authentication: [], endpoint: token }]\n",
    );
    assert_eq!(open.send("POST", "/api-token-auth/", &headers, right).status, 200);
}

/// Attack: passwords are guessed on the token page, as fast as it answers. `auth_rate` limits them
/// by network, whatever address the client claims.
#[test]
fn the_page_has_a_limit() {
    let gateway = Setup::new().alice().start(&format!(
        "auth_rate: 3/hour\nlockout: false\nauthentication: [token]\npermission: authenticated\n{ROUTES}"
    ));
    let mut seen = Vec::new();
    for number in 0..5 {
        let forged = format!("192.0.2.{number}");
        let headers =
            [("Content-Type", JSON), ("X-Forwarded-For", &forged), ("X-Real-IP", &forged)];
        let body = br#"{"username":"alice","password":"wrong"}"#;
        let answer = gateway.send("POST", "/api-token-auth/", &headers, body);
        if answer.status == 429 {
            let wait = answer.header("retry-after").unwrap().parse::<u64>().unwrap();
            let detail = format!("Request was throttled. Expected available in {wait} seconds.");
            assert_eq!(answer.json()["detail"], detail.as_str());
            assert!((1..=3600).contains(&wait), "{wait}");
        }
        seen.push(answer.status);
    }
    assert_eq!(seen, [400, 400, 400, 429, 429]);
}

/// Attack: a body of gigabytes, or one that never ends, is held in memory by a page of our own.
#[test]
fn a_body_too_large_for_the_page_is_413() {
    let gateway = gateway("[token]");
    let head = "POST /api-token-auth/ HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: 10000000000\r\n\r\n");
    assert_eq!(gateway.raw(announced.as_bytes()).unwrap().status, 413);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..40 {
        chunked.extend(b"1000\r\n");
        chunked.extend([b' '; 0x1000]);
        chunked.extend(b"\r\n");
    }
    assert_eq!(gateway.raw(&chunked).unwrap().status, 413);
    assert_eq!(post(&gateway, FORM, b"username=alice&password=correct+horse").status, 200);
}
