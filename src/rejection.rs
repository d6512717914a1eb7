//! Every way to refuse a request, and nothing else; [`reply`](crate::reply) alone turns one into a
//! response.

use std::{borrow::Cow, sync::Arc, time::Duration};

use hyper::{StatusCode, header::HeaderValue};

use crate::{
    chain::Challenges,
    request::Malformed,
    scheme::NOT_PROVIDED,
    store::{
        Unavailable,
        cache::{Members, Said},
    },
};

/// Why a request is refused.
#[derive(Debug)]
pub enum Rejection {
    /// The request itself is wrong.
    Malformed(Malformed),
    /// No route for it.
    NoRoute,
    /// The path has routes, none of them for this method.
    MethodNotAllowed(hyper::Method),
    /// The body is longer than this page reads.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTooSlow,
    /// The body's framing is broken.
    BodyBroken,
    /// Nobody is known and somebody has to be: DRF's `NotAuthenticated`.
    NotAuthenticated(Challenges),
    /// A credential was bad: DRF's `AuthenticationFailed`.
    AuthenticationFailed {
        /// What the client is told.
        detail: Cow<'static, str>,
        /// What the body says beside it.
        members: Option<Arc<Members>>,
        /// Of the first scheme, or of all.
        challenges: Challenges,
    },
    /// A custom scheme's service has refused it, in its own words.
    Said {
        /// Those.
        said: Arc<Said>,
        /// Of the first scheme, or of all.
        challenges: Challenges,
    },
    /// Known, but not allowed: DRF's `PermissionDenied`.
    PermissionDenied,
    /// The same with a reason of its own, such as a failed CSRF check.
    Forbidden(Cow<'static, str>),
    /// The identity cannot be written as a header without becoming another.
    Unwritable,
    /// Too many: DRF's `Throttled`.
    Throttled(Duration),
    /// A store or service that decides could not answer.
    Unavailable(Unavailable),
    /// The upstream could not be reached.
    UpstreamUnreachable(String),
    /// The upstream's answer was not HTTP, or was cut.
    UpstreamBroken(String),
    /// The upstream did not answer in time.
    UpstreamSlow,
    /// No server of the upstream may be asked now.
    UpstreamAway(&'static str),
}

impl Rejection {
    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Rejection::Malformed(Malformed::Method) | Rejection::MethodNotAllowed(_) => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Rejection::Malformed(Malformed::TooLarge) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Rejection::Malformed(Malformed::Misdirected) => StatusCode::MISDIRECTED_REQUEST,
            Rejection::Malformed(_) | Rejection::BodyBroken => StatusCode::BAD_REQUEST,
            Rejection::NoRoute => StatusCode::NOT_FOUND,
            Rejection::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Rejection::NotAuthenticated(challenges)
            | Rejection::AuthenticationFailed { challenges, .. } => match challenges.0.as_slice() {
                [] => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            },
            Rejection::Said { said, challenges } => match challenges.0.as_slice() {
                [] if said.status == StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
                _ => said.status,
            },
            Rejection::PermissionDenied | Rejection::Forbidden(_) | Rejection::Unwritable => {
                StatusCode::FORBIDDEN
            }
            Rejection::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Rejection::Unavailable(_) | Rejection::UpstreamAway(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Rejection::UpstreamUnreachable(_) | Rejection::UpstreamBroken(_) => {
                StatusCode::BAD_GATEWAY
            }
            Rejection::UpstreamSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What the client is told, in DRF's words where DRF has some.
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Rejection::Malformed(malformed) => malformed.to_string().into(),
            Rejection::NoRoute => "Not found.".into(),
            Rejection::MethodNotAllowed(method) => {
                format!("Method \"{method}\" not allowed.").into()
            }
            Rejection::BodyTooLarge => "The request body is too large.".into(),
            Rejection::BodyTooSlow => "The request body did not arrive in time.".into(),
            Rejection::BodyBroken => "The request body is not framed as its header says.".into(),
            Rejection::NotAuthenticated(_) => NOT_PROVIDED.into(),
            Rejection::AuthenticationFailed { detail, .. } | Rejection::Forbidden(detail) => {
                detail.clone()
            }
            Rejection::Said { said, .. } => said.detail().to_owned().into(),
            Rejection::PermissionDenied | Rejection::Unwritable => {
                "You do not have permission to perform this action.".into()
            }
            Rejection::Throttled(wait) => {
                let seconds = seconds(*wait);
                let unit = if seconds == 1 { "second" } else { "seconds" };
                format!("Request was throttled. Expected available in {seconds} {unit}.").into()
            }
            Rejection::Unavailable(_) | Rejection::UpstreamAway(_) => {
                "The service is temporarily unavailable.".into()
            }
            Rejection::UpstreamUnreachable(_) | Rejection::UpstreamBroken(_) => {
                "The upstream service gave no usable answer.".into()
            }
            Rejection::UpstreamSlow => "The upstream service did not answer in time.".into(),
        }
    }

    /// What the body says beside the detail.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Rejection::AuthenticationFailed { members, .. } => members.as_deref(),
            _ => None,
        }
    }

    /// The whole body, where somebody else has written it.
    pub fn said(&self) -> Option<&serde_json::Value> {
        match self {
            Rejection::Said { said, .. } => Some(&said.body),
            _ => None,
        }
    }

    /// `WWW-Authenticate`.
    pub fn challenges(&self) -> &[HeaderValue] {
        match self {
            Rejection::NotAuthenticated(challenges)
            | Rejection::AuthenticationFailed { challenges, .. } => &challenges.0,
            Rejection::Said { said, challenges } if said.status == StatusCode::UNAUTHORIZED => {
                &challenges.0
            }
            _ => &[],
        }
    }

    /// `Retry-After`, in seconds.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Rejection::Throttled(wait) => Some(seconds(*wait)),
            Rejection::Said { said, .. } => said.retry_after,
            Rejection::Unavailable(_) | Rejection::UpstreamAway(_) => Some(1),
            _ => None,
        }
    }

    /// Whether the connection ends with it: what follows on it cannot be trusted to be a request.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Rejection::Malformed(_)
                | Rejection::BodyTooLarge
                | Rejection::BodyTooSlow
                | Rejection::BodyBroken
        )
    }

    /// The cause, for the log alone.
    pub fn cause(&self) -> Option<String> {
        match self {
            Rejection::Unavailable(unavailable) => Some(unavailable.to_string()),
            Rejection::UpstreamUnreachable(cause) | Rejection::UpstreamBroken(cause) => {
                Some(cause.clone())
            }
            Rejection::UpstreamAway(cause) => Some((*cause).to_owned()),
            Rejection::Unwritable => Some("the identity cannot be written as a header".into()),
            _ => None,
        }
    }
}

/// Rounded up, as DRF does.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Unavailable> for Rejection {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<crate::request::body::Unread> for Rejection {
    fn from(unread: crate::request::body::Unread) -> Self {
        use crate::request::body::Unread;
        match unread {
            Unread::TooLarge => Self::BodyTooLarge,
            Unread::TooSlow => Self::BodyTooSlow,
            Unread::Broken => Self::BodyBroken,
        }
    }
}
