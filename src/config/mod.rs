//! The file as a whole: it composes the settings of the others and has none of its own but names.

mod depth;
pub mod load;
mod endpoint;
mod positions;
mod reference;
mod report;

use std::net::SocketAddr;

use hyper::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de};

pub use self::endpoint::Endpoint;
use crate::{
    client, cors, credential_cache,
    crypto::password,
    csrf, decision, forward, language,
    limits::{lockout, throttle},
    listen,
    observe::log,
    package, policy, reply,
    request::{Ambiguity, Buffer, ForwardedHeader},
    route::{HostPattern, PathPattern},
    store, traces, upstream,
    value::{FromWord, Network, Rate, Secret, false_or_map, optional_word_or_map, word_or_map},
};

/// `gateway.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Portcullis", title = "Portcullis configuration")]
pub struct Document {
    /// Where clients connect: an address and port, or several.
    #[serde(deserialize_with = "listeners")]
    #[schemars(schema_with = "listeners_schema")]
    pub listen: Vec<listen::Listener>,
    /// Where health, readiness and metrics are; not for clients.
    #[schemars(with = "String")]
    pub admin: Option<SocketAddr>,
    /// Users and tokens: Django's database.
    #[serde(deserialize_with = "word_or_map")]
    #[schemars(schema_with = "crate::value::word_or_map_schema::<store::Config>")]
    pub store: store::Config,
    /// Django's `SECRET_KEY`.
    pub secret_key: Option<Secret>,
    /// Django's `SECRET_KEY_FALLBACKS`: keys that sign no more and still verify.
    pub secret_key_fallbacks: Vec<Secret>,
    /// Networks of proxies in front that may say who the client is. Empty is none.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they say it; the other one is not looked at.
    pub forwarded_header: ForwardedHeader,
    /// DRF's `DEFAULT_AUTHENTICATION_CLASSES`.
    pub authentication: Vec<package::Entry>,
    /// DRF's `DEFAULT_PERMISSION_CLASSES`, as one rule.
    pub permission: policy::Config,
    /// Which challenges a 401 lists: the first scheme's, as DRF, or all.
    pub challenges: Challenges,
    /// Pages of other origins that may read answers.
    pub cors: Option<cors::Config>,
    /// Where other proxies ask what the gateway decides of a request that they hold.
    pub decisions: Option<decision::Config>,
    /// The language of refusals: Django's `LANGUAGE_CODE` and `LocaleMiddleware`.
    pub language: Option<language::Config>,
    /// How errors look.
    pub errors: reply::Config,
    /// Whether `DEFAULT_RENDERER_CLASSES` has `BrowsableAPIRenderer` beside JSON: then pages list it, and
    /// answers vary with `Accept`.
    pub browsable_api: bool,
    /// DRF's `DEFAULT_THROTTLE_RATES`.
    pub throttle: Vec<throttle::Config>,
    /// The limit on pages that take passwords, per network.
    pub auth_rate: Rate,
    /// Failed credentials.
    #[serde(deserialize_with = "false_or_map")]
    #[schemars(schema_with = "crate::value::false_or_map_schema::<lockout::Config>")]
    pub lockout: Option<lockout::Config>,
    /// Remembered credentials.
    pub cache: credential_cache::Config,
    /// Django's `PASSWORD_HASHERS`.
    pub passwords: password::Config,
    /// Django's `CSRF_*`.
    pub csrf: csrf::Config,
    /// The settings of packages, each under its own key.
    #[serde(skip)]
    pub packages: package::Settings,
    /// Where nonces, and the counters that gateways share, are kept.
    pub shared_state: SharedState,
    /// What upstreams learn of the caller.
    pub identity: forward::Config,
    /// Whether bodies without a length are read whole, so that upstreams are told one: up to 2.5 MiB, or
    /// the size that is given.
    pub buffer: Buffer,
    /// Calls of the gateway's own: to key sets, callouts and collectors.
    pub client: client::Config,
    /// What clients may make long.
    pub limits: listen::Config,
    /// Logs.
    pub log: log::Config,
    /// OpenTelemetry traces.
    pub traces: Option<traces::Config>,
    /// What happens to which requests.
    pub routes: Vec<Route>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            listen: vec![listen::Listener::at(listen::Address::Tcp(SocketAddr::from((
                [127, 0, 0, 1],
                8080,
            ))))],
            admin: None,
            store: store::Config::default(),
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            authentication: ["token", "basic"].map(|name| package::Entry::Name(name.into())).into(),
            permission: policy::Config::Word(policy::Word::Authenticated),
            challenges: Challenges::First,
            cors: None,
            decisions: None,
            language: None,
            errors: reply::Config::Drf,
            browsable_api: true,
            throttle: Vec::new(),
            auth_rate: Rate { limit: 20, period: std::time::Duration::from_secs(60) },
            lockout: Some(lockout::Config::default()),
            cache: credential_cache::Config::default(),
            passwords: password::Config::default(),
            csrf: csrf::Config::default(),
            packages: package::Settings::default(),
            shared_state: SharedState::Process,
            identity: forward::Config::default(),
            buffer: Buffer::default(),
            client: client::Config::default(),
            limits: listen::Config::default(),
            log: log::Config::default(),
            traces: None,
            routes: Vec::new(),
        }
    }
}

