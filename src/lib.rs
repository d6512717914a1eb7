//! Portcullis, an authentication gateway for HTTP APIs.
#![cfg_attr(test, allow(missing_docs))]

pub mod clock;
pub mod crypto;
pub mod identity;
pub mod value;
