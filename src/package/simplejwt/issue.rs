//! How tokens are made: claims in the package's order, signed, and written down where they can be
//! taken back.

use std::time::Duration;

use serde_json::Value;

use super::{
    TokenError, TokenType,
    rows::{self, Row},
    tokens::{Claims, SimpleJwt},
};
use crate::{
    clock::Timestamp,
    crypto::{
        jws::{moment, number},
        random_bytes,
    },
    identity::UserKey,
    store::{Unavailable, User},
    value::Secret,
};

const SLIDING_REFRESH_EXP: &str = "refresh_exp";

/// What became of a refresh token.
#[derive(Debug)]
pub enum Rotation {
    /// It stays good.
    Stays,
    /// This one takes its place.
    New(String),
    /// It was used already.
    UsedUp,
}

impl SimpleJwt {
    /// A refresh token for a user, and its claims.
    ///
    /// # Errors
    /// If there is no key that signs, or the store does not answer.
    pub async fn refresh_for(&self, user: &User) -> Result<(Claims, String), Unavailable> {
        let claims = self.claims_for(user, TokenType::Refresh).await?;
        self.issue(claims, Some(user.id.clone())).await
    }

    /// A sliding token for a user.
    ///
    /// # Errors
    /// If there is no key that signs, or the store does not answer.
    pub async fn sliding_for(&self, user: &User) -> Result<(Claims, String), Unavailable> {
        let claims = self.claims_for(user, TokenType::Sliding).await?;
        self.issue(claims, Some(user.id.clone())).await
    }

    async fn claims_for(&self, user: &User, kind: TokenType) -> Result<Claims, Unavailable> {
        let now = self.clock.now();
        let mut claims = Claims::new();
        claims.insert(self.config.token_type_claim.clone(), kind.word().into());
        let lifetime = match kind {
            TokenType::Sliding => self.config.sliding_lifetime.0,
            TokenType::Refresh | TokenType::Access => self.config.refresh_lifetime.0,
        };
        self.stamp(&mut claims, now, lifetime)?;
        if kind == TokenType::Sliding {
            let end = now + self.config.sliding_refresh_lifetime.0;
            claims.insert(SLIDING_REFRESH_EXP.into(), end.seconds().into());
        }
        // The column that the reader compares, and no other: a name can be another user's identifier.
        let field = self.config.user_id_field.as_str();
        let id = match self.db.model().is_key(field) {
            true => user.id.to_string(),
            false => self.db.user_column(&user.id, field).await?.unwrap_or_default(),
        };
        if id.is_empty() {
            return Err(Unavailable::new("the store", "the user has no value in `user_id_field`"));
        }
        claims.insert(self.config.user_id_claim.clone(), id.into());
        if self.config.check_revoke_token {
            let claim = self.revoke_claim(user);
            claims.insert(self.config.revoke_token_claim.clone(), claim.into());
        }
        Ok(claims)
    }

