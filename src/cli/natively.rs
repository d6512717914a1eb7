//! What a Django project answers to requests without a good credential while no gateway stands in front of
//! it: `init` asks it and records the answers, and `doctor` compares them with the gateway's.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The requests: what each shows, and its `Authorization`. A wrong password is not among them, since
/// projects count failed log-ins.
pub(super) const CREDENTIALS: [(&str, Option<&str>); 3] = [
    ("no credential", None),
    ("a wrong token", Some("Token wrong-0123456789abcdef0123456789abcdef01")),
    ("a wrong bearer token", Some("Bearer wrong-0123456789abcdef0123456789abcdef01")),
];

/// One answer to a GET.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NativeAnswer {
    /// The path, without a query.
    pub(super) path: String,
    /// What the request showed, in the words of [`CREDENTIALS`].
    pub(super) credential: String,
    pub(super) status: u16,
    /// Whether it is another than the one to no credential.
    #[serde(default)]
    pub(super) told_apart: bool,
}

/// Writes the answers beside a configuration.
///
/// # Errors
///
/// If the file cannot be written.
pub(super) fn write(config: &Path, answers: &[NativeAnswer]) -> anyhow::Result<()> {
    let file = file(config);
    let mut text = String::from(
        "# Made by `portcullis init`: what the project answers itself, for `portcullis doctor`.\n",
    );
    for answer in answers {
        text.push_str(&format!("- {}\n", serde_json::to_string(answer)?));
    }
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// The answers beside a configuration; none where there is no such file.
///
/// # Errors
///
/// If the file is there and is no such list.
pub(super) fn read(config: &Path) -> anyhow::Result<Vec<NativeAnswer>> {
    let file = file(config);
    let name = file.display();
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let answers: Option<Vec<NativeAnswer>> = serde_yaml::from_str(&text).ok();
            let asked = |answer: &NativeAnswer| {
                let known = CREDENTIALS.iter().any(|(what, _)| *what == answer.credential);
                known && answer.path.starts_with('/')
            };
            let answers = answers.filter(|answers| answers.iter().all(asked));
            answers.with_context(|| {
                format!("{name} is not what `init` writes: remove it, or init again")
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{name} cannot be read")),
    }
}

/// `gateway.natively.yaml` beside `gateway.yaml`.
fn file(config: &Path) -> PathBuf {
    config.with_extension("natively.yaml")
}
