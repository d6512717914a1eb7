//! One contract for every backend: the same questions to SQLite, PostgreSQL and MariaDB, on tables
//! that Django's own migrations have made and its own code has filled.

use std::{process::Command, time::Duration};

use portcullis::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256_hex,
    identity::UserKey,
    limits,
    observe::metrics::Metrics,
    package::{
        self,
        api_key::rows::{self as api_keys, Owner},
        knox::rows::{self as knox, NewRow},
        session::rows::{self as sessions, Row as Session},
        simplejwt::rows::{self as outstanding, Row as OutstandingToken},
        token::rows as tokens,
    },
    store::{Config, DJANGO_TABLES, Database, Deleted, NewUser},
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
    let store = database(&config, runtime.handle());
    runtime.block_on(async {
        store.create_tables().await.unwrap();
        store.ping().await.unwrap();
        reads_what_django_wrote(&store).await;
        writes_users_and_tokens(&store, &url).await;
        keeps_api_keys(&store).await;
        finds_users_by_column(&store).await;
        keeps_sessions(&store, &url).await;
        let owner = owner(&store).await;
        keeps_knox_tokens(&store, &owner, &url).await;
        keeps_outstanding_tokens(&store, &owner, &url).await;
        store.delete_user(OWNER).await.unwrap();
    });
}

