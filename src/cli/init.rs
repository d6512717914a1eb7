//! `portcullis init --django`: asks a Django project what it does, in its own Python, and writes a
//! configuration that keeps it; what cannot be kept is said, not guessed.
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project's manage.py.
    #[arg(long, value_name = "MANAGE.PY")]
    django: PathBuf,
    /// The project's own Python; a virtual environment beside manage.py is found.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where the project serves.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    upstream: String,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// Runs in the project's Python, which alone can read its settings.
const SCRIPT: &str = include_str!("django_settings.py");

pub(super) fn init(config: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    if config.exists() && !arguments.force {
        bail!("there is a {}; name another with --config, or use --force", config.display());
    }
    let project = ask(arguments)?;
    let text = Writer::new(&project, &arguments.upstream).document();
    std::fs::write(config, text)
        .with_context(|| format!("{} cannot be written", config.display()))?;
    println!("Wrote {} from {}.", config.display(), text_of(&project["settings_module"]));
    let notes = list(&project["not_carried"]);
    if !notes.is_empty() {
        println!("\nWhat could not be carried over:");
        for note in notes {
            println!("  - {}", text_of(note));
        }
    }
    println!("\n{}", upstream_lines(&project));
    println!(
        "Then: export DJANGO_SECRET_KEY (and DATABASE_PASSWORD where the file names it), and\n  \
         portcullis check --config {0}\n  portcullis run --config {0}\n  portcullis doctor --config {0}",
        config.display()
    );
    Ok(())
}

fn ask(arguments: &Arguments) -> anyhow::Result<Value> {
    if !arguments.django.is_file() {
        bail!("there is no {}", arguments.django.display());
    }
    let python = arguments.python.clone().unwrap_or_else(|| python_of(&arguments.django));
    let mut child = Command::new(&python)
        .arg("-")
        .arg(&arguments.django)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("{} cannot be run; name another with --python", python.display())
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(SCRIPT.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("the project could not be read by {} (see above)", python.display());
    }
    serde_json::from_slice(&done.stdout)
        .context("the project printed something else than its settings")
}

/// The interpreter of the active environment, of one beside manage.py, or the system's.
fn python_of(manage: &Path) -> PathBuf {
    let folder = manage.parent().unwrap_or(Path::new("."));
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let beside = [".venv", "venv", "env"].map(|name| folder.join(name));
    let mut environments = active.into_iter().chain(beside).map(|folder| folder.join("bin/python"));
    environments.find(|python| python.exists()).unwrap_or_else(|| "python3".into())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Writes the file, top-down; only what differs from the gateway's defaults, which are Django's.
struct Writer<'a> {
    project: &'a Value,
    upstream: &'a str,
    text: String,
    /// What the file says must be done by hand.
    notes: Vec<String>,
}