/// Which challenges a 401 lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Challenges {
    /// The first scheme's, as DRF.
    First,
    /// Every scheme's.
    All,
}

/// Where what several gateways have to agree on is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedState {
    /// In each process: a nonce is seen once by each gateway, `auth_rate` counts on each.
    Process,
    /// In tables of the gateway's own in `store`: a nonce is seen once by all gateways, and
    /// `auth_rate` is one budget.
    Store,
}

/// One entry of `routes`. What it does not say, the top of the file says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A host name, or all below one: `*.example.com`.
    #[serde(default)]
    pub host: HostPattern,
    /// A prefix by segments, or one path: `=/exact`.
    pub path: PathPattern,
    /// A method, or several; all, unless given.
    #[serde(default, deserialize_with = "methods")]
    #[schemars(with = "serde_json::Value")]
    pub method: Vec<Method>,
    /// The methods the view has, for the `Allow` header of refusals.
    #[serde(default, deserialize_with = "methods")]
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Method>,
    /// Ambiguous paths that the upstream reads as the gateway does.
    #[serde(default)]
    pub allow_paths: Vec<Ambiguity>,
    /// This route's schemes.
    pub authentication: Option<Vec<package::Entry>>,
    /// This route's rule.
    pub permission: Option<policy::Config>,
    /// This route's rates.
    pub throttle: Option<Vec<throttle::Config>>,
    /// What this route's upstream learns.
    pub identity: Option<forward::Config>,
    /// Whether this route's upstream is told the length of every body.
    pub buffer: Option<Buffer>,
    /// The service behind.
    #[serde(default, deserialize_with = "optional_word_or_map")]
    #[schemars(schema_with = "crate::value::word_or_map_schema::<upstream::Config>")]
    pub upstream: Option<upstream::Config>,
    /// A page of the gateway's own.
    pub endpoint: Option<Endpoint>,
    /// Where to send the client instead.
    pub redirect: Option<String>,
}

impl Route {
    /// One that says nothing but its path.
    pub fn at(path: PathPattern) -> Self {
        Self {
            host: HostPattern::default(),
            path,
            method: Vec::new(),
            allow: Vec::new(),
            allow_paths: Vec::new(),
            authentication: None,
            permission: None,
            throttle: None,
            identity: None,
            buffer: None,
            upstream: None,
            endpoint: None,
            redirect: None,
        }
    }
}

/// One value, or a list of them.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: std::str::FromStr> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form<T>(std::marker::PhantomData<T>);
        impl<'de, T: std::str::FromStr> de::Visitor<'de> for Form<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("one value or a list of them, as text (127.0.0.1:8080, GET)")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                let value =
                    text.parse().map_err(|_| E::custom(format!("`{text}` is not valid here")))?;
                Ok(OneOrMany(vec![value]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<OneOrMany<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    let bad = |_| de::Error::custom(format!("`{text}` is not valid here"));
                    values.push(text.parse().map_err(bad)?);
                }
                Ok(OneOrMany(values))
            }
        }
        deserializer.deserialize_any(Form(std::marker::PhantomData))
    }
}

fn listeners_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let one = generator.subschema_for::<listen::Listener>();
    let word = schemars::json_schema!({ "type": "string" });
    let entry = schemars::json_schema!({ "anyOf": [word, one] });
    schemars::json_schema!({ "anyOf": [entry, { "type": "array", "items": entry }] })
}

/// One listener, or a list of them; each an address or a map.
fn listeners<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<listen::Listener>, D::Error> {
    #[derive(Deserialize)]
    struct One(#[serde(deserialize_with = "word_or_map")] listen::Listener);
    struct Form;
    impl<'de> de::Visitor<'de> for Form {
        type Value = Vec<listen::Listener>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an address such as 0.0.0.0:8080, a map with `address`, or a list of these")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            listen::Listener::from_word(text).map(|one| vec![one]).map_err(E::custom)
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let one = de::value::MapAccessDeserializer::new(map);
            listen::Listener::deserialize(one).map(|one| vec![one])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut listeners = Vec::new();
            while let Some(One(listener)) = list.next_element()? {
                listeners.push(listener);
            }
            Ok(listeners)
        }
    }
    deserializer.deserialize_any(Form)
}

fn methods<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Method>, D::Error> {
    OneOrMany::deserialize(deserializer).map(|list| list.0)
}

/// The JSON Schema of the file, as `portcullis schema` prints it.
pub fn schema() -> String {
    serde_json::to_string_pretty(&schema_value()).unwrap_or_default() + "\n"
}

/// Every key with its meaning and default, in Markdown.
pub fn reference() -> String {
    reference::markdown(&schema_value())
}

/// The same as a value: the file's own settings, and those of each package beside them.
pub fn schema_value() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::default().into_generator();
    let mut schema = generator.root_schema_for::<Document>();
    for section in package::PACKAGES.iter().filter_map(|package| package.settings) {
        let mut of_section = section.schema(&mut generator);
        of_section.insert("description".to_owned(), section.description.into());
        if let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) {
            properties.insert(section.word.to_owned(), of_section.into());
        }
    }
    let definitions = generator.take_definitions(true);
    if let Some(known) = schema.get_mut("$defs").and_then(|known| known.as_object_mut()) {
        known.extend(definitions);
        known.sort_keys();
    }
    schema.into()
}
