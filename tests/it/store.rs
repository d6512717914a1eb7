//! One contract for every backend: the same questions to SQLite, PostgreSQL and MariaDB, on tables
//! that Django's own migrations have made and its own code has filled.

use std::{process::Command, time::Duration};

use portcullis::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256_hex,
    observe::metrics::Metrics,
    store::{
        ApiKeys, Config, KnoxTokens, NewKnoxToken, NewUser, OutstandingToken, OutstandingTokens,
        Session, Sessions, Sql, Tokens, Users,
    },
    value::{Path, Secret},
};

use crate::support::from_test_run;

const ALICE_TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// Runs the contract on the database that `variable` names.
fn on_backend(variable: &str) {
    let url = from_test_run(variable);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = format!("{{ url: '{url}', own_tables: true }}");
    let config: Config = serde_yaml::from_str(&config).unwrap();
    let store =
        Sql::new(&config, &Path::root(), runtime.handle(), Metrics::default().store()).unwrap();
    runtime.block_on(async {
        store.create_tables().await.unwrap();
        store.ping().await.unwrap();
        reads_what_django_wrote(&store).await;
        writes_users_and_tokens(&store, &url).await;
        keeps_api_keys(&store).await;
        finds_users_by_column(&store).await;
        keeps_sessions(&store, &url).await;
        let owner = owner(&store).await;
        keeps_knox_tokens(&store, owner, &url).await;
        keeps_outstanding_tokens(&store, owner, &url).await;
        store.delete_user(OWNER).await.unwrap();
    });
}

#[test]
#[ignore = "needs Django's tables on SQLite: tests/run"]
fn sqlite_keeps_the_contract() {
    on_backend("PORTCULLIS_TEST_SQLITE");
}

#[test]
#[ignore = "needs Django's tables on PostgreSQL: tests/run"]
fn postgresql_keeps_the_contract() {
    on_backend("PORTCULLIS_TEST_POSTGRES");
}

#[test]
#[ignore = "needs Django's tables on MariaDB: tests/run"]
fn mariadb_keeps_the_contract() {
    on_backend("PORTCULLIS_TEST_MARIADB");
}

async fn reads_what_django_wrote(store: &Sql) {
    let alice = store.user_by_name("alice").await.unwrap().unwrap();
    let identity = &alice.identity;
    assert_eq!(
        (alice.id, alice.active, identity.staff, identity.superuser),
        (1, true, false, false)
    );
    assert_eq!(identity.id.as_deref(), Some("1"));
    assert_eq!(&*identity.email, "alice@example.com");
    assert_eq!(identity.groups.iter().map(|g| &**g).collect::<Vec<_>>(), ["a, b", "editors"]);
    assert!(identity.has_permission("auth.view_user") && !identity.has_permission("auth.add_user"));
    assert!(alice.password.reveal().starts_with("pbkdf2_sha256$"));

    assert!(!store.user_by_name("bob").await.unwrap().unwrap().active);
    assert!(store.user_by_name("staff").await.unwrap().unwrap().identity.staff);
    assert_eq!(&*store.user_by_name("élise").await.unwrap().unwrap().identity.username, "élise");
    assert!(store.user_by_name("nobody").await.unwrap().is_none());
    assert!(store.user_by_name("' OR 1=1 --").await.unwrap().is_none());

    let by_token = store.user_by_token(ALICE_TOKEN).await.unwrap().unwrap();
    assert_eq!(by_token.id, 1);
    assert!(!store.user_by_token(&"b".repeat(40)).await.unwrap().unwrap().active);
    // MariaDB's collation would find this one.
    assert!(store.user_by_token(&ALICE_TOKEN.to_uppercase()).await.unwrap().is_none());
    // CVE-2026-27840: a token that is cut off is no token.
    assert!(store.user_by_token(&ALICE_TOKEN[..39]).await.unwrap().is_none());
}

