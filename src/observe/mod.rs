//! What the operator sees: one access line a request, the audit trail, metrics. No credential,
//! cookie, token or password is in any of them.

pub mod audit;
mod file;
pub mod log;
pub mod metrics;
pub mod recent;
