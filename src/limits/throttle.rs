//! DRF's rate limits, counted as DRF counts (a sliding window of request times), but in one atomic
//! step and by the client's true address.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, de};

use crate::{
    clock::{Clock, Timestamp},
    identity::Identity,
    request::network_of,
    value::Rate,
};

/// One entry of `throttle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// DRF's `AnonRateThrottle`: by address, only anonymous callers.
    Anon(Rate),
    /// DRF's `UserRateThrottle`: by user, else by address.
    User(Rate),
    /// DRF's `ScopedRateThrottle`: one count over all routes that name the scope.
    Scope {
        /// The scope's name.
        name: String,
        /// How many.
        rate: Rate,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ThrottleScope")]
struct Scope {
    /// The scope's name (`throttle_scope`).
    name: String,
    /// Requests in a time (`DEFAULT_THROTTLE_RATES`).
    rate: Rate,
}

const KINDS: &[&str] = &["anon", "user", "scope"];

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKey;
        impl<'de> de::Visitor<'de> for OneKey {
            type Value = Config;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map with one of the keys anon, user, scope")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
                let kind: String =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let config = match kind.as_str() {
                    "anon" => Config::Anon(map.next_value()?),
                    "user" => Config::User(map.next_value()?),
                    "scope" => {
                        let Scope { name, rate } = map.next_value()?;
                        Config::Scope { name, rate }
                    }
                    other => return Err(de::Error::unknown_variant(other, KINDS)),
                };
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(config),
                }
            }
        }
        deserializer.deserialize_map(OneKey)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Throttle".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (rate, scope) = (generator.subschema_for::<Rate>(), generator.subschema_for::<Scope>());
        let with = |mut schema: schemars::Schema, meaning: &str| {
            schema.insert("description".into(), meaning.into());
            schema
        };
        schemars::json_schema!({
            "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": {
                "anon": with(rate.clone(), "`AnonRateThrottle`: anonymous callers, by address."),
                "user": with(rate, "`UserRateThrottle`: by user; anonymous callers by address."),
                "scope": with(scope, "`ScopedRateThrottle`: one count over all routes that name it."),
            }
        })
    }
}

/// The counters, shared by all routes: DRF keeps them in one cache too.
#[derive(Clone)]
pub struct Windows {
    windows: Cache<(Arc<str>, Caller), Window>,
    clock: Clock,
}

/// The times of a caller's requests, the newest first.
type Window = Arc<Mutex<VecDeque<Timestamp>>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    User(Box<str>),
    Address(IpAddr),
}

impl Windows {
    /// No counts yet.
    pub fn new(clock: Clock) -> Self {
        // A day is the longest period; who has not been seen for that long has no count.
        let idle = Duration::from_secs(86_400);
        let windows = Cache::builder().max_capacity(200_000).time_to_idle(idle).build();
        Self { windows, clock }
    }

    /// DRF's `allow_request`: counts and admits, or tells how long to wait and does not count.
    fn admit(&self, scope: &Arc<str>, caller: Caller, rate: Rate) -> Result<(), Duration> {
        let now = self.clock.now();
        let window = self.windows.get_with((Arc::clone(scope), caller), Arc::default);
        let mut times = window.lock().unwrap_or_else(PoisonError::into_inner);
        while times.back().is_some_and(|oldest| now.since(*oldest) >= rate.period) {
            times.pop_back();
        }
        let limit = rate.limit as usize;
        if times.len() < limit {
            times.push_front(now);
            return Ok(());
        }
        let left = times.back().map_or(rate.period, |oldest| rate.period - now.since(*oldest));
        let slots = limit.saturating_sub(times.len()) + 1;
        Err(left / u32::try_from(slots).unwrap_or(1))
    }
}

/// The throttles of a route.
pub struct Throttle {
    rules: Vec<(Kind, Arc<str>, Rate)>,
    windows: Windows,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anon,
    User,
}

