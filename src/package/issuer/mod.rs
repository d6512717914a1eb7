#![doc = include_str!("README.md")]

mod claim;
mod scheme;

use std::{path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::claim::ClaimPath;
use super::{Descriptor, SchemeContext, SchemeKind, SchemeSettings, Takes};
use crate::{
    scheme::Scheme,
    value::{Path, Period, Problem, Problems, Secret},
};

/// JSON Web Tokens that another authority has signed.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("jwt")],
    ..Descriptor::new("issuer", include_str!("README.md"))
};

/// `- jwt: { issuer: …, audience: …, jwks: … }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Jwt")]
pub struct Config {
    /// A second name.
    name: Option<String>,
    /// Whose tokens these are: the claim `iss`, exactly. Without `jwks`, `key` and `secret` its keys are found
    /// by OpenID Connect Discovery.
    issuer: Option<String>,
    /// Whom they are for: one name, or several of which a token has to name one.
    #[serde(deserialize_with = "crate::value::one_or_many")]
    #[schemars(with = "ClaimPath")]
    audience: Vec<String>,
    /// The claim that says it: `aud`, or what the issuer has in its place (`client_id`, `azp`).
    audience_claim: ClaimPath,
    /// Takes the issuer's tokens for anybody's API; another API can then use what it was sent.
    unsafe_any_audience: bool,
    /// Where the issuer publishes its keys: a key set (RFC 7517), or Google's map of certificates.
    jwks: Option<String>,
    /// A file with the authorities (PEM) of the issuer's own certificate, beside those of the system.
    ca: Option<PathBuf>,
    /// The issuer's public key, in PEM.
    key: Option<Secret>,
    /// The secret shared with the issuer, for HS256 to HS512.
    secret: Option<Secret>,
    /// The algorithms that count; of a key set's keys each is used for its own alone.
    algorithms: Vec<String>,
    /// How far the clocks may be apart.
    leeway: Period,
    /// Claims that a token must have.
    required: Vec<String>,
    /// Which claim says what of the caller.
    claims: Claims,
    /// Who the caller is: what the token claims, or the user of that name in the store.
    user: UserSource,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            issuer: None,
            audience: Vec::new(),
            audience_claim: "aud".into(),
            unsafe_any_audience: false,
            jwks: None,
            ca: None,
            key: None,
            secret: None,
            algorithms: Vec::new(),
            leeway: Period::seconds(30),
            required: Vec::new(),
            claims: Claims::default(),
            user: UserSource::Claims,
        }
    }
}

/// Which claim says what: by its name, a path with dots (`realm_access.roles`), or a list of keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "JwtClaims")]
struct Claims {
    /// The user's name: a claim that the issuer gives to one user only.
    username: ClaimPath,
    /// Left out where `email_verified` is false.
    email: ClaimPath,
    /// The full name.
    name: ClaimPath,
    /// A list, or one text.
    groups: ClaimPath,
    /// A list, or one text with blanks between.
    scopes: ClaimPath,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            username: "sub".into(),
            email: "email".into(),
            name: "name".into(),
            groups: "groups".into(),
            scopes: "scope".into(),
        }
    }
}

/// Who the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum UserSource {
    /// Who the token says.
    Claims,
    /// The store's user of that name; refused if there is none.
    Store,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        if self.issuer.is_some() {
            return scheme::build(self, context);
        }
        self.check_no_issuer(context.path)?;
        // The project's own tokens, set up at the top of the file.
        context.site.scheme("simplejwt", context)
    }

    fn takes(&self) -> Takes {
        if self.issuer.is_some() { Takes::OneIssuer } else { Takes::Every }
    }
}

impl Config {
    fn check_no_issuer(&self, path: &Path) -> Result<(), Problem> {
        let of_an_issuer = [
            ("audience", !self.audience.is_empty()),
            ("ca", self.ca.is_some()),
            ("jwks", self.jwks.is_some()),
            ("key", self.key.is_some()),
            ("secret", self.secret.is_some()),
            ("algorithms", !self.algorithms.is_empty()),
        ];
        let Some((key, _)) = of_an_issuer.into_iter().find(|(_, set)| *set) else { return Ok(()) };
        let problem = Problem::new(&path.key(key), "this belongs to an issuer, and none is named");
        let help = "add `issuer:`; settings of the project's own tokens stand under `jwt` at the top \
                    of the file";
        Err(problem.help(help))
    }
}
