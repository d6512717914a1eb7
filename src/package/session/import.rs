//! What `init` carries over of `django.contrib.sessions`, its log-in, and Django's CSRF protection.

use serde_json::Value;

use crate::package::{
    Holder, Import, ImportedSettings, Importer, PageClass, SchemeClass, Setting,
    import::write::{flag, quoted, same_site, seconds, seconds_or_none, words},
};

pub(super) const IMPORT: Import = Import {
    apps: &[("django.contrib.sessions", "sessions")],
    schemes: &[SchemeClass::new("rest_framework.authentication.SessionAuthentication", "session")],
    pages: &[
        PageClass {
            class: "django.contrib.auth.views.LoginView",
            endpoint: "{ session: { page: login } }",
            drf: false,
            takes_password: true,
            leads_to: Some("LOGIN_REDIRECT_URL"),
            fires: &["user_logged_in", "user_login_failed", "saved:user", "saved:sessions.Session"],
        },
        PageClass {
            class: "django.contrib.auth.views.LogoutView",
            endpoint: "{ session: { page: logout } }",
            drf: false,
            takes_password: false,
            leads_to: Some("LOGOUT_REDIRECT_URL"),
            fires: &["user_logged_out", "deleted:sessions.Session"],
        },
    ],
    fixed: &[
        ("SESSION_SERIALIZER", "sessions are JSON"),
        ("CSRF_FAILURE_VIEW", "the gateway has a page of its own"),
    ],
    settings: &[
        ImportedSettings {
            holder: Holder::Project { more: &["SESSION_ENGINE", "AUTHENTICATION_BACKENDS"] },
            map: "session",
            table: SESSION,
            keys: None,
            more: Some(engine_and_backends),
        },
        ImportedSettings {
            holder: Holder::Project { more: &["CSRF_HEADER_NAME", "CSRF_IS_OFF"] },
            map: "csrf",
            table: CSRF,
            keys: None,
            more: Some(csrf_header),
        },
    ],
};

const SESSION: &[Setting] = &[
    ("SESSION_COOKIE_NAME", "cookie", quoted, "\"sessionid\""),
    ("SESSION_COOKIE_AGE", "age", seconds, "14d"),
    ("SESSION_COOKIE_DOMAIN", "domain", quoted, ""),
    ("SESSION_COOKIE_PATH", "path", quoted, "\"/\""),
    ("SESSION_COOKIE_SECURE", "secure", flag, "false"),
    ("SESSION_COOKIE_HTTPONLY", "http_only", flag, "true"),
    ("SESSION_COOKIE_SAMESITE", "same_site", same_site, "lax"),
    ("SESSION_SAVE_EVERY_REQUEST", "save_every_request", flag, "false"),
    ("SESSION_EXPIRE_AT_BROWSER_CLOSE", "expire_at_browser_close", flag, "false"),
    ("LOGIN_REDIRECT_URL", "login_redirect", quoted, "\"/accounts/profile/\""),
    ("LOGOUT_REDIRECT_URL", "logout_redirect", quoted, ""),
    ("USERNAME_LABEL", "username_label", quoted, "\"username\""),
];

const CSRF: &[Setting] = &[
    ("CSRF_COOKIE_NAME", "cookie", quoted, "\"csrftoken\""),
    ("CSRF_COOKIE_AGE", "age", seconds_or_none, "364d"),
    ("CSRF_COOKIE_DOMAIN", "domain", quoted, ""),
    ("CSRF_COOKIE_PATH", "path", quoted, "\"/\""),
    ("CSRF_COOKIE_SECURE", "secure", flag, "false"),
    ("CSRF_COOKIE_HTTPONLY", "http_only", flag, "false"),
    ("CSRF_COOKIE_SAMESITE", "same_site", same_site, "lax"),
    ("CSRF_TRUSTED_ORIGINS", "trusted_origins", words, ""),
    ("CSRF_USE_SESSIONS", "use_sessions", flag, "false"),
];

fn engine_and_backends(importer: &mut Importer<'_>) {
    let settings = importer.settings;
    let engine = settings.text("SESSION_ENGINE").rsplit('.').next().unwrap_or_default();
    if ["cached_db", "signed_cookies"].contains(&engine) {
        importer.entries.push(format!("engine: {engine}"));
    }
    if engine == "cached_db" {
        importer.notes.push(
            "SESSION_ENGINE is cached_db: a session that ends at the gateway stays in Django's \
             cache, and pages that Django decides about take it until it is forgotten there; with \
             `db` it ends everywhere at once."
                .into(),
        );
    }
    let backends = settings.list("AUTHENTICATION_BACKENDS");
    if *backends != ["django.contrib.auth.backends.ModelBackend"] {
        importer.entries.push(format!("backends: {}", Value::from(backends)));
    }
}

fn csrf_header(importer: &mut Importer<'_>) {
    if importer.settings.is_true("CSRF_IS_OFF") {
        importer.entries.push("enforce: false  # as the project's middleware has it".into());
    }
    let header = importer.settings.text("CSRF_HEADER_NAME");
    if let Some(name) = header.strip_prefix("HTTP_").filter(|name| *name != "X_CSRFTOKEN") {
        importer.entries.push(format!("header: {}", name.replace('_', "-")));
    }
}
