//! Portcullis, an authentication gateway for HTTP APIs.

pub mod value;
pub mod clock;
pub mod crypto;
pub mod identity;
pub mod request;
pub mod store;
