//! Writes the file, top-down; only what differs from the gateway's defaults, which are Django's.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::Value;

pub(super) use self::routes::jwks_path;

use super::{
    project::{Class, Group, Note, Project, Throttle, note_about},
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
    notes: Vec<Note>,
    variables: Vec<(String, &'static str)>,
    /// What the whole file says: chain, permission, throttles.
    top: (String, String, String),
    /// Whether that is nothing.
    open_by_default: bool,
    /// Views that refuse strangers, and how many of them are judged here.
    guarded: usize,
    judged: usize,
    /// The path of one of these that answers GET.
    telling: Option<String>,
}

/// A file that was written.
pub(super) struct Written {
    /// Its text.
    pub(super) text: String,
    /// Translations, and the name of their file.
    pub(super) messages: Option<(PathBuf, String)>,
    /// What a person has to know.
    pub(super) notes: Vec<Note>,
    /// Views that refuse strangers, and how many of them the gateway judges itself.
    pub(super) guarded: (usize, usize),
    /// A path that needs an authenticated caller, for the doctor.
    pub(super) telling: Option<String>,
    /// The environment variables that it names, and what each has to hold.
    pub(super) variables: Vec<(String, &'static str)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(project: &'a Project, upstream: &'a str, file: &'a Path) -> Self {
        let mut writer = Self {
            project,
            upstream,
            file,
            text: String::new(),
            notes: project.notes.clone(),
            variables: Vec::new(),
            top: Default::default(),
            open_by_default: false,
            guarded: 0,
            judged: 0,
            telling: None,
        };
        let rest = &project.rest_framework;
        writer.top = match writer.chain(&rest.authentication) {
            Some(chain) => {
                let permission = rest.permission.gateway.as_ref().map_or("anyone".into(), yaml);
                (chain, permission, writer.throttle(&rest.throttle))
            }
            // Half of it would be another policy.
            None => ("[]".into(), "anyone".into(), "[]".into()),
        };
        let (chain, permission, throttle) = &writer.top;
        writer.open_by_default = chain == "[]" && permission == "anyone" && throttle == "[]";
        writer
    }

    fn note(&mut self, group: Group, text: &str) {
        self.notes.push(Note { group, text: text.to_owned(), about: Vec::new() });
    }

    fn note_about(&mut self, group: Group, text: &str, about: &str) {
        note_about(&mut self.notes, group, text, about);
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
        self.secret_key();
        self.proxies();
        self.line("");
        let (chain, permission, throttle) = self.top.clone();
        self.line(format!("authentication: {chain}  # DEFAULT_AUTHENTICATION_CLASSES"));
        self.line(format!("permission: {permission}  # DEFAULT_PERMISSION_CLASSES"));
        if throttle != "[]" {
            self.line(format!("throttle: {throttle}"));
        }
        self.passwords();
        let messages = self.language();
        self.forwarded_headers();
        self.packages();
        self.cors();
        if project.rest_framework.json_alone {
            self.line(
                "browsable_api: false  # DEFAULT_RENDERER_CLASSES has no BrowsableAPIRenderer",
            );
        }
        if !project.settings.is_true("SERVES_ASGI") {
            self.line("buffer: true  # WSGI servers read bodies by their length");
        }
        self.line(
            "identity: { assertion: django }  # signed; the project verifies it, see the end",
        );
        self.line("# Not in Django, and on by default: `lockout` after failed logins, `auth_rate` on login pages.");
        self.line("");
        self.routes();
        self.line("");
        upstream_lines(project).lines().for_each(|line| self.line(format!("# {line}").trim_end()));
        let mut notes = std::mem::take(&mut self.notes);
        notes.sort_by_key(|note| note.group);
        let mut group = None;
        for note in &notes {
            if group != Some(note.group) {
                self.line(format!("#\n# {}:", note.group.title()));
                group = Some(note.group);
            }
            note.lines(usize::MAX).iter().for_each(|line| self.line(format!("# {line}")));
        }
        let guarded = (self.guarded, self.judged);
        let (text, telling, variables) = (self.text, self.telling, self.variables);
        Written { text, messages, notes, guarded, telling, variables }
    }

    fn secret_key(&mut self) {
        let key = &self.project.secret_key;
        if key.short {
            self.note(
                Group::Do,
                "SECRET_KEY is so short that it can be guessed: nothing that it signs is taken here. Make a \
                 new one of 50 random characters, and run `init` again",
            );
        } else {
            let written = self.variable("DJANGO_SECRET_KEY".into(), "SECRET_KEY");
            self.line(format!("secret_key: {written}"));
        }
        let mut keys = Vec::new();
        for (number, short) in (1..).zip(&key.short_fallbacks) {
            if *short {
                self.note(
                    Group::Refused,
                    "A key of SECRET_KEY_FALLBACKS is so short that it can be guessed: what it has signed is \
                     refused here",
                );
            } else if !key.short {
                let name = format!("DJANGO_SECRET_KEY_FALLBACK_{number}");
                keys.push(format!("\"{}\"", self.variable(name, "of SECRET_KEY_FALLBACKS")));
            }
        }
        if !keys.is_empty() {
            self.line(format!("secret_key_fallbacks: [{}]", keys.join(", ")));
        }
    }

    fn proxies(&mut self) {
        let proxied = self.project.settings.is_set("SECURE_PROXY_SSL_HEADER")
            || self.project.rest_framework.num_proxies.is_some_and(|count| count > 0);
        if proxied {
            self.line(
                "trusted_proxies: []  # the project is behind a proxy: list its network here",
            );
            self.note(
                Group::Do,
                "The project is behind a proxy: list its network in `trusted_proxies`, or all clients \
                 are one to limits and lockout, and https is not seen",
            );
        }
    }

    /// `language`, and the translations that stand in a file beside this one.
    fn language(&mut self) -> Option<(PathBuf, String)> {
        let settings = &self.project.settings;
        let languages = self.project.languages.as_ref()?;
        let file = self.file.with_extension("messages.yaml");
        self.line("language:");
        self.line(format!("  code: {}", yaml(&settings.text("LANGUAGE_CODE").into())));
        if self.project.has_middleware("django.middleware.locale.LocaleMiddleware") {
            self.line("  negotiate: true  # LocaleMiddleware");
        }
        let cookie = settings.text("LANGUAGE_COOKIE_NAME");
        if cookie != "django_language" {
            self.line(format!("  cookie: {}", yaml(&cookie.into())));
        }
        self.line(format!("  messages: {}", Value::from(file.display().to_string())));
        // JSON is YAML, and each language is a line.
        let lines: Vec<String> = languages
            .iter()
            .map(|(code, told)| format!("{}: {told}", Value::from(&**code)))
            .collect();
        Some((file, format!("# Made by `portcullis init`.\n{}\n", lines.join("\n"))))
    }

    fn throttle(&self, throttle: &[Throttle]) -> String {
        let entries = throttle.iter().filter_map(|entry| entry.gateway.as_ref()).map(yaml);
        format!("[{}]", entries.collect::<Vec<_>>().join(", "))
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

    /// A chain; none if one of its classes is not carried.
    fn chain(&mut self, classes: &[Class]) -> Option<String> {
        let mut entries: Vec<String> = Vec::new();
        for class in classes {
            let value = class.gateway.as_ref()?;
            let entry = yaml(value);
            let twins = entries.iter().filter(|other| word(other) == word(&entry)).count();
            entries.push(match (twins, value.get("upstream").and_then(Value::as_object)) {
                (0, _) => entry,
                // Two of one kind need two names.
                (_, Some(settings)) => {
                    let mut settings = settings.clone();
                    settings.insert("name".into(), format!("upstream{}", twins + 1).into());
                    yaml(&serde_json::json!({ "upstream": settings }))
                }
                _ => {
                    const TWINS: &str = "Routes with two classes of one kind in their chain are left to the \
                                         project whole";
                    self.note_about(Group::Differs, TWINS, &class.class);
                    return None;
                }
            });
        }
        Some(format!("[{}]", entries.join(", ")))
    }
}

impl Group {
    /// Above its notes.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Refused => "Clients that will be refused",
            Self::Do => "What you have to do",
            Self::Differs => "What the project goes on deciding, and what differs",
            Self::Information => "For information",
        }
    }
}

impl Note {
    /// As lines of text, with so many of what it is true of.
    pub(super) fn lines(&self, most: usize) -> Vec<String> {
        // A line end in a name of the project would end the comment.
        let text = one_line(&self.text);
        if self.about.is_empty() {
            return vec![format!("  - {text}")];
        }
        let mut lines = vec![format!("  - {text}:")];
        lines
            .extend(self.about.iter().take(most).map(|about| format!("      {}", one_line(about))));
        if let more @ 1.. = self.about.len().saturating_sub(most) {
            lines.push(format!("      and {more} more"));
        }
        lines
    }
}

fn one_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

fn word(entry: &str) -> &str {
    let entry = entry.trim_start_matches("{ ");
    entry.split(':').next().unwrap_or_default()
}

/// YAML is JSON with blanks after the colons, for people.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(word) if is_plain(word) => word.clone(),
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

/// Whether a text needs no quotes, since YAML takes it for nothing else.
fn is_plain(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_/-".contains(c))
        && serde_yaml::from_str::<Value>(word).is_ok_and(|value| value.is_string())
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
