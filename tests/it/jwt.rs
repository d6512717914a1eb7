//! Tokens of identity providers, beside the project's own: whose keys verify them, and whom they
//! name.

use serde_json::{Value, json};

use crate::support::{
    Answer, Gateway, PASSWORD, Setup, gateway,
    keys::{Issuer, Key, in_seconds},
};

const SECRET: &str = "throwaway-secret-of-an-issuer-0123456789";
const OWN: &str = "throwaway-secret-key-for-tests-0123456789";

fn claims(issuer: &str, subject: &str) -> Value {
    json!({ "iss": issuer, "aud": "api", "sub": subject, "exp": in_seconds(300) })
}

fn bearer(gateway: &Gateway, target: &str, token: &str) -> Answer {
    gateway.get(target, &[("Authorization", &format!("Bearer {token}"))])
}

/// Who the upstream is told it is.
fn user(gateway: &Gateway, target: &str, token: &str) -> Option<String> {
    let answer = bearer(gateway, target, token);
    (answer.status == 200).then(|| answer.echoed("remote-user")).flatten()
}

/// One route for each chain, in order: `/0/`, `/1/`.
fn start(setup: Setup, chains: &[String]) -> Gateway {
    let route = |(number, chain): (usize, &String)| {
        format!("- {{ path: /{number}/, authentication: [{chain}], upstream: echo }}\n")
    };
    let routes: String = chains.iter().enumerate().map(route).collect();
    setup.start(&format!(
        "secret_key: {OWN}\nlockout: false\npermission: authenticated\nroutes:\n{routes}\
         - {{ path: /jwt/, endpoint: jwt }}\n"
    ))
}

/// A text in quotes for YAML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The rule: a published key, a key in the file and a shared secret each verify what they have
/// signed, every algorithm the kinds have, and none what another has.
#[test]
fn every_kind_of_key_verifies_its_own_tokens() {
    let (rsa, ec, ed, secret) = (Key::rsa("r"), Key::ec("e"), Key::ed("o"), Key::secret(SECRET));
    let issuer = Issuer::start(&[&rsa, &ec, &ed]);
    let entry = |more: &str| format!("jwt: {{ issuer: idp, audience: api, {more} }}");
    let gateway = start(
        Setup::new(),
        &[
            entry(&format!("jwks: \"{}\"", issuer.url())),
            entry(&format!("key: {}", quoted(&rsa.public_pem))),
            entry(&format!("algorithms: [ES256], key: {}", quoted(&ec.public_pem))),
            entry(&format!("algorithms: [EdDSA], key: {}", quoted(&ed.public_pem))),
            entry(&format!("secret: {SECRET}")),
        ],
    );
    let keys = [&rsa, &ec, &ed, &secret];
    for (route, good) in [(0, &[0, 1, 2][..]), (1, &[0]), (2, &[1]), (3, &[2]), (4, &[3])] {
        for (number, key) in keys.iter().enumerate() {
            let name = format!("user {number}");
            let token = key.sign(&claims("idp", &name));
            let expected = good.contains(&number).then_some(name);
            let path = format!("/{route}/");
            assert_eq!(user(&gateway, &path, &token), expected, "{path} {:?}", key.algorithm);
            assert_eq!(user(&gateway, &path, &token), expected, "from memory");
        }
    }
    assert_eq!(issuer.server.count(), 1, "the keys were asked for once");
}

/// Attack (CVE-2026-33496, CVE-2021-41230 in small): several issuers share one keyword, and one of
/// them signs tokens in the name of another, or in the project's own.
#[test]
fn each_issuer_answers_for_its_own() {
    let (first, second, own) = (Key::ec("k"), Key::ec("k"), Key::secret(OWN));
    let (a, b) = (Issuer::start(&[&first]), Issuer::start(&[&second]));
    let entry = |name: &str, issuer: &Issuer| {
        format!(
            "jwt: {{ name: {name}, issuer: {name}, audience: api, jwks: \"{}\" }}",
            issuer.url()
        )
    };
    let chain = format!("{}, {}, jwt", entry("a", &a), entry("b", &b));
    let gateway = start(Setup::new().alice(), &[chain]);
    let local = |issuer: Option<&str>| {
        let mut claims = json!({
            "token_type": "access", "exp": in_seconds(300), "iat": in_seconds(0), "jti": "1",
            "user_id": "1", "sub": "mallory", "aud": "api",
        });
        issuer.into_iter().for_each(|issuer| claims["iss"] = issuer.into());
        claims
    };
    for (key, claims, expected) in [
        (&first, claims("a", "ann"), Some("ann")),
        (&second, claims("b", "ben"), Some("ben")),
        (&own, local(None), Some("alice")),
        (&own, local(Some("elsewhere")), Some("alice")),
        (&first, claims("b", "ben"), None),
        (&second, claims("a", "ann"), None),
        (&first, claims("c", "cid"), None),
        (&first, local(None), None),
        (&second, local(None), None),
        (&own, local(Some("a")), None),
        (&own, claims("b", "ben"), None),
    ] {
        let token = key.sign(&claims);
        for _ in 0..2 {
            let name = user(&gateway, "/0/", &token);
            assert_eq!(name.as_deref(), expected, "{:?} {claims}", key.algorithm);
        }
    }
    let json = [("Content-Type", "application/json")];
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let pair = gateway.send("POST", "/jwt/", &json, body.as_bytes()).json();
    assert_eq!(user(&gateway, "/0/", pair["access"].as_str().unwrap()).as_deref(), Some("alice"));
    assert_eq!(user(&gateway, "/0/", pair["refresh"].as_str().unwrap()), None);
}

