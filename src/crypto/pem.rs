//! PEM files with certificates and keys, for listeners and for upstreams. What is wrong with one is
//! told with its name.

use std::path::Path as File;

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{Error, PemObject},
    },
};

use crate::value::{Path, Problem, Problems};

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
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, at, &error))
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
