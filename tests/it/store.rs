//! One contract for every backend: the same questions to SQLite, PostgreSQL and MariaDB, on tables
//! that Django's own migrations have made and its own code has filled.

use std::{process::Command, time::Duration};

use portcullis::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256_hex,
    store::{ApiKeys, Config, NewUser, Sql, Tokens, Users},
    value::Path,
};

const ALICE_TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// Runs the contract on the database that `variable` names.
fn on_backend(variable: &str) {
    let Ok(url) = std::env::var(variable) else {
        eprintln!("{variable} is not set: run tests/run for this test");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = format!("{{ url: '{url}', own_tables: true }}");
    let config: Config = serde_yaml::from_str(&config).unwrap();
    let store = Sql::new(&config, &Path::root(), runtime.handle()).unwrap();
    runtime.block_on(async {
        store.create_tables().await.unwrap();
        store.ping().await.unwrap();
        reads_what_django_wrote(&store).await;
        writes_users_and_tokens(&store, &url).await;
        keeps_api_keys(&store).await;
    });
}

#[test]
fn sqlite_keeps_the_contract() {
    on_backend("PORTCULLIS_TEST_SQLITE");
}

#[test]
fn postgresql_keeps_the_contract() {
    on_backend("PORTCULLIS_TEST_POSTGRES");
}

#[test]
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
    assert_eq!(
        django_reads_token(name, url).as_deref().unwrap_or("2023-11-14T23:13:20+00:00"),
        "2023-11-14T23:13:20+00:00"
    );

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
fn django_reads_token(username: &str, url: &str) -> Option<String> {
    let python = std::env::var("PORTCULLIS_TEST_PYTHON").ok()?;
    let project = std::env::var("PORTCULLIS_TEST_DJANGO_PROJECT").ok()?;
    let script = format!(
        "import django; django.setup()\n\
         from rest_framework.authtoken.models import Token\n\
         token = Token.objects.get(user__username='{username}')\n\
         assert token.user.date_joined.isoformat() == '2023-11-14T22:13:20+00:00', token.user.date_joined\n\
         print(token.created.isoformat())"
    );
    let output = Command::new(python)
        .args(["-c", &script])
        .current_dir(project)
        .env("DJANGO_SETTINGS_MODULE", "project.settings")
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
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
