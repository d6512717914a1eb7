//! django-rest-knox: opaque tokens, many per user, kept as digests.

use aws_lc_rs::digest::{SHA512, digest};
use schemars::JsonSchema;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use std::sync::Arc;

use crate::{
    clock::{Clock, Timestamp},
    crypto::{digest::Fingerprint, random_bytes},
    store::{
        KnoxToken, NewKnoxToken, Store, Unavailable,
        cache::{Fact, Facts, Verifier},
    },
    value::{Count, Path, Period, Problem, Problems, Secret},
};

/// The `knox` setting: `REST_KNOX`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Knox")]
pub struct Config {
    /// `TOKEN_TTL`; `null` for tokens that never expire.
    ttl: Option<Period>,
    /// `AUTH_HEADER_PREFIX`.
    keyword: String,
    /// `TOKEN_PREFIX`: what new tokens begin with.
    token_prefix: String,
    /// `AUTH_TOKEN_CHARACTER_LENGTH`.
    token_length: Count,
    /// `TOKEN_LIMIT_PER_USER`.
    limit_per_user: Option<Count>,
    /// `AUTO_REFRESH`.
    auto_refresh: bool,
    /// `MIN_REFRESH_INTERVAL`.
    min_refresh_interval: Period,
    /// `AUTO_REFRESH_MAX_TTL`.
    auto_refresh_max_ttl: Option<Period>,
    /// What a login says of the user: `id`, `username`, `email`, `is_staff`, `is_superuser`.
    user_fields: Option<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttl: Some(Period::seconds(10 * 3600)),
            keyword: "Token".into(),
            token_prefix: String::new(),
            token_length: Count(64),
            limit_per_user: None,
            auto_refresh: false,
            min_refresh_interval: Period::seconds(60),
            auto_refresh_max_ttl: None,
            user_fields: None,
        }
    }
}

/// How much of a token stands in the table in the clear.
const TOKEN_KEY: usize = 15;
/// The fields that a login may tell.
const USER_FIELDS: [&str; 5] = ["id", "username", "email", "is_staff", "is_superuser"];

/// Makes tokens and finds whose they are.
pub struct Knox {
    config: Config,
    store: Arc<dyn Store>,
    facts: Arc<Facts>,
    verifier: Verifier,
    clock: Clock,
}

/// A token that was made; it cannot be shown again.
#[derive(Debug)]
pub struct Made {
    /// The token.
    pub token: Secret,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

impl Knox {
    /// From the setting.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        config: &Config,
        store: &Arc<dyn Store>,
        facts: &Arc<Facts>,
        clock: &Clock,
    ) -> Result<Self, Problems> {
        let path = Path::root().key("knox");
        let mut problems = Problems::default();
        if config.token_prefix.chars().count() > 10 || !config.token_prefix.is_ascii() {
            let problem = Problem::new(&path.key("token_prefix"), "the prefix is too long");
            problems.push(problem.help("knox allows 10 characters of ASCII"));
        }
        if !(32..=256).contains(&config.token_length.0) {
            let problem = Problem::new(&path.key("token_length"), "no such length");
            problems.push(problem.help("32 to 256 hexadecimal digits; knox has 64"));
        }
        for (index, field) in config.user_fields.iter().flatten().enumerate() {
            if !USER_FIELDS.contains(&field.as_str()) {
                let at = path.key("user_fields").index(index);
                let problem = Problem::new(&at, format!("a login cannot tell `{field}`"));
                problems.push(problem.help(format!("there are: {}", USER_FIELDS.join(", "))));
            }
        }
        let verifier = facts.verifier();
        let (store, facts) = (Arc::clone(store), Arc::clone(facts));
        problems.finish(Self {
            config: config.clone(),
            store,
            facts,
            verifier,
            clock: clock.clone(),
        })
    }

    /// The word in front of a token, and the challenge.
    pub fn keyword(&self) -> &str {
        &self.config.keyword
    }

    /// What a login says of the user.
    pub fn user_fields(&self) -> Option<&[String]> {
        self.config.user_fields.as_deref()
    }

    /// The cache's key of a token.
    pub fn fingerprint(&self, token: &str) -> Fingerprint {
        self.facts.key(self.verifier, &[token.as_bytes()])
    }

