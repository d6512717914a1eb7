//! `portcullis doctor`: attacks the configured upstreams with requests that bypass the gateway, and
//! reports which of them get in.
#![expect(clippy::indexing_slicing, reason = "of a JSON object: naming a member makes it")]

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use hyper::{
    HeaderMap, Method, Uri,
    header::{AUTHORIZATION, HOST, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use serde_json::{Value, json};

use super::{control, load};
use crate::{
    app::{self, ProcessState},
    client::HttpClient,
    clock::{Clock, Timestamp},
    config::{Document, Route},
    crypto::keys::SigningKeys,
    forward,
    observe::log::AccessLog,
    package::Entry,
    policy,
    store::Database,
    value::Secret,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path that requires an authenticated caller, best one whose answer names the caller.
    #[arg(long, default_value = "/", value_parser = path_of)]
    path: PathAndQuery,
    /// The user to impersonate, who has to exist in the service [default: the store's first user].
    #[arg(long)]
    user: Option<String>,
    /// The `Host` to send, where the service requires one [default: the server's address].
    #[arg(long)]
    host: Option<String>,
}

fn path_of(text: &str) -> Result<PathAndQuery, String> {
    match text.parse() {
        Ok(path) if text.starts_with('/') => Ok(path),
        _ => Err("write a path that starts with a slash, percent-encoded".into()),
    }
}

/// The results for all servers.
#[derive(Default)]
struct Findings {
    ways_in: usize,
    unsure: usize,
    examined: usize,
}

pub(super) fn doctor(path: std::path::PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let loaded = load(path)?;
    let control = control()?;
    let clock = Clock::system();
    let access = AccessLog::off();
    let world =
        ProcessState::new(&loaded.document, clock.clone(), control.handle().clone(), access);
    let built = app::build(&loaded.document, &world).map_err(|p| loaded.report(p))?;
    let (user, id) = control.block_on(victim(&built.db, arguments.user.as_deref()))?;
    let http = HttpClient::new(control.handle(), clock.clone());
    let mut findings = Findings::default();
    for (server, identity) in upstreams(&loaded.document) {
        println!("{server}");
        let Some(uri) = address(&server, &arguments.path) else {
            println!("  skipped   a file: its mode decides who reaches it");
            continue;
        };
        let mut patient = Patient {
            http: &http,
            uri,
            host: arguments.host.as_deref(),
            user: &user,
            id: id.as_deref(),
            identity,
            keys: loaded.document.secret_key.as_ref().and_then(|key| SigningKeys::new(key).ok()),
            schemes: schemes(&loaded.document, arguments.path.path()),
            scheme: None,
            names_others: names_others(&loaded.document),
            now: clock.now(),
        };
        findings.examined += 1;
        if let Err(error) = control.block_on(patient.examine(&mut findings)) {
            println!("  no answer {error:#}; is it running?");
            findings.unsure += 1;
        }
    }
    control.block_on(through(&http, &loaded.document, arguments, &mut findings));
    match findings {
        Findings { examined: 0, .. } => println!("\nThere is no upstream to examine."),
        Findings { ways_in: 0, unsure: 0, .. } => {
            println!("\nNo request gets in around the gateway.")
        }
        Findings { ways_in: 0, .. } => bail!("could not tell whether a request gets in: see above"),
        Findings { ways_in: 1, .. } => bail!("1 way in around the gateway"),
        Findings { ways_in, .. } => bail!("{ways_in} ways in around the gateway"),
    }
    Ok(())
}

/// Requests without a credential, and with wrong ones, to the gateway itself: they must be refused where
/// the path's route says so.
async fn through(
    http: &HttpClient,
    document: &Document,
    arguments: &Arguments,
    findings: &mut Findings,
) {
    let plain = document.listen.iter().filter(|listener| listener.tls.is_none());
    let Some(address) = plain.filter_map(|listener| listener.address.tcp()).next() else { return };
    let route = route(document, arguments.path.path());
    let permission = route.and_then(|route| route.permission.as_ref());
    use policy::{Config, Word};
    if let Config::Word(Word::Anyone | Word::AuthenticatedOrReadOnly) =
        permission.unwrap_or(&document.permission)
    {
        return println!(
            "\nThe route of {} is for anyone: nothing to ask through the gateway.",
            arguments.path
        );
    }
    println!("\nThrough the gateway, http://{address}");
    let wrong = "wrong-0123456789abcdef0123456789abcdef01";
    for (what, credential) in [
        ("no credential", None),
        ("a wrong token", Some(format!("Token {wrong}"))),
        ("a wrong bearer token", Some(format!("Bearer {wrong}"))),
        ("a wrong password", Some("Basic bm9ib2R5Ondyb25n".to_owned())),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(value) = credential.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(AUTHORIZATION, value);
        }
        let host = arguments.host.clone().unwrap_or_else(|| address.to_string());
        if let Ok(host) = HeaderValue::try_from(host) {
            headers.insert(HOST, host);
        }
        let Ok(url) = format!("http://{address}{}", arguments.path).parse() else { return };
        let sent = http.send(Method::GET, &url, headers, 1 << 20, Duration::from_secs(10)).await;
        match sent {
            Ok((status, ..)) if status.is_success() => {
                findings.ways_in += 1;
                println!("  WAY IN    {what}: {status}");
                println!(
                    "            remedy: `portcullis explain GET {}` says which rule admits it",
                    arguments.path
                );
            }
            Ok((status, ..)) => println!("  well      {what}: {}", status.as_u16()),
            Err(_) => {
                println!("  no answer the gateway does not run");
                return;
            }
        }
    }
}

/// The user to impersonate, with the primary key if the store has the user.
type Victim = (String, Option<String>);

/// The one that is named, or the store's first.
async fn victim(store: &Database, named: Option<&str>) -> anyhow::Result<Victim> {
    let name = match named {
        Some(name) => name.to_owned(),
        None => {
            let names = store.usernames().await;
            let names = names.context("the store does not answer; name a user with --user")?;
            names.into_iter().next().context("the store has no user; name one with --user")?
        }
    };
    let row = store.user_by_name(&name).await.ok().flatten();
    Ok((name, row.map(|user| user.id.to_string())))
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

/// The names of the schemes that a path is judged by.
fn schemes(document: &Document, path: &str) -> Vec<String> {
    let own = route(document, path).and_then(|route| route.authentication.as_ref());
    let entries = own.unwrap_or(&document.authentication);
    entries.iter().map(|entry| entry.name().to_owned()).collect()
}

/// The route of a path, whatever the host.
fn route<'d>(document: &'d Document, path: &str) -> Option<&'d Route> {
    let routes = document.routes.iter().filter(|route| route.path.is_for(path));
    routes.max_by_key(|route| route.path.specificity())
}

