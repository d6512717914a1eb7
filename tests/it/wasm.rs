//! Custom schemes as components: the worked example, built as its page says, and a guest that does
//! to the gateway whatever a request tells it to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Answer, Gateway, NOT_AUTHENTICATED, PASSWORD, Setup, basic, portcullis, until,
};

/// A component, built once.
fn component(folder: &str, name: &str, features: &str) -> PathBuf {
    // One after the other: they share a folder, and the name of the result.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--features", features, "--target-dir"])
        .arg(&target)
        // Where `.cargo/config.toml` says the rest.
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .unwrap();
    assert!(built.success(), "{folder} does not build: rustup target add wasm32-unknown-unknown");
    let file = target.join(format!("wasm32-unknown-unknown/release/{name}.wasm"));
    let kept = target.join(format!("{name}{features}.wasm"));
    fs::copy(file, &kept).unwrap();
    kept
}

fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| component("deploy/wasm/x-username", "x_username", ""))
}

fn guest() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| component("tests/wasm", "guest", ""))
}

/// A gateway whose first scheme is the guest and whose second is `basic`. Deadlines are generous:
/// the machine that tests run on is busy.
fn gateway(settings: &str) -> Gateway {
    Setup::new().alice().start(&chain(guest(), settings))
}

fn chain(file: &Path, settings: &str) -> String {
    format!(
        "authentication: [wasm: {{ file: {}, headers: [X-Do, X-Also], {settings} }}, basic]\n\
         permission: authenticated\nlockout: false\n\
         routes: [{{ path: /, endpoint: whoami }}]\n",
        file.display()
    )
}

const PATIENT: &str = "timeout: 5s";

fn told(gateway: &Gateway, what: &str) -> Answer {
    gateway.get("/", &[("X-Do", what)])
}