    /// Whose a token is, and until when, as the store has it now.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn load(&self, token: &str) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        let key: String = token.chars().take(TOKEN_KEY).collect();
        let now = self.clock.now();
        let given = hash(token);
        for row in self.store.knox_tokens(&key).await? {
            self.clean_up(&row, now).await;
            if row.expiry.is_some_and(|expiry| expiry < now) {
                continue;
            }
            if !bool::from(given.as_bytes().ct_eq(row.digest.as_bytes())) {
                continue;
            }
            let expiry = self.renew(&row, now).await;
            let fact = match row.user.active {
                true => Fact::Identity(row.user.identity),
                false => Fact::refused("User inactive or deleted."),
            };
            return Ok((fact, expiry));
        }
        Ok((Fact::refused("Invalid token."), None))
    }

    /// As knox does: a user's expired rows go when a token of theirs is looked at. They are dead
    /// whether or not the database can be written to now.
    async fn clean_up(&self, row: &KnoxToken, now: Timestamp) {
        if let Err(error) = self.store.delete_expired_knox_tokens(row.user.id, now).await {
            tracing::warn!(%error, "expired knox tokens could not be deleted");
        }
    }

    /// `AUTO_REFRESH`: the expiry that holds from now on.
    async fn renew(&self, row: &KnoxToken, now: Timestamp) -> Option<Timestamp> {
        let current = row.expiry?;
        let Some(ttl) = self.config.ttl.filter(|_| self.config.auto_refresh) else {
            return Some(current);
        };
        let most = self.config.auto_refresh_max_ttl.map(|most| row.created + most.0);
        let fresh = (now + ttl.0).min(most.unwrap_or(Timestamp(u64::MAX)));
        // A write for each request is what the interval spares.
        if fresh <= current + self.config.min_refresh_interval.0 {
            return Some(current);
        }
        match self.store.extend_knox_token(&row.digest, fresh).await {
            Ok(()) => Some(fresh),
            Err(error) => {
                tracing::warn!(%error, "a knox token could not be extended");
                Some(current)
            }
        }
    }

    /// A new token for a user; none if the user has as many as allowed.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn create(&self, user: i64) -> Result<Option<Made>, Unavailable> {
        let now = self.clock.now();
        if let Some(limit) = self.config.limit_per_user
            && self.store.count_knox_tokens(user, now).await? >= limit.0
        {
            return Ok(None);
        }
        let random = random_bytes::<128>().map_err(|e| Unavailable::new("randomness", e))?;
        let length = usize::try_from(self.config.token_length.0).unwrap_or(64);
        let mut token = self.config.token_prefix.clone();
        token.push_str(hex::encode(random).get(..length / 2 * 2).unwrap_or_default());
        let expiry = self.config.ttl.map(|ttl| now + ttl.0);
        let row = NewKnoxToken {
            digest: hash(&token),
            token_key: token.chars().take(TOKEN_KEY).collect(),
            user,
            created: now,
            expiry,
        };
        self.store.create_knox_token(&row).await?;
        self.store.logged_in(user, now).await?;
        Ok(Some(Made { token: Secret::new(token), expiry }))
    }

    /// Deletes a token; false if there is none.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn delete(&self, token: &str) -> Result<bool, Unavailable> {
        let deleted = self.store.delete_knox_token(&hash(token)).await?;
        self.facts.forget(&self.fingerprint(token)).await;
        Ok(deleted)
    }

    /// Deletes all tokens of a user; how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn delete_all(&self, user: i64) -> Result<u64, Unavailable> {
        let deleted = self.store.delete_knox_tokens(user).await?;
        self.facts.revoke_users([user.to_string().into()].into());
        Ok(deleted)
    }
}

/// The digest that is kept: SHA-512 of the whole token, prefix included.
fn hash(token: &str) -> String {
    hex::encode(digest(&SHA512, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_s_digests() {
        for (token, digest) in [
            (
                "9".repeat(64),
                "4164dad694367383c3f95b79838004f31e8c007c13d39b96c063d3169e104eadcad1a26211c90586cfcc968c9dad536ef8d0308daa7eefb72075702537e801c4",
            ),
            (
                format!("pre_{}", "ab".repeat(32)),
                "dfcd7dcefd67c6744bee8031b5a0e967b003d5cf2efef3def592f8a8424099fa3579558af1d797cb67bb6b00c17aeff95bface2f63d9cf69102870e216f0dafd",
            ),
            (
                "43f77da3c887b54062c8a8bf32d28fed4ba2f8d0bb8b7e61b72b321816c6f707".into(),
                "c05dbf9ae035dae0939631259b0b9de73a8d74663f8a71e2342c2381cecc46a2930b0b1b2208ab68cc605a4428e2730aa012156d04cf5815ad548ccce653fb62",
            ),
        ] {
            assert_eq!(hash(&token), digest);
        }
    }
}
