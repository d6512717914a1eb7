//! PEM files with certificates and keys, for listeners and for upstreams. What is wrong with one is
//! told with its name.

use std::path::Path as File;

use aws_lc_rs::signature::RsaKeyPair;
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, SubjectPublicKeyInfoDer,
        pem::{Error, PemObject},
    },
};
use x509_parser::{
    parse_x509_certificate, prelude::FromDer, public_key::PublicKey, x509::SubjectPublicKeyInfo,
};

use crate::{
    clock::Timestamp,
    value::{Path, Problem, Problems},
};

/// A certificate, and those between it and the root; or several authorities.
///
/// # Errors
/// If the file cannot be read, or has none in it.
pub fn certificates(file: &File, at: &Path) -> Result<Vec<CertificateDer<'static>>, Problems> {
    let read: Vec<_> = all(file, at, CertificateDer::pem_file_iter(file))?;
    match read.is_empty() {
        true => Err(unusable(file, at, &"there is no certificate in it")),
        false => Ok(read),
    }
}

/// Trusted authorities.
///
/// # Errors
/// As [`certificates`], and what is no authority.
pub fn authorities(file: &File, at: &Path) -> Result<RootCertStore, Problems> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, at)? {
        roots.add(certificate).map_err(|error| unusable(file, at, &error))?;
    }
    Ok(roots)
}

/// Lists of revoked certificates.
///
/// # Errors
/// If the file cannot be read, or has none in it: no certificate would be revoked.
pub fn revocation_lists(
    file: &File,
    at: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Problems> {
    let read: Vec<_> = all(file, at, CertificateRevocationListDer::pem_file_iter(file))?;
    if read.is_empty() {
        let why =
            "there is no revocation list in it; it is PEM, and begins `-----BEGIN X509 CRL-----`";
        return Err(unusable(file, at, &why));
    }
    for list in &read {
        let read = webpki::BorrowedCertRevocationList::from_der(list);
        read.map_err(|error| unusable(file, at, &error))?;
    }
    Ok(read)
}

/// A private key.
///
/// # Errors
/// If the file cannot be read, or has none in it.
pub fn private_key(file: &File, at: &Path) -> Result<PrivateKeyDer<'static>, Problems> {
    match PrivateKeyDer::from_pem_file(file) {
        Ok(key) if is_weak(&key) => Err(unusable(file, at, &WEAK)),
        Ok(key) => Ok(key),
        Err(error) => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            match not_private(&text) {
                Some(what) => Err(unusable(file, at, &what)),
                None => Err(unusable(file, at, &error)),
            }
        }
    }
}

/// What a text is that was to be a private key, and what to do about it.
pub(super) fn not_private(text: &str) -> Option<&'static str> {
    let has = |word: &str| text.contains(word);
    Some(match () {
        () if has("ENCRYPTED") => {
            "the key is encrypted; write it without a passphrase, for the gateway's user alone: \
             (umask 077; openssl pkey -in ENCRYPTED -out KEY)"
        }
        () if has("PUBLIC KEY-----") => {
            "this is a public key; give the private one, `-----BEGIN PRIVATE KEY-----`"
        }
        () if has("BEGIN CERTIFICATE-----") => {
            "this is a certificate; give its private key, `-----BEGIN PRIVATE KEY-----`"
        }
        () => return None,
    })
}

/// RSA keys that are shorter are refused everywhere (RFC 7518 section 3.3, RFC 9325 section 4.5).
pub(super) const WEAK: &str = "an RSA key of less than 2048 bits can be broken; make a new pair: \
                               (umask 077; openssl genrsa -out KEY 3072)";

/// Whether a private key is an RSA key that is too short.
pub(super) fn is_weak(key: &PrivateKeyDer<'_>) -> bool {
    let pair = match key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return false,
    };
    pair.is_err_and(|error| error.to_string() == "TooSmall")
}

/// Whether a public key in PEM is an RSA key that is too short.
pub(super) fn is_weak_public(text: &[u8]) -> bool {
    let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(text) else { return false };
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(der.as_ref()) else { return false };
    matches!(info.parsed(), Ok(PublicKey::RSA(key)) if key.key_size() < 2048)
}

/// No file of certificates is longer.
const LONGEST: u64 = 1 << 20;

/// The certificates of a file that are not valid now, each with the day; none in what is another file.
pub fn invalid(file: &File, now: Timestamp) -> Vec<String> {
    // A text may name anything: a pipe that is read once, or a disk's image.
    let short = std::fs::metadata(file).is_ok_and(|of| of.is_file() && of.len() <= LONGEST);
    let Some(certificates) = short.then(|| CertificateDer::pem_file_iter(file).ok()).flatten()
    else {
        return Vec::new();
    };
    let now = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
    let said = |certificate: CertificateDer<'_>| {
        let (_, parsed) = parse_x509_certificate(&certificate).ok()?;
        let (begin, end) = (parsed.validity().not_before, parsed.validity().not_after);
        let what = match () {
            () if end.timestamp() < now => format!("has expired on {end}"),
            () if begin.timestamp() > now => format!("is valid from {begin} on"),
            () => return None,
        };
        // The client or the server that made it has chosen its name.
        let subject = parsed.subject().to_string();
        Some(format!("{} in `{}` {what}", subject.escape_debug(), file.display()))
    };
    certificates.filter_map(Result::ok).filter_map(said).collect()
}

/// The problem that a file is, at the setting that names it.
pub fn unusable(file: &File, at: &Path, why: &dyn std::fmt::Display) -> Problems {
    Problem::new(at, format!("`{}`: {why}", file.display())).into()
}

fn all<T>(
    file: &File,
    at: &Path,
    read: Result<impl Iterator<Item = Result<T, Error>>, Error>,
) -> Result<Vec<T>, Problems> {
    let read = read.and_then(Iterator::collect::<Result<_, _>>);
    read.map_err(|error| unusable(file, at, &error))
}
