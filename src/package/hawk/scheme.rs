//! A request signed with a shared key, and the answer signed with the same.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    crypto::{Algorithm, Key},
    header::{EXPIRED, FAILED, Header, challenge, expired, server_authorization},
    mac::{Kind, Message, PayloadHash, equal, may_omit_hash, ts_mac},
    target::{origin, resource},
};
use crate::{
    clock::{Clock, Timestamp},
    identity::{Accepted, Identity},
    limits::Nonces,
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{Purpose, Request},
    scheme::{Answer, BodyNeed, Examination, Examined, Notes, Outcome, Scheme, Seal},
    value::{Path, Period, Problem, Problems, Secret},
};

/// `- hawk: { keys: […] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Hawk")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
    /// `HAWK_CREDENTIALS`: who signs with which key.
    keys: Vec<KeyEntry>,
    /// `HAWK_MESSAGE_EXPIRATION`: how far a client's clock may be from the gateway's.
    skew: Period,
}

/// A client's key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HawkKey")]
struct KeyEntry {
    /// The key's name, which the client sends.
    id: String,
    /// The shared secret; or `key_file`, where it stands.
    key: Secret,
    /// sha256, sha384 or sha512; sha1 for clients that know no other.
    #[serde(default = "sha256")]
    algorithm: String,
    /// What the client is called upstream; its `id`, if this is not set.
    service: Option<String>,
    /// Groups the client is in.
    #[serde(default)]
    groups: Vec<String>,
    /// What the key is good for.
    #[serde(default)]
    scopes: Vec<String>,
}

fn sha256() -> String {
    "sha256".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, keys: Vec::new(), skew: Period::seconds(60) }
    }
}

/// HMAC is as strong as its key (RFC 2104 section 3).
const SHORTEST_KEY: usize = 16;

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let mut problems = Problems::default();
        let keys = problems.keep(self.signers(context.path)).unwrap_or_default();
        keys.values().for_each(|signer| context.site.db.reserve(&signer.identity.username));
        problems.finish(Arc::new(Hawk {
            name: Arc::clone(&context.name),
            keys,
            skew: self.skew.0,
            nonces: Arc::clone(context.site.nonces),
            clock: context.site.clock.clone(),
        }))
    }
}

impl Config {
    fn signers(&self, path: &Path) -> Result<HashMap<String, Signer>, Problems> {
        let mut problems = Problems::default();
        let mut signers = HashMap::new();
        let path = path.key("keys");
        if self.keys.is_empty() {
            let problem = Problem::new(&path, "no client can sign a request: `keys` is empty");
            problems.push(problem.help("list `{ id: …, key_file: … }` for each client"));
        }
        for (index, entry) in self.keys.iter().enumerate() {
            let at = path.index(index);
            let Some(algorithm) = Algorithm::named(&entry.algorithm) else {
                let message = format!("unknown algorithm `{}`", entry.algorithm);
                let problem = Problem::new(&at.key("algorithm"), message);
                problems.push(problem.help("use sha256, sha384, sha512 or sha1"));
                continue;
            };
            if entry.key.reveal().len() < SHORTEST_KEY {
                let message = "the key is so short that it can be guessed";
                let problem = Problem::new(&at.key("key"), message);
                problems.push(problem.help("use 32 random characters and more, at the client too"));
            }
            if signers.insert(entry.id.clone(), entry.signer(algorithm)).is_some() {
                problems.push(Problem::new(&at.key("id"), "this id is listed twice"));
            }
        }
        problems.finish(signers)
    }
}

impl KeyEntry {
    fn signer(&self, algorithm: Algorithm) -> Signer {
        let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        let identity = Identity {
            username: self.service.as_deref().unwrap_or(&self.id).into(),
            groups: words(&self.groups),
            scopes: words(&self.scopes),
            ..Identity::default()
        };
        Signer {
            key: Arc::new(Key::new(algorithm, self.key.reveal().as_bytes())),
            identity: Arc::new(identity),
        }
    }
}

struct Hawk {
    name: Arc<str>,
    keys: HashMap<String, Signer>,
    skew: Duration,
    nonces: Arc<dyn Nonces>,
    clock: Clock,
}

