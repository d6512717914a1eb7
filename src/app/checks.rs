//! What is wrong between settings that are right by themselves.

use hyper::Method;

use crate::{
    config::Document,
    gateway::Route,
    listen::Listener,
    package::Site,
    request::Target,
    route::{Found, Router},
    value::{Path, Problem, Problems},
};

/// Two cookies of one name would overwrite each other.
pub(super) fn check_cookies(site: &Site<'_>, document: &Document, problems: &mut Problems) {
    let mut names = site.cookies.take();
    if !document.csrf.use_sessions() {
        let at = Path::root().key("csrf").key("cookie");
        names.push((at, document.csrf.cookie().to_owned()));
    }
    for (index, (at, name)) in names.iter().enumerate() {
        if names.iter().take(index).any(|(_, known)| known == name) {
            problems.push(Problem::new(at, format!("there are two cookies named `{name}`")));
        }
    }
}

/// A login page that needs a login sends browsers round in circles.
pub(super) fn check_login_url(site: &Site<'_>, router: &Router<Route>, problems: &mut Problems) {
    let Some((at, url)) = &*site.login_url.borrow() else { return };
    let target = url.parse().ok().and_then(|target| Target::new(target).ok());
    let found = target.map(|target| router.find("", &target, &Method::GET));
    let open = match found {
        Some(Found::Route(route)) => route.policy.is_open(),
        // A page on another host, or none of the gateway's.
        Some(Found::WrongMethod | Found::Nothing) | None => true,
    };
    if !open {
        let problem = Problem::new(at, format!("no browser can open `{url}` without a login"));
        let problem = problem.lacking(&Path::root().key("routes"));
        problems.push(problem.help("name the path of an `endpoint: session`, with login/"));
    }
}

pub(super) fn check_top(document: &Document, problems: &mut Problems) {
    let everyone = document.trusted_proxies.iter().enumerate().filter(|(_, n)| n.is_everyone());
    for (index, network) in everyone {
        let at = Path::root().key("trusted_proxies").index(index);
        let message =
            format!("{network} is every address: any client could say where it comes from");
        problems.push(Problem::new(&at, message).help("list the proxies' own networks"));
    }
    let key = document.secret_key.iter().map(|key| (Path::root().key("secret_key"), key));
    let fallbacks = document.secret_key_fallbacks.iter().enumerate();
    let at = Path::root().key("secret_key_fallbacks");
    let fallbacks = fallbacks.map(|(index, key)| (at.index(index), key));
    for (at, _) in key.chain(fallbacks).filter(|(_, key)| key.reveal().len() < 32) {
        let problem = Problem::new(&at, "the secret key is so short that it can be guessed");
        problems.push(problem.help("use Django's SECRET_KEY, or 32 random characters and more"));
    }
    for (index, Listener { address, .. }) in document.listen.iter().enumerate() {
        if document.listen.iter().take(index).any(|before| before.address == *address) {
            let at = Path::root().key("listen").index(index);
            let problem = Problem::new(&at, format!("{address} is there twice"));
            problems.push(problem.help("keep one of them"));
        }
    }
    if document.listen.is_empty() {
        let problem =
            Problem::missing(&Path::root().key("listen"), "there is nothing to listen on");
        problems.push(problem.help("for example `listen: 0.0.0.0:8080`"));
    }
    let admin = document.admin;
    if admin.is_some_and(|_| document.listen.iter().any(|one| one.address.tcp() == admin)) {
        let at = Path::root().key("admin");
        let problem = Problem::new(&at, "the admin pages would stand where clients connect");
        problems.push(problem.help("give them a port of their own"));
    }
}
