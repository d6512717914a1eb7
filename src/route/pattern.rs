//! The `host` and `path` of a route.

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::request::{Target, canonical_host, decode_path};

/// A host: one name, all names below one (`*.example.com`), or any (`*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostPattern {
    /// Any.
    #[default]
    Any,
    /// Names below this one; it begins with a dot.
    Below(Box<str>),
    /// This one.
    Exact(Box<str>),
}

impl HostPattern {
    pub(super) fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Below(suffix) => host.ends_with(&**suffix),
            HostPattern::Exact(name) => host == &**name,
        }
    }

    /// The host, if it is one alone.
    pub fn single(&self) -> Option<&str> {
        match self {
            HostPattern::Any | HostPattern::Below(_) => None,
            HostPattern::Exact(name) => Some(name),
        }
    }

    pub(super) fn specificity(&self) -> usize {
        match self {
            HostPattern::Any => 0,
            HostPattern::Below(suffix) => suffix.len(),
            HostPattern::Exact(_) => usize::MAX,
        }
    }
}

impl FromStr for HostPattern {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let name = canonical_host(name).filter(|_| !name.contains(':') || name.starts_with('['));
        let name = name.ok_or(())?;
        Ok(if below { Self::Below(format!(".{name}").into()) } else { Self::Exact(name) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Below(suffix) => write!(f, "*{suffix}"),
            HostPattern::Exact(name) => f.write_str(name),
        }
    }
}

crate::value::text_notation!(
    HostPattern,
    "HostPattern",
    "a host name such as api.example.com or *.example.com",
    r"^(\*|(\*\.)?[A-Za-z0-9.\-_\[\]:]+)$"
);

/// A path: a prefix by segments, or with `=` in front one path exactly. `{name}` in the place of a
/// segment stands for any one segment.
#[derive(Clone, Debug)]
pub struct PathPattern {
    written: Box<str>,
    exact: bool,
    /// Decoded, without a final slash.
    path: Box<[u8]>,
    slash: bool,
    /// Which segments of `path`, counted from 0, are variable, and what may stand there. The first one
    /// is empty.
    variables: Box<[(usize, Kind)]>,
}

/// What a variable segment may be: Django's path converters, and the rest of its regular expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Anything: `str`.
    Any,
    /// Anything without a dot: `[^/.]+`, as DRF's routers have it.
    Label,
    /// ASCII letters, digits, `-` and `_`.
    Slug,
    /// ASCII digits.
    Int,
    /// In lower case, with dashes.
    Uuid,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "str" => Self::Any,
            "label" => Self::Label,
            "slug" => Self::Slug,
            "int" => Self::Int,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    fn takes(self, segment: &[u8]) -> bool {
        let slug = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !segment.is_empty()
            && match self {
                Self::Any => true,
                Self::Label => !segment.contains(&b'.'),
                Self::Slug => segment.iter().all(slug),
                Self::Int => segment.iter().all(u8::is_ascii_digit),
                Self::Uuid => is_uuid(segment),
            }
    }

    /// The more, the more it takes.
    fn width(self) -> usize {
        match self {
            Self::Any => 4,
            Self::Label => 3,
            Self::Slug => 2,
            Self::Int | Self::Uuid => 1,
        }
    }

    /// Whether all that it takes is taken by the other one.
    fn is_within(self, other: Self) -> bool {
        use Kind::{Any, Int, Label, Slug, Uuid};
        self == other
            || match other {
                Any => true,
                Label => matches!(self, Slug | Int | Uuid),
                Slug => matches!(self, Int | Uuid),
                Int | Uuid => false,
            }
    }
}

fn is_uuid(segment: &[u8]) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let mut places = segment.iter().enumerate();
    segment.len() == 36
        && places.all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => hex(*byte),
        })
}

/// Why a text is no path pattern, and what is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAPattern(String);

/// How the requests that two patterns match lie to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// No request matches both.
    Apart,
    /// The same.
    Same,
    /// All of the one, and more, or all of the other.
    Nested,
    /// Some match both, and neither pattern is the more specific.
    Crossing,
}

/// What decides between patterns that match one request: the greatest wins.
pub type Specificity = (usize, bool, std::cmp::Reverse<usize>);

impl PathPattern {
    /// The exact path of a page below a route, with its final slash or without.
    pub fn of_page(route: &Self, below: &str, slash: bool) -> Option<Self> {
        let text = format!("={}/{below}", route.to_string().trim_end_matches('/'));
        let text = if slash { &*text } else { text.trim_end_matches('/') };
        text.parse().ok()
    }

    /// Whether a request's path is one that it is for; only spellings that can be read in one way.
    pub fn matches(&self, target: &Target) -> bool {
        let decoded = decode_path(target.path());
        let path = decoded.strip_suffix(b"/").unwrap_or(&decoded);
        let slash = decoded.ends_with(b"/");
        target.ambiguities.is_empty() && self.covers(path, slash) && self.is_spelled(path)
    }

