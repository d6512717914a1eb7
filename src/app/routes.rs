//! The routes of a document: their schemes, their rule, what they lead to.

use std::sync::Arc;

use hyper::header::HeaderValue;

use super::ProcessState;
use crate::{
    chain::Chain,
    config::{self, Challenges, Document, load::suggest},
    forward::{Forward, OwnedNames},
    gateway::Route,
    limits::Throttle,
    listen::Listener,
    package::{Asks, Entry, Limit, Page, SchemeContext, SchemeSettings, Site, Takes, scheme_words},
    policy::{self, Policy},
    request::Buffer,
    route::{Matcher, PathPattern},
    scheme::Scheme,
    target::Target,
    upstream::{Echo, Upstream},
    value::{Path, Problem, Problems},
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
    pub(super) process: &'a ProcessState,
    pub(super) site: &'a Site<'a>,
    pub(super) owned: OwnedNames,
}

/// Where a route leads: each of its paths, with what answers there.
pub(super) struct Place {
    pub(super) path: PathPattern,
    pub(super) target: Arc<dyn Target>,
    /// The page, if that is what answers.
    pub(super) page: Option<&'static Page>,
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
        let (name, settings) = self.settings(entry, at, top)?;
        let settings = match settings {
            Found::Built(scheme) => return Ok((name, scheme)),
            Found::Settings(settings) => settings,
        };
        if let Some(what) = settings.needs_secret_key() {
            self.site.needs_secret_key(at, what)?;
        }
        let asked = || self.document.listen.iter().any(Listener::asks_clients);
        if settings.needs_certificates() && !asked() {
            let problem = Problem::new(at, "no listener asks clients for certificates");
            let help = "give one `tls: { client_ca: … }`, the authorities of these certificates";
            let problem = problem.lacking(&Path::root().key("listen"));
            return Err(problem.help(help).into());
        }
        let path = match entry {
            Entry::Settings { word, .. } => at.key(word),
            Entry::Name(_) => at.clone(),
        };
        let context = SchemeContext { name: name.as_str().into(), path: &path, site: self.site };
        Ok((name, settings.build(&context)?))
    }

    /// The name and settings of an entry; or a scheme of the top-level chain that it names.
    fn settings(
        &self,
        entry: &Entry,
        at: &Path,
        top: &[(String, Arc<dyn Scheme>)],
    ) -> Result<(String, Found), Problem> {
        let name = entry.name().to_owned();
        if let Some(settings) = entry.settings() {
            return Ok((name, Found::Settings(Arc::clone(settings))));
        }
        if let Some((_, scheme)) = top.iter().find(|(known, _)| *known == name) {
            return Ok((name, Found::Built(Arc::clone(scheme))));
        }
        match Entry::of_word(&name) {
            Some((_, settings)) => Ok((name, Found::Settings(settings))),
            None => {
                let mut known: Vec<&str> = top.iter().map(|(name, _)| name.as_str()).collect();
                known.extend(scheme_words());
                known.sort_unstable();
                known.dedup();
                let problem = Problem::new(at, format!("unknown scheme `{name}`"));
                Err(problem.help(suggest(&name, &known)))
            }
        }
    }

    /// A scheme that takes every bearer token leaves none to an issuer behind it.
    fn check_order(&self, entries: &[Entry], at: &Path) -> Result<(), Problems> {
        let takes = |entry: &Entry| {
            let top = || {
                let all = self.document.authentication.iter();
                all.filter(|known| known.settings().is_some())
                    .find(|known| known.name() == entry.name())
                    .and_then(Entry::settings)
                    .cloned()
            };
            let settings = entry.settings().cloned().or_else(top);
            let settings = settings.or_else(|| Entry::of_word(entry.name()).map(|(_, s)| s));
            settings.map_or(Takes::Its, |settings| settings.takes())
        };
        let kinds: Vec<_> = entries.iter().map(takes).collect();
        let every = kinds.iter().position(|kind| *kind == Takes::Every);
        let issuer = kinds.iter().rposition(|kind| *kind == Takes::OneIssuer);
        match (every, issuer) {
            (Some(every), Some(issuer)) if every < issuer => {
                let problem = Problem::new(&at.index(issuer), "this issuer is never asked");
                Err(problem.help("put it before `jwt`, which takes every bearer token").into())
            }
            _ => Ok(()),
        }
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
                Asks::None => Vec::new(),
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
        let all = self.document.challenges == Challenges::All;
        problems.finish(Chain::new(
            schemes,
            all,
            Arc::clone(self.site.csrf),
            self.site.clock.clone(),
        ))
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
        let places = problems.keep(self.places(route, at)).unwrap_or_else(|| {
            // What else is wrong with the route is told at once all the same.
            let (path, target) = (route.path.clone(), Arc::new(Upstream::Echo(Echo)));
            vec![Place { path, target, page: None }]
        });
        for place in places {
            let matcher = Matcher { path: place.path.clone(), ..matcher(route) };
            let built = problems.keep(self.route(route, place, at, top));
            routes.extend(built.flatten().map(|built| (matcher, built)));
        }
        problems.finish(routes)
    }

    fn route(
        &self,
        route: &config::Route,
        place: Place,
        at: &Path,
        top: &Top,
    ) -> Result<Option<Route>, Problems> {
        let mut problems = Problems::default();
        let page = place.page;
        let asks = page.map_or(Asks::TopChain, |page| page.asks);
        let chain = problems.keep(self.chain(route, asks, at, &top.chain));
        let rule = match &route.permission {
            Some(rule) => problems.keep(rule.build(&at.key("permission"))),
            None => match page.and_then(|page| page.rule) {
                Some(word) => policy::Config::Word(word).build(at).ok(),
                // What is wrong in it is told once, at the top.
                None => self.document.permission.build(at).ok(),
            },
        };
        let own = route.identity.as_ref().map(|identity| {
            let at = at.key("identity");
            Forward::new(identity, &at, self.site.signer, &self.owned).map(Arc::new)
        });
        let forward = match own {
            Some(own) => problems.keep(own),
            None => top.forward.clone(),
        };
        let throttle = match &route.throttle {
            Some(own) => own.as_slice(),
            None if page.is_none_or(|page| page.throttled) => self.document.throttle.as_slice(),
            None => &[],
        };
        let (Some(chain), Some(rule), Some(forward)) = (chain, rule, forward) else {
            return problems.finish(None);
        };
        let name = place.path.to_string();
        let schemes =
            chain.names().map(|name| (Arc::clone(name), self.process.metrics.scheme(name)));
        problems.finish(Some(Route {
            schemes: schemes.collect(),
            chain,
            policy: Policy::new(rule),
            throttle: Throttle::new(throttle, &self.process.windows),
            auth_rate: page
                .filter(|page| page.limit == Limit::Passwords)
                .map(|_| Arc::clone(&self.site.limits.auth_rate)),
            forward,
            negotiates: page.is_none_or(|page| page.negotiates),
            allow: allow(route, page),
            says_allow: page.is_none_or(|page| page.says_allow),
            allow_paths: route.allow_paths.clone(),
            metrics: self.process.metrics.route(&name),
            name: name.into(),
            // A page reads its body itself.
            buffer: match place.target.is_upstream() {
                true => route.buffer.unwrap_or(self.document.buffer),
                false => Buffer::default(),
            },
            target: place.target,
        }))
    }
}

/// What an entry is made of.
enum Found {
    /// A scheme of the top-level chain.
    Built(Arc<dyn Scheme>),
    Settings(Arc<dyn SchemeSettings>),
}

pub(super) fn matcher(route: &config::Route) -> Matcher {
    Matcher { host: route.host.clone(), path: route.path.clone(), methods: route.method.clone() }
}

/// DRF's order of methods in `Allow`.
fn allow(route: &config::Route, page: Option<&Page>) -> Option<HeaderValue> {
    if let Some(page) = page {
        return Some(HeaderValue::from_static(page.allow));
    }
    let named = |name: &&str| route.allow.iter().any(|method| method.as_str() == *name);
    let implied = |name: &&str| *name == "OPTIONS" || (*name == "HEAD" && named(&"GET"));
    let order = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let methods: Vec<&str> = order.into_iter().filter(|m| named(m) || implied(m)).collect();
    (!route.allow.is_empty()).then(|| HeaderValue::try_from(methods.join(", ")).ok()).flatten()
}
