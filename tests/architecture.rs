//! The order of modules in `src/lib.rs` is the architecture: a module imports only from those
//! before it, and everything that can be configured is in the schema that editors read.
#![expect(clippy::unwrap_used, reason = "tests: a surprise is a failure")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// `config` is loaded with the problems that a build would find: the one place where the loader
/// looks ahead to the composition root.
const EXCEPTION: (&str, &str) = ("config", "app");

fn modules() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lines = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    lines.map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every `crate::NAME` of a file outside its tests, in nested `use` lists too.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => names.push(after),
            Some(list) => {
                // Names at the first level of the braces.
                let mut depth = 0;
                let mut start = true;
                for (place, character) in list.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ if start && character.is_ascii_alphabetic() => {
                            names.push(&list[place..]);
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    let word =
        |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    names.into_iter().map(word).collect()
}

#[test]
fn imports_point_backwards() {
    let order = modules();
    let place = |name: &str| order.iter().position(|module| module == name);
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    let mut looked_at = 0;
    for path in all {
        let inside = path.strip_prefix(root().join("src")).unwrap().with_extension("");
        let module = inside.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let Some(own) = place(&module) else { continue };
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            let Some(other) = place(&import) else { continue };
            looked_at += 1;
            let excepted = EXCEPTION == (module.as_str(), import.as_str());
            assert!(
                other <= own || excepted,
                "{} imports {import}, which stands later",
                path.display()
            );
        }
    }
    assert!(looked_at > 100, "only {looked_at} imports were found");
}

/// Regenerate with `cargo run -- schema > deploy/gateway.schema.json`.
#[test]
fn the_schema_is_current() {
    let kept = fs::read_to_string(root().join("deploy/gateway.schema.json")).unwrap();
    assert!(kept == portcullis::config::schema(), "deploy/gateway.schema.json is not current");
}

/// The maps whose keys the README lists, and what the schema calls them.
const MAPS: [(&str, &str); 14] = [
    ("session", "Session"),
    ("csrf", "Csrf"),
    ("jwt", "SimpleJwt"),
    ("knox", "Knox"),
    ("store", "Store"),
    ("cache", "Cache"),
    ("passwords", "Passwords"),
    ("limits", "Limits"),
    ("log", "Log"),
    ("traces", "Traces"),
    ("language", "Language"),
    ("decisions", "Decisions"),
    ("upstream", "Upstream"),
    ("acme", "Acme"),
];

#[test]
fn the_readme_lists_every_key() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&portcullis::config::schema()).unwrap();
    for (map, name) in MAPS {
        // A scheme of that name has a row too, which says other things.
        let rows: Vec<&str> =
            readme.lines().filter(|line| line.starts_with(&format!("| `{map}` |"))).collect();
        let row = rows.last().unwrap_or_else(|| panic!("no row for {map}"));
        let keys = schema["$defs"][name]["properties"].as_object().unwrap();
        for key in keys.keys() {
            assert!(row.contains(&format!("`{key}`")), "{map}: {key}");
        }
    }
}

/// The file on the README's first screen is a good one.
#[test]
fn the_readme_s_file_passes() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let yaml = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = std::env::temp_dir().join(format!("portcullis-readme-{}.yaml", std::process::id()));
    fs::write(&file, yaml).unwrap();
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", "--config"])
        .arg(&file)
        .env("DJANGO_SECRET_KEY", "k".repeat(50))
        .output()
        .unwrap();
    fs::remove_file(&file).unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn every_scheme_has_a_row_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for kind in portcullis::scheme::KINDS {
        assert!(readme.contains(&format!("| `{kind}` |")), "{kind}");
    }
}
