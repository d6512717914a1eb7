//! A user name that a proven peer in front of the gateway has put into a header: Django's
//! `RemoteUserBackend` and DRF's `RemoteUserAuthentication`; with `persistent`, also
//! `PersistentRemoteUserMiddleware`. From anybody else the header is not even looked at.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Failure, NOT_PROVIDED, Outcome, Parts, Scheme, lookup::Lookup};
use crate::{
    clock::{Clock, Timestamp},
    identity::Identity,
    request::{Client, Request},
    store::{NewUser, Store, Unavailable, User, cache::Fact},
    system::session::{Proof, Sessions},
    value::{Network, Path, Problem, Problems, Secret},
};

/// `- remote_user: { from: [10.0.0.0/8] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RemoteUser")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// The header that names the user.
    header: String,
    /// The peers that may set it. Nobody, unless listed.
    from: Vec<Network>,
    /// Names in the certificates of peers that may set it, wherever they are.
    from_certificates: Vec<String>,
    /// `create_unknown_user`: makes a user of a name that is seen for the first time. Django does
    /// so by default; here a typo in front makes nobody.
    create_unknown_user: bool,
    /// Begins a session, so that the user stays known where the header does not come along: put
    /// `session` into the chain too.
    persistent: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            header: "Remote-User".into(),
            from: Vec::new(),
            from_certificates: Vec::new(),
            create_unknown_user: false,
            persistent: false,
        }
    }
}

impl Config {
    /// Whether it looks at peers' certificates.
    pub(super) fn asks_certificates(&self) -> bool {
        !self.from_certificates.is_empty()
    }

    /// The header that only listed peers may set, so that no other may send it on.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn build(
        &self,
        name: Arc<str>,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let mut problems = Problems::default();
        if self.from.is_empty() && self.from_certificates.is_empty() {
            let problem = Problem::new(path, "nobody may name a user: `from` is empty");
            problems
                .push(problem.help("list the networks of the proxy in front, as narrow as can be"));
        }
        for (index, _) in self.from.iter().enumerate().filter(|(_, n)| n.is_everyone()) {
            let at = path.key("from").index(index);
            let problem = Problem::new(&at, "this lets everybody name the user they want to be");
            problems.push(problem.help("list the proxy's own addresses"));
        }
        let Ok(header) = HeaderName::try_from(&self.header) else {
            let message = format!("`{}` is not a header name", self.header);
            problems
                .push(Problem::new(&path.key("header"), message).help("for example Remote-User"));
            return Err(problems);
        };
        problems.finish(Arc::new(RemoteUser {
            lookup: Lookup::new(name, parts),
            header,
            from: self.from.clone(),
            from_certificates: self.from_certificates.clone(),
            create_unknown_user: self.create_unknown_user,
            sessions: self.persistent.then(|| Arc::clone(parts.sessions)),
            store: Arc::clone(parts.store),
            clock: parts.http.clock().clone(),
        }))
    }
}

struct RemoteUser {
    lookup: Lookup,
    header: HeaderName,
    from: Vec<Network>,
    from_certificates: Vec<String>,
    create_unknown_user: bool,
    /// Where users stay known.
    sessions: Option<Arc<Sessions>>,
    store: Arc<dyn Store>,
    clock: Clock,
}

impl Scheme for RemoteUser {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        // The peer of the connection counts, never an address that a header tells.
        if !self.believes(&request.client) {
            return Answer::not_attempted();
        }
        let mut fields = request.headers.get_all(&self.header).iter();
        let value = match (fields.next(), fields.next()) {
            (Some(value), None) if !value.is_empty() => value.as_bytes(),
            (Some(_), Some(_)) => return Answer::failed("Only one user may be named."),
            _ => return Answer::not_attempted(),
        };
        let key = self.lookup.key(&[value]);
        let (known, ask) =
            (self.lookup.known(&key), move || self.lookup.get(key, self.load(value)));
        let Some(sessions) = &self.sessions else { return Answer::known_or(known, ask) };
        Answer::Later(Box::pin(async move {
            let outcome = match known {
                Some(outcome) => outcome?,
                None => ask().await?,
            };
            self.stay(sessions, request, outcome).await
        }))
    }

    fn reads_cookies(&self) -> bool {
        self.sessions.is_some()
    }

    /// As DRF's class: none, so refusals are 403 where this scheme is first.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

