//! The fields of a DRF serializer. From one list come parsing, DRF's words for what is wrong, and
//! what `OPTIONS` says of the view.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::json::Json;
use crate::{
    language::{Content, Language, Text},
    value::stripped,
};

/// A field of a serializer.
#[derive(Clone, Debug)]
pub struct Field {
    name: Cow<'static, str>,
    kind: Kind,
    required: bool,
    read_only: bool,
    label: Option<&'static str>,
    max_length: Option<usize>,
}

/// The kinds of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `CharField`; with `trim`, blanks around it are cut off.
    Text {
        /// `trim_whitespace`.
        trim: bool,
    },
    /// `EmailField`.
    Email,
    /// `BooleanField`.
    Boolean,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parsed {
    Text(String),
    Boolean(bool),
}

impl Field {
    /// A required `CharField`.
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Text { trim: true })
    }

    /// The same, whose blanks count.
    pub fn untrimmed(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Text { trim: false })
    }

    /// A required field.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        let (required, read_only) = (true, false);
        Self { name: name.into(), kind, required, read_only, label: None, max_length: None }
    }

    /// `required=False`.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// `read_only=True`: only said, never read.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { required: false, read_only: true, ..self }
    }

    /// `label`, where the view gives one that has translations.
    #[must_use]
    pub fn label(self, label: &'static str) -> Self {
        Self { label: Some(label), ..self }
    }

    /// `max_length`.
    #[must_use]
    pub fn at_most(self, characters: usize) -> Self {
        Self { max_length: Some(characters), ..self }
    }

    /// What `SimpleMetadata` says of it.
    pub(super) fn metadata(&self, language: Option<&Language>) -> Value {
        let label = match self.label {
            Some(label) => Text::from(label).in_language(language).into_owned(),
            None => title(&self.name),
        };
        let kind = match self.kind {
            Kind::Text { .. } => "string",
            Kind::Email => "email",
            Kind::Boolean => "boolean",
        };
        let mut said = Map::from_iter([
            ("type".to_owned(), json!(kind)),
            ("required".to_owned(), json!(self.required)),
            ("read_only".to_owned(), json!(self.read_only)),
            ("label".to_owned(), json!(label)),
        ]);
        said.extend(self.max_length.map(|most| ("max_length".to_owned(), json!(most))));
        said.into()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, value: Option<&Json>) -> Result<Option<Parsed>, Vec<Text>> {
        let Some(value) = value else {
            return match self.required {
                true => Err(vec!["This field is required.".into()]),
                false => Ok(None),
            };
        };
        match self.kind {
            Kind::Text { trim } => self.read_text(value, trim).map(Parsed::Text).map(Some),
            Kind::Email => {
                let text = self.read_text(value, true)?;
                match is_email(&text) {
                    true => Ok(Some(Parsed::Text(text))),
                    false => Err(vec!["Enter a valid email address.".into()]),
                }
            }
            Kind::Boolean => match boolean(value) {
                Some(truth) => Ok(Some(Parsed::Boolean(truth))),
                None if *value == Json::Null => Err(vec!["This field may not be null.".into()]),
                None => Err(vec!["Must be a valid boolean.".into()]),
            },
        }
    }

    /// DRF's `CharField`.
    fn read_text(&self, value: &Json, trim: bool) -> Result<String, Vec<Text>> {
        let (text, surrogate) = match value {
            Json::Null => return Err(vec!["This field may not be null.".into()]),
            Json::Text { text, surrogate } => (text.as_str(), *surrogate),
            Json::Number(digits) => (digits.as_str(), None),
            Json::Bool(_) | Json::Array | Json::Object(_) => {
                return Err(vec!["Not a valid string.".into()]);
            }
        };
        let text = if trim { stripped(text) } else { text };
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        let mut messages = Vec::new();
        if let Some(most) = self.max_length.filter(|most| text.chars().count() > *most) {
            let message = "Ensure this field has no more than {max_length} characters.";
            messages.push(Text::naming(message, most));
        }
        if text.contains('\0') {
            messages.push("Null characters are not allowed.".into());
        }
        if let Some(surrogate) = surrogate {
            let message = "Surrogate characters are not allowed: U+{code_point:X}.";
            messages.push(Text::naming(message, format!("{surrogate:X}")));
        }
        if messages.is_empty() { Ok(text.to_owned()) } else { Err(messages) }
    }
}

