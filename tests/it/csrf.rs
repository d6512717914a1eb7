//! What other sites can make a browser do: log in, log out, be led away, and change things upstream
//! with the session's cookie.

use serde_json::json;

use crate::support::{
    Answer, Browser, Gateway, PASSWORD, Server, Setup, basic, browser::FORM, gateway::ALICE_KEY,
};

fn start(top: &str, authentication: &str, upstream: &str) -> Gateway {
    Setup::new().alice().user("mallory", "x").start(&format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nauth_rate: 1000/min\n{top}\n\
         authentication: {authentication}\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: {upstream} }}\n\
         - {{ path: /public/, permission: anyone, upstream: {upstream} }}\n\
         - {{ path: /me/, endpoint: whoami }}\n- {{ path: /accounts/, endpoint: session }}\n"
    ))
}

fn quoted(server: &Server) -> String {
    format!("\"{}\"", server.url())
}

const SECRET: &str = "abcdefghijklmnopqrstuvwxyzABCDEF";
/// The same behind a mask, as Django writes it.
const MASKED: &str = "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3zzaC5dF8gIbjLemOhpRksUnvXqy0tB3w34";
/// One character is another.
const WRONG: &str = "abcdefghijklmnopqrstuvwxyzABCDEG";

fn whoami(browser: &mut Browser<'_>) -> Option<String> {
    let answer = browser.get("/me/");
    (answer.status == 200).then(|| answer.json()["username"].as_str().unwrap().to_owned())
}

/// Attack: a form on another site logs the browser in as the attacker, so that the user's work goes
/// to the attacker's account; or out. The right password does not help, and is not looked at.
#[test]
fn another_site_cannot_log_in_or_out() {
    let gateway = start("lockout: false", "[session]", "echo");
    let cookie = format!("csrftoken={SECRET}");
    for token in [None, Some(""), Some(WRONG), Some("x"), Some(SECRET)] {
        for (with_cookie, origin) in [
            (false, None),
            (true, None),
            (true, Some("https://evil.example")),
            (true, Some("null")),
            (true, Some("http://localhost.evil.example")),
            (true, Some("https://localhost")),
        ] {
            if token == Some(SECRET) && with_cookie && origin.is_none() {
                continue;
            }
            let form = format!(
                "username=mallory&password=x{}",
                token.map(|token| format!("&csrfmiddlewaretoken={token}")).unwrap_or_default()
            );
            let json = json!({ "username": "mallory", "password": "x" }).to_string();
            for (kind, body) in [(FORM, &form), ("application/json", &json), ("text/plain", &json)]
            {
                let mut headers = vec![("Content-Type", kind)];
                headers.extend(with_cookie.then_some(("Cookie", &*cookie)));
                headers.extend(origin.map(|origin| ("Origin", origin)));
                for page in ["/accounts/login/", "/accounts/logout/"] {
                    let row = format!("{page} {kind} {token:?} {headers:?}");
                    let answer = gateway.send("POST", page, &headers, body.as_bytes());
                    assert_eq!(answer.status, 403, "{row}");
                    assert_eq!(answer.header("location"), None, "{row}");
                    assert!(!answer.values("set-cookie").concat().contains("sessionid"), "{row}");
                }
            }
        }
    }
    assert!(!gateway.output().contains("login_"), "a password was looked at");
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let headers = [("Content-Type", FORM), ("Origin", "https://evil.example")];
    assert_eq!(browser.send("POST", "/accounts/logout/", &headers, b"").status, 403);
    assert_eq!(browser.get("/accounts/logout/").status, 405, "an image cannot either");
    assert_eq!(whoami(&mut browser).as_deref(), Some("alice"));
}

