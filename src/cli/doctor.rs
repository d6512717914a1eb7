//! `portcullis doctor`: attacks the configured upstreams as a stranger could who reaches them
//! around the gateway, and says what such a stranger could do.
#![expect(clippy::indexing_slicing, reason = "of a JSON object: naming a member makes it")]

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use hyper::{
    HeaderMap, Method, Uri,
    header::{HOST, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{control, load};
use crate::{
    app::{self, World},
    client::HttpClient,
    clock::{Clock, Timestamp},
    config::Document,
    crypto::keys::SigningKeys,
    forward,
    observe::log::AccessLog,
    store::Users,
    value::Secret,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path that needs somebody to be known; the most telling is one that says who is asking.
    #[arg(long, default_value = "/")]
    path: String,
    /// The user to pretend to be; the store's first, if left out.
    #[arg(long)]
    user: Option<String>,
}

pub(super) fn doctor(path: std::path::PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let world =
        World::new(&loaded.document, clock.clone(), control.handle().clone(), AccessLog::off());
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    let user = match &arguments.user {
        Some(user) => user.clone(),
        None => {
            let names = control.block_on(built.store.usernames());
            let names = names.context("the store does not answer; name a user with --user")?;
            names.into_iter().next().context("the store has no user; name one with --user")?
        }
    };
    let http = HttpClient::new(control.handle(), clock.clone());
    let mut findings = 0;
    let mut unreachable = false;
    for (server, identity) in upstreams(&loaded.document) {
        println!("{server}");
        let Some(uri) = address(&server, &arguments.path) else {
            println!("  skipped   only http:// servers can be called around the gateway");
            continue;
        };
        let patient = Patient {
            http: &http,
            uri,
            user: &user,
            identity,
            keys: loaded.document.secret_key.as_ref().and_then(|key| SigningKeys::new(key).ok()),
            now: clock.now(),
        };
        match control.block_on(patient.examine()) {
            Ok(found) => findings += found,
            Err(error) => {
                println!("  no answer {error:#}");
                unreachable = true;
            }
        }
    }
    match (findings, unreachable) {
        (0, false) => {
            println!("\nNobody gets in around the gateway.");
            Ok(())
        }
        (0, true) => bail!("not every upstream could be examined"),
        (1, _) => bail!("1 way in around the gateway"),
        (more, _) => bail!("{more} ways in around the gateway"),
    }
}

/// Each server once, with the identity that a route sends to it.
fn upstreams(document: &Document) -> BTreeMap<String, &forward::Config> {
    let mut servers = BTreeMap::new();
    for route in &document.routes {
        let identity = route.identity.as_ref().unwrap_or(&document.identity);
        for server in route.upstream.iter().flat_map(|upstream| upstream.servers()) {
            if server != "echo" {
                servers.entry(server.clone()).or_insert(identity);
            }
        }
    }
    servers
}

fn address(server: &str, path: &str) -> Option<Uri> {
    server
        .starts_with("http://")
        .then(|| format!("{}{path}", server.trim_end_matches('/')))?
        .parse()
        .ok()
}

/// An upstream under examination.
struct Patient<'a> {
    http: &'a HttpClient,
    uri: Uri,
    user: &'a str,
    identity: &'a forward::Config,
    keys: Option<SigningKeys>,
    now: Timestamp,
}

/// What came back.
#[derive(PartialEq, Eq)]
struct Answer {
    status: u16,
    names_user: bool,
}

/// An attempt: what it is, its header fields, and what to do if it works.
struct Probe {
    what: String,
    fields: Vec<(String, String)>,
    remedy: &'static str,
}

const VERIFY: &str = "verify the assertion on every request: for Django, put \
                      portcullis_django.middleware.PortcullisMiddleware first in MIDDLEWARE";
const REACH: &str = "let only the gateway connect: bind to 127.0.0.1 or a Unix socket, or close the \
                     port; and verify the assertion on every request";
const FOLD: &str = "have the server drop names with underscores (gunicorn: --header-map drop, nginx: \
                    underscores_in_headers off), and verify the assertion";

impl Patient<'_> {
    /// Prints what each attempt comes to; how many work.
    async fn examine(&self) -> anyhow::Result<usize> {
        let nothing = self.call(&[]).await?;
        let mut found = 0;
        match nothing.status {
            200..400 => {
                found += 1;
                tell(false, "a direct call, without anything, is answered", &nothing, REACH);
            }
            _ => tell(true, "a direct call, without anything, is refused", &nothing, ""),
        }
        for probe in self.probes() {
            let answer = self.call(&probe.fields).await?;
            let worked = answer != nothing && (answer.names_user || answer.status < 400);
            found += usize::from(worked);
            tell(!worked, &probe.what, &answer, probe.remedy);
        }
        if let Some(proper) = self.assertion(Some(self.user), |_| {}) {
            let fields = [self.named(self.identity.user()), self.proof(proper)];
            let answer = self.call(&fields).await?;
            let (status, path) = (answer.status, self.uri.path());
            if answer == nothing || status >= 400 {
                println!(
                    "  unsure    what the gateway itself sends is answered {status} on {path}:"
                );
                println!("            choose a --path where {} is let in", self.user);
            } else {
                println!("  well      what the gateway itself sends is answered {status}");
            }
        }
        Ok(found)
    }

    fn probes(&self) -> Vec<Probe> {
        let user = self.identity.user();
        let mut probes = Vec::new();
        let upper = user.to_uppercase();
        let names = [
            (user.to_owned(), VERIFY),
            (upper.replace('-', "_"), FOLD),
            (user.replace('-', "_"), FOLD),
            (user.replace('-', "."), FOLD),
            (format!("HTTP-{user}"), VERIFY),
            ("X-Remote-User".into(), VERIFY),
            ("X-Forwarded-User".into(), VERIFY),
        ];
        for (name, remedy) in names {
            let what = format!("a forged `{name}: {}`", self.user);
            probes.push(Probe { what, fields: vec![self.named(&name)], remedy });
        }
        let forged = |what: &str, token: Option<String>| {
            token.map(|token| Probe {
                what: what.to_owned(),
                fields: vec![self.named(user), self.proof(token)],
                remedy: VERIFY,
            })
        };
        let name = Some(self.user);
        let unsigned = {
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
            let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let header = part(json!({ "alg": "none", "typ": "JWT" }));
            Some(format!("{header}.{}.", part(self.claims(name))))
        };
        let stranger = SigningKeys::new(&Secret::new("a stranger's key".into())).ok();
        probes.extend(forged(
            "a forged name beside an assertion that is garbage",
            Some("x.y.z".into()),
        ));
        probes.extend(forged("an assertion that nobody signed (`alg: none`)", unsigned));
        let of_stranger = stranger.and_then(|keys| sign(&keys, self.now, &self.claims(name)));
        probes.extend(forged("an assertion signed with a stranger's key", of_stranger));
        probes.extend(forged(
            "an assertion made for another service",
            self.assertion(name, |claims| claims["aud"] = json!("another-service")),
        ));
        probes.extend(forged(
            "an assertion that has expired",
            self.assertion(name, |claims| {
                claims["iat"] = json!(self.now.seconds() - 7200);
                claims["exp"] = json!(self.now.seconds() - 3600);
            }),
        ));
        probes.extend(forged(
            "a forged name beside an assertion for nobody",
            self.assertion(None, |_| {}),
        ));
        probes
    }

    fn named(&self, header: &str) -> (String, String) {
        (header.to_owned(), self.user.to_owned())
    }

    fn proof(&self, token: String) -> (String, String) {
        let header = self.identity.assertion().map_or("Portcullis-Assertion", |a| a.header());
        (header.to_owned(), token)
    }

    fn claims(&self, user: Option<&str>) -> Value {
        let (issuer, audience) = match self.identity.assertion() {
            Some(assertion) => (assertion.issuer(), assertion.audience()),
            None => ("portcullis", "django"),
        };
        let now = self.now.seconds();
        let mut claims = json!({ "iss": issuer, "aud": audience, "iat": now, "exp": now + 60 });
        if let Some(user) = user {
            claims["sub"] = json!("1");
            claims["preferred_username"] = json!(user);
        }
        claims
    }

    /// Signed with the gateway's own key; nothing where that is not known.
    fn assertion(&self, user: Option<&str>, change: impl FnOnce(&mut Value)) -> Option<String> {
        self.identity.assertion()?;
        let mut claims = self.claims(user);
        change(&mut claims);
        sign(self.keys.as_ref()?, self.now, &claims)
    }

    async fn call(&self, fields: &[(String, String)]) -> anyhow::Result<Answer> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(name).context("this header cannot be sent")?;
            headers.append(name, HeaderValue::try_from(value)?);
        }
        let host = self.uri.authority().map_or("localhost", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::try_from(host)?);
        let time = Duration::from_secs(10);
        let sent = self.http.send(Method::GET, &self.uri, headers, 1 << 20, time).await;
        let (status, _, body) = sent?;
        let names_user = String::from_utf8_lossy(&body).contains(self.user);
        Ok(Answer { status: status.as_u16(), names_user })
    }
}

fn tell(well: bool, what: &str, answer: &Answer, remedy: &str) {
    let status = answer.status;
    match well {
        true => println!("  well      {what}: {status}"),
        false => println!("  WAY IN    {what}: {status}\n            remedy: {remedy}"),
    }
}

fn sign(keys: &SigningKeys, now: Timestamp, claims: &Value) -> Option<String> {
    let key = keys.current(now).ok()?;
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(key.id.clone());
    jsonwebtoken::encode(&header, claims, &key.private).ok()
}
