//! What an upstream wants otherwise than it came: a path without the gateway's prefix, or with one
//! of its own; another host. What comes out is judged as what came in was, since cutting a path can
//! make another one of it (CVE-2026-40912).

use hyper::{header::HeaderValue, http::uri::PathAndQuery};

use crate::{
    forward::Outgoing,
    rejection::Rejection,
    request::{Ambiguity, Malformed, Target},
    value::{Path, Problem, Problems},
};

/// What is changed on the way.
#[derive(Default)]
pub(super) struct Rewrite {
    strip: Option<(Box<str>, HeaderValue)>,
    add: Option<Box<str>>,
    host: Option<HeaderValue>,
}

impl Rewrite {
    /// # Errors
    /// Prefixes and hosts that are none.
    pub(super) fn new(
        strip: Option<&str>,
        add: Option<&str>,
        host: Option<&str>,
        path: &Path,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let strip = strip.and_then(|strip| problems.keep(prefix(strip, &path.key("strip_prefix"))));
        let add = add.and_then(|add| problems.keep(prefix(add, &path.key("add_prefix"))));
        let host = host.and_then(|host| {
            let value = HeaderValue::try_from(host).ok();
            let value = value.filter(|_| crate::request::canonical_host(host).is_some());
            problems.keep(value.ok_or_else(|| {
                Problem::new(&path.key("host"), format!("`{host}` is not a host")).into()
            }))
        });
        problems.finish(Self { strip, add: add.map(|(add, _)| add), host })
    }

    /// Changes a request.
    ///
    /// # Errors
    /// If the new path can be read in another way than the old one, or has not the prefix.
    pub(super) fn apply(&self, outgoing: &mut Outgoing<'_>) -> Result<(), Rejection> {
        let target = match self.strip.is_some() || self.add.is_some() {
            true => Some(self.path(outgoing.target())?),
            false => None,
        };
        let prefix = self.strip.as_ref().map(|(_, prefix)| prefix.clone());
        if target.is_some() || self.host.is_some() {
            outgoing.rewrite(target, prefix, self.host.clone());
        }
        Ok(())
    }

    fn path(&self, old: &str) -> Result<PathAndQuery, Rejection> {
        let unreadable = |ambiguity| Rejection::Malformed(Malformed::Path(ambiguity));
        let target = |text: &str| {
            let target =
                PathAndQuery::try_from(text).map_err(|_| unreadable(Ambiguity::Control))?;
            Target::new(target).map_err(unreadable)
        };
        let cut = match &self.strip {
            // The route has matched the decoded path; this one is spelled in another way.
            Some((prefix, _)) => {
                below(old, prefix).ok_or(unreadable(Ambiguity::NeedlessEncoding))?
            }
            None => old,
        };
        let slash = if cut.starts_with('/') { "" } else { "/" };
        let new = target(&format!("{}{slash}{cut}", self.add.as_deref().unwrap_or_default()))?;
        // What begins with two slashes is a host to some servers, whatever the route allows.
        if new.path().starts_with("//") {
            return Err(unreadable(Ambiguity::DoubleSlash));
        }
        if !new.ambiguities.is_empty() {
            let known = target(old)?.ambiguities;
            if let Some(added) = new.ambiguities.iter().find(|found| !known.contains(found)) {
                return Err(unreadable(*added));
            }
        }
        Ok(new.into_raw())
    }
}

/// What of a target lies below a prefix, by segments: nothing, or a path, or a query.
fn below<'a>(target: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = target.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

/// A prefix without its final slash, and as `X-Forwarded-Prefix` says it.
fn prefix(text: &str, path: &Path) -> Result<(Box<str>, HeaderValue), Problems> {
    let trimmed = text.trim_end_matches('/');
    let plain = |target: PathAndQuery| {
        let bare = target.query().is_none();
        Target::new(target).is_ok_and(|target| bare && target.ambiguities.is_empty())
    };
    let good = trimmed.starts_with('/') && PathAndQuery::try_from(trimmed).is_ok_and(plain);
    let value = HeaderValue::try_from(trimmed).ok().filter(|_| good);
    value.map(|value| (trimmed.into(), value)).ok_or_else(|| {
        let problem = Problem::new(path, format!("`{text}` is not a prefix of paths"));
        problem.help("write it as /api").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(strip: Option<&str>, add: Option<&str>, target: &str) -> Option<String> {
        let rewrite = Rewrite::new(strip, add, None, &Path::root()).unwrap();
        rewrite.path(target).ok().map(|target| target.to_string())
    }

    #[test]
    fn prefixes_go_by_segments() {
        for (target, expected) in [
            ("/api/users/?q=1", Some("/users/?q=1")),
            ("/api", Some("/")),
            ("/api?q=/", Some("/?q=/")),
            ("/apis/users", None),
            ("/other", None),
        ] {
            assert_eq!(rewritten(Some("/api/"), None, target).as_deref(), expected, "{target}");
        }
        assert_eq!(rewritten(Some("/api"), Some("/v2"), "/api/a").as_deref(), Some("/v2/a"));
        assert_eq!(rewritten(None, Some("/v2"), "/a").as_deref(), Some("/v2/a"));
    }

    /// Attack (CVE-2026-40912): cutting a prefix off leaves a path that no rule has seen, such as
    /// one that begins with two slashes, which some servers take for a host.
    #[test]
    fn the_new_path_is_judged_again() {
        assert_eq!(rewritten(Some("/api"), None, "/api//evil.example/"), None);
        assert_eq!(rewritten(Some("/api"), None, "/%61pi/a"), None);
        for wrong in ["api", "", "/", "/a?b", "/a/../b", "/a//b"] {
            assert!(Rewrite::new(Some(wrong), None, None, &Path::root()).is_err(), "{wrong}");
        }
    }
}
