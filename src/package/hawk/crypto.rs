//! What Hawk takes from the cryptographic library: a keyed hash and a streaming hash.

use aws_lc_rs::{digest, hmac};

/// The hash that a credential is used with, for its MAC and for the payload alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// For old clients that know no other.
    Sha1,
    /// What Hawk's documents use.
    Sha256,
    /// Not in npm's hawk.
    Sha384,
    /// Not in npm's hawk.
    Sha512,
}

/// A credential's secret, and the one algorithm it signs with.
#[derive(Debug)]
pub struct Key {
    algorithm: Algorithm,
    key: hmac::Key,
}

/// A hash of bytes that come in pieces.
pub struct Digest(digest::Context);

impl Algorithm {
    /// By the name in `HAWK_CREDENTIALS`, which is one of Python's `hashlib` and so has one case.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl Key {
    /// From the credential's secret, whose bytes are the key as they are.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        let with = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha384 => hmac::HMAC_SHA384,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        Self { algorithm, key: hmac::Key::new(with, secret) }
    }

    /// What the payload is hashed with, too.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The HMAC of `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> impl AsRef<[u8]> {
        hmac::sign(&self.key, bytes)
    }
}

impl Digest {
    /// Of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(digest::Context::new(match algorithm {
            Algorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &digest::SHA256,
            Algorithm::Sha384 => &digest::SHA384,
            Algorithm::Sha512 => &digest::SHA512,
        }))
    }

    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> impl AsRef<[u8]> {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_s_names() {
        assert_eq!(Algorithm::named("sha256"), Some(Algorithm::Sha256));
        for name in ["SHA256", "sha-256", "md5", "none", ""] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
