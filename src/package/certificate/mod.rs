#![doc = include_str!("README.md")]

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Descriptor, SchemeContext, SchemeKind, SchemeSettings};
use crate::{
    clock::Clock,
    credential_cache::{CachedResult, Loaded},
    identity::Identity,
    rejection::Refusal,
    request::{Certificate, Purpose, Request},
    scheme::{Answer, Carrier, Lookup, Scheme},
    store::{Database, Unavailable},
    value::Problems,
};

/// Certificates that clients show in TLS.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<Config>("certificate")],
    ..Descriptor::new("certificate", include_str!("README.md"))
};

/// `- certificate: { field: email }`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ClientCertificate")]
pub struct Config {
    /// A second name.
    name: Option<String>,
    /// What of the certificate is the user's name.
    field: Field,
    /// Whose name it is.
    user: Whose,
}

/// A name in a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CertificateUser")]
enum Whose {
    /// A user of the store; who is none is refused.
    #[default]
    Store,
    /// The name in the certificate, such as a service without a row.
    Certificate,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        Ok(Arc::new(ByCertificate {
            lookup: context.lookup(),
            field: self.field,
            whose: self.user,
            db: context.site.db.clone(),
            clock: context.site.clock.clone(),
        }))
    }

    fn needs_certificates(&self) -> bool {
        true
    }
}

struct ByCertificate {
    lookup: Lookup,
    field: Field,
    whose: Whose,
    db: Database,
    clock: Clock,
}

impl Scheme for ByCertificate {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let Some(certificate) = &request.client.certificate else {
            return Answer::not_attempted();
        };
        // It was good when the connection began, which may be long ago.
        if certificate.not_after < self.clock.now() {
            return Answer::failed(Refusal::new("The certificate has expired."));
        }
        let Some(name) = self.field.of(certificate) else {
            let detail = "The certificate does not name exactly one user.";
            return Answer::failed(Refusal::new(detail));
        };
        let key = self.lookup.key(&[certificate.fingerprint.as_bytes()]);
        Answer::known_or(self.lookup.known(&key, purpose), move || {
            self.lookup.get(key, purpose, self.load(name, certificate))
        })
    }

    fn carrier(&self, _: &Request) -> Carrier {
        Carrier::Connection
    }

    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

impl ByCertificate {
    async fn load(&self, name: &str, certificate: &Certificate) -> Result<Loaded, Unavailable> {
        let loaded = match self.whose {
            Whose::Certificate => Loaded::new(CachedResult::Identity(Arc::new(Identity {
                id: Some(name.into()),
                username: name.into(),
                email: certificate.email.first().map_or("", String::as_str).into(),
                ..Identity::default()
            }))),
            Whose::Store => match self.db.user_by_name(name).await? {
                Some(user) if user.active => Loaded::new(CachedResult::Identity(user.identity)),
                // DRF's words for a token whose user is no more.
                _ => Loaded::refused(Refusal::new("User inactive or deleted.")),
            },
        };
        Ok(loaded.until(Some(certificate.not_after)))
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