    /// Whether a path, as a browser sends it, is one that it is for, in whatever case and spelling.
    pub fn is_for(&self, path: &str) -> bool {
        let decoded = decode_path(path);
        let path = decoded.strip_suffix(b"/").unwrap_or(&decoded);
        self.covers(path, decoded.ends_with(b"/"))
    }

    pub(super) fn has_variables(&self) -> bool {
        !self.variables.is_empty()
    }

    /// Whether it is for a path, decoded and without a final slash, in whatever case.
    pub(super) fn covers(&self, path: &[u8], slash: bool) -> bool {
        let own = segments(&self.path).count();
        let all = segments(path).count();
        let fits = self.pairs(path).all(|(pattern, segment)| match pattern {
            Part::Variable(kind) => kind.takes(segment),
            Part::Literal(literal) => literal.eq_ignore_ascii_case(segment),
        });
        own <= all && fits && self.reaches(own == all, slash)
    }

    /// Whether the segments that are written out are so in a path that it covers.
    pub(super) fn is_spelled(&self, path: &[u8]) -> bool {
        if self.variables.is_empty() {
            return path.starts_with(&self.path);
        }
        self.pairs(path).all(|(part, segment)| match part {
            Part::Variable(_) => true,
            Part::Literal(literal) => literal == segment,
        })
    }

    /// Each segment with that of a path.
    fn pairs<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (Part<'a>, &'a [u8])> {
        self.parts().zip(segments(path))
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        segments(&self.path).enumerate().map(|(index, literal)| match self.kind(index) {
            Some(kind) => Part::Variable(kind),
            None => Part::Literal(literal),
        })
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.variables.iter().find(|(place, _)| *place == index).map(|(_, kind)| *kind)
    }

    /// See [`Specificity`].
    pub fn specificity(&self) -> Specificity {
        let width: usize = self.variables.iter().map(|(_, kind)| kind.width()).sum();
        (segments(&self.path).count(), self.exact, std::cmp::Reverse(width))
    }

    /// How it lies to another one. Case does not tell them apart, since some upstreams ignore it.
    pub fn relation(&self, other: &Self) -> Relation {
        let apart = self.parts().zip(other.parts()).any(|parts| match parts {
            (Part::Literal(own), Part::Literal(its)) => !own.eq_ignore_ascii_case(its),
            (Part::Variable(kind), Part::Literal(literal))
            | (Part::Literal(literal), Part::Variable(kind)) => {
                !kind.takes(literal) && !kind.takes(&literal.to_ascii_lowercase())
            }
            // A UUID is no number, and all others have something in common.
            (Part::Variable(own), Part::Variable(its)) => {
                matches!((own, its), (Kind::Int, Kind::Uuid) | (Kind::Uuid, Kind::Int))
            }
        });
        let lengths = segments(&self.path).count().cmp(&segments(&other.path).count());
        let apart = apart
            || match lengths {
                Ordering::Less => self.exact,
                Ordering::Greater => other.exact,
                Ordering::Equal => self.exact && other.exact && self.slash != other.slash,
            };
        match (apart, self.is_within(other), other.is_within(self)) {
            (true, ..) => Relation::Apart,
            (_, true, true) => Relation::Same,
            (_, false, false) => Relation::Crossing,
            _ => Relation::Nested,
        }
    }

    /// The pattern of what it and another one both match, if neither is the more specific.
    pub fn crossing(&self, other: &Self) -> Option<String> {
        if self.relation(other) != Relation::Crossing {
            return None;
        }
        let (longer, shorter) = match segments(&self.path).count() < segments(&other.path).count() {
            true => (other, self),
            false => (self, other),
        };
        let mut parts: Vec<&str> = longer.plain().split('/').collect();
        for (index, part) in shorter.plain().split('/').enumerate() {
            let narrower = match (shorter.kind(index), longer.kind(index)) {
                (None, Some(_)) => true,
                (Some(own), Some(its)) => own.is_within(its),
                (_, None) => false,
            };
            if let Some(place) = parts.get_mut(index).filter(|_| narrower) {
                *place = part;
            }
        }
        let exact = [self, other].into_iter().find(|pattern| pattern.exact);
        let slash = exact.is_none_or(|pattern| pattern.slash);
        let (sign, end) = (if exact.is_some() { "=" } else { "" }, if slash { "/" } else { "" });
        Some(format!("{sign}{}{end}", parts.join("/")))
    }

    /// As it is written, without sign and final slash.
    fn plain(&self) -> &str {
        let text = self.written.strip_prefix('=').unwrap_or(&self.written);
        text.strip_suffix('/').unwrap_or(text)
    }

