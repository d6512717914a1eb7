//! Orders certificates, when it is time and until they are there.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type, pki_types::PrivateKeyDer, sign::CertifiedKey,
};
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tracing::{info, warn};

use super::{
    Challenge, Managed,
    folder::{Folder, read},
};
use crate::{clock::Clock, observe::causes};

/// For a whole order.
const PATIENCE: Duration = Duration::from_secs(300);
/// For the authority to look, and to issue.
const RETRIES: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// After the first failure; each further one waits six times as long, up to the last. Authorities
/// count failures by the hour.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LAST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Acme(#[from] instant_acme::Error),
    #[error("{0}")]
    Refused(String),
    #[error("a file cannot be kept: {0}")]
    Kept(#[from] io::Error),
    #[error("a certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
    #[error("a key cannot be used: {0}")]
    Key(#[from] rustls::Error),
    #[error("the authority takes longer than {} s", PATIENCE.as_secs())]
    Late(#[from] tokio::time::error::Elapsed),
}

pub(super) fn begin(managed: &Arc<Managed>, control: &Handle, clock: &Clock) {
    let folder = Folder::of(&managed.config);
    if let Some(current) = folder.certificate() {
        managed.current.store(Some(Arc::new(current)));
    }
    let gone = managed.alive.subscribe();
    control.spawn(keep(Arc::downgrade(managed), folder, clock.clone(), gone));
}

/// Keeps a valid certificate there until no listener uses it.
async fn keep(managed: Weak<Managed>, folder: Folder, clock: Clock, mut gone: watch::Receiver<()>) {
    let mut wait = FIRST_WAIT;
    loop {
        let Some(managed) = managed.upgrade() else { return };
        let due = managed.current.load().as_ref().map(|current| current.due);
        let left = due.map(|due| due.since(clock.now())).filter(|left| !left.is_zero());
        let pause = match left {
            // The machine's clock may be set in the meantime.
            Some(left) => left.min(LAST_WAIT),
            None => match ordered(&managed, &folder).await {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    // A clock that is ahead must not order one after the other.
                    let due = managed.current.load().as_ref().map(|current| current.due);
                    due.map_or(LAST_WAIT, |due| due.since(clock.now())).clamp(FIRST_WAIT, LAST_WAIT)
                }
                Err(error) => {
                    let config = &managed.config;
                    warn!(
                        error = %causes(&error),
                        names = config.names.join(", "),
                        directory = config.directory,
                        again_in_s = wait.as_secs(),
                        "no certificate from the authority"
                    );
                    let pause = wait;
                    wait = (wait * 6).min(LAST_WAIT);
                    pause
                }
            },
        };
        drop(managed);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = gone.changed() => return,
        }
    }
}

async fn ordered(managed: &Managed, folder: &Folder) -> Result<(), Failed> {
    let pem = timeout(PATIENCE, order(managed, folder)).await??;
    let current = read(pem.as_bytes());
    let current = current.ok_or(Failed::Refused("what was issued cannot be read".into()))?;
    managed.current.store(Some(Arc::new(current)));
    let names = managed.config.names.join(", ");
    match folder.keep_certificate(&pem) {
        Ok(()) => info!(names, "a new certificate was issued"),
        Err(error) => warn!(%error, names, "a new certificate was issued and could not be stored"),
    }
    Ok(())
}

async fn order(managed: &Managed, folder: &Folder) -> Result<String, Failed> {
    // Before anything is asked for that could not be kept.
    folder.make()?;
    let account = account(managed, folder).await?;
    let names = managed.config.names();
    let names: Vec<Identifier> = names.into_iter().map(Identifier::Dns).collect();
    let order = account.new_order(&NewOrder::new(&names)).await;
    let mut order = order.inspect_err(|error| {
        if is_of_no_account(error) {
            folder.forget_account();
        }
    })?;
    let mut shown = Shown { managed, certificates: HashMap::new(), tokens: Vec::new() };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let kind = match managed.config.challenge {
            Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Challenge::Http01 => ChallengeType::Http01,
        };
        let challenge = authorization.challenge(kind);
        let mut challenge =
            challenge.ok_or(Failed::Refused("the authority has no such challenge".into()))?;
        let name = challenge.identifier().to_string();
        shown.show(&name, &challenge.token, &challenge.key_authorization())?;
        challenge.set_ready().await?;
    }
    if order.poll_ready(&RETRIES).await? != OrderStatus::Ready {
        return Err(Failed::Refused(why(&mut order).await));
    }
    drop(shown);
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&RETRIES).await?;
    Ok(key + &chain)
}

async fn account(managed: &Managed, folder: &Folder) -> Result<Account, Failed> {
    let config = &managed.config;
    let builder = match &config.ca {
        Some(file) => Account::builder_with_root(file)?,
        None => Account::builder()?,
    };
    if let Some(known) = folder.account() {
        return Ok(builder.from_credentials(known).await?);
    }
    let contact = config.contact.as_ref().map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let account = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder.create(&account, config.directory.clone(), None).await?;
    folder.keep_account(&credentials)?;
    Ok(account)
}

/// Whether the authority has forgotten the account, or closed it: the next try makes another.
fn is_of_no_account(error: &instant_acme::Error) -> bool {
    let instant_acme::Error::Api(problem) = error else { return false };
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.ends_with(":accountDoesNotExist") || kind.ends_with(":unauthorized")
}

/// What the authority has found wrong.
async fn why(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let error = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(error) = error {
            return format!("{}: {error}", authorization.identifier());
        }
    }
    "the authority does not say why".into()
}

/// What is shown to the authority, for as long as it asks.
struct Shown<'a> {
    managed: &'a Managed,
    certificates: HashMap<String, Arc<CertifiedKey>>,
    tokens: Vec<String>,
}

impl Shown<'_> {
    fn show(&mut self, name: &str, token: &str, key: &KeyAuthorization) -> Result<(), Failed> {
        match self.managed.config.challenge {
            Challenge::TlsAlpn01 => {
                let certified = challenge_certificate(name, key.digest().as_ref())?;
                self.certificates.insert(name.to_owned(), Arc::new(certified));
                self.managed.shown.store(Arc::new(self.certificates.clone()));
            }
            Challenge::Http01 => {
                self.tokens.push(token.to_owned());
                self.managed.answers.0.rcu(|pages| {
                    let mut pages = HashMap::clone(pages);
                    pages.insert(token.to_owned(), key.as_str().to_owned());
                    pages
                });
            }
        }
        Ok(())
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.managed.shown.store(Arc::default());
        self.managed.answers.0.rcu(|pages| {
            let mut pages = HashMap::clone(pages);
            self.tokens.iter().for_each(|token| drop(pages.remove(token)));
            pages
        });
    }
}

/// RFC 8737 section 3.
fn challenge_certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, Failed> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&private)?))
}
