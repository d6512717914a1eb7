//! What the package has for log-ins and for `revoke`.

use futures_util::future::BoxFuture;
use hyper::HeaderMap;

use super::{SimpleJwt, TokenError, TokenType};
use crate::{
    account::{Ended, Grant, Granted, Revoker},
    identity::UserKey,
    store::{Unavailable, User},
    value::Secret,
};

impl Grant for SimpleJwt {
    fn name(&self) -> &'static str {
        "jwt"
    }

    /// `RefreshToken.for_user(user)`, and its access token.
    fn issue<'a>(
        &'a self,
        user: &'a User,
        _: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Granted, Unavailable>> {
        Box::pin(async move {
            let (claims, refresh) = self.refresh_for(user).await?;
            let access = self.access_of(&claims)?;
            self.logged_in(user).await?;
            let values = vec![("refresh", Secret::new(refresh)), ("access", Secret::new(access))];
            Ok(Granted { values, is_new: true, ..Granted::default() })
        })
    }
}

impl Revoker for SimpleJwt {
    fn package(&self) -> &'static str {
        super::PACKAGE.key
    }

    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>> {
        Box::pin(async move {
            match credential.matches('.').count() {
                2 => self.end_token(credential).await,
                _ => Ok(Ended::Unknown),
            }
        })
    }

    /// `CHECK_REVOKE_TOKEN` binds tokens to the password; else the package leaves them.
    fn end_all<'a>(&'a self, _: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn outlives_user(&self) -> Option<&'static str> {
        self.is_stateless()
            .then_some("Their JSON Web Tokens are good until they end: `jwt: { stateless: true }`")
    }
}

impl SimpleJwt {
    async fn end_token(&self, token: &str) -> Result<Ended, Unavailable> {
        for kind in [TokenType::Refresh, TokenType::Sliding] {
            let claims = match self.read(token.as_bytes(), Some(kind)).await? {
                Ok(claims) => claims,
                Err(TokenError::Blacklisted) => {
                    return Ok(Ended::Impossible("it is in the blacklist already".to_owned()));
                }
                Err(_) => continue,
            };
            if !self.has_blacklist() {
                return Ok(Ended::Impossible(
                    "there is no blacklist: set `jwt: { blacklist: true }` where token_blacklist is \
                     in INSTALLED_APPS, or refuse its user with `portcullis user disable`"
                        .to_owned(),
                ));
            }
            let owner = self.owner(&claims).await?.unwrap_or_default();
            let of = owner.as_ref().map_or("an unknown user", |user| &user.identity.username);
            let said = format!("Blacklisted a {kind} token of {of}");
            let user = owner.as_ref().map(|user| user.id.clone());
            self.blacklist(&claims, token, user).await?;
            return Ok(Ended::Done(said));
        }
        self.end_access(token).await
    }

    /// Access tokens are valid until they expire.
    async fn end_access(&self, token: &str) -> Result<Ended, Unavailable> {
        let claims = match self.read(token.as_bytes(), Some(TokenType::Access)).await? {
            Ok(claims) => claims,
            Err(TokenError::Invalid) => return Ok(Ended::Unknown),
            Err(error) => {
                let why = crate::language::Text::from(error);
                return Ok(Ended::Impossible(format!("it admits no caller: {}", why.english())));
            }
        };
        let ends = self.expiry(&claims);
        Ok(Ended::Impossible(match self.is_stateless() {
            true => format!(
                "the store is not asked about an access token, nor about its user \
                 (`stateless: true`): it ends at {ends} (UTC), and nothing ends it before"
            ),
            false => format!(
                "the store is not asked about an access token: it ends at {ends} (UTC); until then \
                 only its user can be refused, with `portcullis user disable`"
            ),
        }))
    }
}
