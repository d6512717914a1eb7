//! From host, path and method to a route: the most specific one that matches, whatever the order
//! in the file. Paths match by segments, as the application behind will decode them.
//!
//! A request whose path differs from the most specific route's only in upper and lower case is
//! answered 404: some upstreams ignore case, and `/Admin/` must not get a laxer rule than
//! `/admin/`.
//!
#![doc = include_str!("README.md")]

mod pattern;

use std::{borrow::Cow, cmp::Reverse, collections::HashMap};

use hyper::Method;

pub use self::pattern::{HostPattern, PathPattern, Relation, Specificity};
use crate::{
    request::{Target, decode_path},
    value::{Path, Problem, Problems},
};

/// What a route asks of a request.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The host, or any.
    pub host: HostPattern,
    /// The path, and whether it has to be exactly that.
    pub path: PathPattern,
    /// The methods; empty is all.
    pub methods: Vec<Method>,
}

/// Routes of type `R`, found by host, path and method.
pub struct Router<R> {
    routes: Vec<(Matcher, R)>,
    /// By host pattern, the most specific first.
    hosts: Vec<(HostPattern, Paths)>,
}

/// The routes of one host pattern, by their places among all.
#[derive(Default)]
struct Paths {
    /// By folded path; a route with methods before one without.
    literal: HashMap<Box<[u8]>, Vec<usize>>,
    /// Those with variable segments, the most specific first.
    variable: Vec<usize>,
}

/// What a router finds.
#[derive(Debug)]
pub enum Found<'r, R> {
    /// The route.
    Route(&'r R),
    /// There are routes for the path, and none for the method.
    WrongMethod,
    /// There is none, or one in another case.
    Nothing,
}

impl<R> Router<R> {
    /// A router of routes among which [`overlaps`] finds no two for the same requests.
    pub fn new(routes: Vec<(Matcher, R)>) -> Self {
        let mut hosts: Vec<(HostPattern, Paths)> = Vec::new();
        for (index, (matcher, _)) in routes.iter().enumerate() {
            let place = hosts.iter().position(|(host, _)| *host == matcher.host);
            let place = place.unwrap_or_else(|| {
                hosts.push((matcher.host.clone(), Paths::default()));
                hosts.len() - 1
            });
            let Some((_, paths)) = hosts.get_mut(place) else { continue };
            if matcher.path.has_variables() {
                paths.variable.push(index);
            } else {
                paths.literal.entry(matcher.path.folded().into()).or_default().push(index);
            }
        }
        let matcher = |index: &usize| routes.get(*index).map(|(matcher, _)| matcher);
        for (_, paths) in &mut hosts {
            // At one path, `=/exact` before the prefix, and a route with methods before one without.
            for indices in paths.literal.values_mut() {
                indices.sort_by_key(|index| {
                    matcher(index).map(|m| (!m.path.is_exact(), m.methods.is_empty()))
                });
            }
            let specificity = |index: &usize| matcher(index).map(|m| m.path.specificity());
            paths.variable.sort_by_key(|index| Reverse(specificity(index)));
        }
        hosts.sort_by_key(|(host, _)| Reverse(host.specificity()));
        Self { routes, hosts }
    }

