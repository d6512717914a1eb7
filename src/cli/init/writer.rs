//! Writes the file, top-down; only what differs from the gateway's defaults, which are Django's.
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use serde_json::Value;

use super::{
    list,
    settings::{CSRF, JWT, KNOX, SESSION, changed},
    text_of,
    upstream::upstream_lines,
};
use crate::route::PathPattern;

/// A file in the making.
pub(super) struct Writer<'a> {
    project: &'a Value,
    upstream: &'a str,
    text: String,
    notes: Vec<String>,
    variables: Vec<(String, &'static str)>,
}

/// A file that was written.
pub(super) struct Written {
    /// Its text.
    pub(super) text: String,
    /// What could not be carried over.
    pub(super) notes: Vec<String>,
    /// The environment variables that it names, and what each has to hold.
    pub(super) variables: Vec<(String, &'static str)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(project: &'a Value, upstream: &'a str) -> Self {
        let notes = list(&project["not_carried"]).iter().map(|note| text_of(note).to_owned());
        let notes = notes.collect();
        Self { project, upstream, text: String::new(), notes, variables: Vec::new() }
    }

    /// `${NAME}`, noted for whoever has to set it.
    fn variable(&mut self, name: String, holds: &'static str) -> String {
        let written = format!("${{{name}}}");
        self.variables.push((name, holds));
        written
    }

    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    pub(super) fn document(mut self) -> Written {
        let project = self.project;
        let module = text_of(&project["settings_module"]);
        self.line(format!(
            "# Made by `portcullis init` from {module}. What the project needs, and what"
        ));
        self.line("# could not be carried over, stands at the end.");
        self.line("listen: 127.0.0.1:8080");
        self.store();
        let key = self.variable("DJANGO_SECRET_KEY".into(), "SECRET_KEY");
        self.line(format!("secret_key: {key}"));
        if let Some(count @ 1..) = project["secret_key"]["fallbacks"].as_u64() {
            let name = |n| format!("DJANGO_SECRET_KEY_FALLBACK_{n}");
            let keys: Vec<String> = (1..=count)
                .map(|n| format!("\"{}\"", self.variable(name(n), "of SECRET_KEY_FALLBACKS")))
                .collect();
            self.line(format!("secret_key_fallbacks: [{}]", keys.join(", ")));
        }
        self.proxies();
        self.line("");
        let rest = &project["rest_framework"];
        let (chain, _) = self.chain(&rest["authentication"]);
        if !self.passwords_are_rows() {
            self.notes.push(
                "BASIC IS LEFT OUT: another backend of AUTHENTICATION_BACKENDS has a say in who may \
                 log in with a password, and the gateway knows only the row's."
                    .into(),
            );
        }
        self.line(format!("authentication: {chain}  # DEFAULT_AUTHENTICATION_CLASSES"));
        let permission = rule(&rest["permission"]["gateway"]);
        self.line(format!("permission: {permission}  # DEFAULT_PERMISSION_CLASSES"));
        self.throttle("throttle", &rest["throttle"], "");
        self.passwords();
        self.systems();
        self.line(
            "identity: { assertion: django }  # signed; the project verifies it, see the end",
        );
        self.line("# Not in Django, and on by default: `lockout` after failed logins, `auth_rate` on login pages.");
        self.line("");
        self.routes();
        self.line("");
        upstream_lines(project).lines().for_each(|line| self.line(format!("# {line}").trim_end()));
        let notes = std::mem::take(&mut self.notes);
        if !notes.is_empty() {
            self.line("\n# Not carried over:");
            notes.iter().for_each(|note| self.line(format!("# - {note}")));
        }
        Written { text: self.text, notes, variables: self.variables }
    }