impl RemoteUser {
    fn believes(&self, client: &Client) -> bool {
        self.from.iter().any(|network| network.contains(client.peer))
            || client.certificate.as_deref().is_some_and(|certificate| {
                let names = certificate.dns.iter().chain(&certificate.uri);
                let mut names = names.chain(&certificate.common_name);
                certificate.not_after >= self.clock.now()
                    && names.any(|name| self.from_certificates.contains(name))
            })
    }

    async fn load(&self, value: &[u8]) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        // UTF-8, else the Latin-1 that WSGI servers read.
        let name = std::str::from_utf8(value)
            .map_or_else(|_| value.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
        let mut user = self.store.user_by_name(&name).await?;
        if user.is_none() && self.create_unknown_user && is_name(&name) {
            user = self.create(name).await?;
        }
        let fact = match user.filter(|user| user.active) {
            Some(user) => Fact::Identity(user.identity),
            // DRF's class never fails: an unknown or inactive user is just nobody.
            None => Fact::NotMine,
        };
        Ok((fact, None))
    }

    /// As Django makes it: without a password that could be typed.
    async fn create(&self, username: String) -> Result<Option<User>, Unavailable> {
        let user = NewUser {
            username: username.clone(),
            email: String::new(),
            password: String::new(),
            superuser: false,
        };
        let made = self.store.create_user(&user, self.clock.now()).await?;
        // Another request may have made it in between: then it is theirs that counts.
        let found = self.store.user_by_name(&username).await?;
        // `explain` makes nobody, and tells of whom it would have made.
        Ok(found.or(made.map(|id| User {
            id,
            password: Secret::new(String::new()),
            active: true,
            identity: Arc::new(Identity {
                id: Some(id.to_string().into()),
                row: Some(id),
                username: username.into(),
                ..Identity::default()
            }),
        })))
    }

    /// Begins a session for who has none of their own.
    async fn stay(
        &self,
        sessions: &Sessions,
        request: &Request,
        outcome: Outcome,
    ) -> Result<Outcome, Unavailable> {
        let key = sessions.key(&request.headers);
        let Outcome::Authenticated(mut accepted) = outcome else {
            return match key {
                Some(key) => self.leave(sessions, &key, outcome).await,
                None => Ok(outcome),
            };
        };
        if let Some(key) = &key
            && let Fact::Session(session) = sessions.fact(key).await?
            && session.identity.id == accepted.identity.id
        {
            return Ok(Outcome::Authenticated(accepted));
        }
        if let Some(user) = self.store.user_by_name(&accepted.identity.username).await? {
            let begun = sessions.login(key.as_deref(), &user, Proof::RemoteUser).await?;
            accepted.cookies = begun.cookies;
        }
        Ok(Outcome::Authenticated(accepted))
    }

    /// Somebody is named who is nobody here: then it is not the session's user who is asking.
    async fn leave(
        &self,
        sessions: &Sessions,
        key: &str,
        outcome: Outcome,
    ) -> Result<Outcome, Unavailable> {
        if !matches!(sessions.fact(key).await?, Fact::Session(_)) {
            return Ok(outcome);
        }
        sessions.logout(key).await?;
        let cookie = Some(sessions.expired_cookie());
        Ok(Outcome::Failed(Failure { cookie, ..Failure::new(NOT_PROVIDED) }))
    }
}

/// What Django's column takes.
fn is_name(name: &str) -> bool {
    !name.contains('\0') && name.chars().count() <= 150
}
