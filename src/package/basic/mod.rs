#![doc = include_str!("README.md")]

use std::sync::Arc;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Descriptor, Import, SchemeClass, SchemeContext, SchemeKind, SchemeSettings};
use crate::{
    account::{Attempt, Passwords},
    credential_cache::{CachedResult, Loaded},
    crypto::digest::Fingerprint,
    limits::{Limits, Subject},
    observe::audit::By,
    rejection::Refusal,
    request::{
        Client, Purpose, Request,
        credentials::{Authorization, Credential},
    },
    scheme::{Answer, Examination, Lookup, Outcome, Scheme},
    value::{Problem, Problems, Secret},
};

/// HTTP Basic.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("basic")],
    import: Import {
        schemes: &[SchemeClass {
            attributes: &[("www_authenticate_realm", "realm")],
            takes_password: true,
            fires: &["user_login_failed"],
            ..SchemeClass::new("rest_framework.authentication.BasicAuthentication", "basic")
        }],
        ..Import::NONE
    },
    texts: &[MISSING, SPACES, NOT_BASE64, INVALID],
    ..Descriptor::new("basic", include_str!("README.md"))
};

const MISSING: &str = "Invalid basic header. No credentials provided.";
const SPACES: &str = "Invalid basic header. Credentials string should not contain spaces.";
const NOT_BASE64: &str = "Invalid basic header. Credentials not correctly base64 encoded.";
const INVALID: &str = "Invalid username/password.";

/// `- basic: { realm: … }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Basic")]
pub struct Config {
    /// A second name.
    name: Option<String>,
    /// DRF's `www_authenticate_realm`.
    realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, realm: "api".into() }
    }
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let quotable = !self.realm.contains(['"', '\\']);
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{}\"", self.realm));
        let Some(challenge) = challenge.ok().filter(|_| quotable) else {
            let problem =
                Problem::new(&context.path.key("realm"), "the realm cannot stand in a header");
            return Err(problem
                .help("leave out quotes, backslashes and control characters")
                .into());
        };
        let site = context.site;
        site.db.needs(&[]);
        Ok(Arc::new(Basic {
            lookup: context.lookup(),
            challenge,
            passwords: Arc::clone(&site.accounts.passwords),
            limits: Arc::clone(site.limits),
        }))
    }
}

struct Basic {
    lookup: Lookup,
    challenge: HeaderValue,
    passwords: Arc<Passwords>,
    limits: Arc<Limits>,
}

impl Scheme for Basic {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let Some(field) = Authorization::read(&request.headers).filter(|f| f.is("basic")) else {
            return Answer::not_attempted();
        };
        let encoded = match field.credential {
            Credential::One(encoded) => encoded,
            Credential::Missing => return Answer::failed(Refusal::new(MISSING)),
            Credential::Spaces => return Answer::failed(Refusal::new(SPACES)),
        };
        let key = self.lookup.key(&[encoded]);
        if let Some(known) = self.lookup.known(&key, purpose) {
            return Answer::Now(self.unless_locked(encoded, known, &request.client, purpose));
        }
        let Some((username, password)) = decode(encoded) else {
            return Answer::failed(Refusal::new(NOT_BASE64));
        };
        Answer::Later(Box::pin(self.verify(key, username, password, &request.client, purpose)))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl Basic {
    /// A locked client gets the same answer for a remembered password as for a wrong one: else it
    /// could tell the right one by it.
    fn unless_locked(
        &self,
        encoded: &[u8],
        known: Examination,
        client: &Client,
        purpose: Purpose,
    ) -> Examination {
        let lockout = &self.limits.lockout;
        let wait = (purpose.spends() && lockout.anyone_waits()).then(|| {
            let account = decode(encoded).map(|(username, _)| username).unwrap_or_default();
            lockout.wait(Subject::Account(&account), client.address)
        });
        if let Some(wait) = wait.flatten() {
            return Ok(Outcome::Failed(Arc::new(Refusal::locked(wait))).into());
        }
        let known = known?;
        if let Outcome::Authenticated(accepted) = &known.outcome {
            self.passwords.note_network(&accepted.identity, client.address);
        }
        Ok(known)
    }

    async fn verify(
        &self,
        key: Fingerprint,
        username: String,
        password: Secret,
        client: &Client,
        purpose: Purpose,
    ) -> Examination {
        // A lock is an answer to this client, not a fact about the credential: it is not kept.
        if purpose.spends()
            && let Some(wait) =
                self.limits.lockout.wait(Subject::Account(&username), client.address)
        {
            return Ok(Outcome::Failed(Arc::new(Refusal::locked(wait))).into());
        }
        let load = async {
            let by = By::scheme(&self.lookup.name);
            let attempt = self.passwords.attempt(&username, &password, client.address, by, purpose);
            Ok(match attempt.await? {
                Attempt::User(user) => Loaded::new(CachedResult::Identity(user.identity)),
                Attempt::Wrong => Loaded::refused(Refusal::new(INVALID)),
                Attempt::Wait(wait) => Loaded::passing(Refusal::locked(wait)),
            })
        };
        self.lookup.get(key, purpose, load).await
    }
}

/// User name and password, split at the first colon; UTF-8, else Latin-1.
pub fn decode(encoded: &[u8]) -> Option<(String, Secret)> {
    let bytes = lenient_base64(encoded)?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect());
    let text = Secret::new(text);
    let (username, password) = text.reveal().split_once(':')?;
    Some((username.to_owned(), Secret::new(password.to_owned())))
}

/// Base64 as Python's `b64decode` takes it: characters outside the alphabet are dropped, the
/// padding must be there, and what follows it is ignored.
fn lenient_base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits = Vec::with_capacity(encoded.len());
    let mut padding = 0;
    for byte in encoded.iter().filter(|byte| known(byte) || **byte == b'=') {
        if *byte == b'=' {
            padding += 1;
            if digits.len() % 4 >= 2 && (digits.len() + padding) % 4 == 0 {
                break;
            }
        } else {
            // Padding that did not end a group is dropped like any foreign character.
            padding = 0;
            digits.push(*byte);
        }
    }
    let complete = match digits.len() % 4 {
        0 => true,
        1 => false,
        short => padding >= 4 - short,
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    complete.then(|| engine.decode(digits).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoded: &[u8]) -> Option<(String, String)> {
        decode(encoded).map(|(name, password)| (name, password.reveal().to_owned()))
    }

    #[test]
    fn the_contract_s_vectors() {
        for (encoded, name, password) in [
            (&b"YWxpY2U6Y29ycmVjdCBob3JzZQ=="[..], "alice", "correct horse"),
            (b"w6lsaXNlOnDDpHNzIHfDtnJk", "élise", "päss wörd"),
            (b"6Wxpc2U6cORzcyB39nJk", "élise", "päss wörd"),
            (b"YWxpY2U6YTpi", "alice", "a:b"),
            (b"!YWxpY2U@6YTpi-", "alice", "a:b"),
            (b"YWxpY2U6Y29ycmVjdCBob3JzZQ===", "alice", "correct horse"),
            (b"Og==", "", ""),
        ] {
            assert_eq!(read(encoded), Some((name.into(), password.into())));
        }
    }

    #[test]
    fn what_python_does_not_decode() {
        for encoded in [
            &b"!!!"[..],
            b"abc",
            b"YWxpY2U6Y29ycmVjdCBob3JzZQ",
            b"YWxpY2U=",
            b"\xc3\xa9",
            b"A",
            b"",
        ] {
            assert_eq!(read(encoded), None, "{encoded:?}");
        }
    }
}
