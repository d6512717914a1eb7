//! Revocations across machines: gateways that share a PostgreSQL hear what the others end, and with
//! its triggers what Django ends.

use std::{collections::HashMap, thread, time::Duration};

use portcullis::crypto::digest::sha256_hex;
use sqlx::postgres::PgListener;

use crate::support::{
    Browser, Gateway, PASSWORD, PATIENCE, Postgres, Setup, basic, gateway::ALICE_KEY, until,
};

fn start(url: &str, ttl: &str) -> Gateway {
    Setup::new().store(url).start(&format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\n\
         cache: {{ ttl: {ttl}, negative_ttl: 0s }}\nlockout: false\nauth_rate: 1000/min\n\
         knox: {{ keyword: Knox }}\njwt: {{ blacklist: true, token_types: [sliding] }}\n\
         authentication: [token, session, knox, jwt, basic]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: echo }}\n\
         - {{ path: /editors/, permission: {{ permission: app.edit }}, upstream: echo }}\n\
         - {{ path: /accounts/, endpoint: session }}\n\
         - {{ path: /knox/, endpoint: knox }}\n\
         - {{ path: /sliding/, endpoint: jwt_sliding }}\n"
    ))
}

type Header = (&'static str, String);

fn status(gateway: &Gateway, (name, value): &Header) -> u16 {
    gateway.get("/", &[(name, value)]).status
}

fn token(key: &str) -> Header {
    ("Authorization", format!("Token {key}"))
}

fn knox(gateway: &Gateway) -> Header {
    let right = basic("alice", PASSWORD);
    let answer = gateway.send("POST", "/knox/login/", &[("Authorization", &right)], b"");
    ("Authorization", format!("Knox {}", answer.json()["token"].as_str().unwrap()))
}

fn sliding(gateway: &Gateway) -> Header {
    let body = format!(r#"{{"username":"alice","password":"{PASSWORD}"}}"#);
    let json = [("Content-Type", "application/json")];
    let answer = gateway.send("POST", "/sliding/", &json, body.as_bytes());
    ("Authorization", format!("Bearer {}", answer.json()["token"].as_str().unwrap()))
}

fn session(gateway: &Gateway) -> (Browser<'_>, Header) {
    let mut browser = Browser::new(gateway);
    assert_eq!(browser.log_in("alice", PASSWORD).status, 302);
    let header = ("Cookie", format!("sessionid={}", browser.session()));
    (browser, header)
}

/// Attack: a credential is revoked at one gateway, and the thief goes to another machine's, which
/// nobody on this one can reach but through the database.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn what_one_gateway_ends_is_refused_by_all() {
    let database = Postgres::start("notify");
    let (here, there) = (start(&database.url, "1h"), start(&database.elsewhere(), "1h"));
    let (mut browser, cookie) = session(&here);
    let (first, second) = (knox(&here), knox(&there));
    let key = token(ALICE_KEY);
    let remembered = |header: &Header| {
        for gateway in [&here, &there] {
            assert_eq!(
                (status(gateway, header), status(gateway, header)),
                (200, 200),
                "{header:?}"
            );
        }
    };
    let ended = |header: &Header, gateway: &Gateway| {
        assert_eq!(status(gateway, header), 401, "at once where it was ended: {header:?}");
        for gateway in [&here, &there] {
            until("every gateway refuses it", || status(gateway, header) == 401);
        }
    };
    [&cookie, &first, &second, &key].into_iter().for_each(&remembered);

    assert_eq!(browser.post("/accounts/logout/", &[]).status, 200);
    ended(&cookie, &here);
    let (name, value) = &first;
    assert_eq!(there.send("POST", "/knox/logout/", &[(name, value)], b"").status, 204);
    ended(&first, &there);
    remembered(&second);
    here.command(&["knox", "delete", "alice"]);
    ended(&second, &here);
    remembered(&key);
    there.command(&["token", "delete", "alice"]);
    ended(&key, &there);

    let right = ("Authorization", basic("alice", PASSWORD));
    remembered(&right);
    here.command(&["user", "disable", "alice"]);
    ended(&right, &here);
}

/// The rule: what Django ends by itself is over within `cache.ttl`, without anything installed.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn what_django_ends_is_over_within_the_ttl() {
    let database = Postgres::start("ttl");
    let gateway = start(&database.url, "300ms");
    let (_, cookie) = session(&gateway);
    for (header, statement) in [
        (cookie, "DELETE FROM django_session"),
        (knox(&gateway), "DELETE FROM knox_authtoken"),
        (token(ALICE_KEY), "DELETE FROM authtoken_token"),
        (("Authorization", basic("alice", PASSWORD)), "UPDATE auth_user SET is_active = false"),
    ] {
        assert_eq!(status(&gateway, &header), 200, "{statement}");
        database.execute(statement);
        until(statement, || status(&gateway, &header) == 401);
    }
}

