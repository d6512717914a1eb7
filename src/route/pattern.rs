//! The `host` and `path` of a route.

use std::{fmt, str::FromStr};

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

/// A path: a prefix by segments, or with `=` in front one path exactly.
#[derive(Clone, Debug)]
pub struct PathPattern {
    written: Box<str>,
    exact: bool,
    /// Decoded, without a final slash.
    path: Box<[u8]>,
    slash: bool,
    /// Whether segments in braces stand for any segment, as in `users/{id}/` of a page.
    variables: bool,
}

impl PathPattern {
    /// The exact path of a page below a route, with its final slash or without; `{id}` in it stands
    /// for any one segment.
    pub fn of_page(route: &Self, below: &str, slash: bool) -> Option<Self> {
        let text = format!("={}/{below}", route.to_string().trim_end_matches('/'));
        let text = if slash { &*text } else { text.trim_end_matches('/') };
        let pattern: Self = text.parse().ok()?;
        Some(Self { variables: below.contains('{'), ..pattern })
    }

    /// Whether a request's path is one that it is for; only spellings that can be read in one way.
    pub fn matches(&self, target: &Target) -> bool {
        let decoded = decode_path(target.path());
        let path = decoded.strip_suffix(b"/").unwrap_or(&decoded);
        let below = || path.strip_prefix(&*self.path).is_some_and(|rest| rest.starts_with(b"/"));
        let here = *self.path == *path;
        let reached = here && self.reaches(true, decoded.ends_with(b"/")) || !self.exact && below();
        reached && target.ambiguities.is_empty()
    }

    pub(super) fn has_variables(&self) -> bool {
        self.variables
    }

    /// Whether a path, decoded and without a final slash, has this pattern's segments, whatever
    /// stands in the place of its variables.
    pub(super) fn fits(&self, path: &[u8]) -> bool {
        let segments = |path: &'_ [u8]| path.split(|byte| *byte == b'/').count();
        let mut pairs = self.path.split(|b| *b == b'/').zip(path.split(|b| *b == b'/'));
        segments(&self.path) == segments(path)
            && pairs.all(|(pattern, segment)| match pattern {
                [b'{', .., b'}'] => !segment.is_empty(),
                literal => literal == segment,
            })
    }

    /// Whether two patterns are for the same paths, however they are written. Case does not tell
    /// them apart, since some upstreams ignore it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let slash = self.slash == other.slash || !self.exact;
        self.folded() == other.folded() && self.exact == other.exact && slash
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

    pub(super) fn is_spelled(&self, path: &[u8]) -> bool {
        *self.path == *path
    }
}

impl FromStr for PathPattern {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (exact, path) = text.strip_prefix('=').map_or((false, text), |path| (true, path));
        let plain = path.starts_with('/') && !path.contains(['?', '#']);
        let target = path.parse().ok().filter(|_| plain).and_then(|raw| Target::new(raw).ok());
        // A pattern that is ambiguous itself would never match, or match what was not meant.
        let target = target.filter(|target| target.ambiguities.is_empty()).ok_or(())?;
        let decoded = decode_path(target.path());
        let path = decoded.strip_suffix(b"/").unwrap_or(&decoded).into();
        Ok(Self {
            written: text.into(),
            exact,
            path,
            slash: decoded.ends_with(b"/"),
            variables: false,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

crate::value::text_notation!(
    PathPattern,
    "PathPattern",
    "a path such as /api/ (all below it) or =/exact (only it), percent-encoded",
    r"^=?/[^?#]*$"
);
