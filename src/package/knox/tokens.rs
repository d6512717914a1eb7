//! Opaque tokens, many per user, kept as digests.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA512, digest};
use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use subtle::ConstantTimeEq;

use super::{
    Config,
    rows::{self, NewRow, Row},
};
use crate::{
    account::{Ended, Grant, Granted, Revoker},
    clock::{Clock, Timestamp},
    credential_cache::{CacheNamespace, CachedResult, CredentialCache, Loaded},
    crypto::{digest::sha256_hex, random_bytes},
    identity::{JSON_FIELDS, UserKey},
    limits::Limits,
    package::{Shared, Site},
    rejection::Refusal,
    request::Purpose,
    scheme::Lookup,
    store::{CredentialId, Database, Revocation, Unavailable, User},
    value::{Problem, Problems, Secret},
};

const INVALID: &str = "Invalid token.";
const INACTIVE: &str = "User inactive or deleted.";

/// How much of a token stands in the table in the clear.
const TOKEN_KEY: usize = 15;
/// The fields that a log-in may tell.
/// Makes tokens and finds whose they are: what scheme, pages and commands share.
pub(super) struct Knox {
    config: Config,
    db: Database,
    cache: Arc<CredentialCache>,
    namespace: CacheNamespace,
    clock: Clock,
}

/// A token that was made; it cannot be shown again.
#[derive(Debug)]
pub(super) struct Made {
    /// The token.
    pub token: Secret,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

impl Shared for Knox {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let config = site.settings::<Config>("knox");
        let path = site.path("knox");
        let mut problems = Problems::default();
        if config.token_prefix.chars().count() > 10 || !config.token_prefix.is_ascii() {
            let problem = Problem::new(&path.key("token_prefix"), "the prefix is too long");
            problems.push(problem.help("knox allows 10 characters of ASCII"));
        }
        if !(32..=256).contains(&config.token_length.0) {
            let message = "`token_length` must be 32 to 256";
            let problem = Problem::new(&path.key("token_length"), message);
            problems.push(problem.help("it counts hexadecimal digits; knox has 64"));
        }
        for (index, field) in config.user_fields.iter().flatten().enumerate() {
            if !JSON_FIELDS.contains(&field.as_str()) {
                let at = path.key("user_fields").index(index);
                let problem =
                    Problem::new(&at, format!("the answer to a log-in has no field `{field}`"));
                problems.push(problem.help(format!("there are: {}", JSON_FIELDS.join(", "))));
            }
        }
        let knox = Arc::new(Self {
            config: (*config).clone(),
            db: site.db.clone(),
            cache: Arc::clone(site.cache),
            namespace: site.cache.namespace(),
            clock: site.clock.clone(),
        });
        site.accounts.add_grant(Arc::clone(&knox) as _);
        site.accounts.add_revoker(Arc::clone(&knox) as _);
        problems.finish(knox)
    }
}

impl Knox {
    /// A scheme's way to look tokens up, in the part of the cache that these pages forget from.
    pub(super) fn lookup(&self, name: Arc<str>, limits: &Arc<Limits>) -> Lookup {
        Lookup::in_namespace(name, self.namespace, &self.cache, limits)
    }

    /// The word in front of a token, and the challenge.
    pub(super) fn keyword(&self) -> &str {
        &self.config.keyword
    }

    /// What a log-in says of the user.
    pub(super) fn user_fields(&self) -> Option<&[String]> {
        self.config.user_fields.as_deref()
    }

