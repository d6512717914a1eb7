//! A certificate that the client has shown in TLS (mutual TLS). The listener has verified it; here
//! it becomes somebody. Who needs one, the chains of routes say, request by request.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Parts, Scheme, lookup::Lookup};
use crate::{
    clock::{Clock, Timestamp},
    identity::Identity,
    request::{Certificate, Request},
    store::{Store, Unavailable, cache::Fact},
    value::{Path, Problems},
};

/// `- certificate: { field: email }`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ClientCertificate")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// What of the certificate is the user's name.
    field: Field,
    /// Whose name it is.
    user: Whose,
}

/// A name in a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CertificateField")]
enum Field {
    /// The subject's common name.
    #[default]
    CommonName,
    /// The one alternative name that is an e-mail address.
    Email,
    /// The one that is a host.
    Dns,
    /// The one that is a URI, such as `spiffe://example.org/api`.
    Uri,
}

/// Who is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CertificateUser")]
enum Whose {
    /// A user of the store; who is none is refused.
    #[default]
    Store,
    /// Whoever the authority says it is, such as a service without a row.
    Certificate,
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        _: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        Ok(Arc::new(ByCertificate {
            lookup: Lookup::new(name, parts),
            field: self.field,
            whose: self.user,
            store: Arc::clone(parts.store),
            clock: parts.http.clock().clone(),
        }))
    }
}

struct ByCertificate {
    lookup: Lookup,
    field: Field,
    whose: Whose,
    store: Arc<dyn Store>,
    clock: Clock,
}

impl Scheme for ByCertificate {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let Some(certificate) = &request.client.certificate else {
            return Answer::not_attempted();
        };
        // It was good when the connection began, which may be long ago.
        if certificate.not_after < self.clock.now() {
            return Answer::failed("The certificate has expired.");
        }
        let Some(name) = self.field.of(certificate) else {
            return Answer::failed("The certificate does not name exactly one user.");
        };
        let key = self.lookup.key(&[certificate.fingerprint.as_bytes()]);
        Answer::known_or(self.lookup.known(&key), move || {
            self.lookup.get(key, self.load(name, certificate))
        })
    }

    /// None: HTTP cannot ask for a certificate, so refusals are 403 where this scheme is first.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

impl ByCertificate {
    async fn load(
        &self,
        name: &str,
        certificate: &Certificate,
    ) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        let fact = match self.whose {
            Whose::Certificate => Fact::Identity(Arc::new(Identity {
                id: Some(name.into()),
                username: name.into(),
                email: certificate.email.first().map_or("", String::as_str).into(),
                ..Identity::default()
            })),
            Whose::Store => match self.store.user_by_name(name).await? {
                Some(user) if user.active => Fact::Identity(user.identity),
                // DRF's words for a token whose user is no more.
                _ => Fact::Refused {
                    detail: "User inactive or deleted.".into(),
                    challenge: None,
                    members: None,
                },
            },
        };
        Ok((fact, Some(certificate.not_after)))
    }
}

impl Field {
    fn of(self, certificate: &Certificate) -> Option<&str> {
        match self {
            Field::CommonName => certificate.common_name.as_deref(),
            Field::Email => only(&certificate.email),
            Field::Dns => only(&certificate.dns),
            Field::Uri => only(&certificate.uri),
        }
        .filter(|name| !name.is_empty())
    }
}

/// The name, if there is one and no other.
fn only(names: &[String]) -> Option<&str> {
    match names {
        [one] => Some(one),
        _ => None,
    }
}
