//! Cryptography of the product: Django's password formats and signed values, keyed digests, the
//! keys that sign the identity assertion. All of it stands on aws-lc-rs and RustCrypto's password hashes.

pub mod digest;
pub mod jws;
pub mod keys;
mod p521;
pub mod password;
pub mod pem;
mod random;
pub mod server_certificates;
pub mod signing;

pub use random::{random_bytes, random_text};

/// The operating system would not give randomness: nothing may be generated.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;