/// Attack (CVE-2021-21291, CVE-2020-11053, CVE-2021-29652, CVE-2024-52003): a link to the log-in
/// page that leads to another site afterwards, in any spelling that some browser follows there.
#[test]
fn nobody_is_led_away() {
    let gateway = start("lockout: false", "[session]", "echo");
    let evil = [
        "//evil.example",
        "///evil.example",
        "////evil.example/%2e%2e",
        "/\\evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "\\/evil.example",
        "http:evil.example",
        "http:/evil.example",
        "http:///evil.example",
        "https://evil.example",
        "HTTPS://evil.example",
        "http://localhost@evil.example/",
        "http://localhost:80@evil.example/",
        "http://localhost%40evil.example/",
        "http://localhost.evil.example/",
        "http://localhostevil.example/",
        "http://localhost:evil",
        "http://evil.example#@localhost/",
        "http://evil.example\\@localhost/",
        "http://[::1]localhost/",
        "javascript:alert(1)",
        "data:text/html,x",
        " //evil.example",
        "\t//evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\u{0}//evil.example",
        "\u{1}https://evil.example",
        "/\r\nSet-Cookie: a=b",
        "/\u{85}/evil.example",
        "evil.example:80",
        "evil\\example",
        "\u{a0}//evil.example",
        "",
    ];
    // What is no more than a name is a page beside this one.
    let good = [
        "/",
        "/a?b=c",
        "/a//b",
        "/@evil.example",
        "/evil.example",
        "http://localhost/x",
        "evil.example",
        "?x",
    ];
    let mut browser = Browser::new(&gateway);
    for next in evil.into_iter().chain(good) {
        let encoded: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let expected = if good.contains(&next) { next } else { "/accounts/profile/" };
        browser.get("/accounts/login/");
        for in_query in [false, true] {
            let target = format!("/accounts/login/?next={encoded}");
            let who = [("username", "alice"), ("password", PASSWORD)];
            let answer = match in_query {
                true => browser.post(&target, &who),
                false => browser.post("/accounts/login/", &[who[0], who[1], ("next", next)]),
            };
            assert_eq!(answer.status, 302, "{next:?} {}", answer.text());
            assert_eq!(answer.header("location"), Some(expected), "{next:?}");
            assert_eq!(answer.header("set-cookie2"), None);
        }
        // Nor by the page itself, whose form would take it along.
        let page = browser.get(&format!("/accounts/login/?next={encoded}")).text();
        assert!(good.contains(&next) || !page.contains("evil"), "{next:?}:\n{page}");
        let answer = browser.post("/accounts/logout/", &[("next", next)]);
        let expected = good.contains(&next).then_some(next);
        assert_eq!(answer.header("location"), expected, "log-out, {next:?}");
    }
}

/// The rule (DRF): who came by the session has to show the CSRF token for whatever changes
/// something, whatever the view; nobody else has to.
#[test]
fn a_session_has_to_show_the_token() {
    let upstream = Server::ok();
    let gateway = start(
        "csrf: { trusted_origins: [\"https://*.app.example\"] }",
        "[session]",
        &quoted(&upstream),
    );
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    browser.cookies.insert("csrftoken".into(), SECRET.into());
    let detail = |reason: &str| format!("{{\"detail\":\"CSRF Failed: {reason}\"}}");
    let header = |problem: &str| {
        detail(&format!("CSRF token from the 'X-Csrftoken' HTTP header {problem}."))
    };
    let origin = |value: &str| {
        detail(&format!("Origin checking failed - {value} does not match any trusted origins."))
    };
    let bad = [
        (vec![], detail("CSRF token missing.")),
        (vec![("X-CSRFToken", "")], header("has incorrect length")),
        (vec![("X-CSRFToken", WRONG)], header("incorrect")),
        (
            vec![("X-CSRFToken", "abcdefghijklmnopqrstuvwxyzABCDE-")],
            header("has invalid characters"),
        ),
        (
            vec![("X-CSRFToken", SECRET), ("Origin", "https://evil.example")],
            origin("https://evil.example"),
        ),
        (vec![("X-CSRFToken", SECRET), ("Origin", "http://LOCALHOST")], origin("http://LOCALHOST")),
        (
            vec![("X-CSRFToken", SECRET), ("Origin", "http://localhost:80")],
            origin("http://localhost:80"),
        ),
        (
            vec![("X-CSRFToken", SECRET), ("Origin", "http://a.app.example")],
            origin("http://a.app.example"),
        ),
        (
            vec![("X-CSRFToken", SECRET), ("Origin", "https://evilapp.example")],
            origin("https://evilapp.example"),
        ),
        (vec![("X-CSRFToken", SECRET), ("Origin", "null")], origin("null")),
        (vec![("X-HTTP-Method-Override", "GET")], detail("CSRF token missing.")),
        (vec![("X-CSRF-Token", SECRET)], detail("CSRF token missing.")),
        (vec![("X_CSRFToken", SECRET)], detail("CSRF token missing.")),
    ];
    let right = basic("alice", PASSWORD);
    for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
        for (headers, body) in &bad {
            for target in ["/", "/public/", "/me/"] {
                let mut headers = headers.clone();
                headers.push(("Authorization", &right));
                let answer = browser.send(method, target, &headers, b"");
                assert_eq!(
                    (answer.status, &answer.text()),
                    (403, body),
                    "{method} {target} {headers:?}"
                );
            }
        }
    }
    assert_eq!(upstream.count(), 0, "the upstream was asked: {:?}", upstream.last());
    for (method, headers) in [
        ("POST", vec![("X-CSRFToken", SECRET)]),
        ("PUT", vec![("X-CSRFToken", MASKED)]),
        ("DELETE", vec![("X-CSRFToken", SECRET), ("Origin", "http://localhost")]),
        ("PATCH", vec![("X-CSRFToken", SECRET), ("Origin", "https://a.app.example")]),
        ("GET", vec![("Origin", "https://evil.example")]),
        ("HEAD", vec![]),
        ("OPTIONS", vec![]),
    ] {
        let answer = browser.send(method, "/", &headers, b"");
        assert_eq!(answer.status, 200, "{method} {headers:?} {}", answer.text());
        assert_eq!(upstream.last().folded("remote-user"), ["alice"]);
    }
    // Without a session there is nothing to protect.
    assert_eq!(
        gateway.send("POST", "/public/", &[("Origin", "https://evil.example")], b"").status,
        200
    );
    browser.cookies.remove("csrftoken");
    let answer = browser.send("POST", "/", &[("X-CSRFToken", SECRET)], b"");
    assert_eq!(answer.text(), detail("CSRF cookie not set."));
    for (cookie, problem) in
        [("x", "incorrect length"), ("-bcdefghijklmnopqrstuvwxyzABCDEF", "invalid characters")]
    {
        browser.cookies.insert("csrftoken".into(), cookie.into());
        let answer = browser.send("POST", "/", &[("X-CSRFToken", cookie)], b"");
        assert_eq!(answer.text(), detail(&format!("CSRF cookie has {problem}.")));
    }
}

