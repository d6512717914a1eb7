//! Systems of credentials: what a scheme and the pages beside it share, as Django's settings share
//! them (`SESSION_*`, `CSRF_*`, `SIMPLE_JWT`, `REST_KNOX`). One file a system, with its settings.

pub mod cookie;
pub mod csrf;
pub mod jwks;
pub mod jwt_cookies;
pub mod knox;
pub mod session;
pub mod simplejwt;
