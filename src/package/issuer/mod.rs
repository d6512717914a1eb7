#![doc = include_str!("README.md")]

mod scheme;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whose tokens these are: the claim `iss`, exactly.
    issuer: Option<String>,
    /// Whom they are for: the claim `aud` has to name it.
    audience: Option<String>,
    /// Takes the issuer's tokens for anybody's API; another API can then use what it was sent.
    unsafe_any_audience: bool,
    /// Where the issuer publishes its keys.
    jwks: Option<String>,
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
            audience: None,
            unsafe_any_audience: false,
            jwks: None,
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

/// Which claim says what; a dot leads into an object (`realm_access.roles`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "JwtClaims")]
struct Claims {
    /// The user's name: a claim that the issuer gives to one user only.
    username: String,
    /// Left out where `email_verified` is false.
    email: String,
    /// The full name.
    name: String,
    /// A list, or one text.
    groups: String,
    /// A list, or one text with blanks between.
    scopes: String,
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
            ("audience", self.audience.is_some()),
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
