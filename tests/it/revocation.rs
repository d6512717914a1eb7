//! What is ended is over: the very next request with it is refused, however long credentials are
//! remembered, by every gateway on the machine.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    sync::Arc,
    thread,
    time::Duration,
};

use portcullis::{
    clock::{Clock, Timestamp},
    credential_cache::{CachedResult, Config, CredentialCache, Loaded},
    crypto::digest::sha256_hex,
    identity::Identity,
    rejection::Refusal,
    request::Purpose,
    store::Revocation,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Answer, Browser, Gateway, PASSWORD, Setup, basic,
    gateway::{ALICE_KEY, portcullis},
    until,
};

/// Nothing that is ended here may wait for its time to run out.
const SETTINGS: &str = "secret_key: throwaway-secret-key-for-tests-0123456789\n\
     cache: { ttl: 1h, negative_ttl: 0s }\nlockout: false\nauth_rate: 1000/min\n\
     knox: { keyword: Knox }\n\
     jwt: { blacklist: true, rotate_refresh_tokens: true, blacklist_after_rotation: true }\n\
     authentication: [token, session, knox, jwt, basic]\npermission: authenticated\nroutes:\n\
     - { path: /, upstream: echo }\n\
     - { path: /accounts/, endpoint: session }\n\
     - { path: /knox/, endpoint: knox }\n\
     - { path: /jwt/, endpoint: jwt }\n";

fn start() -> Gateway {
    Setup::new().alice().user("bob", PASSWORD).token("bob", &"b".repeat(40)).start(SETTINGS)
}

/// Another gateway on the store of this one.
fn beside(gateway: &Gateway) -> Gateway {
    let url = format!("sqlite://{}", gateway.setup.database().display());
    Setup::new().store(&url).start(SETTINGS)
}

type Credential = (&'static str, (&'static str, String));

fn knox_token(gateway: &Gateway) -> String {
    let right = basic("alice", PASSWORD);
    let answer = gateway.send("POST", "/knox/login/", &[("Authorization", &right)], b"");
    answer.json()["token"].as_str().expect("a token").to_owned()
}

fn post_json(gateway: &Gateway, target: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    gateway.send("POST", target, &json, body.to_string().as_bytes())
}

fn jwt_pair(gateway: &Gateway) -> Value {
    post_json(gateway, "/jwt/", &json!({ "username": "alice", "password": PASSWORD })).json()
}

/// One of each kind, all alice's.
fn credentials(gateway: &Gateway) -> Vec<Credential> {
    let mut browser = Browser::new(gateway);
    assert_eq!(browser.log_in("alice", PASSWORD).status, 302);
    let access = jwt_pair(gateway)["access"].as_str().unwrap().to_owned();
    vec![
        ("token", ("Authorization", format!("Token {ALICE_KEY}"))),
        ("session", ("Cookie", format!("sessionid={}", browser.session()))),
        ("knox", ("Authorization", format!("Knox {}", knox_token(gateway)))),
        ("jwt", ("Authorization", format!("Bearer {access}"))),
        ("basic", ("Authorization", basic("alice", PASSWORD))),
    ]
}

fn ask(gateway: &Gateway, (_, (name, value)): &Credential) -> u16 {
    gateway.get("/", &[(name, value)]).status
}

