//! What packages are built from.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::HashMap,
    sync::Arc,
};

use tokio::runtime::Handle;

use super::{Probe, SchemeContext, Settings, scheme_kind::kind_of, settings_path};
use crate::{
    account::Accounts,
    client::HttpClient,
    clock::Clock,
    credential_cache::CredentialCache,
    crypto::signing::Secrets,
    csrf::Csrf,
    forward::Signer,
    limits::{Limits, Nonces},
    route::PathPattern,
    scheme::Scheme,
    store::Database,
    value::{Path, Problem, Problems},
};

/// What every package is built from.
pub struct Site<'a> {
    /// Users, and the packages' own tables.
    pub db: &'a Database,
    /// Remembered credentials.
    pub cache: &'a Arc<CredentialCache>,
    /// People, and what packages register.
    pub accounts: &'a Arc<Accounts>,
    /// Protection against guessing.
    pub limits: &'a Arc<Limits>,
    /// Nonces, each good once.
    pub nonces: &'a Arc<dyn Nonces>,
    /// The protection that cookies need.
    pub csrf: &'a Arc<Csrf>,
    /// For calls of our own.
    pub http: &'a HttpClient,
    /// The time.
    pub clock: &'a Clock,
    /// The runtime for everything slow.
    pub control: &'a Handle,
    /// `secret_key` and its fallbacks; random ones of this process where there is none.
    pub secrets: &'a Arc<Secrets>,
    /// Whether the file has a `secret_key`.
    pub has_secret_key: bool,
    /// The keys of the identity assertion.
    pub signer: &'a Arc<Signer>,
    /// Whether DRF's views have its browsable renderer.
    pub browsable_api: bool,
    /// The user model's `USERNAME_FIELD`, which is the name of a field in some pages.
    pub username_field: Arc<str>,
    /// Where pages of the gateway's own stand: the word of each endpoint, and its route's path.
    pub endpoints: Vec<(&'static str, PathPattern)>,
    /// The settings of all packages.
    pub settings: &'a Settings,
    /// What was built on first use.
    pub built: RefCell<HashMap<TypeId, Option<Arc<dyn Any + Send + Sync>>>>,
    /// The names of cookies, and where each is set.
    pub cookies: RefCell<Vec<(Path, String)>>,
    /// Where browsers without a session are sent, and where that is set.
    pub login_url: RefCell<Option<(Path, String)>>,
    /// What `check` says, though nothing is wrong.
    pub warnings: RefCell<Vec<String>>,
    /// What schemes reach over the network.
    pub probes: RefCell<Vec<Probe>>,
}

/// The part of a package that its schemes, pages and commands share.
pub trait Shared: Send + Sync + Sized + 'static {
    /// Builds it, and registers what it has for others.
    ///
    /// # Errors
    /// Everything that is wrong in its settings.
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems>;
}

impl Site<'_> {
    /// The shared part of a package, built when it is first asked for.
    ///
    /// # Errors
    /// What is wrong with it, the first time; after that nothing more is said.
    pub fn shared<P: Shared>(&self) -> Result<Arc<P>, Problems> {
        let id = TypeId::of::<P>();
        if let Some(known) = self.built.borrow().get(&id) {
            let known = known.clone().and_then(|known| known.downcast().ok());
            return known.ok_or_else(Problems::default);
        }
        let built = P::build(self);
        let kept = built.as_ref().ok().map(|built| Arc::clone(built) as Arc<dyn Any + Send + Sync>);
        self.built.borrow_mut().insert(id, kept);
        built
    }

    /// The shared part of a package, if something has needed it.
    pub fn if_built<P: Shared>(&self) -> Option<Arc<P>> {
        let built = self.built.borrow();
        built.get(&TypeId::of::<P>())?.clone()?.downcast().ok()
    }

    /// A section of settings; the defaults, if the file has none.
    pub fn settings<S: Default + Send + Sync + 'static>(&self, word: &str) -> Arc<S> {
        self.settings.get(word).unwrap_or_default()
    }

    /// The scheme of another kind, with its defaults, in place of the one that is being built.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn scheme(
        &self,
        word: &str,
        context: &SchemeContext<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let kind = kind_of(word).ok_or_else(|| {
            Problems::from(Problem::new(context.path, format!("unknown scheme `{word}`")))
        })?;
        kind.defaults().build(context)
    }

    /// A key of this process alone would end every session and token at the next start.
    ///
    /// # Errors
    /// If there is no `secret_key`.
    pub fn needs_secret_key(&self, at: &Path, what: &str) -> Result<(), Problems> {
        if self.has_secret_key {
            return Ok(());
        }
        let problem =
            Problem::new(at, format!("{what} are signed with `secret_key`, and there is none"));
        Err(problem.help("add `secret_key: ${DJANGO_SECRET_KEY}`, Django's own").into())
    }

    /// Notes the name of a cookie: two of one name would overwrite each other.
    pub fn claim_cookie(&self, at: Path, name: &str) {
        self.cookies.borrow_mut().push((at, name.to_owned()));
    }

    /// Says something of the settings that is not wrong, but has to be known.
    pub fn warn(&self, warning: impl Into<String>) {
        self.warnings.borrow_mut().push(warning.into());
    }

    /// Notes what a scheme reaches over the network.
    pub fn reaches(&self, probe: Probe) {
        self.probes.borrow_mut().push(probe);
    }

    /// The path at which the pages of a package have their root: of its one endpoint, else `/`, for
    /// several have nothing in common but the host.
    pub fn pages_path(&self, word: &str) -> String {
        let mut routes = self.endpoints.iter().filter(|(known, _)| *known == word);
        match (routes.next(), routes.next()) {
            (Some((_, path)), None) => path.to_string().trim_start_matches('=').to_owned(),
            _ => "/".to_owned(),
        }
    }

    /// The place of a package's settings.
    pub fn path(&self, word: &str) -> Path {
        settings_path(word)
    }
}
