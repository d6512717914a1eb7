//! What the operator sees: metrics from the start, and an audit trail that no rotation cuts.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Gateway, PASSWORD, Setup, basic, gateway::hash, portcullis, until};

const ROUTES: &str = "authentication: [basic]\nroutes: [{ path: /, upstream: echo }]\n";

/// The rule: every series that is known beforehand is there at zero, so that the first event is an
/// increase.
#[test]
fn metrics_begin_at_zero() {
    let gateway = Gateway::start(ROUTES);
    let text = gateway.admin("/metrics").text();
    for series in [
        "requests_total{route=\"/\",status=\"5xx\"} 0",
        "request_duration_seconds_count{route=\"/\",outcome=\"denied\"} 0",
        "scheme_outcomes_total{scheme=\"basic\",outcome=\"failed\"} 0",
        "cache_lookups_total{result=\"hit\"} 0",
        "store_query_duration_seconds_count{result=\"failed\"} 0",
        "upstream_retries_total 0",
        "lockouts_total{by=\"account\"} 0",
        "reloads_total{result=\"refused\"} 0",
        "suspicious_total{pattern=\"many_accounts\"} 0",
        "build_info{version=\"",
    ] {
        assert!(text.contains(&format!("portcullis_{series}")), "{series}\n{text}");
    }
}

/// The rule: each request counts where it belongs.
#[test]
fn metrics_count() {
    let gateway = Gateway::start(&format!("lockout: {{ failures: 2 }}\n{ROUTES}"));
    let good = basic("alice", PASSWORD);
    (0..3).for_each(|_| assert_eq!(gateway.get("/", &[("Authorization", &good)]).status, 200));
    for name in 0..10 {
        let bad = basic(&format!("user{name}"), "wrong");
        (0..2).for_each(|_| drop(gateway.get("/", &[("Authorization", &bad)])));
    }
    let text = gateway.admin("/metrics").text();
    for series in [
        "request_duration_seconds_count{route=\"/\",outcome=\"passed\"} 3",
        "scheme_outcomes_total{scheme=\"basic\",outcome=\"authenticated\"} 3",
        // Two of alice, and one of each of the others: a bad credential is remembered too.
        "cache_lookups_total{result=\"hit\"} 12",
        "suspicious_total{pattern=\"many_accounts\"} 1",
    ] {
        assert!(text.contains(&format!("portcullis_{series}\n")), "{series}\n{text}");
    }
}

