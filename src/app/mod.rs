//! The composition root: a [`Document`] becomes a [`Gateway`]. Building is validating: `check`
//! runs the very same build and throws the result away.

mod checks;
mod routes;
mod targets;
mod world;

use std::{cell::OnceCell, collections::HashMap, sync::Arc};

use tokio::sync::watch;

pub use self::world::World;
use self::{
    checks::{check_cookies, check_login_url, check_top},
    routes::{Builder, Top, matcher},
};
use crate::{
    client::HttpClient,
    clock::Clock,
    config::Document,
    cors::Cors,
    crypto::signing::Secrets,
    decision,
    endpoint::{self, SessionPages},
    forward::{Forward, OwnedNames, Signer},
    gateway::{Gateway, Memory},
    language::Languages,
    listen::{Acme, Address, Around, Listener, Policy, Serving},
    login::Login,
    observe::log::AccessLog,
    reply::Renderer,
    request::{HeadLimits, TrustedProxies},
    route::{self, Matcher, Router},
    scheme::Entry,
    store::{Sql, Store, cache::Facts},
    system::{knox::Knox, session::Sessions, simplejwt::SimpleJwt},
    throttle::AuthLimit,
    value::{Path, Problem, Problems},
};

/// A gateway with the parts of it that others need too.
pub struct Built {
    /// Serves.
    pub serving: Serving,
    /// Its store.
    pub store: Sql,
    /// Verifies and hashes passwords.
    pub login: Arc<Login>,
    /// Its credential cache.
    pub facts: Arc<Facts>,
    /// The project's own JSON Web Tokens, where a route takes or makes them.
    pub simplejwt: Option<Arc<SimpleJwt>>,
    /// django-rest-knox's tokens.
    pub knox: Arc<Knox>,
    /// Pruned now and then.
    pub auth_limit: Arc<AuthLimit>,
}