/// A setting of Django's, its name here, how its value is written, and the default of both, which
/// is left out.
type Setting = (&'static str, &'static str, fn(&Value) -> Option<String>, &'static str);

const SESSION: [Setting; 10] = [
    ("SESSION_COOKIE_NAME", "cookie", quoted, "\"sessionid\""),
    ("SESSION_COOKIE_AGE", "age", seconds, "14d"),
    ("SESSION_COOKIE_DOMAIN", "domain", quoted, ""),
    ("SESSION_COOKIE_PATH", "path", quoted, "\"/\""),
    ("SESSION_COOKIE_SECURE", "secure", flag, "false"),
    ("SESSION_COOKIE_HTTPONLY", "http_only", flag, "true"),
    ("SESSION_COOKIE_SAMESITE", "same_site", same_site, "lax"),
    ("SESSION_EXPIRE_AT_BROWSER_CLOSE", "expire_at_browser_close", flag, "false"),
    ("LOGIN_REDIRECT_URL", "login_redirect", quoted, "\"/accounts/profile/\""),
    ("LOGOUT_REDIRECT_URL", "logout_redirect", quoted, ""),
];

const CSRF: [Setting; 9] = [
    ("CSRF_COOKIE_NAME", "cookie", quoted, "\"csrftoken\""),
    ("CSRF_COOKIE_AGE", "age", seconds, "364d"),
    ("CSRF_COOKIE_DOMAIN", "domain", quoted, ""),
    ("CSRF_COOKIE_PATH", "path", quoted, "\"/\""),
    ("CSRF_COOKIE_SECURE", "secure", flag, "false"),
    ("CSRF_COOKIE_HTTPONLY", "http_only", flag, "false"),
    ("CSRF_COOKIE_SAMESITE", "same_site", same_site, "lax"),
    ("CSRF_TRUSTED_ORIGINS", "trusted_origins", words, ""),
    ("CSRF_USE_SESSIONS", "use_sessions", flag, "false"),
];

const JWT: [Setting; 18] = [
    ("ALGORITHM", "algorithm", quoted, "\"HS256\""),
    ("JWK_URL", "jwks", quoted, ""),
    ("ACCESS_TOKEN_LIFETIME", "access_lifetime", seconds, "5m"),
    ("REFRESH_TOKEN_LIFETIME", "refresh_lifetime", seconds, "1d"),
    ("SLIDING_TOKEN_LIFETIME", "sliding_lifetime", seconds, "5m"),
    ("SLIDING_TOKEN_REFRESH_LIFETIME", "sliding_refresh_lifetime", seconds, "1d"),
    ("ROTATE_REFRESH_TOKENS", "rotate_refresh_tokens", flag, "false"),
    ("BLACKLIST_AFTER_ROTATION", "blacklist_after_rotation", flag, "false"),
    ("UPDATE_LAST_LOGIN", "update_last_login", flag, "false"),
    ("AUDIENCE", "audience", quoted, ""),
    ("ISSUER", "issuer", quoted, ""),
    ("LEEWAY", "leeway", seconds, "0ms"),
    ("AUTH_HEADER_TYPES", "keywords", words, "[\"Bearer\"]"),
    ("USER_ID_FIELD", "user_id_field", quoted, "\"id\""),
    ("USER_ID_CLAIM", "user_id_claim", quoted, "\"user_id\""),
    ("CHECK_USER_IS_ACTIVE", "check_user_is_active", flag, "true"),
    ("CHECK_REVOKE_TOKEN", "check_revoke_token", flag, "false"),
    ("REVOKE_TOKEN_CLAIM", "revoke_token_claim", quoted, "\"hash_password\""),
];

const KNOX: [Setting; 8] = [
    ("TOKEN_TTL", "ttl", seconds, "10h"),
    ("AUTH_HEADER_PREFIX", "keyword", quoted, "\"Token\""),
    ("TOKEN_PREFIX", "token_prefix", quoted, "\"\""),
    ("AUTH_TOKEN_CHARACTER_LENGTH", "token_length", number, "64"),
    ("TOKEN_LIMIT_PER_USER", "limit_per_user", number, ""),
    ("AUTO_REFRESH", "auto_refresh", flag, "false"),
    ("MIN_REFRESH_INTERVAL", "min_refresh_interval", seconds, "1m"),
    ("AUTO_REFRESH_MAX_TTL", "auto_refresh_max_ttl", seconds, ""),
];

/// As a YAML text in quotes, which JSON's are.
fn quoted(value: &Value) -> Option<String> {
    value.as_str().map(|text| Value::from(text).to_string())
}

fn seconds(value: &Value) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
    let whole = seconds as u64;
    Some(crate::value::Period::seconds(whole).to_string())
}

fn flag(value: &Value) -> Option<String> {
    value.as_bool().map(|flag| flag.to_string())
}

fn number(value: &Value) -> Option<String> {
    value.as_u64().map(|number| number.to_string())
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(_) => Some(format!("[{value}]")),
        Value::Array(list) if !list.is_empty() => Some(value.to_string()),
        _ => None,
    }
}

fn same_site(value: &Value) -> Option<String> {
    match value {
        Value::Bool(false) => Some("false".into()),
        Value::String(word) => Some(word.to_lowercase()),
        _ => None,
    }
}

