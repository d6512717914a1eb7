//! The JSON of our pages, read as Python reads it: what another reader takes is taken for the same,
//! and what is refused beyond that is what Python refuses.

use portcullis::web::json::{Json, parse};
use serde_json::Value;

pub(crate) fn target(data: &[u8]) {
    let ours = parse(data);
    let theirs = serde_json::from_slice::<Value>(data);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert!(is_same(ours, theirs), "{ours:?} is not {theirs}"),
        (Err(_), Err(_)) => {}
        // Deeper than anybody needs.
        (Err(error), Ok(_)) => assert!(error.starts_with("Too many nested values"), "{error}"),
        // Numbers without bounds, and half of a surrogate pair, are good JSON in Python.
        (Ok(ours), Err(error)) => {
            let text = error.to_string();
            let known = ["number out of range", "surrogate", "hex escape"];
            assert!(known.iter().any(|known| text.contains(known)), "{ours:?}: {text}");
        }
    }
    if let Err(error) = &ours {
        let place = error.split("(char ").nth(1).and_then(|rest| rest.strip_suffix(')'));
        let place = place.map(|place| place.parse::<usize>().expect("a place"));
        assert!(place.is_none_or(|place| place <= data.len()), "{error}");
    }
}

/// As far as ours keeps it: of numbers the digits, of lists nothing.
fn is_same(ours: &Json, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null)
        | (Json::Bool(_), Value::Bool(_))
        | (Json::Array, Value::Array(_)) => true,
        (Json::Number(digits), Value::Number(number)) => {
            let (own, other) = (digits.parse::<f64>(), number.as_f64());
            // The other reader is not exact.
            let near =
                |(own, other): (f64, f64)| (own - other).abs() <= other.abs() * 1e-14 + 1e-300;
            own.ok().zip(other).is_some_and(near)
        }
        (Json::Text { text, surrogate: None }, Value::String(other)) => text == other,
        (Json::Object(pairs), Value::Object(map)) => {
            // Of two with one name the last counts.
            let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            let last =
                |name| pairs.iter().rfind(|(known, _)| known == name).map(|(_, value)| value);
            names.len() == map.len()
                && map.iter().all(|(name, other)| last(name).is_some_and(|own| is_same(own, other)))
        }
        _ => false,
    }
}
