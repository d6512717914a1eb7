//! The header names that only the gateway may set.

use hyper::header::HeaderName;

use super::Config;

/// Names that are the gateway's whatever is configured: what upstreams of this kind read, and the
/// CGI variables that some servers take from a header (gunicorn's `SCRIPT_NAME`).
const ALWAYS_OWNED: &[&str] = &[
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
    "x-remote-user",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-auth-request-user",
    "x-auth-request-groups",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-url-scheme",
    "x-script-name",
    "front-end-https",
    "x-auth-request-email",
    "portcullis-assertion",
    "script-name",
    "path-info",
    "path-translated",
    "remote-addr",
    "remote-host",
    "remote-ident",
    "remote-port",
    "auth-type",
    "server-name",
    "server-port",
    "server-protocol",
    "request-method",
    "request-uri",
    "query-string",
    "https",
    "proxy",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-original-host",
    "x-original-method",
    "x-remote-groups",
    "x-auth-request-preferred-username",
    "x-webauth-user",
    "x-authenticated-user",
    "client-cert",
    "client-cert-chain",
    "ssl-client-cert",
    "ssl-client-verify",
    "ssl-client-s-dn",
    "x-ssl-client-cert",
    "x-ssl-client-verify",
    "x-ssl-client-s-dn",
    "x-forwarded-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
];

/// The names that are the gateway's, on every route: what any route writes, any route removes,
/// since one upstream may stand behind several. Asked once for each field of each request.
#[derive(Clone)]
pub struct OwnedNames {
    /// Sorted, in [`folded`] form.
    names: Vec<String>,
    /// Bit n: a name of n bytes is among them. Most fields end here.
    lengths: u64,
    /// Those that some route writes.
    written: Vec<HeaderName>,
}

/// What servers put before a header's name when they make a variable of it; a client that sends
/// it itself aims at the same variable.
const VARIABLE_PREFIX: &str = "http_";

impl Default for OwnedNames {
    fn default() -> Self {
        let mut names = Self { names: Vec::new(), lengths: 0, written: Vec::new() };
        ALWAYS_OWNED.iter().for_each(|name| names.add(name));
        names
    }
}

impl OwnedNames {
    /// Adds what a configuration writes.
    pub fn add_all(&mut self, config: &Config) {
        let built_in = [&config.user, &config.email, &config.name, &config.groups];
        let further = config.headers.0.iter().map(|(name, _)| name);
        let assertion = config.assertion.iter().map(|assertion| assertion.header());
        let names = built_in.into_iter().chain(further).map(String::as_str).chain(assertion);
        for name in names.filter(|name| !name.is_empty()) {
            self.add(name);
            // One that cannot stand in a request is a problem of its route.
            let written = HeaderName::try_from(name).ok();
            self.written.extend(written.filter(|name| !self.written.contains(name)));
        }
    }

    /// What some route writes.
    pub(super) fn written(&self) -> &[HeaderName] {
        &self.written
    }

    /// Adds one.
    pub fn add(&mut self, name: &str) {
        for name in [folded(name), format!("{VARIABLE_PREFIX}{}", folded(name))] {
            self.lengths |=
                1_u64.checked_shl(u32::try_from(name.len()).unwrap_or(63)).unwrap_or(1 << 63);
            if let Err(place) = self.names.binary_search(&name) {
                self.names.insert(place, name);
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        let length = 1_u64.checked_shl(u32::try_from(name.len()).unwrap_or(63)).unwrap_or(1 << 63);
        let starts = |with: &[u8]| {
            name.len() > with.len()
                && name.bytes().map(fold).take(with.len()).eq(with.iter().copied())
        };
        let forwarded = || starts(b"x_forwarded_") || starts(b"http_x_forwarded_");
        if self.lengths & length != 0
            && self.names.binary_search_by(|own| own.bytes().cmp(name.bytes().map(fold))).is_ok()
        {
            return true;
        }
        forwarded()
    }
}

/// The one spelling that names are compared in: a CGI variable's, where every byte that is not a
/// letter or digit is the same.
pub(super) fn folded(name: &str) -> String {
    name.bytes().map(|byte| char::from(fold(byte))).collect()
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::sync::Arc;

    use hyper::header::HeaderName;

    use super::{
        super::{Forward, Signer},
        *,
    };
    use crate::value::Path;

    fn forward(yaml: &str) -> Forward {
        let config = serde_yaml::from_str(yaml).unwrap();
        let signer = Arc::new(
            Signer::new(&crate::value::Secret::new("s".into()), crate::clock::Clock::system())
                .unwrap(),
        );
        let mut owned = OwnedNames::default();
        owned.add_all(&config);
        Forward::new(&config, &Path::root(), &signer, &owned).unwrap()
    }

    proptest! {
        /// Attack (CVE-2025-64484, CVE-2026-54763, CVE-2026-88011 and more): a client sends
        /// `X_Remote_User`, `X.Remote.User` or any other spelling that the server behind folds to
        /// the variable it trusts.
        #[test]
        fn every_spelling_of_an_owned_name_is_removed(
            name in prop::sample::select(vec!["X-My-User", "Remote-User", "Script-Name", "X-Forwarded-For"]),
            separators in proptest::collection::vec(prop::sample::select(b"-_.!#$%&'*+^`|~".to_vec()), 4),
            upper in proptest::collection::vec(any::<bool>(), 20),
            prefix in any::<bool>(),
        ) {
            let mut separator = separators.into_iter();
            let mut spelled: String = name.bytes().zip(upper).map(|(byte, upper)| {
                let byte = if byte == b'-' { separator.next().unwrap() } else { byte };
                char::from(if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() })
            }).collect();
            if prefix {
                spelled = format!("HTTP_{spelled}");
            }
            let forward = forward("{ user: X-My-User }");
            prop_assert!(forward.owned.contains(HeaderName::try_from(&spelled).unwrap().as_str()));
        }
    }

    #[test]
    fn ordinary_names_stay() {
        let forward = forward("{}");
        for name in
            ["accept", "cookie", "user-agent", "authorization", "x-request-id", "remote", "x-user"]
        {
            assert!(!forward.owned.contains(name), "{name}");
        }
    }
}
