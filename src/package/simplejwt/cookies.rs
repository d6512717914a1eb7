//! Tokens in cookies: out of reach of scripts, and then under the protection that cookies need.

use std::time::Duration;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    clock::Timestamp,
    cookie::{Cookie, SameSite},
    value::{Path, Problems},
};

/// `jwt: { cookies: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "JwtCookies")]
pub struct Config {
    /// The cookie of the access token.
    access: String,
    /// The cookie of the refresh token.
    refresh: String,
    /// Where the refresh token is sent; the path of the `jwt` pages, if left out.
    refresh_path: Option<String>,
    /// `Domain` of both.
    domain: Option<String>,
    /// `Path` of the access token's.
    path: String,
    /// `Secure` of both.
    secure: bool,
    /// `SameSite` of both.
    same_site: SameSite,
}

impl Config {
    /// The cookie of the access token.
    pub fn access(&self) -> &str {
        &self.access
    }

    /// The cookie of the refresh token.
    pub fn refresh(&self) -> &str {
        &self.refresh
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access: "access".into(),
            refresh: "refresh".into(),
            refresh_path: None,
            domain: None,
            path: "/".into(),
            secure: true,
            same_site: SameSite::Lax,
        }
    }
}

/// The two cookies.
#[derive(Clone, Debug)]
pub(super) struct JwtCookies {
    /// The access token's.
    pub access: Cookie,
    /// The refresh token's.
    pub refresh: Cookie,
}

impl JwtCookies {
    /// From the setting; `pages` is where the `jwt` pages are.
    ///
    /// # Errors
    /// Cookies that no browser takes.
    pub(super) fn new(config: &Config, pages: &str, path: &Path) -> Result<Self, Problems> {
        let cookie = |name: &str, below: &str| Cookie {
            name: name.to_owned(),
            domain: config.domain.clone(),
            path: below.to_owned(),
            secure: config.secure,
            http_only: true,
            same_site: config.same_site,
        };
        let access = cookie(&config.access, &config.path);
        let below = config.refresh_path.as_deref().unwrap_or(pages);
        let refresh = cookie(&config.refresh, below);
        let mut problems = Problems::default();
        problems.keep(access.check(path));
        problems.keep(refresh.check(path));
        problems.finish(Self { access, refresh })
    }

    /// `Set-Cookie` of new tokens.
    pub(super) fn set(
        &self,
        access: Option<&str>,
        refresh: Option<&str>,
        lifetimes: (Duration, Duration),
        now: Timestamp,
    ) -> Vec<HeaderValue> {
        let access = access.map(|token| self.access.set(token, Some(lifetimes.0), now));
        let refresh = refresh.map(|token| self.refresh.set(token, Some(lifetimes.1), now));
        access.into_iter().chain(refresh).collect()
    }

    /// `Set-Cookie` that makes the browser forget both.
    pub(super) fn delete(&self) -> Vec<HeaderValue> {
        vec![self.access.delete(), self.refresh.delete()]
    }
}