impl<'a> Writer<'a> {
    fn new(project: &'a Value, upstream: &'a str) -> Self {
        Self { project, upstream, text: String::new(), notes: Vec::new() }
    }

    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn document(mut self) -> String {
        let project = self.project;
        let module = text_of(&project["settings_module"]);
        self.line(format!(
            "# Made by `portcullis init` from {module}; what could not be carried over"
        ));
        self.line("# stands at the end.");
        self.line("listen: 127.0.0.1:8080");
        self.store();
        self.line("secret_key: ${DJANGO_SECRET_KEY}");
        if let Some(count @ 1..) = project["secret_key"]["fallbacks"].as_u64() {
            let names: Vec<String> =
                (1..=count).map(|n| format!("\"${{DJANGO_SECRET_KEY_FALLBACK_{n}}}\"")).collect();
            self.line(format!("secret_key_fallbacks: [{}]", names.join(", ")));
        }
        self.proxies();
        self.line("");
        let rest = &project["rest_framework"];
        let chain = chain(&rest["authentication"]);
        self.line(format!("authentication: {}  # DEFAULT_AUTHENTICATION_CLASSES", chain.0));
        let permission = rule(&rest["permission"]["gateway"]);
        self.line(format!("permission: {permission}  # DEFAULT_PERMISSION_CLASSES"));
        self.throttle("throttle", &rest["throttle"], "");
        self.passwords();
        self.systems();
        self.line(
            "identity: { assertion: django }  # signed; the lines below let the project verify it",
        );
        self.line("");
        self.routes();
        let notes: Vec<&str> = list(&project["not_carried"]).iter().map(text_of).collect();
        let own = std::mem::take(&mut self.notes);
        if !notes.is_empty() || !own.is_empty() {
            self.line("\n# Not carried over:");
            for note in notes.into_iter().chain(own.iter().map(String::as_str)) {
                self.line(format!("# - {note}"));
            }
        }
        self.text
    }

