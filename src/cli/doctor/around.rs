//! Around the gateway: requests that reach a server directly, and what each comes to.
#![expect(clippy::indexing_slicing, reason = "of a JSON object: naming a member makes it")]

use std::time::Duration;

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{
    HeaderMap, Method, Uri,
    header::{HOST, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::Findings;
use crate::{
    client::HttpClient, clock::Timestamp, crypto::keys::SigningKeys, forward, package::print_line,
    value::Secret,
};

/// An upstream under examination.
pub(super) struct Patient<'a> {
    pub(super) http: &'a HttpClient,
    pub(super) uri: Uri,
    pub(super) host: Option<&'a str>,
    pub(super) user: &'a str,
    /// The user's primary key, as the gateway would send it; none: no row of the store.
    pub(super) id: Option<&'a str>,
    pub(super) identity: &'a forward::Config,
    pub(super) keys: Option<SigningKeys>,
    /// The schemes of the path's route: `portcullis_django` puts the user where the class of the
    /// scheme would have been.
    pub(super) schemes: Vec<String>,
    /// The one that the service lets the user in by.
    pub(super) scheme: Option<String>,
    /// Whether there may be callers who are no row of the store.
    pub(super) names_others: bool,
    pub(super) now: Timestamp,
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
    pub(super) async fn examine(&mut self, findings: &mut Findings) -> anyhow::Result<()> {
        let nothing = self.call(&[]).await?;
        let proper = self.proper(&nothing).await?;
        let what = "a direct call, without anything";
        if nothing.lets_in() {
            findings.ways_in += 1;
            way_in(what, &nothing, REACH);
        } else if nothing.refuses() {
            print_line!("  well      {what}: {}", nothing.status);
        } else {
            findings.unsure += 1;
            print_line!("  unsure    {what}: {}", nothing.status);
            print_line!(
                "            choose a --path where {} is let in, and the --host",
                self.user
            );
            print_line!("            that the service knows");
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
            print_line!("            so the assertion is not looked at");
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
                print_line!("  well      what the gateway itself sends: {status}");
            }
            Some(Answer { status, .. }) => {
                findings.unsure += 1;
                print_line!("  unsure    what the gateway itself sends: {status}");
                print_line!(
                    "            the service does not trust the gateway yet, or {} is not let in at",
                    self.user
                );
                print_line!("            this --path; without that the attempts above say little");
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
            print_line!("  well      {}: {}", probe.what, answer.status);
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
    print_line!("  WAY IN    {what}: {}\n            remedy: {remedy}", answer.status);
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
