//! Portcullis, an authentication gateway for HTTP APIs.

pub mod value;
pub mod clock;
pub mod observe;
pub mod crypto;
pub mod identity;
pub mod request;
pub mod store;
pub mod client;
pub mod lockout;
pub mod login;
pub mod scheme;
pub mod chain;
pub mod rejection;
pub mod throttle;
pub mod policy;
pub mod forward;
pub mod upstream;
pub mod endpoint;
pub mod route;
pub mod reply;
pub mod gateway;
