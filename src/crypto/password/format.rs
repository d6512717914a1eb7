//! The encoded forms: parsed into parts, computed from parts.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{Algorithm, Cost};

/// An encoded password taken apart. Text of fields that are only carried over stays borrowed.
pub(super) struct Encoded<'a> {
    cost: Cost,
    salt: &'a str,
    /// `$2b`, for bcrypt.
    prefix: &'a str,
}

/// Argon2's parameters, all of which Django compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argon2Cost {
    variety: argon2::Algorithm,
    version: argon2::Version,
    memory: u32,
    time: u32,
    parallelism: u32,
    length: usize,
}

impl Argon2Cost {
    pub(super) const DJANGO: Self = Self {
        variety: argon2::Algorithm::Argon2id,
        version: argon2::Version::V0x13,
        memory: 102_400,
        time: 2,
        parallelism: 8,
        length: 32,
    };
}

/// A stored hash that asks for more than this is taken for malformed: one row must not be able to
/// hold a hashing thread for minutes or to exhaust memory.
const MOST_ITERATIONS: u32 = 20_000_000;
const MOST_MEMORY_KIB: u32 = 1 << 20;

impl<'a> Encoded<'a> {
    pub(super) fn parse(encoded: &'a str) -> Option<Self> {
        let (algorithm, rest) = encoded.split_once('$')?;
        let (cost, salt, prefix) = match algorithm {
            "pbkdf2_sha256" => {
                let (iterations, salt) = pbkdf2_fields(rest)?;
                (Cost::Pbkdf2Sha256 { iterations }, salt, "")
            }
            "pbkdf2_sha1" => {
                let (iterations, salt) = pbkdf2_fields(rest)?;
                (Cost::Pbkdf2Sha1 { iterations }, salt, "")
            }
            "argon2" => argon2_fields(rest)?,
            "bcrypt_sha256" => {
                let (prefix, cost, salt) = bcrypt_fields(rest)?;
                (Cost::BcryptSha256 { cost }, salt, prefix)
            }
            "bcrypt" => {
                let (prefix, cost, salt) = bcrypt_fields(rest)?;
                (Cost::Bcrypt { cost }, salt, prefix)
            }
            "scrypt" => scrypt_fields(rest)?,
            "md5" => (Cost::Md5, rest.split_once('$')?.0, ""),
            _ => return None,
        };
        (!salt.is_empty()).then_some(Self { cost, salt, prefix })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.cost.algorithm()
    }

    /// The encoded form that `password` gives with this salt and cost; `None` if they cannot be.
    pub(super) fn recompute(&self, password: &str) -> Option<String> {
        match self.cost {
            Cost::BcryptSha256 { cost } => {
                let hash = bcrypt(self.prefix, cost, self.salt, &sha256_hex(password))?;
                Some(format!("bcrypt_sha256${hash}"))
            }
            Cost::Bcrypt { cost } => {
                let hash = bcrypt(self.prefix, cost, self.salt, password.as_bytes())?;
                Some(format!("bcrypt${hash}"))
            }
            Cost::Argon2(cost) => {
                argon2(cost, password, &STANDARD_NO_PAD.decode(self.salt).ok()?, self.salt)
            }
            cost => Self::compute(cost, password, self.salt),
        }
    }

