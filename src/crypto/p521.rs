//! ES512 (RFC 7518 section 3.4), which the library of the other algorithms does not have. With an
//! interface like its own.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::EllipticCurveKeyParameters;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject};

/// A coordinate's bytes.
const COORDINATE: usize = 66;

/// Verifies.
pub(super) struct PublicKey(ParsedPublicKey);

/// Signs.
pub(super) struct PrivateKey(EcdsaKeyPair);

impl PublicKey {
    /// From `-----BEGIN PUBLIC KEY-----`.
    pub(super) fn from_pem(text: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(text).ok()?;
        ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, info.as_ref()).ok().map(Self)
    }

    /// From the coordinates in a JSON Web Key (RFC 7518 section 6.2.1).
    pub(super) fn from_jwk(key: &EllipticCurveKeyParameters) -> Option<Self> {
        let coordinate = |text: &str| {
            URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == COORDINATE)
        };
        // SEC 1 section 2.3.3: uncompressed.
        let point = [vec![4], coordinate(&key.x)?, coordinate(&key.y)?].concat();
        ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).ok().map(Self)
    }

    pub(super) fn verify(&self, signature: &str, signed: &[u8]) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|bytes| self.0.verify_sig(signed, &bytes).is_ok())
    }
}

impl PrivateKey {
    /// From PKCS #8 or SEC 1 in PEM.
    pub(super) fn from_pem(text: &[u8]) -> Option<Self> {
        let key = PrivateKeyDer::from_pem_slice(text).ok()?;
        let curve = &ECDSA_P521_SHA512_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_der(curve, key.secret_der()).ok().map(Self)
    }

    pub(super) fn sign(&self, signed: &[u8]) -> Option<String> {
        let signature = self.0.sign(&SystemRandom::new(), signed).ok()?;
        Some(URL_SAFE_NO_PAD.encode(signature))
    }
}
