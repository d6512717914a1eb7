//! What the operator sees: one access line a request, the audit trail, metrics. No credential,
//! cookie, token or password is in any of them.

pub mod audit;
mod file;
pub mod log;
pub mod metrics;
pub mod recent;

/// An error with those behind it: what happened says the innermost.
pub fn causes<E: std::error::Error + ?Sized>(error: &E) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        // Some repeat what they wrap.
        if !told.contains(&more) {
            told = format!("{told}: {more}");
        }
        next = cause.source();
    }
    told
}
