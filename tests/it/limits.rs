//! Guessing and flooding: lockout and DRF's rates.

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{
    Answer, Gateway, PASSWORD, Setup, basic,
    gateway::ALICE_KEY,
    server::{Server, Then},
};

fn wait(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait = answer.header("retry-after").unwrap().parse().unwrap();
    let unit = if wait == 1 { "second" } else { "seconds" };
    let detail = format!("Request was throttled. Expected available in {wait} {unit}.");
    assert_eq!(answer.text(), serde_json::json!({ "detail": detail }).to_string());
    assert_eq!(answer.header("www-authenticate"), None);
    wait
}

/// Attack: passwords are guessed without end. After five wrong ones the account waits, here and
/// whatever the next password is; an account that does not exist is answered in the same way, and
/// every spelling of a name counts as the name (CVE-2025-24806).
#[test]
fn the_sixth_guess_waits_right_or_wrong_known_or_unknown() {
    let gateway = Setup::new().alice().user("bob", "x").start(
        "authentication: [basic]\npermission: authenticated\nroutes:\n- { path: /, upstream: echo }\n\
         - { path: /api-token-auth/, authentication: [], endpoint: token }\n",
    );
    let guess =
        |user: &str, password: &str| gateway.get("/", &[("Authorization", &basic(user, password))]);
    assert_eq!(guess("alice", PASSWORD).status, 200, "before");
    for user in ["alice", "nobody"] {
        let upper = user.to_uppercase();
        for (number, spelling) in [user, user, &upper, user, user].into_iter().enumerate() {
            let answer = guess(spelling, &format!("wrong{number}"));
            assert_eq!(answer.status, 401, "{spelling} {number}");
        }
        assert!(wait(&guess(user, "wrong")) > 800);
        assert!(wait(&guess(user, PASSWORD)) > 800, "the right one is not looked at");
        assert!(wait(&guess(&upper, "wrong")) > 800);
        let forged = [("Authorization", &*basic(user, "wrong")), ("X-Forwarded-For", "192.0.2.9")];
        assert!(wait(&gateway.get("/", &forged)) > 800, "from where the client says it is");
        let body = format!(r#"{{"username":"{user}","password":"correct horse"}}"#);
        let json = [("Content-Type", "application/json")];
        let page = gateway.send("POST", "/api-token-auth/", &json, body.as_bytes());
        assert!(wait(&page) > 800, "the token page counts with Basic");
    }
    assert_eq!(guess("bob", "x").status, 200, "others are not locked");
}

/// Attack: wrong passwords from everywhere, to keep the owner out. Where the owner has been served
/// before, by a password that was only remembered too, the owner is served.
#[test]
fn strangers_do_not_keep_the_owner_out() {
    let gateway = Gateway::start(
        "trusted_proxies: [127.0.0.1/32]\nauthentication: [basic]\n\
         routes: [{ path: /, upstream: echo }]\n",
    );
    let ask = |from: &str, authorization: &str| {
        let fields = [("X-Forwarded-For", from), ("Authorization", authorization)];
        gateway.get("/", &fields).status
    };
    let (good, wrong) = (basic("alice", PASSWORD), basic("alice", "wrong"));
    assert_eq!(ask("192.0.2.1", &good), 200);
    assert_eq!(ask("192.0.2.2", &good), 200);
    for number in 0..100 {
        // Another guess each time: one that is known to be wrong is not judged again.
        let wrong = basic("alice", &format!("wrong {number}"));
        assert_eq!(ask(&format!("198.51.100.{number}"), &wrong), 401, "{number}");
    }
    assert_eq!(ask("198.51.100.200", &good), 429, "a stranger, whatever the password");
    assert_eq!(ask("192.0.2.1", &good), 200);
    assert_eq!(ask("192.0.2.2", &good), 200);
    assert_eq!(ask("192.0.2.2", &wrong), 401);
}

/// Attack: the guesser's own good credential between the guesses clears the count.
#[test]
fn own_success_does_not_clear_the_count_of_others() {
    let gateway = Setup::new().alice().user("mallory", "x").start(
        "cache: { ttl: 0s, negative_ttl: 0s }\nauthentication: [basic]\npermission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    let guess = |user: &str, password: &str| {
        gateway.get("/", &[("Authorization", &basic(user, password))]).status
    };
    for number in 0..5 {
        assert_eq!(guess("alice", &number.to_string()), 401);
        assert_eq!(guess("mallory", "x"), 200);
    }
    assert_eq!(guess("alice", PASSWORD), 429);
    assert_eq!(guess("mallory", "x"), 200);
}

/// Attack: a flood of tokens that are nobody's keeps the store busy; they name no account, so the
/// network is counted, apart from guesses at passwords.
#[test]
fn guessed_tokens_count_against_the_network() {
    let gateway = Setup::new().alice().start(
        "lockout: { failures: 1, window: 15m, duration: 15m }\nauthentication: [token]\n\
         permission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    let mut statuses = Vec::new();
    for number in 0..210 {
        let token = format!("Token {number:0>40}");
        statuses.push(gateway.get("/", &[("Authorization", &token)]).status);
    }
    let refused = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(refused, 200, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
}

/// The rule: DRF's rates, its body and its header; anonymous callers by their true address,
/// authenticated ones by user, a scope over all its routes. A header does not buy another window.
#[test]
fn drf_s_rates() {
    let gateway = Setup::new().alice().user("bob", "x").start(
        "authentication: [token, basic]\npermission: anyone\nroutes:\n\
         - { path: /anon/, throttle: [anon: 3/hour], upstream: echo }\n\
         - { path: /user/, throttle: [user: 2/hour], upstream: echo }\n\
         - { path: /a/, throttle: [scope: { name: s, rate: 2/day }], upstream: echo }\n\
         - { path: /b/, throttle: [scope: { name: s, rate: 2/day }], upstream: echo }\n",
    );
    let token = format!("Token {ALICE_KEY}");
    let (alice, bob) = (("Authorization", token.as_str()), ("Authorization", &*basic("bob", "x")));
    for number in 0..3 {
        let forged = format!("192.0.2.{number}");
        assert_eq!(gateway.get("/anon/", &[("X-Forwarded-For", &forged)]).status, 200);
    }
    let refused = gateway.get("/anon/", &[("X-Forwarded-For", "192.0.2.77")]);
    assert!((3500..=3600).contains(&wait(&refused)));
    assert_eq!(gateway.send("HEAD", "/anon/", &[], b"").status, 429);
    assert_eq!(gateway.get("/anon/", &[alice]).status, 200, "alice is not anonymous");

    for caller in [alice, bob] {
        assert_eq!(gateway.get("/user/", &[caller]).status, 200);
        assert_eq!(gateway.get("/user/", &[caller]).status, 200);
        assert!(wait(&gateway.get("/user/", &[caller])) > 3500);
    }
    assert_eq!(gateway.get("/a/", &[alice]).status, 200);
    assert_eq!(gateway.get("/b/", &[alice]).status, 200);
    assert!(wait(&gateway.get("/a/", &[alice])) > 86_000, "one count for both routes");
    assert_eq!(gateway.get("/b/", &[bob]).status, 200);
}

/// The rule (DRF): a failing credential is 401 and a denied one 403,
/// also where the rate is used up.
#[test]
fn authentication_and_permission_come_before_the_rate() {
    let gateway = Gateway::start(
        "authentication: [token]\npermission: anyone\nroutes:\n\
         - { path: /, throttle: [anon: 1/hour, user: 1/hour], upstream: echo }\n\
         - { path: /staff/, permission: staff, throttle: [user: 1/hour], upstream: echo }\n",
    );
    let token = format!("Token {ALICE_KEY}");
    assert_eq!(gateway.get("/", &[("Authorization", &token)]).status, 200);
    assert_eq!(gateway.get("/", &[("Authorization", &token)]).status, 429);
    assert_eq!(gateway.get("/staff/", &[("Authorization", &token)]).status, 403);
    assert_eq!(gateway.get("/", &[("Authorization", "Token x")]).status, 401);
}

/// A service for `callout` that knows one PIN.
fn pins(wait: impl Fn() + Send + Sync + 'static) -> Server {
    Server::start(move |seen, wire| {
        // A start asks whether the service is there.
        if !seen.line().starts_with("OPTIONS ") {
            wait();
        }
        let answer = match seen.folded("x-pin").concat().as_str() {
            "4711" => {
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"username\":\"alice\"}"
            }
            _ => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        };
        let _ = wire.write_all(answer.as_bytes());
        Then::Keep
    })
}

fn with_pins(service: &Server) -> Gateway {
    Gateway::start(&format!(
        "lockout: {{ failures: 1, window: 15m, duration: 15m }}\npermission: authenticated\n\
         trusted_proxies: [127.0.0.1]\n\
         authentication: [callout: {{ url: \"{}\", headers: [X-Pin], challenge: Pin, timeout: 1m }}]\n\
         routes: [{{ path: /, upstream: echo }}]\n",
        service.url()
    ))
}

/// Attack: PINs that a custom scheme's service knows are guessed all at once, so that each is judged
/// before the first has counted.
#[test]
fn guesses_at_once_are_counted_before_they_are_judged() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static OPEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    let service = pins(|| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        drop(OPEN.1.wait_while(OPEN.0.lock().unwrap(), |open| !*open).unwrap());
    });
    let gateway = with_pins(&service);
    let waited = AtomicUsize::new(0);
    let statuses = thread::scope(|scope| {
        let guess = |number: usize| {
            let status = gateway.get("/", &[("X-Pin", &number.to_string())]).status;
            // Those who have to wait are answered while the others are not judged yet.
            if status == 429 && waited.fetch_add(1, Ordering::SeqCst) + 1 == 10 {
                *OPEN.0.lock().unwrap() = true;
                OPEN.1.notify_all();
            }
            status
        };
        let guesses: Vec<_> = (0..30).map(|number| scope.spawn(move || guess(number))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(ASKED.load(Ordering::SeqCst), 20);
}

/// Attack: who is locked goes on, and learns the right PIN by what is remembered of somebody else.
#[test]
fn a_locked_guesser_cannot_tell_what_is_remembered() {
    let service = pins(|| ());
    let gateway = with_pins(&service);
    let ask = |from: &str, pin: &str| {
        gateway.get("/", &[("X-Forwarded-For", from), ("X-Pin", pin)]).status
    };
    for number in 0..20 {
        assert_eq!(ask("192.0.2.1", &number.to_string()), 401);
    }
    assert_eq!(ask("192.0.2.1", "20"), 429);
    assert_eq!(ask("198.51.100.1", "4711"), 200);
    assert_eq!(ask("192.0.2.1", "4711"), 429);
    assert_eq!(ask("198.51.100.1", "4711"), 200);
}
