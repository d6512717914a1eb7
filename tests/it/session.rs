//! Django's sessions: how one begins and ends, and what a stranger can make of it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use portcullis::{
    clock::Clock,
    crypto::signing::{Secrets, dumps, loads, salted_hmac},
    value::Secret,
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Browser, Gateway, NOT_AUTHENTICATED, PASSWORD, Server, Setup, gateway::ALICE_KEY,
    http::request, server::Then, until,
};

const KEY: &str = "throwaway-secret-key-for-tests-0123456789";
const OLD_KEY: &str = "throwaway-secret-key-of-last-year-0123456";
const ROWS: &str = "django.contrib.sessions.SessionStore";

fn people() -> Setup {
    Setup::new().alice().user("mallory", "x")
}

/// With these settings at the top of the file.
fn start(setup: Setup, top: &str) -> Gateway {
    setup.start(&format!(
        "{top}\nauth_rate: 1000/min\nauthentication: [session]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: echo }}\n- {{ path: /me/, endpoint: whoami }}\n\
         - {{ path: /public/, permission: anyone, upstream: echo }}\n\
         - {{ path: /accounts/, endpoint: session }}\n"
    ))
}

fn usual(setup: Setup) -> Gateway {
    start(setup, &format!("secret_key: {KEY}"))
}

fn secrets(key: &str) -> Secrets {
    Secrets::new(Secret::new(key.into()), Vec::new())
}

/// Data as Django signs it.
fn signed(data: &Value, key: &str) -> String {
    dumps(data, ROWS, &secrets(key), Clock::system().now(), true)
}

/// What stands in a session of a user with this stored password.
fn data_of(id: u64, stored: &str, key: &str) -> Value {
    let salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    let hash = salted_hmac(salt, stored.as_bytes(), &Secret::new(key.into()));
    json!({
        "_auth_user_id": id.to_string(),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": hex::encode(hash),
    })
}

fn row(key: &str, data: &str) -> String {
    format!("('{key}', '{data}', '2999-01-01 00:00:00')")
}

const INSERT: &str = "INSERT INTO django_session (session_key, session_data, expire_date) VALUES ";

/// What stands in the store under a key.
fn stored(gateway: &Gateway, key: &str) -> Option<Value> {
    let query = format!("SELECT session_data FROM django_session WHERE session_key = '{key}'");
    let text = gateway.texts(&query).pop()?;
    Some(loads(&text, ROWS, &secrets(KEY)).expect("signed").0)
}

fn name(browser: &mut Browser<'_>) -> Option<String> {
    let answer = browser.get("/me/");
    (answer.status == 200).then(|| answer.json()["username"].as_str().unwrap().to_owned())
}

/// Attack: session fixation. The attacker plants a key in the victim's browser, one that nobody
/// made, one of a session that the gateway gave out, one of the attacker's own; the victim logs in,
/// and the attacker has the key.
#[test]
fn a_planted_key_is_nothing_after_a_login() {
    for in_sessions in [false, true] {
        let gateway = start(
            people().sql(&format!(
                "{INSERT}{}",
                row("anonymous00000000000000000000000", &signed(&json!({ "basket": 3 }), KEY))
            )),
            &format!("secret_key: {KEY}\ncsrf: {{ use_sessions: {in_sessions} }}"),
        );
        let mut mallory = Browser::new(&gateway);
        log_in(&mut mallory, "mallory", "x");
        let mut given = Browser::new(&gateway);
        given.get("/accounts/login/");
        let given = given.cookies.get("sessionid").cloned();
        assert_eq!(given.is_some(), in_sessions);
        let invented = "z".repeat(32);
        let planted = ["anonymous00000000000000000000000", &mallory.session(), &invented];
        for key in planted.into_iter().map(str::to_owned).chain(given) {
            let mut victim = Browser::with_session(&gateway, &key);
            log_in(&mut victim, "alice", PASSWORD);
            assert_ne!(victim.session(), key);
            assert_eq!(name(&mut victim).as_deref(), Some("alice"));
            assert_eq!(stored(&gateway, &key), None, "the planted session lives on");
            assert_eq!(name(&mut Browser::with_session(&gateway, &key)), None);
            // Nobody's things go along; somebody else's do not.
            let kept = stored(&gateway, &victim.session()).unwrap()["basket"].clone();
            assert_eq!(kept == json!(3), key.starts_with("anonymous"), "{kept}");
        }
    }
}