    /// The encoded form of `password` with a salt of `a-zA-Z0-9`.
    pub(super) fn compute(cost: Cost, password: &str, salt: &str) -> Option<String> {
        match cost {
            Cost::Pbkdf2Sha256 { iterations } => {
                let hash = pbkdf2::<32>(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password)?;
                Some(format!("pbkdf2_sha256${iterations}${salt}${hash}"))
            }
            Cost::Pbkdf2Sha1 { iterations } => {
                let hash = pbkdf2::<20>(pbkdf2::PBKDF2_HMAC_SHA1, iterations, salt, password)?;
                Some(format!("pbkdf2_sha1${iterations}${salt}${hash}"))
            }
            Cost::Argon2(cost) => {
                argon2(cost, password, salt.as_bytes(), &STANDARD_NO_PAD.encode(salt))
            }
            Cost::BcryptSha256 { cost } => {
                let hash = fresh_bcrypt(cost, salt, &sha256_hex(password))?;
                Some(format!("bcrypt_sha256${hash}"))
            }
            Cost::Bcrypt { cost } => {
                Some(format!("bcrypt${}", fresh_bcrypt(cost, salt, password.as_bytes())?))
            }
            Cost::Scrypt { n, r, p } => {
                let params = scrypt::Params::new(u8::try_from(n.ilog2()).ok()?, r, p).ok()?;
                let mut hash = [0; 64];
                scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut hash).ok()?;
                Some(format!("scrypt${n}${salt}${r}${p}${}", STANDARD.encode(hash)))
            }
            Cost::Md5 => {
                let hash = Md5::new().chain_update(salt).chain_update(password).finalize();
                Some(format!("md5${salt}${}", hex::encode(hash)))
            }
        }
    }

    /// Django's `must_update`, and `True` whenever the algorithm is not the preferred one.
    pub(super) fn is_outdated(&self, preferred: Cost) -> bool {
        let weak_salt = match self.cost {
            Cost::Pbkdf2Sha256 { .. } | Cost::Pbkdf2Sha1 { .. } | Cost::Md5 => {
                !enough_entropy(self.salt.chars().count())
            }
            Cost::Argon2(_) => {
                !STANDARD_NO_PAD.decode(self.salt).is_ok_and(|salt| enough_entropy(salt.len()))
            }
            Cost::BcryptSha256 { .. } | Cost::Bcrypt { .. } | Cost::Scrypt { .. } => false,
        };
        self.cost != preferred || weak_salt
    }

    /// Django's `harden_runtime`: a wrong password against a cheap hash costs as much as against
    /// the preferred one, so that time does not tell which accounts have not logged in for long.
    pub(super) fn level_time(&self, password: &str, preferred: Cost) {
        match (self.cost, preferred) {
            (Cost::Pbkdf2Sha256 { iterations: had }, Cost::Pbkdf2Sha256 { iterations: want })
                if want > had =>
            {
                let _ = Self::compute(
                    Cost::Pbkdf2Sha256 { iterations: want - had },
                    password,
                    self.salt,
                );
            }
            (Cost::Pbkdf2Sha1 { iterations: had }, Cost::Pbkdf2Sha1 { iterations: want })
                if want > had =>
            {
                let _ =
                    Self::compute(Cost::Pbkdf2Sha1 { iterations: want - had }, password, self.salt);
            }
            (Cost::BcryptSha256 { cost: had }, Cost::BcryptSha256 { cost: want })
            | (Cost::Bcrypt { cost: had }, Cost::Bcrypt { cost: want }) => {
                // 2^(want-had) - 1 more runs, spent as one run at each cost between.
                for _ in 1..(1_u64 << want.saturating_sub(had).min(20)) {
                    let _ = self.recompute(password);
                }
            }
            _ => {}
        }
    }
}

/// Django's `must_update_salt`: 128 bits, each character of `a-zA-Z0-9` being log2(62) bits.
fn enough_entropy(characters: usize) -> bool {
    characters >= 22
}

fn pbkdf2_fields(rest: &str) -> Option<(u32, &str)> {
    let mut fields = rest.split('$');
    let (iterations, salt, _hash) = (fields.next()?, fields.next()?, fields.next()?);
    let iterations = iterations.parse().ok().filter(|n| (1..=MOST_ITERATIONS).contains(n))?;
    fields.next().is_none().then_some((iterations, salt))
}

fn pbkdf2<const LENGTH: usize>(
    algorithm: pbkdf2::Algorithm,
    iterations: u32,
    salt: &str,
    password: &str,
) -> Option<String> {
    let mut hash = [0; LENGTH];
    let iterations = NonZeroU32::new(iterations)?;
    pbkdf2::derive(algorithm, iterations, salt.as_bytes(), password.as_bytes(), &mut hash);
    Some(STANDARD.encode(hash))
}

