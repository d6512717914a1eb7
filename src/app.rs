//! The composition root: a [`Document`] becomes a [`Gateway`]. Building is validating: `check`
//! runs the very same build and throws the result away.

use std::{cell::OnceCell, sync::Arc};

use hyper::header::HeaderValue;
use tokio::runtime::Handle;

use crate::{
    chain::Chain,
    client::HttpClient,
    clock::Clock,
    config::{self, Challenges, Document, load::suggest},
    crypto::{random_text, signing::Secrets},
    endpoint::{self, Asks, Endpoint, JwtTokens, Kind, Page, SessionPages},
    forward::{Forward, OwnedNames, Signer},
    gateway::{Gateway, Memory, Route, RouteTarget},
    listen,
    lockout::Lockout,
    login::Login,
    observe::{log::AccessLog, metrics::Metrics},
    policy::{self, Policy},
    reply::Renderer,
    request::{HeadLimits, TrustedProxies},
    route::{self, Matcher, PathPattern, Router},
    scheme::{self, Entry, KINDS, Scheme, Settings},
    store::{Sql, Store, cache::Facts},
    system::{jwt_cookies::JwtCookies, knox::Knox, session::Sessions, simplejwt::SimpleJwt},
    throttle::{AuthLimit, Throttle, Windows},
    upstream::Redirect,
    value::{Path, Problem, Problems, Secret},
};

/// What outlives a reload: the time, the runtime, and everything that counts.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Clock,
    /// The runtime for everything slow.
    pub control: Handle,
    /// Metrics.
    pub metrics: Metrics,
    /// Access lines.
    pub access: AccessLog,
    /// Throttle counters.
    pub windows: Windows,
    /// What assertion keys come from where there is no `secret_key`; a reload keeps it.
    pub seed: Secret,
    /// The settings of the start that a reload does not change; see [`fixed`].
    pub fixed: String,
    /// Failures so far: a reload must not forgive them.
    pub lockout: Arc<Lockout>,
}

impl World {
    /// With nothing counted yet.
    pub fn new(document: &Document, clock: Clock, control: Handle, access: AccessLog) -> Self {
        Self {
            control,
            metrics: Metrics::default(),
            access,
            seed: Secret::new(random_text(43).unwrap_or_default()),
            fixed: fixed(document),
            windows: Windows::new(clock.clone()),
            lockout: Arc::new(Lockout::new(document.lockout.clone(), clock.clone())),
            clock,
        }
    }
}

/// `listen`, `admin`, `limits`, `log` and `lockout` hold from start to end. None of them has a
/// secret in it.
pub fn fixed(document: &Document) -> String {
    let Document { listen, admin, limits, log, lockout, .. } = document;
    format!("{listen:?} {admin:?} {limits:?} {log:?} {lockout:?}")
}

/// A gateway with the parts of it that others need too.
pub struct Built {
    /// Serves.
    pub gateway: Gateway,
    /// Its store.
    pub store: Sql,
    /// Verifies and hashes passwords.
    pub login: Arc<Login>,
    /// Its credential cache.
    pub facts: Arc<Facts>,
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
    let store = problems.keep(Sql::new(&document.store, &root.key("store"), &world.control));
    // Everything below is built on a store; the other problems are found all the same.
    let store = match store {
        Some(store) => store,
        None => Sql::new(&Default::default(), &root, &world.control)?,
    };
    let dyn_store: Arc<dyn Store> = Arc::new(store.clone());
    let facts = Facts::new(&document.cache, world.clock.clone()).map_err(no_randomness)?;
    let facts = Arc::new(facts);
    let secret = document.secret_key.as_ref().unwrap_or(&world.seed);
    let signer = Arc::new(Signer::new(secret, world.clock.clone()).map_err(no_randomness)?);
    let secrets = Secrets::new(secret.clone(), document.secret_key_fallbacks.clone());
    let secrets = Arc::new(secrets);
    let sessions = Sessions::new(
        &document.session,
        &document.csrf,
        &secrets,
        &dyn_store,
        &facts,
        &world.clock,
    );
    let knox = Knox::new(&document.knox, &dyn_store, &facts, &world.clock);
    let session_pages = SessionPages::new(&document.session);
    let (sessions, knox) = (problems.keep(sessions), problems.keep(knox));
    let (Some(sessions), Some(knox), Some(session_pages)) =
        (sessions, knox, problems.keep(session_pages))
    else {
        return Err(problems);
    };
    let (sessions, knox) = (Arc::new(sessions), Arc::new(knox));
    let lockout = Arc::clone(&world.lockout);
    let login = Login::new(Arc::clone(&dyn_store), &document.passwords, lockout, &world.control);
    let login = Arc::new(login);
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
        let problem = Problem::new(&root.key("routes"), "there are no routes: nothing is served");
        problems.push(problem.help("add `routes: [{ path: /, upstream: http://… }]`"));
    }
    let matchers: Vec<Matcher> = document.routes.iter().map(matcher).collect();
    problems.0.extend(route::overlaps(&matchers, &root.key("routes")).0);
    let router = Router::new(routes);
    match renderer {
        Some(renderer) => problems.finish(Built {
            gateway: Gateway {
                router,
                renderer,
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
                store: store.clone(),
                unrouted: world.metrics.route(""),
                memory: Arc::new(Memory {
                    facts: Arc::clone(&facts),
                    sessions: Arc::clone(&builder.pages.sessions),
                }),
            },
            store,
            login,
            facts,
            auth_limit,
        }),
        None => Err(problems),
    }
}

