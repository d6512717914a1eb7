//! JSON Web Tokens: one spelling of each token, and its claims only if our key has signed it with
//! our algorithm.
//!
//! Input: two bytes that choose what is changed, a line with a header, then claims; or a token.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis::{
    crypto::jws::{Algorithm, LONGEST, SigningKey, Unverified, VerifyingKey},
    value::Secret,
};
use serde_json::{Map, Value};

use super::{Input, has_float, shown};

const SECRET: &str = "throwaway-secret-key-for-fuzzing-0123456789";

static KEYS: LazyLock<(SigningKey, VerifyingKey)> = LazyLock::new(|| {
    let secret = Secret::new(SECRET.into());
    let algorithm = Algorithm::named("HS256").expect("it is one");
    let signing = SigningKey::new(algorithm, &secret).expect("a secret is a key");
    (signing, VerifyingKey::new(algorithm, &secret).expect("for both sides"))
});

pub(crate) fn target(data: &[u8]) {
    check(data);
    let mut input = Input(data);
    let (place, change) = (usize::from(input.byte()), input.byte());
    let (header, claims) = (input.line(), input.0);
    let mut token = signed(header, claims).into_bytes();
    check(&token);
    let good = claims_of(&token);

    // Claims that we sign come back.
    if let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(claims) {
        let own = KEYS.0.sign(&claims).expect("our key signs");
        if own.len() <= LONGEST && !claims.values().any(has_float) {
            let read = claims_of(own.as_bytes()).expect("our own token");
            assert_eq!(serde_json::to_string(&read).ok(), serde_json::to_string(&claims).ok());
        }
    }
    // Every other spelling is another token, and not a good one.
    if good.is_some() {
        let place = place * token.len() / 256;
        token[place] ^= change.max(1);
        assert_eq!(claims_of(&token), None, "{} passes", shown(&token));
    }
}

fn claims_of(token: &[u8]) -> Option<Map<String, Value>> {
    Unverified::read(token)?.verify(&KEYS.1)
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac_of(&text)))
}

fn hmac_of(text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes())
}

fn check(token: &[u8]) {
    let claims = claims_of(token);
    let expected = slowly(token);
    assert_eq!(claims, expected, "{}", shown(token));
    if let Some(read) = Unverified::read(token) {
        let parts: Vec<_> = token.split(|byte| *byte == b'.').collect();
        assert_eq!(parts.len(), 3);
        for part in parts {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
            assert_eq!(URL_SAFE_NO_PAD.encode(bytes).as_bytes(), part, "a second spelling");
        }
        // What is only claimed chooses a key and no more: it must not panic.
        let _ = (read.key_id(), read.claimed_issuer());
    }
}

/// RFC 7515 section 5.2 for our one key.
fn slowly(token: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST)?;
    let [header, claims, signature] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let good = URL_SAFE_NO_PAD.encode(hmac_of(&format!("{header}.{claims}"))) == signature;
    let header = object(&decode(header)?)?;
    let asked = ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name));
    let ours = header.get("alg") == Some(&Value::from("HS256"));
    object(&decode(claims)?).filter(|_| good && ours && !asked)
}

/// An object, if no name stands in it twice.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    struct Names(usize);
    impl<'de> serde::Deserialize<'de> for Names {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Count;
            impl<'de> serde::de::Visitor<'de> for Count {
                type Value = Names;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Names, A::Error> {
                    let mut count = 0;
                    while map.next_entry::<String, serde::de::IgnoredAny>()?.is_some() {
                        count += 1;
                    }
                    Ok(Names(count))
                }
            }
            deserializer.deserialize_map(Count)
        }
    }
    let map: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let Names(count) = serde_json::from_slice(bytes).ok()?;
    (count == map.len()).then_some(map)
}