    /// Whether all that it matches is matched by one that has a path in common with it.
    pub fn is_within(&self, other: &Self) -> bool {
        let more = segments(&self.path).count() >= segments(&other.path).count();
        let narrower = |(own, its): (Part<'_>, Part<'_>)| match (own, its) {
            (Part::Literal(_), _) => true,
            (Part::Variable(own), Part::Variable(its)) => own.is_within(its),
            (Part::Variable(_), Part::Literal(_)) => false,
        };
        let wide = !other.exact || self.exact;
        more && wide && self.parts().zip(other.parts()).all(narrower)
    }

    /// Whether it is for one path only.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether every path that it is for lies below `prefix` (or is it), as both are written.
    pub fn is_below(&self, prefix: &str) -> bool {
        let own = self.written.strip_prefix('=').unwrap_or(&self.written);
        let rest = own.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it matches a path that goes on below it or ends here, with a slash or without: an
    /// exact one ends as it is written.
    pub(super) fn reaches(&self, at_end: bool, slash: bool) -> bool {
        !self.exact || (at_end && slash == self.slash)
    }

    pub(super) fn folded(&self) -> Vec<u8> {
        self.path.to_ascii_lowercase()
    }
}

/// A segment of a pattern.
enum Part<'a> {
    Literal(&'a [u8]),
    Variable(Kind),
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

impl FromStr for PathPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let refused = |why: &str| NotAPattern(format!("`{text}` is not a path pattern: {why}"));
        let (exact, path) = text.strip_prefix('=').map_or((false, text), |path| (true, path));
        if !path.starts_with('/') {
            return Err(refused("write /api/ (all below it) or =/exact (only it)"));
        }
        let mut variables = Vec::new();
        for (index, segment) in path.split('/').enumerate() {
            match variable(segment) {
                Ok(Some(kind)) => variables.push((index, kind)),
                Ok(None) => {}
                Err(why) => return Err(refused(&why)),
            }
        }
        // A name in braces is no part of a URL.
        let literal = |(i, part)| if variables.iter().any(|(at, _)| *at == i) { "_" } else { part };
        let plain: Vec<&str> = path.split('/').enumerate().map(literal).collect();
        let target = plain.join("/").parse().ok().and_then(|raw| Target::new(raw).ok());
        // A pattern that is ambiguous itself would never match, or match what was not meant.
        let target = target.filter(|target| target.ambiguities.is_empty()).ok_or_else(|| {
            refused("it can be read in two ways, or has characters that must be percent-encoded")
        })?;
        let decoded = decode_path(target.path());
        let path = decoded.strip_suffix(b"/").unwrap_or(&decoded).into();
        let slash = decoded.ends_with(b"/");
        Ok(Self { written: text.into(), exact, path, slash, variables: variables.into() })
    }
}

/// What a segment may be, if it is variable.
///
/// # Errors
/// Attack: a pattern in another router's words is taken literally, so no request ever matches it,
/// and what it was to protect has the rule of a shorter one.
fn variable(segment: &str) -> Result<Option<Kind>, String> {
    let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = inner.filter(|name| !name.contains(['{', '}'])) {
        let (only, kind) = name.split_once(':').unwrap_or((name, "str"));
        if let Some(kind) = Kind::named(kind).filter(|_| is_name(only)) {
            return Ok(Some(kind));
        }
        let rest = name.starts_with('*') || name.ends_with("...") || name.ends_with(":path");
        let name = name.split(':').next().unwrap_or_default();
        let name = if is_name(name) { name } else { "name" };
        return Err(match rest {
            true => "a prefix such as /files/ covers everything below it without a variable".into(),
            false => format!(
                "write {{{name}}} for any one segment, or {{{name}:int}}, :slug, :uuid or :label (no dot)"
            ),
        });
    }
    let name = |from: &str| {
        let name = segment.trim_matches([':', '<', '>', '{', '}']);
        let name = name.rsplit(':').next().filter(|name| is_name(name)).unwrap_or("name");
        format!("write {{{name}}} for any one segment{from}")
    };
    if segment.starts_with(':') {
        return Err(name("; a literal colon at the start is %3A"));
    }
    if segment.contains(['<', '>']) {
        return Err(match segment.starts_with("<path:") {
            true => "a prefix such as /files/ covers everything below it".into(),
            false => name(""),
        });
    }
    if segment.contains('*') {
        return Err("a prefix such as /api/ covers everything below it, and {name} is any one \
                    segment; a literal asterisk is %2A"
            .into());
    }
    if segment.contains(['{', '}']) {
        return Err("a variable such as {id} takes the place of a whole segment; literal braces \
                    are %7B and %7D"
            .into());
    }
    let regular = |part: &str| part.contains(['^', '\\', '|', '[', ']']) || part.contains(".+");
    if regular(segment) || segment.contains("(.") || segment.ends_with('$') {
        return Err(
            "it is not a regular expression: /api/ is a prefix, =/api/ one path, and {name} \
                    any one segment; literal characters are percent-encoded"
                .into(),
        );
    }
    if segment.contains(['?', '#']) {
        return Err(
            "a query or fragment is not part of a path; a literal question mark is %3F".into()
        );
    }
    Ok(None)
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(inner) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Notation;
        impl de::Visitor<'_> for Notation {
            type Value = PathPattern;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(NOTATION)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PathPattern, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Notation)
    }
}