/// The token is on the page where sessions keep the secret.
fn log_in(browser: &mut Browser<'_>, username: &str, password: &str) -> Answer {
    let headers = [("Accept", "application/json"), ("Content-Type", "application/json")];
    let page = browser.send("GET", "/accounts/login/", &headers, b"").json();
    let headers = [headers[0], headers[1], ("X-CSRFToken", page["csrf_token"].as_str().unwrap())];
    let body = json!({ "username": username, "password": password }).to_string();
    let answer = browser.send("POST", "/accounts/login/", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// Attack (CVE-2026-34454): a new user at a shared browser gets what the last one's session held.
/// Who logs in again as the same user keeps it, under a new key: one that was copied is worth nothing
/// then (ASVS 7.2.4).
#[test]
fn another_s_session_is_not_inherited() {
    let gateway = usual(people());
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.log_in("mallory", "x").status, 302);
    let old = browser.session();
    let mut data = stored(&gateway, &old).unwrap();
    data["basket"] = "mallory's".into();
    let text = signed(&data, KEY);
    gateway.execute(&format!("UPDATE django_session SET session_data = '{text}'"));
    let csrf = browser.cookies["csrftoken"].clone();
    browser.log_in("mallory", "x");
    let (copied, old) = (old, browser.session());
    assert_ne!(old, copied);
    assert_eq!(stored(&gateway, &copied), None);
    assert_eq!(name(&mut Browser::with_session(&gateway, &copied)), None);
    assert_ne!(browser.cookies["csrftoken"], csrf, "and with a new CSRF secret");
    assert_eq!(stored(&gateway, &old).unwrap()["basket"], "mallory's");
    // A wrong password ends nothing.
    assert_eq!(browser.log_in("alice", "wrong").status, 200);
    assert_eq!(name(&mut browser).as_deref(), Some("mallory"));

    browser.log_in("alice", PASSWORD);
    assert_eq!(name(&mut browser).as_deref(), Some("alice"));
    assert_eq!(stored(&gateway, &browser.session()).unwrap()["basket"], Value::Null);
    assert_eq!(stored(&gateway, &old), None);
    assert_eq!(gateway.texts("SELECT session_key FROM django_session").len(), 1);
    assert_eq!(name(&mut Browser::with_session(&gateway, &old)), None);
}

/// The rule: the client forgets a session that is over, and no other: not one that is good, not one
/// whose data nobody signed, not one of a user who may come back.
#[test]
fn only_dead_cookies_are_deleted() {
    let kept = "k".repeat(32);
    let gateway = usual(people().inactive("bob", "x").sql(&format!(
        "{INSERT}{}, {}, {}, ('{}', '{}', '2001-01-01 00:00:00')",
        row("forged00000000000000000000000000", &signed(&data_of(1, "x", KEY), OLD_KEY)),
        row("stale000000000000000000000000000", &signed(&data_of(1, "another password", KEY), KEY)),
        row("inactive000000000000000000000000", &signed(&data_of(3, "x", KEY), KEY)),
        kept,
        signed(&json!({}), KEY),
    )));
    let mut alice = Browser::new(&gateway);
    alice.log_in("alice", PASSWORD);
    let good = alice.session();
    const DELETED: &str =
        "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax";
    for (key, deleted) in [
        (&*good, false),
        ("forged00000000000000000000000000", false),
        ("inactive000000000000000000000000", false),
        ("stale000000000000000000000000000", true),
        (&kept, true),
        ("unknown0000000000000000000000000", true),
        (&good.to_uppercase(), true),
        (&good[..31], true),
        ("short", true),
        (&"a".repeat(4000), true),
        ("a%00b a", true),
    ] {
        let cookie = format!("sessionid={key}");
        for target in ["/", "/public/"] {
            let answer = gateway.get(target, &[("Cookie", &cookie)]);
            let expected: &[&str] = if deleted { &[DELETED] } else { &[] };
            assert_eq!(answer.values("set-cookie"), expected, "{target} {key}");
            let status = if key == good || target == "/public/" { 200 } else { 403 };
            assert_eq!(answer.status, status, "{target} {key}");
            assert!(answer.values("vary").concat().contains("Cookie"), "{target} {key}");
            if status == 403 {
                assert_eq!(answer.text(), NOT_AUTHENTICATED);
                assert_eq!(answer.header("www-authenticate"), None);
            }
        }
    }
    for other in [format!("SessionID={good}"), format!("sessionid2={good}"), "a=b".to_owned()] {
        let answer = gateway.get("/", &[("Cookie", &other)]);
        assert_eq!((answer.status, answer.values("set-cookie").len()), (403, 0), "{other}");
    }
}

/// Attack: the file says signed cookies, and nobody knows that a log-out does not end a copy. The
/// start says so; what can be ended is.
#[test]
fn signed_cookies_come_with_a_warning() {
    let settings = format!("secret_key: {KEY}\nsession: {{ engine: signed_cookies }}");
    let gateway = start(people(), &settings);
    until("it warns", || gateway.output().contains("signed_cookies cannot be ended"));
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.log_in("alice", PASSWORD).status, 302);
    assert_eq!(name(&mut browser).as_deref(), Some("alice"));
    let cookie = browser.session();
    assert!(gateway.texts("SELECT session_key FROM django_session").is_empty());
    // Data in the hands of the client: each byte counts.
    for place in (0..cookie.len()).step_by(7) {
        let mut bytes = cookie.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        assert_eq!(name(&mut Browser::with_session(&gateway, &forged)), None, "changed at {place}");
        assert_eq!(name(&mut Browser::with_session(&gateway, &cookie[..place])), None);
    }
    // What is signed for another purpose is not signed for this one.
    let row = signed(&data_of(1, "x", KEY), KEY);
    assert_eq!(name(&mut Browser::with_session(&gateway, &row)), None);
    assert_eq!(browser.post("/accounts/logout/", &[]).status, 200);
    assert_eq!(name(&mut browser), None);
    gateway.execute("UPDATE auth_user SET password = 'another'");
    gateway.signal("HUP");
    until("it has reloaded", || gateway.output().contains("the new configuration serves"));
    assert_eq!(name(&mut Browser::with_session(&gateway, &cookie)), None, "another password");
}

