//! Basic and Token on the wire, and the order of schemes, as DRF has them.

use crate::support::{
    Answer, Gateway, NOT_AUTHENTICATED, NOT_PERMITTED, PASSWORD, Server, Setup, basic,
    gateway::ALICE_KEY, server::Then,
};

const RIGHT: &str = "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==";
const BASIC: Option<&str> = Some("Basic realm=\"api\"");
const NOT_BASE64: &str = "Invalid basic header. Credentials not correctly base64 encoded.";
const SPACES: &str = "Invalid basic header. Credentials string should not contain spaces.";
const WRONG: &str = "Invalid username/password.";

fn people() -> Setup {
    Setup::new()
        .alice()
        .user("élise", "päss wörd")
        .user("colon", "a:b")
        .inactive("bob", PASSWORD)
        .token("bob", &"b".repeat(40))
        .sql("INSERT INTO auth_user SELECT 90, '!unusable', NULL, 0, 'nopass', '', '', 0, 1, '2024-01-02 03:04:05', ''")
}

fn gateway(chain: &str) -> Gateway {
    people().start(&format!(
        "lockout: false\nauthentication: {chain}\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: echo }}\n\
         - {{ path: /public/, permission: anyone, upstream: echo }}\n"
    ))
}

fn detail(text: &str) -> String {
    serde_json::json!({ "detail": text }).to_string()
}

fn assert_refused(answer: &Answer, status: u16, body: &str, challenge: Option<&str>, row: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body), "{row}");
    assert_eq!(answer.header("www-authenticate"), challenge, "{row}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{row}");
    assert_eq!(answer.header("retry-after"), None, "{row}");
}

/// One header, byte for byte.
fn with_authorization(gateway: &Gateway, target: &str, value: &[u8]) -> Answer {
    let mut bytes =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ").into_bytes();
    bytes.extend(value);
    bytes.extend(b"\r\n\r\n");
    gateway.raw(&bytes).expect("an answer")
}

/// The rule: every case of DRF's Basic that is refused, byte for byte.
#[test]
fn basic_refusals_are_drf_s() {
    let gateway = gateway("[basic]");
    let n = NOT_AUTHENTICATED.to_owned();
    let latin_bytes: &[u8] = b"Basic \xe9\xe9\xe9\xe9";
    let rows: Vec<(&[u8], String)> = vec![
        (b"", n.clone()),
        (b"Bearer x", n.clone()),
        (b"Basic, x", n.clone()),
        (b"Basic", detail("Invalid basic header. No credentials provided.")),
        (b"Basic ", detail("Invalid basic header. No credentials provided.")),
        (b"Basic a b", detail(SPACES)),
        (b"Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==, Basic x", detail(SPACES)),
        (b"Basic !!!", detail(NOT_BASE64)),
        (b"Basic abc", detail(NOT_BASE64)),
        (b"Basic YWxpY2U6Y29ycmVjdCBob3JzZQ", detail(NOT_BASE64)),
        (b"Basic YWxpY2U=", detail(NOT_BASE64)),
        (latin_bytes, detail(NOT_BASE64)),
    ];
    for (value, body) in rows {
        let row = String::from_utf8_lossy(value).into_owned();
        assert_refused(&with_authorization(&gateway, "/", value), 401, &body, BASIC, &row);
    }
    for (user, password) in [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("bob", "wrong"),
        ("nopass", "!unusable"),
        ("nopass", ""),
        ("", PASSWORD),
        ("alice", ""),
        ("", ""),
        ("Alice", PASSWORD),
        ("alice ", PASSWORD),
        ("alice\0", PASSWORD),
        ("alice", "correct horse\0"),
        ("alice", "correct horse "),
        ("e\u{301}lise", "päss wörd"),
    ] {
        let answer = gateway.get("/", &[("Authorization", &basic(user, password))]);
        assert_refused(&answer, 401, &detail(WRONG), BASIC, &format!("{user:?}:{password:?}"));
    }
    let answer = gateway.get("/", &[]);
    assert_refused(&answer, 401, NOT_AUTHENTICATED, BASIC, "no header");
    let answer = gateway.get("/", &[("X-Authorization", RIGHT)]);
    assert_refused(&answer, 401, NOT_AUTHENTICATED, BASIC, "another header");
}

