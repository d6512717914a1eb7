//! JSON Web Tokens in cookies: scripts never see them, and other sites cannot use them.

use serde_json::{Value, json};

use crate::support::{
    Answer, Browser, Gateway, NOT_AUTHENTICATED, PASSWORD, Server, Setup, browser::FORM,
};

const CSRF: &str = "abcdefghijklmnopqrstuvwxyzABCDEF";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn start(upstream: &Server, cookies: &str) -> Gateway {
    let url = upstream.url();
    Setup::new().alice().user("mallory", "x").start(&format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nlockout: false\nauth_rate: 1000/min\n\
         cache: {{ ttl: 1h, negative_ttl: 0s }}\njwt: {{ blacklist: true, cookies: {cookies} }}\n\
         authentication: [jwt]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: \"{url}\" }}\n\
         - {{ path: /public/, permission: anyone, upstream: \"{url}\" }}\n\
         - {{ path: /me/, endpoint: whoami }}\n- {{ path: /jwt/, endpoint: jwt }}\n"
    ))
}

const PLAIN: &str = "{ secure: false }";

/// Logged in as somebody, with a CSRF cookie of its own page's making.
fn log_in<'a>(gateway: &'a Gateway, username: &str, password: &str) -> Browser<'a> {
    let mut browser = Browser::new(gateway);
    browser.cookies.insert("csrftoken".into(), CSRF.into());
    let body = json!({ "username": username, "password": password }).to_string();
    let headers = [JSON, ("X-CSRFToken", CSRF)];
    let answer = browser.send("POST", "/jwt/", &headers, body.as_bytes());
    assert_eq!((answer.status, answer.json()), (200, json!({})), "no token is in the body");
    browser
}

fn name(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["username"].clone()
}