/// The rule: claims become the identity, by their names or by the file's; what is not verified, or
/// not of its type, is left out; a token that names nobody is refused.
#[test]
fn claims_become_the_identity() {
    let key = Key::secret(SECRET);
    let plain = format!("jwt: {{ issuer: idp, audience: api, secret: {SECRET} }}");
    let named = format!(
        "jwt: {{ issuer: idp, audience: api, secret: {SECRET}, required: [tenant.id], claims: \
         {{ username: preferred_username, groups: realm.roles }} }}"
    );
    let gateway = start(Setup::new(), &[plain, named]);
    let all = json!({
        "iss": "idp", "aud": ["other", "api"], "sub": "7", "exp": in_seconds(300),
        "email": "a@example.com", "email_verified": true, "name": "Ann A.",
        "groups": ["x", 1, "y"], "preferred_username": "ann", "realm": { "roles": "admin" },
        "tenant": { "id": 1 },
    });
    let told = |target: &str, claims: &Value| {
        let answer = bearer(&gateway, target, &key.sign(claims));
        ["remote-user", "remote-email", "remote-name", "remote-groups"]
            .map(|name| answer.echoed(name).unwrap_or_default())
    };
    assert_eq!(told("/0/", &all), ["7", "a@example.com", "Ann A.", "1,x,y"]);
    assert_eq!(told("/1/", &all), ["ann", "a@example.com", "Ann A.", "admin"]);
    let mut claims = all.clone();
    for flag in [json!(false), json!("false"), json!(0), json!(null)] {
        claims["email_verified"] = flag;
        assert_eq!(told("/0/", &claims)[1], "", "{claims}");
    }
    for (target, name, value) in [
        ("/0/", "sub", json!(null)),
        ("/0/", "sub", json!("")),
        ("/0/", "sub", json!(7)),
        ("/0/", "sub", json!(["7"])),
        ("/1/", "preferred_username", json!({})),
        ("/1/", "tenant", json!({})),
        ("/1/", "tenant", json!("id")),
    ] {
        let mut claims = all.clone();
        claims[name] = value;
        assert_eq!(bearer(&gateway, target, &key.sign(&claims)).status, 401, "{claims}");
    }
}

/// The rule: where the file says so a token only names a user of the store, who has to exist and
/// may be disabled there.
#[test]
fn a_token_may_name_a_user_of_the_store() {
    let key = Key::secret(SECRET);
    let chain = format!("jwt: {{ issuer: idp, audience: api, secret: {SECRET}, user: store }}");
    let setup = Setup::new().alice().inactive("bob", "x").group("alice", "editors");
    let gateway = start(setup, &[chain]);
    let answer = bearer(&gateway, "/0/", &key.sign(&claims("idp", "alice")));
    assert_eq!(answer.echoed("remote-groups").as_deref(), Some("editors"));
    assert_eq!(answer.echoed("remote-email").as_deref(), Some("alice@example.com"));
    for name in ["bob", "nobody", "Alice", "alice ", "alice\0", ""] {
        assert_eq!(user(&gateway, "/0/", &key.sign(&claims("idp", name))), None, "{name:?}");
    }
}