    fn store(&mut self) {
        let database = &self.project["database"];
        let text = |key: &str| text_of(&database[key]);
        let vendor = text("vendor");
        self.line("store:");
        let url = match vendor {
            "sqlite" => format!("sqlite://{}", encoded(text("name"), "/")),
            _ => {
                let scheme = if vendor == "mysql" { "mysql" } else { "postgres" };
                let mut query = self.connection_options(vendor);
                let (host, port) = (text("host"), text("port"));
                let host = match host {
                    "" => "localhost",
                    socket if socket.starts_with('/') => {
                        let name = if vendor == "mysql" { "socket" } else { "host" };
                        query.push(format!("{name}={}", encoded(socket, "/")));
                        "localhost"
                    }
                    host => host,
                };
                let port = if port.is_empty() { String::new() } else { format!(":{port}") };
                let (user, name) = (encoded(text("user"), ""), encoded(text("name"), ""));
                let query =
                    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
                format!("{scheme}://{user}@{host}{port}/{name}{query}")
            }
        };
        self.line(format!("  url: {}  # Django's own database, used as it is", Value::from(url)));
        if database["password_set"] == true {
            let password = self.variable("DATABASE_PASSWORD".into(), "DATABASES' PASSWORD");
            self.line(format!("  password: {password}"));
        }
        let user = &self.project["user"];
        let (model, field) = (text_of(&user["model"]), text_of(&user["username_field"]));
        if text_of(&user["pk"]["type"]) != "integer" {
            self.notes
                .push(format!("{model} has a primary key that is no number: it cannot be read."));
        }
        if (model, field) != ("auth.User", "username") {
            self.line(format!("  user_model: {model}"));
            self.line(format!("  username_field: {field}"));
        }
    }

    /// What the project's connections ask of the database, in the words of the gateway's URLs.
    fn connection_options(&mut self, vendor: &str) -> Vec<String> {
        let mut query = Vec::new();
        let options = &self.project["database"]["options"];
        for (name, value) in options.as_object().into_iter().flatten() {
            let ours = match (vendor, name.as_str()) {
                ("postgresql", "sslmode" | "sslrootcert" | "options") => Some(name.as_str()),
                ("mysql", "unix_socket") => Some("socket"),
                ("mysql", "charset") => Some("charset"),
                _ => None,
            };
            match (ours, value.as_str()) {
                (Some(ours), Some(value)) => query.push(format!("{ours}={}", encoded(value, "/"))),
                _ => self.notes.push(format!("The database option {name} is not carried.")),
            }
        }
        query
    }

    fn proxies(&mut self) {
        let settings = &self.project["settings"];
        let proxied = !settings["SECURE_PROXY_SSL_HEADER"].is_null()
            || self.project["rest_framework"]["num_proxies"]
                .as_u64()
                .is_some_and(|count| count > 0);
        if proxied {
            self.line(
                "trusted_proxies: []  # the project is behind a proxy: list its network here",
            );
        }
    }

    fn throttle(&mut self, key: &str, throttle: &Value, indent: &str) {
        let entries = list(throttle).iter().map(|entry| &entry["gateway"]);
        let entries: Vec<String> = entries.filter(|e| !e.is_null()).map(yaml).collect();
        if !entries.is_empty() {
            self.line(format!("{indent}{key}: [{}]", entries.join(", ")));
        }
    }

    fn passwords(&mut self) {
        let passwords = &self.project["passwords"];
        let preferred = text_of(&passwords["preferred"]);
        let iterations = passwords["iterations"].as_u64();
        let mut entries = Vec::new();
        if !preferred.is_empty() && preferred != "pbkdf2_sha256" {
            entries.push(format!("preferred: {preferred}"));
        }
        if let Some(iterations) = iterations.filter(|n| *n != 1_000_000) {
            entries.push(format!("iterations: {iterations}"));
        }
        if !entries.is_empty() {
            self.line(format!("passwords: {{ {} }}", entries.join(", ")));
        }
    }

