//! Keys of the credential cache: a keyed hash, so that a dump of the cache holds no credential and
//! a client cannot aim at a slot, over length-prefixed parts, so that no two tuples of parts can
//! collide by moving a byte from one part to the next.

use aws_lc_rs::{digest, hmac};

use super::{NoRandomness, random_bytes};

/// Makes cache keys with a random key of this process.
#[derive(Debug)]
pub struct Fingerprints(hmac::Key);

/// 256 bits that stand for one tuple of parts.
pub type Fingerprint = [u8; 32];

impl Fingerprints {
    /// With a fresh key.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()?)))
    }

    /// The fingerprint of `parts`, in order.
    pub fn of(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// SHA-256 of `bytes` in lower-case hexadecimal: how API keys are stored.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Attack (CVE-2026-71326, CVE-2026-35030): fields joined without lengths let `("ab", "c")`
        /// stand for `("a", "bc")`, and one user's entry answers for another's credential.
        #[test]
        fn distinct_tuples_have_distinct_fingerprints(
            a in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..4),
            b in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..4),
        ) {
            let fingerprints = Fingerprints::new().unwrap();
            let of = |parts: &[Vec<u8>]| {
                fingerprints.of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }
    }

    #[test]
    fn a_byte_does_not_move_between_parts() {
        let fingerprints = Fingerprints::new().unwrap();
        assert_ne!(fingerprints.of(&[b"ab", b"c"]), fingerprints.of(&[b"a", b"bc"]));
        assert_ne!(fingerprints.of(&[b"a"]), Fingerprints::new().unwrap().of(&[b"a"]));
    }
}