async fn writes_users_and_tokens(store: &Sql, url: &str) {
    let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
    let name = "contract-writer";
    store.delete_user(name).await.unwrap();
    let user = NewUser {
        username: name.into(),
        email: "w@example.com".into(),
        password: "!first".into(),
        superuser: true,
    };
    let id = store.create_user(&user, clock.now()).await.unwrap().unwrap();
    assert_eq!(store.create_user(&user, clock.now()).await.unwrap(), None, "the name is taken");
    let found = store.user_by_name(name).await.unwrap().unwrap();
    assert!(found.id == id && found.active && found.identity.staff && found.identity.superuser);
    assert!(store.usernames().await.unwrap().contains(&name.to_owned()));

    clock.advance(Duration::from_secs(3600));
    let (key, new) = store.token_of(id, clock.now()).await.unwrap();
    assert!(new && key.reveal().len() == 40);
    let (again, new) = store.token_of(id, clock.now()).await.unwrap();
    assert!(!new && again.reveal() == key.reveal(), "one token a user");
    assert_eq!(store.user_by_token(key.reveal()).await.unwrap().unwrap().id, id);
    assert_eq!(django_reads_token(name, url), "2023-11-14T23:13:20+00:00");

    store.replace_password(id, "!other", "!second").await.unwrap();
    let password = async || store.user_by_name(name).await.unwrap().unwrap().password;
    assert_eq!(password().await.reveal(), "!first", "somebody else was faster");
    store.replace_password(id, "!first", "!second").await.unwrap();
    assert_eq!(password().await.reveal(), "!second");

    assert!(store.set_active(name, false).await.unwrap());
    assert!(!store.user_by_token(key.reveal()).await.unwrap().unwrap().active);
    assert!(!store.set_active("nobody", false).await.unwrap());

    assert!(store.delete_token(id).await.unwrap());
    assert!(!store.delete_token(id).await.unwrap());
    assert!(store.user_by_token(key.reveal()).await.unwrap().is_none());
    store.token_of(id, clock.now()).await.unwrap();
    assert!(store.delete_user(name).await.unwrap());
    assert!(!store.delete_user(name).await.unwrap());
    assert!(store.user_by_name(name).await.unwrap().is_none());
}

/// What Django says of a token that we have written: the row and the moment are Django's own.
fn django_reads_token(username: &str, url: &str) -> String {
    django_says(
        url,
        &format!(
            "from rest_framework.authtoken.models import Token\n\
             token = Token.objects.get(user__username='{username}')\n\
             assert token.user.date_joined.isoformat() == '2023-11-14T22:13:20+00:00', token.user.date_joined\n\
             print(token.created.isoformat())"
        ),
    )
}