/// Whose key it is.
struct Signer {
    key: Arc<Key>,
    identity: Arc<Identity>,
}

/// Of a request's body, more than Django takes (`DATA_UPLOAD_MAX_MEMORY_SIZE`) is not hashed.
const LONGEST_BODY: usize = 2_621_440;

impl Scheme for Hawk {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// In hawkrest's order, but for the time, which comes before the nonce: what is too old is not
    /// remembered.
    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let Some(value) = field(request) else { return Answer::not_attempted() };
        let (header, signer) = match self.signed(value, request) {
            Ok(signed) => signed,
            Err(refusal) => return Answer::failed(*refusal),
        };
        if purpose == Purpose::Recheck {
            // The proof was good once and cannot be good twice; its key is still there.
            return Answer::Now(Ok(self.accept(signer, None)));
        }
        if !payload_is_signed(request, &header, &signer.key) {
            return Answer::failed(failed("the payload is not the one that was signed"));
        }
        let Some(until) = self.until(&header) else {
            return Answer::failed(self.expired(&header, &signer.key));
        };
        let seal = Box::new(Seals::new(request, &header, &signer.key));
        if !purpose.spends() {
            return Answer::Now(Ok(self.accept(signer, Some(seal))));
        }
        let nonce = nonce(&header);
        Answer::Later(Box::pin(async move {
            match self.nonces.use_up("hawk", &nonce, until).await? {
                true => Ok(self.accept(signer, Some(seal))),
                false => Examination::Ok(
                    Outcome::Failed(Arc::new(failed("the nonce was used before"))).into(),
                ),
            }
        }))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Hawk"))
    }

    /// Only a body that a known key has signed is buffered.
    fn body_need(&self, request: &Request) -> BodyNeed {
        let signed = field(request).and_then(|value| self.signed(value, request).ok());
        match signed.is_some_and(|(header, _)| self.until(&header).is_some()) {
            true => BodyNeed::Whole(LONGEST_BODY),
            false => BodyNeed::None,
        }
    }
}

fn field(request: &Request) -> Option<&[u8]> {
    let value = request.headers.get(AUTHORIZATION)?.as_bytes();
    Header::is_hawk(value).then_some(value)
}

/// The client is told no more than hawkrest tells; the operator, what it was.
fn failed(reason: &'static str) -> Refusal {
    Refusal::new(FAILED).because(reason)
}

impl Hawk {
    /// The header, and whose key has signed it for this request.
    fn signed<'a>(
        &self,
        value: &'a [u8],
        request: &Request,
    ) -> Result<(Header<'a>, &Signer), Box<Refusal>> {
        let header = Header::parse(value)
            .map_err(|error| Refusal::new(error.detail()).because(error.reason()))?;
        let signer = self.keys.get(header.id).ok_or_else(|| failed("no key has this id"))?;
        let (host, port) = place(request).ok_or_else(|| failed("the host cannot be signed"))?;
        let message = message(request, &header, host, port);
        match message.is_signed_by(Kind::Header, &signer.key, header.mac) {
            true => Ok((header, signer)),
            false => Err(failed("it was signed with another key, or for another request").into()),
        }
    }

    /// Until when the request may be sent again, if it is neither too old nor from the future.
    fn until(&self, header: &Header<'_>) -> Option<Timestamp> {
        let ts = Timestamp::from_seconds(u64::try_from(header.seconds()?).ok()?);
        let now = Timestamp::from_seconds(self.clock.now().seconds());
        let is_near = now.since(ts) <= self.skew && ts.since(now) <= self.skew;
        // The second itself is within.
        is_near.then_some(ts + self.skew + Duration::from_secs(1))
    }

    /// The challenge says the gateway's time, signed, so that a client can correct its own.
    fn expired(&self, header: &Header<'_>, key: &Key) -> Refusal {
        let Some(sent) = header.seconds() else { return failed("the time is not a number") };
        let now = i64::try_from(self.clock.now().seconds()).unwrap_or_default();
        let challenge = challenge(now, &ts_mac(key, now), &expired(sent, now));
        Refusal {
            challenge: challenge.ok().and_then(|text| text.try_into().ok()).map(Box::new),
            ..Refusal::new(EXPIRED).because("the time is too far from the gateway's")
        }
    }

    fn accept(&self, signer: &Signer, seal: Option<Box<Seals>>) -> Examined {
        let accepted =
            Accepted { identity: Arc::clone(&signer.identity), scheme: Arc::clone(&self.name) };
        let outcome = Outcome::Authenticated(accepted);
        match seal {
            Some(seal) => {
                let seal: Arc<dyn Seal> = Arc::from(seal as Box<dyn Seal>);
                Examined::with(outcome, Notes { seal: Some(seal), ..Notes::default() })
            }
            None => outcome.into(),
        }
    }
}