pub(crate) fn database(config: &Config, control: &tokio::runtime::Handle) -> Database {
    let tables = DJANGO_TABLES.iter().chain(limits::TABLES).copied().chain(package::tables());
    let metrics = Metrics::default().store();
    Database::new(config, &Path::root(), tables.collect(), control, metrics).unwrap()
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

async fn reads_what_django_wrote(store: &Database) {
    let alice = store.user_by_name("alice").await.unwrap().unwrap();
    let identity = &alice.identity;
    assert_eq!(
        (alice.id.clone(), alice.active, identity.staff, identity.superuser),
        (UserKey::Integer(1), true, false, false)
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

    let by_token = tokens::user_of(store, ALICE_TOKEN).await.unwrap().unwrap();
    assert_eq!(by_token.id, UserKey::Integer(1));
    assert!(!tokens::user_of(store, &"b".repeat(40)).await.unwrap().unwrap().active);
    // MariaDB's collation would find this one.
    assert!(tokens::user_of(store, &ALICE_TOKEN.to_uppercase()).await.unwrap().is_none());
    // CVE-2026-27840: a token that is cut off is no token.
    assert!(tokens::user_of(store, &ALICE_TOKEN[..39]).await.unwrap().is_none());
}

async fn writes_users_and_tokens(store: &Database, url: &str) {
    let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
    let name = "contract-writer";
    store.delete_user(name).await.unwrap();
    let user = NewUser {
        username: name.into(),
        email: "w@example.com".into(),
        password: "!first".into(),
        superuser: true,
    };
    let id = store.create_user(&user, clock.now()).await.unwrap().unwrap().id;
    assert!(store.create_user(&user, clock.now()).await.unwrap().is_none(), "the name is taken");
    let found = store.user_by_name(name).await.unwrap().unwrap();
    assert!(found.id == id && found.active && found.identity.staff && found.identity.superuser);
    assert!(store.usernames().await.unwrap().contains(&name.to_owned()));

    clock.advance(Duration::from_secs(3600));
    let (key, new) = tokens::token_of(store, &id, clock.now()).await.unwrap();
    assert!(new && key.reveal().len() == 40);
    let (again, new) = tokens::token_of(store, &id, clock.now()).await.unwrap();
    assert!(!new && again.reveal() == key.reveal(), "one token a user");
    assert_eq!(tokens::user_of(store, key.reveal()).await.unwrap().unwrap().id, id);
    assert_eq!(django_reads_token(name, url), "2023-11-14T23:13:20+00:00");

    store.replace_password(&id, "!other", "!second").await.unwrap();
    let password = async || store.user_by_name(name).await.unwrap().unwrap().password;
    assert_eq!(password().await.reveal(), "!first", "another request was faster");
    store.replace_password(&id, "!first", "!second").await.unwrap();
    assert_eq!(password().await.reveal(), "!second");

    assert!(store.set_active(name, false).await.unwrap());
    assert!(!tokens::user_of(store, key.reveal()).await.unwrap().unwrap().active);
    assert!(!store.set_active("nobody", false).await.unwrap());

    assert!(tokens::delete(store, &id).await.unwrap());
    assert!(!tokens::delete(store, &id).await.unwrap());
    assert!(tokens::user_of(store, key.reveal()).await.unwrap().is_none());
    tokens::token_of(store, &id, clock.now()).await.unwrap();
    assert_eq!(store.delete_user(name).await.unwrap(), Deleted::Done);
    assert_eq!(store.delete_user(name).await.unwrap(), Deleted::NotFound);
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

async fn keeps_api_keys(store: &Database) {
    let now = Timestamp::from_seconds(1_700_000_000);
    for name in ["contract-user-key", "contract-service"] {
        api_keys::delete(store, name).await.unwrap();
    }
    let digest = sha256_hex(b"secret of alice");
    assert!(
        api_keys::create(store, "contract-user-key", &digest, Some(&UserKey::Integer(1)), now)
            .await
            .unwrap()
    );
    assert!(
        !api_keys::create(store, "contract-user-key", &digest, Some(&UserKey::Integer(1)), now)
            .await
            .unwrap()
    );
    let key = api_keys::find(store, &digest).await.unwrap().unwrap();
    assert!(matches!(key.owner, Owner::User(user) if user.id == UserKey::Integer(1)));
    let digest = sha256_hex(b"secret of a service");
    assert!(api_keys::create(store, "contract-service", &digest, None, now).await.unwrap());
    let key = api_keys::find(store, &digest).await.unwrap().unwrap();
    assert!(key.name == "contract-service" && matches!(key.owner, Owner::Service));
    assert!(api_keys::find(store, &sha256_hex(b"guess")).await.unwrap().is_none());
    let listed = api_keys::all(store).await.unwrap();
    assert!(listed.contains(&("contract-user-key".into(), Some("1".into()))));
    assert!(listed.contains(&("contract-service".into(), None)));
    assert!(api_keys::delete(store, "contract-service").await.unwrap());
    assert!(!api_keys::delete(store, "contract-service").await.unwrap());
    assert!(api_keys::delete(store, "contract-user-key").await.unwrap());
}

async fn finds_users_by_column(store: &Database) {
    let found = async |field: &str, value: &str| {
        store.user_by_column(field, value).await.unwrap().map(|user| user.id)
    };
    for (field, value) in
        [("id", "1"), ("username", "alice"), ("email", "alice@example.com"), ("is_staff", "alice")]
    {
        let expected = (field != "is_staff").then_some(UserKey::Integer(1));
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
    let error = store.user_by_column("no_such_column", "alice").await.unwrap_err();
    assert!(error.cause.contains("no_such_column"), "{error}");
}

/// Django's columns keep microseconds: 22:13:20.123456 on 2023-11-14.
const MOMENT: Timestamp = Timestamp(1_700_000_000_123_456);
const ISO: &str = "2023-11-14T22:13:20.123456+00:00";
const MICROSECOND: Duration = Duration::from_micros(1);

async fn keeps_sessions(store: &Database, url: &str) {
    let (key, gone) = ("contractsessionabcdefghijklmn01", "contractsessionabcdefghijklmn02");
    for key in [key, gone] {
        sessions::delete(store, key).await.unwrap();
    }
    let session = |data: &str, expires| Session { data: data.into(), expires };
    assert!(sessions::create(store, key, &session("first", MOMENT)).await.unwrap());
    assert!(!sessions::create(store, key, &session("other", MOMENT)).await.unwrap(), "it is taken");
    let read = async |key: &str| {
        sessions::find(store, key).await.unwrap().map(|session| (session.data, session.expires))
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
        assert!(!sessions::delete(store, wrong).await.unwrap(), "{wrong:?}");
        assert!(
            !sessions::replace(store, wrong, &session("x", MOMENT)).await.unwrap(),
            "{wrong:?}"
        );
    }
    assert!(!sessions::replace(store, gone, &session("x", MOMENT)).await.unwrap());
    assert_eq!(read(gone).await, None, "it was made again");
    assert_eq!(read(key).await, Some(("first".into(), MOMENT)));

    let later = MOMENT + MICROSECOND;
    assert!(sessions::replace(store, key, &session("second", later)).await.unwrap());
    assert_eq!(read(key).await, Some(("second".into(), later)));
    for (now, listed) in [(MOMENT, true), (later, false), (later + MICROSECOND, false)] {
        let found = sessions::after(store, "", now).await.unwrap();
        assert_eq!(found.iter().any(|(known, _)| known == key), listed, "at {now}");
    }
    assert!(sessions::delete(store, key).await.unwrap());
    assert!(!sessions::delete(store, key).await.unwrap());
    assert_eq!(read(key).await, None);
}

const OWNER: &str = "contract-owner";

/// A user of this test's own.
async fn owner(store: &Database) -> UserKey {
    store.delete_user(OWNER).await.unwrap();
    let user = NewUser {
        username: OWNER.into(),
        email: String::new(),
        password: "!".into(),
        superuser: false,
    };
    let id = store.create_user(&user, MOMENT).await.unwrap().unwrap().id;
    store.logged_in(&id, MOMENT).await.unwrap();
    store.logged_in(&UserKey::Integer(i64::from(i32::MAX)), MOMENT).await.unwrap();
    id
}

async fn keeps_knox_tokens(store: &Database, owner: &UserKey, url: &str) {
    knox::delete_all(store, owner).await.unwrap();
    let token = |name: &str, expiry| NewRow {
        digest: sha256_hex(name.as_bytes()).repeat(2),
        token_key: "0123456789abcde".into(),
        user: owner.clone(),
        created: MOMENT,
        expiry,
    };
    let (kept, brief, endless) = (
        token("kept", Some(MOMENT + Duration::from_secs(60))),
        token("brief", Some(MOMENT + MICROSECOND)),
        token("endless", None),
    );
    for token in [&kept, &brief, &endless] {
        knox::create(store, token.clone()).await.unwrap();
    }
    let error = knox::create(store, kept.clone()).await.expect_err("it was written over another");
    // PostgreSQL and MariaDB, or SQLite.
    let refused =
        ["duplicate", "Duplicate", "UNIQUE"].iter().any(|word| error.cause.contains(word));
    assert!(refused, "{error}");
    let read = async || {
        let mut rows = knox::starting_with(store, "0123456789abcde").await.unwrap();
        rows.retain(|row| row.user.id == *owner);
        rows.into_iter().map(|row| (row.digest, row.created, row.expiry)).collect::<Vec<_>>()
    };
    let found = read().await;
    assert_eq!(found.len(), 3);
    for token in [&kept, &brief, &endless] {
        let row = (token.digest.clone(), MOMENT, token.expiry);
        assert!(found.contains(&row), "{row:?} in {found:?}");
    }
    assert!(knox::starting_with(store, "0123456789abcd").await.unwrap().is_empty());

    let count = async |now| knox::count(store, owner, now).await.unwrap();
    let late = MOMENT + MICROSECOND;
    assert_eq!((count(MOMENT).await, count(late).await), (3, 2), "at its expiry it is over");
    let expired = async |now| knox::delete_expired(store, owner, now).await.unwrap();
    assert_eq!(expired(late).await, 0, "Django's clean-up begins after the expiry");
    assert_eq!(expired(late + MICROSECOND).await, 1);
    knox::extend(store, &kept.digest, MOMENT + Duration::from_secs(90)).await.unwrap();
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

    assert!(knox::delete(store, &endless.digest).await.unwrap());
    assert!(!knox::delete(store, &endless.digest).await.unwrap());
    assert_eq!(read().await, [(kept.digest, MOMENT, Some(MOMENT + Duration::from_secs(90)))]);
    knox::create(store, endless.clone()).await.unwrap();
    assert_eq!(knox::delete_all(store, owner).await.unwrap().len(), 2);
    assert!(knox::delete_all(store, owner).await.unwrap().is_empty());
}

async fn keeps_outstanding_tokens(store: &Database, owner: &UserKey, url: &str) {
    let run = MOMENT.0 + u64::from(std::process::id());
    let token = |name: &str, user| OutstandingToken {
        jti: sha256_hex(format!("{name} {run}").as_bytes()),
        token: Secret::new(format!("the token {name}")),
        created: MOMENT,
        expires: MOMENT + Duration::from_secs(60),
        user,
    };
    let (recorded, unknown) = (token("recorded", Some(owner.clone())), token("unknown", None));
    let listed = async |token: &OutstandingToken| {
        outstanding::is_blacklisted(store, &token.jti).await.unwrap()
    };
    for _ in 0..2 {
        outstanding::record(store, recorded.clone()).await.unwrap();
    }
    assert!(!listed(&recorded).await && !outstanding::is_blacklisted(store, "a\0b").await.unwrap());
    for token in [&recorded, &unknown] {
        assert!(
            outstanding::blacklist(store, token.clone(), MOMENT).await.unwrap(),
            "{}",
            token.jti
        );
        assert!(
            !outstanding::blacklist(store, token.clone(), MOMENT).await.unwrap(),
            "{}",
            token.jti
        );
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
        let token = token(&format!("race {round}"), Some(owner.clone()));
        let both = (0..8).map(|_| {
            let (store, token) = (store.clone(), token.clone());
            tokio::spawn(
                async move { outstanding::blacklist(&store, token, MOMENT).await.unwrap() },
            )
        });
        let answers = futures_util::future::join_all(both).await;
        let first = answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count();
        assert_eq!(first, 1, "round {round}");
    }
}
