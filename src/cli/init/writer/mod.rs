//! Writes the file, top-down; only what differs from the gateway's defaults, which are Django's.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::Value;

pub(super) use self::routes::jwks_path;

use super::{
    project::{Class, Permission, Project, Throttle},
    upstream::upstream_lines,
};
use crate::value::RESERVED;

mod routes;
mod store;
mod systems;
mod user_model;

/// A file in the making.
pub(super) struct Writer<'a> {
    project: &'a Project,
    upstream: &'a str,
    /// The configuration's file.
    file: &'a Path,
    text: String,
    notes: Vec<String>,
    variables: Vec<(String, &'static str)>,
}

/// A file that was written.
pub(super) struct Written {
    /// Its text.
    pub(super) text: String,
    /// Translations, and the name of their file.
    pub(super) messages: Option<(PathBuf, String)>,
    /// What could not be carried over.
    pub(super) notes: Vec<String>,
    /// The environment variables that it names, and what each has to hold.
    pub(super) variables: Vec<(String, &'static str)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(project: &'a Project, upstream: &'a str, file: &'a Path) -> Self {
        let notes = project.not_carried.clone();
        Self { project, upstream, file, text: String::new(), notes, variables: Vec::new() }
    }

    /// `${NAME}`, noted for the report, which says what has to be set.
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
        let module = &project.settings_module;
        self.line(format!(
            "# Made by `portcullis init` from {module}. What the project needs, and what"
        ));
        self.line("# could not be carried over, stands at the end.");
        self.line("listen: 127.0.0.1:8080");
        self.store();
        let key = self.variable("DJANGO_SECRET_KEY".into(), "SECRET_KEY");
        self.line(format!("secret_key: {key}"));
        if let count @ 1.. = project.secret_key.fallbacks {
            let name = |n| format!("DJANGO_SECRET_KEY_FALLBACK_{n}");
            let keys: Vec<String> = (1..=count)
                .map(|n| format!("\"{}\"", self.variable(name(n), "of SECRET_KEY_FALLBACKS")))
                .collect();
            self.line(format!("secret_key_fallbacks: [{}]", keys.join(", ")));
        }
        self.proxies();
        self.line("");
        let rest = &project.rest_framework;
        let chain = self.chain(&rest.authentication);
        if !self.passwords_are_rows() {
            self.notes.push(
                "BASIC IS LEFT OUT: another backend of AUTHENTICATION_BACKENDS has a say in who may \
                 log in with a password, and the gateway knows only the row's."
                    .into(),
            );
        }
        self.line(format!("authentication: {chain}  # DEFAULT_AUTHENTICATION_CLASSES"));
        let permission = rule(&rest.permission);
        self.line(format!("permission: {permission}  # DEFAULT_PERMISSION_CLASSES"));
        self.throttle("throttle", &rest.throttle, "");
        self.passwords();
        let messages = self.language();
        self.forwarded_headers();
        self.packages();
        self.cors();
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
        Written { text: self.text, messages, notes, variables: self.variables }
    }

    fn proxies(&mut self) {
        let proxied = self.project.settings.is_set("SECURE_PROXY_SSL_HEADER")
            || self.project.rest_framework.num_proxies.is_some_and(|count| count > 0);
        if proxied {
            self.line(
                "trusted_proxies: []  # the project is behind a proxy: list its network here",
            );
            self.notes.push(
                "The project is behind a proxy: LIST ITS NETWORK IN `trusted_proxies`, or all clients \
                 are one to limits and lockout, and https is not seen."
                    .into(),
            );
        }
    }

    /// `language`, and the translations that stand in a file beside this one.
    fn language(&mut self) -> Option<(PathBuf, String)> {
        let settings = &self.project.settings;
        let languages = self.project.languages.as_ref()?;
        let file = self.file.with_extension("messages.yaml");
        self.line("language:");
        self.line(format!("  code: {}", settings.text("LANGUAGE_CODE")));
        if self.project.has_middleware("django.middleware.locale.LocaleMiddleware") {
            self.line("  negotiate: true  # LocaleMiddleware");
        }
        let cookie = settings.text("LANGUAGE_COOKIE_NAME");
        if cookie != "django_language" {
            self.line(format!("  cookie: {cookie}"));
        }
        self.line(format!("  messages: {}", Value::from(file.display().to_string())));
        // JSON is YAML, and each language is a line.
        let lines: Vec<String> = languages
            .iter()
            .map(|(code, told)| format!("{}: {told}", Value::from(&**code)))
            .collect();
        Some((file, format!("# Made by `portcullis init`.\n{}\n", lines.join("\n"))))
    }

    fn throttle(&mut self, key: &str, throttle: &[Throttle], indent: &str) {
        let entries = throttle.iter().filter_map(|entry| entry.gateway.as_ref());
        let entries: Vec<String> = entries.map(yaml).collect();
        if !entries.is_empty() {
            self.line(format!("{indent}{key}: [{}]", entries.join(", ")));
        }
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

    /// A chain, without what is not carried.
    fn chain(&self, classes: &[Class]) -> String {
        let rows = self.passwords_are_rows();
        let takes_password =
            |class: &Class| class.known().is_some_and(|known| known.takes_password);
        let carried = classes.iter().filter(|class| rows || !takes_password(class));
        let entries: Vec<String> =
            carried.filter_map(|class| class.gateway.as_ref()).map(yaml).collect();
        format!("[{}]", entries.join(", "))
    }

    /// Whether passwords are checked by Django's own backend and no other.
    fn passwords_are_rows(&self) -> bool {
        let mut backends = self.project.settings.list("AUTHENTICATION_BACKENDS").iter();
        backends.all(|backend| backend == "django.contrib.auth.backends.ModelBackend")
    }
}

/// What cannot be carried is asked by the project itself; the gateway refuses no request for it.
fn rule(permission: &Permission) -> String {
    permission.gateway.as_ref().map_or("anyone".into(), yaml)
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

/// Percent-encoded, as what is between two slashes.
fn segment(text: &str) -> impl Display {
    utf8_percent_encode(text, &RESERVED)
}

/// Percent-encoded, as a path.
fn path(text: &str) -> impl Display {
    const PATH: AsciiSet = RESERVED.remove(b'/');
    utf8_percent_encode(text, &PATH)
}