    /// The route for a request. A path that has routes only for other methods is not left to a
    /// shorter one: `POST /admin/` must not fall through to `/`.
    pub fn find(&self, host: &str, target: &Target, method: &Method) -> Found<'_, R> {
        self.find_decoded(host, &decode_path(target.path()), method)
    }

    /// [`Self::find`] for a path as an application would decode it.
    pub fn find_decoded(&self, host: &str, whole: &[u8], method: &Method) -> Found<'_, R> {
        let path = whole.strip_suffix(b"/").unwrap_or(whole);
        let folded: Cow<'_, [u8]> = match path.iter().any(u8::is_ascii_uppercase) {
            true => path.to_ascii_lowercase().into(),
            false => path.into(),
        };
        let slash = whole.ends_with(b"/");
        for (_, paths) in self.hosts.iter().filter(|(pattern, _)| pattern.matches(host)) {
            let variable = self.at(&paths.variable).find(|(m, _)| m.path.covers(path, slash));
            // From the whole path up, a segment at a time.
            let mut end = folded.len();
            loop {
                if let Some(here) = folded.get(..end).and_then(|prefix| paths.literal.get(prefix)) {
                    let at_end = end == folded.len();
                    let here = self.at(here).filter(|(m, _)| m.path.reaches(at_end, slash));
                    let mut here = here.peekable();
                    if let Some((literal, _)) = here.peek() {
                        return match variable {
                            Some((it, _)) if it.path.specificity() > literal.path.specificity() => {
                                choose(self.same(paths, &it.path), path, method)
                            }
                            _ => choose(here, path, method),
                        };
                    }
                }
                match folded.get(..end).and_then(|path| path.iter().rposition(|b| *b == b'/')) {
                    Some(slash) => end = slash,
                    None => break,
                }
            }
            if let Some((matcher, _)) = variable {
                return choose(self.same(paths, &matcher.path), path, method);
            }
        }
        Found::Nothing
    }

    fn at<'p>(&'p self, indices: &'p [usize]) -> impl Iterator<Item = &'p (Matcher, R)> {
        indices.iter().filter_map(|index| self.routes.get(*index))
    }

    /// The routes for the same paths, which differ in their methods.
    fn same<'p>(
        &'p self,
        paths: &'p Paths,
        path: &'p PathPattern,
    ) -> impl Iterator<Item = &'p (Matcher, R)> {
        self.at(&paths.variable).filter(|(m, _)| m.path.relation(path) == Relation::Same)
    }

    /// All routes, in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = &R> {
        self.routes.iter().map(|(_, route)| route)
    }
}

/// Of the routes for the most specific path, the one for a method.
fn choose<'r, R>(
    here: impl Iterator<Item = &'r (Matcher, R)>,
    path: &[u8],
    method: &Method,
) -> Found<'r, R> {
    // `HEAD` goes to a route of its own before one that it has by `GET`.
    let fit = here.filter(|(matcher, _)| matcher.has_method(method));
    let own = |m: &Matcher| m.methods.is_empty() || m.methods.contains(method);
    match fit.min_by_key(|(m, _)| (!m.path.is_exact(), m.methods.is_empty(), !own(m))) {
        None => Found::WrongMethod,
        Some((matcher, route)) if matcher.path.is_spelled(path) => Found::Route(route),
        Some(_) => Found::Nothing,
    }
}

/// Routes of which two could win, by their places in the file.
pub fn overlaps(routes: &[Matcher], path: &Path) -> Problems {
    let mut problems = Problems::default();
    for (index, later) in routes.iter().enumerate() {
        let problem = routes.iter().take(index).find_map(|earlier| {
            let path = &earlier.path;
            match path.crossing(&later.path).filter(|_| earlier.host == later.host) {
                Some(meet) if has_pattern(routes, later, &meet) => None,
                Some(meet) => Some((
                    format!("this route and `path: {path}` before it have requests in common, and neither is more specific"),
                    format!("add a route for `{meet}`, which then decides about those"),
                )),
                None => earlier.overlaps(later).then(|| (
                    format!("this route and `path: {path}` before it match the same requests"),
                    "make one more specific by host, path or method, or remove it".to_owned(),
                )),
            }
        });
        if let Some((message, help)) = problem {
            problems.push(Problem::new(&path.index(index), message).help(help));
        }
    }
    problems
}

/// Whether one of the routes is for this pattern, on the host of `like`.
fn has_pattern(routes: &[Matcher], like: &Matcher, pattern: &str) -> bool {
    pattern.parse().is_ok_and(|pattern| {
        let same = |route: &Matcher| route.path.relation(&pattern) == Relation::Same;
        routes.iter().any(|route| route.host == like.host && same(route))
    })
}