/// The problems that a build would have, for a document of which parts could not be read.
pub fn problems(document: &Document) -> Problems {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Problems::default() };
    let control = runtime.handle().clone();
    let world = World::new(document, Clock::system(), control, AccessLog::off());
    build(document, &world).err().unwrap_or_default()
}

fn check_top(document: &Document, problems: &mut Problems) {
    let everyone = document.trusted_proxies.iter().enumerate().filter(|(_, n)| n.is_everyone());
    for (index, network) in everyone {
        let at = Path::root().key("trusted_proxies").index(index);
        let message = format!("{network} is everybody: any client could say where it comes from");
        problems.push(Problem::new(&at, message).help("list the proxies' own networks"));
    }
    if document.secret_key.as_ref().is_some_and(|key| key.reveal().len() < 32) {
        let at = Path::root().key("secret_key");
        let problem = Problem::new(&at, "the secret key is so short that it can be guessed");
        problems.push(problem.help("use Django's SECRET_KEY, or 32 random characters and more"));
    }
    if document.listen.is_empty() {
        let problem = Problem::new(&Path::root().key("listen"), "there is nothing to listen on");
        problems.push(problem.help("for example `listen: 0.0.0.0:8080`"));
    }
    if document.admin.is_some_and(|admin| document.listen.contains(&admin)) {
        let at = Path::root().key("admin");
        let problem = Problem::new(&at, "the admin pages would stand where clients connect");
        problems.push(problem.help("give them a port of their own"));
    }
}

/// The top-level chain, by name: routes may name its entries.
type Named = Vec<(String, Arc<dyn Scheme>)>;

/// What a route has unless it says otherwise.
struct Top {
    chain: Named,
    forward: Option<Arc<Forward>>,
}

struct Builder<'a> {
    document: &'a Document,
    world: &'a World,
    http: HttpClient,
    pages: endpoint::Parts,
    facts: &'a Arc<Facts>,
    owned: OwnedNames,
    secret: &'a Secret,
    /// Built when something first needs it; nothing, if it cannot be.
    simplejwt: OnceCell<Option<Arc<SimpleJwt>>>,
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

