//! The routes: a page of the gateway's own, a view that the gateway judges, or what the project goes
//! on deciding about. Neighbours with one rule are one prefix.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Writer, yaml};
use crate::{
    cli::init::{
        known::asks,
        project::{Group, Kind, Project, Url},
    },
    package::Asks,
    route::PathPattern,
};

/// What a route says, behind its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// Nothing is asked here: the project decides.
    Project,
    /// Keys of the route, as far as they differ from those of the whole file.
    Judged(Vec<String>),
    /// A page of the gateway's own.
    Page(Vec<String>),
}

/// Rules by the segments of their paths.
#[derive(Default)]
struct Tree {
    /// By the segment in lower case, since some upstreams take it for the same.
    below: BTreeMap<String, Tree>,
    /// As it is written, and whether it is written in two ways.
    spelled: String,
    ambiguous: bool,
    /// Of the path that ends here, without a final slash and with it.
    exact: [Option<Rule>; 2],
    /// Of what goes on below in ways that are not told.
    rest: Option<Rule>,
}

impl Writer<'_> {
    pub(super) fn routes(&mut self) {
        let project = self.project;
        let mut tree = Tree::default();
        let mut seen = BTreeSet::new();
        for url in &project.urls {
            // Django takes the first of two equal patterns.
            if !seen.insert((&url.pattern, &url.path)) {
                continue;
            }
            if url.path.parse::<PathPattern>().is_err() {
                const REFUSED: &str =
                    "Requests whose path servers may read in two ways are refused with 400";
                self.note_about(Group::Refused, REFUSED, &url.path);
                continue;
            }
            self.count(url);
            tree.insert(&url.path, self.rule_of(url));
        }
        for path in tree.ambiguous("") {
            const LEFT: &str =
                "Paths that differ in upper and lower case alone are left to the project";
            self.note_about(Group::Differs, LEFT, &path);
        }
        for path in &project.open {
            tree.insert(path, Rule::Project);
        }
        let mut routes = Vec::new();
        tree.write("", &mut routes);
        // What is no view's, such as a redirect to the final slash, is the project's to answer.
        if !routes.iter().any(|(path, _)| path == "/") {
            routes.push(("/".into(), Rule::Project));
        }
        cross(&mut routes);
        self.line("routes:");
        self.line(format!("  - {{ path: \"={}\", endpoint: jwks }}", jwks_path(project)));
        routes.sort();
        for (path, rule) in routes {
            self.route(&path, &rule);
        }
    }

    fn route(&mut self, path: &str, rule: &Rule) {
        let upstream = Value::from(self.upstream);
        let path = Value::from(path);
        match rule {
            Rule::Project if self.open_by_default => {
                self.line(format!("  - {{ path: {path}, upstream: {upstream} }}"));
            }
            Rule::Project => {
                let decides = "authentication: [], permission: anyone, throttle: []";
                self.line(format!("  - {{ path: {path}, {decides}, upstream: {upstream} }}"));
            }
            Rule::Judged(keys) if keys.is_empty() => {
                self.line(format!("  - {{ path: {path}, upstream: {upstream} }}"));
            }
            Rule::Judged(keys) => {
                self.line(format!("  - path: {path}"));
                keys.iter().for_each(|key| self.line(format!("    {key}")));
                self.line(format!("    upstream: {upstream}"));
            }
            Rule::Page(keys) => {
                self.line(format!("  - path: {path}"));
                keys.iter().for_each(|key| self.line(format!("    {key}")));
            }
        }
    }

    /// How many views that refuse strangers are judged here, for the report.
    fn count(&mut self, url: &Url) {
        let permission = url.permission.as_ref().unwrap_or(&self.project.rest_framework.permission);
        let guarded = permission.gateway.as_ref().is_some_and(|rule| *rule != "anyone");
        if url.kind == Kind::Drf && guarded && url.endpoint.is_none() {
            self.guarded += 1;
            let judged = self.rule_of(url) != Rule::Project;
            self.judged += usize::from(judged);
            let plain = url.path.strip_prefix('=').filter(|path| !path.contains('{'));
            let telling = judged
                && url.gets()
                && permission.gateway.as_ref().is_some_and(|rule| *rule == "authenticated");
            if telling && self.telling.is_none() {
                self.telling = plain.map(str::to_owned);
            }
        }
    }

    fn rule_of(&self, url: &Url) -> Rule {
        let default = &self.project.rest_framework.authentication;
        let classes = match &url.authentication {
            None => Some(default),
            Some(told) => told.as_ref(),
        };
        let chain = classes.and_then(|classes| self.chain(classes));
        if let Some(endpoint) = &url.endpoint
            && let Some(keys) = self.page(url, endpoint, chain.as_deref())
        {
            return Rule::Page(keys);
        }
        let Some(chain) = chain.filter(|_| url.kind == Kind::Drf) else { return Rule::Project };
        let top = self.project.rest_framework.permission.gateway.as_ref();
        let own = url.permission.as_ref().and_then(|permission| permission.gateway.as_ref());
        let permission = own.or(top).map_or("anyone".into(), yaml);
        let throttle = match &url.throttle {
            None => self.throttle(&self.project.rest_framework.throttle),
            Some(throttle) => self.throttle(throttle),
        };
        if chain == "[]" && permission == "anyone" && throttle == "[]" {
            return Rule::Project;
        }
        let (top_chain, top_permission, top_throttle) = &self.top;
        let keys = [
            ("authentication", chain, top_chain),
            ("permission", permission, top_permission),
            ("throttle", throttle, top_throttle),
        ];
        let keys = keys.into_iter().filter(|(_, own, top)| own != *top);
        Rule::Judged(keys.map(|(key, own, _)| format!("{key}: {own}")).collect())
    }

    /// The keys of a page; none if it stays the project's.
    fn page(&self, url: &Url, endpoint: &Value, chain: Option<&str>) -> Option<Vec<String>> {
        if url.path.contains('{') || !url.path.starts_with('=') {
            return None;
        }
        let mut keys = Vec::new();
        let asked = asks(endpoint)?;
        let own = match asked {
            Asks::None => Some("[]".to_owned()),
            Asks::Scheme(word) => Some(format!("[{word}]")),
            Asks::TopChain => None,
        };
        if asked == Asks::TopChain || url.authentication.is_some() {
            let chain = chain?;
            let usual = own.as_deref().unwrap_or(&self.top.0);
            if chain != usual {
                keys.push(format!("authentication: {chain}"));
            }
        }
        if let Some(throttle) = &url.throttle {
            keys.push(format!("throttle: {}", self.throttle(throttle)));
        }
        keys.push(format!("endpoint: {}", yaml(endpoint)));
        Some(keys)
    }
}

