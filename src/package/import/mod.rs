//! What `init` carries over from a Django project that uses the real package. The script that reads
//! the project gets it as JSON and keeps no list of its own; each package says here how its settings
//! are written.

mod django_settings;
mod imported_settings;
pub(super) mod write;

pub use self::{
    django_settings::DjangoSettings,
    imported_settings::{Holder, ImportedSettings, Importer, Keys, Setting},
};

/// What of a package `init` knows.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// Names in `INSTALLED_APPS`, each with what `init` calls it.
    pub apps: &'static [(&'static str, &'static str)],
    /// DRF authentication classes.
    pub schemes: &'static [SchemeClass],
    /// Views.
    pub pages: &'static [PageClass],
    /// Settings whose value the gateway fixes, with what it does whatever they say.
    pub fixed: &'static [(&'static str, &'static str)],
    /// Settings that are carried, one for each map at the top of the file.
    pub settings: &'static [ImportedSettings],
}

/// A DRF authentication class.
#[derive(Clone, Copy, Debug)]
pub struct SchemeClass {
    /// Its dotted name.
    pub class: &'static str,
    /// The entry of `authentication`, as YAML in flow style.
    pub entry: &'static str,
    /// The attributes that a subclass may set and still be carried, and their settings.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Those of `attributes` that name a header as `request.META` does. They are always written.
    pub headers: &'static [&'static str],
    /// Why it is not carried, where a person has to add something: a sentence on the class.
    pub note: Option<&'static str>,
    /// Whether `request.auth` is an object that views read.
    pub sets_auth: bool,
    /// Whether it takes a password.
    pub takes_password: bool,
    /// Whether it looks its users up.
    pub asks_store: bool,
    /// See [`PageClass::fires`].
    pub fires: &'static [&'static str],
    /// Settings with which the class does more, and is not carried.
    pub unless: &'static [&'static str],
    /// The setting for a subclass that returns nothing where its base refuses a credential.
    pub lenient: Option<&'static str>,
}

/// A view.
#[derive(Clone, Copy, Debug)]
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
    /// The setting that says where it leads. Elsewhere than on this host, the page is left to the
    /// project.
    pub leads_to: Option<&'static str>,
    /// The signals that the real one sends: those of `django.contrib.auth.signals` by name,
    /// `saved:app.Model` and `deleted:app.Model` (`user` is the user model), each perhaps with
    /// ` if SETTING.KEY`. What a project watches is left to the project.
    pub fires: &'static [&'static str],
}

impl Import {
    /// Nothing.
    pub const NONE: Self = Self { apps: &[], schemes: &[], pages: &[], fixed: &[], settings: &[] };
}

impl SchemeClass {
    /// A class of which nothing else has to be known.
    pub const fn new(class: &'static str, entry: &'static str) -> Self {
        Self {
            class,
            entry,
            attributes: &[],
            headers: &[],
            note: None,
            sets_auth: false,
            takes_password: false,
            asks_store: true,
            fires: &[],
            unless: &[],
            lenient: None,
        }
    }
}
