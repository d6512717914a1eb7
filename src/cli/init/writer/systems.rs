//! What the schemes and their pages share: `passwords`, `session`, `csrf`, `jwt`, `knox`.
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use std::collections::BTreeSet;

use serde_json::Value;

use super::Writer;
use crate::cli::init::{
    list,
    settings::{CSRF, JWT, KNOX, SESSION, changed},
    text_of,
};

/// What `passwords.accept` is where the file does not say.
const ACCEPTED: [&str; 5] = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"];

impl Writer<'_> {
    pub(super) fn passwords(&mut self) {
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
        // The order says nothing here: only the first is written with.
        let accept: BTreeSet<&str> = list(&passwords["accept"]).iter().map(text_of).collect();
        if accept != BTreeSet::from(ACCEPTED) {
            let accept = accept.into_iter().collect::<Vec<_>>().join(", ");
            entries.push(format!("accept: [{accept}]"));
        }
        if !entries.is_empty() {
            self.line(format!("passwords: {{ {} }}", entries.join(", ")));
        }
    }

    /// `cors`: preflights carry no credential, and only the gateway can answer them.
    pub(super) fn cors(&mut self) {
        let settings = &self.project["settings"];
        if settings["CORS_ALLOW_METHODS"].is_null() {
            return;
        }
        if !list(&settings["CORS_ALLOWED_ORIGIN_REGEXES"]).is_empty() {
            self.notes.push(
                "CORS_ALLOWED_ORIGIN_REGEXES: list the origins in `cors.origins`; `*` stands for a \
                 name's first parts."
                    .into(),
            );
        }
        let all = settings["CORS_ALLOW_ALL_ORIGINS"] == true;
        let origins = if all { &Value::from(vec!["*"]) } else { &settings["CORS_ALLOWED_ORIGINS"] };
        let mut entries = vec![format!("origins: {origins}")];
        match (settings["CORS_ALLOW_CREDENTIALS"] == true, all) {
            (true, false) => entries.push("credentials: true".into()),
            (true, true) => self.notes.push(
                "CORS_ALLOW_CREDENTIALS with CORS_ALLOW_ALL_ORIGINS: any site could act as its \
                 visitor; list the origins."
                    .into(),
            ),
            (false, _) => {}
        }
        for (name, key) in [
            ("CORS_ALLOW_METHODS", "methods"),
            ("CORS_ALLOW_HEADERS", "headers"),
            ("CORS_EXPOSE_HEADERS", "expose"),
        ] {
            if !list(&settings[name]).is_empty() {
                entries.push(format!("{key}: {}", settings[name]));
            }
        }
        entries.push(format!("max_age: {}s", settings["CORS_PREFLIGHT_MAX_AGE"]));
        self.map("cors", &entries);
    }

    /// `session`, `csrf`, `jwt`, `knox`.
    pub(super) fn systems(&mut self) {
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
        if engine == "cached_db" {
            self.notes.push(
                "SESSION_ENGINE is cached_db: a session that ends at the gateway stays in Django's \
                 cache, and pages that Django decides about take it until it is forgotten there; with \
                 `db` it ends everywhere at once."
                    .into(),
            );
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
}
