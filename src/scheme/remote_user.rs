//! A user name that a proven peer in front of the gateway has put into a header (Django's
//! `RemoteUserBackend` with `create_unknown_user = False`). From anybody else the header is not
//! even looked at.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Outcome, Parts, Scheme, outcome, remembered};
use crate::{
    crypto::digest::Fingerprint,
    request::Request,
    store::{
        Store, Unavailable,
        cache::{Fact, Facts, Verifier},
    },
    value::{Network, Path, Problem, Problems},
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
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, header: "Remote-User".into(), from: Vec::new() }
    }
}

impl Config {
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
        if self.from.is_empty() {
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
        let (store, facts) = (Arc::clone(parts.store), Arc::clone(parts.facts));
        let (verifier, from) = (facts.verifier(), self.from.clone());
        problems.finish(Arc::new(RemoteUser { name, header, from, store, facts, verifier }))
    }
}

struct RemoteUser {
    name: Arc<str>,
    header: HeaderName,
    from: Vec<Network>,
    store: Arc<dyn Store>,
    facts: Arc<Facts>,
    verifier: Verifier,
}

impl Scheme for RemoteUser {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        // The peer of the connection counts, never an address that a header tells.
        if !self.from.iter().any(|network| network.contains(request.client.peer)) {
            return Answer::not_attempted();
        }
        let mut fields = request.headers.get_all(&self.header).iter();
        let value = match (fields.next(), fields.next()) {
            (Some(value), None) if !value.is_empty() => value.as_bytes(),
            (Some(_), Some(_)) => return Answer::failed("Only one user may be named."),
            _ => return Answer::not_attempted(),
        };
        let fingerprint = self.facts.key(self.verifier, &[value]);
        remembered(&self.name, &self.facts, &fingerprint)
            .unwrap_or_else(|| Answer::Later(Box::pin(self.look_up(fingerprint, value))))
    }

    /// As DRF's class: none, so refusals are 403 where this scheme is first.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

impl RemoteUser {
    async fn look_up(&self, key: Fingerprint, value: &[u8]) -> Result<Outcome, Unavailable> {
        let load = async {
            // UTF-8, else the Latin-1 that WSGI servers read.
            let name = std::str::from_utf8(value).map_or_else(
                |_| value.iter().map(|byte| char::from(*byte)).collect(),
                str::to_owned,
            );
            let user = self.store.user_by_name(&name).await?;
            let fact = match user.filter(|user| user.active) {
                Some(user) => Fact::Identity(user.identity),
                // DRF's class never fails: an unknown or inactive user is just nobody.
                None => Fact::NotMine,
            };
            Ok((fact, None))
        };
        Ok(outcome(&self.name, self.facts.get(key, load).await?))
    }
}
