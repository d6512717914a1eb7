//! What `init` carries over of django-rest-knox.

use serde_json::Value;

use crate::package::{
    Holder, Import, ImportedSettings, Importer, PageClass, SchemeClass, Setting,
    import::write::{flag, number, quoted, seconds},
};

pub(super) const IMPORT: Import = Import {
    apps: &[("knox", "knox")],
    schemes: &[SchemeClass {
        sets_auth: true,
        fires: &["deleted:knox.AuthToken"],
        ..SchemeClass::new("knox.auth.TokenAuthentication", "knox")
    }],
    pages: &[
        view("knox.views.LoginView", "{ knox: { page: login } }", LOGIN),
        view("knox.views.LogoutView", "{ knox: { page: logout } }", LOGOUT),
        view("knox.views.LogoutAllView", "{ knox: { page: logoutall } }", LOGOUT),
    ],
    fixed: &[
        ("SECURE_HASH_ALGORITHM", "tokens are kept as SHA-512"),
        ("TOKEN_MODEL", "the table is the package's own"),
        ("EXPIRY_DATETIME_FORMAT", "`expiry` is ISO 8601"),
        ("USER_SERIALIZER", "`user_fields` may name columns"),
    ],
    settings: &[ImportedSettings {
        holder: Holder::Dictionary { module: "knox", name: "REST_KNOX" },
        map: "knox",
        table: TABLE,
        keys: None,
        more: Some(tokens_without_end),
    }],
};

const LOGIN: &[&str] = &["user_logged_in", "saved:knox.AuthToken"];
const LOGOUT: &[&str] = &["user_logged_out", "deleted:knox.AuthToken"];

const fn view(
    class: &'static str,
    endpoint: &'static str,
    fires: &'static [&'static str],
) -> PageClass {
    PageClass { class, endpoint, drf: true, takes_password: false, leads_to: None, fires }
}

const TABLE: &[Setting] = &[
    ("TOKEN_TTL", "ttl", seconds, "10h"),
    ("AUTH_HEADER_PREFIX", "keyword", quoted, "\"Token\""),
    ("TOKEN_PREFIX", "token_prefix", quoted, "\"\""),
    ("AUTH_TOKEN_CHARACTER_LENGTH", "token_length", number, "64"),
    ("TOKEN_LIMIT_PER_USER", "limit_per_user", number, ""),
    ("AUTO_REFRESH", "auto_refresh", flag, "false"),
    ("MIN_REFRESH_INTERVAL", "min_refresh_interval", seconds, "1m"),
    ("AUTO_REFRESH_MAX_TTL", "auto_refresh_max_ttl", seconds, ""),
];

/// In a table `None` is a default.
fn tokens_without_end(importer: &mut Importer<'_>) {
    if importer.settings.get("TOKEN_TTL").is_some_and(Value::is_null) {
        importer.entries.push("ttl: null".into());
    }
}