const NOTATION: &str =
    "a path such as /api/ (all below it), =/exact (only it) or /users/{id}/, percent-encoded";

impl JsonSchema for PathPattern {
    fn schema_name() -> Cow<'static, str> {
        "PathPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^=?/[^?#*<>^\\|\[\]]*$",
            "description": NOTATION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack (an accident, in truth): `path: /admin/*` protects nothing and `/` is open, because the
    /// asterisk is an asterisk.
    #[test]
    fn another_router_s_pattern_is_refused_with_the_right_spelling() {
        for (written, help) in [
            ("/admin/*", "a prefix such as /api/"),
            ("/admin/**", "a prefix such as /api/"),
            ("/users/:id/", "{id}"),
            ("/users/<int:pk>/", "{pk}"),
            ("/users/<pk>", "{pk}"),
            ("/files/<path:rest>", "a prefix such as /files/"),
            ("/users/{id:[0-9]+}/", "{id}"),
            ("/users/{id:float}/", "{id}"),
            ("/users/{id?}/", "{name}"),
            ("/users/{}/", "{name}"),
            ("/files/{path:path}", "a prefix such as /files/"),
            ("/files/{rest...}", "a prefix such as /files/"),
            ("/files/{*rest}", "a prefix such as /files/"),
            ("/files/{**rest}", "a prefix such as /files/"),
            ("/v{version}/", "a whole segment"),
            ("/items/{id}.json", "a whole segment"),
            ("/{a}{b}/", "a whole segment"),
            ("/api/.*", "a prefix such as /api/"),
            ("/api/.+", "not a regular expression"),
            ("/(.+)/x", "not a regular expression"),
            ("/api$", "not a regular expression"),
            (r"/api/\d/", "not a regular expression"),
            ("/api/[0-9]/", "not a regular expression"),
            ("/(a|b)/", "not a regular expression"),
            ("/api/(?P<pk>x)/", "{name}"),
            ("^/api/", "write /api/"),
            ("~ ^/api/", "write /api/"),
            ("api/", "write /api/"),
            ("/api?x", "not part of a path"),
            ("/a//b", "two ways"),
            ("/a/../b", "two ways"),
        ] {
            let refused = written.parse::<PathPattern>().unwrap_err().to_string();
            assert!(refused.contains(help), "{written}: {refused}");
        }
        for literal in [
            "/$metadata",
            "/v1/items:batch",
            "/Products(5)",
            "/a+b/",
            "/~user/",
            "/@x",
            "/%2A/",
            "/%7Bid%7D/",
        ] {
            assert!(literal.parse::<PathPattern>().is_ok_and(|p| !p.has_variables()), "{literal}");
        }
    }

    #[test]
    fn of_two_patterns_one_is_the_more_specific_or_they_cross() {
        use Relation::{Apart, Crossing, Nested, Same};
        for (one, other, expected) in [
            ("/users/{id}/", "/users/me/", Nested),
            ("/users/{id}/", "/Users/{pk}", Same),
            ("=/users/{id}/", "=/users/{id}", Apart),
            ("=/users/{id}/", "/users/{id}/", Nested),
            ("/users/{id}/", "/", Nested),
            ("/users/{id}/", "/{x}/admin/", Crossing),
            ("=/users/{id}/", "/users/me/", Crossing),
            ("=/users/{id}/", "=/users/me/", Nested),
            ("/{a}/b/", "/{a}/c/", Apart),
            ("/{a}/", "/x/y/", Nested),
            ("=/{a}/", "/x/y/", Apart),
            ("=/u/{id:int}/", "=/u/me/", Apart),
            ("=/u/{id:int}/", "=/u/7/", Nested),
            ("=/u/{id:int}/", "=/u/{name:slug}/", Nested),
            ("=/u/{id:int}/", "=/u/{id:uuid}/", Apart),
            ("=/u/{id:int}/", "=/{x}/me/", Apart),
            ("=/u/{id:int}/", "=/{x}/{y:label}/", Nested),
        ] {
            let (one, other): (PathPattern, PathPattern) =
                (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.relation(&other), expected, "{one} {other}");
            assert_eq!(other.relation(&one), expected, "{other} {one}");
        }
    }
}
