//! Which setting of Django's and its packages is called what here, and how its value is written.

use serde_json::Value;

use super::project::Settings;

/// A setting of Django's, its name here, how its value is written, and the default of both, which
/// is left out.
pub(super) type Setting = (&'static str, &'static str, fn(&Value) -> Option<String>, &'static str);

pub(super) const SESSION: [Setting; 11] = [
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
];

pub(super) const CSRF: [Setting; 9] = [
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

pub(super) const JWT: [Setting; 22] = [
    ("ALGORITHM", "algorithm", quoted, "\"HS256\""),
    ("JWK_URL", "jwks", quoted, ""),
    ("ACCESS_TOKEN_LIFETIME", "access_lifetime", seconds, "5m"),
    ("REFRESH_TOKEN_LIFETIME", "refresh_lifetime", seconds, "1d"),
    ("SLIDING_TOKEN_LIFETIME", "sliding_lifetime", seconds, "5m"),
    ("SLIDING_TOKEN_REFRESH_LIFETIME", "sliding_refresh_lifetime", seconds, "1d"),
    ("ROTATE_REFRESH_TOKENS", "rotate_refresh_tokens", flag, "false"),
    ("BLACKLIST_AFTER_ROTATION", "blacklist_after_rotation", flag, "false"),
    ("UPDATE_LAST_LOGIN", "update_last_login", flag, "false"),
    ("AUDIENCE", "audience", one_or_many, ""),
    ("ISSUER", "issuer", quoted, ""),
    ("LEEWAY", "leeway", seconds, "0ms"),
    ("AUTH_HEADER_TYPES", "keywords", words, "[\"Bearer\"]"),
    ("AUTH_HEADER_NAME", "header", header, "Authorization"),
    ("USER_ID_FIELD", "user_id_field", column, "\"id\""),
    ("USER_ID_CLAIM", "user_id_claim", quoted, "\"user_id\""),
    ("CHECK_USER_IS_ACTIVE", "check_user_is_active", flag, "true"),
    ("CHECK_REVOKE_TOKEN", "check_revoke_token", flag, "false"),
    ("TOKEN_TYPE_CLAIM", "token_type_claim", quoted, "\"token_type\""),
    ("JTI_CLAIM", "jti_claim", quoted, "\"jti\""),
    ("SLIDING_TOKEN_REFRESH_EXP_CLAIM", "(nothing)", nowhere, "\"refresh_exp\""),
    ("REVOKE_TOKEN_CLAIM", "revoke_token_claim", quoted, "\"hash_password\""),
];

pub(super) const KNOX: [Setting; 8] = [
    ("TOKEN_TTL", "ttl", seconds, "10h"),
    ("AUTH_HEADER_PREFIX", "keyword", quoted, "\"Token\""),
    ("TOKEN_PREFIX", "token_prefix", quoted, "\"\""),
    ("AUTH_TOKEN_CHARACTER_LENGTH", "token_length", number, "64"),
    ("TOKEN_LIMIT_PER_USER", "limit_per_user", number, ""),
    ("AUTO_REFRESH", "auto_refresh", flag, "false"),
    ("MIN_REFRESH_INTERVAL", "min_refresh_interval", seconds, "1m"),
    ("AUTO_REFRESH_MAX_TTL", "auto_refresh_max_ttl", seconds, ""),
];

/// As a YAML text in quotes, which JSON's are.
fn quoted(value: &Value) -> Option<String> {
    value.as_str().map(|text| Value::from(text).to_string())
}

/// Longer times, which people write for "never", are cut: see [`LONGEST`].
fn seconds(value: &Value) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
    let whole = (seconds as u64).min(LONGEST);
    Some(crate::value::Period::seconds(whole).to_string())
}

/// Ten years, the longest that the gateway takes.
const LONGEST: u64 = 3650 * 86_400;

fn seconds_or_none(value: &Value) -> Option<String> {
    if value.is_null() { Some("null".into()) } else { seconds(value) }
}

fn flag(value: &Value) -> Option<String> {
    value.as_bool().map(|flag| flag.to_string())
}

fn number(value: &Value) -> Option<String> {
    value.as_u64().map(|number| number.to_string())
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(_) => Some(format!("[{value}]")),
        Value::Array(list) if !list.is_empty() => Some(value.to_string()),
        _ => None,
    }
}

fn one_or_many(value: &Value) -> Option<String> {
    if value.is_string() { quoted(value) } else { words(value) }
}

/// From the name in `request.META` to the one on the wire.
fn header(value: &Value) -> Option<String> {
    let words = value.as_str()?.strip_prefix("HTTP_")?.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    Some(words.collect::<Vec<_>>().join("-"))
}

/// `pk` is Django's word for whatever the primary key is called.
fn column(value: &Value) -> Option<String> {
    if value == "pk" { Some("\"id\"".into()) } else { quoted(value) }
}

/// What has no setting here: anything but the default is a note.
fn nowhere(value: &Value) -> Option<String> {
    (value == "refresh_exp").then(|| value.to_string())
}

fn same_site(value: &Value) -> Option<String> {
    match value {
        Value::Bool(false) | Value::Null => Some("false".into()),
        Value::String(word) => Some(word.to_lowercase()),
        _ => None,
    }
}

/// The settings whose values are not the defaults, and a sentence for each that cannot be written.
pub(super) fn changed(
    settings: &Settings,
    table: &[Setting],
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut entries = Vec::new();
    for (theirs, ours, write, default) in table {
        let Some(value) = settings.get(theirs) else { continue };
        match write(value) {
            Some(text) if text == *default => {}
            Some(text) => {
                if value.as_f64().is_some_and(|seconds| seconds > 3650.0 * 86_400.0) {
                    notes.push(format!("{theirs} is longer than the ten years that {ours} has."));
                }
                entries.push(format!("{ours}: {text}"));
            }
            None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => {}
            None => notes.push(format!("{theirs} is {value}, which {ours} cannot say.")),
        }
    }
    entries
}
