//! What packages stand on: the database, the cache, people, limits, keys.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use super::ProcessState;
use crate::{
    account::{Accounts, Passwords},
    client::HttpClient,
    config::{Document, SharedState},
    credential_cache::CredentialCache,
    crypto::signing::Secrets,
    csrf::Csrf,
    forward::Signer,
    limits::{self, AuthRate, Counters, Limits, Nonces, StoreState},
    package::{self, Site},
    store::{DJANGO_TABLES, Database, Table},
    value::{Path, Problem, Problems},
};

/// What packages stand on.
pub struct Ground {
    pub(super) db: Database,
    pub(super) limits: Arc<Limits>,
    cache: Arc<CredentialCache>,
    accounts: Arc<Accounts>,
    nonces: Arc<dyn Nonces>,
    csrf: Arc<Csrf>,
    http: HttpClient,
    secrets: Arc<Secrets>,
    signer: Arc<Signer>,
}

impl Ground {
    /// From a document. What is wrong with a part is noted, and its default stands in for it, so that
    /// what is wrong with the rest is found all the same.
    ///
    /// # Errors
    /// If even the defaults cannot be built.
    pub fn new(
        document: &Document,
        process: &ProcessState,
        problems: &mut Problems,
    ) -> Result<Self, Problems> {
        let root = Path::root();
        let no_randomness = |error| Problems::from(Problem::new(&root, format!("{error}")));
        let db = match problems.keep(database(document, process)) {
            Some(db) => db,
            None => database(&Document::default(), process)?,
        };
        let cache =
            CredentialCache::new(&document.cache, process.clock.clone(), process.metrics.lookups());
        let cache = Arc::new(cache.map_err(no_randomness)?);
        let csrf = match problems.keep(Csrf::new(&document.csrf, &root.key("csrf"))) {
            Some(csrf) => csrf,
            None => Csrf::new(&Default::default(), &root.key("csrf"))?,
        };
        let (nonces, counters) = shared_state(document, process, &db);
        let auth_rate = AuthRate::new(document.auth_rate, counters, process.clock.clone());
        let limits = Arc::new(Limits {
            lockout: Arc::clone(&process.lockout),
            suspicion: Arc::clone(&process.suspicion),
            auth_rate: Arc::new(auth_rate),
        });
        let config = &document.passwords;
        let passwords = Passwords::new(db.clone(), config, Arc::clone(&limits), &process.control);
        let passwords = Arc::new(passwords.map_err(no_randomness)?);
        let secret = document.secret_key.as_ref().filter(|key| !key.reveal().is_empty());
        let secret = secret.unwrap_or(&process.seed);
        let signer = Signer::new(secret, process.clock.clone()).map_err(no_randomness)?;
        let secrets = Secrets::new(secret.clone(), document.secret_key_fallbacks.clone());
        Ok(Self {
            db,
            limits,
            cache,
            accounts: Arc::new(Accounts::new(passwords)),
            nonces,
            csrf: Arc::new(csrf),
            http: HttpClient::configured(
                &document.client,
                &process.control,
                process.clock.clone(),
            )?,
            secrets: Arc::new(secrets),
            signer: Arc::new(signer),
        })
    }

    /// What packages are built from.
    pub fn site<'a>(&'a self, document: &'a Document, process: &'a ProcessState) -> Site<'a> {
        let endpoints = document
            .routes
            .iter()
            .filter_map(|route| Some((route.endpoint.as_ref()?.set.word, route.path.clone())));
        Site {
            db: &self.db,
            cache: &self.cache,
            accounts: &self.accounts,
            limits: &self.limits,
            nonces: &self.nonces,
            csrf: &self.csrf,
            http: &self.http,
            clock: &process.clock,
            control: &process.control,
            secrets: &self.secrets,
            has_secret_key: document.secret_key.is_some(),
            signer: &self.signer,
            browsable_api: document.browsable_api,
            username_field: document.store.username_field.as_str().into(),
            endpoints: endpoints.collect(),
            settings: &document.packages,
            built: RefCell::new(HashMap::new()),
            cookies: RefCell::default(),
            login_url: RefCell::default(),
            warnings: RefCell::default(),
            probes: RefCell::default(),
        }
    }
}

fn database(document: &Document, process: &ProcessState) -> Result<Database, Problems> {
    let tables: Vec<Table> =
        DJANGO_TABLES.iter().chain(limits::TABLES).copied().chain(package::tables()).collect();
    let path = Path::root().key("store");
    let metrics = process.metrics.store();
    Database::new(&document.store, &path, tables, &process.control, metrics)
}

/// Nonces, and the counters that gateways share, if they share some.
fn shared_state(
    document: &Document,
    process: &ProcessState,
    db: &Database,
) -> (Arc<dyn Nonces>, Option<Arc<dyn Counters>>) {
    match document.shared_state {
        SharedState::Process => (Arc::clone(&process.counted) as _, None),
        SharedState::Store => {
            let store = Arc::new(StoreState::new(db.clone(), process.clock.clone()));
            (Arc::clone(&store) as _, Some(store))
        }
    }
}