/// Attack on the store: an upstream that saves sessions with every request (Django's
/// `SESSION_SAVE_EVERY_REQUEST`) repeats the cookie each time, and each time the gateway would ask
/// the store again. One that answers with another key has ended the old one, at once.
#[test]
fn an_upstream_s_own_cookie_ends_only_another_session() {
    let key = "k0000000000000000000000000000000";
    for (set, remembered) in [(key, true), ("", false), ("another0000000000000000000000000", false)]
    {
        // Browsers that speak HTTP/2 may send each cookie in a field of its own.
        let server = Server::start(move |_, wire| {
            let _ = write!(
                wire,
                "HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\nSet-Cookie: sessionid={set}; Path=/; \
                 HttpOnly\r\nContent-Length: 0\r\n\r\n"
            );
            Then::Keep
        });
        let data = signed(&data_of(1, "hash", KEY), KEY);
        let gateway = Setup::new()
            .alice()
            .sql("UPDATE auth_user SET password = 'hash'")
            .sql(&format!("{INSERT}{}", row(key, &data)))
            .start(&format!(
                "secret_key: {KEY}\nauthentication: [session]\npermission: authenticated\nroutes:\n\
                 - {{ path: /, upstream: \"{}\" }}\n- {{ path: /me/, endpoint: whoami }}\n",
                server.url()
            ));
        let cookie = format!("sessionid={key}");
        let crumbs = [("Cookie", "csrftoken=x"), ("Cookie", &*cookie)];
        assert_eq!(gateway.get("/", &crumbs).status, 200);
        gateway.execute("DELETE FROM django_session");
        let again = gateway.get("/me/", &[("Cookie", &cookie)]);
        assert_eq!(again.status == 200, remembered, "{set}");
    }
}