/// The host and port that the client has signed.
fn place(request: &Request) -> Option<(&str, u16)> {
    origin(request.authority.to_str().ok()?, request.client.secure)
}

fn message<'a>(request: &'a Request, header: &Header<'a>, host: &'a str, port: u16) -> Message<'a> {
    Message {
        ts: header.ts,
        nonce: header.nonce,
        method: request.method.as_str(),
        resource: resource(request.target.raw().as_str()),
        host,
        port,
        hash: header.hash,
        ext: header.ext,
        app: header.app,
        dlg: header.dlg,
    }
}

/// A nonce is one only for its key and time. With lengths, so that no two are written alike.
fn nonce(header: &Header<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [header.id, header.ts, header.nonce] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

fn payload_is_signed(request: &Request, header: &Header<'_>, key: &Key) -> bool {
    // Of two, the upstream could take the one that is not signed.
    if request.headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
        return false;
    }
    let content_type = content_type(&request.headers);
    let body = request.body.ahead();
    match header.hash {
        None => may_omit_hash(body.is_empty(), content_type),
        Some(sent) => equal(&payload_hash(key, content_type, body), sent),
    }
}

fn payload_hash(key: &Key, content_type: &[u8], body: &[u8]) -> String {
    let mut hash = PayloadHash::new(key.algorithm(), content_type);
    hash.update(body);
    hash.finish()
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// What of a request its answer's signature covers.
struct Seals {
    key: Arc<Key>,
    ts: String,
    nonce: String,
    app: Option<String>,
    dlg: Option<String>,
    method: String,
    resource: String,
    host: String,
    port: u16,
}

impl Seals {
    fn new(request: &Request, header: &Header<'_>, key: &Arc<Key>) -> Self {
        let (host, port) = place(request).unwrap_or_default();
        Self {
            key: Arc::clone(key),
            ts: header.ts.to_owned(),
            nonce: header.nonce.to_owned(),
            app: header.app.map(str::to_owned),
            dlg: header.dlg.map(str::to_owned),
            method: request.method.to_string(),
            resource: resource(request.target.raw().as_str()).to_owned(),
            host: host.to_owned(),
            port,
        }
    }
}

impl Seal for Seals {
    fn sign(
        &self,
        _: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let hash = body.map(|body| payload_hash(&self.key, content_type(headers), body));
        let message = Message {
            ts: &self.ts,
            nonce: &self.nonce,
            method: &self.method,
            resource: &self.resource,
            host: &self.host,
            port: self.port,
            hash: hash.as_deref(),
            ext: None,
            app: self.app.as_deref(),
            dlg: self.dlg.as_deref(),
        };
        let mac = message.mac(Kind::Response, &self.key);
        let text = server_authorization(&mac, hash.as_deref(), None).ok()?;
        Some((HeaderName::from_static("server-authorization"), text.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: the same signed request is sent again, with the parts of its proof cut elsewhere.
    #[test]
    fn no_two_proofs_have_one_nonce() {
        let read = |text: &'static str| Header::parse(text.as_bytes()).unwrap();
        let one = read(r#"Hawk id="a", ts="11", nonce="1""#);
        let other = read(r#"Hawk id="a", ts="1", nonce="11""#);
        assert_ne!(nonce(&one), nonce(&other));
        assert_eq!(nonce(&one), nonce(&read(r#"Hawk nonce="1", id="a", ts="11", ext="e""#)));
    }
}
