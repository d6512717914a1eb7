//! Start, reload and end; and what the command line says of a configuration.

use std::{
    os::unix::fs::symlink,
    process::Command,
    sync::{Mutex, mpsc},
};

use crate::support::{
    Connection, Gateway, NOT_PERMITTED, PASSWORD, Server, Setup, basic,
    gateway::{ALICE_KEY, free_port, portcullis},
    http::request,
    server::Then,
    until,
};

const ROUTES: &str = "authentication: [token, basic]\npermission: authenticated\nroutes: [{ path: /, upstream: echo }]\n";

/// The rule: on SIGTERM no new connection is taken, an answer under way arrives whole, and the
/// process ends with 0.
#[test]
fn sigterm_lets_open_requests_finish() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::start(move |_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst");
        gone.lock().unwrap().recv().unwrap();
        let _ = wire.write_all(b"last");
        Then::Keep
    });
    let mut gateway = Gateway::start(&format!(
        "permission: anyone\nlimits: {{ drain: 20s }}\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        server.url()
    ));
    let mut slow = gateway.connect();
    slow.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let (status, _) = slow.head().unwrap();
    gateway.signal("TERM");
    let port = gateway.setup.port;
    until("it stops listening", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(gateway.is_running(), "it did not wait for the open request");
    go.send(()).unwrap();
    let mut body = [0; 9];
    std::io::Read::read_exact(&mut slow.0, &mut body).expect("the whole answer");
    assert_eq!((status, &body), (200, b"firstlast"));
    assert_eq!(gateway.ended(), Some(0));
}

/// The rule: the drain has an end, `limits.drain`, and idle connections do not prolong it.
#[test]
fn the_drain_has_an_end() {
    let (_hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_, _| {
        let _ = held.lock().unwrap().recv();
        Then::Close
    });
    let mut gateway = Gateway::start(&format!(
        "permission: anyone\nlimits: {{ drain: 500ms }}\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        server.url()
    ));
    let mut stuck = gateway.connect();
    stuck.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    until("the upstream is asked", || server.count() == 1);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));

    let mut idle = Gateway::start(ROUTES);
    let mut connection = idle.connect();
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.receive(false).unwrap().status, 401);
    idle.signal("TERM");
    assert_eq!(idle.ended(), Some(0), "an idle connection kept it for the whole drain");
}

/// The rule: SIGHUP swaps schemes, routes and policy on the same port, also for connections that
/// are open, and what was remembered under the old settings is not believed under the new.
#[test]
fn sighup_reloads() {
    let gateway = Gateway::start(ROUTES);
    let mut kept = gateway.connect();
    let token = format!("Token {ALICE_KEY}");
    let ask = |kept: &mut Connection| {
        kept.send(
            format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {token}\r\n\r\n").as_bytes(),
        );
        kept.receive(false).unwrap()
    };
    assert_eq!(ask(&mut kept).status, 200);
    gateway.setup.write("authentication: [basic, token]\npermission: staff\nroutes: [{ path: /, upstream: echo }]\n");
    gateway.signal("HUP");
    until("the new rule", || ask(&mut kept).text() == NOT_PERMITTED);
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"api\""));
    gateway.execute("DELETE FROM authtoken_token");
    gateway.setup.write(ROUTES);
    gateway.signal("HUP");
    until("the token was asked for again", || ask(&mut kept).status == 401);
}