/// `first_name` is `First name`.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// DRF's `TRUE_VALUES` and `FALSE_VALUES`.
fn boolean(value: &Json) -> Option<bool> {
    let word = match value {
        Json::Bool(truth) => return Some(*truth),
        Json::Text { text, .. } => stripped(text).to_lowercase(),
        Json::Number(digits) => digits.clone(),
        Json::Null | Json::Array | Json::Object(_) => return None,
    };
    match word.as_str() {
        "t" | "y" | "yes" | "true" | "on" | "1" | "1.0" => Some(true),
        "f" | "n" | "no" | "false" | "off" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

/// Django's `EmailValidator`, for addresses that are not quoted.
fn is_email(text: &str) -> bool {
    const LOCAL: &str = "-!#$%&'*+/=?^_`{}|~";
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let word = |part: &str| {
        let of_word = |c: char| c.is_ascii_alphanumeric() || LOCAL.contains(c);
        !part.is_empty() && part.chars().all(of_word)
    };
    let label = |part: &str| {
        (1..=63).contains(&part.chars().count())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii())
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let mut labels = domain.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let known = domain == "localhost"
        || label(top) && top.len() >= 2 && domain.contains('.') && labels.all(label);
    text.len() <= 320 && local.split('.').all(word) && known
}

/// The fields of a request, read.
#[derive(Debug)]
pub struct Fields(Vec<(Cow<'static, str>, Parsed)>);

impl Fields {
    /// Reads the fields of a serializer.
    ///
    /// # Errors
    /// What is wrong with each, as DRF says it.
    pub fn read(data: &Json, wanted: &[Field]) -> Result<Self, Content> {
        let Json::Object(given) = data else {
            let message = match data {
                Json::Null => Text::from("No data provided"),
                _ => Text::naming(
                    "Invalid data. Expected a dictionary, but got {datatype}.",
                    data.python_type(),
                ),
            };
            return Err(Content::field_error("non_field_errors", message));
        };
        let (mut read, mut errors) = (Vec::new(), Vec::new());
        for field in wanted.iter().filter(|field| !field.read_only) {
            // Of two with one name the last counts, in Python's dictionaries as in Django's forms.
            let value = given.iter().rev().find(|(key, _)| *key == field.name);
            match field.read(value.map(|(_, value)| value)) {
                Ok(value) => read.extend(value.map(|value| (field.name.clone(), value))),
                Err(messages) => {
                    let messages = messages.into_iter().map(Content::Text).collect();
                    errors.push((field.name.clone(), Content::List(messages)));
                }
            }
        }
        if errors.is_empty() { Ok(Self(read)) } else { Err(Content::Map(errors)) }
    }

    /// A text; empty if it is optional and was not sent.
    pub fn text(&self, name: &str) -> &str {
        match self.find(name) {
            Some(Parsed::Text(text)) => text,
            _ => "",
        }
    }

    /// A boolean, if it was sent.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.find(name) {
            Some(Parsed::Boolean(truth)) => Some(*truth),
            _ => None,
        }
    }

    fn find(&self, name: &str) -> Option<&Parsed> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, wanted: &[Field]) -> Result<Fields, String> {
        let data = super::super::json::parse(body.as_bytes()).unwrap();
        Fields::read(&data, wanted).map_err(|errors| errors.write(None).to_string())
    }

    /// What DRF 3.18's `EmailField` and `BooleanField` say.
    #[test]
    fn addresses_and_flags() {
        let email = [Field::new("email", Kind::Email)];
        for good in ["a@b.io", "A.b+c@sub.example.com", "a@localhost", "a@exämple.de"] {
            assert_eq!(
                read(&json!({ "email": good }).to_string(), &email).unwrap().text("email"),
                good
            );
        }
        for bad in ["a", "a@b", "@b.io", "a@-b.io", "a b@c.io", "a@b..io", "a.@b.io"] {
            assert_eq!(
                read(&json!({ "email": bad }).to_string(), &email).unwrap_err(),
                r#"{"email":["Enter a valid email address."]}"#,
                "{bad}"
            );
        }
        let flag = [Field::new("flag", Kind::Boolean).optional()];
        for (given, truth) in [("true", true), ("\"yes\"", true), ("0", false), ("\"Off\"", false)]
        {
            let body = format!("{{\"flag\":{given}}}");
            assert_eq!(read(&body, &flag).unwrap().boolean("flag"), Some(truth), "{given}");
        }
        assert_eq!(read("{}", &flag).unwrap().boolean("flag"), None);
        assert_eq!(
            read(r#"{"flag":"maybe"}"#, &flag).unwrap_err(),
            r#"{"flag":["Must be a valid boolean."]}"#
        );
    }

    #[test]
    fn lengths_and_read_only_fields() {
        let wanted = [Field::text("name").at_most(3), Field::text("token").read_only()];
        assert_eq!(read(r#"{"name":"abc","token":"x"}"#, &wanted).unwrap().text("token"), "");
        assert_eq!(
            read(r#"{"name":"abcd"}"#, &wanted).unwrap_err(),
            r#"{"name":["Ensure this field has no more than 3 characters."]}"#
        );
    }
}