/// The rule: with the triggers it is over at once; installing them twice is as good as once, and
/// taking them out leaves nothing behind.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn with_triggers_what_django_ends_is_over_at_once() {
    let database = Postgres::start("triggers");
    let found = || {
        database.texts(&format!(
            "SELECT c.relname || ' ' || t.tgname FROM pg_trigger t \
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = '{schema}' AND NOT t.tgisinternal \
             UNION ALL SELECT p.proname::text FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = '{schema}' ORDER BY 1",
            schema = database.schema
        ))
    };
    let (gateway, other) = (start(&database.url, "1h"), start(&database.elsewhere(), "1h"));
    assert!(found().is_empty());
    let printed = gateway.command(&["store", "triggers"]);
    assert!(printed.contains("CREATE TRIGGER portcullis"), "{printed}");
    let installed = found();
    assert!(installed.len() >= 8 + 4, "{installed:?}");
    gateway.command(&["store", "triggers"]);
    assert_eq!(found(), installed);

    let right = || ("Authorization", basic("alice", PASSWORD));
    let (_, one) = session(&gateway);
    let (_, two) = session(&gateway);
    for (header, statement) in [
        (one, "DELETE FROM django_session WHERE session_key = '{}'"),
        (knox(&gateway), "DELETE FROM knox_authtoken"),
        (
            sliding(&gateway),
            "INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) \
             SELECT id, now() FROM token_blacklist_outstandingtoken",
        ),
        (token(ALICE_KEY), "DELETE FROM authtoken_token"),
        (right(), "UPDATE auth_user SET is_active = false"),
        (right(), "UPDATE auth_user SET is_active = true, password = 'x' || password"),
        (two, "DELETE FROM auth_user"),
    ] {
        let key = header.1.strip_prefix("sessionid=").unwrap_or_default();
        let statement = statement.replace("{}", key);
        // What the last statement ended is in again for this one.
        database.execute(
            "UPDATE auth_user SET is_active = true, password = replace(password, 'x', '')",
        );
        for gateway in [&gateway, &other] {
            until(&format!("before {statement}"), || status(gateway, &header) == 200);
        }
        database.execute(&statement);
        for gateway in [&gateway, &other] {
            until(&statement, || status(gateway, &header) == 401);
        }
    }

    gateway.command(&["store", "triggers", "--remove"]);
    assert_eq!(found(), Vec::<String>::new());
    gateway.command(&["store", "triggers", "--remove"]);
}

/// Attack: the connection over which the gateway hears is lost, and what is ended in the meantime is
/// heard by nobody. Once it hears again it believes nothing that it has remembered.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn what_was_not_heard_is_not_believed() {
    let database = Postgres::start("deaf");
    let gateway = start(&database.elsewhere(), "1h");
    let listening = format!(
        "FROM pg_stat_activity WHERE application_name = '{}' AND query ILIKE 'LISTEN%'",
        database.schema
    );
    until("it listens", || database.texts(&format!("SELECT query {listening}")).len() == 1);
    assert_eq!(status(&gateway, &token(ALICE_KEY)), 200);
    database.texts(&format!("SELECT pg_terminate_backend(pid)::text {listening}"));
    let id = database.base + 1;
    database.execute(&format!(
        "DELETE FROM authtoken_token; SELECT pg_notify('portcullis', 'user {id}')"
    ));
    until("it has forgotten", || status(&gateway, &token(ALICE_KEY)) == 401);
}

/// Attack (CVE-2021-41230): who lost a group or a permission in Django's admin keeps what the
/// gateway remembers.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn with_triggers_lost_rights_are_lost_at_once() {
    let database = Postgres::start("rights");
    let gateway = start(&database.url, "1h");
    gateway.command(&["store", "triggers"]);
    database.execute(
        "INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'app', 'thing');\
         INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (1, '', 1, 'edit');\
         INSERT INTO auth_group (id, name) VALUES (1, 'editors')",
    );
    let allowed = || {
        let (name, value) = token(ALICE_KEY);
        gateway.get("/editors/", &[(name, &value)]).status == 200
    };
    let member = "INSERT INTO auth_user_groups (user_id, group_id) SELECT id, 1 FROM auth_user";
    let of_group = "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)";
    let own = "INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT id, 1 FROM auth_user";
    for (given, taken) in [
        (&[member, of_group][..], "DELETE FROM auth_group_permissions"),
        (&[of_group], "DELETE FROM auth_user_groups"),
        (&[own], "DELETE FROM auth_user_user_permissions"),
    ] {
        assert!(!allowed());
        given.iter().for_each(|statement| database.execute(statement));
        until("it is given at once", allowed);
        database.execute(taken);
        until(taken, || !allowed());
    }
}