/// Attack: a typing mistake in the file takes the gateway down, or opens it. The old configuration
/// stays and the log says what is wrong.
#[test]
fn a_broken_file_changes_nothing() {
    let mut gateway = Gateway::start(ROUTES);
    for broken in [
        "authentication: [tokn]\nroutes: [{ path: /, upstream: echo }]\n",
        "authentication: [\n",
        "permission: anyone\nroutes: []\n",
        "permission: anyone\nsurprise: 1\nroutes: [{ path: /, upstream: echo }]\n",
    ] {
        let before = gateway.output().matches("the old configuration stays").count();
        gateway.setup.write(broken);
        gateway.signal("HUP");
        until("the log says so", || {
            gateway.output().matches("the old configuration stays").count() > before
        });
        assert_eq!(gateway.get("/", &[]).status, 401, "{broken}");
        let headers = [("Authorization", &*format!("Token {ALICE_KEY}"))];
        assert_eq!(gateway.get("/", &headers).status, 200, "{broken}");
    }
    assert!(gateway.output().contains("did you mean `token`?"), "{}", gateway.output());
    std::fs::remove_file(gateway.setup.config()).unwrap();
    gateway.signal("HUP");
    assert_eq!(gateway.get("/", &[]).status, 401);
    assert!(gateway.is_running());
}

