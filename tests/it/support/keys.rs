//! An issuer of JSON Web Tokens: its keys, the address where it publishes them, and whatever tokens
//! it is told to sign.

use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

use super::{Server, server::Then};

/// A key that signs.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    signing: EncodingKey,
    /// As a file has it.
    pub(crate) public_pem: String,
}

impl Key {
    pub(crate) fn rsa(id: &str) -> Self {
        // It takes a while: one for all tests that need no more.
        static KEY: OnceLock<(String, String)> = OnceLock::new();
        let (private, public) = KEY.get_or_init(Self::new_rsa).clone();
        let signing = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, signing, public_pem: public }
    }

    /// One that nobody else has.
    pub(crate) fn another_rsa(id: &str) -> Self {
        let (private, public_pem) = Self::new_rsa();
        let signing = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, signing, public_pem }
    }

    fn new_rsa() -> (String, String) {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
    }

    pub(crate) fn ec(id: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = pem("PRIVATE KEY", private.as_ref());
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::ES256,
            signing: EncodingKey::from_ec_pem(private.as_bytes()).unwrap(),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub(crate) fn ed(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = pem("PRIVATE KEY", private.as_ref());
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::EdDSA,
            signing: EncodingKey::from_ed_pem(private.as_bytes()).unwrap(),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub(crate) fn secret(secret: &str) -> Self {
        Self {
            id: String::new(),
            algorithm: Algorithm::HS256,
            signing: EncodingKey::from_secret(secret.as_bytes()),
            public_pem: String::new(),
        }
    }

    /// The same key under another name.
    pub(crate) fn named(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    /// As a key set has it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.signing, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn header(&self) -> Value {
        let mut header = json!({ "alg": format!("{:?}", self.algorithm), "typ": "JWT" });
        if !self.id.is_empty() {
            header["kid"] = self.id.clone().into();
        }
        header
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    /// Any text as header and payload, signed as this key signs.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.signing, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Seconds since 1970, and so many more.
pub(crate) fn in_seconds(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

/// Publishes keys, which can be changed while it runs.
pub(crate) struct Issuer {
    pub(crate) server: Server,
    published: Arc<Mutex<Option<Value>>>,
}

impl Issuer {
    pub(crate) fn start(keys: &[&Key]) -> Self {
        let published: Arc<Mutex<Option<Value>>> = Arc::default();
        let server = Server::start({
            let published = Arc::clone(&published);
            move |_, wire| {
                let set = published.lock().unwrap().clone();
                let (status, body) = match set {
                    Some(set) => ("200 OK", set.to_string()),
                    None => ("503 Service Unavailable", String::new()),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
                );
                let _ = wire.write_all((head + &body).as_bytes());
                Then::Keep
            }
        });
        let issuer = Self { server, published };
        issuer.publish(keys);
        issuer
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.publish_set(json!({ "keys": keys }));
    }

    /// Whatever text is found at the address.
    pub(crate) fn publish_set(&self, set: Value) {
        *self.published.lock().unwrap() = Some(set);
    }

    /// It answers 503 from now on.
    pub(crate) fn break_down(&self) {
        *self.published.lock().unwrap() = None;
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/jwks.json", self.server.url())
    }
}
