//! What has been done to gateways with JSON Web Tokens: every one of these is refused, and nowhere
//! does its bearer get a name.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    Answer, Connection, Gateway, Server, Setup,
    http::request,
    keys::{Issuer, Key, in_seconds},
};

const OWN: &str = "throwaway-secret-key-for-tests-0123456789";

/// Three chains, each before a route that is closed and one that is public: an issuer's published
/// keys, an issuer's key in the file, the project's own.
struct Scene {
    gateway: Gateway,
    _issuer: Issuer,
    rsa: Key,
    ec: Key,
    own: Key,
}

const CHAINS: [&str; 3] = ["published", "file", "own"];

impl Scene {
    fn new() -> Self {
        let (rsa, ec) = (Key::rsa("r"), Key::ec("e"));
        let issuer = Issuer::start(&[&rsa, &ec]);
        let pem = Value::from(rsa.public_pem.clone());
        let mut routes = String::new();
        for (chain, entry) in CHAINS.iter().zip([
            format!("jwt: {{ issuer: idp, audience: api, jwks: \"{}\" }}", issuer.url()),
            format!("jwt: {{ issuer: idp, audience: api, key: {pem} }}"),
            "jwt".to_owned(),
        ]) {
            for (path, rule) in [("closed", "authenticated"), ("public", "anyone")] {
                routes += &format!(
                    "- {{ path: /{chain}/{path}/, authentication: [{entry}], permission: {rule}, upstream: echo }}\n"
                );
            }
        }
        let gateway = Setup::new().alice().start(&format!(
            "secret_key: {OWN}\nlockout: false\njwt: {{ audience: api, issuer: idp }}\nroutes:\n{routes}"
        ));
        Self { gateway, _issuer: issuer, rsa, ec, own: Key::secret(OWN) }
    }

    /// Keys whose tokens a chain believes.
    fn keys(&self, chain: &str) -> Vec<&Key> {
        match chain {
            "published" => vec![&self.rsa, &self.ec],
            "file" => vec![&self.rsa],
            _ => vec![&self.own],
        }
    }

    fn send(&self, chain: &str, path: &str, token: &str) -> Answer {
        let header = format!("Bearer {token}");
        self.gateway.get(&format!("/{chain}/{path}/"), &[("Authorization", &header)])
    }

    fn assert_good(&self, chain: &str, token: &str, row: &str) {
        for path in ["closed", "public"] {
            let answer = self.send(chain, path, token);
            assert_eq!(answer.status, 200, "{chain}/{path}: {row} {}", answer.text());
            assert!(answer.echoed("remote-user").is_some(), "{chain}/{path}: {row}");
        }
    }

    /// Refused, where everybody is let in too; the same from memory.
    fn assert_bad(&self, chain: &str, token: &str, row: &str) {
        for path in ["closed", "public", "closed", "public"] {
            let answer = self.send(chain, path, token);
            assert_eq!(answer.status, 401, "{chain}/{path}: {row} {}", answer.text());
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer realm=\"api\""), "{chain}/{path}: {row}");
        }
    }
}

/// Claims that every chain believes.
fn claims() -> Value {
    json!({
        "token_type": "access", "exp": in_seconds(300), "iat": in_seconds(-5), "jti": "1",
        "user_id": "1", "iss": "idp", "aud": "api", "sub": "alice",
    })
}

