#![doc = include_str!("README.md")]

use std::{borrow::Cow, sync::Arc};

use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Descriptor, Import, SchemeClass, SchemeContext, SchemeKind, SchemeSettings};
use crate::{
    account::{Accounts, BrowserSessions, Proof},
    clock::Clock,
    credential_cache::{CachedResult, Loaded},
    rejection::{NOT_PROVIDED, Refusal},
    request::{Client, Purpose, Request},
    scheme::{Answer, Carrier, CsrfCheck, Examination, Examined, Lookup, Notes, Outcome, Scheme},
    store::{Database, NewUser, Unavailable, User},
    value::{Network, Problem, Problems},
};

/// Django's `RemoteUserBackend`, `RemoteUserMiddleware` and DRF's `RemoteUserAuthentication`.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("remote_user")],
    import: Import {
        schemes: &[SchemeClass {
            attributes: &[("header", "header")],
            headers: &["header"],
            note: Some(
                "the peers that may name users are not known here: list them in `from` of `remote_user`",
            ),
            ..SchemeClass::new(
                "rest_framework.authentication.RemoteUserAuthentication",
                "remote_user",
            )
        }],
        ..Import::NONE
    },
    ..Descriptor::new("remote_user", include_str!("README.md"))
};

/// `- remote_user: { from: [10.0.0.0/8] }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RemoteUser")]
pub struct Config {
    /// A second name.
    name: Option<String>,
    /// The header that names the user.
    header: String,
    /// Whether its value is percent-encoded, as another Portcullis in front writes it.
    percent_encoded: bool,
    /// The peers that may set it; there is no default.
    from: Vec<Network>,
    /// Names in the certificates of peers that may set it, wherever they are.
    from_certificates: Vec<String>,
    /// `create_unknown_user`: makes a user of a name that is seen for the first time. Django does
    /// so by default; here a typo in front makes no account.
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
            percent_encoded: false,
            from: Vec::new(),
            from_certificates: Vec::new(),
            create_unknown_user: false,
            persistent: false,
        }
    }
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let (path, site) = (context.path, context.site);
        let mut problems = Problems::default();
        if self.from.is_empty() && self.from_certificates.is_empty() {
            let problem = Problem::new(path, "no peer may name a user: `from` is empty");
            problems
                .push(problem.help("list the networks of the proxy in front, as narrow as can be"));
        }
        for (index, _) in self.from.iter().enumerate().filter(|(_, n)| n.is_everyone()) {
            let at = path.key("from").index(index);
            let problem = Problem::new(&at, "this lets every client name the user it wants to be");
            problems.push(problem.help("list the proxy's own addresses"));
        }
        let Ok(header) = HeaderName::try_from(&self.header) else {
            let message = format!("`{}` is not a header name", self.header);
            problems
                .push(Problem::new(&path.key("header"), message).help("for example Remote-User"));
            return Err(problems);
        };
        problems.finish(Arc::new(RemoteUser {
            lookup: context.lookup(),
            header,
            percent_encoded: self.percent_encoded,
            from: self.from.clone(),
            from_certificates: self.from_certificates.clone(),
            create_unknown_user: self.create_unknown_user,
            accounts: Arc::clone(site.accounts),
            sessions: site.accounts.sessions().filter(|_| self.persistent).cloned(),
            db: site.db.clone(),
            clock: site.clock.clone(),
        }))
    }

    fn needs_certificates(&self) -> bool {
        !self.from_certificates.is_empty()
    }

    fn owned_header(&self) -> Option<&str> {
        Some(&self.header)
    }
}

struct RemoteUser {
    lookup: Lookup,
    header: HeaderName,
    percent_encoded: bool,
    from: Vec<Network>,
    from_certificates: Vec<String>,
    create_unknown_user: bool,
    accounts: Arc<Accounts>,
    /// With `persistent`.
    sessions: Option<Arc<dyn BrowserSessions>>,
    db: Database,
    clock: Clock,
}