/// Attack: a token is deleted, a user disabled, a session ended on the command line because it was
/// stolen, and the thief goes on with what the gateway remembers.
#[test]
fn what_a_command_ends_is_refused_at_once() {
    const ALL: &[&str] = &["token", "session", "knox", "jwt", "basic"];
    for (command, ended) in [
        (&["token", "delete", "alice"][..], &["token"][..]),
        (&["token", "create", "--reset", "alice"], &["token"]),
        (&["session", "end", "--user", "alice"], &["session"]),
        (&["knox", "delete", "alice"], &["knox"]),
        (&["user", "disable", "alice"], ALL),
        (&["user", "delete", "alice"], ALL),
    ] {
        let gateway = start();
        let other = beside(&gateway);
        let credentials = credentials(&gateway);
        let bob = ("bob", ("Authorization", format!("Token {}", "b".repeat(40))));
        for gateway in [&gateway, &other] {
            for credential in credentials.iter().chain([&bob]) {
                for _ in 0..3 {
                    assert_eq!(ask(gateway, credential), 200, "{}", credential.0);
                }
            }
        }
        gateway.command(command);
        for gateway in [&other, &gateway] {
            for credential in &credentials {
                let expected = if ended.contains(&credential.0) { 401 } else { 200 };
                assert_eq!(ask(gateway, credential), expected, "{} by {command:?}", credential.0);
            }
            assert_eq!(ask(gateway, &bob), 200, "bob's by {command:?}");
        }
    }
}

/// Attack: one credential was found in a log or a repository, of which nobody knows whose it is, and
/// it works on until somebody does. `revoke` takes it as it was found, and ends no other.
#[test]
fn a_credential_that_leaked_is_ended_as_it_was_found() {
    let gateway = start();
    let revoke = |credential: &str| {
        let done = portcullis(&gateway.setup.config(), &["revoke"], credential);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (done.status.success(), text(&done.stdout) + &text(&done.stderr))
    };
    let credentials = credentials(&gateway);
    for credential in &credentials {
        assert_eq!(ask(&gateway, credential), 200, "{}", credential.0);
    }
    let mut left: Vec<_> = credentials.iter().collect();
    for kind in ["token", "knox", "session"] {
        let place = left.iter().position(|credential| credential.0 == kind).unwrap();
        let credential = left.remove(place);
        let (_, (_, value)) = credential;
        let secret = value.rsplit([' ', '=']).next().unwrap();
        let (done, said) = revoke(secret);
        assert!(done && said.contains("1 running gateway"), "{kind}: {said}");
        assert!(!said.contains(secret), "{kind}: it is shown again");
        assert_eq!(ask(&gateway, credential), 401, "{kind}");
        for credential in &left {
            assert_eq!(ask(&gateway, credential), 200, "{} by {kind}", credential.0);
        }
        assert!(!revoke(secret).0, "{kind} was found twice");
    }
    let pair = jwt_pair(&gateway);
    let (done, said) = revoke(pair["refresh"].as_str().unwrap());
    assert!(done && said.contains("Blacklisted a refresh token of alice"), "{said}");
    let again = post_json(&gateway, "/jwt/refresh/", &json!({ "refresh": pair["refresh"] }));
    assert_eq!(again.status, 401);
    let (done, said) = revoke(pair["access"].as_str().unwrap());
    assert!(!done && said.contains("portcullis user disable"), "{said}");
    let forged = format!("{}x", pair["refresh"].as_str().unwrap());
    assert!(!revoke(&forged).0 && !revoke("nonsense").0);
}