impl Tree {
    fn insert(&mut self, path: &str, rule: Rule) {
        let (exact, path) = path.strip_prefix('=').map_or((false, path), |path| (true, path));
        let (path, slash) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        let mut here = self;
        for segment in path.split('/').skip(1) {
            // All variables are one to the gateway.
            let segment = if segment.starts_with('{') { "{part}" } else { segment };
            here = here.below.entry(segment.to_ascii_lowercase()).or_default();
            here.ambiguous |= !here.spelled.is_empty() && here.spelled != segment;
            here.spelled = segment.to_owned();
        }
        let place = match exact {
            true => here.exact.get_mut(usize::from(slash)),
            false => Some(&mut here.rest),
        };
        if let Some(place) = place {
            // Two views at what is one path here: which one it is, the project knows.
            *place = Some(match place.take() {
                Some(other) if other != rule => Rule::Project,
                _ => rule,
            });
        }
    }

    fn rules(&self) -> Vec<&Rule> {
        if self.ambiguous {
            return vec![&Rule::Project];
        }
        let own = self.exact.iter().chain([&self.rest]).flatten();
        let below = self.below.values().flat_map(Tree::rules);
        own.chain(below).filter(|rule| !matches!(rule, Rule::Page(_))).collect()
    }

    /// The routes of all below `path`.
    fn write(&self, path: &str, routes: &mut Vec<(String, Rule)>) {
        let rules = self.rules();
        let one = rules.first().filter(|first| rules.iter().all(|rule| rule == *first));
        if let Some(rule) = one
            && (rules.len() > 1 || self.rest.is_some())
        {
            routes.push((format!("{path}/"), (*rule).clone()));
            return self.write_pages(path, routes);
        }
        self.write_exact(path, routes, |_| true);
        if let Some(rule) = &self.rest {
            routes.push((format!("{path}/"), rule.clone()));
        }
        // A route for the one spelling would be 404 for the other.
        for tree in self.below.values().filter(|tree| !tree.ambiguous) {
            tree.write(&format!("{path}/{}", tree.spelled), routes);
        }
    }

    /// Paths that are written in two ways.
    fn ambiguous(&self, path: &str) -> Vec<String> {
        let found = |tree: &Self| {
            let path = format!("{path}/{}", tree.spelled);
            if tree.ambiguous { vec![path] } else { tree.ambiguous(&path) }
        };
        self.below.values().flat_map(found).collect()
    }

    fn write_pages(&self, path: &str, routes: &mut Vec<(String, Rule)>) {
        self.write_exact(path, routes, |rule| matches!(rule, Rule::Page(_)));
        for tree in self.below.values().filter(|tree| !tree.ambiguous) {
            tree.write_pages(&format!("{path}/{}", tree.spelled), routes);
        }
    }

    fn write_exact(
        &self,
        path: &str,
        routes: &mut Vec<(String, Rule)>,
        wanted: impl Fn(&Rule) -> bool,
    ) {
        for (rule, slash) in self.exact.iter().zip(["", "/"]) {
            let at = if path.is_empty() { "=/".to_owned() } else { format!("={path}{slash}") };
            routes.extend(
                rule.iter().filter(|rule| wanted(rule)).map(|rule| (at.clone(), rule.clone())),
            );
        }
    }
}

/// Where two routes have paths in common and neither is more specific, a third decides about those.
fn cross(routes: &mut Vec<(String, Rule)>) {
    let parsed = |path: &str| path.parse::<PathPattern>().ok();
    let mut next = 0;
    while let Some((path, rule)) = routes.get(next).cloned() {
        let Some(pattern) = parsed(&path) else { break };
        let mut met = Vec::new();
        for (other, its) in routes.iter().take(next) {
            let Some(meet) = parsed(other).and_then(|other| pattern.crossing(&other)) else {
                continue;
            };
            let known = routes.iter().any(|(path, _)| *path == meet);
            if !known && met.iter().all(|(path, _): &(String, Rule)| *path != meet) {
                met.push((meet, if *its == rule { rule.clone() } else { Rule::Project }));
            }
        }
        routes.append(&mut met);
        next += 1;
    }
}

/// Where the gateway's keys are; the project may have keys of its own at the usual place.
pub(in crate::cli::init) fn jwks_path(project: &Project) -> &'static str {
    const USUAL: &str = "/.well-known/jwks.json";
    let paths = project.urls.iter().map(|url| url.path.trim_start_matches('='));
    let taken = paths.into_iter().any(|path| {
        path != "/" && (path == USUAL || USUAL.starts_with(path) && path.ends_with('/'))
    });
    if taken { "/.well-known/portcullis-jwks.json" } else { USUAL }
}