/// Attack (a slow one): the project ends a session early, by a number with a fraction or by a date,
/// and the gateway, which writes it anew with every request, lets it live for the usual two weeks. A
/// number past all dates is no reason to fail either.
#[test]
fn a_session_s_own_end_is_kept() {
    let key = "k0000000000000000000000000000000";
    for (expiry, most) in [
        (json!(1800), 1800),
        (json!(1800.5), 1801),
        (json!("2000-01-01T00:00:00+00:00"), 0),
        (json!(-1.5), 0),
        (json!(1e12), u64::MAX),
        (json!(i64::MAX), u64::MAX),
    ] {
        let mut data = data_of(1, "hash", KEY);
        data["_session_expiry"] = expiry.clone();
        let gateway = start(
            Setup::new()
                .alice()
                .sql("UPDATE auth_user SET password = 'hash'")
                .sql(&format!("{INSERT}{}", row(key, &signed(&data, KEY)))),
            &format!("secret_key: {KEY}\nsession: {{ save_every_request: true }}"),
        );
        let mut browser = Browser::with_session(&gateway, key);
        assert_eq!(browser.get("/me/").status, 200, "{expiry}");
        let end = gateway.texts("SELECT expire_date FROM django_session").remove(0);
        let end = portcullis::clock::Timestamp::from_iso(&end.replace(' ', "T")).unwrap();
        let left = end.since(Clock::system().now()).as_secs();
        assert!(left <= most, "{expiry}: {left} s left");
        assert!(left + 60 >= most.min(1_000_000), "{expiry}: {left} s left");
    }
}

/// The rule: a session from before the key was changed goes on while the old key is a fallback,
/// under a new key of its own that needs the fallback no longer; without it, it is nobody's.
#[test]
fn the_secret_key_can_be_changed() {
    let old = "old00000000000000000000000000000";
    let prepare = || {
        // As in the set-up: a hash that is the user's stored password.
        let insert =
            format!("{INSERT}{}", row(old, &signed(&data_of(1, "hash", OLD_KEY), OLD_KEY)));
        Setup::new().alice().sql("UPDATE auth_user SET password = 'hash'").sql(&insert)
    };
    let both = format!("secret_key: {KEY}\nsecret_key_fallbacks: [{OLD_KEY}]");
    let gateway = start(prepare(), &both);
    let mut browser = Browser::with_session(&gateway, old);
    let answer = browser.get("/me/");
    assert_eq!(answer.json()["username"], "alice");
    let set = answer.header("set-cookie").expect("a new cookie");
    assert!(set.contains("; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax"), "{set}");
    let new = browser.session();
    assert_ne!(new, old);
    assert_eq!(gateway.texts("SELECT session_key FROM django_session"), [&*new]);
    assert_eq!(name(&mut browser).as_deref(), Some("alice"));
    assert_eq!(browser.get("/me/").header("set-cookie"), None, "once is enough");
    assert_eq!(name(&mut Browser::with_session(&gateway, old)), None, "the old one is dead");
    assert_eq!(
        stored(&gateway, &new).unwrap()["_auth_user_hash"],
        data_of(1, "hash", KEY)["_auth_user_hash"]
    );

    let gateway = usual(prepare());
    let answer = gateway.get("/me/", &[("Cookie", &format!("sessionid={old}"))]);
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None));
}

/// Attack (CVE-2025-64101, GHSA-93m4-mfpg-c3xf): the host that a client names is made part of an
/// address that the gateway tells, and a link or a redirect leads to the attacker's site.
#[test]
fn no_address_is_made_of_the_host_that_was_named() {
    let gateway = Setup::new().alice().start(&format!(
        "secret_key: {KEY}\nsession: {{ login_url: /accounts/login/ }}\n\
         authentication: [session]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: echo }}\n- {{ path: /accounts/, endpoint: session }}\n\
         - {{ path: /api-token-auth/, endpoint: token }}\n\
         - {{ path: /moved/, permission: anyone, redirect: /elsewhere/ }}\n"
    ));
    let forged = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-Host", "evil.example"),
        ("Accept", "text/html"),
    ];
    for target in ["/", "/accounts/login", "/accounts/login/", "/api-token-auth", "/moved/"] {
        let mut head =
            format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n");
        forged.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        let answer = gateway.raw(format!("{head}\r\n").as_bytes()).unwrap();
        let location = answer.header("location").unwrap_or("/").to_owned();
        assert!(location.starts_with('/') && !location.starts_with("//"), "{target}: {location}");
        assert!(!answer.text().contains("evil.example"), "{target}: {}", answer.text());
        assert!(!format!("{:?}", answer.headers).contains("evil.example"), "{target}");
    }
}

