//! A component as a scheme: what it sees of a request, and what its answer means.

use std::sync::Arc;

use hyper::header::HeaderValue;

use super::component::{Component, wit};
use crate::{
    clock::{Clock, Timestamp},
    credential_cache::{CachedResult, Loaded},
    crypto::digest::Fingerprint,
    identity::Identity,
    package::Site,
    request::{Purpose, Request},
    scheme::{Answer, Carrier, Custom, Examination, Scheme, refused},
    store::{Database, Unavailable},
    threads::Threads,
};

pub(super) struct Wasm {
    custom: Custom,
    component: Arc<Component>,
    /// Whether it sees the request line.
    line: bool,
    threads: Threads,
    db: Database,
    clock: Clock,
}

/// Who could not tell, in logs.
const COMPONENT: &str = "the component";

impl Wasm {
    pub(super) fn new(custom: Custom, component: Component, line: bool, site: &Site<'_>) -> Self {
        Self {
            custom,
            component: Arc::new(component),
            line,
            threads: Threads::new(COMPONENT, site.control),
            db: site.db.clone(),
            clock: site.clock.clone(),
        }
    }
}

impl Scheme for Wasm {
    fn name(&self) -> &Arc<str> {
        &self.custom.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let mut seen = self.custom.credential(request);
        if seen.is_empty() {
            return Answer::not_attempted();
        }
        if self.line {
            let (target, client) = (request.target.raw().as_str(), &request.client.text);
            seen.extend([request.method.as_str().as_bytes(), target.as_bytes(), client.as_bytes()]);
        }
        let key = self.custom.lookup.key(&seen);
        let known = self.custom.known(&key, request, purpose);
        Answer::known_or(known, || self.ask(key, request, purpose))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        self.custom.challenge.clone()
    }

    fn reads_cookies(&self) -> bool {
        self.custom.reads_cookies()
    }

    fn carrier(&self, _: &Request) -> Carrier {
        self.custom.carrier()
    }
}

impl Wasm {
    async fn ask(&self, key: Fingerprint, request: &Request, purpose: Purpose) -> Examination {
        let load = async {
            let (component, seen) = (Arc::clone(&self.component), self.seen(request));
            let answer = self.threads.run(move || component.ask(&seen)).await?;
            self.known(answer.map_err(outage)?).await
        };
        self.custom.ask(key, request, purpose, load).await
    }

    fn seen(&self, request: &Request) -> wit::Request {
        let headers = self.custom.headers(request).map(|(name, value)| wit::Header {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_owned(),
        });
        let line = self.line.then(|| wit::Line {
            method: request.method.as_str().to_owned(),
            path: request.target.path().to_owned(),
            query: request.target.query().map(str::to_owned),
            client: request.client.address.to_string(),
        });
        wit::Request { headers: headers.collect(), line }
    }

    async fn known(&self, outcome: wit::Outcome) -> Result<Loaded, Unavailable> {
        let (identity, expires_at) = match outcome {
            wit::Outcome::NotMine => return Ok(Loaded::new(CachedResult::NotMine)),
            wit::Outcome::Failed(detail) => {
                return Ok(Loaded::refused(refused(Some(&detail), None)));
            }
            wit::Outcome::User(user) => match self.user(&user.username).await? {
                Some(identity) => (identity, user.expires_at),
                None => return Ok(Loaded::refused(refused(Some("No such user"), None))),
            },
            wit::Outcome::Identity(identity) => {
                let expires_at = identity.expires_at;
                (Arc::new(identity.try_into().map_err(outage)?), expires_at)
            }
        };
        let end = expires_at.map(Timestamp::from_seconds);
        match end.is_some_and(|end| end <= self.clock.now()) {
            true => Ok(Loaded::refused(refused(Some("The credential has expired."), None))),
            false => Ok(Loaded::new(CachedResult::Identity(identity)).until(end)),
        }
    }

    async fn user(&self, name: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        let user = self.db.user_by_name(name).await?.filter(|user| user.active);
        Ok(user.map(|user| user.identity))
    }
}

fn outage(cause: impl ToString) -> Unavailable {
    Unavailable::new(COMPONENT, cause)
}

impl TryFrom<wit::Identity> for Identity {
    type Error = String;

    fn try_from(answer: wit::Identity) -> Result<Self, String> {
        if answer.username.is_empty() {
            return Err("an identity with an empty username".to_owned());
        }
        let claims = answer.claims.as_deref().map(serde_json::from_str).transpose();
        let claims = claims.map_err(|error| format!("claims that are no JSON object: {error}"))?;
        let set = |list: Vec<String>| list.into_iter().map(Into::into).collect();
        Ok(Identity {
            id: answer.id.map(Into::into),
            username: answer.username.into(),
            email: answer.email.into(),
            name: answer.name.into(),
            groups: set(answer.groups),
            permissions: set(answer.permissions),
            scopes: set(answer.scopes),
            staff: answer.staff,
            superuser: answer.superuser,
            claims: claims.unwrap_or_default(),
            ..Identity::default()
        })
    }
}
