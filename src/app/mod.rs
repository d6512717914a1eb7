//! The composition root: a [`Document`] becomes a [`Gateway`]. Building is validating: `check`
//! runs the very same build and throws the result away.
//!
#![doc = include_str!("README.md")]

mod checks;
mod ground;
mod process_state;
mod routes;
mod targets;

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use self::{
    checks::{check_cookies, check_login_url, check_top},
    routes::{Builder, Top, matcher},
};
pub use self::{ground::Ground, process_state::ProcessState};
use crate::{
    account::Accounts,
    clock::Clock,
    config::Document,
    cors::Cors,
    decision::{self, Decisions},
    forward::{Forward, OwnedNames},
    gateway::{Gateway, Invalidation, Route},
    language::Languages,
    limits::AuthRate,
    listen::{Acme, Address, Listener, ListenerContext, ListenerOptions, Serving},
    observe::log::AccessLog,
    package::{self, Entry, Probe, Site},
    reply::Renderer,
    request::{HeadLimits, TrustedProxies},
    route::{self, Matcher, Router},
    store::Database,
    traces::Traces,
    value::{Path, Problem, Problems},
};

/// A gateway with the parts of it that others need too.
pub struct Built {
    /// Serves.
    pub serving: Serving,
    /// Its store.
    pub db: Database,
    /// People, and what packages have registered.
    pub accounts: Arc<Accounts>,
    /// Pruned now and then.
    pub auth_rate: Arc<AuthRate>,
    /// What has to be known of the configuration, though nothing is wrong.
    pub warnings: Vec<String>,
    /// What its schemes reach over the network.
    pub probes: Vec<Probe>,
}

/// Builds a gateway.
///
/// # Errors
/// Every problem that decoding could not see.
pub fn build(document: &Document, process: &ProcessState) -> Result<Built, Problems> {
    let mut problems = Problems::default();
    check_top(document, &mut problems);
    let ground = Ground::new(document, process, &mut problems)?;
    let site = ground.site(document, process);
    problems.0.extend(package::build_all(&site).0);
    let gateway = problems.keep(gateway(document, process, &site));
    let listeners = listeners(document, &process.acme, &mut problems);
    match gateway {
        None => Err(problems),
        Some(mut gateway) => {
            gateway.names = listeners.values().flat_map(|options| options.names.clone()).collect();
            problems.finish(Built {
                serving: Serving { gateway, listeners, limits: document.limits.clone() },
                db: ground.db.clone(),
                accounts: Arc::clone(site.accounts),
                auth_rate: Arc::clone(&ground.limits.auth_rate),
                warnings: site.warnings.take(),
                probes: site.probes.take(),
            })
        }
    }
}

fn gateway(
    document: &Document,
    process: &ProcessState,
    site: &Site<'_>,
) -> Result<Gateway, Problems> {
    let root = Path::root();
    let mut problems = Problems::default();
    let router = router(document, process, site, &mut problems);
    check_cookies(site, document, &mut problems);
    check_login_url(site, &router, &mut problems);
    let renderer = problems.keep(Renderer::new(&document.errors, &root.key("errors")));
    let cors = document.cors.as_ref().map(|cors| Cors::new(cors, &root.key("cors")));
    let language = document.language.as_ref();
    let language = language.map(|language| Languages::new(language, &root.key("language")));
    let decisions = document.decisions.as_ref();
    let grpc = decisions.and_then(decision::Config::grpc);
    let decisions = decisions
        .map(|config| Decisions::new(config, &root.key("decisions")).map_err(Problems::from));
    let traces = problems.keep(traces(document, process, site));
    let gateway = renderer.map(|renderer| Gateway {
        browsable_api: document.browsable_api,
        router,
        renderer,
        cors: cors.and_then(|cors| problems.keep(cors)),
        language: language.and_then(|language| problems.keep(language)),
        names: Vec::new(),
        decisions: decisions.and_then(|decisions| problems.keep(decisions)),
        ext_authz: grpc,
        login_url: site.login_url.borrow().as_ref().map(|(_, url)| url.clone()),
        proxies: TrustedProxies {
            networks: document.trusted_proxies.clone(),
            field: document.forwarded_header,
        },
        head_limits: HeadLimits {
            bytes: document.limits.head.bytes(),
            fields: document.limits.headers.get(),
        },
        clock: process.clock.clone(),
        access: process.access.clone(),
        recent: process.recent.clone(),
        traces: traces.unwrap_or_default(),
        db: site.db.clone(),
        unrouted: process.metrics.route(""),
        invalidation: Arc::new(Invalidation {
            cache: Arc::clone(site.cache),
            sessions: site.accounts.sessions().cloned(),
            alive: watch::Sender::default(),
        }),
    });
    match gateway {
        Some(gateway) => problems.finish(gateway),
        None => Err(problems),
    }
}

