//! What a scheme has for the answer, beside its outcome.

use std::{fmt, sync::Arc};

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};

use crate::value::Secret;

/// What a scheme has for the answer, the upstream's too.
#[derive(Debug, Default)]
pub struct Notes {
    /// `Set-Cookie`: a credential that was renewed, or is over.
    pub cookies: Vec<HeaderValue>,
    /// The challenge of a refusal in place of the scheme's own, though no credential was refused: a
    /// bearer token that is not known makes a caller anonymous, and the challenge says why
    /// (RFC 6750 section 3).
    pub challenge: Option<HeaderValue>,
    /// Fields of the answer, such as `Authentication-Info`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Signs the answer.
    pub seal: Option<Arc<dyn Seal>>,
    /// The CSRF secret of the session that was accepted, where sessions keep it.
    pub csrf_secret: Option<Secret>,
    /// What a scheme that did not attempt it has found all the same: a session that is over.
    pub ended: bool,
}

/// Signs an answer with what proved the request, as Hawk's `Server-Authorization` does.
pub trait Seal: Send + Sync {
    /// The field to add. `body` is the whole body where the gateway has it, and `None` where it
    /// streams: then only what is known of the head is signed.
    fn sign(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Option<(HeaderName, HeaderValue)>;
}

impl fmt::Debug for dyn Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}
