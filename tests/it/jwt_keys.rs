//! Keys that an issuer publishes: when they are asked for, what counts as one, and what happens
//! while the issuer is down. Where hours pass, the gateway's own code runs on a clock of the test's.

use std::{sync::Barrier, thread, time::Duration};

use jsonwebtoken::Algorithm;
use portcullis::{
    client::HttpClient,
    clock::{Clock, Timestamp},
    crypto::jws::{self, Unverified},
    system::jwks::KeySet,
    value::Path,
};
use serde_json::{Value, json};

use crate::support::{
    Gateway, Server, Setup,
    gateway::free_port,
    keys::{Issuer, Key, in_seconds},
    server::Then,
};

fn claims(subject: &str) -> Value {
    json!({ "iss": "idp", "aud": "api", "sub": subject, "exp": in_seconds(300) })
}

/// Before a public route and one that is not.
fn trusting(url: &str) -> Gateway {
    Setup::new().start(&format!(
        "authentication: [jwt: {{ issuer: idp, audience: api, jwks: \"{url}\" }}]\nlockout: false\n\
         permission: authenticated\nroutes:\n- {{ path: /, upstream: echo }}\n\
         - {{ path: /public/, permission: anyone, upstream: echo }}\n"
    ))
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.get("/", &[("Authorization", &format!("Bearer {token}"))]).status
}

/// Attack (CVE-2026-41413): tokens with key names of the attacker's making have the gateway ask the
/// issuer for each, and so take the issuer down. Many at once are one question too.
#[test]
fn unknown_key_names_do_not_reach_the_issuer() {
    let (key, foreign) = (Key::ec("known"), Key::ec("foreign"));
    let issuer = Issuer::start(&[&key]);
    let gateway = trusting(&issuer.url());
    let (many, together) = (20, Barrier::new(20));
    thread::scope(|scope| {
        for number in 0..many {
            let (gateway, together, key) = (&gateway, &together, &key);
            scope.spawn(move || {
                let token = key.sign(&claims(&format!("user {number}")));
                together.wait();
                assert_eq!(status(gateway, &token), 200);
            });
        }
    });
    assert_eq!(issuer.server.count(), 1, "many first requests are one question");
    for number in 0..30 {
        let forged = foreign.named(&format!("name {number}"));
        assert_eq!(status(&gateway, &forged.sign(&claims("ann"))), 401);
    }
    assert_eq!(status(&gateway, &foreign.sign(&claims("ann"))), 401);
    assert_eq!(status(&gateway, &foreign.named("").sign(&claims("ann"))), 401);
    assert_eq!(issuer.server.count(), 1, "the issuer was asked again within the cool-down");
}

/// A key set on a clock of the test's.
struct Scene {
    keys: KeySet,
    clock: Clock,
}

impl Scene {
    fn new(url: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let http = HttpClient::new(&tokio::runtime::Handle::current(), clock.clone());
        let algorithms =
            [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(jws::Algorithm::Of);
        let keys = KeySet::new(url, &algorithms, &http, &Path::root()).unwrap();
        Self { keys, clock }
    }

    /// Whether a token is good; nothing in an outage.
    async fn verifies(&self, key: &Key) -> Option<bool> {
        let token = key.sign(&claims("ann"));
        let token = Unverified::read(token.as_bytes()).unwrap();
        self.keys.verify(&token).await.ok().map(|claims| claims.is_some())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

const COOLDOWN: u64 = 30;
const LIFETIME: u64 = 600;

/// The rule: a new key counts as soon as a token names it (the cool-down apart), a key that was
/// taken back ends with the lifetime, and known keys need no question in between.
#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_s_keys_are_followed() {
    let (old, new) = (Key::ec("2025"), Key::ed("2026"));
    let issuer = Issuer::start(&[&old]);
    let scene = Scene::new(&issuer.url());
    assert_eq!(scene.verifies(&old).await, Some(true));
    issuer.publish(&[&old, &new]);
    assert_eq!(scene.verifies(&new).await, Some(false), "within the cool-down");
    scene.pass(COOLDOWN);
    assert_eq!(scene.verifies(&new).await, Some(true));
    assert_eq!(scene.verifies(&old).await, Some(true));
    assert_eq!(issuer.server.count(), 2);

    issuer.publish(&[&new]);
    scene.pass(LIFETIME - 1);
    assert_eq!(scene.verifies(&old).await, Some(true));
    assert_eq!(issuer.server.count(), 2, "a known key was asked for");
    scene.pass(2);
    assert_eq!(scene.verifies(&old).await, Some(false), "a key that was taken back is believed");
    assert_eq!(scene.verifies(&new).await, Some(true));
    assert_eq!(issuer.server.count(), 3);
}

/// The rule: an issuer that gives its new key the old one's name, as those do that have one key and
/// rotate it, is followed all the same; and no more often than others.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_takes_another_s_name_is_followed() {
    let (old, new, foreign) = (Key::ec("only"), Key::ec("only"), Key::ec("only"));
    let issuer = Issuer::start(&[&old]);
    let scene = Scene::new(&issuer.url());
    assert_eq!(scene.verifies(&old).await, Some(true));
    issuer.publish(&[&new]);
    scene.pass(COOLDOWN);
    assert_eq!(scene.verifies(&new).await, Some(true));
    assert_eq!(scene.verifies(&old).await, Some(false));
    // Attack: tokens that no key has signed, so that the issuer is asked for each.
    scene.pass(COOLDOWN);
    for _ in 0..20 {
        assert_eq!(scene.verifies(&foreign).await, Some(false));
    }
    assert_eq!(issuer.server.count(), 3);
}

/// Attack: the issuer is down, and everybody is logged out; or it is down, and each request waits
/// for it. Known keys stay good for as long as it takes; it is asked once in a cool-down.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_logs_nobody_out() {
    let (key, foreign) = (Key::ec("known"), Key::ec("foreign"));
    let issuer = Issuer::start(&[&key]);
    let scene = Scene::new(&issuer.url());
    assert_eq!(scene.verifies(&key).await, Some(true));
    issuer.break_down();
    for round in 1..4 {
        scene.pass(LIFETIME + 1);
        for _ in 0..5 {
            assert_eq!(scene.verifies(&key).await, Some(true));
            assert_eq!(scene.verifies(&foreign).await, Some(false));
        }
        assert_eq!(issuer.server.count(), 1 + round, "it was asked more than once");
    }
    issuer.publish(&[&foreign]);
    scene.pass(COOLDOWN);
    assert_eq!(scene.verifies(&foreign).await, Some(true), "it is up again");
    assert_eq!(scene.verifies(&key).await, Some(false));
}