/// Whether a scheme may name a caller who is no row of the store: a service, or what another issuer says.
fn names_others(document: &Document) -> bool {
    const OF_ROWS: [&str; 6] = ["basic", "token", "session", "knox", "jwt", "remote_user"];
    let own = document.routes.iter().flat_map(|route| route.authentication.iter().flatten());
    document.authentication.iter().chain(own).any(|entry| match entry {
        Entry::Name(word) => !OF_ROWS.contains(&word.as_str()),
        Entry::Settings { word, .. } => *word == "jwt" || !OF_ROWS.contains(word),
    })
}

fn address(server: &str, path: &PathAndQuery) -> Option<Uri> {
    let over_network = server.starts_with("http://") || server.starts_with("https://");
    over_network.then(|| format!("{}{path}", server.trim_end_matches('/')))?.parse().ok()
}

/// An upstream under examination.
struct Patient<'a> {
    http: &'a HttpClient,
    uri: Uri,
    host: Option<&'a str>,
    user: &'a str,
    /// The user's primary key, as the gateway would send it; none: no row of the store.
    id: Option<&'a str>,
    identity: &'a forward::Config,
    keys: Option<SigningKeys>,
    /// The schemes of the path's route: `portcullis_django` puts the user where the class of the
    /// scheme would have been.
    schemes: Vec<String>,
    /// The one that the service lets the user in by.
    scheme: Option<String>,
    /// Whether there may be callers who are no row of the store.
    names_others: bool,
    now: Timestamp,
}

/// What came back.
#[derive(PartialEq, Eq)]
struct Answer {
    status: u16,
    names_user: bool,
}