/// What a script prints that has Django's models at hand.
fn django_says(url: &str, script: &str) -> String {
    let python = from_test_run("PORTCULLIS_TEST_PYTHON");
    let project = from_test_run("PORTCULLIS_TEST_DJANGO_PROJECT");
    let output = Command::new(python)
        .args(["-c", &format!("import django; django.setup()\n{script}")])
        .current_dir(project)
        .env("DJANGO_SETTINGS_MODULE", "project.settings")
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn keeps_api_keys(store: &Sql) {
    let now = Timestamp::from_seconds(1_700_000_000);
    for name in ["contract-user-key", "contract-service"] {
        store.delete_api_key(name).await.unwrap();
    }
    let digest = sha256_hex(b"secret of alice");
    assert!(store.create_api_key("contract-user-key", &digest, Some(1), now).await.unwrap());
    assert!(!store.create_api_key("contract-user-key", &digest, Some(1), now).await.unwrap());
    let key = store.api_key(&digest).await.unwrap().unwrap();
    assert_eq!(key.user.map(|user| user.id), Some(1));
    let digest = sha256_hex(b"secret of a service");
    assert!(store.create_api_key("contract-service", &digest, None, now).await.unwrap());
    let key = store.api_key(&digest).await.unwrap().unwrap();
    assert!(&*key.name == "contract-service" && key.user.is_none());
    assert!(store.api_key(&sha256_hex(b"guess")).await.unwrap().is_none());
    let listed = store.api_keys().await.unwrap();
    assert!(listed.contains(&("contract-user-key".into(), Some("alice".into()))));
    assert!(listed.contains(&("contract-service".into(), None)));
    assert!(store.delete_api_key("contract-service").await.unwrap());
    assert!(!store.delete_api_key("contract-service").await.unwrap());
    assert!(store.delete_api_key("contract-user-key").await.unwrap());
}

async fn finds_users_by_column(store: &Sql) {
    let found = async |field: &str, value: &str| {
        store.user_by_field(field, value).await.unwrap().map(|user| user.id)
    };
    for (field, value) in
        [("id", "1"), ("username", "alice"), ("email", "alice@example.com"), ("is_staff", "alice")]
    {
        let expected = (field != "is_staff").then_some(1);
        assert_eq!(found(field, value).await, expected, "{field} {value}");
    }
    assert!(found("username", "élise").await.is_some());
    for (field, value) in [
        ("id", "99"),
        ("id", ""),
        ("id", "1 OR 1=1"),
        ("id", "1.0"),
        ("id", "99999999999999999999"),
        ("id", "1\0"),
        // MariaDB's collation would find these.
        ("username", "ALICE"),
        ("username", "elise"),
        ("username", "alice "),
        ("email", "ALICE@example.com"),
        ("email", "alice@example.com\0"),
        // No column is named so.
        ("username = 'alice' OR username", "alice"),
        ("u.username", "alice"),
        ("", "alice"),
    ] {
        assert_eq!(found(field, value).await, None, "{field} {value:?}");
    }
    let error = store.user_by_field("no_such_column", "alice").await.unwrap_err();
    assert!(error.cause.contains("no_such_column"), "{error}");
}

/// Django's columns keep microseconds: 22:13:20.123456 on 2023-11-14.
const MOMENT: Timestamp = Timestamp(1_700_000_000_123_456);
const ISO: &str = "2023-11-14T22:13:20.123456+00:00";
const MICROSECOND: Duration = Duration::from_micros(1);

async fn keeps_sessions(store: &Sql, url: &str) {
    let (key, gone) = ("contractsessionabcdefghijklmn01", "contractsessionabcdefghijklmn02");
    for key in [key, gone] {
        store.delete_session(key).await.unwrap();
    }
    let session = |data: &str, expires| Session { data: data.into(), expires };
    assert!(store.create_session(key, &session("first", MOMENT)).await.unwrap());
    assert!(!store.create_session(key, &session("other", MOMENT)).await.unwrap(), "it is taken");
    let read = async |key: &str| {
        store.session(key).await.unwrap().map(|session| (session.data, session.expires))
    };
    assert_eq!(read(key).await, Some(("first".into(), MOMENT)));
    let script = format!(
        "from django.contrib.sessions.models import Session\n\
         session = Session.objects.get(pk='{key}')\n\
         print(session.session_data, session.expire_date.isoformat())"
    );
    assert_eq!(django_says(url, &script), format!("first {ISO}"));

    // MariaDB's collation would find the first of these, and SQL the last.
    let upper = key.to_uppercase();
    for wrong in [&*upper, &key[..30], "", "contractsession\0", &"a".repeat(41), "%"] {
        assert_eq!(read(wrong).await, None, "{wrong:?}");
        assert!(!store.delete_session(wrong).await.unwrap(), "{wrong:?}");
        assert!(!store.replace_session(wrong, &session("x", MOMENT)).await.unwrap(), "{wrong:?}");
    }
    assert!(!store.replace_session(gone, &session("x", MOMENT)).await.unwrap());
    assert_eq!(read(gone).await, None, "it was made again");
    assert_eq!(read(key).await, Some(("first".into(), MOMENT)));

    let later = MOMENT + MICROSECOND;
    assert!(store.replace_session(key, &session("second", later)).await.unwrap());
    assert_eq!(read(key).await, Some(("second".into(), later)));
    for (now, listed) in [(MOMENT, true), (later, false), (later + MICROSECOND, false)] {
        let found = store.sessions("", now).await.unwrap();
        assert_eq!(found.iter().any(|(known, _)| known == key), listed, "at {now}");
    }
    assert!(store.delete_session(key).await.unwrap());
    assert!(!store.delete_session(key).await.unwrap());
    assert_eq!(read(key).await, None);
}

const OWNER: &str = "contract-owner";

/// A user of this test's own.
async fn owner(store: &Sql) -> i64 {
    store.delete_user(OWNER).await.unwrap();
    let user = NewUser {
        username: OWNER.into(),
        email: String::new(),
        password: "!".into(),
        superuser: false,
    };
    let id = store.create_user(&user, MOMENT).await.unwrap().unwrap();
    store.logged_in(id, MOMENT).await.unwrap();
    store.logged_in(i64::from(i32::MAX), MOMENT).await.unwrap();
    id
}

async fn keeps_knox_tokens(store: &Sql, owner: i64, url: &str) {
    store.delete_knox_tokens(owner).await.unwrap();
    let token = |name: &str, expiry| NewKnoxToken {
        digest: sha256_hex(name.as_bytes()).repeat(2),
        token_key: "0123456789abcde".into(),
        user: owner,
        created: MOMENT,
        expiry,
    };
    let (kept, brief, endless) = (
        token("kept", Some(MOMENT + Duration::from_secs(60))),
        token("brief", Some(MOMENT + MICROSECOND)),
        token("endless", None),
    );
    for token in [&kept, &brief, &endless] {
        store.create_knox_token(token).await.unwrap();
    }
    let error = store.create_knox_token(&kept).await.expect_err("it was written over another");
    // PostgreSQL and MariaDB, or SQLite.
    let refused =
        ["duplicate", "Duplicate", "UNIQUE"].iter().any(|word| error.cause.contains(word));
    assert!(refused, "{error}");
    let read = async || {
        let mut rows = store.knox_tokens("0123456789abcde").await.unwrap();
        rows.retain(|row| row.user.id == owner);
        rows.into_iter().map(|row| (row.digest, row.created, row.expiry)).collect::<Vec<_>>()
    };
    let found = read().await;
    assert_eq!(found.len(), 3);
    for token in [&kept, &brief, &endless] {
        let row = (token.digest.clone(), MOMENT, token.expiry);
        assert!(found.contains(&row), "{row:?} in {found:?}");
    }
    assert!(store.knox_tokens("0123456789abcd").await.unwrap().is_empty());

    let count = async |now| store.count_knox_tokens(owner, now).await.unwrap();
    let late = MOMENT + MICROSECOND;
    assert_eq!((count(MOMENT).await, count(late).await), (3, 2), "at its expiry it is over");
    let expired = async |now| store.delete_expired_knox_tokens(owner, now).await.unwrap();
    assert_eq!(expired(late).await, 0, "Django's clean-up begins after the expiry");
    assert_eq!(expired(late + MICROSECOND).await, 1);
    store.extend_knox_token(&kept.digest, MOMENT + Duration::from_secs(90)).await.unwrap();
    let script = format!(
        "from knox.models import AuthToken\n\
         for token in AuthToken.objects.filter(user__username='{OWNER}').order_by('expiry'):\n \
         print(token.created.isoformat(), token.expiry and token.expiry.isoformat(), token.user.last_login.isoformat())"
    );
    let said = django_says(url, &script);
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    let extended = format!("{ISO} 2023-11-14T22:14:50.123456+00:00 {ISO}");
    assert_eq!(lines, [extended, format!("{ISO} None {ISO}")]);

    assert!(store.delete_knox_token(&endless.digest).await.unwrap());
    assert!(!store.delete_knox_token(&endless.digest).await.unwrap());
    assert_eq!(read().await, [(kept.digest, MOMENT, Some(MOMENT + Duration::from_secs(90)))]);
    store.create_knox_token(&endless).await.unwrap();
    assert_eq!(store.delete_knox_tokens(owner).await.unwrap(), 2);
    assert_eq!(store.delete_knox_tokens(owner).await.unwrap(), 0);
}

async fn keeps_outstanding_tokens(store: &Sql, owner: i64, url: &str) {
    let run = MOMENT.0 + u64::from(std::process::id());
    let token = |name: &str, user| OutstandingToken {
        subject: None,
        jti: sha256_hex(format!("{name} {run}").as_bytes()),
        token: Secret::new(format!("the token {name}")),
        created: MOMENT,
        expires: MOMENT + Duration::from_secs(60),
        user,
    };
    let (recorded, unknown) = (token("recorded", Some(owner)), token("unknown", None));
    let listed = async |token: &OutstandingToken| store.is_blacklisted(&token.jti).await.unwrap();
    for _ in 0..2 {
        store.record_token(&recorded).await.unwrap();
    }
    assert!(!listed(&recorded).await && !store.is_blacklisted("a\0b").await.unwrap());
    for token in [&recorded, &unknown] {
        assert!(store.blacklist_token(token, MOMENT).await.unwrap(), "{}", token.jti);
        assert!(!store.blacklist_token(token, MOMENT).await.unwrap(), "{}", token.jti);
        assert!(listed(token).await);
    }
    let script = format!(
        "from rest_framework_simplejwt.token_blacklist.models import OutstandingToken\n\
         for token in OutstandingToken.objects.filter(jti__in=['{}', '{}']).order_by('token'):\n \
         print(token.token, token.user_id, token.created_at.isoformat(), token.expires_at.isoformat(), \
         token.blacklistedtoken.blacklisted_at.isoformat())",
        recorded.jti, unknown.jti
    );
    let said = django_says(url, &script);
    let end = format!("{ISO} 2023-11-14T22:14:20.123456+00:00 {ISO}");
    let lines =
        [format!("the token recorded {owner} {end}"), format!("the token unknown None {end}")];
    assert_eq!(said.lines().collect::<Vec<_>>(), lines);

    // Attack: use one refresh token many times at the same moment, and keep a successor of each.
    for round in 0..10 {
        let token = token(&format!("race {round}"), Some(owner));
        let both = (0..8).map(|_| {
            let (store, token) = (store.clone(), token.clone());
            tokio::spawn(async move { store.blacklist_token(&token, MOMENT).await.unwrap() })
        });
        let answers = futures_util::future::join_all(both).await;
        let first = answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count();
        assert_eq!(first, 1, "round {round}");
    }
}