/// Attack: "cannot ask" is read as "no", and clients throw their good tokens away; or as "not mine",
/// and a public route lets the token's bearer in as nobody. A gateway that never had the keys says
/// 503.
#[test]
fn an_issuer_that_never_answered_is_503() {
    let key = Key::ec("k");
    let silent = Server::start(|_, _| Then::Close);
    let moved = Server::answering(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/keys\r\nContent-Length: 0\r\n\r\n",
    );
    for url in [format!("http://127.0.0.1:{}/", free_port()), silent.url(), moved.url()] {
        let gateway = trusting(&url);
        for target in ["/", "/public/"] {
            let header = format!("Bearer {}", key.sign(&claims("ann")));
            let answer = gateway.get(target, &[("Authorization", &header)]);
            assert_eq!(answer.status, 503, "{url} {target}");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("www-authenticate"), None);
            assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
        }
        // Who does not ask the issuer is answered as always.
        assert_eq!(gateway.get("/public/", &[]).status, 200);
        assert_eq!(gateway.get("/", &[]).status, 401);
    }
}

/// Attack (CVE-2026-26998, CVE-2026-39999 and neighbours): what is found at the address is endless,
/// or no key set, or a key set that holds secrets, or keys that are for something else.
#[tokio::test(flavor = "multi_thread")]
async fn only_keys_that_verify_count() {
    let (rsa, ec) = (Key::rsa("r"), Key::ec("e"));
    let changed = |key: &Key, name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk
    };
    // The public key, and any other text, as a secret that everybody knows.
    let shared = Key::secret(&rsa.public_pem).named("s");
    let mut wrong = vec![
        json!([]),
        json!("keys"),
        json!({}),
        json!({ "keys": [] }),
        json!({ "keys": {} }),
        json!({ "keys": [null, 1, "x", {}, { "kty": "XYZ", "kid": "e" }] }),
        json!({ "keys": [shared.jwk()] }),
        json!({ "keys": [changed(&ec, "use", json!("enc"))] }),
        json!({ "keys": [changed(&ec, "alg", json!("ES384"))] }),
        json!({ "keys": [changed(&ec, "kid", json!("another"))] }),
        json!({ "keys": [changed(&ec, "x", json!("AA"))] }),
    ];
    // More than anybody needs.
    wrong.push(json!({ "keys": [ec.jwk()], "filling": "x".repeat(300 << 10) }));
    for set in wrong {
        let issuer = Issuer::start(&[]);
        issuer.publish_set(set.clone());
        let scene = Scene::new(&issuer.url());
        let start: String = set.to_string().chars().take(300).collect();
        assert_ne!(scene.verifies(&ec).await, Some(true), "{start}");
        assert_ne!(scene.verifies(&shared).await, Some(true), "{start}");
    }
    // Beside keys of a kind that we do not know, the others are good.
    let issuer = Issuer::start(&[]);
    issuer.publish_set(json!({ "keys": [
        { "kty": "XYZ", "kid": "e" }, shared.jwk(), changed(&rsa, "alg", json!("RSA-OAEP")),
        changed(&ec, "alg", json!(null)), ec.jwk(), rsa.jwk()
    ] }));
    let scene = Scene::new(&issuer.url());
    assert_eq!(scene.verifies(&ec).await, Some(true));
    assert_eq!(scene.verifies(&rsa).await, Some(true));
    assert_eq!(scene.verifies(&shared).await, Some(false));
    // A key that its token does not name, and one that is named for another's.
    assert_eq!(scene.verifies(&ec.named("")).await, Some(true));
    assert_eq!(scene.verifies(&ec.named("r")).await, Some(false));
}
