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
    route::{PathPattern, Relation},
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
    /// Of what goes on below in ways that are not told, and whether it takes all of that.
    rest: Option<Rule>,
    loose: bool,
}

/// A view: what its paths are, and what is asked there.
struct Leaf {
    path: String,
    pattern: PathPattern,
    rule: Rule,
    certain: bool,
    loose: bool,
    stem: String,
}

impl Leaf {
    /// Whether the segment behind its prefix is another one's for certain.
    fn misses(&self, other: &Self) -> bool {
        let place = self.path.trim_end_matches('/').split('/').count();
        let segment = other.path.split('/').nth(place).unwrap_or_default();
        let plain = !segment.is_empty() && !segment.starts_with('{');
        !self.stem.is_empty() && plain && !segment.starts_with(&*self.stem)
    }
}

impl Writer<'_> {
    pub(super) fn routes(&mut self) {
        let project = self.project;
        let leaves = settled(self.leaves());
        let mut tree = Tree::default();
        for leaf in &leaves {
            tree.insert(&leaf.path, leaf.rule.clone(), leaf.loose);
        }
        for path in tree.ambiguous("") {
            const LEFT: &str =
                "Paths that differ in upper and lower case alone are left to the project";
            self.note_about(Group::Differs, LEFT, &path);
        }
        let mut routes = Vec::new();
        tree.write("", &leaves, &mut routes);
        cross(&mut routes);
        // What is no view's, such as a redirect to the final slash, is the project's to answer.
        if !routes.iter().any(|(path, _)| path == "/") {
            routes.push(("/".into(), Rule::Project));
        }
        drop_needless(&mut routes);
        project.urls.iter().for_each(|url| self.count(url, &routes));
        self.line("routes:");
        self.line(format!("  - {{ path: \"={}\", endpoint: jwks }}", jwks_path(project)));
        routes.sort();
        for (path, rule) in routes {
            self.route(&path, &rule);
        }
    }

    fn leaves(&mut self) -> Vec<Leaf> {
        let project = self.project;
        let mut leaves = Vec::new();
        let mut seen = BTreeSet::new();
        for url in &project.urls {
            // Django takes the first of two equal patterns.
            if !seen.insert((&url.pattern, &url.path)) {
                continue;
            }
            let Ok(pattern) = url.path.parse() else {
                const REFUSED: &str =
                    "Requests whose path servers may read in two ways are refused with 400";
                self.note_about(Group::Refused, REFUSED, &url.path);
                continue;
            };
            let (path, rule) = (url.path.clone(), self.rule_of(url));
            leaves.push(Leaf {
                path,
                pattern,
                rule,
                certain: url.certain,
                loose: url.loose,
                stem: url.stem.clone(),
            });
        }
        // Files are behind every view.
        for path in &project.open {
            if let Ok(pattern) = path.parse() {
                let (path, rule) = (path.clone(), Rule::Project);
                leaves.push(Leaf {
                    path,
                    pattern,
                    rule,
                    certain: true,
                    loose: false,
                    stem: String::new(),
                });
            }
        }
        leaves
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

    /// How many views that refuse strangers are judged here, for the report: by the routes that are
    /// written, where many views may have come to one.
    fn count(&mut self, url: &Url, routes: &[(String, Rule)]) {
        let permission = url.permission.as_ref().unwrap_or(&self.project.rest_framework.permission);
        let guarded = permission.gateway.as_ref().is_some_and(|rule| *rule != "anyone");
        if url.kind == Kind::Drf && guarded && url.endpoint.is_none() {
            self.guarded += 1;
            let judged = rule_at(url, routes).is_some_and(|rule| *rule != Rule::Project);
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

    fn rule_of(&mut self, url: &Url) -> Rule {
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
            // On a page nobody judges what is left to the upstream.
            let chain = chain.filter(|chain| !chain.contains("upstream:"))?;
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
    fn insert(&mut self, path: &str, rule: Rule, loose: bool) {
        let (exact, path) = path.strip_prefix('=').map_or((false, path), |path| (true, path));
        let (path, slash) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        let mut here = self;
        for segment in path.split('/').skip(1) {
            // Two names of a variable are one to the gateway, and two kinds are two.
            let variable = segment.starts_with('{');
            let kind = segment.split_once(':').map_or("}", |(_, kind)| kind);
            let key = if variable { format!("{{:{kind}") } else { segment.to_ascii_lowercase() };
            here = here.below.entry(key).or_default();
            here.ambiguous |= !variable && !here.spelled.is_empty() && here.spelled != segment;
            if here.spelled.is_empty() {
                here.spelled = segment.to_owned();
            }
        }
        here.loose |= loose && !exact;
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
    fn write(&self, path: &str, leaves: &[Leaf], routes: &mut Vec<(String, Rule)>) {
        /// So many exact paths with one rule are one prefix. It has that rule for what is no view's,
        /// too, so fewer stay as they are.
        const MANY: usize = 8;
        let rules = self.rules();
        let prefix = format!("{path}/");
        let one = rules.first().filter(|first| rules.iter().all(|rule| rule == *first));
        if let Some(rule) = one
            && (rules.len() >= MANY || self.rest.is_some())
            && has_alone(&prefix, rule, leaves)
        {
            routes.push((prefix, (*rule).clone()));
            return self.write_pages(path, routes);
        }
        self.write_exact(path, routes, |_| true);
        if let Some(rule) = &self.rest {
            // Beside others, what takes a part of a prefix cannot judge all of it.
            let rule = if self.loose { &Rule::Project } else { rule };
            routes.push((prefix, rule.clone()));
        }
        // A route for the one spelling would be 404 for the other.
        for tree in self.below.values().filter(|tree| !tree.ambiguous) {
            tree.write(&format!("{path}/{}", tree.spelled), leaves, routes);
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

/// Views in Django's order, which takes the first that matches: one that a wider, earlier one may hide, or
/// whose own path says more than it takes, does not decide here where another has another rule.
fn settled(mut leaves: Vec<Leaf>) -> Vec<Leaf> {
    let mut left = BTreeSet::new();
    for (second, later) in leaves.iter().enumerate() {
        for (first, earlier) in leaves.iter().enumerate().take(second) {
            if earlier.rule == later.rule || earlier.misses(later) {
                continue;
            }
            match earlier.pattern.relation(&later.pattern) {
                Relation::Apart | Relation::Crossing => {}
                // The first decides, if it takes all.
                Relation::Same if earlier.certain && !differs_in_case(earlier, later) => {
                    left.insert((second, true));
                }
                Relation::Same => left.extend([(first, false), (second, false)]),
                Relation::Nested if later.pattern.is_within(&earlier.pattern) => {
                    left.insert((second, false));
                }
                Relation::Nested if earlier.certain => {}
                Relation::Nested => {
                    left.insert((first, false));
                }
            }
        }
    }
    let hidden: BTreeSet<usize> =
        left.iter().filter(|(_, hidden)| *hidden).map(|(i, _)| *i).collect();
    for (index, _) in left {
        if let Some(leaf) = leaves.get_mut(index) {
            leaf.rule = Rule::Project;
        }
    }
    let mut index = 0;
    leaves.retain(|_| {
        index += 1;
        !hidden.contains(&(index - 1))
    });
    leaves
}

/// Whether two patterns for the same paths are written in two cases, which Django tells apart.
fn differs_in_case(one: &Leaf, other: &Leaf) -> bool {
    let literal = |path: &str| {
        let parts = path.split('/').filter(|part| !part.starts_with('{')).map(str::to_owned);
        parts.collect::<Vec<_>>()
    };
    literal(&one.path) != literal(&other.path)
}

/// Whether no view with another rule has a path below a prefix.
fn has_alone(prefix: &str, rule: &Rule, leaves: &[Leaf]) -> bool {
    let Ok(pattern) = prefix.parse::<PathPattern>() else { return false };
    let others =
        leaves.iter().filter(|leaf| leaf.rule != *rule && !matches!(leaf.rule, Rule::Page(_)));
    others.into_iter().all(|leaf| leaf.pattern.relation(&pattern) == Relation::Apart)
}

/// What the project decides anyway needs no route, unless a wider one would judge it.
fn drop_needless(routes: &mut Vec<(String, Rule)>) {
    let parsed: Vec<(PathPattern, bool)> = routes
        .iter()
        .filter_map(|(path, rule)| Some((path.parse().ok()?, *rule == Rule::Project)))
        .collect();
    let judged = |own: &PathPattern| {
        parsed.iter().any(|(other, open)| {
            !open && other.relation(own) != Relation::Apart && own.is_within(other)
        })
    };
    let mut all = parsed.iter();
    routes.retain(|(path, rule)| {
        let Some((own, _)) = all.next() else { return true };
        path == "/" || *rule != Rule::Project || judged(own)
    });
}

/// The rule of the most specific route that has all paths of a view.
fn rule_at<'a>(url: &Url, routes: &'a [(String, Rule)]) -> Option<&'a Rule> {
    let own = url.path.parse::<PathPattern>().ok()?;
    let mut best: Option<(PathPattern, &Rule)> = None;
    for (path, rule) in routes {
        let Ok(route) = path.parse::<PathPattern>() else { continue };
        let serves = own.relation(&route) != Relation::Apart && own.is_within(&route);
        if serves && best.as_ref().is_none_or(|(known, _)| route.is_within(known)) {
            best = Some((route, rule));
        }
    }
    best.map(|(_, rule)| rule)
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
    let taken = project.urls.iter().any(|url| {
        url.path != "/" && url.path.parse::<PathPattern>().is_ok_and(|path| path.is_for(USUAL))
    });
    if taken { "/.well-known/portcullis-jwks.json" } else { USUAL }
}
