//! The order of modules in `src/lib.rs` is the architecture: a module imports only from those
//! before it, and everything that can be configured is in the schema that editors read.
#![expect(clippy::unwrap_used, reason = "tests: a surprise is a failure")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis::package::PACKAGES;

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
            assert!(other <= own, "{} imports {import}, which stands later", path.display());
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

/// Regenerate with `cargo run -- schema --markdown > deploy/reference.md`.
#[test]
fn the_reference_is_current() {
    let kept = fs::read_to_string(root().join("deploy/reference.md")).unwrap();
    assert!(kept == portcullis::config::reference(), "deploy/reference.md is not current");
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 100);
}

/// Every configuration that the documentation shows is one that `check` accepts, but for those
/// marked `ignore`, which need what is not here.
#[test]
fn the_documentation_s_configurations_pass() {
    let mut pages = vec![root().join("README.md")];
    markdown(&root().join("src"), &mut pages);
    let mut checked = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (index, rest) in text.split("```yaml\n").skip(1).enumerate() {
            let yaml = rest.split("```").next().unwrap();
            passes(yaml, &format!("{} block {index}", page.display()));
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} configurations were found");
}

fn passes(yaml: &str, place: &str) {
    let folder = std::env::temp_dir().join(format!("portcullis-documented-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("gateway.yaml");
    fs::write(&file, yaml).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["api.example".to_owned()]).unwrap();
    for (name, pem) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("clients.pem", made.cert.pem()),
    ] {
        fs::write(folder.join(name), pem).unwrap();
    }
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", "--config"])
        .arg(&file)
        .current_dir(&folder)
        .env("DJANGO_SECRET_KEY", "k".repeat(50))
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(checked.status.success(), "{place}: {}", String::from_utf8_lossy(&checked.stderr));
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A package has a folder of its name, which nothing outside of `package/mod.rs` and of itself names.
#[test]
fn no_package_imports_another() {
    let folder = root().join("src/package");
    for package in PACKAGES {
        let mut own = Vec::new();
        files(&folder.join(package.key), &mut own);
        assert!(!own.is_empty(), "{} has no folder", package.key);
        for file in own {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for other in PACKAGES.iter().filter(|other| other.key != package.key) {
                for path in [format!("package::{}", other.key), format!("super::{}::", other.key)] {
                    assert!(!names(code, &path), "{} names {path}", file.display());
                }
            }
        }
    }
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    for file in all.iter().filter(|file| !file.starts_with(&folder)) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for package in PACKAGES {
            let path = format!("package::{}", package.key);
            assert!(!names(code, &path), "{} names {path}", file.display());
        }
    }
}

/// Whether `code` has this path outside of comments, and not only the beginning of a longer name.
fn names(code: &str, path: &str) -> bool {
    let code: Vec<&str> =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    code.join("\n")
        .split(path)
        .skip(1)
        .any(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
}

/// Packages with no differential suite, as Django has nothing to compare them with, and what tests
/// them in its place.
const WITHOUT_A_REAL_PACKAGE: [(&str, &str); 5] = [
    ("upstream", "tests/it/chains.rs"),
    ("api_key", "tests/it/revocation.rs"),
    ("certificate", "tests/it/client_certificates.rs"),
    ("wasm", "tests/it/wasm.rs"),
    ("gateway_pages", "tests/it/contract.rs"),
];

/// What is known of a package without reading its source.
#[test]
fn every_package_has_golden_file_differential_suite_and_documentation() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let suites: Vec<String> = fs::read_dir(root().join("tests/differential"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for (key, tests) in WITHOUT_A_REAL_PACKAGE {
        assert!(root().join(tests).exists(), "{key}: {tests} is missing");
    }
    for package in PACKAGES {
        let key = package.key;
        assert!(package.readme.lines().count() > 10, "{key} has no page of documentation");
        assert!(package.readme.contains("```yaml"), "{key}: its page shows no configuration");
        let page = format!("src/package/{key}/README.md");
        assert!(readme.contains(&format!("({page})")), "README.md does not name {page}");
        let golden = root().join(format!("tests/golden/{key}.yaml"));
        assert!(golden.exists(), "{} is missing", golden.display());
        if WITHOUT_A_REAL_PACKAGE.iter().all(|(name, _)| *name != key) {
            let suite = format!("test_{key}");
            assert!(suites.iter().any(|name| name.starts_with(&suite)), "{key}: no {suite}*.py");
        }
    }
}
