//! A certificate that a client has shown in TLS, and that one of the listener's authorities vouches
//! for.

use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{clock::Timestamp, crypto::digest::sha256};

/// Whose it is.
#[derive(Clone, Debug, Default)]
pub struct Certificate {
    /// The common name of its subject.
    pub common_name: Option<String>,
    /// Alternative names that are hosts.
    pub dns: Vec<String>,
    /// Alternative names that are e-mail addresses.
    pub email: Vec<String>,
    /// Alternative names that are URIs, such as SPIFFE's.
    pub uri: Vec<String>,
    /// The SHA-256 of all of it, in hexadecimal.
    pub fingerprint: String,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads one; nothing, if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = certificate.subject().iter_common_name();
        let common_name = names.next().and_then(|name| name.as_str().ok()).map(str::to_owned);
        let ends = certificate.validity().not_after.timestamp();
        let mut read = Self {
            // Two names would be two people.
            common_name: common_name.filter(|_| names.next().is_none()),
            fingerprint: hex::encode(sha256(der)),
            not_after: Timestamp::from_seconds(u64::try_from(ends).unwrap_or_default()),
            ..Self::default()
        };
        let others = certificate.subject_alternative_name().ok().flatten();
        for name in others.iter().flat_map(|others| &others.value.general_names) {
            match name {
                GeneralName::DNSName(name) => read.dns.push((*name).to_owned()),
                GeneralName::RFC822Name(name) => read.email.push((*name).to_owned()),
                GeneralName::URI(name) => read.uri.push((*name).to_owned()),
                _ => {}
            }
        }
        Some(read)
    }
}

/// Whether a name in a certificate, perhaps with a `*` for its first label, is for a host
/// (RFC 9525 section 6.3).
pub fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == host,
    }
}
