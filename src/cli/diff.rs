//! `portcullis check --diff FILE`: what would change, setting by setting. Environment variables stay
//! as they are written, and what is secret is not shown.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use anyhow::Context;
use serde_yaml::Value;

use crate::config::load::is_secret;

/// The changes from one file to another, a line each; nothing if they say the same.
pub(super) fn changes(old: &Path, new: &Path) -> anyhow::Result<String> {
    let (old, new) = (settings(old)?, settings(new)?);
    let mut text = String::new();
    for (path, value) in &old {
        match new.get(path) {
            // Writing to a String does not fail.
            None => _ = writeln!(text, "- {path}: {}", shown(path, value)),
            Some(other) if other != value => {
                let (value, other) = (shown(path, value), shown(path, other));
                _ = writeln!(text, "~ {path}: {value} -> {other}");
            }
            Some(_) => {}
        }
    }
    for (path, value) in new.iter().filter(|(path, _)| !old.contains_key(*path)) {
        _ = writeln!(text, "+ {path}: {}", shown(path, value));
    }
    Ok(text)
}

fn settings(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
    let value: Value =
        serde_yaml::from_str(&text).with_context(|| format!("{} is no YAML", file.display()))?;
    let mut settings = BTreeMap::new();
    flatten(String::new(), &value, &mut settings);
    Ok(settings)
}

/// Each setting with the path to it.
fn flatten(path: String, value: &Value, settings: &mut BTreeMap<String, String>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{dot}{}", plain(key)), value, settings);
            }
        }
        Value::Sequence(list) => {
            for (index, value) in list.iter().enumerate() {
                let name = name(value).unwrap_or_else(|| index.to_string());
                flatten(format!("{path}[{name}]"), value, settings);
            }
        }
        _ => drop(settings.insert(path, plain(value))),
    }
}

/// What an entry of a list goes by: a route is the same when others come before it.
fn name(entry: &Value) -> Option<String> {
    let part = |key: &str| entry.get(key).map(plain);
    let path = part("path")?;
    let method = part("method").map(|method| format!("{method} ")).unwrap_or_default();
    Some(format!("{method}{}{path}", part("host").unwrap_or_default()))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        Value::Sequence(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

fn shown<'a>(path: &str, value: &'a str) -> &'a str {
    // `store: postgres://…` is an address too.
    let within = ["traces.headers.", ".wasm.config."].iter().any(|map| path.contains(map));
    let secret = path == "store" || within || path.split(['.', '[', ']']).any(is_secret);
    let userinfo = value.contains("://") && value.contains('@');
    if (secret || userinfo) && !value.starts_with("${") {
        return "(hidden)";
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(old: &str, new: &str) -> String {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let file = |kind: &str, text: &str| {
            let name = format!("portcullis-diff-{}-{number}-{kind}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (old, new) = (file("old", old), file("new", new));
        let text = changes(&old, &new).unwrap();
        std::fs::remove_file(old).unwrap();
        std::fs::remove_file(new).unwrap();
        text
    }

    #[test]
    fn a_route_is_known_by_its_path() {
        let old = "routes:\n- { path: /, permission: staff }\n- { path: /a/, upstream: echo }\n";
        let new = "routes:\n- { path: /b/, upstream: echo }\n- { path: /, permission: anyone }\n- { path: /a/, upstream: echo }\n";
        assert_eq!(
            between(old, new),
            "~ routes[/].permission: staff -> anyone\n\
             + routes[/b/].path: /b/\n+ routes[/b/].upstream: echo\n"
        );
        assert_eq!(between(old, old), "");
    }

    /// Attack: the difference of two files ends in a ticket, with the keys in it.
    #[test]
    fn secrets_are_not_shown() {
        let old = "secret_key: abcdef\nstore: postgres://app:hunter2@db/app\nknox: { ttl: 1h }\n";
        let new =
            "secret_key: ${KEY}\nstore: { url: 'mysql://app:hunter3@db/app' }\nknox: { ttl: 2h }\n";
        let text = between(old, new);
        assert!(text.contains("~ secret_key: (hidden) -> ${KEY}"), "{text}");
        assert!(text.contains("~ knox.ttl: 1h -> 2h"), "{text}");
        assert!(!text.contains("hunter") && !text.contains("abcdef"), "{text}");
        let old = "traces: { headers: { X-Key: hunter2 } }\nauthentication: []\n";
        let new = "authentication: [{ wasm: { config: { key: hunter3 } } }]\n";
        let text = between(old, new);
        assert!(text.contains("- traces.headers.X-Key: (hidden)"), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
}