/// The rule: every case of DRF's Basic that is let in, and as whom.
#[test]
fn basic_lets_in_what_drf_lets_in() {
    let gateway = gateway("[basic]");
    let latin1: &[u8] = b"Basic 6Wxpc2U6cORzcyB39nJk";
    let rows: Vec<(&[u8], &str)> = vec![
        (RIGHT.as_bytes(), "alice"),
        (b"basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", "alice"),
        (b"BASIC YWxpY2U6Y29ycmVjdCBob3JzZQ==", "alice"),
        (b"Basic\tYWxpY2U6Y29ycmVjdCBob3JzZQ==", "alice"),
        (b"  Basic    YWxpY2U6Y29ycmVjdCBob3JzZQ==  ", "alice"),
        (b"Basic YWxp!Y2U6@Y29ycmVjdCBob3JzZQ==", "alice"),
        (b"Basic YWxp-Y2U6_Y29ycmVjdCBob3JzZQ==", "alice"),
        (b"Basic YWxpY2U6Y29ycmVjdCBob3JzZQ===", "alice"),
        (b"Basic w6lsaXNlOnDDpHNzIHfDtnJk", "%C3%A9lise"),
        (latin1, "%C3%A9lise"),
    ];
    for (value, user) in rows {
        let row = String::from_utf8_lossy(value).into_owned();
        let answer = with_authorization(&gateway, "/", value);
        assert_eq!(answer.echoed("remote-user").as_deref(), Some(user), "{row}");
    }
    let answer = gateway.get("/", &[("Authorization", &basic("colon", "a:b"))]);
    assert_eq!(answer.echoed("remote-user").as_deref(), Some("colon"), "the first colon divides");
}

/// The rule: the refusal's headers are Django's, on HEAD with the
/// length of the body that is not sent; a preflight and an unknown method are refused too.
#[test]
fn refusals_have_django_s_headers_on_every_method() {
    let gateway = gateway("[basic]");
    for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PATCH", "BREW"] {
        let answer = gateway.send(method, "/x", &[], b"");
        assert_eq!(answer.status, 401, "{method}");
        for (name, value) in [
            ("content-type", "application/json"),
            ("www-authenticate", "Basic realm=\"api\""),
            ("content-length", "58"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
        }
        let body = if method == "HEAD" { "" } else { NOT_AUTHENTICATED };
        assert_eq!(answer.text(), body, "{method}");
    }
}

/// The rule: every case of DRF's token authentication.
#[test]
fn token_rows() {
    let gateway = gateway("[token]");
    const SPACES: &str = "Invalid token header. Token string should not contain spaces.";
    let upper = format!("Token {}", ALICE_KEY.to_uppercase());
    let long = format!("Token {}", "a".repeat(5000));
    let quoted = format!("Token \"{ALICE_KEY}\"");
    let named = format!("Token token={ALICE_KEY}");
    let colon = format!("Token: {ALICE_KEY}");
    let twice = format!("Token {ALICE_KEY}, Token {ALICE_KEY}");
    let bearer = format!("Bearer {ALICE_KEY}");
    let cut = format!("Token {}", &ALICE_KEY[..39]);
    let inactive = format!("Token {}", "b".repeat(40));
    let n = NOT_AUTHENTICATED.to_owned();
    let unknown = detail("Invalid token.");
    let rows: Vec<(&[u8], String)> = vec![
        (b"", n.clone()),
        (bearer.as_bytes(), n.clone()),
        (colon.as_bytes(), n.clone()),
        (b"Token", detail("Invalid token header. No credentials provided.")),
        (b"Token a b", detail(SPACES)),
        (twice.as_bytes(), detail(SPACES)),
        (
            b"Token \xe9",
            detail("Invalid token header. Token string should not contain invalid characters."),
        ),
        (b"Token \xc3\xa9", unknown.clone()),
        (b"Token unknown", unknown.clone()),
        (upper.as_bytes(), unknown.clone()),
        (quoted.as_bytes(), unknown.clone()),
        (named.as_bytes(), unknown.clone()),
        (long.as_bytes(), unknown.clone()),
        (cut.as_bytes(), unknown.clone()),
        (inactive.as_bytes(), detail("User inactive or deleted.")),
    ];
    for (value, body) in rows {
        let row = String::from_utf8_lossy(value).into_owned();
        let answer = with_authorization(&gateway, "/", value);
        assert_refused(&answer, 401, &body, Some("Token"), &row);
    }
    let answer = gateway.get(&format!("/?token={ALICE_KEY}&key={ALICE_KEY}"), &[]);
    assert_refused(&answer, 401, NOT_AUTHENTICATED, Some("Token"), "in the query");

    for start in ["Token ", "token ", "TOKEN ", "Token    ", "tOkEn\t"] {
        let answer = with_authorization(&gateway, "/", format!("{start}{ALICE_KEY}").as_bytes());
        assert_eq!(answer.echoed("remote-user").as_deref(), Some("alice"), "{start:?}");
    }
    for method in ["HEAD", "OPTIONS"] {
        let answer = gateway.send(method, "/", &[], b"");
        assert_eq!(answer.status, 401, "{method}");
        assert_eq!(answer.body.is_empty(), method == "HEAD");
    }
}