impl Answer {
    /// Only these say that the caller was refused; 404 or 500 say nothing about authentication.
    fn refuses(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    fn lets_in(&self) -> bool {
        self.status < 400
    }
}

/// An attempt: what it is, its header fields, and what to do if it works.
struct Probe {
    what: String,
    fields: Vec<(String, String)>,
    remedy: &'static str,
}

const VERIFY: &str = "verify the assertion on every request: for Django, put \
                      portcullis_django.middleware.PortcullisMiddleware first in MIDDLEWARE";
const NAMESAKE: &str = "take the user by the assertion's `user_id`, as portcullis_django does, and \
                        never by the name";
const REACH: &str = "let only the gateway connect: bind to 127.0.0.1 or a Unix socket, or close the \
                     port; and verify the assertion on every request";
const FOLD: &str = "have the server drop names with underscores (gunicorn: --header-map drop, nginx: \
                    underscores_in_headers off), and verify the assertion";

impl Patient<'_> {
    /// Prints what each attempt comes to.
    async fn examine(&mut self, findings: &mut Findings) -> anyhow::Result<()> {
        let nothing = self.call(&[]).await?;
        let proper = self.proper(&nothing).await?;
        let what = "a direct call, without anything";
        if nothing.lets_in() {
            findings.ways_in += 1;
            way_in(what, &nothing, REACH);
        } else if nothing.refuses() {
            println!("  well      {what}: {}", nothing.status);
        } else {
            findings.unsure += 1;
            println!("  unsure    {what}: {}", nothing.status);
            println!("            choose a --path where {} is let in, and the --host", self.user);
            println!("            that the service knows");
        }
        let worked =
            |answer: &Answer| *answer != nothing && (answer.names_user || answer.lets_in());
        let mut names_are_trusted = false;
        for probe in self.forged_names() {
            let answer = self.call(&probe.fields).await?;
            names_are_trusted |= worked(&answer);
            Self::judge(&probe, &answer, worked(&answer), findings);
        }
        if names_are_trusted {
            println!("            so the assertion is not looked at");
            return Ok(());
        }
        for probe in self.forged_assertions() {
            let answer = self.call(&probe.fields).await?;
            Self::judge(&probe, &answer, worked(&answer), findings);
        }
        if let Some(probe) = self.another_s_assertion() {
            // To be let in as who the assertion names is right.
            let answer = self.call(&probe.fields).await?;
            let worked = answer.names_user && !nothing.names_user;
            Self::judge(&probe, &answer, worked, findings);
        }
        if self.names_others
            && let Some(probe) = self.namesake()
        {
            let answer = self.call(&probe.fields).await?;
            Self::judge(&probe, &answer, answer != nothing && answer.names_user, findings);
        }
        match proper {
            Some(Answer { status, .. }) if self.scheme.is_some() => {
                println!("  well      what the gateway itself sends: {status}");
            }
            Some(Answer { status, .. }) => {
                findings.unsure += 1;
                println!("  unsure    what the gateway itself sends: {status}");
                println!(
                    "            the service does not trust the gateway yet, or {} is not let in at",
                    self.user
                );
                println!("            this --path; without that the attempts above say little");
            }
            None => {}
        }
        Ok(())
    }

    /// The answer to what the gateway itself sends, by the first scheme that the service lets in.
    async fn proper(&mut self, nothing: &Answer) -> anyhow::Result<Option<Answer>> {
        let mut last = None;
        for scheme in self.schemes.clone() {
            self.scheme = Some(scheme);
            let Some(token) = self.assertion(Some((self.user, self.id)), |_| {}) else { break };
            let answer = self.call(&[self.named(self.identity.user()), self.proof(token)]).await?;
            if answer != *nothing && answer.lets_in() {
                return Ok(Some(answer));
            }
            last = Some(answer);
        }
        self.scheme = None;
        Ok(last)
    }

    fn judge(probe: &Probe, answer: &Answer, worked: bool, findings: &mut Findings) {
        if worked {
            findings.ways_in += 1;
            way_in(&probe.what, answer, probe.remedy);
        } else {
            println!("  well      {}: {}", probe.what, answer.status);
        }
    }

    fn forged_names(&self) -> Vec<Probe> {
        let user = self.identity.user();
        // One name has several spellings for servers that fold them; case is not one of them.
        let names = [
            (user.to_owned(), VERIFY),
            (user.replace('-', "_"), FOLD),
            (user.replace('-', "."), FOLD),
            (format!("HTTP-{user}"), VERIFY),
            ("X-Remote-User".into(), VERIFY),
            ("X-Forwarded-User".into(), VERIFY),
        ];
        let probe = |(name, remedy): (String, &'static str)| {
            let what = format!("a forged `{name}: {}`", self.user);
            Probe { what, fields: vec![self.named(&name)], remedy }
        };
        names.into_iter().map(probe).collect()
    }