fn argon2_fields(rest: &str) -> Option<(Cost, &str, &str)> {
    let mut fields = rest.split('$');
    let variety = argon2::Algorithm::new(fields.next()?).ok()?;
    let version = fields.next()?.strip_prefix("v=")?.parse::<u32>().ok()?;
    let version = argon2::Version::try_from(version).ok()?;
    let mut numbers = [0_u32; 3];
    let mut parameters = fields.next()?.split(',');
    for (number, name) in numbers.iter_mut().zip(["m=", "t=", "p="]) {
        *number = parameters.next()?.strip_prefix(name)?.parse().ok()?;
    }
    let [memory, time, parallelism] = numbers;
    let (salt, hash) = (fields.next()?, fields.next()?);
    let length = STANDARD_NO_PAD.decode(hash).ok()?.len();
    let sane = memory <= MOST_MEMORY_KIB && time <= 1000 && fields.next().is_none();
    let cost = Argon2Cost { variety, version, memory, time, parallelism, length };
    sane.then_some((Cost::Argon2(cost), salt, ""))
}

fn argon2(cost: Argon2Cost, password: &str, salt: &[u8], salt_field: &str) -> Option<String> {
    let Argon2Cost { variety, version, memory, time, parallelism, length } = cost;
    let params = argon2::Params::new(memory, time, parallelism, Some(length)).ok()?;
    let mut hash = vec![0; length];
    argon2::Argon2::new(variety, version, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    let (variety, version) = (variety.as_str(), u32::from(version));
    let hash = STANDARD_NO_PAD.encode(hash);
    Some(format!(
        "argon2${variety}$v={version}$m={memory},t={time},p={parallelism}${salt_field}${hash}"
    ))
}

/// The fields of `$2b$12$<22 of salt><31 of hash>`.
fn bcrypt_fields(rest: &str) -> Option<(&str, u32, &str)> {
    let mut fields = rest.strip_prefix('$')?.split('$');
    let (prefix, cost, data) = (fields.next()?, fields.next()?, fields.next()?);
    let salt = data.get(..22)?;
    let cost = cost.parse().ok().filter(|cost| (4..=20).contains(cost))?;
    let known = matches!(prefix, "2a" | "2b" | "2y") && fields.next().is_none();
    known.then_some((prefix, cost, salt))
}

/// bcrypt's own base64 alphabet.
fn bcrypt_base64() -> base64::engine::GeneralPurpose {
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&base64::alphabet::BCRYPT, config)
}

fn bcrypt(prefix: &str, cost: u32, salt: &str, password: &[u8]) -> Option<String> {
    let salt = bcrypt_base64().decode(salt).ok()?.try_into().ok()?;
    let version = match prefix {
        "2a" => bcrypt::Version::TwoA,
        "2y" => bcrypt::Version::TwoY,
        _ => bcrypt::Version::TwoB,
    };
    // The library would cut longer ones off, and its own check counts a final NUL.
    let parts =
        (password.len() <= 72).then(|| bcrypt::hash_with_salt(password, cost, salt))?.ok()?;
    Some(parts.format_for_version(version))
}

fn fresh_bcrypt(cost: u32, salt: &str, password: &[u8]) -> Option<String> {
    let salt: [u8; 16] = salt.as_bytes().get(..16)?.try_into().ok()?;
    bcrypt("2b", cost, &bcrypt_base64().encode(salt), password)
}

/// What `bcrypt_sha256` hashes: the lower-case hexadecimal digits of SHA-256.
fn sha256_hex(password: &str) -> Vec<u8> {
    hex::encode(Sha256::digest(password)).into_bytes()
}

fn scrypt_fields(rest: &str) -> Option<(Cost, &str, &str)> {
    let mut fields = rest.split('$');
    let (n, salt) = (fields.next()?.parse::<u32>().ok()?, fields.next()?);
    let (r, p) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
    let _hash = fields.next()?;
    // 128·N·r bytes of memory.
    let memory_kib = u64::from(n).checked_mul(u64::from(r))? / 8;
    let sane = n.is_power_of_two() && n > 1 && p <= 64 && memory_kib <= MOST_MEMORY_KIB.into();
    (sane && fields.next().is_none()).then_some((Cost::Scrypt { n, r, p }, salt, ""))
}
