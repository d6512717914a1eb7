//! The Ed25519 keys that sign the identity assertion. They are derived from `secret_key` and the
//! number of the current period, so that every gateway with that secret signs and publishes the
//! same keys, and they rotate with nothing stored and nothing configured.

use std::time::Duration;

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::NoRandomness;
use crate::{clock::Timestamp, value::Secret};

/// How long one key signs. Its successor is published one period ahead, and it stays published one
/// period after, so that no verifier with a cache meets a key it has not had time to fetch.
pub const ROTATION: Duration = Duration::from_secs(24 * 3600);

/// The seed that all keys come from.
#[derive(Debug)]
pub struct SigningKeys(hmac::Key);

/// One period's key.
pub struct SigningKey {
    /// `kid`: names the key in the JWKS.
    pub id: String,
    /// PKCS #8, as the JWT library wants it.
    pub private: jsonwebtoken::EncodingKey,
    /// 32 bytes.
    public: Vec<u8>,
}

impl SigningKeys {
    /// From a secret.
    ///
    /// # Errors
    /// If it is empty, which is what a machine without randomness gives.
    pub fn new(secret: &Secret) -> Result<Self, NoRandomness> {
        match secret.reveal() {
            "" => Err(NoRandomness),
            secret => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))),
        }
    }

    /// The key that signs at `now`.
    ///
    /// # Errors
    /// If the cryptographic library refuses the seed, which it has no reason to.
    pub fn current(&self, now: Timestamp) -> Result<SigningKey, NoRandomness> {
        self.of_period(period(now))
    }

    /// The JSON Web Key Set (RFC 7517) with the keys before, at and after `now`.
    ///
    /// # Errors
    /// As [`Self::current`].
    pub fn jwks(&self, now: Timestamp) -> Result<serde_json::Value, NoRandomness> {
        let now = period(now);
        let mut keys = Vec::new();
        for number in [now.saturating_sub(1), now, now + 1] {
            let key = self.of_period(number)?;
            keys.push(serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id, "x": URL_SAFE_NO_PAD.encode(&key.public),
            }));
        }
        Ok(serde_json::json!({ "keys": keys }))
    }

    fn of_period(&self, number: u64) -> Result<SigningKey, NoRandomness> {
        let label = format!("portcullis identity assertion {number}");
        let seed = hmac::sign(&self.0, label.as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| NoRandomness)?;
        let document = pair.to_pkcs8v1().map_err(|_| NoRandomness)?;
        let public = pair.public_key().as_ref().to_vec();
        let id = super::digest::sha256_hex(&public).chars().take(16).collect();
        let private = jsonwebtoken::EncodingKey::from_ed_der(document.as_ref());
        Ok(SigningKey { id, private, public })
    }
}

fn period(now: Timestamp) -> u64 {
    now.seconds() / ROTATION.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_with_one_secret_share_keys_and_rotate_together() {
        let keys = || SigningKeys::new(&Secret::new("s".into())).unwrap();
        let now = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(keys().jwks(now).unwrap(), keys().jwks(now).unwrap());
        let (old, new) = (keys().current(now).unwrap(), keys().current(now + ROTATION).unwrap());
        assert_ne!(old.id, new.id);
        let published = keys().jwks(now).unwrap().to_string();
        assert!(published.contains(&old.id) && published.contains(&new.id));
        assert_ne!(
            SigningKeys::new(&Secret::new("t".into())).unwrap().current(now).unwrap().id,
            old.id
        );
    }
}