/// Attack (CVE-2026-27840): a token cut short, or with one character changed, is taken for it.
#[test]
fn no_cut_or_changed_token_is_a_token() {
    let gateway = gateway("[token]");
    for place in 0..ALICE_KEY.len() {
        let mut changed = ALICE_KEY.as_bytes().to_vec();
        changed[place] = if changed[place] == b'f' { b'0' } else { b'f' };
        for key in [&changed[..], &ALICE_KEY.as_bytes()[..=place]] {
            let value = [b"Token ", key].concat();
            let expected = if key == ALICE_KEY.as_bytes() { 200 } else { 401 };
            assert_eq!(with_authorization(&gateway, "/", &value).status, expected, "{value:?}");
        }
    }
}

/// The rule: `keyword: Bearer` changes prefix and challenge, and nothing else.
#[test]
fn the_token_s_keyword_is_the_project_s() {
    let gateway = gateway("[token: { keyword: Bearer }]");
    let right = gateway.get("/", &[("Authorization", &format!("bearer {ALICE_KEY}"))]);
    assert_eq!(right.echoed("remote-user").as_deref(), Some("alice"));
    let other = gateway.get("/", &[("Authorization", &format!("Token {ALICE_KEY}"))]);
    assert_refused(&other, 401, NOT_AUTHENTICATED, Some("Bearer"), "the old keyword");
    let bad = gateway.get("/", &[("Authorization", "Bearer x")]);
    assert_refused(&bad, 401, &detail("Invalid token."), Some("Bearer"), "a bad one");
}

/// Attack: a bad credential is forgotten on a public route, and its sender served as anonymous, or
/// under the name of another credential in the same request.
#[test]
fn a_bad_credential_is_refused_on_public_routes_too() {
    let gateway = gateway("[basic, token, api_key]");
    for value in ["Basic !!!", "Token x", &basic("alice", "wrong"), "Basic", "Token"] {
        let answer = gateway.get("/public/", &[("Authorization", value)]);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, BASIC), "{value}");
    }
    let answer = gateway.get("/public/", &[("X-Api-Key", "wrong"), ("Authorization", RIGHT)]);
    assert_eq!(answer.echoed("remote-user").as_deref(), Some("alice"), "the first answer wins");
    let answer = gateway.get("/public/", &[("X-Api-Key", "wrong"), ("Authorization", "Bearer z")]);
    assert_eq!(answer.status, 401, "the third scheme's failure is final too");
    let answer = gateway.get("/public/", &[]);
    assert_eq!((answer.status, answer.echoed("remote-user")), (200, None), "anonymous passes");
    let answer = gateway.get("/public/", &[("Authorization", "Bearer not-ours")]);
    assert_eq!((answer.status, answer.echoed("remote-user")), (200, None), "nobody's scheme");
}