/// The rule (DRF): the check belongs to the session that was believed. A token before it in the chain
/// needs none, though the cookie is there; after it, it does not help.
#[test]
fn the_scheme_that_was_believed_decides() {
    let upstream = Server::ok();
    let token = format!("Token {ALICE_KEY}");
    for (chain, status, refused) in [("[token, session]", 200, 401), ("[session, token]", 403, 403)]
    {
        let gateway = start("", chain, &quoted(&upstream));
        let mut browser = Browser::new(&gateway);
        browser.log_in("alice", PASSWORD);
        browser.cookies.remove("csrftoken");
        let with_both = [("Authorization", &*token), ("Origin", "https://app.example")];
        for _ in 0..2 {
            assert_eq!(browser.send("POST", "/", &with_both, b"").status, status, "{chain}");
        }
        assert_eq!(gateway.send("POST", "/", &with_both, b"").status, 200, "{chain}, no cookie");
        assert_eq!(browser.send("POST", "/", &[], b"").status, 403, "{chain}, no token");
        let dead = [("Authorization", "Token dead"), ("Origin", "https://app.example")];
        assert_eq!(browser.send("POST", "/", &dead, b"").status, refused, "{chain}");
    }
}

/// Attack (CVE-2024-21500): passwords are guessed on the log-in page. The sixth attempt has to wait,
/// and cannot tell the right password from a wrong one, nor a user from nobody; Basic counts with it.
#[test]
fn guesses_on_the_page_have_to_wait() {
    for wants_json in [false, true] {
        let gateway = start("", "[session, basic]", "echo");
        let guess = |user: &str, password: &str| -> Answer {
            let cookie = format!("csrftoken={SECRET}");
            let headers = [("Cookie", &*cookie), ("X-CSRFToken", SECRET), ("Content-Type", FORM)];
            let (kind, body) = match wants_json {
                true => (
                    "application/json",
                    json!({ "username": user, "password": password }).to_string(),
                ),
                false => (FORM, format!("username={user}&password={}", password.replace(' ', "+"))),
            };
            let headers = [headers[0], headers[1], ("Content-Type", kind)];
            gateway.send("POST", "/accounts/login/", &headers, body.as_bytes())
        };
        // The page's own token is another each time, and the wait goes down.
        let told = |answer: &Answer| {
            let text = answer.text();
            let token =
                text.split("csrfmiddlewaretoken\" value=\"").nth(1).and_then(|t| t.get(..64));
            let text = token.map_or(text.clone(), |token| text.replace(token, ""));
            let wait: u64 = answer.header("retry-after").expect("how long").parse().unwrap();
            assert!((850..=900).contains(&wait), "{wait}");
            text.replace(|c: char| c.is_ascii_digit(), "")
        };
        let mut answers = Vec::new();
        for user in ["alice", "nobody"] {
            for number in 0..5 {
                let answer = guess(user, &format!("wrong{number}"));
                assert_eq!(answer.status, if wants_json { 400 } else { 200 }, "{user} {number}");
                assert_eq!(answer.values("set-cookie").len(), usize::from(!wants_json), "{user}");
            }
            for password in ["wrong", PASSWORD] {
                let answer = guess(user, password);
                assert_eq!(answer.status, 429, "{user} {password}");
                assert!(!answer.values("set-cookie").concat().contains("sessionid"));
                answers.push(told(&answer).replace(user, ""));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "the answers differ: {answers:#?}");
        let by_header = gateway.get("/", &[("Authorization", &basic("alice", PASSWORD))]);
        assert_eq!(by_header.status, 429);
        let other = guess("mallory", "x");
        assert_eq!(other.status, if wants_json { 200 } else { 302 }, "others are not locked");
    }
}