impl Builder<'_> {
    fn top_chain(&self) -> (Named, Problems) {
        let mut problems = Problems::default();
        let mut named: Named = Vec::new();
        for (index, entry) in self.document.authentication.iter().enumerate() {
            let at = Path::root().key("authentication").index(index);
            let Some((name, scheme)) = problems.keep(self.scheme(entry, &at, &[])) else {
                continue;
            };
            if named.iter().any(|(known, _)| *known == name) {
                let problem = Problem::new(&at, format!("there are two schemes named `{name}`"));
                problems.push(problem.help("give one of them a `name:`"));
            }
            named.push((name, scheme));
        }
        (named, problems)
    }

    fn scheme(
        &self,
        entry: &Entry,
        at: &Path,
        top: &[(String, Arc<dyn Scheme>)],
    ) -> Result<(String, Arc<dyn Scheme>), Problems> {
        let settings = match entry {
            Entry::Settings(settings) => settings.as_ref().clone(),
            Entry::Name(name) => {
                if let Some((name, scheme)) = top.iter().find(|(known, _)| known == name) {
                    return Ok((name.clone(), Arc::clone(scheme)));
                }
                Settings::of_kind(name).ok_or_else(|| {
                    let mut known: Vec<&str> = top.iter().map(|(name, _)| name.as_str()).collect();
                    known.extend(KINDS);
                    let problem = Problem::new(at, format!("unknown scheme `{name}`"));
                    problem.help(suggest(name, &known))
                })?
            }
        };
        if matches!(settings, Settings::session(_)) {
            self.needs_secret_key(at, "sessions")?;
        }
        let parts = scheme::Parts {
            store: &self.pages.store,
            facts: self.facts,
            login: &self.pages.login,
            http: &self.http,
            sessions: &self.pages.sessions,
            knox: &self.pages.knox,
            simplejwt: &|| self.simplejwt(),
        };
        let scheme = settings.build(at, &parts)?;
        Ok((settings.name().to_owned(), scheme))
    }

    /// A key of this process alone would end every session and token at the next start.
    fn needs_secret_key(&self, at: &Path, what: &str) -> Result<(), Problems> {
        if self.document.secret_key.is_some() {
            return Ok(());
        }
        let message = format!("{what} are signed with `secret_key`, and there is none");
        let problem = Problem::new(at, message);
        Err(problem.help("add `secret_key: ${DJANGO_SECRET_KEY}`, Django's own").into())
    }

    /// The project's own JSON Web Tokens. What is wrong with their settings is told once.
    fn simplejwt(&self) -> Result<Arc<SimpleJwt>, Problems> {
        if let Some(built) = self.simplejwt.get() {
            return built.clone().ok_or_else(Problems::default);
        }
        let config = &self.document.jwt;
        if config.is_signed_with_secret_key() {
            self.needs_secret_key(&Path::root().key("jwt"), "tokens")?;
        }
        let built =
            SimpleJwt::new(config, self.secret, &self.pages.store, &self.http, &self.world.clock);
        let built = built.map(Arc::new);
        let _ = self.simplejwt.set(built.as_ref().ok().cloned());
        built
    }

    fn chain(
        &self,
        route: &config::Route,
        asks: Asks,
        at: &Path,
        top: &Named,
    ) -> Result<Chain, Problems> {
        let mut problems = Problems::default();
        let schemes = match &route.authentication {
            None => match asks {
                Asks::Nobody => Vec::new(),
                Asks::TopChain => top.iter().map(|(_, scheme)| Arc::clone(scheme)).collect(),
                Asks::Scheme(kind) => {
                    let scheme = self.scheme(&Entry::Name(kind.to_owned()), at, top);
                    problems.keep(scheme).map(|(_, scheme)| scheme).into_iter().collect()
                }
            },
            Some(entries) => {
                let at = at.key("authentication");
                let entries = entries.iter().enumerate();
                entries
                    .filter_map(|(i, entry)| problems.keep(self.scheme(entry, &at.index(i), top)))
                    .map(|(_, scheme)| scheme)
                    .collect()
            }
        };
        problems.finish(Chain::new(schemes, self.document.challenges == Challenges::All))
    }

    /// The routes of an entry: one, or one for each page of an endpoint that has several.
    fn routes(
        &self,
        route: &config::Route,
        at: &Path,
        top: &Top,
    ) -> Result<Vec<(Matcher, Route)>, Problems> {
        let mut problems = Problems::default();
        let mut routes = Vec::new();
        for (path, target) in problems.keep(self.targets(route, at)).unwrap_or_default() {
            let built = problems.keep(self.route(route, target, &path, at, top));
            let matcher = Matcher { path, ..matcher(route) };
            routes.extend(built.flatten().map(|built| (matcher, built)));
        }
        problems.finish(routes)
    }

    fn route(
        &self,
        route: &config::Route,
        target: RouteTarget,
        path: &PathPattern,
        at: &Path,
        top: &Top,
    ) -> Result<Option<Route>, Problems> {
        let mut problems = Problems::default();
        let page = match &target {
            RouteTarget::Endpoint(endpoint) => Some(endpoint.page()),
            RouteTarget::Upstream(_) => None,
        };
        let asks = page.map_or(Asks::TopChain, Page::asks);
        let chain = problems.keep(self.chain(route, asks, at, &top.chain));
        let anyone = policy::Config::Word(policy::Word::Anyone);
        let rule = match &route.permission {
            Some(rule) => problems.keep(rule.build(&at.key("permission"))),
            None if page.is_some_and(Page::is_public) => anyone.build(at).ok(),
            // What is wrong in it is told once, at the top.
            None => self.document.permission.build(at).ok(),
        };
        let own = route.identity.as_ref().map(|identity| {
            let at = at.key("identity");
            Forward::new(identity, &at, &self.pages.signer, &self.owned).map(Arc::new)
        });
        let forward = match own {
            Some(own) => problems.keep(own),
            None => top.forward.clone(),
        };
        let throttle = route.throttle.as_ref().unwrap_or(&self.document.throttle);
        let (Some(chain), Some(rule), Some(forward)) = (chain, rule, forward) else {
            return problems.finish(None);
        };
        let name = path.to_string();
        let schemes = chain.names().map(|name| (Arc::clone(name), self.world.metrics.scheme(name)));
        problems.finish(Some(Route {
            schemes: schemes.collect(),
            chain,
            policy: Policy::new(rule),
            throttle: Throttle::new(throttle, &self.world.windows),
            forward,
            allow: allow(route, page),
            allow_paths: route.allow_paths.clone(),
            metrics: self.world.metrics.route(&name),
            name: name.into(),
            target,
        }))
    }

    fn targets(
        &self,
        route: &config::Route,
        at: &Path,
    ) -> Result<Vec<(PathPattern, RouteTarget)>, Problems> {
        let whole = |target| Ok(vec![(route.path.clone(), target)]);
        match (&route.upstream, &route.endpoint, &route.redirect) {
            (Some(upstream), None, None) => {
                let target = upstream.build(&at.key("upstream"), listen::workers())?;
                whole(RouteTarget::Upstream(target))
            }
            (None, Some(config), None) => self.pages(route, config, &at.key("endpoint")),
            (None, None, Some(to)) => {
                let redirect = Redirect::new(to, &at.key("redirect"))?;
                whole(RouteTarget::Upstream(Box::new(redirect)))
            }
            (None, None, None) => {
                let problem = Problem::new(at, "this route leads nowhere");
                Err(problem.help("give it an `upstream`, an `endpoint` or a `redirect`").into())
            }
            _ => {
                let problem = Problem::new(at, "this route leads to more than one place");
                Err(problem.help("keep one of `upstream`, `endpoint` and `redirect`").into())
            }
        }
    }

    /// The pages of an endpoint: the one that is named, at the route's own path, or each below it.
    fn pages(
        &self,
        route: &config::Route,
        config: &endpoint::Config,
        at: &Path,
    ) -> Result<Vec<(PathPattern, RouteTarget)>, Problems> {
        let all = config.kind.pages();
        let exact = route.path.is_exact();
        let jwt = match config.kind {
            Kind::Jwt | Kind::JwtSliding => Some(self.jwt_tokens()?),
            _ => None,
        };
        if config.kind == Kind::Session {
            self.needs_secret_key(at, "sessions")?;
        }
        let target = |page| {
            let endpoint = Endpoint::new(page, self.pages.clone(), jwt.clone(), exact);
            RouteTarget::Endpoint(Box::new(endpoint))
        };
        if let Some(name) = &config.page {
            let found = all.iter().find(|(known, ..)| known == name);
            let (_, _, page) = found.ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
                Problem::new(at, format!("unknown page `{name}`")).help(suggest(name, &known))
            })?;
            return Ok(vec![(route.path.clone(), target(*page))]);
        }
        if let [(_, _, page)] = all {
            return Ok(vec![(route.path.clone(), target(*page))]);
        }
        if exact {
            let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
            let problem = Problem::new(at, "several pages cannot stand at one path");
            let help = format!("name one of {} as its `page`, or give a prefix", names.join(", "));
            return Err(problem.help(help).into());
        }
        let mut pages = Vec::new();
        for (_, below, page) in all {
            // With the final slash the page, without it the redirect to it; nothing below either.
            let path = format!("={}/{below}", route.path.to_string().trim_end_matches('/'));
            for path in [path.clone(), path.trim_end_matches('/').to_owned()] {
                pages.extend(path.parse().ok().map(|path| (path, target(*page))));
            }
        }
        Ok(pages)
    }

    fn jwt_tokens(&self) -> Result<JwtTokens, Problems> {
        let tokens = self.simplejwt()?;
        let at = Path::root().key("jwt").key("cookies");
        let cookies = self.document.jwt.cookies.as_ref().map(|c| JwtCookies::new(c, &at));
        Ok(JwtTokens { tokens, cookies: cookies.transpose()? })
    }
}

fn matcher(route: &config::Route) -> Matcher {
    Matcher { host: route.host.clone(), path: route.path.clone(), methods: route.method.clone() }
}

/// DRF's order of methods in `Allow`.
fn allow(route: &config::Route, page: Option<Page>) -> Option<HeaderValue> {
    if let Some(page) = page {
        return Some(HeaderValue::from_static(page.allow()));
    }
    let named = |name: &&str| route.allow.iter().any(|method| method.as_str() == *name);
    let implied = |name: &&str| *name == "OPTIONS" || (*name == "HEAD" && named(&"GET"));
    let order = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let methods: Vec<&str> = order.into_iter().filter(|m| named(m) || implied(m)).collect();
    (!route.allow.is_empty()).then(|| HeaderValue::try_from(methods.join(", ")).ok()).flatten()
}
