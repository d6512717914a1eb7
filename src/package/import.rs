//! What `init` carries over from a Django project that uses the real package. The script that reads
//! the project gets it as JSON and keeps no list of its own.

use serde::Serialize;

/// What of a package `init` knows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Import {
    /// Names in INSTALLED_APPS, each with what `init` calls it.
    pub apps: &'static [(&'static str, &'static str)],
    /// DRF authentication classes.
    pub schemes: &'static [SchemeClass],
    /// Views.
    pub pages: &'static [PageClass],
    /// Settings whose value the gateway fixes, with what it does whatever they say.
    pub fixed: &'static [(&'static str, &'static str)],
}

/// A DRF authentication class.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SchemeClass {
    /// Its dotted name.
    pub class: &'static str,
    /// The entry of `authentication`, as YAML in flow style.
    pub entry: &'static str,
    /// The attributes that a subclass may set and still be carried, and their settings.
    pub attributes: &'static [(&'static str, &'static str)],
}

/// A view.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PageClass {
    /// Its dotted name.
    pub class: &'static str,
    /// The `endpoint`, as YAML in flow style.
    pub endpoint: &'static str,
    /// Whether it is a DRF view, whose classes a route can carry; else one of Django's, of which
    /// `template_name` may differ.
    pub drf: bool,
    /// Whether it takes a password.
    pub takes_password: bool,
}

impl Import {
    /// Nothing.
    pub const NONE: Self = Self { apps: &[], schemes: &[], pages: &[], fixed: &[] };
}
