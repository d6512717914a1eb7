#![doc = include_str!("README.md")]
// The settings are read by every build, so that one without the feature says what is missing.

#[cfg(feature = "wasm")]
mod component;
#[cfg(feature = "wasm")]
mod scheme;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Descriptor, SchemeContext, SchemeKind, SchemeSettings};
use crate::{
    scheme::Scheme,
    value::{Period, Problem, Problems, Secret, Size, UniqueMap},
};

/// A custom scheme as a WebAssembly component.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("wasm")],
    ..Descriptor::new("wasm", include_str!("README.md"))
};

/// `- wasm: { file: scheme.wasm, headers: [X-Username] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Wasm")]
pub struct Config {
    /// A second name.
    name: Option<String>,
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

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    #[cfg(feature = "wasm")]
    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        use crate::scheme::Custom;

        let mut problems = Problems::default();
        let (lookup, challenge) = (context.lookup(), self.challenge.as_deref());
        let custom = problems.keep(Custom::new(lookup, &self.headers, challenge, context.path));
        let component = problems.keep(self.load(context.path));
        match (custom, component) {
            (Some(custom), Some(component)) => {
                Ok(Arc::new(scheme::Wasm::new(custom, component, self.request, context.site)))
            }
            _ => Err(problems),
        }
    }

    #[cfg(not(feature = "wasm"))]
    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let problem = Problem::new(context.path, "this binary was built without WebAssembly");
        Err(problem.help("build it with `cargo build --release --features wasm`").into())
    }
}

#[cfg(feature = "wasm")]
impl Config {
    fn load(&self, path: &crate::value::Path) -> Result<component::Component, Problems> {
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
}
