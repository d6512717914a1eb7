//! `portcullis explain`: what would happen to a request, and why.

use std::{net::IpAddr, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use hyper::{
    Method, Uri,
    header::{HOST, HeaderName, HeaderValue},
};

use super::{control, load};
use crate::{
    app::{self, World},
    clock::Clock,
    gateway::{Gateway, Route, RouteTarget},
    observe::log::AccessLog,
    rejection::Rejection,
    request::{Body, Peer, Request},
    scheme::{FailureKind, Outcome},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The method.
    method: Method,
    /// The URL, or just its path.
    url: String,
    /// A header field, as curl takes it; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The address the request comes from.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    from: IpAddr,
}

pub(super) fn explain(path: PathBuf, arguments: Arguments) -> anyhow::Result<()> {
    let loaded = load(path)?;
    let control = control()?;
    let handle = control.handle().clone();
    let world = World::new(&loaded.document, Clock::system(), handle, AccessLog::off());
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    let parts = head(&arguments)?;
    println!("{} {}", parts.method, parts.uri);
    let peer = Peer::new(arguments.from, false);
    control.block_on(async {
        built.store.only_look();
        match built.serving.gateway.read(parts, Body::Empty, &peer) {
            Ok(request) => told(&built.serving.gateway, request).await,
            Err(malformed) => refused(&Rejection::from(malformed)),
        }
    });
    Ok(())
}

async fn told(gateway: &Gateway, request: Box<Request>) {
    println!("  client     {}", request.client.address);
    let cors = gateway.cors.as_ref();
    if cors.is_some_and(|cors| cors.preflight(&request.method, &request.headers).is_some()) {
        println!("  answered   by `cors`: a preflight, which asks before the request itself");
        return;
    }
    let route = match gateway.route(&request) {
        Ok(route) => route,
        Err(rejection) => return refused(&rejection),
    };
    println!("  route      {}", route.name);
    let decided = route.decide(&request, |scheme, outcome| {
        let outcome = match outcome {
            Outcome::NotAttempted => "not its credential".to_owned(),
            Outcome::Authenticated(accepted) => format!("is {}", accepted.identity.username),
            Outcome::Ended(_) => "a session that is over".to_owned(),
            Outcome::Failed(failure) => match failure.kind {
                FailureKind::Wait(_) => "has to wait: too many failures".to_owned(),
                FailureKind::Unauthenticated | FailureKind::Forbidden => {
                    format!("refused: {}", failure.detail)
                }
            },
        };
        println!("  scheme     {}: {outcome}", scheme.name());
    });
    let decided = decided.await;
    println!("  rule       {}", route.policy.describe());
    match decided {
        Err(rejection) => {
            refused(&rejection);
            if let (Rejection::NotAuthenticated(_), Some(login)) = (&rejection, &gateway.login_url)
            {
                println!("  a browser  without a session is sent to {login}");
            }
        }
        Ok(admitted) => admit(route, request, &admitted),
    }
}

fn admit(route: &Route, request: Box<Request>, admitted: &crate::policy::Admitted) {
    match admitted.caller() {
        Some(caller) => {
            println!("  admitted   as {}, by {}", caller.identity.username, caller.scheme)
        }
        None => println!("  admitted   as nobody"),
    }
    match &route.target {
        RouteTarget::Endpoint(endpoint) => {
            println!("  answered   by the page {:?}", endpoint.page());
            return;
        }
        RouteTarget::Decisions(_) => {
            println!("  answered   with the decision on the request that a proxy asks about");
            return;
        }
        RouteTarget::Elsewhere => println!("  sent       by the proxy that asked, not from here"),
        RouteTarget::Upstream(_) => {}
    }
    let outgoing = route.forward.apply(admitted, request).and_then(|mut outgoing| {
        if let RouteTarget::Upstream(target) = &route.target {
            target.rewrite(&mut outgoing)?;
        }
        Ok(outgoing)
    });
    match outgoing {
        Err(rejection) => refused(&rejection),
        Ok(outgoing) => {
            println!("\nThe upstream would see:\n\n{} {}", outgoing.method(), outgoing.target());
            for (name, value) in outgoing.headers() {
                // The explanation may be pasted somewhere.
                let secret = ["authorization", "cookie", "assertion", "key", "token", "secret"];
                let hidden = secret.iter().any(|word| name.as_str().contains(word));
                let value = String::from_utf8_lossy(value.as_bytes());
                println!("{name}: {}", if hidden { "(hidden)" } else { &*value });
            }
        }
    }
}

fn refused(rejection: &Rejection) {
    println!("  refused    {} {}", rejection.status(), rejection.detail());
    for challenge in rejection.challenges() {
        println!(
            "             WWW-Authenticate: {}",
            String::from_utf8_lossy(challenge.as_bytes())
        );
    }
    if let Some(cause) = rejection.cause() {
        println!("  because    {cause}");
    }
}

fn head(arguments: &Arguments) -> anyhow::Result<hyper::http::request::Parts> {
    let url: Uri = arguments.url.parse().context("this is not a URL")?;
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let request = hyper::Request::builder().method(&arguments.method).uri(target);
    let (mut parts, ()) = request.body(()).context("this is not a path")?.into_parts();
    for header in &arguments.headers {
        let Some((name, value)) = header.split_once(':') else {
            bail!("`{header}` is not a header; write `Name: value`");
        };
        let name: HeaderName = name.trim().parse().context("this is not a header name")?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes())
            .context("this is not a header value")?;
        parts.headers.append(name, value);
    }
    if !parts.headers.contains_key(HOST) {
        let host = url.authority().map_or("localhost", |authority| authority.as_str());
        parts.headers.insert(HOST, HeaderValue::try_from(host)?);
    }
    Ok(parts)
}