    /// `session`, `csrf`, `jwt`, `knox`.
    fn systems(&mut self) {
        let settings = &self.project["settings"];
        let proxy = text_of(&settings["SECURE_PROXY_SSL_HEADER"][0]);
        if !["", "HTTP_X_FORWARDED_PROTO"].contains(&proxy) {
            self.notes.push(format!(
                "SECURE_PROXY_SSL_HEADER is {proxy}: the gateway says it in X-Forwarded-Proto; name \
                 that in the project, or anybody can say it."
            ));
        }
        if settings["USE_X_FORWARDED_HOST"] == true {
            self.notes.push("USE_X_FORWARDED_HOST: the gateway goes by Host alone.".into());
        }
        let mut session = changed(settings, &SESSION, &mut self.notes);
        let engine = text_of(&settings["SESSION_ENGINE"]);
        let engine = engine.rsplit('.').next().unwrap_or_default();
        if ["cached_db", "signed_cookies"].contains(&engine) {
            session.push(format!("engine: {engine}"));
        }
        let backends = &settings["AUTHENTICATION_BACKENDS"];
        if *backends != serde_json::json!(["django.contrib.auth.backends.ModelBackend"]) {
            session.push(format!("backends: {backends}"));
        }
        self.map("session", &session);
        let mut csrf = changed(settings, &CSRF, &mut self.notes);
        let header = text_of(&settings["CSRF_HEADER_NAME"]);
        if let Some(name) = header.strip_prefix("HTTP_").filter(|name| *name != "X_CSRFTOKEN") {
            csrf.push(format!("header: {}", name.replace('_', "-")));
        }
        self.map("csrf", &csrf);
        let mut jwt = changed(&self.project["simple_jwt"], &JWT, &mut self.notes);
        let key = &self.project["simple_jwt"]["SIGNING_KEY"];
        if key["set"] == true && key["is_secret_key"] == false {
            let key = self.variable("JWT_SIGNING_KEY".into(), "SIMPLE_JWT's SIGNING_KEY");
            jwt.push(format!("signing_key: {key}"));
        }
        if let Some(pem) = self.project["simple_jwt"]["VERIFYING_KEY"].as_str() {
            jwt.push(format!("verifying_key: {}", Value::from(pem)));
        }
        let classes = list(&self.project["simple_jwt"]["AUTH_TOKEN_CLASSES"]);
        let kinds = classes.iter().filter_map(|class| match text_of(class).rsplit('.').next() {
            Some("AccessToken") => Some("access"),
            Some("SlidingToken") => Some("sliding"),
            _ => None,
        });
        let kinds: Vec<&str> = kinds.collect();
        if !kinds.is_empty() && kinds != ["access"] {
            jwt.push(format!("token_types: [{}]", kinds.join(", ")));
        }
        if list(&self.project["installed"]).iter().any(|app| app == "token_blacklist") {
            jwt.push("blacklist: true".into());
        }
        if self.chain(&self.project["rest_framework"]["authentication"]).1 {
            jwt.push("stateless: true".into());
        }
        if !self.project["simple_jwt"].is_null() {
            self.map("jwt", &jwt);
        }
        let mut knox = changed(&self.project["rest_knox"], &KNOX, &mut self.notes);
        if self.project["rest_knox"].get("TOKEN_TTL").is_some_and(Value::is_null) {
            knox.push("ttl: null".into());
        }
        self.map("knox", &knox);
    }

    fn map(&mut self, key: &str, entries: &[String]) {
        if entries.is_empty() {
            return;
        }
        self.line(format!("{key}:"));
        for entry in entries {
            self.line(format!("  {entry}"));
        }
    }

    fn routes(&mut self) {
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
            // Django's patterns are decoded, routes are as a browser sends them.
            let path = &*encoded(path, "/=");
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

    /// A chain, without what is not carried; and whether its tokens are believed without the store.
    fn chain(&self, classes: &Value) -> (String, bool) {
        let basic = self.passwords_are_rows();
        let mut stateless = false;
        let mut entries = Vec::new();
        for class in list(classes) {
            match &class["gateway"] {
                Value::Null => {}
                Value::String(word) if word == "basic" && !basic => {}
                Value::Object(map) if map.contains_key("basic") && !basic => {}
                Value::Object(map) if map.contains_key("jwt") => {
                    stateless = true;
                    entries.push("jwt".to_owned());
                }
                entry => entries.push(yaml(entry)),
            }
        }
        (format!("[{}]", entries.join(", ")), stateless)
    }

    /// Whether passwords are checked by Django's own backend and no other.
    fn passwords_are_rows(&self) -> bool {
        let backends = list(&self.project["settings"]["AUTHENTICATION_BACKENDS"]).iter();
        backends.map(text_of).all(|backend| backend == "django.contrib.auth.backends.ModelBackend")
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

/// What cannot be carried is asked by the project itself; here nobody is turned away for it.
fn rule(gateway: &Value) -> String {
    if gateway.is_null() { "anyone".into() } else { yaml(gateway) }
}

/// YAML is JSON with blanks after the colons, for people.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(word)
            if word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "_/-".contains(c)) =>
        {
            word.clone()
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", yaml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(yaml).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Percent-encoded but for letters, digits, `-._~` and these.
fn encoded(text: &str, plain: &str) -> String {
    let byte = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || "-._~".contains(c) || plain.contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Where the gateway's keys are; the project may have keys of its own at the usual place.
pub(super) fn jwks_path(project: &Value) -> &'static str {
    const USUAL: &str = "/.well-known/jwks.json";
    let paths = list(&project["urls"]).iter().filter_map(|url| url["path"].as_str());
    let taken = paths.map(|path| path.trim_start_matches('=')).any(|path| {
        path != "/" && (path == USUAL || USUAL.starts_with(path) && path.ends_with('/'))
    });
    if taken { "/.well-known/portcullis-jwks.json" } else { USUAL }
}
