//! Django's password hashes: every format of `PASSWORD_HASHERS`, verified and written as Django
//! does, with Django's rule for when a right password is hashed anew and its work to level the
//! time of a wrong one (`django.contrib.auth.hashers`).
//!
//! Everything here computes for a long time on purpose; callers run it on the hashing threads.

mod format;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use self::format::Encoded;
use super::{NoRandomness, random_text};
use crate::value::Count;

/// The `passwords` map of the configuration: `PASSWORD_HASHERS` and their costs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Passwords")]
pub struct Config {
    /// The algorithm new hashes are written with; the first of Django's `PASSWORD_HASHERS`.
    preferred: Algorithm,
    /// PBKDF2's iterations. Django's default grows with each release; set your project's.
    iterations: Count,
    /// Whether a right password whose hash is not the preferred one is hashed anew, as Django does.
    /// It changes the session auth hash: the user's other sessions end.
    pub upgrade: bool,
    /// The algorithms that may log in; Django's `PASSWORD_HASHERS`.
    accept: Vec<Algorithm>,
}

impl Default for Config {
    fn default() -> Self {
        use Algorithm::*;
        Self {
            preferred: Pbkdf2Sha256,
            iterations: Count(1_000_000),
            upgrade: true,
            accept: vec![Pbkdf2Sha256, Pbkdf2Sha1, Argon2, BcryptSha256, Scrypt],
        }
    }
}

/// The name before the first `$` of an encoded password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PasswordAlgorithm")]
pub enum Algorithm {
    /// `pbkdf2_sha256`, Django's default.
    Pbkdf2Sha256,
    /// `pbkdf2_sha1`.
    Pbkdf2Sha1,
    /// `argon2`.
    Argon2,
    /// `bcrypt_sha256`.
    BcryptSha256,
    /// `bcrypt`: at most 72 bytes of password.
    Bcrypt,
    /// `scrypt`.
    Scrypt,
    /// `md5`, salted: for test suites and very old rows.
    Md5,
}

/// Verifies and writes passwords by one configuration.
#[derive(Clone, Debug)]
pub struct Hashers {
    preferred: Cost,
    accept: Vec<Algorithm>,
}

/// An algorithm with what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    Pbkdf2Sha256 { iterations: u32 },
    Pbkdf2Sha1 { iterations: u32 },
    Argon2(format::Argon2Cost),
    BcryptSha256 { cost: u32 },
    Bcrypt { cost: u32 },
    Scrypt { n: u32, r: u32, p: u32 },
    Md5,
}

/// What checking a password told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Right.
    Match {
        /// Django would hash it anew now (`must_update`).
        outdated: bool,
    },
    /// Wrong, unusable, of an algorithm not accepted, or malformed.
    NoMatch,
}

impl Hashers {
    /// By a configuration.
    pub fn new(config: &Config) -> Self {
        let iterations = u32::try_from(config.iterations.0).unwrap_or(u32::MAX).max(1);
        let preferred = match config.preferred {
            Algorithm::Pbkdf2Sha256 => Cost::Pbkdf2Sha256 { iterations },
            Algorithm::Pbkdf2Sha1 => Cost::Pbkdf2Sha1 { iterations },
            Algorithm::Argon2 => Cost::Argon2(format::Argon2Cost::DJANGO),
            Algorithm::BcryptSha256 => Cost::BcryptSha256 { cost: 12 },
            Algorithm::Bcrypt => Cost::Bcrypt { cost: 12 },
            Algorithm::Scrypt => Cost::Scrypt { n: 1 << 14, r: 8, p: 5 },
            Algorithm::Md5 => Cost::Md5,
        };
        let mut accept = config.accept.clone();
        if !accept.contains(&config.preferred) {
            accept.push(config.preferred);
        }
        Self { preferred, accept }
    }

    /// Django's `check_password`: one hash at least, whatever `encoded` is, so that the time tells
    /// nothing about the account.
    pub fn verify(&self, password: &str, encoded: &str) -> Verification {
        // HMAC pads its key with NUL: under PBKDF2 a password with NUL behind is the same password.
        let known = |stored: &Encoded<'_>| self.accept.contains(&stored.algorithm());
        let stored =
            Encoded::parse(encoded).filter(|stored| known(stored) && !password.contains('\0'));
        let Some(stored) = stored else {
            self.waste_one_hash(password);
            return Verification::NoMatch;
        };
        let Some(computed) = stored.recompute(password) else {
            self.waste_one_hash(password);
            return Verification::NoMatch;
        };
        if bool::from(computed.as_bytes().ct_eq(encoded.as_bytes())) {
            return Verification::Match { outdated: stored.is_outdated(self.preferred) };
        }
        stored.level_time(password, self.preferred);
        Verification::NoMatch
    }

