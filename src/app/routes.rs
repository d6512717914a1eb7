//! The routes of a document: their schemes, their rule, what they lead to.

use std::{cell::OnceCell, sync::Arc};

use hyper::header::HeaderValue;

use super::World;
use crate::{
    chain::Chain,
    client::HttpClient,
    config::{self, Challenges, Document, load::suggest},
    decision::{self, Decisions},
    endpoint::{self, Asks, Page},
    forward::{Forward, OwnedNames},
    gateway::{Route, RouteTarget},
    listen::Listener,
    policy::{self, Policy},
    route::{Matcher, PathPattern},
    scheme::{self, Entry, KINDS, Scheme, Settings},
    store::cache::Facts,
    system::simplejwt::SimpleJwt,
    throttle::Throttle,
    upstream::Echo,
    value::{Path, Problem, Problems, Secret},
};

/// The top-level chain, by name: routes may name its entries.
pub(super) type Named = Vec<(String, Arc<dyn Scheme>)>;

/// What a route has unless it says otherwise.
pub(super) struct Top {
    pub(super) chain: Named,
    pub(super) forward: Option<Arc<Forward>>,
}

pub(super) struct Builder<'a> {
    pub(super) document: &'a Document,
    pub(super) world: &'a World,
    pub(super) http: HttpClient,
    pub(super) pages: endpoint::Parts,
    pub(super) facts: &'a Arc<Facts>,
    pub(super) owned: OwnedNames,
    pub(super) secret: &'a Secret,
    /// Built when something first needs it; nothing, if it cannot be.
    pub(super) simplejwt: OnceCell<Option<Arc<SimpleJwt>>>,
}

