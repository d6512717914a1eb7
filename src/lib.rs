//! Portcullis, an authentication gateway for HTTP APIs.

pub mod admin;
pub mod app;
pub mod chain;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod endpoint;
pub mod forward;
pub mod gateway;
pub mod identity;
pub mod listen;
pub mod lockout;
pub mod login;
pub mod observe;
pub mod policy;
pub mod rejection;
pub mod reply;
pub mod request;
pub mod route;
pub mod scheme;
pub mod store;
pub mod throttle;
pub mod upstream;
pub mod value;
