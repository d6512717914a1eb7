//! Every way to refuse a request, and nothing else; [`reply`](crate::reply) alone turns one into a
//! response. A credential that is refused is one [`Refusal`], from the credential cache to there.

use std::{sync::Arc, time::Duration};

use hyper::{Method, StatusCode, header::HeaderValue};

use crate::{
    language::{Content, Text},
    request::{Malformed, body::Unread},
    store::Unavailable,
};

/// The `WWW-Authenticate` values of a refusal: DRF's rule is that without one it is 403, not 401.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges(pub Vec<HeaderValue>);

/// DRF's `NotAuthenticated`.
pub const NOT_PROVIDED: &str = "Authentication credentials were not provided.";
/// DRF's `PermissionDenied`.
pub const DENIED: &str = "You do not have permission to perform this action.";
/// DRF's `AuthenticationFailed`.
pub const INCORRECT: &str = "Incorrect authentication credentials.";

/// A credential that was refused: what the client is told of it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// The body's `detail`.
    pub detail: Text,
    /// What the body says beside it, in order.
    pub members: Vec<(&'static str, Content)>,
    /// The challenge that goes with it, if it is another than the scheme's own.
    pub challenge: Option<Box<HeaderValue>>,
    /// The whole body, where a custom scheme's service has written it: a JSON object or list.
    pub body: Option<Box<serde_json::Value>>,
    /// Seconds, where that service says how long to wait.
    pub retry_after: Option<u64>,
    /// What the operator is told beside it, in `explain`, the debug log and the audit trail; the client is
    /// not.
    pub reason: Option<Arc<str>>,
}

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// DRF's `AuthenticationFailed`: 401, or 403 if the first scheme has no challenge.
    Unauthenticated,
    /// DRF's `PermissionDenied`: 403 whichever scheme is first.
    Forbidden,
    /// Too many failures: the client has to wait so long before its credential is looked at.
    Locked(Duration),
    /// 429 of a custom scheme's service.
    TooManyRequests,
}

impl Refusal {
    /// A bad credential.
    pub fn new(detail: impl Into<Text>) -> Self {
        Self {
            kind: RefusalKind::Unauthenticated,
            detail: detail.into(),
            members: Vec::new(),
            challenge: None,
            body: None,
            retry_after: None,
            reason: None,
        }
    }

