//! What a scheme is: it looks at a request and says *not mine*, *mine and good*, or *mine and
//! bad*; or that it could not tell. It returns data and never touches the response.
//!
//! A new scheme is one file here with its `Config`, its `build` and its tests, one `mod` line and
//! one word in the `table!`; the table gives it its YAML key, its JSON Schema and its name in
//! errors.

mod api_key;
mod basic;
mod callout;
mod certificate;
mod custom;
mod jwt;
mod knox;
mod lookup;
mod remote_user;
mod session;
mod token;
mod wasm;

pub use self::basic::decode as decode_basic;

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use serde::{Deserialize, de};
use tokio::runtime::Handle;

use crate::{
    client::HttpClient,
    identity::Accepted,
    login::Login,
    request::Request,
    store::{
        Store, Unavailable,
        cache::{Facts, Members, Said},
    },
    system::{knox::Knox, session::Sessions, simplejwt::SimpleJwt},
    value::{Path, Problems},
};

/// What a scheme makes of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// No credential of this scheme: the next may look.
    NotAttempted,
    /// A session that is over: the next may look, and the client forgets it by this `Set-Cookie`.
    Ended(HeaderValue),
    /// A good one: nobody else is asked.
    Authenticated(Accepted),
    /// A bad one: nobody else may rescue it.
    Failed(Failure),
}

/// A credential that was refused.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the client is told.
    pub detail: Cow<'static, str>,
    /// The challenge that goes with it, if it is another than the scheme's own.
    pub challenge: Option<HeaderValue>,
    /// What the answer says beside the detail.
    pub members: Option<Arc<Members>>,
    /// The whole answer, where a custom scheme's service has written it.
    pub said: Option<Arc<Said>>,
    /// `Set-Cookie` for the client.
    pub cookie: Option<HeaderValue>,
    /// What kind of refusal it is.
    pub kind: FailureKind,
}

/// DRF's `NotAuthenticated`.
pub const NOT_PROVIDED: &str = "Authentication credentials were not provided.";

/// What kind of refusal a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// DRF's `AuthenticationFailed`: 401 or 403, by the first scheme.
    Unauthenticated,
    /// DRF's `PermissionDenied`: 403 whichever scheme is first.
    Forbidden,
    /// Too many failures: the client has to wait so long before it may try again.
    Wait(Duration),
}

impl Failure {
    /// A refusal with its text.
    pub fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        let kind = FailureKind::Unauthenticated;
        Self {
            detail: detail.into(),
            challenge: None,
            members: None,
            said: None,
            cookie: None,
            kind,
        }
    }

    /// A refusal that is 403 whatever the chain.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: FailureKind::Forbidden, ..Self::new(detail) }
    }

    /// Too many failures.
    pub fn locked(wait: Duration) -> Self {
        Self { kind: FailureKind::Wait(wait), ..Self::new("") }
    }
}

/// A scheme's answer: at once where the request alone or the cache decides, so that the hot path
/// boxes no future and yields to nobody; later where somebody has to be asked.
pub enum Answer<'a> {
    /// Decided.
    Now(Result<Outcome, Unavailable>),
    /// To be asked.
    Later(Pin<Box<dyn Future<Output = Result<Outcome, Unavailable>> + Send + 'a>>),
}

impl<'a> Answer<'a> {
    /// What is known, else what is to be asked.
    fn known_or<F>(known: Option<Result<Outcome, Unavailable>>, ask: impl FnOnce() -> F) -> Self
    where
        F: Future<Output = Result<Outcome, Unavailable>> + Send + 'a,
    {
        known.map_or_else(|| Self::Later(Box::pin(ask())), Self::Now)
    }

    /// Not a credential of this scheme.
    pub fn not_attempted() -> Self {
        Self::Now(Ok(Outcome::NotAttempted))
    }

    /// A credential that needs no look-up to be refused.
    pub fn failed(detail: &'static str) -> Self {
        Self::Now(Ok(Outcome::Failed(Failure::new(detail))))
    }
}

/// A way to prove who is asking.
pub trait Scheme: Send + Sync {
    /// Its name in logs and metrics.
    fn name(&self) -> &Arc<str>;
    /// Looks at a request.
    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a>;
    /// `WWW-Authenticate` when this scheme is first; without one, refusals are 403 (DRF's
    /// `authenticate_header`).
    fn challenge(&self) -> Option<HeaderValue>;
    /// Asked when nobody has taken the request for its own: a credential that is in this scheme's
    /// place and that no scheme could read is a bad one, not none.
    fn leftover(&self, request: &Request) -> Option<Failure> {
        let _ = request;
        None
    }
    /// Whether its answer depends on cookies, which caches have to know (`Vary`).
    fn reads_cookies(&self) -> bool {
        false
    }
    /// Whether it looks into the beginning of this request's body.
    fn reads_body(&self, request: &Request) -> bool {
        let _ = request;
        false
    }
}

