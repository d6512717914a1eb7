//! `django.core.signing`: values that Django signs and we verify, and the reverse. HMAC-SHA256
//! throughout, as the signer, sessions and tokens have it.

use std::io::{Read, Write};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{clock::Timestamp, value::Secret};

/// `SECRET_KEY`, and `SECRET_KEY_FALLBACKS` after it: the first signs, all verify.
#[derive(Clone, Debug)]
pub struct Secrets {
    current: Secret,
    fallbacks: Vec<Secret>,
}

impl Secrets {
    /// The key that signs, and those that still verify.
    pub fn new(current: Secret, fallbacks: Vec<Secret>) -> Self {
        Self { current, fallbacks }
    }

    /// `SECRET_KEY`.
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// `SECRET_KEY_FALLBACKS`.
    pub fn fallbacks(&self) -> &[Secret] {
        &self.fallbacks
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.fallbacks)
    }
}

/// Django's `salted_hmac(salt, value, secret, algorithm="sha256")`.
pub fn salted_hmac(salt: &str, value: &[u8], secret: &Secret) -> [u8; 32] {
    let mut key = digest::Context::new(&digest::SHA256);
    key.update(salt.as_bytes());
    key.update(secret.reveal().as_bytes());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.finish().as_ref()), value);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// More than this is not inflated: a signed text is trusted, its size is not.
const LARGEST: u64 = 4 << 20;

/// `signing.dumps(value, salt, compress)`: JSON, packed if that is shorter, with its time, signed.
pub fn dumps(value: &Value, salt: &str, secrets: &Secrets, now: Timestamp, pack: bool) -> String {
    let json = ascii_json(value);
    let packed = pack.then(|| deflate(json.as_bytes())).flatten();
    let packed = packed.filter(|packed| packed.len() + 1 < json.len());
    let payload = match packed {
        Some(packed) => format!(".{}", URL_SAFE_NO_PAD.encode(packed)),
        None => URL_SAFE_NO_PAD.encode(json),
    };
    let payload = format!("{payload}:{}", base62(now.seconds()));
    let signature = signature(&payload, salt, &secrets.current);
    format!("{payload}:{signature}")
}

/// `signing.loads(text, salt)`: the value and when it was signed; nothing if no key of `secrets`
/// has signed it. How old it may be is the caller's to say.
pub fn loads(text: &str, salt: &str, secrets: &Secrets) -> Option<(Value, Timestamp)> {
    let (payload, given) = text.rsplit_once(':')?;
    let good = |secret: &Secret| {
        let expected = signature(payload, salt, secret);
        verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    };
    secrets.all().find(|secret| good(secret))?;
    let (data, time) = payload.rsplit_once(':')?;
    let time = Timestamp::from_seconds(of_base62(time)?);
    let json = match data.strip_prefix('.') {
        Some(packed) => inflate(&URL_SAFE_NO_PAD.decode(packed).ok()?)?,
        None => URL_SAFE_NO_PAD.decode(data).ok()?,
    };
    // Django reads the text as Latin-1.
    let json: String = json.into_iter().map(char::from).collect();
    Some((serde_json::from_str(&json).ok()?, time))
}

fn signature(payload: &str, salt: &str, secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(salted_hmac(&format!("{salt}signer"), payload.as_bytes(), secret))
}

fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inflated = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(bytes).take(LARGEST + 1);
    decoder.read_to_end(&mut inflated).ok()?;
    (inflated.len() as u64 <= LARGEST).then_some(inflated)
}