    /// With what the operator is told.
    #[must_use]
    pub fn because(self, reason: impl Into<Arc<str>>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// A bad credential, with a `code` in the body as simplejwt has it.
    pub fn with_code(detail: impl Into<Text>, code: &'static str) -> Self {
        Self { members: vec![("code", Content::Data(code.into()))], ..Self::new(detail) }
    }

    /// A refusal that is 403 whatever the chain.
    pub fn forbidden(detail: impl Into<Text>) -> Self {
        Self { kind: RefusalKind::Forbidden, ..Self::new(detail) }
    }

    /// DRF's words for a failed CSRF check, with Django's reason.
    pub fn csrf(reason: &str) -> Self {
        Self::forbidden(format!("CSRF Failed: {reason}"))
    }

    /// Too many failures.
    pub fn locked(wait: Duration) -> Self {
        Self { kind: RefusalKind::Locked(wait), ..Self::new("") }
    }

    /// Whether the credential itself was found to be bad. A client that has to wait has not been
    /// told whether it was right.
    pub fn is_failure(&self) -> bool {
        !matches!(self.kind, RefusalKind::Locked(_) | RefusalKind::TooManyRequests)
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub enum Rejection {
    /// The request itself is wrong.
    Malformed(Malformed),
    /// No route for it.
    NoRoute,
    /// The path has routes, none of them for this method.
    MethodNotAllowed(Method),
    /// The body is longer than this page or scheme reads.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTooSlow,
    /// The body's framing is broken.
    BodyBroken,
    /// No credential, and the rule asks for one: DRF's `NotAuthenticated`.
    NotAuthenticated(Challenges),
    /// A bad credential.
    Refused {
        /// What was wrong with it.
        refusal: Arc<Refusal>,
        /// Of the first scheme, or of all.
        challenges: Challenges,
    },
    /// Known, but not allowed: DRF's `PermissionDenied`.
    PermissionDenied,
    /// The same with a reason of its own.
    Forbidden(Text),
    /// A form with wrong fields: DRF's `ValidationError`, 400.
    Invalid(Content),
    /// A body that cannot be read: DRF's `ParseError`, 400.
    Unparsable(Text),
    /// A body of a type that is not read: DRF's `UnsupportedMediaType`, 415.
    UnsupportedMediaType(Box<str>),
    /// No renderer for `Accept`: DRF's `NotAcceptable`, 406.
    NotAcceptable,
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
            Rejection::Malformed(_)
            | Rejection::BodyBroken
            | Rejection::Invalid(_)
            | Rejection::Unparsable(_) => StatusCode::BAD_REQUEST,
            Rejection::NoRoute => StatusCode::NOT_FOUND,
            Rejection::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Rejection::NotAuthenticated(challenges) => unauthenticated(challenges),
            Rejection::Refused { refusal, challenges } => match refusal.kind {
                RefusalKind::Unauthenticated => unauthenticated(challenges),
                RefusalKind::Forbidden => StatusCode::FORBIDDEN,
                RefusalKind::Locked(_) | RefusalKind::TooManyRequests => {
                    StatusCode::TOO_MANY_REQUESTS
                }
            },
            Rejection::PermissionDenied | Rejection::Forbidden(_) | Rejection::Unwritable => {
                StatusCode::FORBIDDEN
            }
            Rejection::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Rejection::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
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
    pub fn detail(&self) -> Text {
        match self {
            Rejection::Malformed(malformed) => malformed.to_string().into(),
            Rejection::NoRoute => "Not found.".into(),
            Rejection::MethodNotAllowed(method) => {
                Text::naming("Method \"{method}\" not allowed.", method)
            }
            Rejection::BodyTooLarge => "The request body is too large.".into(),
            Rejection::BodyTooSlow => "The request body did not arrive in time.".into(),
            Rejection::BodyBroken => "The request body is not framed as its header says.".into(),
            Rejection::NotAuthenticated(_) => NOT_PROVIDED.into(),
            Rejection::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::Locked(wait) => throttled(wait),
                _ => refusal.detail.clone(),
            },
            Rejection::Forbidden(detail) | Rejection::Unparsable(detail) => detail.clone(),
            Rejection::Invalid(_) => "Invalid input.".into(),
            Rejection::UnsupportedMediaType(kind) => {
                Text::naming("Unsupported media type \"{media_type}\" in request.", kind)
            }
            Rejection::NotAcceptable => "Could not satisfy the request Accept header.".into(),
            Rejection::PermissionDenied | Rejection::Unwritable => DENIED.into(),
            Rejection::Throttled(wait) => throttled(*wait),
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
    pub fn members(&self) -> &[(&'static str, Content)] {
        match self {
            Rejection::Refused { refusal, .. } => &refusal.members,
            _ => &[],
        }
    }

    /// What is wrong with a form, field by field.
    pub fn errors(&self) -> Option<&Content> {
        match self {
            Rejection::Invalid(errors) => Some(errors),
            _ => None,
        }
    }

    /// The whole body, where a custom scheme's service has written it.
    pub fn custom_body(&self) -> Option<&serde_json::Value> {
        match self {
            Rejection::Refused { refusal, .. } => refusal.body.as_deref(),
            _ => None,
        }
    }

    /// `WWW-Authenticate`.
    pub fn challenges(&self) -> &[HeaderValue] {
        match self {
            Rejection::NotAuthenticated(challenges) => &challenges.0,
            Rejection::Refused { refusal, challenges }
                if refusal.kind == RefusalKind::Unauthenticated =>
            {
                &challenges.0
            }
            _ => &[],
        }
    }

    /// `Retry-After`, in seconds.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Rejection::Throttled(wait) => Some(seconds(*wait)),
            Rejection::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::Locked(wait) => Some(seconds(wait)),
                _ => refusal.retry_after,
            },
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

    /// What the operator is told of a credential that was refused.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { refusal, .. } => refusal.reason.as_deref(),
            _ => None,
        }
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

fn unauthenticated(challenges: &Challenges) -> StatusCode {
    match challenges.0.as_slice() {
        [] => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// DRF's `Throttled`.
fn throttled(wait: Duration) -> Text {
    const ONE: &str = "Request was throttled. Expected available in {wait} second.";
    const MANY: &str = "Request was throttled. Expected available in {wait} seconds.";
    let seconds = seconds(wait);
    Text::naming(if seconds == 1 { ONE } else { MANY }, seconds)
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

impl From<Unread> for Rejection {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::BodyTooLarge,
            Unread::TooSlow => Self::BodyTooSlow,
            Unread::Broken => Self::BodyBroken,
        }
    }
}