/// The rule: the audit file may be moved away at any time; what comes next is in a new one, which
/// nobody else reads.
#[test]
fn the_audit_file_may_be_moved() {
    let setup = Setup::new().alice();
    let (file, moved) = (setup.dir.0.join("audit.log"), setup.dir.0.join("audit.log.1"));
    let gateway = setup.start(&format!("log: {{ audit: {} }}\n{ROUTES}", file.display()));
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let fail = |name: &str| {
        let bad = basic(name, "wrong");
        assert_eq!(gateway.get("/", &[("Authorization", &bad)]).status, 401);
    };
    fail("first");
    until("it is written", || read(&file).contains("first"));
    fs::rename(&file, &moved).unwrap();
    fail("second");
    until("it is written anew", || read(&file).contains("second"));
    let line: serde_json::Value =
        serde_json::from_str(read(&file).lines().next().unwrap()).unwrap();
    assert_eq!(line["event"], "login_failed");
    assert!(!read(&moved).contains("second") && !read(&file).contains("first"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// The rule: a reload takes the level of the log along.
#[test]
fn a_reload_changes_the_level() {
    let gateway = Gateway::start(&format!("log: {{ level: warn }}\n{ROUTES}"));
    gateway.setup.write(&format!("log: {{ level: info, access: false }}\n{ROUTES}"));
    // It cannot say that it serves: wait for the port instead, which it has.
    let pid = gateway.pid();
    std::process::Command::new("kill").args(["-s", "HUP", &pid]).status().unwrap();
    until("it says so", || gateway.output().contains("the new configuration serves"));
    let lines = gateway.output().matches("\"GET ").count();
    gateway.get("/", &[]);
    assert_eq!(gateway.output().matches("\"GET ").count(), lines);
}

/// Attack: a password that was changed elsewhere goes on working, because it was right a moment ago.
#[test]
fn a_password_that_was_right_is_asked_for_again() {
    let gateway = Setup::new()
        .alice()
        .start(&format!("cache: {{ ttl: 0s, negative_ttl: 0s }}\nlockout: false\n{ROUTES}"));
    let ask = |password| gateway.get("/", &[("Authorization", &basic("alice", password))]).status;
    assert_eq!((ask(PASSWORD), ask(PASSWORD), ask("wrong")), (200, 200, 401));
    let new = hash("new password");
    gateway.execute(&format!("UPDATE auth_user SET password = '{new}' WHERE username = 'alice'"));
    assert_eq!((ask(PASSWORD), ask("new password")), (401, 200));
    gateway.execute("UPDATE auth_user SET is_active = 0 WHERE username = 'alice'");
    assert_eq!(ask("new password"), 401);
}

/// The rule: one of the last requests is explained by the id in its access line: what each scheme
/// has said, the rule, and the cause that its client did not learn. No credential is in it.
#[test]
fn a_request_is_explained_by_its_id() {
    let gateway = Gateway::start(
        "authentication: [token, basic]\nroutes:\n- { path: /, upstream: echo }\n\
         - { path: /gone/, permission: staff, upstream: \"http://127.0.0.1:1\" }\n",
    );
    let explained = |path: &str, authorization: &str| {
        gateway.get(path, &[("Authorization", authorization)]);
        let target = format!("{}\" ", path.split('?').next().unwrap());
        until("its line", || gateway.output().contains(&target));
        let said = gateway.output();
        let line = said.lines().rev().find(|line| line.contains(&target)).unwrap();
        let id = line.rsplit(' ').next().unwrap().to_owned();
        let explained = portcullis(&gateway.setup.config(), &["explain", "--request", &id], "");
        assert!(explained.status.success(), "{explained:?}");
        String::from_utf8(explained.stdout).unwrap()
    };
    let good = basic("alice", PASSWORD);
    let told = explained("/one?secret=1", &good);
    for words in [
        "GET /one\n",
        "token: not its credential",
        "basic: a good credential",
        "rule       authenticated",
        "admitted   as alice, by basic",
        "answered   200",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("secret"), "{told}");
    let told = explained("/two", &basic("alice", "not her password"));
    for words in ["basic: refused: Invalid username/password.", "refused    401"] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("not her password"), "{told}");
    let told = explained("/gone/", &good);
    assert!(told.contains("rule       staff") && told.contains("refused    403"), "{told}");
    let other = portcullis(&gateway.setup.config(), &["explain", "--request", "1234"], "");
    let told = String::from_utf8(other.stderr).unwrap();
    assert!(!other.status.success() && told.contains("no request"), "{told}");
}

/// Attack: bytes that move the terminal of whoever reads about the request, and paths that fill
/// the memory.
#[test]
fn what_is_explained_is_short_and_printable() {
    let gateway = Gateway::start(ROUTES);
    let path = format!("/\u{9b}31m{}", "x".repeat(5000));
    gateway.get(&path, &[]);
    until("its line", || gateway.output().contains("xxx"));
    let said = gateway.output();
    let line = said.lines().rev().find(|line| line.contains("xxx")).unwrap();
    let id = line.rsplit(' ').next().unwrap();
    let told = portcullis(&gateway.setup.config(), &["explain", "--request", id], "");
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("refused    400") && told.len() < 2000, "{told}");
    assert!(!told.contains('\u{9b}') && told.contains("\\u{9b}"), "{told}");
}

/// Attack: ask the public port what others have done.
#[test]
fn clients_are_told_of_nobody_s_requests() {
    let gateway = Gateway::start(ROUTES);
    assert_eq!(gateway.get("/requests/0000000000000001", &[]).status, 401);
    assert_eq!(gateway.admin("/requests/0000000000000001").status, 404);
}