    /// `exp`, `iat` and a new `jti`, in the package's order.
    fn stamp(
        &self,
        claims: &mut Claims,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<(), Unavailable> {
        let random = random_bytes::<16>().map_err(Unavailable::randomness)?;
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        claims.insert("exp".into(), (now + lifetime).seconds().into());
        claims.insert("iat".into(), now.seconds().into());
        claims.insert(self.config.jti_claim.clone(), id.simple().to_string().into());
        Ok(())
    }

    /// Signs claims, with audience and issuer as the last; records the token where it can be
    /// revoked.
    async fn issue(
        &self,
        claims: Claims,
        user: Option<UserKey>,
    ) -> Result<(Claims, String), Unavailable> {
        let token = self.sign(&claims)?;
        if self.config.blacklist {
            rows::record(&self.db, self.row(&claims, &token, user)).await?;
        }
        Ok((claims, token))
    }

    fn sign(&self, claims: &Claims) -> Result<String, Unavailable> {
        let outage = |cause: &str| Unavailable::new("the signing key", cause);
        let key = self.signing.as_ref().ok_or_else(|| outage("`jwt.signing_key` is not set"))?;
        let mut claims = claims.clone();
        match self.config.audience.as_slice() {
            [] => {}
            [one] => {
                claims.insert("aud".into(), one.clone().into());
            }
            several => {
                claims.insert("aud".into(), several.to_vec().into());
            }
        }
        if let Some(issuer) = &self.config.issuer {
            claims.insert("iss".into(), issuer.clone().into());
        }
        key.sign(&claims).map_err(|error| outage(&error.to_string()))
    }

    fn row(&self, claims: &Claims, token: &str, user: Option<UserKey>) -> Row {
        let jti = claims.get(&self.config.jti_claim).and_then(Value::as_str);
        Row {
            jti: jti.unwrap_or_default().to_owned(),
            token: Secret::new(token.to_owned()),
            created: self.clock.now(),
            expires: moment(claims.get("exp")),
            user,
        }
    }

    /// The access token of a refresh token: all its claims but those of the token itself.
    ///
    /// # Errors
    /// If there is no key that signs.
    pub fn access_of(&self, refresh: &Claims) -> Result<String, Unavailable> {
        let mut claims = Claims::new();
        claims.insert(self.config.token_type_claim.clone(), TokenType::Access.word().into());
        self.stamp(&mut claims, self.clock.now(), self.config.access_lifetime.0)?;
        let own = [&*self.config.token_type_claim, "exp", &*self.config.jti_claim, "jti", "iat"];
        for (name, value) in refresh {
            if !own.contains(&name.as_str()) {
                claims.insert(name.clone(), value.clone());
            }
        }
        self.sign(&claims)
    }

    /// Takes the place of a refresh token (`ROTATE_REFRESH_TOKENS`): nothing where it stays, or
    /// where another request has used it up already.
    ///
    /// # Errors
    /// If there is no key that signs, or the store does not answer.
    pub async fn rotate(
        &self,
        old: &Claims,
        token: &str,
        owner: Option<&User>,
    ) -> Result<Rotation, Unavailable> {
        if !self.config.rotate_refresh_tokens {
            return Ok(Rotation::Stays);
        }
        let user = owner.map(|user| user.id.clone());
        let mut claims = old.clone();
        self.stamp(&mut claims, self.clock.now(), self.config.refresh_lifetime.0)?;
        // The new one is recorded first: an outage in between must not leave the client with none.
        let (_, fresh) = self.issue(claims, user.clone()).await?;
        if self.config.blacklist_after_rotation && !self.blacklist(old, token, user).await? {
            return Ok(Rotation::UsedUp);
        }
        Ok(Rotation::New(fresh))
    }

    /// Whether there is a blacklist.
    pub fn has_blacklist(&self) -> bool {
        self.config.blacklist
    }

    /// Blacklists a token; false if it was before.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn blacklist(
        &self,
        claims: &Claims,
        token: &str,
        user: Option<UserKey>,
    ) -> Result<bool, Unavailable> {
        match self.config.blacklist {
            true => {
                let row = self.row(claims, token, user);
                rows::blacklist(&self.db, row, self.clock.now()).await
            }
            false => Ok(true),
        }
    }

    /// A sliding token made younger, while it may be.
    ///
    /// # Errors
    /// What is wrong with it; or there is no key that signs.
    pub fn slide(&self, claims: &Claims) -> Result<Result<String, TokenError>, Unavailable> {
        let Some(end) = claims.get(SLIDING_REFRESH_EXP) else {
            return Ok(Err(TokenError::Lacks(SLIDING_REFRESH_EXP)));
        };
        let now = self.clock.now();
        let leeway = self.config.leeway.0;
        match number(end) {
            None => return Ok(Err(TokenError::Invalid)),
            Some(_) if moment(Some(end)) + leeway <= now => {
                return Ok(Err(TokenError::Passed(SLIDING_REFRESH_EXP)));
            }
            Some(_) => {}
        }
        let mut claims = claims.clone();
        claims.insert("exp".into(), (now + self.config.sliding_lifetime.0).seconds().into());
        claims.insert("iat".into(), now.seconds().into());
        self.sign(&claims).map(Ok)
    }
}
