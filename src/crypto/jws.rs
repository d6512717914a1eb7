//! Signed JSON Web Tokens (RFC 7515, RFC 7519), read strictly: one spelling of each token, the
//! algorithm is the key's and never the token's, and nothing in a token is trusted before its
//! signature has been checked.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512},
    DecodingKey, EncodingKey,
    jwk::Jwk,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde::de;
use serde_json::{Map, Value};

use super::{p521, pem, signing::ascii_json};
use crate::{clock::Timestamp, value::Secret};

/// Longer tokens are refused before anything in them is read.
pub const LONGEST: usize = 16 << 10;

/// How a token is signed (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// One that the library has.
    Of(jsonwebtoken::Algorithm),
    /// ECDSA on P-521.
    Es512,
}

/// A key, and the one algorithm it verifies.
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: PublicKey,
}

enum PublicKey {
    Of(jsonwebtoken::Algorithm, DecodingKey),
    P521(p521::PublicKey),
}

/// A key, and the one algorithm it signs with.
pub struct SigningKey {
    algorithm: Algorithm,
    key: PrivateKey,
}

enum PrivateKey {
    Of(jsonwebtoken::Algorithm, EncodingKey),
    P521(p521::PrivateKey),
}

/// A token whose shape is right and whose signature is not verified yet.
pub struct Unverified<'a> {
    header: Map<String, Value>,
    payload: Vec<u8>,
    signed: &'a [u8],
    signature: &'a str,
}

/// Why a key is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadKey(&'static str);

impl Algorithm {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ES512" => Some(Self::Es512),
            name => name.parse().ok().map(Self::Of),
        }
    }

    /// Whether this is its name.
    pub fn is(self, name: &str) -> bool {
        Self::named(name) == Some(self)
    }

    /// Whether the key is a secret that both sides have.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Of(HS256 | HS384 | HS512))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(algorithm) => write!(f, "{algorithm:?}"),
            Self::Es512 => f.write_str("ES512"),
        }
    }
}

impl VerifyingKey {
    /// From a secret, for HS256 to HS512, or from a public key in PEM for the others.
    ///
    /// # Errors
    /// If the text is not a key of the algorithm's kind.
    pub fn new(algorithm: Algorithm, text: &Secret) -> Result<Self, BadKey> {
        let bytes = text.reveal().as_bytes();
        let no_key = BadKey("this is not a public key (PEM) of the algorithm's kind");
        let Algorithm::Of(of) = algorithm else {
            let key = p521::PublicKey::from_pem(bytes).map(PublicKey::P521).ok_or(no_key)?;
            return Ok(Self { algorithm, key });
        };
        let key = match family(of) {
            Family::Hmac => {
                if text.reveal().contains("-----BEGIN") {
                    // A public key as a secret lets anybody sign (CVE-2026-39999).
                    return Err(BadKey(
                        "a PEM key is not a secret: the algorithm needs another kind",
                    ));
                }
                Ok(DecodingKey::from_secret(bytes))
            }
            _ if text.reveal().contains("PRIVATE KEY-----") => {
                return Err(BadKey(
                    "this is a private key, which only the issuer may have; give the public one: \
                     openssl pkey -in PRIVATE -pubout",
                ));
            }
            Family::Rsa if pem::is_weak_public(bytes) => return Err(BadKey(pem::WEAK)),
            Family::Rsa => DecodingKey::from_rsa_pem(bytes),
            Family::Ec => DecodingKey::from_ec_pem(bytes),
            Family::Ed => DecodingKey::from_ed_pem(bytes),
        };
        Ok(Self { algorithm, key: PublicKey::Of(of, key.map_err(|_| no_key)?) })
    }

