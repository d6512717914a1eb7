//! Tokens that the project's key has signed: reading them, and finding whose they are.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Config, TokenError, TokenType, rows};
use crate::{
    client::KeySet,
    clock::{Clock, Timestamp},
    crypto::jws::{self, Algorithm, OutOfTime, SigningKey, Unverified, VerifyingKey, moment},
    identity::Identity,
    language::Content,
    package::{Probe, Shared, Site},
    store::{Database, Unavailable, User},
    value::{Problem, Problems},
};

/// Claims of a token that was verified.
pub(super) type Claims = Map<String, Value>;

/// Makes and reads tokens.
pub struct SimpleJwt {
    pub(super) config: Arc<Config>,
    pub(super) signing: Option<SigningKey>,
    verifying: Verifying,
    pub(super) db: Database,
    /// The time.
    pub clock: Clock,
}

enum Verifying {
    Key(VerifyingKey),
    Published(KeySet),
}

/// Who a token names.
pub enum Named {
    /// This user.
    User(Box<User>),
    /// The caller that the token describes; the store is not asked.
    Stateless(Box<Identity>),
    /// No user: what the client is told, and the package's code for it.
    Unknown(&'static str, &'static str),
}

pub(super) const NO_USER: &str = "Token contained no recognizable user identification";
pub(super) const NOT_FOUND: &str = "User not found";
pub(super) const INACTIVE: &str = "User is inactive";
pub(super) const CHANGED: &str = "The user's password has been changed.";

impl Shared for SimpleJwt {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let config = site.settings::<Config>("jwt");
        let path = site.path("jwt");
        if config.cookies.is_some() && site.csrf.use_sessions {
            let message = "a caller with a token need not have a session";
            let problem = Problem::new(&path.key("cookies"), message);
            return Err(problem.help("leave out `csrf: { use_sessions: true }`").into());
        }
        if config.is_signed_with_secret_key() {
            site.needs_secret_key(&path, "tokens")?;
        }
        if let Some(cookies) = &config.cookies {
            site.claim_cookie(path.key("cookies").key("access"), cookies.access());
            site.claim_cookie(path.key("cookies").key("refresh"), cookies.refresh());
        }
        let tokens = Arc::new(Self::new(&config, site)?);
        if let Verifying::Published(keys) = &tokens.verifying {
            let keys = keys.clone();
            site.reaches(Probe::new(format!("the keys of `jwt`, {}", keys.address()), move || {
                let keys = keys.clone();
                async move { keys.try_out().await }
            }));
        }
        site.accounts.add_grant(Arc::clone(&tokens) as _);
        site.accounts.add_revoker(Arc::clone(&tokens) as _);
        Ok(tokens)
    }
}

