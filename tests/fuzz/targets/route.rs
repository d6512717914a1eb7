//! The route of a request: the one that a slow reading of the rules finds, whatever the order in
//! the file; and no other one if the upstream reads the path in another way.
//!
//! Input: a request (`GET host /path`), then routes (`host /path METHOD…`), a line each.

use hyper::Method;
use portcullis::{
    request::{Target, canonical_host, decode_path},
    route::{Found, HostPattern, Matcher, PathPattern, Router, overlaps},
    value::Path,
};

use super::{
    Input,
    path::{self, readings},
};

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let Some((method, host, target)) = request(input.text()) else { return };
    let mut written = Vec::new();
    while !input.0.is_empty() && written.len() < 12 {
        written.extend(Written::read(input.text()));
    }
    let matchers: Vec<_> = written.iter().map(Written::matcher).collect();
    if !overlaps(&matchers, &Path::root()).0.is_empty() {
        return;
    }
    let router = |numbered: &[(Matcher, usize)]| Router::new(numbered.to_vec());
    let mut numbered: Vec<_> = matchers.into_iter().zip(0..).collect();
    let find = |router: &Router<usize>, path: &[u8]| match router.find_decoded(&host, path, &method)
    {
        Found::Route(number) => Answer::Route(*number),
        Found::WrongMethod => Answer::WrongMethod,
        Found::Nothing => Answer::Nothing,
    };
    let path = decode_path(target.path());
    let here = router(&numbered);
    let found = find(&here, &path);
    assert_eq!(found, slowly(&written, &host, &path, &method), "by the rules");
    numbered.reverse();
    assert_eq!(found, find(&router(&numbered), &path), "in another order");

    // As `Gateway::route` does with paths that the route allows.
    let all = target.readings().iter().all(|reading| find(&here, reading) == found);
    if let (Answer::Route(number), true) = (&found, all || target.ambiguities.is_empty()) {
        for reading in readings(target.path()) {
            let other = find(&here, &reading);
            // To no route is as good: the upstream would not have been asked for it.
            let is_laxer = matches!(other, Answer::Route(other) if other != *number);
            assert!(
                !is_laxer,
                "{} gets the rule of route {number}, {} is {other:?}",
                target.path(),
                reading.escape_ascii()
            );
        }
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Route(usize),
    WrongMethod,
    Nothing,
}

fn request(line: &str) -> Option<(Method, Box<str>, Target)> {
    let mut words = line.split(' ');
    let method = words.next()?.parse().ok()?;
    Some((method, canonical_host(words.next()?)?, path::read(words.next()?.as_bytes())?.target))
}

/// A route as it is written, and nothing that the router makes of it.
struct Written {
    host: String,
    exact: bool,
    path: Vec<u8>,
    methods: Vec<Method>,
    parsed: (HostPattern, PathPattern),
}

impl Written {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (host, path) = (words.next()?, words.next()?);
        let parsed = (host.parse().ok()?, path.parse().ok()?);
        let plain = path.trim_start_matches('=');
        Some(Self {
            host: host.to_lowercase().trim_end_matches('.').to_owned(),
            exact: path.starts_with('='),
            path: decode_path(plain).into_owned(),
            methods: words.filter_map(|word| word.parse().ok()).collect(),
            parsed,
        })
    }

    fn matcher(&self) -> Matcher {
        let (host, path) = self.parsed.clone();
        Matcher { host, path, methods: self.methods.clone() }
    }

    /// How specific its host is, if it is for this one.
    fn host(&self, host: &str) -> Option<usize> {
        match self.host.strip_prefix('*') {
            Some("") => Some(0),
            Some(below) => host.ends_with(below).then_some(below.len()),
            None => (host == self.host).then_some(usize::MAX),
        }
    }

    /// Whether it is for this path, both in small letters.
    fn path(&self, path: &[u8]) -> bool {
        let own = self.path.to_ascii_lowercase();
        if self.exact {
            return own == path;
        }
        let own = own.strip_suffix(b"/").unwrap_or(&own);
        path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn length(&self) -> usize {
        self.path.strip_suffix(b"/").unwrap_or(&self.path).len()
    }

    fn method(&self, method: &Method) -> bool {
        let get = method == Method::HEAD && self.methods.contains(&Method::GET);
        self.methods.is_empty() || self.methods.contains(method) || get
    }
}

/// The rules as the module's documentation has them: the most specific host that has a route for
/// the path, there the longest path, there an exact one before a prefix, and one with methods
/// before one without, `HEAD` by its own name before `HEAD` by `GET`; in the wrong case it is
/// nothing.
fn slowly(routes: &[Written], host: &str, path: &[u8], method: &Method) -> Answer {
    let folded = path.to_ascii_lowercase();
    let for_path = routes.iter().enumerate().filter(|(_, route)| route.path(&folded));
    let rank = |route: &Written| route.host(host).map(|specific| (specific, route.length()));
    let Some(best) = for_path.clone().filter_map(|(_, route)| rank(route)).max() else {
        return Answer::Nothing;
    };
    let best = for_path.filter(|(_, route)| rank(route) == Some(best));
    let found = best.filter(|(_, route)| route.method(method)).min_by_key(|(_, route)| {
        (!route.exact, route.methods.is_empty(), !route.methods.contains(method))
    });
    match found {
        None => Answer::WrongMethod,
        Some((number, route)) if path.starts_with(&route.path[..route.length()]) => {
            Answer::Route(number)
        }
        Some(_) => Answer::Nothing,
    }
}