/// Builds a gateway.
///
/// # Errors
/// Every problem that decoding could not see.
pub fn build(document: &Document, world: &World) -> Result<Built, Problems> {
    let root = Path::root();
    let mut problems = Problems::default();
    check_top(document, &mut problems);
    let no_randomness = |error| Problems::from(Problem::new(&root, format!("{error}")));
    let store = problems.keep(Sql::new(
        &document.store,
        &root.key("store"),
        &world.control,
        world.metrics.store(),
    ));
    // Everything below is built on a store; the other problems are found all the same.
    let store = match store {
        Some(store) => store,
        None => Sql::new(&Default::default(), &root, &world.control, world.metrics.store())?,
    };
    let dyn_store: Arc<dyn Store> = Arc::new(store.clone());
    let facts = Facts::new(&document.cache, world.clock.clone(), world.metrics.lookups());
    let facts = facts.map_err(no_randomness)?;
    let facts = Arc::new(facts);
    let secret = document.secret_key.as_ref().filter(|key| !key.reveal().is_empty());
    let secret = secret.unwrap_or(&world.seed);
    let signer = Arc::new(Signer::new(secret, world.clock.clone()).map_err(no_randomness)?);
    let secrets = Secrets::new(secret.clone(), document.secret_key_fallbacks.clone());
    let secrets = Arc::new(secrets);
    let sessions = |session: &_, csrf: &_| {
        Sessions::new(session, csrf, &secrets, &dyn_store, &facts, &world.clock)
    };
    let knox = Knox::new(&document.knox, &dyn_store, &facts, &world.clock);
    // What is wrong with these does not hide what is wrong with the rest.
    let sessions = match problems.keep(sessions(&document.session, &document.csrf)) {
        Some(built) => built,
        None => sessions(&Default::default(), &Default::default())?,
    };
    let session_pages = match problems.keep(SessionPages::new(&document.session)) {
        Some(built) => built,
        None => SessionPages::new(&Default::default())?,
    };
    let Some(knox) = problems.keep(knox) else { return Err(problems) };
    let (sessions, knox) = (Arc::new(sessions), Arc::new(knox));
    let (lockout, suspicion) = (Arc::clone(&world.lockout), Arc::clone(&world.suspicion));
    let (passwords, control) = (&document.passwords, &world.control);
    let login = Login::new(Arc::clone(&dyn_store), passwords, lockout, suspicion, control);
    let login = Arc::new(login.map_err(no_randomness)?);
    let auth_limit = Arc::new(AuthLimit::new(document.auth_rate, world.clock.clone()));
    let builder = Builder {
        document,
        world,
        http: HttpClient::new(&world.control, world.clock.clone()),
        pages: endpoint::Parts {
            store: Arc::clone(&dyn_store),
            login: Arc::clone(&login),
            auth_limit: Arc::clone(&auth_limit),
            signer: Arc::clone(&signer),
            sessions: Arc::clone(&sessions),
            session_pages: Arc::new(session_pages),
            knox: Arc::clone(&knox),
            username_field: document.store.username_field.as_str().into(),
            clock: world.clock.clone(),
        },
        secret,
        simplejwt: OnceCell::new(),
        facts: &facts,
        owned: owned_names(document),
    };
    let (top, top_problems) = builder.top_chain();
    problems.0.extend(top_problems.0);
    let identity_path = root.key("identity");
    let forward = Forward::new(&document.identity, &identity_path, &signer, &builder.owned);
    let forward = problems.keep(forward);
    let top = Top { chain: top, forward: forward.map(Arc::new) };
    let renderer = problems.keep(Renderer::new(&document.errors, &root.key("errors")));
    let rule = problems.keep(document.permission.build(&root.key("permission")));
    drop(rule);
    let mut routes = Vec::new();
    for (index, route) in document.routes.iter().enumerate() {
        let at = root.key("routes").index(index);
        match builder.routes(route, &at, &top) {
            Ok(built) => routes.extend(built),
            Err(found) => problems.0.extend(found.0),
        }
    }
    if document.routes.is_empty() {
        let problem =
            Problem::missing(&root.key("routes"), "there are no routes: nothing is served");
        problems.push(problem.help("add `routes: [{ path: /, upstream: http://… }]`"));
    }
    check_cookies(document, &mut problems);
    let matchers: Vec<Matcher> = document.routes.iter().map(matcher).collect();
    problems.0.extend(route::overlaps(&matchers, &root.key("routes")).0);
    if let Some(config) = &document.decisions {
        let page = Matcher::everything_at(config.path.clone());
        if matchers.iter().any(|matcher| matcher.overlaps(&page)) {
            let at = root.key("decisions").key("path");
            let problem = Problem::new(&at, "a route matches the same requests");
            problems.push(problem.help("give it a path of its own, for example /_decide"));
        }
        routes.extend(problems.keep(builder.decisions(config, &top)).into_iter().flatten());
    }
    let router = Router::new(routes);
    check_login_url(document, &router, &mut problems);
    let cors = document.cors.as_ref().map(|cors| Cors::new(cors, &root.key("cors")));
    let cors = cors.and_then(|cors| problems.keep(cors));
    let language = document.language.as_ref();
    let language = language.map(|language| Languages::new(language, &root.key("language")));
    let language = language.and_then(|language| problems.keep(language));
    let traces = document
        .traces
        .as_ref()
        .map(|traces| world.collectors.get(traces, &root.key("traces"), &builder.http));
    let traces = traces.and_then(|traces| problems.keep(traces));
    let listeners = listeners(document, &world.acme, &mut problems);
    let simplejwt = builder.simplejwt.into_inner().flatten();
    match renderer {
        Some(renderer) => problems.finish(Built {
            serving: Serving {
                gateway: Gateway {
                    router,
                    renderer,
                    cors,
                    language,
                    names: listeners.values().flat_map(|policy| policy.names.clone()).collect(),
                    ext_authz: document.decisions.as_ref().and_then(decision::Config::grpc),
                    login_url: document.session.login_url.clone(),
                    proxies: TrustedProxies {
                        networks: document.trusted_proxies.clone(),
                        field: document.forwarded_header,
                    },
                    head_limits: HeadLimits {
                        bytes: document.limits.head.bytes(),
                        fields: document.limits.headers.get(),
                    },
                    clock: world.clock.clone(),
                    access: world.access.clone(),
                    recent: world.recent.clone(),
                    traces: traces.unwrap_or_default(),
                    store: store.clone(),
                    unrouted: world.metrics.route(""),
                    memory: Arc::new(Memory {
                        facts: Arc::clone(&facts),
                        sessions,
                        alive: watch::Sender::default(),
                    }),
                },
                listeners,
                limits: document.limits.clone(),
            },
            store,
            login,
            facts,
            simplejwt,
            knox,
            auth_limit,
        }),
        None => Err(problems),
    }
}

fn listeners(
    document: &Document,
    acme: &Acme,
    problems: &mut Problems,
) -> HashMap<Address, Arc<Policy>> {
    let around = Around {
        proxies: !document.trusted_proxies.is_empty(),
        plain: document.listen.iter().any(|listener| listener.tls.is_none()),
        pages: document.listen.iter().any(Listener::shows_pages),
        acme,
    };
    let mut listeners = HashMap::new();
    for (index, listener) in document.listen.iter().enumerate() {
        let at = Path::root().key("listen").index(index);
        let policy = problems.keep(listener.build(&at, &around));
        listeners.extend(policy.map(|policy| (listener.address.clone(), Arc::new(policy))));
    }
    listeners
}

/// The problems that a build would have, for a document of which parts could not be read.
pub fn problems(document: &Document) -> Problems {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Problems::default() };
    let control = runtime.handle().clone();
    let world = World::new(document, Clock::system(), control, AccessLog::off());
    build(document, &world).err().unwrap_or_default()
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
    let entries = chains.flatten().chain(&document.authentication);
    entries.filter_map(Entry::believed_header).for_each(|name| owned.add(name));
    owned
}
