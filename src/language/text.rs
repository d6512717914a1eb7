//! What the gateway says, before it is written: a sentence that a catalogue may have in another
//! language, and what is made of such sentences. Translation is looking a sentence up, never
//! searching a finished body for one.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Language;

/// A sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// By its English text, which names it in catalogues, as in Django's.
    Message(&'static str),
    /// The same, with a value for the one `{…}` in it.
    Naming(&'static str, Box<str>),
    /// In the words of a configuration, a service or a client: said as it is, in every language.
    Verbatim(Box<str>),
}

impl From<&'static str> for Text {
    fn from(message: &'static str) -> Self {
        Self::Message(message)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Verbatim(text.into())
    }
}

impl Text {
    /// A sentence with one thing named in it.
    pub fn naming(message: &'static str, value: impl ToString) -> Self {
        Self::Naming(message, value.to_string().into())
    }

    /// In English.
    pub fn english(&self) -> Cow<'_, str> {
        match self {
            Self::Message(message) => Cow::Borrowed(message),
            Self::Naming(message, value) => Cow::Owned(fill(message, value)),
            Self::Verbatim(text) => Cow::Borrowed(text),
        }
    }

    /// In a language, if it has the sentence; else in English.
    pub fn in_language<'a>(&'a self, language: Option<&'a Language>) -> Cow<'a, str> {
        let translated = language.and_then(|language| match self {
            Self::Message(message) => language.message(message, None),
            Self::Naming(message, value) => {
                language.message(message, Some(value)).map(|form| fill(&form, value).into())
            }
            Self::Verbatim(_) => None,
        });
        translated.unwrap_or_else(|| self.english())
    }
}

/// A pattern with its `{…}` filled in.
fn fill(pattern: &str, value: &str) -> String {
    let hole = pattern.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}').map(|(_, behind)| format!("{before}{value}{behind}"))
    });
    hole.unwrap_or_else(|| pattern.to_owned())
}

/// JSON with sentences in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A sentence.
    Text(Text),
    /// What is no sentence: said as it is.
    Data(Value),
    /// A list.
    List(Vec<Content>),
    /// A map, in order.
    Map(Vec<(Cow<'static, str>, Content)>),
}

impl Content {
    /// One sentence per field, as a serializer's errors are: `{"field": ["…"]}`.
    pub fn field_error(field: impl Into<Cow<'static, str>>, message: impl Into<Text>) -> Self {
        Self::Map(vec![(field.into(), Self::List(vec![Self::Text(message.into())]))])
    }

    /// As JSON, in a language.
    pub fn write(&self, language: Option<&Language>) -> Value {
        match self {
            Self::Text(text) => text.in_language(language).into(),
            Self::Data(value) => value.clone(),
            Self::List(list) => list.iter().map(|entry| entry.write(language)).collect(),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, entry)| (&**key, entry));
                write_map(entries, language).into()
            }
        }
    }
}

/// The entries of a map as JSON, in a language.
pub fn write_map<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Content)>,
    language: Option<&Language>,
) -> Map<String, Value> {
    entries.map(|(key, entry)| (key.to_owned(), entry.write(language))).collect()
}

impl From<Text> for Content {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&'static str> for Content {
    fn from(message: &'static str) -> Self {
        Self::Text(message.into())
    }
}

impl From<Value> for Content {
    fn from(value: Value) -> Self {
        Self::Data(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_named_in_a_sentence() {
        let text = Text::naming("Method \"{method}\" not allowed.", "PUT");
        assert_eq!(text.english(), "Method \"PUT\" not allowed.");
        // What a client wrote may look like a pattern.
        let text = Text::naming("Unsupported media type \"{media_type}\" in request.", "a{b}");
        assert_eq!(text.english(), "Unsupported media type \"a{b}\" in request.");
    }
}