/// Attack (CVE-2026-33544): state shared between requests gives one user's session to another. A
/// thousand users at once, each with a session, first use and remembered.
#[test]
fn a_thousand_sessions_are_a_thousand_users() {
    const USERS: usize = 1000;
    let key = |number: usize| format!("session{number:0>25}");
    let users: Vec<String> = (0..USERS)
        .map(|n| {
            format!(
                "({}, '!', NULL, 0, 'user{n}', '', '', 0, 1, '2024-01-02 03:04:05', '')",
                n + 10
            )
        })
        .collect();
    let rows: Vec<String> =
        (0..USERS).map(|n| row(&key(n), &signed(&data_of(n as u64 + 10, "!", KEY), KEY))).collect();
    let gateway = usual(
        Setup::new()
            .sql(&format!("INSERT INTO auth_user VALUES {}", users.join(", ")))
            .sql(&format!("{INSERT}{}", rows.join(", "))),
    );
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut connection = gateway.connect();
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= 2 * USERS {
                        break;
                    }
                    let number = turn * 7 % USERS;
                    let cookie = format!("sessionid={}", key(number));
                    connection.send(&request("GET", "/", &[("Cookie", &cookie)], b""));
                    let answer = connection.receive(false).unwrap();
                    assert_eq!(answer.echoed("remote-user"), Some(format!("user{number}")));
                    assert_eq!(answer.values("set-cookie").len(), 0);
                }
            });
        }
    });
}

/// Attack (CVE-2022-29266): keys of sessions, CSRF secrets, passwords and tokens end up in logs. What
/// each page and scheme is given is looked for in everything that is written.
#[test]
fn no_key_is_in_a_log() {
    for format in ["text", "json"] {
        let gateway = people().start(&format!(
            "secret_key: {KEY}\nlog: {{ level: trace, format: {format} }}\nknox: {{ keyword: Knox }}\n\
             jwt: {{ blacklist: true }}\nauthentication: [token, session, knox, jwt, basic]\n\
             permission: authenticated\nroutes:\n- {{ path: /, upstream: echo }}\n\
             - {{ path: /accounts/, endpoint: session }}\n- {{ path: /jwt/, endpoint: jwt }}\n\
             - {{ path: /knox/, endpoint: knox }}\n"
        ));
        let mut browser = Browser::new(&gateway);
        browser.log_in("alice", "canary-wrong");
        browser.log_in("alice", PASSWORD);
        let cookie = ("Cookie", format!("sessionid={}", browser.session()));
        let mut secrets: Vec<String> = browser.cookies.values().cloned().collect();
        let json = [("Content-Type", "application/json")];
        let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
        let pair = gateway.send("POST", "/jwt/", &json, body.as_bytes()).json();
        let knox = gateway.send("POST", "/knox/login/", &[(cookie.0, &cookie.1)], b"");
        assert_eq!(knox.status, 403, "no CSRF token");
        let token = format!("Token {ALICE_KEY}");
        let knox = gateway.send("POST", "/knox/login/", &[("Authorization", &token)], b"").json();
        let texts = [&pair["access"], &pair["refresh"], &knox["token"]];
        secrets.extend(texts.map(|text| text.as_str().unwrap().to_owned()));
        for secret in secrets.clone() {
            for header in [
                ("Cookie", format!("sessionid={secret}; csrftoken={secret}")),
                ("Authorization", format!("Knox {secret}")),
                ("Authorization", format!("Bearer {secret}")),
                ("X-CSRFToken", secret.clone()),
            ] {
                gateway.get("/", &[(header.0, &header.1)]);
                gateway.send("POST", "/", &[(header.0, &header.1), (cookie.0, &cookie.1)], b"");
            }
            let body = json!({ "refresh": secret, "token": secret }).to_string();
            for page in ["/jwt/refresh/", "/jwt/verify/", "/jwt/blacklist/"] {
                gateway.send("POST", page, &json, body.as_bytes());
            }
        }
        browser.post("/accounts/logout/", &[]);
        gateway.get("/the-last", &[]);
        // Access lines and the others are written each at their own pace.
        until("the last lines are written", || {
            let output = gateway.output();
            output.contains("/the-last") && output.contains("logged_out")
        });
        secrets.extend([PASSWORD, "canary-wrong", KEY, ALICE_KEY].map(str::to_owned));
        let output = gateway.output();
        for secret in secrets {
            // A token's beginning, which all have, tells nothing; its end is its signature.
            let end = secret.rsplit('.').next().unwrap();
            assert!(!output.contains(end), "{format}: {end} is in\n{output}");
        }
        assert!(output.contains("login_failed"), "{output}");
    }
}
