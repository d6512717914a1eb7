//! `portcullis init --django`: asks a Django project what it does, in its own Python, and writes a
//! configuration that keeps it; what cannot be kept is said, not guessed.

mod known;
mod project;
mod tables;
mod upstream;
mod writer;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use self::{
    project::{Kind, Project},
    upstream::upstream_lines,
    writer::Writer,
};
use anyhow::{Context, bail};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project's manage.py.
    #[arg(long, value_name = "MANAGE.PY")]
    django: PathBuf,
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

/// Runs in the project's Python, which alone can read its settings.
const SCRIPT: &str = include_str!("django_settings.py");

pub(super) fn init(config: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.print_answer {
        return Ok(std::io::stdout().write_all(&ask(arguments)?)?);
    }
    if config.exists() && !arguments.force {
        bail!("there is a {}; name another with --config, or use --force", config.display());
    }
    let answer = ask(arguments)?;
    let project: Project = serde_json::from_slice(&answer)
        .context("the Python of the project did not print the project's settings")?;
    let mut classes = project.rest_framework.authentication.iter();
    if classes.any(|class| class.class.starts_with("portcullis_django.")) {
        bail!(
            "the project already trusts a gateway: remove those lines first, or edit the file by hand"
        );
    }
    let written = Writer::new(&project, &arguments.upstream, config).document();
    let file = config.display();
    std::fs::write(config, written.text).with_context(|| format!("{file} cannot be written"))?;
    if let Some((file, text)) = written.messages {
        std::fs::write(&file, text)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    println!("Wrote {file} from {}.", project.settings_module);
    if !written.notes.is_empty() {
        println!("\nWhat could not be carried over:");
        written.notes.iter().for_each(|note| println!("  - {note}"));
    }
    println!("\n1. {}", upstream_lines(&project));
    println!("2. Set these variables for the gateway:\n");
    for (name, holds) in written.variables {
        println!("     {name}  {holds}");
    }
    let path = telling_path(&project).unwrap_or("/");
    println!(
        "\n3. portcullis check --config {file}\n4. portcullis run --config {file}\n\
         5. Restart the project, and let it listen on 127.0.0.1 alone.\n\
         6. Send clients to the gateway.\n\
         7. portcullis doctor --config {file} --path {path}"
    );
    Ok(())
}

/// A path that needs an authenticated caller, for the doctor.
fn telling_path(project: &Project) -> Option<&str> {
    let default = &project.rest_framework.permission;
    let views = project.urls.iter().filter(|url| url.kind == Kind::Drf && url.gets());
    let mut telling = views.filter(|url| {
        let permission = url.permission.as_ref().unwrap_or(default);
        let rule = permission.gateway.as_ref();
        url.endpoint.is_none() && rule.is_some_and(|rule| rule == "authenticated")
    });
    telling.find_map(|url| url.path.as_deref()?.strip_prefix('='))
}

/// Runs the script; its answer is JSON.
fn ask(arguments: &Arguments) -> anyhow::Result<Vec<u8>> {
    let manage = arguments.django.display();
    if arguments.django.is_dir() {
        bail!("{manage} is a folder: name its manage.py");
    }
    if !arguments.django.is_file() {
        bail!("there is no {manage}");
    }
    let python = arguments.python.clone().unwrap_or_else(|| python_of(&arguments.django));
    let mut child = Command::new(&python)
        .arg("-")
        .arg(&arguments.django)
        .arg(tables::tables()?.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("{} cannot be run; name another with --python", python.display())
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(SCRIPT.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("the project could not be read by {} (see above)", python.display());
    }
    Ok(done.stdout)
}

/// The interpreter of the active environment, of one beside manage.py, or the system's.
fn python_of(manage: &Path) -> PathBuf {
    let folder = manage.parent().unwrap_or(Path::new("."));
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let beside = [".venv", "venv", "env"].map(|name| folder.join(name));
    let mut environments = active.into_iter().chain(beside).map(|folder| folder.join("bin/python"));
    environments.find(|python| python.exists()).unwrap_or_else(|| "python3".into())
}