/// The same with one claim changed, or left out.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// Attack (CVE-2026-39999): the token says which algorithm verifies it: none, or HMAC with the
/// public key, which everybody has, as the secret; or it names one key and is signed by another.
#[test]
fn the_token_does_not_choose_its_algorithm() {
    let scene = Scene::new();
    let claims = claims().to_string();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let published = scene.rsa.jwk()["n"].as_str().unwrap().to_owned();
    for chain in CHAINS {
        for key in scene.keys(chain) {
            scene.assert_good(chain, &key.sign_text(&key.header().to_string(), &claims), "good");
            for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS384", "rs256"] {
                let mut header = key.header();
                header["alg"] = alg.into();
                let head = format!("{}.{}", encode(&header.to_string()), encode(&claims));
                let mut signed = key.sign_text(&header.to_string(), &claims);
                for token in [format!("{head}."), format!("{head}.{}", encode("x")), head] {
                    scene.assert_bad(chain, &token, alg);
                }
                if alg == "HS256" && chain == "own" {
                    continue;
                }
                scene.assert_bad(chain, &signed, alg);
                signed.truncate(signed.rfind('.').unwrap() + 1);
                scene.assert_bad(chain, &signed, alg);
            }
            let mut header = key.header();
            header["alg"] = json!(["RS256", "ES256", "HS256"]);
            scene.assert_bad(chain, &key.sign_text(&header.to_string(), &claims), "a list");
            scene.assert_bad(chain, &key.sign_text(r#"{"typ":"JWT"}"#, &claims), "no algorithm");
        }
        for secret in [&*scene.rsa.public_pem, scene.rsa.public_pem.trim(), &published, "", "null"]
        {
            let forged = Key::secret(secret);
            for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"r"}"#] {
                scene.assert_bad(
                    chain,
                    &forged.sign_text(header, &claims),
                    "HMAC with a public key",
                );
            }
        }
        // Signed by one, named for another.
        for (key, other) in [(&scene.rsa, &scene.ec), (&scene.ec, &scene.rsa)] {
            let header = other.header().to_string();
            scene.assert_bad(chain, &key.sign_text(&header, &claims), "mixed keys");
            // A file has one key, and no name to choose it by.
            if chain != "file" {
                let named = json!({ "alg": format!("{:?}", key.algorithm), "kid": other.id });
                let token = key.sign_text(&named.to_string(), &claims);
                scene.assert_bad(chain, &token, "mixed names");
            }
        }
        let foreign = [Key::another_rsa("r"), Key::ec("e"), Key::ed("e")];
        for key in foreign {
            scene.assert_bad(chain, &key.sign_text(&key.header().to_string(), &claims), "foreign");
        }
    }
}

/// Attack (CVE-2026-25537, CVE-2026-55669): a claim of the wrong type is taken for one that is not
/// there, and not checked; a token for another API is used here; one that is not yet good, or no
/// longer.
#[test]
fn claims_are_checked_strictly() {
    let scene = Scene::new();
    let moments = [
        json!("never"),
        json!((in_seconds(300)).to_string()),
        json!([in_seconds(300)]),
        json!({ "a": 1 }),
        json!(1e300),
        json!(-1),
    ];
    for chain in CHAINS {
        let key = scene.keys(chain)[0];
        let bad = |claims: Value| scene.assert_bad(chain, &key.sign(&claims), &claims.to_string());
        for value in moments.iter().chain([&json!(true), &json!(null), &json!(0), &json!(false)]) {
            bad(with("exp", value.clone()));
        }
        for value in [json!(in_seconds(-31)), json!(1), json!(in_seconds(-1_000_000))] {
            bad(with("exp", value));
        }
        for name in ["nbf", "iat"] {
            moments[..5].iter().for_each(|value| bad(with(name, value.clone())));
            for value in [json!(in_seconds(60)), json!(in_seconds(1_000_000)), json!(9e18)] {
                bad(with(name, value));
            }
            for value in [json!(in_seconds(-60)), json!(0), json!(null)] {
                let claims = with(name, value);
                scene.assert_good(chain, &key.sign(&claims), &claims.to_string());
            }
        }
        for value in [
            json!("other"),
            json!("API"),
            json!("api "),
            json!("api,other"),
            json!(["other"]),
            json!([]),
            json!(["other", "apis"]),
            json!(["api", 1]),
            json!([["api"]]),
            json!({ "api": "api" }),
            json!(1),
            json!(true),
            json!(null),
        ] {
            bad(with("aud", value));
        }
        for value in [
            json!("idp2"),
            json!("IDP"),
            json!("idp/"),
            json!(["idp"]),
            json!(1),
            json!(""),
            json!({ "iss": "idp" }),
            json!(null),
        ] {
            bad(with("iss", value));
        }
        let good = with("aud", json!(["other", "api"]));
        scene.assert_good(chain, &key.sign(&good), "a list with ours in it");
        let good = with("exp", json!(in_seconds(300).to_string().parse::<f64>().unwrap() + 0.5));
        scene.assert_good(chain, &key.sign(&good), "a fraction");
    }
}

