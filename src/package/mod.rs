//! What the Django world calls a package, each in a room of its own: its settings, tables, schemes,
//! pages, commands, texts, what `init` carries over, and its documentation.
//!
//! # Anatomy
//!
//! ```text
//! package/knox/  mod.rs      PACKAGE: the Descriptor, and the settings (REST_KNOX)
//!                scheme.rs   what reads `Authorization: Token …`
//!                tokens.rs   what scheme and pages share: `Shared`, built once for each configuration
//!                pages.rs    `login/`, `logout/`, `logoutall/`
//!                rows.rs     its SQL, on `store::Database`
//!                README.md   its page of documentation
//! ```
//!
//! A package is added by its folder and one line in [`PACKAGES`]. Packages do not import one
//! another: what one needs of the others it asks of [`account`](crate::account), where they register.
//! `tests/architecture.rs` holds both.

#[warn(missing_docs)]
mod command;
#[warn(missing_docs)]
mod import;
#[warn(missing_docs)]
mod page;
#[warn(missing_docs)]
mod probe;
#[warn(missing_docs)]
mod scheme_kind;
#[warn(missing_docs)]
mod section;
#[warn(missing_docs)]
mod site;

pub mod api_key;
pub mod basic;
pub mod callout;
pub mod certificate;
pub mod gateway_pages;
pub mod hawk;
pub mod headless;
pub mod issuer;
pub mod knox;
pub mod remote_user;
pub mod session;
pub mod simplejwt;
pub mod token;
pub mod upstream;
pub mod wasm;

pub(crate) use self::command::print_line;
pub use self::{
    command::{Commands, read_line, say, say_heard, secret_from_stdin, user_named},
    import::{
        DjangoSettings, Holder, Import, ImportedSettings, Importer, Keys, PageClass, SchemeClass,
        Setting,
    },
    page::{Asks, BuildPage, Handler, Limit, Page, PageCall, PageContext, PageSet, Served},
    probe::Probe,
    scheme_kind::{Entry, SchemeContext, SchemeKind, SchemeSettings, Takes, scheme_words},
    section::{Section, Settings},
    site::{Shared, Site},
};

use crate::{
    store::Table,
    value::{Path, Problems},
};

/// A package.
pub struct Descriptor {
    /// Its name: of its folder, of its map of settings at the top of the file, in metrics and logs.
    pub key: &'static str,
    /// Its page of documentation, in Markdown.
    pub readme: &'static str,
    /// The map of its settings at the top of the file, under `key` or a word of its own.
    pub settings: Option<Section>,
    /// The words that a chain may name.
    pub schemes: &'static [SchemeKind],
    /// The words that `endpoint` may name, each with its pages.
    pub pages: &'static [PageSet],
    /// Its tables.
    pub tables: &'static [Table],
    /// What `init` carries over from a Django project.
    pub import: Import,
    /// Its commands.
    pub commands: &'static [Commands],
    /// The sentences of its answers that the real package has translations for.
    pub texts: &'static [&'static str],
    /// Builds its shared part, and registers what it has for others. Without it the shared part is
    /// built when a scheme or page first needs it.
    pub build: Option<Register>,
}

/// Registers what a package has for others; or says everything that is wrong in its settings.
pub type Register = fn(&Site<'_>) -> Result<(), Problems>;

impl Descriptor {
    /// A package that has nothing yet but its name and page of documentation.
    pub const fn new(key: &'static str, readme: &'static str) -> Self {
        Self {
            key,
            readme,
            settings: None,
            schemes: &[],
            pages: &[],
            tables: &[],
            import: Import::NONE,
            commands: &[],
            texts: &[],
            build: None,
        }
    }
}

/// All packages. The order is that of documentation, of `init`, and of what a scheme word that two
/// packages share is tried by.
pub static PACKAGES: &[&Descriptor] = &[
    &basic::PACKAGE,
    &token::PACKAGE,
    &session::PACKAGE,
    &remote_user::PACKAGE,
    &issuer::PACKAGE,
    &simplejwt::PACKAGE,
    &knox::PACKAGE,
    &api_key::PACKAGE,
    &certificate::PACKAGE,
    &callout::PACKAGE,
    &wasm::PACKAGE,
    &hawk::PACKAGE,
    &headless::PACKAGE,
    &upstream::PACKAGE,
    &gateway_pages::PACKAGE,
];

/// The tables of all packages.
pub fn tables() -> impl Iterator<Item = Table> {
    PACKAGES.iter().flat_map(|package| package.tables).copied()
}

/// Builds what packages register, those that are not built on first use.
pub fn build_all(site: &Site<'_>) -> Problems {
    let mut problems = Problems::default();
    for build in PACKAGES.iter().filter_map(|package| package.build) {
        problems.keep(build(site));
    }
    problems
}

/// The place of a package's settings.
pub fn settings_path(word: &str) -> Path {
    Path::root().key(word)
}
