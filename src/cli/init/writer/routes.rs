//! The routes: a page of the gateway's own, a view with rules of its own, or what Django guards.

use serde_json::Value;

use super::{Writer, path, rule, yaml};
use crate::{
    cli::init::{
        known::{asks, takes_password},
        project::{Kind, Project, Url},
    },
    package::Asks,
    route::PathPattern,
};

impl Writer<'_> {
    pub(super) fn routes(&mut self) {
        let upstream = Value::from(self.upstream).to_string();
        self.line("routes:");
        self.line(format!("  - {{ path: {}, endpoint: jwks }}", jwks_path(self.project)));
        let mut seen: Vec<String> = Vec::new();
        let default = self.project.rest_framework.permission.gateway.as_ref();
        let open = default.is_some_and(|rule| rule == "anyone");
        for url in &self.project.urls {
            let Some(path) = url.path.as_deref() else {
                if url.kind == Kind::Django && !open {
                    let (pattern, view) = (&url.pattern, &url.view);
                    self.notes.push(format!(
                        "{pattern} ({view}) has no path of its own: `permission` above holds for it."
                    ));
                }
                continue;
            };
            if path == "/" || !self.needs_route(url, path) {
                continue;
            }
            // A project may know more ways to log in, or to refuse it, than a password in a row.
            let rows = self.passwords_are_rows();
            let endpoint = url.endpoint.as_ref().filter(|page| rows || !takes_password(page));
            let own_page = endpoint.is_none() && url.endpoint.is_some();
            let path = &*route_path(path);
            if path.parse::<PathPattern>().is_err() {
                self.notes.push(format!("{path} can be read in two ways and is no route."));
                continue;
            }
            if seen.contains(&path.to_lowercase()) {
                self.notes.push(format!(
                    "{path} is there more than once, or in two cases: THE FIRST ONE'S RULES HOLD."
                ));
                continue;
            }
            seen.push(path.to_lowercase());
            if let Some(endpoint) = endpoint {
                self.line(format!("  - path: {}", Value::from(path)));
                self.rules(url);
                self.line(format!("    endpoint: {}", yaml(endpoint)));
                continue;
            }
            match url.kind {
                _ if own_page => self.open(path, &upstream),
                Kind::Django | Kind::Admin => {
                    self.open(path, &upstream);
                    // People type addresses without the final slash, and Django adds it.
                    let short = path.strip_suffix('/').filter(|short| short.len() > 1);
                    if let Some(short) = short.filter(|short| short.starts_with('=')) {
                        self.open(short, &upstream);
                    }
                }
                Kind::Drf => {
                    self.line(format!("  - path: {}", Value::from(path)));
                    self.rules(url);
                    self.line(format!("    upstream: {upstream}"));
                }
            }
        }
        for name in ["STATIC_URL", "MEDIA_URL"] {
            let path = self.project.settings.text(name);
            if path.starts_with('/') && !path.starts_with("//") && path.len() > 1 {
                self.open(path, &upstream);
            }
        }
        self.line(format!("  - {{ path: /, upstream: {upstream} }}"));
    }

    /// Whether a view is more than the last route says: it has a page here, is Django's own, has
    /// rules of its own, or stands below a view that has.
    fn needs_route(&self, url: &Url, path: &str) -> bool {
        let differs =
            |url: &Url| url.endpoint.is_some() || url.kind != Kind::Drf || url.has_rules();
        let covers = |other: &Url| {
            let prefix = other.path.as_deref().filter(|other| !other.starts_with('='));
            prefix.is_some_and(|prefix| {
                prefix != "/" && path.trim_start_matches('=').starts_with(prefix)
            })
        };
        let mut others = self.project.urls.iter();
        differs(url) || others.any(|other| differs(other) && covers(other))
    }

    /// A route that Django guards itself: its own pages know by its session who is there, and DRF's
    /// throttles do not count them.
    fn open(&mut self, path: &str, upstream: &str) {
        self.line(format!("  - path: {}  # Django's own: it decides itself", Value::from(path)));
        self.line("    authentication: []");
        self.line("    permission: anyone");
        self.line("    throttle: []");
        self.line(format!("    upstream: {upstream}"));
    }

    /// What a view says otherwise than the whole file, or than the gateway's page in its place.
    fn rules(&mut self, url: &Url) {
        let page = url.endpoint.as_ref();
        let own = match page.and_then(asks) {
            Some(Asks::None) => Some("[]".to_owned()),
            Some(Asks::Scheme(word)) => Some(format!("[{word}]")),
            Some(Asks::TopChain) | None => None,
        };
        if let Some(classes) = &url.authentication {
            let chain = self.chain(classes);
            if own.as_ref() != Some(&chain) {
                self.line(format!("    authentication: {chain}"));
            }
            if page.is_none() && chain == "[]" && !classes.is_empty() {
                // The gateway does not know its credentials.
                self.line("    permission: anyone  # its own classes decide");
                self.line("    throttle: []");
                return;
            }
        }
        if let Some(permission) = url.permission.as_ref().filter(|_| page.is_none()) {
            self.line(format!("    permission: {}", rule(permission)));
        }
        if let Some(throttle) = &url.throttle {
            match throttle.iter().all(|entry| entry.gateway.is_none()) {
                true => self.line("    throttle: []"),
                false => self.throttle("throttle", throttle, "    "),
            }
        }
    }
}

/// Where the gateway's keys are; the project may have keys of its own at the usual place.
pub(in crate::cli::init) fn jwks_path(project: &Project) -> &'static str {
    const USUAL: &str = "/.well-known/jwks.json";
    let paths = project.urls.iter().filter_map(|url| url.path.as_deref());
    let taken = paths.map(|path| path.trim_start_matches('=')).any(|path| {
        path != "/" && (path == USUAL || USUAL.starts_with(path) && path.ends_with('/'))
    });
    if taken { "/.well-known/portcullis-jwks.json" } else { USUAL }
}

/// Django's patterns are decoded, routes are as a browser sends them; a `=` before one is ours.
fn route_path(decoded: &str) -> String {
    match decoded.strip_prefix('=') {
        Some(exact) => format!("={}", path(exact)),
        None => path(decoded).to_string(),
    }
}