/// Attack: a script on the page reads the token, from the answer or from the cookie. Both cookies
/// are for HTTP alone, over TLS alone unless the file says otherwise, and go where they belong.
#[test]
fn scripts_do_not_see_tokens() {
    let upstream = Server::ok();
    for (cookies, attributes) in [
        (PLAIN, ["Path=/; SameSite=Lax", "Path=/jwt/; SameSite=Lax"]),
        (
            "{ same_site: strict, refresh_path: /jwt/refresh/ }",
            ["Path=/; SameSite=Strict; Secure", "Path=/jwt/refresh/; SameSite=Strict; Secure"],
        ),
    ] {
        let gateway = start(&upstream, cookies);
        let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
        let cookie = format!("csrftoken={CSRF}");
        let headers = [JSON, ("X-CSRFToken", CSRF), ("Cookie", &*cookie)];
        let answer = gateway.send("POST", "/jwt/", &headers, body.as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
        let set = answer.values("set-cookie");
        assert_eq!(set.len(), 2, "{set:?}");
        for ((line, attributes), (name, age)) in
            set.iter().zip(attributes).zip([("access", 300), ("refresh", 86_400)])
        {
            assert!(line.starts_with(&format!("{name}=eyJ")), "{line}");
            assert!(line.contains("; HttpOnly; "), "{line}");
            assert!(line.ends_with(&format!("; Max-Age={age}; {attributes}")), "{line}");
        }
    }
}

/// Attack: another site posts a form to the API, and the browser adds the cookie. Without the CSRF
/// token, which no other site can read, nothing is done; a token in the header needs none, for no
/// browser adds that by itself.
#[test]
fn another_site_cannot_use_the_cookie() {
    let upstream = Server::ok();
    let gateway = start(&upstream, PLAIN);
    let mut browser = log_in(&gateway, "alice", PASSWORD);
    assert_eq!(name(&browser.get("/me/")), "alice");
    for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
        for headers in [
            &[][..],
            &[("X-CSRFToken", "")],
            &[("X-CSRFToken", "abcdefghijklmnopqrstuvwxyzABCDEG")],
            &[("X-CSRFToken", CSRF), ("Origin", "https://evil.example")],
            &[("X-CSRFToken", CSRF), ("Origin", "null")],
            &[("X-CSRFToken", CSRF), ("Origin", "http://localhost.evil.example")],
            &[("X-HTTP-Method-Override", "GET")],
        ] {
            for path in ["/", "/public/"] {
                let answer = browser.send(method, path, headers, b"");
                assert_eq!(answer.status, 403, "{method} {path} {headers:?}");
                assert!(answer.text().contains("CSRF Failed: "), "{}", answer.text());
            }
        }
    }
    assert_eq!(upstream.count(), 0, "the upstream was asked: {:?}", upstream.last());
    let form = format!("a=b&csrfmiddlewaretoken={CSRF}");
    let cookie = format!("access={}; csrftoken={CSRF}", browser.cookies["access"]);
    let bearer = format!("Bearer {}", browser.cookies["access"]);
    for (method, headers, body) in [
        ("POST", vec![("Cookie", &*cookie), ("X-CSRFToken", CSRF)], ""),
        ("POST", vec![("Cookie", &cookie), ("Content-Type", FORM)], &*form),
        (
            "DELETE",
            vec![("Cookie", &cookie), ("X-CSRFToken", CSRF), ("Origin", "http://localhost")],
            "",
        ),
        ("POST", vec![("Authorization", &bearer)], "a=b"),
        ("POST", vec![("Authorization", &bearer), ("Cookie", &cookie)], "a=b"),
        ("PUT", vec![("Authorization", &bearer), ("Origin", "https://app.example")], "a=b"),
    ] {
        let answer = gateway.send(method, "/", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{method} {headers:?} {}", answer.text());
        assert_eq!(upstream.last().folded("remote-user"), ["alice"]);
        assert_eq!(upstream.last().body, body.as_bytes());
    }
}

/// Attack: a form on another site logs the browser in as the attacker, whose account then gets what
/// the user types in; by a password of the attacker's, or by a refresh token.
#[test]
fn another_site_cannot_log_in() {
    let upstream = Server::ok();
    let gateway = start(&upstream, PLAIN);
    let refresh = log_in(&gateway, "mallory", "x").cookies["refresh"].clone();
    let login = "username=mallory&password=x".to_owned();
    for (target, body) in [("/jwt/", login), ("/jwt/refresh/", format!("refresh={refresh}"))] {
        for origin in ["https://evil.example", "null"] {
            let mut browser = log_in(&gateway, "alice", PASSWORD);
            let headers = [("Content-Type", FORM), ("Origin", origin)];
            let answer = browser.send("POST", target, &headers, body.as_bytes());
            let set = answer.values("set-cookie");
            assert!(set.is_empty(), "{target} from {origin} sets {set:?}");
            assert_eq!(name(&browser.get("/me/")), "alice", "{target} from {origin}");
        }
    }
}

/// The rule: the refresh token is taken from its cookie, with a CSRF token; one in the body goes
/// before it. Blacklisting ends both, and a copy is dead.
#[test]
fn the_refresh_cookie_is_used_and_ended() {
    let upstream = Server::ok();
    let gateway = start(&upstream, PLAIN);
    let mut browser = log_in(&gateway, "alice", PASSWORD);
    let before = browser.cookies.clone();
    for page in ["/jwt/refresh/", "/jwt/blacklist/"] {
        let answer = browser.send("POST", page, &[JSON], b"{}");
        assert_eq!(answer.status, 403, "{page} without a CSRF token: {}", answer.text());
    }
    let good = [JSON, ("X-CSRFToken", CSRF)];
    let answer = browser.send("POST", "/jwt/refresh/", &good, b"{}");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_ne!(browser.cookies["access"], before["access"]);
    assert_eq!(browser.cookies["refresh"], before["refresh"], "it is not rotated here");
    assert_eq!(name(&browser.get("/me/")), "alice");
    let other = br#"{"refresh":"nonsense"}"#;
    assert_eq!(browser.send("POST", "/jwt/refresh/", &good, other).status, 401);

    let answer = browser.send("POST", "/jwt/blacklist/", &good, b"{}");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    let set = answer.values("set-cookie");
    assert!(set.len() == 2 && set.iter().all(|line| line.contains("Max-Age=0")), "{set:?}");
    assert_eq!(browser.get("/me/").text(), NOT_AUTHENTICATED);
    let mut copy = Browser::new(&gateway);
    copy.cookies.clone_from(&before);
    let answer = copy.send("POST", "/jwt/refresh/", &good, b"{}");
    assert_eq!(answer.text(), r#"{"detail":"Token is blacklisted","code":"token_not_valid"}"#);
}

/// The rule: a bad token in the cookie is a bad credential like any other, also on a public route;
/// an empty cookie is none.
#[test]
fn a_bad_cookie_is_refused() {
    let upstream = Server::ok();
    let gateway = start(&upstream, PLAIN);
    let browser = log_in(&gateway, "alice", PASSWORD);
    let (access, refresh) = (&browser.cookies["access"], &browser.cookies["refresh"]);
    let cut = &access[..access.len() - 1];
    for value in [cut, refresh, "x", "null", &format!("{access}, {access}")] {
        for target in ["/", "/public/"] {
            let answer = gateway.get(target, &[("Cookie", &format!("access={value}"))]);
            assert_eq!(answer.status, 401, "{target} {value}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"api\""));
        }
    }
    let twice = format!("access=x; access={access}");
    assert_eq!(gateway.get("/", &[("Cookie", &twice)]).status, 200, "the last counts");
    for value in ["access=", "Access=x", "refresh=x"] {
        assert_eq!(gateway.get("/public/", &[("Cookie", value)]).status, 200, "{value}");
        assert_eq!(gateway.get("/", &[("Cookie", value)]).text(), NOT_AUTHENTICATED, "{value}");
    }
}
