//! `portcullis init --django`: asks a Django project what it does, in its own Python, and writes a
//! configuration that keeps it; what cannot be kept is said, not guessed.

mod known;
mod project;
mod tables;
mod trial;
mod upstream;
mod writer;

use crate::package::print_line;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use self::{
    project::{Group, Note, Project},
    upstream::upstream_lines,
};
use super::natively;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project's manage.py, or the console script of an installed application that does the
    /// same (`netbox`, `pulpcore-manager`).
    #[arg(long, value_name = "MANAGE.PY", required_unless_present = "settings")]
    django: Option<PathBuf>,
    /// The settings module, where no script names it; needs `--python`, if it is another than that
    /// of the active virtual environment.
    #[arg(long, value_name = "MODULE", conflicts_with = "django")]
    settings: Option<String>,
    /// The project's own Python; else that of the active virtual environment, or of one beside
    /// manage.py (.venv, venv, env).
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where the project serves.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    upstream: String,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// Print what the project's Python says, and write nothing; for tests.
    #[arg(long, hide = true)]
    print_answer: bool,
}

/// Runs in the project's Python, which alone can read its settings: one script, in parts.
const SCRIPT: [&str; 11] = [
    include_str!("script/head.py"),
    include_str!("script/overridden.py"),
    include_str!("script/signals.py"),
    include_str!("script/users.py"),
    include_str!("script/middleware.py"),
    include_str!("script/settings.py"),
    include_str!("script/authentication.py"),
    include_str!("script/permissions.py"),
    include_str!("script/urlconf.py"),
    include_str!("script/views.py"),
    include_str!("script/document.py"),
];

pub(super) fn init(config: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.print_answer {
        return Ok(std::io::stdout().write_all(&ask(arguments)?)?);
    }
    if config.exists() && !arguments.force {
        bail!("there is a {}; name another with --config, or use --force", config.display());
    }
    let answer = ask(arguments)?;
    let mut project =
        read(&answer).context("the Python of the project did not print the project's settings")?;
    let mut classes = project.rest_framework.authentication.iter();
    let named = classes.any(|class| class.class.starts_with("portcullis_django."));
    if named || project.lines.already {
        bail!(
            "the project already trusts a gateway: remove those lines first, or edit the file by hand"
        );
    }
    let written = trial::settled(&mut project, &arguments.upstream, config)?;
    let file = config.display();
    std::fs::write(config, written.text).with_context(|| format!("{file} cannot be written"))?;
    if !project.answers.is_empty() {
        natively::write(config, &project.answers)?;
    }
    print_line!("Wrote {file} from {}.", project.settings_module);
    if let (guarded @ 1.., judged) = written.guarded {
        print_line!("The gateway judges {judged} of the {guarded} views that refuse strangers.");
    }
    report(&written.notes, &file.to_string());
    print_line!("\n1. {}", upstream_lines(&project));
    match written.variables.is_empty() {
        true => print_line!("2. No variable has to be set for the gateway."),
        false => print_line!("2. Set these variables for the gateway:\n"),
    }
    for (name, holds) in written.variables {
        print_line!("     {name}  {holds}");
    }
    let path = written.telling.as_deref().unwrap_or("/");
    print_line!(
        "\n3. portcullis check --store --config {file}\n4. portcullis run --config {file}\n\
         5. Restart the project, and let it listen on 127.0.0.1 alone.\n\
         6. Send clients to the gateway.\n\
         7. portcullis doctor --config {file} --path {path}"
    );
    Ok(())
}

/// The project as its Python told it. What becomes a text of the file is no variable there.
fn read(answer: &[u8]) -> serde_json::Result<Project> {
    let mut told: Value = serde_json::from_slice(answer)?;
    for part in ["settings", "packages", "rest_framework"] {
        told.get_mut(part).into_iter().for_each(escape_variables);
    }
    for url in told.get_mut("urls").and_then(Value::as_array_mut).into_iter().flatten() {
        for part in ["authentication", "permission", "throttle"] {
            url.get_mut(part).into_iter().for_each(escape_variables);
        }
    }
    serde_json::from_value(told)
}

/// `${`, by a variable that is never set.
fn escape_variables(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("${", "${:-$}{"),
        Value::Array(list) => list.iter_mut().for_each(escape_variables),
        Value::Object(map) => map.values_mut().for_each(escape_variables),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The notes that matter, and how many are left for the file.
fn report(notes: &[Note], file: &str) {
    const MOST: usize = 5;
    let mut group = None;
    for note in notes.iter().filter(|note| note.group != Group::Information) {
        if group != Some(note.group) {
            print_line!("\n{}:", note.group.title());
            group = Some(note.group);
        }
        note.lines(MOST).iter().for_each(|line| print_line!("{line}"));
    }
    let rest = notes.iter().filter(|note| note.group == Group::Information).count();
    if rest > 0 {
        print_line!("\nAt the end of {file} stands all of it, with {rest} more for information.");
    }
}

/// Runs the script; its answer is JSON.
fn ask(arguments: &Arguments) -> anyhow::Result<Vec<u8>> {
    if let Some(manage) = &arguments.django {
        let name = manage.display();
        if manage.is_dir() {
            bail!("{name} is a folder: name its manage.py");
        }
        if !manage.is_file() {
            bail!("there is no {name}");
        }
    }
    let given = serde_json::json!({
        "manage": arguments.django,
        "settings": arguments.settings,
        "credentials": natively::CREDENTIALS,
    });
    let manage = arguments.django.as_deref();
    let python = arguments.python.clone().unwrap_or_else(|| python_of(manage));
    let mut child = Command::new(&python)
        .arg("-")
        .arg(given.to_string())
        .arg(tables::tables()?.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("{} cannot be run; name another with --python", python.display())
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(SCRIPT.concat().as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("the project could not be read by {} (see above)", python.display());
    }
    Ok(done.stdout)
}

/// The interpreter that a console script names, that of the active environment, of one beside
/// manage.py, or the system's.
fn python_of(manage: Option<&Path>) -> PathBuf {
    let first = manage.and_then(|manage| std::fs::read_to_string(manage).ok());
    let named = first.as_deref().and_then(|text| text.lines().next()?.strip_prefix("#!"));
    // `/usr/bin/env python` says nothing of the environment.
    let named = named.map(str::trim).filter(|path| !path.contains(char::is_whitespace));
    if let Some(named) = named.map(PathBuf::from).filter(|path| path.exists()) {
        return named;
    }
    let folder = manage.and_then(Path::parent).unwrap_or(Path::new("."));
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let beside = [".venv", "venv", "env"].map(|name| folder.join(name));
    let mut environments = active.into_iter().chain(beside).map(|folder| folder.join("bin/python"));
    environments.find(|python| python.exists()).unwrap_or_else(|| "python3".into())
}
