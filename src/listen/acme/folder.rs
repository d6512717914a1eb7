//! Where account, keys and certificates are kept, readable by the gateway's own user alone.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    sync::Arc,
};

use instant_acme::AccountCredentials;
use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{parse_x509_certificate, time::ASN1Time};

use super::{Config, Current};
use crate::{clock::Timestamp, crypto::digest::sha256};

/// The files of one certificate.
pub(super) struct Folder {
    folder: PathBuf,
    account: PathBuf,
    certificate: PathBuf,
}

impl Folder {
    /// An account is the directory's; a certificate is that, and the names'.
    pub(super) fn of(config: &Config) -> Self {
        let short = |text: &str| hex::encode(sha256(text.as_bytes())).split_off(48);
        let account = format!("account-{}.json", short(&config.directory));
        let mut names = config.names();
        names.sort();
        let of = short(&format!("{} {}", config.directory, names.join(" ")));
        let first = names.first().map(String::as_str).unwrap_or_default();
        let certificate = format!("{first}-{of}.pem");
        Self {
            account: config.folder.join(account),
            certificate: config.folder.join(certificate),
            folder: config.folder.clone(),
        }
    }

    pub(super) fn account(&self) -> Option<AccountCredentials> {
        serde_json::from_slice(&fs::read(&self.account).ok()?).ok()
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        self.keep(&self.account, &serde_json::to_vec(account)?)
    }

    pub(super) fn forget_account(&self) {
        // What is left is forgotten by the next try.
        let _ = fs::remove_file(&self.account);
    }

    /// The certificate with its key; none if there is none that can be read.
    pub(super) fn certificate(&self) -> Option<Current> {
        read(&fs::read(&self.certificate).ok()?)
    }

    pub(super) fn keep_certificate(&self, pem: &str) -> io::Result<()> {
        self.keep(&self.certificate, pem.as_bytes())
    }

    pub(super) fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// All of it, or what was there before.
    fn keep(&self, file: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = file.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut options = fs::OpenOptions::new();
        let mut written = options.write(true).create_new(true).mode(0o600).open(&fresh)?;
        io::Write::write_all(&mut written, bytes)?;
        written.sync_all()?;
        fs::rename(&fresh, file)
    }
}

/// A certificate with its key, from PEM.
pub(super) fn read(pem: &[u8]) -> Option<Current> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let certified = CertifiedKey::from_der(chain, key, &default_provider()).ok()?;
    let (_, leaf) = parse_x509_certificate(certified.cert.first()?).ok()?;
    let seconds = |time: ASN1Time| u64::try_from(time.timestamp()).ok();
    let begins = seconds(leaf.validity().not_before)?;
    let ends = seconds(leaf.validity().not_after)?;
    let due = Timestamp::from_seconds(begins + ends.checked_sub(begins)? / 3 * 2);
    Some(Current { due, certified: Arc::new(certified) })
}