/// Attack: one of a user's credentials has leaked. What ends it must not end the others of the user,
/// of the same kind or another, nor have them all asked for again at once: with many users, that is
/// a flood of the store whenever one credential is revoked.
#[test]
fn a_revoked_credential_leaves_its_neighbours_remembered() {
    let settings =
        SETTINGS.replace("authentication: [", "authentication: [api_key: { header: X-Api-Key }, ");
    let setup = Setup::new().alice();
    setup.prepare(&settings);
    let api_key = |name: &str| {
        let arguments = ["api-key", "create", name, "--user", "alice"];
        let made = portcullis(&setup.config(), &arguments, "");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let api_keys = ["laptop", "phone"].map(api_key);
    let gateway = Gateway::spawn(setup);

    let [leaked, kept] = [0, 1].map(|number| {
        let mut all = credentials(&gateway);
        all.push(("api key", ("X-Api-Key", api_keys[number].clone())));
        // A user has one token, and one password.
        all.retain(|(kind, _)| number == 0 || !["token", "basic"].contains(kind));
        all
    });
    let refresh_tokens = [0, 1].map(|_| jwt_pair(&gateway)["refresh"].as_str().unwrap().to_owned());
    let stays = |ended: &[&str]| {
        for credential in leaked.iter().chain(&kept) {
            let is_ended = leaked.contains(credential) && ended.contains(&credential.0);
            let expected = if is_ended { 401 } else { 200 };
            assert_eq!(ask(&gateway, credential), expected, "{} by {ended:?}", credential.0);
        }
    };
    let asked = || {
        let metrics = gateway.admin("/metrics").text();
        let line =
            metrics.lines().find(|line| line.contains("cache_lookups_total{result=\"miss\"}"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let revoke = |secret: &str| {
        let done = portcullis(&gateway.setup.config(), &["revoke"], secret);
        assert!(done.status.success(), "{done:?}");
    };

    stays(&[]);
    let mut ended = Vec::new();
    for kind in ["api key", "knox", "session", "token"] {
        let (_, (_, value)) = leaked.iter().find(|credential| credential.0 == kind).unwrap();
        let before = asked();
        revoke(value.rsplit([' ', '=']).next().unwrap());
        ended.push(kind);
        stays(&ended);
        // Those that are ended are asked for, as nothing is remembered of what is refused.
        let most = ended.len() as u64;
        assert!(asked() - before <= most, "{kind}: {} asked again", asked() - before - most);
    }

    let before = asked();
    revoke(&refresh_tokens[0]);
    stays(&ended);
    assert!(asked() - before <= ended.len() as u64, "a refresh token: all are asked again");
    let refresh = |token: &str| post_json(&gateway, "/jwt/refresh/", &json!({ "refresh": token }));
    assert_eq!(refresh(&refresh_tokens[0]).status, 401);
    assert_eq!(refresh(&refresh_tokens[1]).status, 200);
}

/// Attack: tokens are believed without the store, so no user is known whose tokens could be forgotten,
/// and a blacklisted one works on. What cannot be ended is not said to be.
#[test]
fn a_stateless_token_that_is_blacklisted_is_refused_at_once() {
    let settings = |more: &str| {
        format!(
            "secret_key: throwaway-secret-key-for-tests-0123456789\ncache: {{ ttl: 1h }}\n\
             jwt: {{ stateless: true, token_types: [access, sliding], blacklist: true{more} }}\n\
             authentication: [jwt]\npermission: authenticated\nroutes:\n\
             - {{ path: /, upstream: echo }}\n- {{ path: /sliding/, endpoint: jwt_sliding }}\n\
             - {{ path: /jwt/, endpoint: jwt }}\n"
        )
    };
    for more in ["", ", user_id_field: username, user_id_claim: username"] {
        let gateway = Setup::new().alice().start(&settings(more));
        let right = json!({ "username": "alice", "password": PASSWORD });
        let token = post_json(&gateway, "/sliding/", &right).json()["token"].clone();
        let token = token.as_str().unwrap();
        let bearer = ("jwt", ("Authorization", format!("Bearer {token}")));
        assert_eq!(ask(&gateway, &bearer), 200);
        let said = portcullis(&gateway.setup.config(), &["revoke"], token);
        let text = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(text.contains("1 running gateway"), "{more} {text}");
        assert_eq!(ask(&gateway, &bearer), 401, "{more}");
        let said = gateway.command(&["user", "disable", "alice"]);
        assert!(said.contains("good until they end"), "{said}");
        let access = jwt_pair(&gateway);
        assert_eq!(access["access"], Value::Null, "who is disabled gets no more");
    }
}

/// The rule: a session is ended by the name that the list gives it, which is not its key, and no
/// other ends with it.
#[test]
fn one_session_is_ended_by_its_name() {
    let gateway = start();
    let (mut stolen, mut kept) = (Browser::new(&gateway), Browser::new(&gateway));
    for browser in [&mut stolen, &mut kept] {
        browser.log_in("alice", PASSWORD);
        assert_eq!(browser.get("/").status, 200);
    }
    let list = gateway.command(&["session", "list"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    for browser in [&stolen, &kept] {
        assert!(!list.contains(&browser.session()), "a key is in the list");
    }
    let name = &sha256_hex(stolen.session().as_bytes())[..16];
    assert!(list.contains(name), "{name} in {list}");
    gateway.command(&["session", "end", name]);
    assert_eq!(stolen.get("/").status, 401);
    assert_eq!(kept.get("/").status, 200);
}

/// Attack (CVE-2024-21492): a log-out deletes the browser's cookie, and a copy of it works on, here
/// or at the gateway beside.
#[test]
fn what_a_page_ends_is_refused_at_once() {
    let gateway = start();
    let other = beside(&gateway);
    let everywhere = |credential: &Credential, status: u16| {
        for gateway in [&other, &gateway] {
            assert_eq!(ask(gateway, credential), status, "{}", credential.0);
        }
    };
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let session = ("session", ("Cookie", format!("sessionid={}", browser.session())));
    everywhere(&session, 200);
    assert_eq!(browser.post("/accounts/logout/", &[]).status, 200);
    everywhere(&session, 401);

    let knox = || ("knox", ("Authorization", format!("Knox {}", knox_token(&gateway))));
    let tokens = [knox(), knox(), knox()];
    let leave = |page: &str, (_, (name, value)): &Credential| {
        assert_eq!(gateway.send("POST", page, &[(name, value)], b"").status, 204);
    };
    tokens.iter().for_each(|token| everywhere(token, 200));
    leave("/knox/logout/", &tokens[0]);
    everywhere(&tokens[0], 401);
    tokens[1..].iter().for_each(|token| everywhere(token, 200));
    leave("/knox/logoutall/", &tokens[1]);
    tokens.iter().for_each(|token| everywhere(token, 401));
}

/// Attack: a refresh token is used by its owner and by a thief, and both go on; or it goes on after
/// it was blacklisted.
#[test]
fn a_refresh_token_is_used_once() {
    let gateway = start();
    let pair = jwt_pair(&gateway);
    let refresh =
        |token: &Value| post_json(&gateway, "/jwt/refresh/", &json!({ "refresh": token }));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| refresh(&pair["refresh"]))).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), bad.len()), (1, 7), "{answers:?}");
    let used = r#"{"detail":"Token is blacklisted","code":"token_not_valid"}"#;
    bad.iter().for_each(|answer| assert_eq!((answer.status, answer.text().as_str()), (401, used)));
    assert_eq!(refresh(&pair["refresh"]).text(), used);

    let next = refresh(&good[0].json()["refresh"]).json();
    let body = json!({ "refresh": next["refresh"] });
    assert_eq!(post_json(&gateway, "/jwt/blacklist/", &body).status, 200);
    assert_eq!(refresh(&next["refresh"]).text(), used);
    assert_eq!(post_json(&gateway, "/jwt/blacklist/", &body).text(), used);
    let access = format!("Bearer {}", next["access"].as_str().unwrap());
    assert_eq!(ask(&gateway, &("jwt", ("Authorization", access))), 200, "as simplejwt has it");
}

/// The rule: gateways that were reloaded hear as before; one that was killed, or sleeps, is in
/// nobody's way, and one that sleeps learns of it when it wakes.
#[test]
fn neither_a_reload_nor_a_dead_neighbour_is_in_the_way() {
    let gateway = start();
    let token = ("token", ("Authorization", format!("Token {ALICE_KEY}")));
    drop(beside(&gateway));
    let asleep = beside(&gateway);
    for _ in 0..2 {
        let before = gateway.output().matches("the new configuration serves").count();
        gateway.signal("HUP");
        until("it has reloaded", || {
            gateway.output().matches("the new configuration serves").count() > before
        });
    }
    for gateway in [&gateway, &asleep] {
        assert_eq!(ask(gateway, &token), 200);
    }
    asleep.signal("STOP");
    let begun = std::time::Instant::now();
    gateway.command(&["token", "delete", "alice"]);
    assert_eq!(ask(&gateway, &token), 401);
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for the dead");
    asleep.signal("CONT");
    until("it wakes and forgets", || ask(&asleep, &token) == 401);
}

/// Attack: the look-up of a credential is under way while it is revoked; the old answer comes back
/// afterwards, and is remembered for as long as a good one. Nor may a request that came after the
/// revocation be given that answer because it waited for the same look-up.
#[tokio::test]
async fn an_answer_from_before_a_revocation_is_not_believed_after_it() {
    for revoked in [Revocation::Everything, Revocation::User("7".into())] {
        let config = Config::default();
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let cache = CredentialCache::new(&config, clock, Default::default()).unwrap();
        let cache = Arc::new(cache);
        let key = cache.key(cache.namespace(), &[b"a token"]);
        let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let under_way = tokio::spawn({
            let (cache, asked, answer) = (cache.clone(), asked.clone(), answer.clone());
            async move {
                let load = async {
                    asked.notify_one();
                    answer.notified().await;
                    let id = Some("7".into());
                    let alice = Identity { id, username: "alice".into(), ..Identity::default() };
                    Ok(Loaded::new(CachedResult::Identity(Arc::new(alice))))
                };
                cache.get(key, Purpose::Serve, load).await
            }
        });
        asked.notified().await;
        cache.revoke([revoked]);
        let after = tokio::spawn({
            let cache = cache.clone();
            let gone = async { Ok(Loaded::refused(Refusal::new("gone"))) };
            async move { cache.get(key, Purpose::Serve, gone).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer.notify_one();
        under_way.await.unwrap().unwrap();
        let after = after.await.unwrap();
        assert!(matches!(after, Ok(CachedResult::Refused(_))), "it waited for the old answer");
        let hit = cache.hit(&key, Purpose::Serve);
        assert!(
            !matches!(hit, Some(Ok(CachedResult::Identity(_)))),
            "the old answer is remembered"
        );
    }
}

/// Attack: another user of the machine tells the gateway to forget, again and again, or listens to
/// what is revoked. Only its owner may enter the folder of the sockets.
#[test]
fn only_the_owner_may_revoke() {
    let (good, open) = (Setup::new(), Setup::new());
    let folder_in = |setup: &Setup| setup.dir.0.join("store.db.gateways");
    let sockets = |setup: &Setup| -> Vec<_> {
        let found = fs::read_dir(folder_in(setup)).unwrap().map(|entry| entry.unwrap());
        found.filter(|entry| entry.file_type().unwrap().is_socket()).collect()
    };
    let start = |setup: Setup| setup.alice().start(SETTINGS);
    let token = ("token", ("Authorization", format!("Token {ALICE_KEY}")));

    let mut gateway = start(good);
    until("it listens for commands", || {
        folder_in(&gateway.setup).exists() && sockets(&gateway.setup).len() == 1
    });
    let mode = fs::metadata(folder_in(&gateway.setup)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(ask(&gateway, &token), 200);
    gateway.command(&["token", "delete", "alice"]);
    assert_eq!(ask(&gateway, &token), 401);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    assert!(sockets(&gateway.setup).is_empty(), "the socket stays behind");

    // Somebody else has made the folder, or opened it.
    fs::create_dir(folder_in(&open)).unwrap();
    fs::set_permissions(folder_in(&open), fs::Permissions::from_mode(0o777)).unwrap();
    let gateway = start(open);
    assert_eq!(ask(&gateway, &token), 200);
    gateway.signal("HUP");
    until("it has reloaded", || gateway.output().contains("the new configuration serves"));
    assert!(sockets(&gateway.setup).is_empty(), "it listens where everybody may speak");
}
