//! Values that Django signs: read if our secret has signed them and never else, and the same when
//! they come back.
//!
//! Input: a byte of choices, a line that stands where the time does, then what is signed.

use std::{io::Write, sync::LazyLock};

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis::{
    clock::Timestamp,
    crypto::signing::{Secrets, dumps, loads},
    value::Secret,
};
use serde_json::Value;

use super::{Input, has_float, shown};

const KEY: &str = "throwaway-secret-key-for-fuzzing-0123456789";
const SALT: &str = "django.contrib.sessions.SessionStore";

static SECRETS: LazyLock<Secrets> = LazyLock::new(|| {
    let old = Secret::new("another-throwaway-key-0123456789".into());
    Secrets::new(old, vec![Secret::new(KEY.into())])
});

pub(crate) fn target(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(loads(text, SALT, &SECRETS), None, "nobody has signed {text}");
    }
    let mut input = Input(data);
    let choice = input.byte();
    let (time, bytes) = (input.text(), input.0);
    let payload = match choice % 3 {
        0 => URL_SAFE_NO_PAD.encode(bytes),
        1 => format!(".{}", URL_SAFE_NO_PAD.encode(deflate(bytes))),
        // Anything for a packed text.
        _ => format!(".{}", URL_SAFE_NO_PAD.encode(bytes)),
    };
    let signed = sign(&format!("{payload}:{time}"));
    let loaded = loads(&signed, SALT, &SECRETS);
    if choice % 3 < 2 {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let expected = serde_json::from_str(&text).ok();
        let expected: Option<(Value, _)> = expected.zip(seconds(time));
        assert_eq!(loaded, expected, "{}", shown(bytes));
    }
    assert_eq!(loads(&signed, "another purpose", &SECRETS), None);
    if let Some((value, time)) = loaded {
        let again = dumps(&value, SALT, &SECRETS, time, choice & 128 != 0);
        let (read, when) = loads(&again, SALT, &SECRETS).expect("our own text");
        if !has_float(&value) {
            assert_eq!((read.to_string(), when.seconds()), (value.to_string(), time.seconds()));
        }
        let place = usize::from(choice) * again.len() / 256;
        let mut changed = again.into_bytes();
        changed[place] ^= 1;
        if let Ok(changed) = String::from_utf8(changed) {
            assert_eq!(loads(&changed, SALT, &SECRETS), None, "changed at {place}");
        }
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory does not fail")
}

/// `Signer.sign` with the older of the two secrets.
fn sign(text: &str) -> String {
    let key = digest::digest(&digest::SHA256, format!("{SALT}signer{KEY}").as_bytes());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text.as_bytes());
    format!("{text}:{}", URL_SAFE_NO_PAD.encode(tag))
}

/// `b62_decode`.
fn seconds(text: &str) -> Option<Timestamp> {
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = 0_u128;
    for character in text.chars() {
        number = number * 62 + u128::try_from(digits.find(character)?).ok()?;
        if number > u128::from(u64::MAX) {
            return None;
        }
    }
    let number = u64::try_from(number).ok().filter(|_| !text.is_empty())?;
    Some(Timestamp::from_seconds(number))
}