    /// From a JSON Web Key (RFC 7517) of `algorithm`'s kind. Whether its `alg` says so is for the
    /// caller to ask, who has it as it was sent.
    pub fn of_jwk(jwk: &Jwk, algorithm: Algorithm) -> Option<Self> {
        use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, PublicKeyUse};
        let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
        if !signs {
            return None;
        }
        let key = match (algorithm, &jwk.algorithm) {
            (Algorithm::Es512, AlgorithmParameters::EllipticCurve(ec)) => {
                let key = Some(ec).filter(|ec| ec.curve == EllipticCurve::P521);
                PublicKey::P521(key.and_then(p521::PublicKey::from_jwk)?)
            }
            (Algorithm::Es512, _) => return None,
            (Algorithm::Of(of), parameters) => {
                let fits = match (parameters, family(of)) {
                    (AlgorithmParameters::RSA(_), Family::Rsa) => true,
                    (AlgorithmParameters::EllipticCurve(ec), Family::Ec) => matches!(
                        (&ec.curve, of),
                        (EllipticCurve::P256, ES256) | (EllipticCurve::P384, ES384)
                    ),
                    (AlgorithmParameters::OctetKeyPair(_), Family::Ed) => true,
                    _ => false,
                };
                PublicKey::Of(of, DecodingKey::from_jwk(jwk).ok().filter(|_| fits)?)
            }
        };
        Some(Self { algorithm, key })
    }
}

impl SigningKey {
    /// From a secret, for HS256 to HS512, or from a private key in PEM for the others.
    ///
    /// # Errors
    /// If the text is not a key of the algorithm's kind.
    pub fn new(algorithm: Algorithm, text: &Secret) -> Result<Self, BadKey> {
        let bytes = text.reveal().as_bytes();
        if !algorithm.is_symmetric() {
            if let Some(what) = pem::not_private(text.reveal()) {
                return Err(BadKey(what));
            }
            let key = PrivateKeyDer::from_pem_slice(bytes);
            if key.is_ok_and(|key| pem::is_weak(&key)) {
                return Err(BadKey(pem::WEAK));
            }
        }
        let no_key = BadKey("this is not a private key (PEM) of the algorithm's kind");
        let Algorithm::Of(of) = algorithm else {
            let key = p521::PrivateKey::from_pem(bytes).map(PrivateKey::P521).ok_or(no_key)?;
            return Ok(Self { algorithm, key });
        };
        let key = match family(of) {
            Family::Hmac => Ok(EncodingKey::from_secret(bytes)),
            Family::Rsa => EncodingKey::from_rsa_pem(bytes),
            Family::Ec => EncodingKey::from_ec_pem(bytes),
            Family::Ed => EncodingKey::from_ed_pem(bytes),
        };
        Ok(Self { algorithm, key: PrivateKey::Of(of, key.map_err(|_| no_key)?) })
    }

    /// A token with the header that PyJWT writes.
    ///
    /// # Errors
    /// If the key does not sign.
    pub fn sign(&self, payload: &Map<String, Value>) -> Result<String, BadKey> {
        let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, self.algorithm);
        let payload = ascii_json(&Value::Object(payload.clone()));
        let mut token =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = match &self.key {
            PrivateKey::Of(of, key) => jsonwebtoken::crypto::sign(token.as_bytes(), key, *of).ok(),
            PrivateKey::P521(key) => key.sign(token.as_bytes()),
        };
        let signature = signature.ok_or(BadKey("the key does not sign"))?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

enum Family {
    Hmac,
    Rsa,
    Ec,
    Ed,
}

fn family(algorithm: jsonwebtoken::Algorithm) -> Family {
    match algorithm {
        HS256 | HS384 | HS512 => Family::Hmac,
        ES256 | ES384 => Family::Ec,
        EdDSA => Family::Ed,
        _ => Family::Rsa,
    }
}

impl<'a> Unverified<'a> {
    /// Takes a token apart: three parts in canonical base64url, a header that is an object without
    /// repeated members and asks for nothing we do not do.
    pub fn read(token: &'a [u8]) -> Option<Self> {
        let token = std::str::from_utf8(token).ok().filter(|token| token.len() <= LONGEST)?;
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // The engine refuses padding, foreign characters and bits that stand for nothing.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header = object(&decode(header)?)?;
        decode(signature)?;
        if ["crit", "b64", "zip"].iter().any(|asked| header.contains_key(*asked)) {
            return None;
        }
        if !header.iter().all(|(name, value)| parameter_has_its_type(name, value)) {
            return None;
        }
        Some(Self { header, payload: decode(payload)?, signed: signed.as_bytes(), signature })
    }