/// Attack (CVE-2021-32701): a token is let in where its scope suffices, and remembered where it does
/// not.
#[test]
fn scopes_are_judged_on_each_route() {
    let key = Key::secret(SECRET);
    let gateway = Setup::new().start(&format!(
        "authentication: [jwt: {{ issuer: idp, audience: api, secret: {SECRET} }}]\nroutes:\n\
         - {{ path: /, upstream: echo }}\n\
         - {{ path: /write/, permission: {{ scope: write }}, upstream: echo }}\n"
    ));
    for (scope, status) in [
        (json!("read write"), 200),
        (json!(["read", "write"]), 200),
        (json!("read"), 403),
        (json!("writer"), 403),
        (json!("read,write"), 403),
        (json!(["read write"]), 403),
        (json!({ "write": true }), 403),
        (json!(null), 403),
    ] {
        let mut claims = claims("idp", "ann");
        claims["scope"] = scope;
        let token = key.sign(&claims);
        for _ in 0..2 {
            assert_eq!(bearer(&gateway, "/", &token).status, 200, "{claims}");
            assert_eq!(bearer(&gateway, "/write/", &token).status, status, "{claims}");
        }
    }
}

/// Attack (CVE-2026-55669, CVE-2026-39999): a file that would let in tokens made for others, or
/// signed by everybody. `check` refuses it, and says where.
#[test]
fn settings_that_would_let_everybody_in_are_refused() {
    let pem = quoted(&Key::rsa("r").public_pem);
    let jwks = "jwks: \"http://127.0.0.1:1/jwks.json\"";
    let secret = format!("secret: {SECRET}");
    let check = |top: &str, entry: &str| {
        let setup = Setup::new();
        let text = format!(
            "{top}\nauthentication:\n- jwt: {{ {entry} }}\nroutes:\n- {{ path: /, upstream: echo }}\n"
        );
        setup.write(&text);
        let output = gateway::portcullis(&setup.config(), &["check"], "");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (entry, words) in [
        (format!("issuer: idp, {jwks}"), "without an audience"),
        (format!("issuer: idp, {secret}"), "without an audience"),
        ("issuer: idp, audience: api".into(), "is not an address"),
        (format!("issuer: idp, audience: api, {jwks}, {secret}"), "more than one setting"),
        (format!("issuer: idp, audience: api, key: {pem}, {secret}"), "more than one setting"),
        (format!("issuer: idp, audience: api, secret: {pem}"), "is not a secret"),
        (format!("issuer: idp, audience: api, algorithms: [HS256], {jwks}"), "are no secrets"),
        (
            format!("issuer: idp, audience: api, algorithms: [RS256, HS256], {jwks}"),
            "are no secrets",
        ),
        (format!("issuer: idp, audience: api, algorithms: [HS256], key: {pem}"), "kind"),
        (format!("issuer: idp, audience: api, algorithms: [RS256], {secret}"), "kind"),
        (format!("issuer: idp, audience: api, algorithms: [ES256], key: {pem}"), "kind"),
        (format!("issuer: idp, audience: api, algorithms: [none], {secret}"), "unknown algorithm"),
        ("issuer: idp, audience: api, secret: short".into(), "guessed"),
        ("issuer: idp, audience: api, key: nonsense".into(), "not a public key"),
        ("issuer: idp, audience: api, jwks: \"file:///etc/passwd\"".into(), "not the address"),
        (format!("audience: api, {jwks}"), "none is named"),
    ] {
        let (status, text) = check("", &entry);
        assert_eq!(status, Some(1), "{entry}\n{text}");
        assert!(text.contains(words), "no {words:?} for {entry}:\n{text}");
        assert!(!text.contains(SECRET), "the secret is told:\n{text}");
    }
    for (entry, good) in [
        (format!("issuer: idp, unsafe_any_audience: true, {jwks}"), true),
        (format!("issuer: idp, audience: api, {jwks}"), true),
    ] {
        let (status, text) = check("", &entry);
        assert_eq!(status == Some(0), good, "{entry}\n{text}");
    }
    // The project's own tokens.
    let key = format!("secret_key: {OWN}");
    for (jwt, words) in [
        (format!("signing_key: {pem}"), "is not a secret"),
        ("signing_key: short".into(), "guessed"),
        (format!("verifying_key: {pem}"), "a secret verifies"),
        ("algorithm: RS256".into(), "no verifying key"),
        ("algorithm: none".into(), "unknown algorithm"),
        ("blacklist_after_rotation: true".into(), "blacklist"),
    ] {
        let (status, text) = check(&format!("{key}\njwt: {{ {jwt} }}"), "");
        assert_eq!(status, Some(1), "{jwt}\n{text}");
        assert!(text.contains(words), "no {words:?} for {jwt}:\n{text}");
    }
    let (status, text) = check("", "");
    assert!(status == Some(1) && text.contains("secret_key"), "{text}");
}
