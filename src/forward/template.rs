//! The templates of identity headers: text with `{user.id}` and the like in it.

use hyper::header::HeaderValue;

use super::value::{LONGEST, write};
use crate::{
    identity::Identity,
    rejection::Rejection,
    value::{Path, Problem, Problems},
};

/// A parsed template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Id,
    Key,
    Username,
    Email,
    Name,
    Groups,
    Scopes,
    Claim(String),
}

const FIELDS: &str = "user.id, user.key, user.username, user.email, user.name, user.groups, user.scopes, claims.NAME";

impl Template {
    pub(super) fn parse(text: &str, at: &Path) -> Result<Self, Problems> {
        let problem = |message: String| {
            Problems::from(Problem::new(at, message).help(format!("the fields are {FIELDS}")))
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            parts.push(Part::Text(before.to_owned()));
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| problem(format!("`{text}` opens a brace and does not close it")))?;
            let field = match name {
                "user.id" => Field::Id,
                "user.key" => Field::Key,
                "user.username" => Field::Username,
                "user.email" => Field::Email,
                "user.name" => Field::Name,
                "user.groups" => Field::Groups,
                "user.scopes" => Field::Scopes,
                _ => match name.strip_prefix("claims.") {
                    Some(claim) => Field::Claim(claim.to_owned()),
                    None => return Err(problem(format!("there is no field `{name}`"))),
                },
            };
            parts.push(Part::Field(field));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        let printable = |part: &Part| match part {
            Part::Text(text) => text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            Part::Field(_) => true,
        };
        match parts.iter().all(printable) {
            true => Ok(Self(parts)),
            false => Err(problem(format!("`{text}` holds a character that no header may hold"))),
        }
    }

    /// The value for an identity; `None` if every field of the template is empty.
    pub(super) fn render(&self, identity: &Identity) -> Result<Option<HeaderValue>, Rejection> {
        let mut value = String::new();
        let mut empty = true;
        for part in &self.0 {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Field(field) => {
                    let before = value.len();
                    field.write(identity, &mut value);
                    empty &= value.len() == before;
                }
            }
        }
        // The name is who it is: without one a caller must not pass for anonymous.
        if empty && self.0.contains(&Part::Field(Field::Username)) {
            return Err(Rejection::Unwritable);
        }
        if empty {
            return Ok(None);
        }
        if value.len() > LONGEST {
            return Err(Rejection::Unwritable);
        }
        HeaderValue::try_from(value).map(Some).map_err(|_| Rejection::Unwritable)
    }
}

impl Field {
    fn write(&self, identity: &Identity, value: &mut String) {
        match self {
            Field::Id => write(identity.id.as_deref().unwrap_or_default(), value),
            Field::Key => {
                if let Some(key) = &identity.row {
                    write(&key.to_string(), value);
                }
            }
            Field::Username => write(&identity.username, value),
            Field::Email => write(&identity.email, value),
            Field::Name => write(&identity.name, value),
            Field::Groups => list(&identity.groups, value),
            Field::Scopes => list(&identity.scopes, value),
            Field::Claim(name) => match identity.claims.get(name) {
                None | Some(serde_json::Value::Null) => {}
                Some(serde_json::Value::String(text)) => write(text, value),
                Some(other) => write(&other.to_string(), value),
            },
        }
    }
}

fn list(words: &std::collections::BTreeSet<Box<str>>, value: &mut String) {
    // Readers of the list refuse an empty element, or drop it.
    for (position, word) in words.iter().filter(|word| !word.is_empty()).enumerate() {
        if position > 0 {
            value.push(',');
        }
        write(word, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, identity: &Identity) -> Option<String> {
        let template = Template::parse(template, &Path::root()).unwrap();
        let value = template.render(identity).unwrap()?;
        Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn writes_fields_and_leaves_out_what_is_not_there() {
        let identity = Identity {
            id: Some("7".into()),
            username: "élise".into(),
            groups: ["editors".into(), "a, b".into(), "".into()].into(),
            ..Identity::default()
        };
        assert_eq!(render("{user.username}", &identity).as_deref(), Some("%C3%A9lise"));
        assert_eq!(render("id={user.id}", &identity).as_deref(), Some("id=7"));
        assert_eq!(render("{user.groups}", &identity).as_deref(), Some("a%2C b,editors"));
        assert_eq!(render("{user.email}", &identity), None);
        for wrong in ["{user.nope}", "{user.id", "\u{e9}"] {
            assert!(Template::parse(wrong, &Path::root()).is_err(), "{wrong}");
        }
    }

    /// Attack: a callout or a row with an empty name passes, and the upstream takes the request
    /// for an anonymous one, or for the name of the template's text alone.
    #[test]
    fn an_empty_name_is_refused() {
        let template = Template::parse("{user.username}", &Path::root()).unwrap();
        assert!(template.render(&Identity::default()).is_err());
        let long = Identity { username: "a".repeat(7000).into(), ..Identity::default() };
        assert!(template.render(&long).is_err());
    }
}