    fn store(&mut self) {
        let database = &self.project["database"];
        let text = |key: &str| text_of(&database[key]);
        let (name, host, port) = (text("name"), text("host"), text("port"));
        let password = match database["password_set"].as_bool() {
            Some(true) => ":${DATABASE_PASSWORD}",
            _ => "",
        };
        let host = if host.is_empty() { "localhost" } else { host };
        let (address, socket) = match host.starts_with('/') {
            true => ("localhost", format!("?host={host}")),
            false => (host, String::new()),
        };
        let port = if port.is_empty() { String::new() } else { format!(":{port}") };
        let user = text("user");
        let url = match text("vendor") {
            "sqlite" => format!("sqlite://{name}"),
            "mysql" => format!("mysql://{user}{password}@{address}{port}/{name}{socket}"),
            _ => format!("postgres://{user}{password}@{address}{port}/{name}{socket}"),
        };
        let user = &self.project["user"];
        let (model, field) = (text_of(&user["model"]), text_of(&user["username_field"]));
        if text_of(&user["pk"]["type"]) != "integer" {
            self.notes
                .push(format!("{model} has a primary key that is no number: it cannot be read."));
        }
        if (model, field) == ("auth.User", "username") {
            return self.line(format!("store: \"{url}\"  # Django's own database, used as it is"));
        }
        self.line("store:");
        self.line(format!("  url: \"{url}\"  # Django's own database, used as it is"));
        self.line(format!("  user_model: {model}"));
        self.line(format!("  username_field: {field}"));
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
        let entries: Vec<String> = entries.filter(|e| !e.is_null()).map(Value::to_string).collect();
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
        let mut session = changed(settings, &SESSION);
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
        let mut csrf = changed(settings, &CSRF);
        let header = text_of(&settings["CSRF_HEADER_NAME"]);
        if let Some(name) = header.strip_prefix("HTTP_").filter(|name| *name != "X_CSRFTOKEN") {
            csrf.push(format!("header: {}", name.replace('_', "-")));
        }
        self.map("csrf", &csrf);
        let mut jwt = changed(&self.project["simple_jwt"], &JWT);
        let key = &self.project["simple_jwt"]["SIGNING_KEY"];
        if key["set"] == true && key["is_secret_key"] == false {
            jwt.push("signing_key: ${JWT_SIGNING_KEY}".into());
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
        if chain(&self.project["rest_framework"]["authentication"]).1 {
            jwt.push("stateless: true".into());
        }
        if !self.project["simple_jwt"].is_null() {
            self.map("jwt", &jwt);
        }
        let mut knox = changed(&self.project["rest_knox"], &KNOX);
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
        self.line("  - { path: /.well-known/jwks.json, endpoint: jwks }");
        let mut seen: Vec<&str> = Vec::new();
        for url in list(&self.project["urls"]) {
            let (Some(path), kind) = (url["path"].as_str(), text_of(&url["kind"])) else {
                continue;
            };
            let rules = ["authentication", "permission", "throttle"];
            let differs = rules.iter().any(|key| url.get(*key).is_some());
            let endpoint = &url["endpoint"];
            if endpoint.is_null() && kind == "drf" && !differs || path == "/" || path == "=/" {
                continue;
            }
            if seen.contains(&path) {
                self.notes.push(format!("{path} has several views: the first one's rules hold."));
                continue;
            }
            seen.push(path);
            self.line(format!("  - path: {}", Value::from(path)));
            if !endpoint.is_null() {
                self.line(format!("    endpoint: {}", yaml(endpoint)));
                continue;
            }
            match kind {
                // Pages of Django's own know by Django's session who is there, and say so themselves.
                "django" | "admin" => {
                    self.line("    authentication: []");
                    self.line("    permission: anyone");
                }
                _ => {
                    if let Some(classes) = url.get("authentication") {
                        self.line(format!("    authentication: {}", chain(classes).0));
                    }
                    if let Some(permission) = url.get("permission") {
                        self.line(format!("    permission: {}", rule(&permission["gateway"])));
                    }
                    if let Some(throttle) = url.get("throttle") {
                        self.throttle("throttle", throttle, "    ");
                    }
                }
            }
            self.line(format!("    upstream: {upstream}"));
        }
        self.line(format!("  - {{ path: /, upstream: {upstream} }}"));
    }
}

/// The settings whose values are not the gateway's defaults.
fn changed(settings: &Value, table: &[Setting]) -> Vec<String> {
    let mut entries = Vec::new();
    for (theirs, ours, write, default) in table {
        if let Some(value) = settings.get(*theirs).and_then(write).filter(|v| v != default) {
            entries.push(format!("{ours}: {value}"));
        }
    }
    entries
}

/// A chain, without what is not carried; and whether its tokens are believed without the store.
fn chain(classes: &Value) -> (String, bool) {
    let mut stateless = false;
    let mut entries = Vec::new();
    for class in list(classes) {
        match &class["gateway"] {
            Value::Null => {}
            Value::Object(map) if map.contains_key("jwt") => {
                stateless = true;
                entries.push("jwt".to_owned());
            }
            entry => entries.push(yaml(entry)),
        }
    }
    (format!("[{}]", entries.join(", ")), stateless)
}

/// What cannot be carried is asked by the project itself; here nobody is turned away for it.
fn rule(gateway: &Value) -> String {
    if gateway.is_null() { "anyone".into() } else { yaml(gateway) }
}

/// YAML is JSON with blanks after the colons, for people.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(word) if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
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

/// What the project has to add, so that it believes the gateway and nobody else.
fn upstream_lines(project: &Value) -> String {
    let pages = list(&project["urls"]).iter();
    let pages = pages.filter(|url| ["django", "admin"].contains(&text_of(&url["kind"]))).count();
    let keeps = match pages {
        0 => "    # No page of Django's own needs its session any more.\n",
        _ => "    \"SET_USER\": False,  # the project's own pages keep Django's sessions\n",
    };
    let own: Vec<&str> = list(&project["urls"])
        .iter()
        .filter(|url| url.get("authentication").is_some() && url["endpoint"].is_null())
        .map(|url| text_of(&url["view"]))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let views = match own.is_empty() {
        true => String::new(),
        false => format!(
            "\nand take `authentication_classes` out of these views, whose routes say it now:\n  {}\n",
            own.join("\n  ")
        ),
    };
    format!(
        "What the project needs (deploy/django has the package and the reasons):\n\n  \
         MIDDLEWARE = [\"portcullis_django.middleware.PortcullisMiddleware\", *MIDDLEWARE]\n  \
         AUTHENTICATION_BACKENDS = [\"portcullis_django.backend.PortcullisBackend\", *AUTHENTICATION_BACKENDS]\n  \
         REST_FRAMEWORK[\"DEFAULT_AUTHENTICATION_CLASSES\"] = [\n      \
         \"portcullis_django.authentication.PortcullisAuthentication\"]\n  \
         PORTCULLIS = {{\n    \"JWKS_URL\": \"http://127.0.0.1:8080/.well-known/jwks.json\",\n    \
         \"ISSUER\": \"portcullis\",\n    \"AUDIENCE\": \"django\",\n{keeps}  }}\n{views}"
    )
}
