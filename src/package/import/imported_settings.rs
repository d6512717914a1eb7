//! How the settings of a Django package become a map at the top of the file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::DjangoSettings;

/// A setting of Django's, its name here, how its value is written, and the default of both, which
/// is left out.
pub type Setting = (&'static str, &'static str, fn(&Value) -> Option<String>, &'static str);

/// Settings that become one map at the top of the file.
#[derive(Clone, Copy, Debug)]
pub struct ImportedSettings {
    /// Where the project has them.
    pub holder: Holder,
    /// The map.
    pub map: &'static str,
    /// Those that have one setting here.
    pub table: &'static [Setting],
    /// Those that are keys. The script says of each whether it is set, whether it is `SECRET_KEY`,
    /// and what the gateway has against it; it tells only public keys themselves.
    pub keys: Option<Keys>,
    /// Writes what a row of a table cannot say.
    pub more: Option<fn(&mut Importer<'_>)>,
}

/// Where a project has the settings of a package.
#[derive(Clone, Copy, Debug)]
pub enum Holder {
    /// They are settings of the project, as `SESSION_…` are.
    Project {
        /// Those that [`ImportedSettings::more`] reads.
        more: &'static [&'static str],
    },
    /// One setting holds them all.
    Dictionary {
        /// The module whose import says that the package is in use; its defaults are `DEFAULTS` of
        /// its submodule `settings`.
        module: &'static str,
        /// The setting.
        name: &'static str,
    },
}

/// Settings that are keys of one JWS algorithm.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// The settings.
    pub names: &'static [&'static str],
    /// The setting that names the algorithm.
    pub algorithm: &'static str,
    /// The algorithm where it is not set.
    pub usual: &'static str,
}

/// What [`ImportedSettings::more`] reads and writes.
#[derive(Debug)]
pub struct Importer<'a> {
    /// The settings of [`ImportedSettings::holder`].
    pub settings: &'a DjangoSettings,
    installed: &'a BTreeSet<String>,
    classes: &'a BTreeSet<&'a str>,
    /// The lines of the map.
    pub entries: Vec<String>,
    /// Sentences on what could not be carried over.
    pub notes: Vec<String>,
    /// Environment variables that the entries name, and what each has to hold.
    pub variables: Vec<(String, &'static str)>,
}

impl<'a> Importer<'a> {
    /// For settings, the apps in use by the names that `init` has for them, and the
    /// [classes](super::SchemeClass) that `DEFAULT_AUTHENTICATION_CLASSES` names or inherits from.
    pub fn new(
        settings: &'a DjangoSettings,
        installed: &'a BTreeSet<String>,
        classes: &'a BTreeSet<&'a str>,
    ) -> Self {
        let (entries, notes, variables) = (Vec::new(), Vec::new(), Vec::new());
        Self { settings, installed, classes, entries, notes, variables }
    }

    /// Whether an app is in use.
    pub fn has_app(&self, name: &str) -> bool {
        self.installed.contains(name)
    }

    /// Whether `DEFAULT_AUTHENTICATION_CLASSES` has a class.
    pub fn has_class(&self, class: &str) -> bool {
        self.classes.contains(class)
    }

    /// `${NAME}`, noted for the report, which says what has to be set.
    pub fn variable(&mut self, name: &str, holds: &'static str) -> String {
        self.variables.push((name.to_owned(), holds));
        format!("${{{name}}}")
    }

    /// Writes settings whose values are not the defaults, and a note for each that cannot be written.
    pub fn write(&mut self, imported: &ImportedSettings) {
        for (theirs, ours, write, default) in imported.table {
            let Some(value) = self.settings.get(theirs) else { continue };
            match write(value) {
                Some(text) if text == *default => {}
                Some(text) => {
                    if value.as_f64().is_some_and(|seconds| seconds > 3650.0 * 86_400.0) {
                        let note =
                            format!("{theirs} is longer than the ten years that {ours} has.");
                        self.notes.push(note);
                    }
                    self.entries.push(format!("{ours}: {text}"));
                }
                None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => {}
                None => self.notes.push(format!("{theirs} is {value}, which {ours} cannot say.")),
            }
        }
        if let Some(more) = imported.more {
            more(self);
        }
    }
}
