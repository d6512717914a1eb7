//! What the schemes and their pages share: `passwords`, `cors`, and the maps of packages.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Writer;
use crate::cli::init::project::Group;
use crate::package::{Holder, Importer, PACKAGES};

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
        let all = settings.is_true("CORS_ALLOW_ALL_ORIGINS");
        let paths = paths_of(settings.text("CORS_URLS_REGEX"));
        let why = if !settings.list("CORS_ALLOWED_ORIGIN_REGEXES").is_empty() {
            "CORS_ALLOWED_ORIGIN_REGEXES is set"
        } else if settings.is_true("CORS_BY_SIGNAL") {
            "a receiver of check_request_enabled has a say"
        } else if paths.is_none() {
            "CORS_URLS_REGEX is set"
        } else if all && settings.is_true("CORS_ALLOW_CREDENTIALS") {
            "any site could act as its visitor"
        } else if let Some(why) = self.project.left.get("cors") {
            why
        } else {
            ""
        };
        if !why.is_empty() {
            return self.note_about(
                Group::Do,
                "CORS is not carried, so the gateway's refusals cannot be read by pages of other \
                 origins, and preflights of guarded paths are refused: list the origins in \
                 `cors.origins` (`https://*.example.com`)",
                why,
            );
        }
        let any = [Value::from("*")];
        let origins = if all { &any } else { settings.list("CORS_ALLOWED_ORIGINS") };
        let origins = Value::from(origins);
        let mut entries = vec![format!("origins: {origins}")];
        if settings.is_true("CORS_ALLOW_CREDENTIALS") {
            entries.push("credentials: true".into());
        }
        if let Some(path) = paths.filter(|path| !path.is_empty()) {
            entries.push(format!("paths: [{}]", Value::from(path)));
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

    /// What Django says about the proxy in front of it.
    pub(super) fn forwarded_headers(&mut self) {
        let settings = &self.project.settings;
        let proxy = settings.texts("SECURE_PROXY_SSL_HEADER").next().unwrap_or_default();
        if !["", "HTTP_X_FORWARDED_PROTO"].contains(&proxy) {
            let text = format!(
                "SECURE_PROXY_SSL_HEADER is {proxy}: the gateway says it in X-Forwarded-Proto; name \
                 that in the project, or any client can say it"
            );
            self.note(Group::Do, &text);
        }
        if settings.is_true("USE_X_FORWARDED_HOST") {
            self.note(Group::Information, "USE_X_FORWARDED_HOST: the gateway goes by Host alone");
        }
    }

    /// The maps of packages that are in use.
    pub(super) fn packages(&mut self) {
        let project = self.project;
        let classes = &project.rest_framework.authentication;
        let classes = classes.iter().filter_map(|class| class.base.as_deref()).collect();
        for imported in PACKAGES.iter().flat_map(|package| package.import.settings) {
            let settings = match imported.holder {
                Holder::Project { .. } => Some(&project.settings),
                Holder::Dictionary { name, .. } => {
                    project.packages.get(name).and_then(Option::as_ref)
                }
            };
            let Some(settings) = settings.filter(|_| !project.left.contains_key(imported.map))
            else {
                continue;
            };
            let mut importer = Importer::new(settings, &project.installed, &classes);
            importer.write(imported);
            for text in std::mem::take(&mut importer.notes) {
                self.note(Group::Differs, &text);
            }
            self.variables.append(&mut importer.variables);
            self.map(imported.map, &importer.entries);
        }
    }
}

/// `CORS_URLS_REGEX` as a prefix: empty for all paths, none where it is something else.
fn paths_of(regex: &str) -> Option<&str> {
    let text = regex.strip_prefix('^').unwrap_or(regex);
    let text = text.strip_suffix('$').unwrap_or(text);
    let text = text.strip_suffix(".*").unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
    let prefix = regex.starts_with("^/") && text.ends_with('/') && text.bytes().all(plain);
    (text.is_empty() || prefix).then_some(text)
}