/// Attack: two readers read two values, of the repeated member or of what stands after the object;
/// or the header asks for what nobody here does (RFC 7515 section 4.1.11, RFC 7797).
#[test]
fn two_readings_are_none() {
    let scene = Scene::new();
    let good = claims().to_string();
    let inner = good.trim_end_matches('}');
    for chain in CHAINS {
        for key in scene.keys(chain) {
            let alg = format!("{:?}", key.algorithm);
            let plain = key.header().to_string();
            for (name, value) in [
                ("crit", json!(["exp"])),
                ("crit", json!([])),
                ("b64", json!(true)),
                ("b64", json!(false)),
                ("zip", json!("DEF")),
            ] {
                let mut header = key.header();
                header[name] = value;
                let header = header.to_string();
                scene.assert_bad(chain, &key.sign_text(&header, &good), &header);
            }
            for header in [
                format!(r#"{{"alg":"none","alg":"{alg}"}}"#),
                format!(r#"{{"alg":"{alg}","alg":"none"}}"#),
                format!(r#"{{"alg":"{alg}","kid":"x","kid":"{}"}}"#, key.id),
                format!(r#"{{"alg":"{alg}"}}x"#),
                format!(r#"[{{"alg":"{alg}"}}]"#),
                format!("{{'alg':'{alg}'}}"),
                String::new(),
            ] {
                scene.assert_bad(chain, &key.sign_text(&header, &good), &header);
            }
            for claims in [
                format!(r#"{inner},"sub":"mallory"}}"#),
                format!(r#"{inner},"user_id":"2"}}"#),
                format!(r#"{inner},"exp":4102444800}}"#),
                format!(r#"{inner},"\u0073ub":"mallory"}}"#),
                format!("{good}{good}"),
                format!("[{good}]"),
                inner.to_owned(),
                "null".to_owned(),
                String::new(),
            ] {
                scene.assert_bad(chain, &key.sign_text(&plain, &claims), &claims);
            }
        }
    }
}

/// Attack (CVE-2026-41413, ALBeast): the token brings its own key, or says where it is, and the
/// gateway fetches it, from the attacker or from inside.
#[test]
fn no_key_comes_from_a_token() {
    let scene = Scene::new();
    let trap = Server::ok();
    let mallory = Key::another_rsa("r");
    let url = trap.url();
    for chain in CHAINS {
        for (name, value) in [
            ("jku", json!(url)),
            ("x5u", json!(url)),
            ("kid", json!(url)),
            ("kid", json!("../../../../dev/null")),
            ("kid", json!("r' OR '1'='1")),
            ("kid", json!(["r"])),
            ("jwk", mallory.jwk()),
            ("x5c", json!([mallory.public_pem])),
        ] {
            let mut header = mallory.header();
            header[name] = value;
            let header = header.to_string();
            scene.assert_bad(chain, &mallory.sign_text(&header, &claims().to_string()), &header);
        }
        let issuer = with("iss", json!(url));
        scene.assert_bad(chain, &mallory.sign(&issuer), "an issuer of its own");
    }
    assert_eq!(trap.count(), 0, "somebody was asked: {:?}", trap.all());
}

/// Attack (CVE-2026-27840, CVE-2022-29226, CVE-2024-28180; Envoy's PR 43630, where claims that nobody
/// had verified looked like verified ones): a token cut off or with one character
/// changed is taken for it; that there is any token at all counts as proof; a token of a megabyte is
/// taken apart.
#[test]
fn nothing_but_the_whole_token_is_one() {
    let scene = Scene::new();
    for (chain, key) in [("own", &scene.own), ("published", &scene.ec)] {
        let good = key.sign(&claims());
        scene.assert_good(chain, &good, "good");
        let mut connection: Connection = scene.gateway.connect();
        let mut status = |token: &str| {
            let header = format!("Bearer {token}");
            let path = format!("/{chain}/closed/");
            connection.send(&request("GET", &path, &[("Authorization", &header)], b""));
            connection.receive(false).unwrap().status
        };
        for place in 0..good.len() {
            assert_eq!(status(&good[..place]), 401, "cut at {place}");
            let mut bytes = good.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(status(std::str::from_utf8(&bytes).unwrap()), 401, "changed at {place}");
        }
        assert_eq!(status(&good), 200);
        for token in [
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}.{good}"),
            good.replace('.', ".."),
            good.replacen('.', "", 1),
            format!("\"{good}\""),
            format!("{good},"),
        ] {
            scene.assert_bad(chain, &token, &token);
        }
    }
    let long = "a".repeat(15 << 10);
    let nested = "[".repeat(9000);
    let mut wide = claims();
    wide["filling"] = "x".repeat(13 << 10).into();
    for chain in CHAINS {
        let key = scene.keys(chain)[0];
        let wide = key.sign(&wide);
        assert!(wide.len() > 16 << 10);
        let deep = key.sign_text(&key.header().to_string(), &nested);
        for token in ["x", ".", "..", "...", "e30.e30.e30", "null", &long, &wide, &deep] {
            scene.assert_bad(chain, token, &token[..token.len().min(40)]);
        }
        for value in
            ["Bearer", "Bearer ", "Bearer a b", "bearer", "Bearer\u{e9} x", "Bearer \u{e9}"]
        {
            let target = format!("/{chain}/closed/");
            assert_eq!(
                scene.gateway.get(&target, &[("Authorization", value)]).status,
                401,
                "{value}"
            );
        }
    }
}
