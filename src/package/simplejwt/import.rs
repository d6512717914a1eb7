//! What `init` carries over of djangorestframework-simplejwt.

use serde_json::Value;

use crate::package::{
    Holder, Import, ImportedSettings, Importer, Keys, PageClass, SchemeClass, Setting,
    import::write::{flag, header, one_or_many, quoted, seconds, words},
};

pub(super) const IMPORT: Import = Import {
    apps: &[("rest_framework_simplejwt.token_blacklist", BLACKLIST)],
    schemes: &[
        class("rest_framework_simplejwt.authentication.JWTAuthentication"),
        SchemeClass { asks_store: false, ..class(STATELESS) },
    ],
    pages: &[
        view(
            "rest_framework_simplejwt.views.TokenObtainPairView",
            "{ jwt: { page: obtain } }",
            true,
            OBTAIN,
        ),
        view(
            "rest_framework_simplejwt.views.TokenRefreshView",
            "{ jwt: { page: refresh } }",
            false,
            WRITE,
        ),
        view(
            "rest_framework_simplejwt.views.TokenVerifyView",
            "{ jwt: { page: verify } }",
            false,
            &[],
        ),
        view(
            "rest_framework_simplejwt.views.TokenBlacklistView",
            "{ jwt: { page: blacklist } }",
            false,
            WRITE,
        ),
        view(
            "rest_framework_simplejwt.views.TokenObtainSlidingView",
            "{ jwt_sliding: { page: obtain } }",
            true,
            OBTAIN,
        ),
        view(
            "rest_framework_simplejwt.views.TokenRefreshSlidingView",
            "{ jwt_sliding: { page: refresh } }",
            false,
            &[],
        ),
    ],
    fixed: &[
        ("JSON_ENCODER", "claims are what JSON has"),
        ("USER_AUTHENTICATION_RULE", "a user has to be active"),
        ("TOKEN_USER_CLASS", "the project sees the user whom the gateway names"),
    ],
    settings: &[ImportedSettings {
        holder: Holder::Dictionary { module: "rest_framework_simplejwt", name: "SIMPLE_JWT" },
        map: "jwt",
        table: TABLE,
        keys: Some(Keys {
            names: &["SIGNING_KEY", "VERIFYING_KEY"],
            algorithm: "ALGORITHM",
            usual: "HS256",
        }),
        more: Some(keys_and_kinds),
    }],
};

const BLACKLIST: &str = "token_blacklist";
const STATELESS: &str = "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication";

const fn class(class: &'static str) -> SchemeClass {
    SchemeClass { sets_auth: true, ..SchemeClass::new(class, "jwt") }
}

const OBTAIN: &[&str] = &[
    "user_login_failed",
    "saved:user if SIMPLE_JWT.UPDATE_LAST_LOGIN",
    "saved:token_blacklist.OutstandingToken",
];
const WRITE: &[&str] =
    &["saved:token_blacklist.OutstandingToken", "saved:token_blacklist.BlacklistedToken"];

const fn view(
    class: &'static str,
    endpoint: &'static str,
    takes_password: bool,
    fires: &'static [&'static str],
) -> PageClass {
    PageClass { class, endpoint, drf: true, takes_password, leads_to: None, fires }
}

const TABLE: &[Setting] = &[
    ("ALGORITHM", "algorithm", quoted, "\"HS256\""),
    ("ACCESS_TOKEN_LIFETIME", "access_lifetime", seconds, "5m"),
    ("REFRESH_TOKEN_LIFETIME", "refresh_lifetime", seconds, "1d"),
    ("SLIDING_TOKEN_LIFETIME", "sliding_lifetime", seconds, "5m"),
    ("SLIDING_TOKEN_REFRESH_LIFETIME", "sliding_refresh_lifetime", seconds, "1d"),
    ("ROTATE_REFRESH_TOKENS", "rotate_refresh_tokens", flag, "false"),
    ("UPDATE_LAST_LOGIN", "update_last_login", flag, "false"),
    ("AUDIENCE", "audience", one_or_many, ""),
    ("ISSUER", "issuer", quoted, ""),
    ("LEEWAY", "leeway", seconds, "0ms"),
    ("AUTH_HEADER_TYPES", "keywords", words, "[\"Bearer\"]"),
    ("AUTH_HEADER_NAME", "header", header, "Authorization"),
    ("USER_ID_FIELD", "user_id_field", quoted, "\"id\""),
    ("USER_ID_CLAIM", "user_id_claim", quoted, "\"user_id\""),
    ("CHECK_USER_IS_ACTIVE", "check_user_is_active", flag, "true"),
    ("CHECK_REVOKE_TOKEN", "check_revoke_token", flag, "false"),
    ("TOKEN_TYPE_CLAIM", "token_type_claim", quoted, "\"token_type\""),
    ("JTI_CLAIM", "jti_claim", quoted, "\"jti\""),
    ("SLIDING_TOKEN_REFRESH_EXP_CLAIM", "(nothing)", nowhere, "\"refresh_exp\""),
    ("REVOKE_TOKEN_CLAIM", "revoke_token_claim", quoted, "\"hash_password\""),
];

/// What has no setting here: anything but the default is a note.
fn nowhere(value: &Value) -> Option<String> {
    (value == "refresh_exp").then(|| value.to_string())
}

fn keys_and_kinds(importer: &mut Importer<'_>) {
    let settings = importer.settings;
    if settings.is_own_key("SIGNING_KEY") {
        let key = importer.variable("JWT_SIGNING_KEY", "SIMPLE_JWT's SIGNING_KEY");
        importer.entries.push(format!("signing_key: {key}"));
    }
    // A secret verifies what it has signed, and a set of keys goes before a key.
    let verifies = ["JWK_URL", "VERIFYING_KEY"].into_iter().zip(["jwks", "verifying_key"]);
    let verifies = verifies.filter_map(|(name, key)| Some((key, settings.get(name)?)));
    let mut verifies = verifies.filter(|(_, value)| value.as_str().is_some_and(|v| !v.is_empty()));
    if !settings.text("ALGORITHM").starts_with("HS")
        && let Some((key, value)) = verifies.next()
    {
        importer.entries.push(format!("{key}: {value}"));
    }
    let classes = settings.texts("AUTH_TOKEN_CLASSES");
    let kinds = classes.filter_map(|class| match class.rsplit('.').next() {
        Some("AccessToken") => Some("access"),
        Some("SlidingToken") => Some("sliding"),
        _ => None,
    });
    let kinds: Vec<&str> = kinds.collect();
    if !kinds.is_empty() && kinds != ["access"] {
        importer.entries.push(format!("token_types: [{}]", kinds.join(", ")));
    }
    if importer.has_app(BLACKLIST) {
        importer.entries.push("blacklist: true".into());
        if settings.is_true("BLACKLIST_AFTER_ROTATION") {
            importer.entries.push("blacklist_after_rotation: true".into());
        }
    }
    if importer.has_class(STATELESS) {
        importer.entries.push("stateless: true".into());
    }
}