impl SimpleJwt {
    fn new(config: &Arc<Config>, site: &Site<'_>) -> Result<Self, Problems> {
        let path = site.path("jwt");
        let (secret_key, http) = (site.secrets.current(), site.http);
        let algorithm = Algorithm::named(&config.algorithm).ok_or_else(|| {
            let problem = Problem::new(
                &path.key("algorithm"),
                format!("unknown algorithm `{}`", config.algorithm),
            );
            problem.help("use HS256, RS256, PS256, ES256 or EdDSA, as SIMPLE_JWT does")
        })?;
        let mut problems = Problems::default();
        let key = |name: &str, error: jws::BadKey| Problem::new(&path.key(name), error.to_string());
        let symmetric = algorithm.is_symmetric();
        let signing_text = match (&config.signing_key, symmetric) {
            (Some(text), _) => Some(text),
            (None, true) => Some(secret_key),
            (None, false) => None,
        };
        if symmetric && config.signing_key.as_ref().is_some_and(|key| key.reveal().len() < 32) {
            let at = path.key("signing_key");
            let problem = Problem::new(&at, "the key is so short that it can be guessed");
            problems.push(problem.help("use 32 random characters and more"));
        }
        let signing = signing_text.map(|text| {
            SigningKey::new(algorithm, text).map_err(|error| key("signing_key", error))
        });
        let signing = signing.and_then(|built| problems.keep(built.map_err(Problems::from)));
        let verifying = match (&config.jwks, &config.verifying_key) {
            (Some(url), None) if !symmetric => {
                KeySet::new(url, &[algorithm], http, &path.key("jwks")).map(Verifying::Published)
            }
            (None, Some(text)) if !symmetric => VerifyingKey::new(algorithm, text)
                .map(Verifying::Key)
                .map_err(|error| key("verifying_key", error)),
            (None, None) if symmetric => {
                VerifyingKey::new(algorithm, signing_text.unwrap_or(secret_key))
                    .map(Verifying::Key)
                    .map_err(|error| key("signing_key", error))
            }
            _ if symmetric => Err(Problem::new(&path, "a secret verifies what it has signed")
                .help("leave out `jwks` and `verifying_key`, or choose another algorithm")),
            _ => Err(Problem::new(&path, "no verifying key: set `verifying_key` or `jwks`")
                .help("`verifying_key` is a public key in PEM, `jwks` the URL of a key set")),
        };
        let verifying = problems.keep(verifying.map_err(Problems::from));
        if config.blacklist_after_rotation && !config.blacklist {
            let problem = Problem::new(
                &path.key("blacklist_after_rotation"),
                "without the blacklist's tables nothing would be blacklisted",
            );
            problems.push(
                problem.help("set `blacklist: true` where token_blacklist is in INSTALLED_APPS"),
            );
        }
        if config.keywords.is_empty() {
            problems.push(Problem::new(&path.key("keywords"), "there is no keyword"));
        }
        match verifying {
            Some(verifying) => problems.finish(Self {
                config: Arc::clone(config),
                signing,
                verifying,
                db: site.db.clone(),
                clock: site.clock.clone(),
            }),
            None => Err(problems),
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `WWW-Authenticate`.
    pub fn challenge(&self) -> String {
        let keyword = self.config.keywords.first().map_or("Bearer", String::as_str);
        format!("{keyword} realm=\"api\"")
    }

    /// The claims of a token of any of the types that prove who is asking.
    ///
    /// # Errors
    /// What each type has against it, as the package lists it; or an outage.
    pub async fn read_for_use(
        &self,
        token: &[u8],
    ) -> Result<Result<Claims, Vec<Content>>, Unavailable> {
        let mut messages = Vec::new();
        for kind in &self.config.token_types {
            match self.read(token, Some(*kind)).await? {
                Ok(claims) => return Ok(Ok(claims)),
                Err(error) => messages.push(Content::Map(vec![
                    ("token_class".into(), Content::Data(kind.class().into())),
                    ("token_type".into(), Content::Data(kind.word().into())),
                    ("message".into(), Content::Text(error.into())),
                ])),
            }
        }
        Ok(Err(messages))
    }

    /// The claims of a token of a type, or of any.
    ///
    /// # Errors
    /// What is wrong with it, in the package's words; or an outage.
    pub async fn read(
        &self,
        token: &[u8],
        kind: Option<TokenType>,
    ) -> Result<Result<Claims, TokenError>, Unavailable> {
        let Some(claims) = self.verify(token).await? else {
            return Ok(Err(TokenError::Invalid));
        };
        let now = self.clock.now();
        if let Err(error) = self.check_registered(&claims, now) {
            return Ok(Err(error));
        }
        let revocable = matches!(kind, Some(TokenType::Refresh | TokenType::Sliding));
        if self.config.blacklist && revocable && self.is_blacklisted(&claims).await? {
            return Ok(Err(TokenError::Blacklisted));
        }
        Ok(self.check_package(&claims, kind).map(|()| claims))
    }

    /// Whether the token is in the blacklist.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn is_blacklisted(&self, claims: &Claims) -> Result<bool, Unavailable> {
        match self.jti(claims) {
            Some(jti) => rows::is_blacklisted(&self.db, jti).await,
            None => Ok(false),
        }
    }

    /// The claim that names a token.
    pub fn jti<'c>(&self, claims: &'c Claims) -> Option<&'c str> {
        claims.get(&self.config.jti_claim).and_then(Value::as_str)
    }

    async fn verify(&self, token: &[u8]) -> Result<Option<Claims>, Unavailable> {
        let Some(token) = Unverified::read(token) else { return Ok(None) };
        match &self.verifying {
            Verifying::Key(key) => Ok(token.verify(key)),
            Verifying::Published(keys) => keys.verify(&token).await,
        }
    }

    /// The claims that PyJWT checks, in its order.
    fn check_registered(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        const INVALID: TokenError = TokenError::Invalid;
        jws::check_times(claims, now, self.config.leeway.0).map_err(|out| match out {
            OutOfTime::Invalid => INVALID,
            OutOfTime::Expired => TokenError::Expired,
        })?;
        if let Some(issuer) = &self.config.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(INVALID);
        }
        let ours = |name: &&str| self.config.audience.iter().any(|audience| audience == name);
        let named = claims.get("aud").and_then(jws::audience);
        if !self.config.audience.is_empty() && !named.is_some_and(|a| a.iter().any(ours)) {
            return Err(INVALID);
        }
        // PyJWT asks this of some claims, last.
        if jws::claims_have_their_types(claims) { Ok(()) } else { Err(INVALID) }
    }

    /// The claims that the package wants beside them.
    fn check_package(&self, claims: &Claims, kind: Option<TokenType>) -> Result<(), TokenError> {
        if !claims.contains_key("exp") {
            return Err(TokenError::Lacks("exp"));
        }
        if !claims.contains_key(&self.config.jti_claim) {
            return Err(TokenError::NoId);
        }
        let Some(kind) = kind else { return Ok(()) };
        match claims.get(&self.config.token_type_claim) {
            None => Err(TokenError::NoType),
            Some(named) if named.as_str() == Some(kind.word()) => Ok(()),
            Some(_) => Err(TokenError::WrongType),
        }
    }

    /// Until when a token that was read is good.
    pub fn expiry(&self, claims: &Claims) -> Timestamp {
        moment(claims.get("exp")) + self.config.leeway.0
    }

    /// Whom a token names.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user(&self, claims: &Claims) -> Result<Named, Unavailable> {
        let Some(id) = claims.get(&self.config.user_id_claim) else {
            return Ok(Named::Unknown(NO_USER, "token_not_valid"));
        };
        let unknown = Ok(Named::Unknown(NOT_FOUND, "user_not_found"));
        let id = match id {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() => number.to_string(),
            _ => return unknown,
        };
        if self.config.stateless {
            return Ok(Named::Stateless(Box::new(stateless(&id, claims))));
        }
        let user = self.db.user_by_column(&self.config.user_id_field, &id).await?;
        let Some(user) = user else { return unknown };
        if self.config.check_user_is_active && !user.active {
            return Ok(Named::Unknown(INACTIVE, "user_inactive"));
        }
        if self.config.check_revoke_token {
            let current = self.revoke_claim(&user);
            if claims.get(&self.config.revoke_token_claim).and_then(Value::as_str) != Some(&current)
            {
                return Ok(Named::Unknown(CHANGED, "password_changed"));
            }
        }
        Ok(Named::User(Box::new(user)))
    }

    /// The user that a refresh token names: nothing where it names none, `Err(())` where it
    /// names a deleted user.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn owner(&self, claims: &Claims) -> Result<Result<Option<User>, ()>, Unavailable> {
        let Some(id) = self.subject(claims) else { return Ok(Ok(None)) };
        let user = self.db.user_by_column(&self.config.user_id_field, &id).await?;
        Ok(user.map(Some).ok_or(()))
    }

    /// What the claim says that names the user.
    pub(super) fn subject(&self, claims: &Claims) -> Option<String> {
        match claims.get(&self.config.user_id_claim)? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) if id.as_i64() != Some(0) => Some(id.to_string()),
            _ => None,
        }
    }

    /// What requests with tokens ask the store.
    pub fn queries(&self) -> &'static [&'static str] {
        if self.config.blacklist { &[rows::BLACKLISTED] } else { &[] }
    }

    /// Whether callers are who their token says, unasked.
    pub fn is_stateless(&self) -> bool {
        self.config.stateless
    }

    /// Whether a user may have tokens (`USER_AUTHENTICATION_RULE`).
    pub fn admits(&self, user: &User) -> bool {
        user.active || !self.config.check_user_is_active
    }

    /// `hash_password`: the upper-case MD5 of the stored password, which is what the package
    /// writes.
    pub(super) fn revoke_claim(&self, user: &User) -> String {
        use md5::Digest;
        hex::encode_upper(md5::Md5::digest(user.password.reveal().as_bytes()))
    }

    /// `UPDATE_LAST_LOGIN`.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn logged_in(&self, user: &User) -> Result<(), Unavailable> {
        match self.config.update_last_login {
            true => self.db.logged_in(&user.id, self.clock.now()).await,
            false => Ok(()),
        }
    }

    /// Whether verifying looks into the blacklist too.
    pub fn verify_asks_blacklist(&self) -> bool {
        self.config.blacklist && self.config.blacklist_after_rotation
    }

    /// How long each of a pair lives, for cookies: access and refresh.
    pub fn lifetimes(&self) -> (Duration, Duration) {
        (self.config.access_lifetime.0, self.config.refresh_lifetime.0)
    }
}

/// `TokenUser`: what the token says; the store is not asked.
fn stateless(id: &str, claims: &Claims) -> Identity {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let flag = |name: &str| claims.get(name).and_then(Value::as_bool).unwrap_or_default();
    let username = text("username");
    Identity {
        id: Some(id.into()),
        username: if username.is_empty() { id } else { username }.into(),
        email: text("email").into(),
        staff: flag("is_staff"),
        superuser: flag("is_superuser"),
        ..Identity::default()
    }
}