/// Attack: whoever may connect to the database listens, and collects keys of sessions and tokens
/// from the messages.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn no_key_is_in_a_message() {
    let database = Postgres::start("listen");
    let gateway = start(&database.url, "1h");
    gateway.command(&["store", "triggers"]);
    let _runtime = database.runtime().enter();
    let mut listener = database.runtime().block_on(async {
        let mut listener = PgListener::connect(&database.url).await.unwrap();
        listener.listen("portcullis").await.unwrap();
        listener
    });
    let mut secrets = vec![ALICE_KEY.to_owned()];
    let mut sessions = HashMap::new();
    for end in ["page", "command", "django", "sql"] {
        let (mut browser, _) = session(&gateway);
        let key = browser.session();
        sessions.insert(format!("credential session {}", sha256_hex(key.as_bytes())), end);
        secrets.extend(browser.cookies.values().cloned());
        match end {
            "page" => assert_eq!(browser.post("/accounts/logout/", &[]).status, 200),
            "command" => {
                drop(gateway.command(&["session", "end", &sha256_hex(key.as_bytes())[..16]]))
            }
            "django" => {
                // It logs in again as somebody else: the old session goes.
                database.user("bob");
                assert_eq!(browser.log_in("bob", PASSWORD).status, 302);
                secrets.push(browser.session());
            }
            _ => {
                database.execute(&format!("DELETE FROM django_session WHERE session_key = '{key}'"))
            }
        }
    }
    secrets.push(knox(&gateway).1.split_off(5));
    let stored = database.texts("SELECT digest FROM knox_authtoken");
    secrets.extend(stored.iter().map(|digest| digest[..15].to_owned()));
    gateway.command(&["knox", "delete", "alice"]);
    gateway.command(&["token", "create", "--reset", "alice"]);
    secrets.extend(database.texts("SELECT key FROM authtoken_token"));
    database.execute("DELETE FROM authtoken_token");
    let last = format!("user {}", database.base + 2);
    gateway.command(&["user", "disable", "bob"]);

    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        let next = tokio::time::timeout(PATIENCE, listener.recv());
        let message = database.runtime().block_on(next).expect("the last message");
        heard.push(message.unwrap().payload().to_owned());
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!heard.iter().any(|message| message.contains(secret)), "{secret} in {heard:#?}");
    }
    for (message, end) in &sessions {
        assert!(heard.contains(message), "ended by {end}, and nobody was told: {heard:#?}");
    }
    for package in ["knox", "token"] {
        let of = format!("credential {package} ");
        assert!(heard.iter().any(|message| message.starts_with(&of)), "{package}: {heard:#?}");
    }
}

/// Attack: the database is slow, a token's look-up is under way, and in this time it is revoked. The
/// row that was read before comes back after, and is remembered.
#[test]
#[ignore = "needs PostgreSQL: tests/run"]
fn a_look_up_under_way_is_not_remembered() {
    let database = Postgres::start("slow");
    let gateway = start(&database.url, "1h");
    let header = token(ALICE_KEY);
    let _runtime = database.runtime().enter();
    // At its start it has the database read the query for groups.
    until("it is up", || gateway.output().contains("serving"));
    // Of the same user, so that it shows when the gateway has heard of the revocation.
    let password = ("Authorization", basic("alice", PASSWORD));
    assert_eq!(status(&gateway, &password), 200);
    // The token's row is read; then the look-up waits for the groups.
    let mut lock = database.begin();
    database.runtime().block_on(async {
        let groups = "LOCK TABLE auth_group IN ACCESS EXCLUSIVE MODE";
        sqlx::query(groups).execute(&mut *lock).await.unwrap();
    });
    thread::scope(|scope| {
        let before = scope.spawn(|| status(&gateway, &header));
        let waiting = format!(
            "SELECT mode FROM pg_locks WHERE NOT granted AND relation = '{}.auth_group'::regclass",
            database.schema
        );
        let look_ups = || database.texts(&waiting).len();
        until("the look-up waits", || look_ups() == 1);
        let id = database.base + 1;
        database.execute(&format!(
            "DELETE FROM authtoken_token; SELECT pg_notify('portcullis', 'user {id}')"
        ));
        until("the password is no longer remembered", || {
            scope.spawn(|| status(&gateway, &password));
            look_ups() == 2
        });
        let after = scope.spawn(|| status(&gateway, &header));
        // Time to meet the look-up that is under way; nothing shows that it waits behind it.
        thread::sleep(Duration::from_millis(100));
        database.runtime().block_on(lock.rollback()).unwrap();
        assert_eq!(before.join().unwrap(), 200, "it came before the revocation");
        assert_eq!(after.join().unwrap(), 401, "it came after the revocation");
    });
    assert_eq!(status(&gateway, &header), 401, "it is remembered");
}