/// The routes of the file. What is wrong with one does not hide what is wrong with the others.
fn router(
    document: &Document,
    process: &ProcessState,
    site: &Site<'_>,
    problems: &mut Problems,
) -> Router<Route> {
    let root = Path::root();
    let builder = Builder { document, process, site, owned: owned_names(document) };
    let (chain, found) = builder.top_chain();
    problems.0.extend(found.0);
    let identity = root.key("identity");
    let forward = Forward::new(&document.identity, &identity, site.signer, &builder.owned);
    let top = Top { chain, forward: problems.keep(forward).map(Arc::new) };
    drop(problems.keep(document.permission.build(&root.key("permission"))));
    let mut routes = Vec::new();
    for (index, route) in document.routes.iter().enumerate() {
        let at = root.key("routes").index(index);
        routes.extend(problems.keep(builder.routes(route, &at, &top)).into_iter().flatten());
    }
    if document.routes.is_empty() {
        let problem =
            Problem::missing(&root.key("routes"), "there are no routes: nothing is served");
        problems.push(problem.help("add `routes: [{ path: /, upstream: http://… }]`"));
    }
    let matchers: Vec<Matcher> = document.routes.iter().map(matcher).collect();
    problems.0.extend(route::overlaps(&matchers, &root.key("routes")).0);
    if let Some(config) = &document.decisions {
        let page = Matcher::everything_at(config.path.clone());
        if matchers.iter().any(|matcher| matcher.overlaps(&page)) {
            let at = root.key("decisions").key("path");
            let problem = Problem::new(&at, "a route matches the same requests");
            problems.push(problem.help("give it a path of its own, for example /_decide"));
        }
    }
    Router::new(routes)
}

fn traces(
    document: &Document,
    process: &ProcessState,
    site: &Site<'_>,
) -> Result<Traces, Problems> {
    match &document.traces {
        Some(traces) => process.collectors.get(traces, &Path::root().key("traces"), site.http),
        None => Ok(Traces::default()),
    }
}

fn listeners(
    document: &Document,
    acme: &Acme,
    problems: &mut Problems,
) -> HashMap<Address, Arc<ListenerOptions>> {
    let context = ListenerContext {
        proxies: !document.trusted_proxies.is_empty(),
        plain: document.listen.iter().any(|listener| listener.tls.is_none()),
        pages: document.listen.iter().any(Listener::shows_pages),
        acme,
    };
    let mut listeners = HashMap::new();
    for (index, listener) in document.listen.iter().enumerate() {
        let at = Path::root().key("listen").index(index);
        let options = problems.keep(listener.build(&at, &context));
        listeners.extend(options.map(|options| (listener.address.clone(), Arc::new(options))));
    }
    listeners
}

/// The problems that a build would have, for a document of which parts could not be read.
pub fn problems(document: &Document) -> Problems {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Problems::default() };
    let control = runtime.handle().clone();
    let process = ProcessState::new(document, Clock::system(), control, AccessLog::off());
    build(document, &process).err().unwrap_or_default()
}

/// Every name that the file gives to an identity, at the top or in any route.
fn owned_names(document: &Document) -> OwnedNames {
    let mut owned = OwnedNames::default();
    owned.add_all(&document.identity);
    document
        .routes
        .iter()
        .filter_map(|route| route.identity.as_ref())
        .for_each(|identity| owned.add_all(identity));
    let chains = document.routes.iter().filter_map(|route| route.authentication.as_ref());
    let entries = chains.flatten().chain(&document.authentication).filter_map(Entry::settings);
    for settings in entries {
        if let Some(name) = settings.owned_header() {
            owned.add(name);
        }
    }
    owned
}
