#![doc = include_str!("README.md")]

mod import;
mod scheme;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Descriptor, SchemeKind, Section};
use crate::value::Secret;

/// django-allauth's headless API.
pub static PACKAGE: Descriptor = Descriptor {
    settings: Some(Section::of::<Config>("headless", "`HEADLESS_…` of django-allauth.")),
    schemes: &[SchemeKind::of::<scheme::Config>("headless_jwt")],
    import: import::IMPORT,
    ..Descriptor::new("headless", include_str!("README.md"))
};

/// The `headless` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Headless")]
pub struct Config {
    /// `HEADLESS_JWT_ALGORITHM`: the only one that is accepted.
    jwt_algorithm: String,
    /// The public key of `HEADLESS_JWT_PRIVATE_KEY`, in PEM; for HS256 to HS512 that key itself,
    /// `secret_key` if left out.
    jwt_verifying_key: Option<Secret>,
    /// `HEADLESS_JWT_AUTHORIZATION_HEADER_SCHEME`: the word before the token, and the challenge.
    jwt_keyword: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            jwt_algorithm: "RS256".into(),
            jwt_verifying_key: None,
            jwt_keyword: "Bearer".into(),
        }
    }
}