/// A service for `callout`: its answer is the value of the header it is sent.
fn custom() -> Server {
    Server::start(|seen, wire| {
        let said = seen.folded("x-custom").concat() + &seen.folded("x-other").concat();
        let (status, body) = match said.as_str() {
            "ok" => ("200 OK", r#"{"username":"callout"}"#),
            "none" => ("204 No Content", ""),
            "fail" => ("401 Unauthorized", ""),
            "deny" => ("403 Forbidden", r#"{"detail":"custom message"}"#),
            _ => ("500 Internal Server Error", ""),
        };
        let length = if body.is_empty() && status.starts_with("204") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{length}\r\n{body}");
        let _ = wire.write_all(head.as_bytes());
        Then::Keep
    })
}

/// The rule (DRF, several classes): in order, the first that does not pass decides; the
/// first of the list alone decides between 401 with its challenge and 403 with none.
#[test]
fn the_first_answer_wins_and_the_first_scheme_makes_the_status() {
    let service = custom();
    let url = service.url();
    let a = format!("callout: {{ name: a, url: \"{url}\", headers: [X-Custom] }}");
    let h = format!(
        "callout: {{ name: h, url: \"{url}\", headers: [X-Custom], challenge: 'Custom realm=\"x\"' }}"
    );
    let a2 = format!("callout: {{ name: a2, url: \"{url}\", headers: [X-Other] }}");
    let h2 =
        format!("callout: {{ name: h2, url: \"{url}\", headers: [X-Other], challenge: 'Other' }}");
    let remote = "remote_user: { from: [192.0.2.1] }";
    let (chains, mut routes) = (
        [
            format!("[{h}, {a2}]"),
            format!("[{a}, {h2}]"),
            format!("[{a}, token]"),
            format!("[token, {a}]"),
            "[basic, token]".into(),
            "[token, basic]".into(),
            "[]".into(),
            format!("[{remote}, basic]"),
        ],
        String::new(),
    );
    for (number, chain) in chains.iter().enumerate() {
        routes += &format!("- {{ path: /{number}/, authentication: {chain}, upstream: echo }}\n");
    }
    let gateway = people().start(&format!("permission: authenticated\nroutes:\n{routes}"));
    let incorrect = detail("Incorrect authentication credentials.");
    let custom = Some("Custom realm=\"x\"");
    let token = detail("Invalid token.");
    for (target, headers, status, body, challenge) in [
        ("/0/", vec![("X-Other", "fail")], 401, incorrect.as_str(), custom),
        ("/0/", vec![("X-Custom", "fail"), ("X-Other", "ok")], 401, &incorrect, custom),
        ("/0/", vec![("X-Custom", "deny")], 403, &detail("custom message"), None),
        ("/0/", vec![], 401, NOT_AUTHENTICATED, custom),
        ("/0/", vec![("X-Custom", "none")], 401, NOT_AUTHENTICATED, custom),
        ("/1/", vec![("X-Custom", "fail")], 403, &incorrect, None),
        ("/1/", vec![("X-Other", "fail")], 403, &incorrect, None),
        ("/1/", vec![], 403, NOT_AUTHENTICATED, None),
        ("/2/", vec![("Authorization", "Token bad")], 403, &token, None),
        ("/3/", vec![("Authorization", "Token bad")], 401, &token, Some("Token")),
        ("/4/", vec![], 401, NOT_AUTHENTICATED, BASIC),
        ("/4/", vec![("Authorization", "Token bad")], 401, &token, BASIC),
        ("/5/", vec![("Authorization", "Basic !!!")], 401, &detail(NOT_BASE64), Some("Token")),
        ("/6/", vec![], 403, NOT_PERMITTED, None),
        ("/6/", vec![("Authorization", RIGHT)], 403, NOT_PERMITTED, None),
        ("/7/", vec![], 403, NOT_AUTHENTICATED, None),
    ] {
        let answer = gateway.get(target, &headers);
        assert_refused(&answer, status, body, challenge, &format!("{target} {headers:?}"));
    }
    for (target, headers, user) in [
        ("/0/", vec![("X-Custom", "ok"), ("X-Other", "fail")], "callout"),
        ("/0/", vec![("X-Custom", "none"), ("X-Other", "ok")], "callout"),
        ("/4/", vec![("Authorization", &*format!("Token {ALICE_KEY}"))], "alice"),
        ("/5/", vec![("Authorization", RIGHT)], "alice"),
        ("/7/", vec![("Authorization", RIGHT)], "alice"),
    ] {
        let answer = gateway.get(target, &headers);
        assert_eq!(answer.echoed("remote-user").as_deref(), Some(user), "{target} {headers:?}");
    }
    let answer = gateway.get("/0/", &[("X-Custom", "surprise"), ("X-Other", "ok")]);
    assert_eq!(answer.status, 503, "a scheme that cannot tell ends the chain");
}

/// The rule (DRF, permissions): known but not allowed is 403 P, without a challenge; nobody
/// known is 401 N; a permission that anonymous callers meet lets them in.
#[test]
fn known_but_not_allowed_is_403() {
    let gateway = people().group("alice", "editors").start(
        "authentication: [basic]\npermission: authenticated\nroutes:\n\
         - { path: /, upstream: echo }\n\
         - { path: /staff/, permission: staff, upstream: echo }\n\
         - { path: /editors/, permission: { group: editors }, upstream: echo }\n\
         - { path: /authors/, permission: { all: [authenticated, { group: authors }] }, upstream: echo }\n\
         - { path: /reads/, permission: authenticated_or_read_only, upstream: echo }\n",
    );
    let alice = ("Authorization", RIGHT);
    for (target, status) in [("/", 200), ("/editors/", 200), ("/staff/", 403), ("/authors/", 403)] {
        let answer = gateway.get(target, &[alice]);
        assert_eq!(answer.status, status, "{target}");
        if status == 403 {
            assert_refused(&answer, 403, NOT_PERMITTED, None, target);
        }
        assert_refused(&gateway.get(target, &[]), 401, NOT_AUTHENTICATED, BASIC, target);
    }
    for (method, status) in
        [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 401), ("DELETE", 401)]
    {
        assert_eq!(gateway.send(method, "/reads/", &[], b"").status, status, "{method}");
    }
    assert_eq!(gateway.send("POST", "/reads/", &[alice], b"").status, 200);
}

/// The rule: `challenges: all` lists every scheme's challenge, in the chain's order.
#[test]
fn all_challenges_where_asked_for() {
    let gateway = Gateway::start(
        "challenges: all\nauthentication: [token, basic]\npermission: authenticated\n\
         routes: [{ path: /, upstream: echo }]\n",
    );
    for headers in [vec![], vec![("Authorization", "Token bad")]] {
        let answer = gateway.get("/", &headers);
        assert_eq!(answer.status, 401);
        let challenges = answer.values("www-authenticate");
        assert_eq!(challenges, ["Token", "Basic realm=\"api\""], "{headers:?}");
    }
}

/// The rule: `errors: problem` is RFC 9457; a template is the user's own body. Status and challenge
/// stay what they were.
#[test]
fn error_bodies_have_the_shape_that_is_configured() {
    let rest = "authentication: [basic]\npermission: authenticated\nroutes: [{ path: /, upstream: echo }]\n";
    let gateway = Gateway::start(&format!("errors: problem\n{rest}"));
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, BASIC));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.json();
    assert_eq!(body["status"], 401);
    assert_eq!(body["title"], "Unauthorized");
    assert_eq!(body["detail"], "Authentication credentials were not provided.");

    let template = "errors: { body: '<e s=\"{{ status }}\">{{ detail | upper }}</e>', content_type: text/xml }\n";
    let gateway = Gateway::start(&format!("{template}{rest}"));
    let answer = gateway.get("/", &[("Authorization", "Basic")]);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, BASIC));
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    let expected = "<e s=\"401\">INVALID BASIC HEADER. NO CREDENTIALS PROVIDED.</e>";
    assert_eq!(answer.text(), expected);
}

