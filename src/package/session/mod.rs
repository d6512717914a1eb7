#![doc = include_str!("README.md")]

mod commands;
mod config;
mod import;
mod list;
mod pages;
pub mod rows;
mod scheme;
mod sessions;
mod templates;
mod write;

pub use self::{config::Config, list::Listed, sessions::Sessions, write::Begun};

use super::{Commands, Descriptor, Page, PageSet, SchemeKind, Section};
use crate::store::{Owner, Table, Trigger};

/// Django's `django.contrib.sessions`, and log-in with it.
pub static PACKAGE: Descriptor = Descriptor {
    settings: Some(Section::of::<Config>("session", "Django's `SESSION_*`.")),
    schemes: &[SchemeKind::of::<scheme::Config>("session")],
    pages: &[
        PageSet {
            word: "session",
            description: "Django's login and logout: `login/` and `logout/` below the route.",
            pages: &[
                Page::plain("login", "login/", "GET, HEAD, POST, OPTIONS", pages::login),
                Page::plain("logout", "logout/", "POST, OPTIONS", pages::logout),
            ],
        },
        PageSet {
            word: "csrf",
            description: "A CSRF token and its cookie, for single-page applications.",
            pages: &[Page {
                slash: false,
                ..Page::plain("csrf", "", "GET, HEAD, OPTIONS", pages::csrf_token)
            }],
        },
    ],
    tables: &[Table {
        name: "django_session",
        sqlite: &[
            "CREATE TABLE IF NOT EXISTS django_session (session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL)",
            "CREATE INDEX IF NOT EXISTS django_session_expire_date_a5c62663 ON django_session (expire_date)",
        ],
        owner: Owner::Django,
        // A session without its user proves no user, as in Django.
        on_user_delete: None,
        trigger: Some(Trigger {
            // Not its end: a session that is used may end later each time.
            events: "UPDATE OF session_key, session_data OR DELETE",
            message: "'credential session ' || encode(sha256(convert_to(OLD.session_key, 'UTF8')), 'hex')",
        }),
    }],
    import: import::IMPORT,
    commands: &[Commands { word: "session", define: commands::define, run: commands::run }],
    build: Some(|site| site.shared::<Sessions>().map(|_| ())),
    ..Descriptor::new("session", include_str!("README.md"))
};