/// What schemes are built from.
pub struct Parts<'a> {
    /// Users, tokens and keys.
    pub store: &'a Arc<dyn Store>,
    /// The credential cache.
    pub facts: &'a Arc<Facts>,
    /// Password checks.
    pub login: &'a Arc<Login>,
    /// For callouts.
    pub http: &'a HttpClient,
    /// The runtime for everything slow.
    pub control: &'a Handle,
    /// Django's sessions.
    pub sessions: &'a Arc<Sessions>,
    /// django-rest-knox.
    pub knox: &'a Arc<Knox>,
    /// simplejwt; built when something needs it, since its keys may be of a kind that has to be
    /// given.
    pub simplejwt: &'a dyn Fn() -> Result<Arc<SimpleJwt>, Problems>,
}

impl Parts<'_> {
    /// The project's own tokens.
    ///
    /// # Errors
    /// What is wrong with their settings.
    fn simplejwt(&self) -> Result<Arc<SimpleJwt>, Problems> {
        (self.simplejwt)()
    }
}

macro_rules! table {
    ($($key:ident: $config:ty),+ $(,)?) => {
        /// The kinds of schemes, as the configuration names them.
        pub const KINDS: &[&str] = &[$(stringify!($key)),+];

        /// A scheme with its settings, as a chain entry names it.
        #[derive(Clone, Debug)]
        #[expect(non_camel_case_types, reason = "named as in the file")]
        pub enum Settings {
            $(#[doc = concat!("`", stringify!($key), "`")] $key($config)),+
        }

        impl Settings {
            /// The name this entry goes by: its own, or its kind's.
            pub fn name(&self) -> &str {
                match self { $(Self::$key(config) => config.name.as_deref().unwrap_or(stringify!($key))),+ }
            }

            /// The kind with its defaults.
            pub fn of_kind(kind: &str) -> Option<Self> {
                match kind {
                    $(stringify!($key) => Some(Self::$key(Default::default())),)+
                    _ => None,
                }
            }

            /// Builds the scheme.
            ///
            /// # Errors
            /// Everything that is wrong in its settings.
            pub fn build(&self, path: &Path, parts: &Parts<'_>) -> Result<Arc<dyn Scheme>, Problems> {
                let name: Arc<str> = self.name().into();
                match self { $(Self::$key(config) => config.build(name, &path.key(stringify!($key)), parts)),+ }
            }

            fn of_map<'de, A: de::MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
                match kind {
                    $(stringify!($key) => map.next_value().map(Self::$key),)+
                    _ => Err(de::Error::unknown_variant(kind, KINDS)),
                }
            }

            fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<schemars::Schema> {
                vec![$({
                    let config = generator.subschema_for::<$config>();
                    schemars::json_schema!({
                        "type": "object", "properties": { stringify!($key): config },
                        "required": [stringify!($key)], "additionalProperties": false
                    })
                }),+]
            }
        }
    };
}

table! {
    basic: basic::Config,
    token: token::Config,
    api_key: api_key::Config,
    remote_user: remote_user::Config,
    session: session::Config,
    jwt: jwt::Config,
    knox: knox::Config,
    callout: callout::Config,
    certificate: certificate::Config,
    wasm: wasm::Config,
}

impl Settings {
    /// Whether it takes one issuer's JSON Web Tokens, or every bearer token; nothing for others.
    pub fn is_issuer(&self) -> Option<bool> {
        match self {
            Settings::jwt(config) => Some(config.is_issuer()),
            _ => None,
        }
    }

    /// Whether it needs clients that show certificates.
    pub fn asks_certificates(&self) -> bool {
        match self {
            Settings::certificate(_) => true,
            Settings::remote_user(config) => config.asks_certificates(),
            _ => false,
        }
    }
}

impl Entry {
    /// Its settings, if it has some of its own.
    pub fn settings(&self) -> Option<&Settings> {
        match self {
            Entry::Settings(settings) => Some(settings),
            Entry::Name(_) => None,
        }
    }

    /// A header that names a user and that this scheme believes from its peers alone.
    pub fn believed_header(&self) -> Option<&str> {
        match self {
            Entry::Settings(settings) => match settings.as_ref() {
                Settings::remote_user(config) => Some(config.header()),
                _ => None,
            },
            Entry::Name(_) => None,
        }
    }
}

/// An entry of `authentication`: the name of a scheme, or a map with one key.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A name: of an entry in the top-level chain, else of a kind.
    Name(String),
    /// A scheme of its own.
    Settings(Box<Settings>),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a scheme, or a map with the scheme as its only key")
            }
            fn visit_str<E>(self, name: &str) -> Result<Entry, E> {
                Ok(Entry::Name(name.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let kind: String =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let settings = Settings::of_map(&kind, &mut map)?;
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(Entry::Settings(Box::new(settings))),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl schemars::JsonSchema for Entry {
    fn schema_name() -> Cow<'static, str> {
        "SchemeEntry".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut forms = Settings::schemas(generator);
        forms.push(schemars::json_schema!({ "type": "string", "examples": KINDS }));
        schemars::json_schema!({ "anyOf": forms })
    }
}