    /// The name of the key (`kid`), to choose among keys of ours; no key is ever in a token.
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// Whom the token claims to come from, to choose who is to verify it.
    pub fn claimed_issuer(&self) -> Option<String> {
        object(&self.payload)?.get("iss")?.as_str().map(str::to_owned)
    }

    /// The claims, if this key has signed them with its algorithm.
    pub fn verify(&self, key: &VerifyingKey) -> Option<Map<String, Value>> {
        if !key.algorithm.is(self.header.get("alg")?.as_str()?) {
            return None;
        }
        let good = match &key.key {
            PublicKey::Of(of, key) => {
                jsonwebtoken::crypto::verify(self.signature, self.signed, key, *of).ok()?
            }
            PublicKey::P521(key) => key.verify(self.signature, self.signed),
        };
        if good { object(&self.payload) } else { None }
    }
}

/// RFC 7515 section 4.1. A parameter of the wrong type is not one that is missing: the
/// key would be chosen as if the token had not named one.
fn parameter_has_its_type(name: &str, value: &Value) -> bool {
    match name {
        "alg" | "kid" | "typ" | "cty" | "jku" | "x5u" | "x5t" | "x5t#S256" => value.is_string(),
        "jwk" => value.is_object(),
        "x5c" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        _ => true,
    }
}

/// Whether the registered claims (RFC 7519 section 4.1) that are there have their types. One of the
/// wrong type is not one that is missing (CVE-2026-25537).
pub fn claims_have_their_types(claims: &Map<String, Value>) -> bool {
    ["iss", "sub", "jti"].iter().all(|name| claims.get(*name).is_none_or(Value::is_string))
        && ["exp", "nbf", "iat"].iter().all(|name| claims.get(*name).is_none_or(Value::is_number))
        && claims.get("aud").is_none_or(|aud| audience(aud).is_some())
}

/// What the moments in a token's claims have against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    /// It is not good yet, or a moment is none.
    Invalid,
    /// It was good.
    Expired,
}

/// Whether `now` is within `iat`, `nbf` and `exp`, as PyJWT asks it; those that are missing are not
/// asked.
///
/// # Errors
/// What it has against the token.
pub fn check_times(
    claims: &Map<String, Value>,
    now: Timestamp,
    leeway: Duration,
) -> Result<(), OutOfTime> {
    let leeway = leeway.as_secs_f64();
    let now = now.0 as f64 / 1e6;
    for name in ["iat", "nbf"] {
        if let Some(claim) = claims.get(name)
            && number(claim).ok_or(OutOfTime::Invalid)?.floor() > now + leeway
        {
            return Err(OutOfTime::Invalid);
        }
    }
    match claims.get("exp") {
        Some(exp) if number(exp).ok_or(OutOfTime::Invalid)?.floor() <= now - leeway => {
            Err(OutOfTime::Expired)
        }
        _ => Ok(()),
    }
}

/// A claim that is a moment; a truth value counts as Python counts it. A text, or a number that no
/// calendar has, is none.
pub fn number(claim: &Value) -> Option<f64> {
    let number = match claim {
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        other => other.as_f64()?,
    };
    (number.is_finite() && number.abs() < 253_402_300_800.0).then_some(number)
}

/// A claim as a moment; what is none is the beginning of time.
pub fn moment(claim: Option<&Value>) -> Timestamp {
    let seconds = claim.and_then(number).unwrap_or_default().max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    Timestamp((seconds * 1e6) as u64)
}