/// The rule: `Allow` lists the view's methods in DRF's order, with what DRF adds.
#[test]
fn allow_lists_the_view_s_methods() {
    let gateway = Gateway::start(
        "authentication: [basic]\npermission: authenticated\n\
         routes: [{ path: /, allow: [POST, GET], upstream: echo }]\n",
    );
    assert_eq!(gateway.get("/", &[]).header("allow"), Some("GET, POST, HEAD, OPTIONS"));
}

/// The rule: an address that no route has is 404 whatever the credentials.
#[test]
fn no_route_is_404_and_asks_for_no_credential() {
    let gateway = Gateway::start(
        "authentication: [basic]\npermission: authenticated\nroutes: [{ path: /api/, upstream: echo }]\n",
    );
    for headers in [vec![], vec![("Authorization", "Basic !!!")], vec![("Authorization", RIGHT)]] {
        for target in ["/", "/ap", "/apix/", "/API/"] {
            let answer = gateway.get(target, &headers);
            assert_refused(&answer, 404, &detail("Not found."), None, target);
        }
    }
    assert_eq!(gateway.get("/api", &[("Authorization", RIGHT)]).status, 200);
}

/// The rule: an API key is a user's or a service's; the CLI makes one, and the store has its hash.
#[test]
fn api_keys_of_users_and_services() {
    let setup = Setup::new().alice();
    let yaml = "authentication: [api_key: { header: X-Partner, query: api_key, cookie: key, keys: \
         [{ service: partner, sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae, groups: [partners] }] }]\n\
         permission: authenticated\nroutes: [{ path: /, upstream: echo }]\n";
    setup.prepare(yaml);
    let made = crate::support::portcullis(
        &setup.config(),
        &["api-key", "create", "laptop", "--user", "alice"],
        "",
    );
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(key.len() > 20 && !key.contains(' '), "only the key: {key:?}");
    let gateway = Gateway::spawn(setup);
    let user = |answer: Answer| answer.echoed("remote-user").unwrap();
    assert_eq!(user(gateway.get("/", &[("X-Partner", &key)])), "alice");
    assert_eq!(user(gateway.get(&format!("/?api_key={key}"), &[])), "alice");
    assert_eq!(user(gateway.get("/", &[("Cookie", &format!("a=b; key={key}"))])), "alice");
    let partner = gateway.get("/", &[("X-Partner", "foo")]);
    assert_eq!(partner.echoed("remote-groups").as_deref(), Some("partners"));
    assert_eq!(user(partner), "partner");
    for wrong in ["", "fo", "fooo", &key[1..], "FOO"] {
        let answer = gateway.get("/", &[("X-Partner", wrong)]);
        assert_eq!(answer.text(), detail("Invalid API key."), "{wrong}");
        assert_eq!(answer.status, 401);
    }
    let database = std::fs::read(gateway.setup.database()).unwrap();
    let stored = database.windows(key.len()).any(|window| window == key.as_bytes());
    assert!(!stored, "the key itself is in the store");
}

