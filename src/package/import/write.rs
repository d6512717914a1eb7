//! How values of Django's settings are written in the file. What cannot be written is none.

use serde_json::Value;

use crate::value::Period;

/// As a YAML text in quotes, which JSON's are.
pub(in crate::package) fn quoted(value: &Value) -> Option<String> {
    value.as_str().map(|text| Value::from(text).to_string())
}

/// Longer times, which people write for "never", are cut: see [`LONGEST`].
pub(in crate::package) fn seconds(value: &Value) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
    let whole = (seconds as u64).min(LONGEST);
    Some(Period::seconds(whole).to_string())
}

/// Ten years, the longest that the gateway takes.
const LONGEST: u64 = 3650 * 86_400;

/// `None` is written as `null`.
pub(in crate::package) fn seconds_or_none(value: &Value) -> Option<String> {
    if value.is_null() { Some("null".into()) } else { seconds(value) }
}

/// `True` and `False`.
pub(in crate::package) fn flag(value: &Value) -> Option<String> {
    value.as_bool().map(|flag| flag.to_string())
}

/// A whole number.
pub(in crate::package) fn number(value: &Value) -> Option<String> {
    value.as_u64().map(|number| number.to_string())
}

/// A list of texts; one text is a list of one.
pub(in crate::package) fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(_) => Some(format!("[{value}]")),
        Value::Array(list) if !list.is_empty() => Some(value.to_string()),
        _ => None,
    }
}

/// A text, or a list of texts.
pub(in crate::package) fn one_or_many(value: &Value) -> Option<String> {
    if value.is_string() { quoted(value) } else { words(value) }
}

/// From the name in `request.META` to the one on the wire.
pub(in crate::package) fn header(value: &Value) -> Option<String> {
    let words = value.as_str()?.strip_prefix("HTTP_")?.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    Some(words.collect::<Vec<_>>().join("-"))
}

/// `SameSite` of a cookie.
pub(in crate::package) fn same_site(value: &Value) -> Option<String> {
    match value {
        Value::Bool(false) | Value::Null => Some("false".into()),
        Value::String(word) => Some(word.to_lowercase()),
        _ => None,
    }
}