/// Whom a token is for, if its claim `aud` (RFC 7519 section 4.1.3) is one.
pub fn audience(aud: &Value) -> Option<Vec<&str>> {
    match aud {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A JSON object without repeated members, of which two readers could read two values.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    struct Strict;
    impl<'de> de::Visitor<'de> for Strict {
        type Value = Map<String, Value>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut object = Map::new();
            while let Some((key, value)) = map.next_entry::<String, Value>()? {
                if object.insert(key, value).is_some() {
                    return Err(de::Error::custom("a member is repeated"));
                }
            }
            Ok(object)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let object = de::Deserializer::deserialize_map(&mut reader, Strict).ok()?;
    reader.end().ok().map(|()| object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "throwaway-secret-key-for-test-vectors-0123456789";
    const PAYLOAD: &str = "eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6IjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmIiwidXNlcl9pZCI6IjEifQ";

    fn secret() -> Secret {
        Secret::new(SECRET.into())
    }

    fn verify(token: &str, algorithm: Algorithm) -> Option<Map<String, Value>> {
        Unverified::read(token.as_bytes())?.verify(&VerifyingKey::new(algorithm, &secret()).ok()?)
    }

    fn part(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// Tokens that PyJWT has made.
    #[test]
    fn the_package_s_vectors() {
        for (algorithm, header, signature) in [
            (
                Algorithm::Of(HS256),
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
                "uG0480n_VTL_CkvKJZWsq_EIiN9PnHNLuRqsRmbiIIM",
            ),
            (
                Algorithm::Of(HS384),
                "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9",
                "aIPIdTTkQTc4gNs3uhFVGZlm65eCgKeylXv0h3yBZNa9Oa6xyCTu5ixZBhXDW0wy",
            ),
            (
                Algorithm::Of(HS512),
                "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9",
                "OX4_vRpBphJXaAx8QUCJuOS0GREGRKONQTn6K2A-ovODy-7h3IUtIW6pUVr4SLfNipII1ZBdbIC3onfylr_KQg",
            ),
        ] {
            let token = format!("{header}.{PAYLOAD}.{signature}");
            let claims = verify(&token, algorithm).unwrap();
            assert_eq!(claims["user_id"], json!("1"));
            let key = SigningKey::new(algorithm, &secret()).unwrap();
            assert_eq!(key.sign(&claims).unwrap(), token);
        }
    }

    /// Attack (CVE-2026-39999, CVE-2026-27840): say `none`, say another algorithm, cut or flip a
    /// byte, or write the same bytes in another way.
    #[test]
    fn only_the_one_spelling_verifies() {
        let good = format!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{PAYLOAD}.uG0480n_VTL_CkvKJZWsq_EIiN9PnHNLuRqsRmbiIIM"
        );
        assert!(verify(&good, Algorithm::Of(HS256)).is_some());
        assert!(verify(&good, Algorithm::Of(HS384)).is_none());
        for place in 0..good.len() {
            assert!(verify(&good[..place], Algorithm::Of(HS256)).is_none(), "cut at {place}");
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1;
            let flipped = String::from_utf8(bytes).unwrap();
            assert!(verify(&flipped, Algorithm::Of(HS256)).is_none(), "flipped at {place}");
        }
        for header in [
            json!({"alg":"none","typ":"JWT"}),
            json!({"alg":"HS384"}),
            json!({"typ":"JWT"}),
            json!({"alg":"HS256","crit":["exp"]}),
            json!({"alg":"HS256","b64":true}),
            json!({"alg":"HS256","zip":"DEF"}),
        ] {
            let signed = format!("{}.{PAYLOAD}", part(&header));
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, HS256).unwrap();
            assert!(
                verify(&format!("{signed}.{signature}"), Algorithm::Of(HS256)).is_none(),
                "{header}"
            );
            assert!(verify(&format!("{signed}."), Algorithm::Of(HS256)).is_none(), "{header}");
        }
        assert!(verify(&format!("{good}="), Algorithm::Of(HS256)).is_none());
        assert!(verify(&good.replace('.', ". "), Algorithm::Of(HS256)).is_none());
        assert!(verify(&"a".repeat(1 << 20), Algorithm::Of(HS256)).is_none());
    }

    /// Attack: say who you are twice, so that the gateway reads one and the upstream the other.
    #[test]
    fn repeated_members_are_refused() {
        assert!(object(br#"{"user_id":"1","user_id":"2"}"#).is_none());
        assert!(object(br#"{"user_id":"1"} "#).is_some());
        assert!(object(br#"{"user_id":"1"}x"#).is_none());
        assert!(object(b"[]").is_none());
    }

    /// Attack (CVE-2026-39999): sign with the published RSA key as if it were an HMAC secret.
    #[test]
    fn a_public_key_is_never_a_secret() {
        let pem = Secret::new("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----".into());
        assert!(VerifyingKey::new(Algorithm::Of(HS256), &pem).is_err());
        assert!(
            VerifyingKey::new(Algorithm::Of(jsonwebtoken::Algorithm::RS256), &secret()).is_err()
        );
    }
}
