//! What the script has to know of the packages, as JSON.

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::package::{Holder, Import, PACKAGES};

/// The sentences of refusals and of forms, which are no package's.
const SENTENCES: [&str; 15] = [
    "Authentication credentials were not provided.",
    "Incorrect authentication credentials.",
    "You do not have permission to perform this action.",
    "Not found.",
    "Method \"{method}\" not allowed.",
    "Could not satisfy the request Accept header.",
    "Unsupported media type \"{media_type}\" in request.",
    "This field is required.",
    "This field may not be blank.",
    "This field may not be null.",
    "Not a valid string.",
    "No data provided",
    "Invalid data. Expected a dictionary, but got {datatype}.",
    "Null characters are not allowed.",
    "Surrogate characters are not allowed: U+{code_point:X}.",
];

/// What the gateway does whatever a setting says that is no package's.
const FIXED: (&str, &str) = ("EXCEPTION_HANDLER", "the gateway's refusals look as `errors` says");

/// The second argument of the script, whose head has its shape.
pub(super) fn tables() -> anyhow::Result<Value> {
    let imports = || PACKAGES.iter().map(|package| &package.import);
    let fixed = imports().flat_map(|import| import.fixed).chain([&FIXED]);
    let apps = imports().flat_map(|import| import.apps);
    let texts = PACKAGES.iter().flat_map(|package| package.texts);
    let (names, dictionaries, keys) = settings(imports());
    Ok(json!({
        "schemes": schemes(imports())?,
        "pages": pages(imports())?,
        "apps": map(apps),
        "fixed": map(fixed),
        "settings": names,
        "keys": keys,
        "dictionaries": dictionaries,
        "messages": SENTENCES.iter().chain(texts).collect::<Vec<_>>(),
    }))
}

fn schemes<'a>(imports: impl Iterator<Item = &'a Import>) -> anyhow::Result<Map<String, Value>> {
    let rows = imports.flat_map(|import| import.schemes).map(|scheme| {
        let row = json!({
            "entry": flow(scheme.entry)?,
            "attributes": map(scheme.attributes),
            "headers": scheme.headers,
            "note": scheme.note,
            "takes_password": scheme.takes_password,
            "asks_store": scheme.asks_store,
            "fires": scheme.fires,
            "unless": scheme.unless,
            "lenient": scheme.lenient,
        });
        Ok((scheme.class.to_owned(), row))
    });
    rows.collect()
}

fn pages<'a>(imports: impl Iterator<Item = &'a Import>) -> anyhow::Result<Map<String, Value>> {
    let rows = imports.flat_map(|import| import.pages).map(|page| {
        let row = json!({
            "endpoint": flow(page.endpoint)?,
            "drf": page.drf,
            "takes_password": page.takes_password,
            "leads_to": page.leads_to,
            "fires": page.fires,
        });
        Ok((page.class.to_owned(), row))
    });
    rows.collect()
}

/// The settings of the project itself, those that are in one setting each, and keys of the former.
fn settings<'a>(
    imports: impl Iterator<Item = &'a Import>,
) -> (Vec<&'a str>, Map<String, Value>, Map<String, Value>) {
    let mut names = Vec::new();
    let mut dictionaries = Map::new();
    let mut all_keys = Map::new();
    for import in imports {
        for imported in import.settings {
            let keys = imported.keys.iter().flat_map(|keys| {
                let algorithm = json!([keys.algorithm, keys.usual]);
                keys.names.iter().map(move |name| ((*name).to_owned(), algorithm.clone()))
            });
            match imported.holder {
                Holder::Project { more } => {
                    names.extend(imported.table.iter().map(|(name, ..)| *name));
                    names.extend(more);
                    names.extend(imported.keys.iter().flat_map(|keys| keys.names));
                    all_keys.extend(keys);
                    names.extend(import.fixed.iter().map(|(name, _)| *name));
                }
                Holder::Dictionary { module, name } => {
                    let keys: Map<String, Value> = keys.collect();
                    dictionaries.insert(name.into(), json!({ "module": module, "keys": keys }));
                }
            }
        }
    }
    (names, dictionaries, all_keys)
}

fn map<'a>(pairs: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

/// YAML in flow style.
fn flow(text: &str) -> anyhow::Result<Value> {
    serde_yaml::from_str(text).with_context(|| format!("{text} is no YAML"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::known::asks;

    /// One whose endpoint is no YAML, or is no page, would never be carried.
    #[test]
    fn endpoints_of_all_packages_are_pages() {
        let tables = tables().unwrap();
        let rows = tables.get("pages").and_then(Value::as_object).unwrap();
        assert!(rows.len() > 10, "{rows:?}");
        for (class, row) in rows {
            assert!(row.get("endpoint").and_then(asks).is_some(), "{class}");
        }
    }

    /// A dotted name without its module is no class, and is never found.
    #[test]
    fn classes_have_their_modules() {
        let tables = tables().unwrap();
        for table in ["schemes", "pages"] {
            let rows = tables.get(table).and_then(Value::as_object).unwrap();
            for class in rows.keys() {
                assert!(class.contains('.'), "{class}");
            }
        }
    }
}