impl Builder<'_> {
    /// The schemes of the top-level chain.
    pub(super) fn top_chain(&self) -> (Named, Problems) {
        let mut problems = Problems::default();
        let mut named: Named = Vec::new();
        let at = Path::root().key("authentication");
        problems.keep(self.check_order(&self.document.authentication, &at));
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
                    known.sort_unstable();
                    known.dedup();
                    let problem = Problem::new(at, format!("unknown scheme `{name}`"));
                    problem.help(suggest(name, &known))
                })?
            }
        };
        if matches!(settings, Settings::session(_)) {
            self.needs_secret_key(at, "sessions")?;
        }
        let asked = || self.document.listen.iter().any(Listener::asks_clients);
        if settings.asks_certificates() && !asked() {
            let problem = Problem::new(at, "no listener asks clients for certificates");
            let help = "give one `tls: { client_ca: … }`, the authorities of these certificates";
            let problem = problem.lacking(&Path::root().key("listen"));
            return Err(problem.help(help).into());
        }
        let parts = scheme::Parts {
            store: &self.pages.store,
            facts: self.facts,
            login: &self.pages.login,
            http: &self.http,
            control: &self.world.control,
            sessions: &self.pages.sessions,
            knox: &self.pages.knox,
            simplejwt: &|| self.simplejwt(),
        };
        let scheme = settings.build(at, &parts)?;
        Ok((settings.name().to_owned(), scheme))
    }

    /// The project's own `jwt` takes every bearer token: an issuer behind it would never be asked.
    fn check_order(&self, entries: &[Entry], at: &Path) -> Result<(), Problems> {
        let named = |name: &str| {
            let all = self.document.authentication.iter();
            all.filter_map(Entry::settings).find(|settings| settings.name() == name)
        };
        let is_issuer = |entry: &Entry| match entry {
            Entry::Settings(settings) => settings.is_issuer(),
            Entry::Name(name) => match named(name) {
                Some(settings) => settings.is_issuer(),
                None => (name == "jwt").then_some(false),
            },
        };
        let kinds: Vec<_> = entries.iter().map(is_issuer).collect();
        let own = kinds.iter().position(|kind| *kind == Some(false));
        let issuer = kinds.iter().rposition(|kind| *kind == Some(true));
        match (own, issuer) {
            (Some(own), Some(issuer)) if own < issuer => {
                let problem = Problem::new(&at.index(issuer), "this issuer is never asked");
                Err(problem.help("put it before `jwt`, which takes every bearer token").into())
            }
            _ => Ok(()),
        }
    }

    /// A key of this process alone would end every session and token at the next start.
    pub(super) fn needs_secret_key(&self, at: &Path, what: &str) -> Result<(), Problems> {
        if self.document.secret_key.is_some() {
            return Ok(());
        }
        let message = format!("{what} are signed with `secret_key`, and there is none");
        let problem = Problem::new(at, message);
        Err(problem.help("add `secret_key: ${DJANGO_SECRET_KEY}`, Django's own").into())
    }

    /// The project's own JSON Web Tokens. What is wrong with their settings is told once.
    pub(super) fn simplejwt(&self) -> Result<Arc<SimpleJwt>, Problems> {
        if let Some(built) = self.simplejwt.get() {
            return built.clone().ok_or_else(Problems::default);
        }
        let config = &self.document.jwt;
        if config.cookies.is_some() && self.document.csrf.use_sessions() {
            let at = Path::root().key("jwt").key("cookies");
            let problem = Problem::new(&at, "whoever has a token need not have a session");
            return Err(problem.help("leave out `csrf: { use_sessions: true }`").into());
        }
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
                problems.keep(self.check_order(entries, &at));
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
    pub(super) fn routes(
        &self,
        route: &config::Route,
        at: &Path,
        top: &Top,
    ) -> Result<Vec<(Matcher, Route)>, Problems> {
        let mut problems = Problems::default();
        let mut routes = Vec::new();
        let targets = problems.keep(self.targets(route, at)).unwrap_or_else(|| {
            // What else is wrong with the route is told at once all the same.
            vec![(route.path.clone(), RouteTarget::Upstream(Arc::new(Echo)))]
        });
        for (path, target) in targets {
            let built = problems.keep(self.route(route, target, &path, at, top));
            let matcher = Matcher { path, ..matcher(route) };
            routes.extend(built.flatten().map(|built| (matcher, built)));
        }
        problems.finish(routes)
    }

    /// The page where other proxies ask. It asks nobody itself: the request that is asked about has
    /// a route of its own.
    pub(super) fn decisions(
        &self,
        config: &decision::Config,
        top: &Top,
    ) -> Result<Vec<(Matcher, Route)>, Problems> {
        let at = Path::root().key("decisions");
        let route = config::Route {
            authentication: Some(Vec::new()),
            permission: Some(policy::Config::Word(policy::Word::Anyone)),
            throttle: Some(Vec::new()),
            ..config::Route::at(config.path.clone())
        };
        let target = RouteTarget::Decisions(Decisions::new(config, &at)?);
        let built = self.route(&route, target, &route.path, &at, top)?;
        Ok(built.map(|built| (matcher(&route), built)).into_iter().collect())
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
            RouteTarget::Upstream(_) | RouteTarget::Decisions(_) | RouteTarget::Elsewhere => None,
        };
        let asks = page.map_or(Asks::TopChain, Page::asks);
        let chain = problems.keep(self.chain(route, asks, at, &top.chain));
        let rule = match &route.permission {
            Some(rule) => problems.keep(rule.build(&at.key("permission"))),
            None => match page.and_then(Page::rule) {
                Some(word) => policy::Config::Word(word).build(at).ok(),
                // What is wrong in it is told once, at the top.
                None => self.document.permission.build(at).ok(),
            },
        };
        let own = route.identity.as_ref().map(|identity| {
            let at = at.key("identity");
            Forward::new(identity, &at, &self.pages.signer, &self.owned).map(Arc::new)
        });
        let forward = match own {
            Some(own) => problems.keep(own),
            None => top.forward.clone(),
        };
        let throttle = match &route.throttle {
            Some(own) => own.as_slice(),
            None if page.is_none_or(Page::is_throttled) => self.document.throttle.as_slice(),
            None => &[],
        };
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
}

pub(super) fn matcher(route: &config::Route) -> Matcher {
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