    /// Whose a token is, and until when, as the store has it now.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn load(&self, token: &str, purpose: Purpose) -> Result<Loaded, Unavailable> {
        let key: String = token.chars().take(TOKEN_KEY).collect();
        let now = self.clock.now();
        let given = hash(token);
        for row in rows::starting_with(&self.db, &key).await? {
            if purpose.spends() {
                self.clean_up(&row, now).await;
            }
            if row.expiry.is_some_and(|expiry| expiry < now) {
                continue;
            }
            if !bool::from(given.as_bytes().ct_eq(row.digest.as_bytes())) {
                continue;
            }
            let expiry = match purpose.spends() {
                true => self.renew(&row, now).await,
                false => row.expiry,
            };
            return Ok(match row.user.active {
                true => Loaded::new(CachedResult::Identity(row.user.identity))
                    .until(expiry)
                    .named(id_of(&given)),
                false => Loaded::refused(Refusal::new(INACTIVE)).until(expiry),
            });
        }
        Ok(Loaded::refused(Refusal::new(INVALID)))
    }

    /// As knox does: a user's expired rows go when a token of theirs is looked at. They are dead
    /// whether or not the database can be written to now.
    async fn clean_up(&self, row: &Row, now: Timestamp) {
        if let Err(error) = rows::delete_expired(&self.db, &row.user.id, now).await {
            tracing::warn!(%error, "expired knox tokens could not be deleted");
        }
    }

    /// `AUTO_REFRESH`: the expiry that holds from now on.
    async fn renew(&self, row: &Row, now: Timestamp) -> Option<Timestamp> {
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
        match rows::extend(&self.db, &row.digest, fresh).await {
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
    pub(super) async fn create(&self, user: &UserKey) -> Result<Option<Made>, Unavailable> {
        let now = self.clock.now();
        if let Some(limit) = self.config.limit_per_user
            && rows::count(&self.db, user, now).await? >= limit.0
        {
            return Ok(None);
        }
        let random = random_bytes::<128>().map_err(Unavailable::randomness)?;
        let length = usize::try_from(self.config.token_length.0).unwrap_or(64);
        let mut token = self.config.token_prefix.clone();
        token.push_str(hex::encode(random).get(..length / 2 * 2).unwrap_or_default());
        let expiry = self.config.ttl.map(|ttl| now + ttl.0);
        let row = NewRow {
            digest: hash(&token),
            token_key: token.chars().take(TOKEN_KEY).collect(),
            user: user.clone(),
            created: now,
            expiry,
        };
        rows::create(&self.db, row).await?;
        self.db.logged_in(user, now).await?;
        Ok(Some(Made { token: Secret::new(token), expiry }))
    }

    /// Deletes a token; false if there is none.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn delete(&self, token: &str) -> Result<bool, Unavailable> {
        let deleted = rows::delete(&self.db, &hash(token)).await?;
        self.cache.forget(&self.cache.key(self.namespace, &[token.as_bytes()])).await;
        Ok(deleted)
    }

    /// Deletes all tokens of a user; how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn delete_all(&self, user: &UserKey) -> Result<u64, Unavailable> {
        let deleted = rows::delete_all(&self.db, user).await?;
        self.cache.revoke(deleted.iter().map(|digest| Revocation::Credential(id_of(digest))));
        Ok(deleted.len() as u64)
    }
}

/// What a revocation calls a token: messages carry no digest that is kept.
pub(super) fn id_of(digest: &str) -> CredentialId {
    CredentialId::new("knox", sha256_hex(digest.as_bytes()))
}

impl Grant for Knox {
    fn name(&self) -> &'static str {
        "knox"
    }

    /// No value, if the user has as many tokens as allowed.
    fn issue<'a>(
        &'a self,
        user: &'a User,
        _: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Granted, Unavailable>> {
        Box::pin(async move {
            let made = self.create(&user.id).await?;
            let expires = made.as_ref().and_then(|made| made.expiry);
            let values: Vec<_> = made.into_iter().map(|made| ("token", made.token)).collect();
            Ok(Granted { is_new: !values.is_empty(), values, expires, ..Granted::default() })
        })
    }
}

impl Revoker for Knox {
    fn package(&self) -> &'static str {
        super::PACKAGE.key
    }

    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>> {
        Box::pin(async move {
            Ok(match self.delete(credential).await? {
                true => Ended::Done("Deleted a knox token".to_owned()),
                false => Ended::Unknown,
            })
        })
    }

    fn end_all<'a>(&'a self, user: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>> {
        Box::pin(self.delete_all(user))
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