impl Scheme for RemoteUser {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        // The peer of the connection counts, never an address that a header tells.
        if !self.trusts(&request.client) {
            return Answer::not_attempted();
        }
        let mut fields = request.headers.get_all(&self.header).iter();
        let value = match (fields.next(), fields.next()) {
            (Some(value), None) if !value.is_empty() => value.as_bytes(),
            (Some(_), Some(_)) => {
                return Answer::failed(Refusal::new("Only one user may be named."));
            }
            _ => return Answer::not_attempted(),
        };
        let key = self.lookup.key(&[value]);
        let known = self.lookup.known(&key, purpose);
        let ask = move || self.lookup.get(key, purpose, self.load(value, purpose));
        let Some(sessions) = &self.sessions else { return Answer::known_or(known, ask) };
        Answer::Later(Box::pin(async move {
            let examined = match known {
                Some(examined) => examined?,
                None => ask().await?,
            };
            self.stay(&**sessions, request, purpose, examined).await
        }))
    }

    fn reads_cookies(&self) -> bool {
        self.sessions.is_some()
    }

    fn carrier(&self, _: &Request) -> Carrier {
        match &self.sessions {
            Some(_) => Carrier::Cookie(CsrfCheck::UpgradesOnly),
            None => Carrier::Connection,
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

impl RemoteUser {
    fn trusts(&self, client: &Client) -> bool {
        self.from.iter().any(|network| network.contains(client.peer))
            || client.certificate.as_deref().is_some_and(|certificate| {
                let names = certificate.dns.iter().chain(&certificate.uri);
                let mut names = names.chain(&certificate.common_name);
                certificate.not_after >= self.clock.now()
                    && names.any(|name| self.from_certificates.contains(name))
            })
    }

    async fn load(&self, value: &[u8], purpose: Purpose) -> Result<Loaded, Unavailable> {
        let decoded: Cow<'_, [u8]> = match self.percent_encoded {
            true => percent_encoding::percent_decode(value).into(),
            false => value.into(),
        };
        // UTF-8, else the Latin-1 that WSGI servers read.
        let name = std::str::from_utf8(&decoded)
            .map_or_else(|_| decoded.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
        let mut user = self.db.user_by_name(&name).await?;
        let creates = self.create_unknown_user && purpose != Purpose::Recheck;
        if user.is_none() && creates && is_name(&name) {
            user = self.create(name).await?;
        }
        Ok(Loaded::new(match user.filter(|user| user.active) {
            Some(user) => CachedResult::Identity(user.identity),
            // DRF's class never fails: an unknown or inactive user makes an anonymous caller.
            None => CachedResult::NotMine,
        }))
    }

    async fn create(&self, username: String) -> Result<Option<User>, Unavailable> {
        let user = NewUser {
            username: username.clone(),
            email: String::new(),
            password: String::new(),
            superuser: false,
        };
        match self.accounts.create_user(&self.db, &user, self.clock.now()).await? {
            Some(made) => Ok(Some(made)),
            // Another request has made it in between: then it is theirs that counts.
            None => self.db.user_by_name(&username).await,
        }
    }

    /// `PersistentRemoteUserMiddleware`: the user stays logged in with a session.
    async fn stay(
        &self,
        sessions: &dyn BrowserSessions,
        request: &Request,
        purpose: Purpose,
        examined: Examined,
    ) -> Examination {
        let current = sessions.user_of(&request.headers, purpose).await?;
        let Outcome::Authenticated(accepted) = &examined.outcome else {
            return match current {
                Some(_) => leave(sessions, request, purpose).await,
                None => Ok(examined),
            };
        };
        if !purpose.spends() || current == accepted.identity.id {
            return Ok(examined);
        }
        let mut notes = Notes::default();
        if let Some(user) = self.db.user_by_name(&accepted.identity.username).await? {
            notes.cookies = sessions.begin(&request.headers, &user, Proof::RemoteUser).await?;
        }
        Ok(Examined::with(examined.outcome, notes))
    }
}

/// The header names a user who is not known: then it is not the session's user who is asking.
async fn leave(sessions: &dyn BrowserSessions, request: &Request, purpose: Purpose) -> Examination {
    let outcome = Outcome::Failed(Arc::new(Refusal::new(NOT_PROVIDED)));
    if !purpose.spends() {
        return Ok(outcome.into());
    }
    let cookies = vec![sessions.end(&request.headers).await?];
    Ok(Examined::with(outcome, Notes { cookies, ..Notes::default() }))
}

/// What Django's column takes.
fn is_name(name: &str) -> bool {
    !name.contains('\0') && name.chars().count() <= 150
}