impl Throttle {
    /// By a configuration, on shared counters.
    pub fn new(config: &[Config], windows: &Windows) -> Self {
        // Routes with one rate share one count. Two rates do not: the shorter period would forget
        // what the longer one has to remember.
        let rules = config.iter().map(|entry| match entry {
            Config::Anon(rate) => (Kind::Anon, format!("anon {rate}").into(), *rate),
            Config::User(rate) => (Kind::User, format!("user {rate}").into(), *rate),
            Config::Scope { name, rate } => {
                (Kind::User, format!("scope {name} {rate}").into(), *rate)
            }
        });
        Self { rules: rules.collect(), windows: windows.clone() }
    }

    /// All throttles are asked and all count; the longest wait is told.
    ///
    /// # Errors
    /// The wait.
    pub fn admit(&self, identity: Option<&Identity>, client: IpAddr) -> Result<(), Duration> {
        let mut longest = None;
        for (kind, scope, rate) in &self.rules {
            let caller = match identity {
                Some(_) if *kind == Kind::Anon => continue,
                // The primary key, as DRF; a caller without one goes by the name.
                Some(identity) => {
                    let id = identity.id.as_ref().map(|id| format!("id {id}"));
                    Caller::User(id.unwrap_or_else(|| format!("name {}", identity.username)).into())
                }
                None => Caller::Address(network_of(client)),
            };
            if let Err(wait) = self.windows.admit(scope, caller, *rate) {
                longest = longest.max(Some(wait));
            }
        }
        longest.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn throttle(rules: &[Config]) -> (Throttle, Clock) {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        (Throttle::new(rules, &Windows::new(clock.clone())), clock)
    }

    fn alice() -> Identity {
        Identity { id: Some("1".into()), username: "alice".into(), ..Identity::default() }
    }

    #[test]
    fn the_wait_is_until_the_oldest_leaves() {
        let (throttle, clock) = throttle(&[Config::Anon("2/min".parse().unwrap())]);
        assert_eq!(throttle.admit(None, HERE), Ok(()));
        clock.advance(Duration::from_secs(30));
        assert_eq!(throttle.admit(None, HERE), Ok(()));
        clock.advance(Duration::from_secs(10));
        assert_eq!(throttle.admit(None, HERE), Err(Duration::from_secs(20)));
        clock.advance(Duration::from_secs(20));
        assert_eq!(throttle.admit(None, HERE), Ok(()));
        assert_eq!(throttle.admit(Some(&alice()), HERE), Ok(()), "anon does not count users");
    }

    #[test]
    fn all_throttles_count_and_the_longest_wait_is_told() {
        let (throttle, _) = throttle(&[
            Config::Anon("1/min".parse().unwrap()),
            Config::User("1/hour".parse().unwrap()),
            Config::Scope { name: "s".into(), rate: "0/m".parse().unwrap() },
        ]);
        assert_eq!(throttle.admit(None, HERE), Err(Duration::from_secs(60)));
        assert_eq!(throttle.admit(None, HERE), Err(Duration::from_secs(3600)));
        assert_eq!(throttle.admit(Some(&alice()), HERE), Err(Duration::from_secs(60)));
    }

    /// Attack: on a route with a short period the window of another route is forgotten, and its
    /// limit starts anew.
    #[test]
    fn a_route_does_not_forget_for_another() {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let windows = Windows::new(clock.clone());
        let route = |rate: &str| Throttle::new(&[Config::User(rate.parse().unwrap())], &windows);
        let (hourly, quick) = (route("2/hour"), route("30/s"));
        assert_eq!(hourly.admit(None, HERE), Ok(()));
        assert_eq!(hourly.admit(None, HERE), Ok(()));
        clock.advance(Duration::from_secs(2));
        assert_eq!(quick.admit(None, HERE), Ok(()));
        assert!(hourly.admit(None, HERE).is_err());
        assert!(route("2/hour").admit(None, HERE).is_err(), "one rate is one count");
    }
}