    /// What an unknown user costs: one hash with the preferred settings.
    pub fn waste_one_hash(&self, password: &str) {
        // A salt without randomness is enough for a hash that is not stored.
        let _ = Encoded::compute(self.preferred, password, "portcullisportcullis00");
    }

    /// Django's `make_password` with the preferred algorithm and a new salt.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn encode(&self, password: &str) -> Result<String, NoRandomness> {
        let salt = random_text(22)?;
        Encoded::compute(self.preferred, password, &salt).ok_or(NoRandomness)
    }
}

impl Cost {
    fn algorithm(self) -> Algorithm {
        match self {
            Cost::Pbkdf2Sha256 { .. } => Algorithm::Pbkdf2Sha256,
            Cost::Pbkdf2Sha1 { .. } => Algorithm::Pbkdf2Sha1,
            Cost::Argon2(_) => Algorithm::Argon2,
            Cost::BcryptSha256 { .. } => Algorithm::BcryptSha256,
            Cost::Bcrypt { .. } => Algorithm::Bcrypt,
            Cost::Scrypt { .. } => Algorithm::Scrypt,
            Cost::Md5 => Algorithm::Md5,
        }
    }
}

/// Django's `make_password(None)`: a hash that no password matches.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn unusable() -> Result<String, NoRandomness> {
    Ok(format!("!{}", random_text(40)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashers(preferred: Algorithm, iterations: u64) -> Hashers {
        use Algorithm::*;
        Hashers::new(&Config {
            preferred,
            iterations: Count(iterations),
            upgrade: true,
            accept: vec![Pbkdf2Sha256, Pbkdf2Sha1, Argon2, BcryptSha256, Bcrypt, Scrypt, Md5],
        })
    }

    /// Made by Django 5.2.
    const VECTORS: [(&str, &str); 14] = [
        (
            "correct horse",
            "pbkdf2_sha256$1000000$ThrowawaySalt012345678$YP5tFesJFVjL35u8f3A5hB0tsWyMS59fCKA3ibNCs7k=",
        ),
        (
            "pässwörd ☃",
            "pbkdf2_sha256$1000000$ThrowawaySalt012345678$YDRU02c80yyCDksrbLzjYJtBO5E6MlOmaEbU14quBoo=",
        ),
        (
            "correct horse",
            "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=",
        ),
        ("password", "pbkdf2_sha256$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs="),
        ("correct horse", "pbkdf2_sha1$1000$seasalt$iQvkNOF1wEL4Khh8eogJ8rUhipM="),
        (
            "correct horse",
            "argon2$argon2id$v=19$m=102400,t=2,p=8$VGhyb3dhd2F5U2FsdDAxMjM0NTY3OA$U31Qr9eL5gv9jTXZIkMJwJZMah6VUx6vMR1x25/g1rc",
        ),
        (
            "pässwörd ☃",
            "argon2$argon2id$v=19$m=102400,t=2,p=8$VGhyb3dhd2F5U2FsdDAxMjM0NTY3OA$1WeklSrJkgbkrZ302l17rBDPVAup9WQN5onkp3HD8gw",
        ),
        (
            "correct horse",
            "argon2$argon2id$v=19$m=64,t=1,p=1$c2Vhc2FsdHNlYXNhbHQ$KFjpyjz2bIvzLO3nzmUHYyVdmFJAQzchDPVpwlCc0G0",
        ),
        (
            "correct horse",
            "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuIvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq",
        ),
        ("correct horse", "bcrypt$$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "bcrypt$$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe",
        ),
        (
            "correct horse",
            "scrypt$16384$ThrowawaySalt012345678$8$5$y6u/Yp8sSSzGtrpwleoH5A0ZWeZA+fsLCG2N+QYeMJkDYGj74jCGOrQxowKDNhKMFQ/Eq7dX6BMCBP0564F/YA==",
        ),
        (
            "correct horse",
            "scrypt$16$seasalt$8$1$Qxil8nWcIy12YNMYpeV1hXKvwFi5h+x4wHI8WQTJ3/j1NecrriM2mkKB8IaqWjz6RUXfHzR5O5kG1jYWwbPuBA==",
        ),
        ("correct horse", "md5$seasalt$b614725f4cc025a51ab6a354d12890ab"),
    ];

    #[test]
    fn every_vector_of_django_matches_its_password_and_no_other() {
        let hashers = hashers(Algorithm::Pbkdf2Sha256, 1);
        for (password, encoded) in VECTORS {
            assert_eq!(
                hashers.verify(password, encoded),
                Verification::Match { outdated: true },
                "{encoded}"
            );
            assert_eq!(
                hashers.verify("correct horsE", encoded),
                Verification::NoMatch,
                "{encoded}"
            );
        }
    }

    /// `bcrypt_sha256` hashes first, so long passwords do not stop at 72 bytes; cost 12 is slow
    /// without optimisation, so these two stand apart.
    #[test]
    fn bcrypt_at_django_s_cost() {
        let hashers = hashers(Algorithm::BcryptSha256, 1);
        let match_ = Verification::Match { outdated: false };
        let long = "p".repeat(100);
        for (password, encoded) in [
            (
                "correct horse",
                "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuurByPinJWI/V/0c5apkEb2KJQv7f.gZO",
            ),
            (&long, "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuo9htkqpiPHFslCYy37STW92pMXDAtJi"),
        ] {
            assert_eq!(hashers.verify(password, encoded), match_);
        }
    }

    /// Django answers 500 to a malformed hash of a known algorithm; here the log-in fails and
    /// nothing breaks.
    #[test]
    fn malformed_hashes_match_nothing() {
        let hashers = hashers(Algorithm::Md5, 1);
        for encoded in [
            "",
            "!",
            "!unusable",
            "plain",
            "x$y",
            "sha1$a$b",
            "crypt$a$b",
            "argon2$bad",
            "bcrypt$x",
            "pbkdf2_sha256$abc$x$y",
            "pbkdf2_sha256$1000$seasalt",
            "pbkdf2_sha256$0$a$b",
            "pbkdf2_sha256$99999999999$a$b",
            "scrypt$3$salt$8$1$AAAA",
            "scrypt$0$salt$8$1$AAAA",
            "scrypt$1073741824$s$4096$4096$AAAA",
            "bcrypt$$2b$99$abcdefghijklmnopqrstuu",
            "md5$$",
            "argon2$argon2id$v=19$m=4294967295,t=1,p=1$c2Vhc2FsdA$AAAA",
            "bcrypt_sha256$$2b$04$é",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "md5$$5f4dcc3b5aa765d61d8327deb882cf99",
        ] {
            assert_eq!(hashers.verify("password", encoded), Verification::NoMatch, "{encoded}");
        }
        assert_eq!(hashers.verify("", "!"), Verification::NoMatch);
    }

    /// bcrypt 5 raises for more than 72 bytes, where older ones cut the password off: a longer one
    /// must not match by its first 72 bytes.
    #[test]
    fn bcrypt_does_not_truncate() {
        let stored = "bcrypt$$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
        assert_eq!(
            hashers(Algorithm::Md5, 1).verify(&"a".repeat(73), stored),
            Verification::NoMatch
        );
    }

    /// Django's `must_update`: another algorithm, another cost in either direction, a weak salt.
    #[test]
    fn outdated_exactly_when_django_says_so() {
        let current = "pbkdf2_sha256$1000$ThrowawaySalt012345678$";
        let outdated = |preferred, iterations, encoded: &str| {
            Encoded::parse(encoded).unwrap().is_outdated(hashers(preferred, iterations).preferred)
        };
        let hash = format!("{current}{}", "A".repeat(43) + "=");
        assert!(!outdated(Algorithm::Pbkdf2Sha256, 1000, &hash));
        assert!(outdated(Algorithm::Pbkdf2Sha256, 870, &hash), "a stronger one is weakened");
        assert!(outdated(Algorithm::Pbkdf2Sha256, 1200, &hash));
        assert!(outdated(Algorithm::Argon2, 1000, &hash));
        assert!(outdated(Algorithm::Pbkdf2Sha256, 1000, VECTORS[2].1), "seven characters of salt");
        assert!(!outdated(Algorithm::Argon2, 1, VECTORS[5].1));
        assert!(outdated(Algorithm::Argon2, 1, VECTORS[7].1));
        assert!(outdated(Algorithm::BcryptSha256, 1, VECTORS[8].1));
        assert!(!outdated(Algorithm::Scrypt, 1, VECTORS[11].1));
        assert!(outdated(Algorithm::Scrypt, 1, VECTORS[12].1));
    }

    #[test]
    fn what_it_writes_it_reads_and_fits_the_column() {
        for preferred in [
            Algorithm::Pbkdf2Sha256,
            Algorithm::Pbkdf2Sha1,
            Algorithm::Argon2,
            Algorithm::Scrypt,
            Algorithm::Md5,
        ] {
            let hashers = hashers(preferred, 100);
            let encoded = hashers.encode("päss").unwrap();
            assert!(encoded.len() <= 128, "{encoded}");
            assert_eq!(hashers.verify("päss", &encoded), Verification::Match { outdated: false });
        }
    }

    #[test]
    fn only_accepted_algorithms_log_in() {
        let hashers = Hashers::new(&Config { iterations: Count(1), ..Config::default() });
        let (password, md5) = VECTORS[13];
        assert_eq!(hashers.verify(password, md5), Verification::NoMatch);
    }
}
