//! What the schemes and their pages share: `passwords`, `session`, `csrf`, `jwt`, `knox`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Writer;
use crate::cli::init::{
    project::Settings,
    settings::{CSRF, JWT, KNOX, SESSION, changed},
};

/// What `passwords.accept` is where the file does not say.
const ACCEPTED: [&str; 5] = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"];

impl Writer<'_> {
    pub(super) fn passwords(&mut self) {
        let passwords = &self.project.passwords;
        let mut entries = Vec::new();
        if let Some(preferred) =
            passwords.preferred.as_ref().filter(|name| *name != "pbkdf2_sha256")
        {
            entries.push(format!("preferred: {preferred}"));
        }
        if let Some(iterations) = passwords.iterations.filter(|n| *n != 1_000_000) {
            entries.push(format!("iterations: {iterations}"));
        }
        // The order says nothing here: only the first is written with.
        let accept: BTreeSet<&str> = passwords.accept.iter().map(String::as_str).collect();
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
        let settings = &self.project.settings;
        if !settings.is_set("CORS_ALLOW_METHODS") {
            return;
        }
        if !settings.list("CORS_ALLOWED_ORIGIN_REGEXES").is_empty() {
            self.notes.push(
                "CORS_ALLOWED_ORIGIN_REGEXES: list the origins in `cors.origins`; `*` stands for a \
                 name's first parts."
                    .into(),
            );
        }
        let all = settings.is_true("CORS_ALLOW_ALL_ORIGINS");
        let any = [Value::from("*")];
        let origins = if all { &any } else { settings.list("CORS_ALLOWED_ORIGINS") };
        let origins = Value::from(origins);
        let mut entries = vec![format!("origins: {origins}")];
        match (settings.is_true("CORS_ALLOW_CREDENTIALS"), all) {
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
            let words = settings.list(name);
            if !words.is_empty() {
                entries.push(format!("{key}: {}", Value::from(words)));
            }
        }
        let max_age = settings.get("CORS_PREFLIGHT_MAX_AGE").unwrap_or(&Value::Null);
        entries.push(format!("max_age: {max_age}s"));
        self.map("cors", &entries);
    }

    /// `session`, `csrf`, `jwt`, `knox`.
    pub(super) fn systems(&mut self) {
        let settings = &self.project.settings;
        let proxy = settings.texts("SECURE_PROXY_SSL_HEADER").next().unwrap_or_default();
        if !["", "HTTP_X_FORWARDED_PROTO"].contains(&proxy) {
            self.notes.push(format!(
                "SECURE_PROXY_SSL_HEADER is {proxy}: the gateway says it in X-Forwarded-Proto; name \
                 that in the project, or anybody can say it."
            ));
        }
        if settings.is_true("USE_X_FORWARDED_HOST") {
            self.notes.push("USE_X_FORWARDED_HOST: the gateway goes by Host alone.".into());
        }
        let mut session = changed(settings, &SESSION, &mut self.notes);
        let engine = settings.text("SESSION_ENGINE");
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
        let backends = settings.list("AUTHENTICATION_BACKENDS");
        if *backends != ["django.contrib.auth.backends.ModelBackend"] {
            session.push(format!("backends: {}", Value::from(backends)));
        }
        self.map("session", &session);
        let mut csrf = changed(settings, &CSRF, &mut self.notes);
        let header = settings.text("CSRF_HEADER_NAME");
        if let Some(name) = header.strip_prefix("HTTP_").filter(|name| *name != "X_CSRFTOKEN") {
            csrf.push(format!("header: {}", name.replace('_', "-")));
        }
        self.map("csrf", &csrf);
        if let Some(settings) = &self.project.simple_jwt {
            self.jwt(settings);
        }
        if let Some(settings) = &self.project.rest_knox {
            let mut knox = changed(settings, &KNOX, &mut self.notes);
            if settings.get("TOKEN_TTL").is_some_and(Value::is_null) {
                knox.push("ttl: null".into());
            }
            self.map("knox", &knox);
        }
    }

    fn jwt(&mut self, settings: &Settings) {
        let mut jwt = changed(settings, &JWT, &mut self.notes);
        let key = settings.get("SIGNING_KEY").and_then(Value::as_object);
        let says =
            |name: &str, truth: bool| key.and_then(|key| key.get(name)) == Some(&truth.into());
        if says("set", true) && says("is_secret_key", false) {
            let key = self.variable("JWT_SIGNING_KEY".into(), "SIMPLE_JWT's SIGNING_KEY");
            jwt.push(format!("signing_key: {key}"));
        }
        if let Some(pem) = settings.get("VERIFYING_KEY").filter(|key| key.is_string()) {
            jwt.push(format!("verifying_key: {pem}"));
        }
        let classes = settings.texts("AUTH_TOKEN_CLASSES");
        let kinds = classes.filter_map(|class| match class.rsplit('.').next() {
            Some("AccessToken") => Some("access"),
            Some("SlidingToken") => Some("sliding"),
            _ => None,
        });
        let kinds: Vec<&str> = kinds.collect();
        if !kinds.is_empty() && kinds != ["access"] {
            jwt.push(format!("token_types: [{}]", kinds.join(", ")));
        }
        if self.project.installed.contains("token_blacklist") {
            jwt.push("blacklist: true".into());
        }
        if self.chain(&self.project.rest_framework.authentication).1 {
            jwt.push("stateless: true".into());
        }
        self.map("jwt", &jwt);
    }
}