    fn forged_assertions(&self) -> Vec<Probe> {
        let victim = Some((self.user, self.id));
        let claims = self.claims(victim);
        let stranger = SigningKeys::new(&Secret::new("a stranger's key".into())).ok();
        let past = self.now.seconds().saturating_sub(7200);
        let tokens = [
            ("an assertion that is garbage", Some("x.y.z".into())),
            ("an assertion without a signature (`alg: none`)", Some(unsigned(&claims))),
            (
                "an assertion signed with a stranger's key",
                stranger.and_then(|keys| sign(&keys, self.now, &claims)),
            ),
            (
                "an assertion made for another service",
                self.assertion(victim, |claims| claims["aud"] = json!("another-service")),
            ),
            (
                "an assertion of another issuer",
                self.assertion(victim, |claims| claims["iss"] = json!("another-gateway")),
            ),
            (
                "an assertion that has expired",
                self.assertion(victim, |claims| {
                    claims["iat"] = json!(past);
                    claims["exp"] = json!(past + 60);
                }),
            ),
            ("a forged name beside an anonymous assertion", self.assertion(None, |_| {})),
        ];
        let probes = tokens.into_iter().filter_map(|(what, token)| {
            let fields = vec![self.named(self.identity.user()), self.proof(token?)];
            Some(Probe { what: what.into(), fields, remedy: VERIFY })
        });
        probes.collect()
    }

    fn another_s_assertion(&self) -> Option<Probe> {
        let token = self.assertion(Some(("somebody-else", Some("0"))), |_| {})?;
        let fields = vec![self.named(self.identity.user()), self.proof(token)];
        let what = "a forged name beside another user's assertion".into();
        Some(Probe { what, fields, remedy: VERIFY })
    }

    /// What the gateway itself sends for a service, or for whom another issuer names.
    fn namesake(&self) -> Option<Probe> {
        let token = self.assertion(Some((self.user, None)), |claims| {
            claims["sub"] = json!("another-issuer|1");
        })?;
        let fields = vec![self.named(self.identity.user()), self.proof(token)];
        let what = "another issuer's identity of the user's name".into();
        Some(Probe { what, fields, remedy: NAMESAKE })
    }

    fn named(&self, header: &str) -> (String, String) {
        let value = forward::encode(self.user);
        (header.to_owned(), value)
    }

    fn proof(&self, token: String) -> (String, String) {
        let header = self.identity.assertion().map_or("Portcullis-Assertion", |a| a.header());
        (header.to_owned(), token)
    }

    fn claims(&self, user: Option<(&str, Option<&str>)>) -> Value {
        let (issuer, audience) = match self.identity.assertion() {
            Some(assertion) => (assertion.issuer(), assertion.audience()),
            None => ("portcullis", "django"),
        };
        let now = self.now.seconds();
        let mut claims = json!({ "iss": issuer, "aud": audience, "iat": now, "exp": now + 60 });
        if let Some((name, id)) = user {
            claims["preferred_username"] = json!(name);
            // A service, or whom another issuer names, has no row.
            claims["sub"] = json!(id.map_or(format!("service:{name}"), str::to_owned));
            if let Some(id) = id {
                claims["user_id"] = json!(id);
            }
            if let Some(scheme) = &self.scheme {
                claims["scheme"] = json!(scheme);
            }
        }
        claims
    }

    /// Signed with the gateway's own key; nothing where that is not known.
    fn assertion(
        &self,
        user: Option<(&str, Option<&str>)>,
        change: impl FnOnce(&mut Value),
    ) -> Option<String> {
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
        let own = self.uri.authority().map_or("localhost", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::try_from(self.host.unwrap_or(own))?);
        let time = Duration::from_secs(10);
        let sent = self.http.send(Method::GET, &self.uri, headers, 1 << 20, time).await;
        let (status, _, body) = sent?;
        let names_user = String::from_utf8_lossy(&body).contains(self.user);
        Ok(Answer { status: status.as_u16(), names_user })
    }
}

fn way_in(what: &str, answer: &Answer, remedy: &str) {
    println!("  WAY IN    {what}: {}\n            remedy: {remedy}", answer.status);
}

fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(claims))
}

fn sign(keys: &SigningKeys, now: Timestamp, claims: &Value) -> Option<String> {
    let key = keys.current(now).ok()?;
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(key.id.clone());
    jsonwebtoken::encode(&header, claims, &key.private).ok()
}
