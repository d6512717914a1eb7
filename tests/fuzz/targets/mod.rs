//! One file a target: `target` takes any bytes and panics if something that must hold does not.
//! libFuzzer runs them (`fuzzer.rs`), and so does every `cargo test` (`smoke.rs`). They share
//! nothing with what they judge: where one needs a second opinion, it brings a slow and plain one.

pub(crate) mod authorization;
pub(crate) mod config;
pub(crate) mod cookie;
pub(crate) mod csrf;
pub(crate) mod form;
pub(crate) mod forwarded;
pub(crate) mod framing;
pub(crate) mod identity;
pub(crate) mod json;
pub(crate) mod jwt;
pub(crate) mod local;
pub(crate) mod notation;
pub(crate) mod path;
pub(crate) mod reference;
pub(crate) mod route;
pub(crate) mod signing;
pub(crate) mod strip;
pub(crate) mod wire;

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

/// A target.
pub(crate) type Target = fn(&[u8]);

/// All of them, with how many mutations of its seeds each gets in a smoke run: what is slow gets
/// fewer.
pub(crate) const ALL: &[(&str, Target, usize)] = &[
    ("authorization", authorization::target, 20000),
    ("config", config::target, 600),
    ("cookie", cookie::target, 10000),
    ("csrf", csrf::target, 10000),
    ("form", form::target, 4000),
    ("forwarded", forwarded::target, 8000),
    ("framing", framing::target, 4000),
    ("identity", identity::target, 3000),
    ("json", json::target, 20000),
    ("jwt", jwt::target, 6000),
    ("local", local::target, 20000),
    ("notation", notation::target, 10000),
    ("path", path::target, 4000),
    ("route", route::target, 4000),
    ("signing", signing::target, 6000),
    ("strip", strip::target, 6000),
    ("wire", wire::target, 2000),
];

/// An input, which targets take apart. What is not there is empty: no input is wrong.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// One byte, for choices.
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Up to the next line end.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    /// The next line, if it is text.
    pub(crate) fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.line()).unwrap_or_default()
    }

    /// Lines up to an empty one: the fields of a head, in order. What is none is left out.
    pub(crate) fn fields(&mut self) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields;
            }
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
            let value = parts.next().unwrap_or_default().trim_ascii();
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                fields.push((name, value));
            }
        }
    }
}

/// Fields as a request has them.
pub(crate) fn map(fields: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value.clone());
    }
    map
}

/// Whether a number in it is no integer of 64 bits. Known: those come back as other numbers, and
/// Python has no bounds for its integers.
pub(crate) fn has_float(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(list) => list.iter().any(has_float),
        serde_json::Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

/// Bytes for people.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