/// Compact JSON as Python's `json.dumps` writes it: everything outside printable ASCII escaped.
pub fn ascii_json(value: &Value) -> String {
    let text = value.to_string();
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text;
    }
    let mut ascii = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            ' '..='~' => ascii.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0_u16; 2]).iter() {
                    ascii.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    ascii
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn base62(mut number: u64) -> String {
    let mut digits: Vec<u8> = Vec::new();
    loop {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        digits.extend(BASE62.get(digit));
        number /= 62;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

fn of_base62(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, digit| {
        let value = BASE62.iter().position(|known| *known == digit)?;
        number.checked_mul(62)?.checked_add(u64::try_from(value).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const SESSIONS: &str = "django.contrib.sessions.SessionStore";

    fn secrets() -> Secrets {
        let key = "throwaway-secret-key-for-test-vectors-0123456789";
        Secrets::new(Secret::new(key.into()), Vec::new())
    }

    /// Texts that Django 5.2 has signed.
    #[test]
    fn django_s_vectors() {
        let hex = hex::encode(salted_hmac("salt", b"value", &Secret::new("secret".into())));
        assert_eq!(hex, "debaddcd9ecbaab181289870baf8af49b0af0a7050d620d1a63f1e69bd87ceb8");
        for (value, salt, signed) in [
            (
                json!({"k":"v"}),
                SESSIONS,
                "eyJrIjoidiJ9:1r31eq:Qvs9-DNYFojv6n9U48N_g0rMnlPM2bchfEGzA2E2HkE",
            ),
            (json!({}), SESSIONS, "e30:1r31eq:qUwBZalMl1_E3V-iqhJwTRoYloiI00uelKMIBYQKHxY"),
            (
                json!({"a":1,"é":"☃"}),
                "django.core.signing",
                "eyJhIjoxLCJcdTAwZTkiOiJcdTI2MDMifQ:1r31eq:5rh6BqMHejy-tpdQax4bf_u9o8wW_R2JtXK0Qs4gcsM",
            ),
            (
                json!([1, 2]),
                "account",
                "WzEsMl0:1r31eq:EKoBuBI7O3E29Mx-fJu0Gg-oYtRiOM-O15-pezbPZ34",
            ),
        ] {
            assert_eq!(dumps(&value, salt, &secrets(), NOW, false), signed);
            assert_eq!(loads(signed, salt, &secrets()), Some((value, NOW)));
        }
    }

    #[test]
    fn packed_texts() {
        let data = json!({
            "_auth_user_id": "1",
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            "_auth_user_hash": "0".repeat(64),
        });
        let django = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyVNJBFktKTM5OzQNJpGQl5qXn6yXn55UUZSbpgZToQWWL9XzzU1JznKBqUQzISCzOAOo2oBAo1QIAIvYyTQ:1r31eq:IVEv9iXy4KwSmXjObDtdx4qrZuI8EoHHQFwBkGHChio";
        assert_eq!(loads(django, SESSIONS, &secrets()), Some((data.clone(), NOW)));
        let ours = dumps(&data, SESSIONS, &secrets(), NOW, true);
        assert!(ours.starts_with('.'));
        assert_eq!(loads(&ours, SESSIONS, &secrets()), Some((data, NOW)));
    }

    /// Attack: change a byte of a signed text, sign it for another purpose, or with another key.
    #[test]
    fn every_changed_byte_is_refused() {
        let signed = dumps(&json!({"k":"v"}), SESSIONS, &secrets(), NOW, false);
        for place in 0..signed.len() {
            let mut bytes = signed.clone().into_bytes();
            bytes[place] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert_eq!(loads(&changed, SESSIONS, &secrets()), None, "{changed}");
            }
            assert_eq!(loads(&signed[..place], SESSIONS, &secrets()), None);
        }
        assert_eq!(loads(&signed, "django.core.signing", &secrets()), None);
        let other = Secret::new("another-secret-key-0123456789-0123456789".into());
        assert_eq!(loads(&signed, SESSIONS, &Secrets::new(other.clone(), Vec::new())), None);
        let rotated = Secrets::new(other, vec![secrets().current().clone()]);
        assert!(loads(&signed, SESSIONS, &rotated).is_some());
    }

    /// Attack: an attacker who can sign (an old key that leaked) sends a text that inflates without
    /// end.
    #[test]
    fn a_bomb_is_not_inflated() {
        let bomb = deflate(&vec![b' '; 64 << 20]).unwrap();
        assert_eq!(inflate(&bomb), None);
    }

    #[test]
    fn base_62() {
        for (number, text) in [(0, "0"), (61, "z"), (62, "10"), (1_700_000_000, "1r31eq")] {
            assert_eq!(base62(number), text);
            assert_eq!(of_base62(text), Some(number));
        }
        for wrong in ["", "-1", "é", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(of_base62(wrong), None);
        }
    }
}