/// Attack: another site has the browser post to the API, with the key that stands in a cookie.
#[test]
fn an_api_key_in_a_cookie_needs_a_csrf_token_to_change_anything() {
    let gateway = Gateway::start(
        "authentication: [api_key: { query: api_key, cookie: key, keys: [{ service: partner, sha256: \
         2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae }] }]\n\
         permission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    let csrf = "a".repeat(32);
    let post = |target: &str, headers: &[(&str, &str)]| gateway.send("POST", target, headers, b"");
    let forged = post("/", &[("Cookie", "key=foo"), ("Origin", "https://evil.example")]);
    assert_eq!(forged.status, 403);
    assert!(forged.text().starts_with(r#"{"detail":"CSRF Failed: "#), "{}", forged.text());
    let cookies = format!("key=foo; csrftoken={csrf}");
    assert_eq!(post("/", &[("Cookie", &cookies)]).status, 403, "the cookie alone");
    assert_eq!(post("/", &[("Cookie", &cookies), ("X-CSRFToken", &csrf)]).status, 200);
    assert_eq!(post("/", &[("X-Api-Key", "foo"), ("Cookie", "key=foo")]).status, 200);
    assert_eq!(post("/?api_key=foo", &[("Cookie", "key=foo")]).status, 200);
}

/// Attack: an expression fails for who is nobody (`identity` is null), and a `not` around it turns
/// the failure into a yes.
#[test]
fn an_expression_that_fails_admits_nobody() {
    let gateway = Gateway::start(
        "permission: { not: { cel: \"'banned' in identity.groups\" } }\nauthentication: [token]\n\
         routes: [{ path: /, upstream: echo }]\n",
    );
    assert_eq!(gateway.get("/", &[]).status, 401);
    let token = format!("Token {ALICE_KEY}");
    assert_eq!(gateway.get("/", &[("Authorization", &token)]).status, 200);
}