/// The rule: with `--watch` a file with another content is read again, whether it was written in
/// place, renamed over, or lies behind a symbolic link that was swapped (as Kubernetes does); a
/// broken one changes nothing.
#[test]
fn a_watched_file_is_read_again() {
    let text = |permission: &str| {
        format!("permission: {permission}\nroutes: [{{ path: /, upstream: echo }}]\n")
    };
    let setup = Setup::new().alice();
    setup.prepare(&text("authenticated"));
    // What the volume of a ConfigMap looks like: gateway.yaml -> ..data/gateway.yaml, ..data -> one.
    let (file, folder) = (setup.config(), setup.dir.0.clone());
    let at = |name: &str| folder.join(name);
    for name in ["one", "two"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::rename(&file, at("one/gateway.yaml")).unwrap();
    symlink("one", at("..data")).unwrap();
    symlink("..data/gateway.yaml", &file).unwrap();
    let gateway = Gateway::spawn_with(setup, &["--watch"]);
    let head = std::fs::read_to_string(at("one/gateway.yaml")).unwrap();
    let head = head.split("permission:").next().unwrap().to_owned();
    assert_eq!(gateway.get("/", &[]).status, 401);

    std::fs::write(at("two/gateway.yaml"), head.clone() + &text("anyone")).unwrap();
    symlink("two", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    until("the link's new target is read", || gateway.get("/", &[]).status == 200);

    std::fs::write(at("new"), head.clone() + &text("authenticated")).unwrap();
    std::fs::rename(at("new"), &file).unwrap();
    until("a renamed file is read", || gateway.get("/", &[]).status == 401);

    std::fs::write(&file, head.clone() + &text("nobody_knows")).unwrap();
    until("the broken one is told", || gateway.output().contains("the old configuration stays"));
    assert_eq!(gateway.get("/", &[]).status, 401);

    std::fs::write(&file, head + &text("anyone")).unwrap();
    until("a file written in place is read", || gateway.get("/", &[]).status == 200);
}

/// The rule: a file that the configuration names, a secret or a certificate, is read again too; what the
/// gateway writes is not.
#[test]
fn a_file_that_is_named_is_watched() {
    let setup = Setup::new().alice();
    let at = |name: &str| setup.dir.0.join(name);
    let (pages, key) = (at("messages.yaml"), at("key"));
    std::fs::write(&pages, "de: { messages: { \"Not found.\": \"Nicht da.\" } }\n").unwrap();
    std::fs::write(&key, "one-secret-key-for-tests-0123456789-0123456789").unwrap();
    setup.prepare(&format!(
        "permission: anyone\nlog: {{ audit: \"{}\" }}\nlanguage: {{ code: de, messages: \"{}\" }}\n\
         routes: [{{ path: /here/, upstream: echo }}]\n",
        at("audit.log").display(),
        pages.display()
    ));
    let gateway = Gateway::spawn_with(setup, &["--watch"]);
    let said = |words: &str| gateway.get("/nowhere/", &[]).text().contains(words);
    assert!(said("Nicht da."));
    let new = "de: { messages: { \"Not found.\": \"Fehlt.\" } }\n";
    std::fs::write(pages.with_extension("new"), new).unwrap();
    std::fs::rename(pages.with_extension("new"), &pages).unwrap();
    until("the renamed file is read", || said("Fehlt."));
    std::fs::write(&pages, "de: { messages: { \"Not found.\": \"Weg.\" } }\n").unwrap();
    until("the file that was written in place is read", || said("Weg."));
}

/// Attack: a reload forgives all failed log-ins.
#[test]
fn a_reload_does_not_unlock() {
    let gateway =
        Gateway::start(&format!("lockout: {{ failures: 2, window: 1h, duration: 1h }}\n{ROUTES}"));
    let guess =
        |password: &str| gateway.get("/", &[("Authorization", &basic("alice", password))]).status;
    assert_eq!([guess("a"), guess("b"), guess(PASSWORD)], [401, 401, 429]);
    gateway.signal("HUP");
    until("it has reloaded", || gateway.output().contains("the new configuration serves"));
    assert_eq!(guess(PASSWORD), 429);
}

/// The rule: `check` and the start tell every problem at once, each with its line, the text and
/// what would be right, and fail.
#[test]
fn every_problem_is_told_at_once() {
    let setup = Setup::new();
    let lines = [
        "listen: nowhere",
        "store: { url: \"sqlite://store.db\", create: true }",
        "authentication: [tokn, basic]",
        "trusted_proxies: [0.0.0.0/0]",
        "secret_key: ${PORTCULLIS_NOT_SET}",
        "surprise: 1",
        "routes:",
        "  - 7",
        "  - { path: /, upstream: \"ftp://x\" }",
        "  - { path: /a/ }",
        "  - { path: /b/, upstream: echo, endpoint: token }",
        "  - { path: /c/, upstream: echo }",
        "  - { path: /c, upstream: echo }",
        "  - { path: /d/, permission: stuff, upstream: echo }",
        "  - { path: /e/, authentication: [remote_user], upstream: echo }",
        "  - { path: f, throttle: [ { user: 3/fortnight } ], upstream: echo }",
        "  - { path: /g/, permission: { all: [] }, upstream: echo, endpoint: token }",
    ];
    std::fs::write(setup.config(), lines.join("\n")).unwrap();
    for command in ["check", "run"] {
        let output = portcullis(&setup.config(), &[command], "");
        assert_eq!(output.status.code(), Some(1), "{command}");
        let text = String::from_utf8(output.stderr).unwrap();
        let said = text.matches("match the same requests").count();
        assert_eq!(said, 1, "{command} takes other routes for the same:\n{text}");
        let told = |line: usize, words: &str| {
            let place = format!("gateway.yaml:{line}:");
            assert!(text.contains(&place), "{command} does not name line {line}:\n{text}");
            assert!(text.contains(words), "{command} does not say {words:?}:\n{text}");
        };
        told(1, "nowhere");
        told(3, "did you mean `token`?");
        told(4, "0.0.0.0/0");
        told(5, "PORTCULLIS_NOT_SET");
        told(6, "surprise");
        told(8, "invalid type: integer `7`");
        told(9, "routes[1].upstream: `ftp://x`");
        told(10, "routes[2]: this route has no target");
        told(11, "more than one target");
        told(13, "routes[5]: this route and `path: /c/` before it match the same requests");
        told(14, "stuff");
        told(15, "no peer may name a user");
        told(16, "routes[8].path");
        assert!(!text.contains("invalid length"), "{text}");
        told(17, "routes[9]: this route has more than one target");
        told(17, "there is no rule in it");
    }
    assert!(!setup.dir.0.join("store.db").exists(), "check has made a store");

    setup.write(ROUTES);
    let output = portcullis(&setup.config(), &["check"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Attack: a repeated key, of which one reader takes the first and another the last.
#[test]
fn a_key_that_stands_twice_is_a_problem() {
    let setup = Setup::new();
    let text =
        "permission: authenticated\nroutes: [{ path: /, upstream: echo }]\npermission: anyone\n";
    std::fs::write(setup.config(), text).unwrap();
    let output = portcullis(&setup.config(), &["check"], "");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("gateway.yaml:3:") && text.contains("permission"), "{text}");
}

/// The rule: the first start on an empty store makes a user and shows what it needs once; the curl
/// lines work; the second start makes and shows nothing.
#[test]
fn the_first_start_shows_the_secrets_and_the_second_does_not() {
    let setup = Setup::new();
    let store = format!(
        "store: {{ url: \"sqlite://{}\", bootstrap: admin }}\n",
        setup.database().display()
    );
    setup.write(&format!("{store}{ROUTES}"));
    let mut first = Gateway::spawn(setup);
    until("the secrets are shown", || first.output().contains("Remote-User: root"));
    let output = first.output();
    let secret = |name: &str| {
        let line = output.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let (password, token) = (secret("password"), secret("token"));
    assert!(password.len() >= 16 && token.len() == 40, "{password} {token}");
    let by_password = first.get("/", &[("Authorization", &basic("admin", &password))]);
    assert_eq!(by_password.echoed("remote-user").as_deref(), Some("admin"));
    let token_header = format!("Token {token}");
    let forged = first.get("/", &[("Authorization", &token_header), ("Remote-User", "root")]);
    assert_eq!(forged.echoed("remote-user").as_deref(), Some("admin"));
    let lines = output.lines().filter(|line| line.trim_start().starts_with("curl"));
    let curls: Vec<_> = lines.collect();
    assert_eq!(curls.len(), 4, "{output}");
    assert!(curls.iter().all(|line| line.contains(&format!(":{}/", first.setup.port))));

    first.signal("TERM");
    assert_eq!(first.ended(), Some(0));
    let before = first.output();
    let setup = std::mem::replace(&mut first.setup, Setup::new());
    drop(first);
    let second = Gateway::spawn(setup);
    let answer = second.get("/", &[("Authorization", &token_header)]);
    assert_eq!(answer.echoed("remote-user").as_deref(), Some("admin"), "the same user:\n{before}");
    let output = second.output();
    for secret in [&*password, &*token, "password", "curl"] {
        assert!(!output.contains(secret), "the second start shows {secret}:\n{output}");
    }
}

/// Attack (CVE-2022-29266 and more): secrets end up in logs. Canaries in every place that a client
/// or the file can put one, at the log's most talkative.
#[test]
fn no_secret_is_in_a_log_or_a_metric() {
    let (password, key, cookie) = ("canary-password", "canary-key", "canary-cookie");
    for format in ["text", "json"] {
        let gateway = Setup::new().user("carol", password).token("carol", &"f".repeat(40)).start(&format!(
            "log: {{ level: debug, format: {format} }}\nsecret_key: canary-secret-of-more-than-32-characters\n\
             authentication: [token, basic, api_key: {{ query: api_key, cookie: key }}]\npermission: authenticated\n\
             routes:\n- {{ path: /, upstream: echo }}\n- {{ path: /api-token-auth/, authentication: [], endpoint: token }}\n"
        ));
        let right = format!("Token {}", "f".repeat(40));
        for (target, header) in [
            ("/", ("Authorization", &*basic("carol", password))),
            ("/", ("Authorization", &basic("carol", "canary-wrong"))),
            ("/", ("Authorization", "Token canary-token")),
            ("/", ("Authorization", &right)),
            ("/", ("X-Api-Key", key)),
            ("/?api_key=canary-key", ("X", "y")),
            ("/", ("Cookie", &format!("key={cookie}"))),
            ("/..", ("Authorization", "Token canary-token")),
        ] {
            gateway.get(target, &[header]);
        }
        let json = [("Content-Type", "application/json")];
        for password in [password, "canary-wrong"] {
            let body = format!(r#"{{"username":"carol","password":"{password}"}}"#);
            gateway.send("POST", "/api-token-auth/", &json, body.as_bytes());
        }
        gateway.get("/the-last", &[]);
        until("the last line is written", || gateway.output().contains("/the-last"));
        let mut admin = Connection::open(gateway.setup.admin);
        admin.send(&request("GET", "/metrics", &[], b""));
        let metrics = admin.receive(false).unwrap();
        assert_eq!(metrics.status, 200);
        for text in [gateway.output(), metrics.text()] {
            assert!(!text.contains("canary"), "{text}");
            assert!(!text.contains(&"f".repeat(40)), "{text}");
            assert!(!text.contains(&basic("carol", password)[6..]), "{text}");
        }
        let audit = gateway.output();
        assert!(audit.contains("login_failed") && audit.contains("login_succeeded"), "{audit}");
    }
}

/// Attack: line ends and terminal controls in what a client sends forge lines of the log.
#[test]
fn a_client_cannot_write_lines_of_the_log() {
    let gateway = Gateway::start(ROUTES);
    gateway.get("/", &[("Authorization", &basic("x\n127.0.0.1 forged \u{1b}[31m", "y"))]);
    gateway.get("/the-last", &[]);
    until("the last line is written", || gateway.output().contains("/the-last"));
    let output = gateway.output();
    assert!(!output.lines().any(|line| line.starts_with("127.0.0.1 forged")), "{output}");
    assert!(!output.contains('\u{1b}'), "{output}");
}

/// Attack: admin pages are reached through the port for clients, by path or by header.
#[test]
fn admin_pages_are_on_their_own_port_only() {
    let gateway = Gateway::start(ROUTES);
    for path in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(gateway.get(path, &[]).status, 401, "{path}");
        assert_eq!(gateway.admin(path).status, 200, "{path}");
    }
}

/// The rule: a second gateway on the same port does not start; it would take half of the requests.
#[test]
fn a_port_in_use_is_an_error() {
    let gateway = Gateway::start(ROUTES);
    let other = Setup::new();
    let text = std::fs::read_to_string(gateway.setup.config()).unwrap();
    let admin = format!("admin: 127.0.0.1:{}", gateway.setup.admin);
    let text = text.replace(&admin, &format!("admin: 127.0.0.1:{}", free_port()));
    std::fs::write(other.config(), text).unwrap();
    let output = portcullis(&other.config(), &["run"], "");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("127.0.0.1:{}", gateway.setup.port)), "{text}");
}

/// The rule: `explain` tells the route, each scheme's outcome, the answer and what the upstream
/// would see, and sends nothing.
#[test]
fn explain_tells_what_would_happen() {
    let server = Server::ok();
    let setup = Setup::new().alice();
    setup.prepare(&format!(
        "authentication: [basic, token]\npermission: authenticated\nroutes:\n\
         - {{ path: /api/, upstream: \"{url}\" }}\n- {{ path: /staff/, permission: staff, upstream: \"{url}\" }}\n",
        url = server.url()
    ));
    let explain = |arguments: &[&str]| {
        let output = portcullis(&setup.config(), &[&["explain"], arguments].concat(), "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let token = format!("Authorization: Token {ALICE_KEY}");
    let text = explain(&["GET", "/api/x", "-H", &token, "-H", "Remote-User: mallory"]);
    for words in ["/api/", "basic", "not its credential", "token", "is alice", "remote-user: alice"]
    {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    assert!(!text.contains("mallory") && !text.contains(ALICE_KEY), "{text}");
    for (arguments, status) in [
        (&["GET", "/staff/", "-H", &token][..], "403"),
        (&["GET", "/api/"], "401"),
        (&["GET", "/api/", "-H", "Authorization: Token x"], "401"),
        (&["GET", "/nowhere"], "404"),
        (&["GET", "/api/../x"], "400"),
    ] {
        let text = explain(arguments);
        assert!(text.contains(status), "no {status} for {arguments:?} in:\n{text}");
    }
    assert_eq!(server.count(), 0);
}

/// The rule: users and tokens by command line, as `manage.py` prints them; a disabled user is out.
#[test]
fn users_and_tokens_by_command_line() {
    let setup = Setup::new();
    setup.write(&format!("cache: {{ ttl: 0s, negative_ttl: 0s }}\nlockout: false\n{ROUTES}"));
    let config = setup.config();
    let run = |arguments: &[&str], input: &str| {
        let output = portcullis(&config, arguments, input);
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(
        &["user", "create", "élise", "--password-stdin", "--email", "e@example.com"],
        "päss wörd\n",
    );
    assert!(
        !portcullis(&config, &["user", "create", "élise", "--password-stdin"], "x\n")
            .status
            .success()
    );
    let printed = run(&["token", "create", "élise"], "");
    let key =
        printed.strip_prefix("Generated token ").unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(printed, format!("Generated token {key} for user élise\n"));
    assert_eq!(run(&["token", "create", "élise"], ""), printed, "the same again");
    let gateway = Gateway::spawn(setup);
    let ask = |key: &str| gateway.get("/", &[("Authorization", &format!("Token {key}"))]);
    assert_eq!(ask(&key).echoed("remote-user").as_deref(), Some("%C3%A9lise"));
    assert_eq!(ask(&key).echoed("remote-email").as_deref(), Some("e@example.com"));
    let by_password = gateway.get("/", &[("Authorization", &basic("élise", "päss wörd"))]);
    assert_eq!(by_password.status, 200);
    let reset = run(&["token", "create", "-r", "élise"], "");
    assert_ne!(reset, printed);
    assert_eq!(ask(&key).status, 401, "the old token");
    let key = reset.split(' ').nth(2).unwrap().to_owned();
    assert_eq!(ask(&key).status, 200);
    run(&["user", "disable", "élise"], "");
    assert_eq!(ask(&key).text(), r#"{"detail":"User inactive or deleted."}"#);
    run(&["user", "enable", "élise"], "");
    assert_eq!(ask(&key).status, 200);
    run(&["token", "delete", "élise"], "");
    assert_eq!(ask(&key).status, 401);
}

/// The rule: `explain` says what would happen, also of who would be made on first sight, and makes
/// nobody.
#[test]
fn explain_tells_of_a_user_on_first_sight() {
    let setup = Setup::new().alice();
    setup.prepare(
        "authentication: [{ remote_user: { from: [127.0.0.1], create_unknown_user: true } }]\n\
         permission: authenticated\nroutes: [{ path: /, upstream: echo }]\n",
    );
    let ask = ["explain", "GET", "/", "-H", "Remote-User: newcomer"];
    let told = portcullis(&setup.config(), &ask, "");
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("remote_user: is newcomer"), "{text}");
    assert!(text.contains("remote-user: newcomer"), "{text}");
    let users = portcullis(&setup.config(), &["user", "list"], "");
    assert_eq!(String::from_utf8(users.stdout).unwrap(), "alice\n");
}

/// Attack, unmeant: a project on SQLite is put behind the gateway, and its next `migrate` fails on
/// tables that the gateway has made. And who only looks makes no file.
#[test]
fn a_project_s_file_stays_as_it_is() {
    let setup = Setup::new();
    setup.write("routes: [{ path: /, upstream: echo }]\n");
    let looked =
        portcullis(&setup.config(), &["explain", "GET", "/", "-H", "Authorization: Token x"], "");
    assert!(looked.status.success(), "{looked:?}");
    assert!(!setup.database().exists());
    let schema = |more: &str| {
        let script = format!(
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); {more}; \
             print(db.execute('SELECT sql FROM sqlite_master').fetchall(), \
             db.execute('PRAGMA journal_mode').fetchall())"
        );
        let said = Command::new("python3").arg("-c").arg(script).arg(setup.database()).output();
        String::from_utf8(said.unwrap().stdout).unwrap()
    };
    let made = schema("db.execute('CREATE TABLE django_migrations (id integer)')");
    assert!(made.contains("delete"), "{made}");
    for command in ["user list", "token list", "api-key list"] {
        portcullis(&setup.config(), &command.split(' ').collect::<Vec<_>>(), "");
        assert_eq!(schema("pass"), made, "{command}");
    }
}