/// DRF's documentation: `X-Username` names a user of the store; nobody of that name is refused, and
/// without the header the next scheme is asked. The example checks no password; nor does this.
#[test]
fn the_example_does_what_drf_s_does() {
    let yaml = format!(
        "authentication: [wasm: {{ file: {}, headers: [X-Username], {PATIENT} }}, basic]\n\
         permission: authenticated\nroutes: [{{ path: /, endpoint: whoami }}]\n",
        example().display()
    );
    let gateway = Setup::new().alice().inactive("bob", PASSWORD).start(&yaml);
    let named = |name: &str| gateway.get("/", &[("X-Username", name)]);
    let alice = named("alice");
    assert_eq!((alice.status, &alice.json()["username"]), (200, &"alice".into()));
    assert_eq!(alice.json()["email"], "alice@example.com", "it is the store's user");
    for nobody in ["mallory", "Alice", "bob", "alice\u{e9}", " alice x"] {
        let answer = named(nobody);
        assert_eq!((answer.status, answer.text()), (403, r#"{"detail":"No such user"}"#.into()));
    }
    let authorization = basic("alice", PASSWORD);
    assert_eq!(gateway.get("/", &[("Authorization", &authorization)]).status, 200);
    assert_eq!(
        gateway.get("/", &[("Authorization", &authorization), ("X-Username", "mallory")]).status,
        403,
        "a bad credential is not rescued by a good one of a later scheme"
    );
    let bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Username: \xff\xfe\r\n\r\n";
    assert_eq!(gateway.raw(bytes).unwrap().status, 403);
}

#[test]
fn three_outcomes() {
    let gateway = gateway(&format!("{PATIENT}, challenge: Custom"));
    let failed = told(&gateway, "fail");
    assert_eq!(failed.text(), r#"{"detail":"Wrong in my own words."}"#);
    assert_eq!((failed.status, failed.header("www-authenticate")), (401, Some("Custom")));

    let not_mine = told(&gateway, "nothing");
    assert_eq!((not_mine.status, not_mine.text()), (401, NOT_AUTHENTICATED.into()));
    let authorization = basic("alice", PASSWORD);
    let next = gateway.get("/", &[("X-Do", "nothing"), ("Authorization", &authorization)]);
    assert_eq!((next.status, &next.json()["scheme"]), (200, &"basic".into()));

    assert_eq!(told(&gateway, "alice").json()["scheme"], "wasm");
    let full = told(&gateway, "full").json();
    let expected = serde_json::json!({
        "authenticated": true, "scheme": "wasm", "username": "carol", "id": "7",
        "email": "carol@example.com", "name": "Carol C", "groups": ["editors"],
        "scopes": ["write"], "staff": true, "superuser": false,
    });
    assert_eq!(full, expected);
    let over = told(&gateway, "over");
    assert_eq!((over.status, over.text().contains("expired")), (401, true), "{}", over.text());
}

/// Attack: a component looks at credentials of other schemes, or remembers the last caller's.
#[test]
fn it_sees_what_it_is_given_and_nothing_of_the_request_before() {
    let silent = gateway(&format!("{PATIENT}, config: {{ realm: here }}"));
    let headers =
        [("X-Do", "seen"), ("X-Also", "1"), ("x-also", "2"), ("Cookie", "canary=1")].as_slice();
    let secret = basic("alice", PASSWORD);
    let seen = silent.get("/canary?canary", &[headers, &[("Authorization", &secret)]].concat());
    let seen = seen.json()["username"].as_str().unwrap().to_owned();
    assert_eq!(
        seen,
        r#"Request { headers: [Header { name: "x-do", value: [115, 101, 101, 110] }, "#.to_owned()
            + r#"Header { name: "x-also", value: [49] }, Header { name: "x-also", value: [50] }], "#
            + r#"line: None } [("realm", "here")]"#
    );
    for turn in ["1", "2", "3"] {
        let asked = silent.get("/", &[("X-Do", "count"), ("X-Also", turn)]);
        assert_eq!(asked.json()["username"], "1");
    }

    let told = gateway(&format!("{PATIENT}, request: true"));
    let seen = told.get("/a%20b?q=1", &[("X-Do", "seen")]).text();
    for part in [r#"method: \"GET\""#, r#"path: \"/a%20b\""#, r#"Some(\"q=1\")"#, "127.0.0.1"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
}

/// The key of what is remembered is all that the component could see, and no more.
#[test]
fn answers_are_remembered_for_what_was_seen() {
    for (settings, other_path) in
        [(PATIENT.to_owned(), 200), (format!("{PATIENT}, request: true"), 403)]
    {
        let gateway = gateway(&settings);
        let ask = |path: &str, also: &str, other: &str| {
            let headers = [("X-Do", "alice"), ("X-Also", also), ("X-Other", other)];
            gateway.get(path, &headers).status
        };
        assert_eq!(ask("/", "1", "1"), 200);
        gateway.execute("UPDATE auth_user SET is_active = 0");
        assert_eq!(ask("/", "1", "2"), 200, "it cannot see X-Other: {settings}");
        assert_eq!(ask("/other", "1", "1"), other_path, "{settings}");
        assert_eq!(ask("/", "2", "1"), 403, "{settings}");
    }
}

/// Attack: a component that spins takes every thread, or its failure is taken for a refusal, or for
/// "not mine", so that another scheme lets the client in.
#[test]
fn an_endless_loop_is_an_outage_and_holds_nobody_up() {
    let gateway = gateway("timeout: 300ms");
    let authorization = basic("alice", PASSWORD);
    let good = [("Authorization", authorization.as_str())];
    assert_eq!(gateway.get("/", &good).status, 200);
    thread::scope(|scope| {
        let start = Instant::now();
        let loops: Vec<_> = (0..8)
            .map(|number: u32| {
                let (gateway, good) = (&gateway, good[0]);
                scope.spawn(move || {
                    let number = number.to_string();
                    gateway.get("/", &[("X-Do", "loop"), ("X-Also", &number), good]).status
                })
            })
            .collect();
        let mut served = 0;
        while loops.iter().any(|thread| !thread.is_finished()) {
            assert_eq!(gateway.get("/", &good).status, 200);
            served += 1;
        }
        assert!(served > 10, "only {served} requests while it was spinning");
        assert!(loops.into_iter().all(|thread| thread.join().unwrap() == 503));
        // Two cores and more take eight of them in four turns at the most.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
    until("the cause is logged", || gateway.output().contains("it takes too long"));
}

/// The same with every other way to end without an answer.
#[test]
fn what_is_no_answer_is_an_outage() {
    let gateway = gateway(PATIENT);
    let authorization = basic("alice", PASSWORD);
    for (what, cause) in [
        ("memory", "it takes too much memory"),
        ("stack", "call stack exhausted"),
        ("trap", "unreachable"),
        ("nobody", "an identity with an empty username"),
        ("claims", "claims that are no JSON object"),
        ("long", "exhausted"),
    ] {
        let answer = gateway.get("/", &[("X-Do", what), ("Authorization", &authorization)]);
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
        assert!(!answer.text().contains(cause), "{what}: the client learns nothing of the cause");
        until(cause, || gateway.output().contains(cause));
    }
    assert_eq!(told(&gateway, "alice").status, 200, "the next call knows nothing of it");
}

/// Attack: a component that is to have nothing brings its own clock, files and sockets (WASI).
#[test]
fn check_refuses_what_is_no_scheme() {
    let clock = component("tests/wasm", "guest", "clock");
    let setup = Setup::new();
    let text = setup.dir.0.join("text.wasm");
    let module = setup.dir.0.join("module.wasm");
    fs::write(&text, "(component)").unwrap();
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    for (file, settings, said) in [
        (clock.as_path(), PATIENT, "wants what a scheme is not given: wasi:clocks/monotonic-clock"),
        (guest(), "memory: 64KiB", "does not start: it takes too much memory"),
        (&text, PATIENT, "cannot be loaded as a component"),
        (&module, PATIENT, "is a WebAssembly module, and no component"),
        (Path::new("absent.wasm"), PATIENT, "`absent.wasm` cannot be read"),
        (guest(), "challenge: \"a\\nb\"", "this cannot stand in a header"),
    ] {
        setup.write(&chain(file, settings));
        let checked = portcullis(&setup.config(), &["check"], "");
        let output = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && output.contains(said), "{said}: {output}");
    }
    setup.write(&chain(guest(), PATIENT));
    let checked = portcullis(&setup.config(), &["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}