impl Matcher {
    /// Of any host and method.
    pub fn everything_at(path: PathPattern) -> Self {
        Self { host: HostPattern::Any, path, methods: Vec::new() }
    }

    /// `GET` is `HEAD` too (RFC 9110 section 9.3.2).
    fn has_method(&self, method: &Method) -> bool {
        let head = method == Method::HEAD && self.methods.contains(&Method::GET);
        self.methods.is_empty() || self.methods.contains(method) || head
    }

    /// Whether there are requests that both match, and neither is the more specific.
    pub fn overlaps(&self, other: &Matcher) -> bool {
        let methods = match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, true) => true,
            (false, false) => self.methods.iter().any(|method| other.methods.contains(method)),
            _ => false,
        };
        self.host == other.host && methods && self.path.relation(&other.path) == Relation::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&str, &str, &[Method])]) -> Result<Router<usize>, Problems> {
        let routes = routes.iter().enumerate().map(|(index, (host, path, methods))| {
            let matcher = Matcher {
                host: host.parse().unwrap(),
                path: path.parse().unwrap(),
                methods: methods.to_vec(),
            };
            (matcher, index)
        });
        let routes: Vec<_> = routes.collect();
        let matchers: Vec<_> = routes.iter().map(|(matcher, _)| matcher.clone()).collect();
        overlaps(&matchers, &Path::root()).finish(Router::new(routes))
    }

    fn find(router: &Router<usize>, host: &str, path: &str, method: Method) -> Option<usize> {
        let target = Target::new(path.parse().unwrap()).unwrap();
        match router.find(host, &target, &method) {
            Found::Route(index) => Some(*index),
            Found::WrongMethod | Found::Nothing => None,
        }
    }

    #[test]
    fn the_most_specific_wins_whatever_the_order() {
        let router = router(&[
            ("*", "/", &[]),
            ("*", "/api/", &[]),
            ("*", "/api/admin/", &[]),
            ("*", "/api/", &[Method::POST]),
            ("*", "=/api/exact", &[]),
            ("api.example.com", "/", &[]),
            ("*.example.com", "/", &[]),
        ])
        .unwrap();
        for (host, path, method, expected) in [
            ("h", "/", Method::GET, 0),
            ("h", "/x/y", Method::GET, 0),
            ("h", "/api", Method::GET, 1),
            ("h", "/api/x", Method::GET, 1),
            ("h", "/api/x", Method::POST, 3),
            ("h", "/apix", Method::GET, 0),
            ("h", "/api/admin/x", Method::POST, 2),
            ("h", "/api/exact", Method::GET, 4),
            ("h", "/api/exact/", Method::GET, 1),
            ("h", "/api/exact/more", Method::GET, 1),
            ("api.example.com", "/api/x", Method::GET, 5),
            ("b.example.com", "/api/x", Method::GET, 6),
        ] {
            assert_eq!(find(&router, host, path, method), Some(expected), "{host}{path}");
        }
    }

    /// Attack (CVE-2026-27588): an upstream that ignores case serves `/Admin/` as `/admin/`, which
    /// the gateway took for another, public path.
    #[test]
    fn another_case_never_gets_the_laxer_rule() {
        let router =
            router(&[("*", "/", &[]), ("*", "/admin/", &[]), ("*", "/Docs/", &[])]).unwrap();
        assert_eq!(find(&router, "h", "/admin/x", Method::GET), Some(1));
        assert_eq!(find(&router, "h", "/Admin/x", Method::GET), None);
        assert_eq!(find(&router, "h", "/Docs/X", Method::GET), Some(2));
        assert_eq!(find(&router, "h", "/docs/x", Method::GET), None);
        assert_eq!(find(&router, "h", "/Other", Method::GET), Some(0));
    }

    /// Attack: a route protects `GET /admin/`; `POST` and `HEAD` fall through to the public `/`.
    #[test]
    fn another_method_does_not_fall_through() {
        let router = router(&[("*", "/", &[]), ("*", "/admin/", &[Method::GET])]).unwrap();
        assert_eq!(find(&router, "h", "/admin/x", Method::GET), Some(1));
        assert_eq!(find(&router, "h", "/admin/x", Method::HEAD), Some(1));
        assert_eq!(find(&router, "h", "/admin/x", Method::POST), None);
    }

    #[test]
    fn a_variable_segment_is_any_one_segment() {
        let router = router(&[
            ("*", "=/auth/users/{id}/", &[]),
            ("*", "=/auth/users/me/", &[]),
            ("*", "=/auth/users/{id}/set/", &[]),
            ("*", "/", &[]),
            ("*", "/api/{version}/admin/", &[]),
            ("*", "/api/{version}/admin/open/", &[Method::GET]),
            ("*", "/api/v1/admin/closed/", &[]),
            ("h", "/{any}/", &[]),
        ])
        .unwrap();
        for (path, expected) in [
            ("/auth/users/12/", 0),
            ("/auth/users/me/", 1),
            ("/auth/users/12/set/", 2),
            ("/auth/users/12", 3),
            ("/auth/users/12/other/", 3),
            ("/auth/users/", 3),
            ("/auth/users/a%2Cb/", 0),
            ("/api/v2/admin", 4),
            ("/api/v2/admin/x/y", 4),
            ("/api/v1/admin/closed/x", 6),
            ("/api/v1/admin/x", 4),
            ("/api/v1/administrator", 3),
            ("/api/v2/", 3),
            ("/api/v2/admin/open/x", 5),
        ] {
            assert_eq!(find(&router, "g", path, Method::GET), Some(expected), "{path}");
        }
        // Neither the shorter rule nor that of another case is a way around it.
        assert_eq!(find(&router, "g", "/api/v2/admin/open/", Method::POST), None);
        assert_eq!(find(&router, "g", "/api/v2/Admin/", Method::GET), None);
        // The most specific host decides alone, as it does for paths that are written out.
        assert_eq!(find(&router, "h", "/api/v2/admin/", Method::GET), Some(7));
    }

    /// Attack: a character of a protected path is percent-encoded, which the application decodes.
    #[test]
    fn encoded_spellings_find_the_same_route() {
        let router = router(&[("*", "/", &[]), ("*", "/@admin/", &[])]).unwrap();
        assert_eq!(find(&router, "h", "/%40admin/x", Method::GET), Some(1));
    }

    #[test]
    fn two_routes_that_could_both_win_are_refused() {
        assert!(router(&[("*", "/a", &[]), ("*", "/a/", &[])]).is_err());
        assert!(
            router(&[("*", "/a", &[Method::GET]), ("*", "/a", &[Method::GET, Method::POST])])
                .is_err()
        );
        assert!(router(&[("*", "/a", &[Method::GET]), ("*", "/a", &[])]).is_ok());
        assert!(router(&[("*", "/a/{x}/", &[]), ("*", "/a/{y}/", &[])]).is_err());
        assert!(router(&[("*", "/{x}/b/", &[]), ("*", "/a/{y}/", &[])]).is_err());
        let get = &[Method::GET][..];
        assert!(router(&[("*", "/{x}/b/", get), ("*", "/a/{y}/", &[Method::POST])]).is_err());
        let third = router(&[("*", "/{x}/b/", &[]), ("*", "/a/{y}/", &[]), ("*", "/a/b/", &[])]);
        assert_eq!(find(&third.unwrap(), "h", "/a/b/c", Method::GET), Some(2));
        assert!(router(&[("*", "=/{x}/b/", &[]), ("*", "/a/", &[])]).is_err());
        let third = router(&[("*", "=/{x}/b/", &[]), ("*", "/a/", &[]), ("*", "=/a/b/", &[])]);
        assert_eq!(find(&third.unwrap(), "h", "/a/b/", Method::GET), Some(2));
    }
}
