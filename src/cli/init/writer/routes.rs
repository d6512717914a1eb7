//! The routes: a page of the gateway's own, a view with rules of its own, or what Django guards.
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use serde_json::Value;

use super::{Writer, path, rule, yaml};
use crate::{
    cli::init::{list, text_of},
    route::PathPattern,
};

impl Writer<'_> {
    pub(super) fn routes(&mut self) {
        let upstream = Value::from(self.upstream).to_string();
        self.line("routes:");
        self.line(format!("  - {{ path: {}, endpoint: jwks }}", jwks_path(self.project)));
        let mut seen: Vec<String> = Vec::new();
        let open = self.project["rest_framework"]["permission"]["gateway"] == "anyone";
        for url in list(&self.project["urls"]) {
            let kind = text_of(&url["kind"]);
            let Some(path) = url["path"].as_str() else {
                if kind == "django" && !open {
                    let (pattern, view) = (text_of(&url["pattern"]), text_of(&url["view"]));
                    self.notes.push(format!(
                        "{pattern} ({view}) has no path of its own: `permission` above holds for it."
                    ));
                }
                continue;
            };
            if path == "/" || !self.needs_route(url, path) {
                continue;
            }
            let endpoint =
                match self.takes_passwords(&url["endpoint"]) && !self.passwords_are_rows() {
                    // The project knows more ways to log in, or to refuse it, than a password in a row.
                    true => &Value::Null,
                    false => &url["endpoint"],
                };
            let own_page = endpoint.is_null() && !url["endpoint"].is_null();
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
            if !endpoint.is_null() {
                self.line(format!("  - path: {}", Value::from(path)));
                self.rules(url);
                self.line(format!("    endpoint: {}", yaml(endpoint)));
                continue;
            }
            match kind {
                _ if own_page => self.open(path, &upstream),
                "django" | "admin" => {
                    self.open(path, &upstream);
                    // People type addresses without the final slash, and Django adds it.
                    let short = path.strip_suffix('/').filter(|short| short.len() > 1);
                    if let Some(short) = short.filter(|short| short.starts_with('=')) {
                        self.open(short, &upstream);
                    }
                }
                _ => {
                    self.line(format!("  - path: {}", Value::from(path)));
                    self.rules(url);
                    self.line(format!("    upstream: {upstream}"));
                }
            }
        }
        for name in ["STATIC_URL", "MEDIA_URL"] {
            let path = text_of(&self.project["settings"][name]);
            if path.starts_with('/') && !path.starts_with("//") && path.len() > 1 {
                self.open(path, &upstream);
            }
        }
        self.line(format!("  - {{ path: /, upstream: {upstream} }}"));
    }

    fn takes_passwords(&self, endpoint: &Value) -> bool {
        let pages = ["/session/page", "/jwt/page", "/jwt_sliding/page", "/knox/page"];
        let page = pages.iter().find_map(|at| endpoint.pointer(at)).map_or("", text_of);
        endpoint == "token" || ["login", "obtain"].contains(&page)
    }

    /// Whether a view is more than the last route says: it has a page here, is Django's own, has
    /// rules of its own, or stands below a view that has.
    fn needs_route(&self, url: &Value, path: &str) -> bool {
        let differs = |url: &Value| {
            let rules = ["authentication", "permission", "throttle"];
            !url["endpoint"].is_null()
                || url["kind"] != "drf"
                || rules.iter().any(|key| url.get(*key).is_some())
        };
        let covers = |other: &Value| {
            let prefix = other["path"].as_str().filter(|other| !other.starts_with('='));
            prefix.is_some_and(|prefix| {
                prefix != "/" && path.trim_start_matches('=').starts_with(prefix)
            })
        };
        let mut others = list(&self.project["urls"]).iter();
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
    fn rules(&mut self, url: &Value) {
        let page = &url["endpoint"];
        let own = match page {
            Value::Object(map) if map.contains_key("knox") => {
                match text_of(&page["knox"]["page"]) {
                    "login" => None,
                    _ => Some("[knox]"),
                }
            }
            Value::Object(_) => Some("[]"),
            _ => None,
        };
        if let Some(classes) = url.get("authentication") {
            let chain = self.chain(classes).0;
            if own != Some(chain.as_str()) {
                self.line(format!("    authentication: {chain}"));
            }
            if page.is_null() && chain == "[]" && !list(classes).is_empty() {
                // The gateway does not know its credentials.
                self.line("    permission: anyone  # its own classes decide");
                self.line("    throttle: []");
                return;
            }
        }
        if let Some(permission) = url.get("permission").filter(|_| page.is_null()) {
            self.line(format!("    permission: {}", rule(&permission["gateway"])));
        }
        if let Some(throttle) = url.get("throttle") {
            match list(throttle).iter().all(|entry| entry["gateway"].is_null()) {
                true => self.line("    throttle: []"),
                false => self.throttle("throttle", throttle, "    "),
            }
        }
    }
}

/// Where the gateway's keys are; the project may have keys of its own at the usual place.
pub(in crate::cli::init) fn jwks_path(project: &Value) -> &'static str {
    const USUAL: &str = "/.well-known/jwks.json";
    let paths = list(&project["urls"]).iter().filter_map(|url| url["path"].as_str());
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
