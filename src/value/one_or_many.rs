//! A list of which one entry may stand alone, such as `audience: api`.

use serde::{Deserialize, Deserializer};

/// One text, several, or none (`null`).
///
/// # Errors
/// Anything else.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
        None(()),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::One(one) => vec![one],
        Form::Many(many) => many,
        Form::None(()) => Vec::new(),
    })
}
