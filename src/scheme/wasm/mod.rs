//! A custom scheme as a WebAssembly component, DRF's `BaseAuthentication` in a file of your own:
//! no service to run and no hop to it, and yet nothing in it can read what it is not given, outlive
//! its time or take the gateway's memory. `deploy/wasm` shows how one is written.
//!
//! The settings are read by every build, so that one without the feature says what is missing.

#[cfg(feature = "wasm")]
mod component;
#[cfg(feature = "wasm")]
mod scheme;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Parts, Scheme};
use crate::value::{Path, Period, Problem, Problems, Secret, Size, UniqueMap};

/// `- wasm: { file: scheme.wasm, headers: [X-Username] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Wasm")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// The component.
    file: String,
    /// The headers it sees. A request without any of them is not this scheme's.
    headers: Vec<String>,
    /// Whether it sees the method, the path, the query and the client's address too. Then it is
    /// asked for each of them anew.
    request: bool,
    /// `WWW-Authenticate` when this scheme is first; without one, refusals are 403.
    challenge: Option<String>,
    /// How long it may take, to the next hundredth of a second.
    timeout: Period,
    /// How much memory it may have while it answers.
    memory: Size,
    /// Texts of your own that it is given with every request.
    config: UniqueMap<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            file: String::new(),
            headers: vec!["Authorization".into()],
            request: false,
            challenge: None,
            timeout: Period(std::time::Duration::from_millis(50)),
            memory: Size::kib(16 << 10),
            config: UniqueMap::default(),
        }
    }
}

impl Config {
    #[cfg(feature = "wasm")]
    pub(super) fn build(
        &self,
        name: Arc<str>,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        use super::custom::Custom;

        let mut problems = Problems::default();
        let custom = Custom::new(name, &self.headers, self.challenge.as_deref(), path, parts);
        let custom = problems.keep(custom);
        let component = problems.keep(self.load(path));
        match (custom, component) {
            (Some(custom), Some(component)) => {
                Ok(Arc::new(scheme::Wasm::new(custom, component, self.request, parts)))
            }
            _ => Err(problems),
        }
    }

    #[cfg(feature = "wasm")]
    fn load(&self, path: &Path) -> Result<component::Component, Problems> {
        let at = path.key("file");
        let file = match std::fs::read(&self.file) {
            Ok(file) => file,
            Err(error) => {
                let problem = Problem::new(&at, format!("`{}` cannot be read: {error}", self.file));
                return Err(problem
                    .help("name the component's file, for example scheme.wasm")
                    .into());
            }
        };
        let limits = component::Limits { time: self.timeout.0, memory: self.memory.bytes() };
        let config = &self.config.0;
        let config = config.iter().map(|(key, text)| (key.clone(), text.reveal().to_owned()));
        component::Component::load(&file, limits, config.collect()).map_err(|unfit| {
            let problem = Problem::new(&at, format!("`{}` {}", self.file, unfit.why));
            match unfit.help {
                Some(help) => problem.help(help).into(),
                None => problem.into(),
            }
        })
    }

    #[cfg(not(feature = "wasm"))]
    pub(super) fn build(
        &self,
        _name: Arc<str>,
        path: &Path,
        _parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let problem = Problem::new(path, "this binary was built without WebAssembly");
        Err(problem.help("build it with `cargo build --release --features wasm`").into())
    }
}
