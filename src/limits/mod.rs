//! Protection against guessing and flooding: lockout, throttles, `auth_rate`, nonces, and what is
//! noticed over many requests.
//!
//! Everything that can be guessed goes through [`Limits::attempt`], in one order: count, wait,
//! judge, tell.
//!
#![doc = include_str!("README.md")]

mod attempt;
mod auth_rate;
pub mod lockout;
mod shared;
mod store;
mod suspicion;
pub mod throttle;

use std::sync::Arc;

pub use self::{
    attempt::{Guess, Judged},
    auth_rate::AuthRate,
    lockout::{Lockout, Subject},
    shared::{Counted, Counters, Nonces, ProcessState},
    store::{StoreState, TABLES},
    suspicion::Suspicion,
    throttle::{Throttle, Windows},
};

/// What guards everything that can be guessed.
pub struct Limits {
    /// Failures so far; they outlive reloads.
    pub lockout: Arc<Lockout>,
    /// What is noticed over many attempts.
    pub suspicion: Arc<Suspicion>,
    /// The limit on pages that take passwords.
    pub auth_rate: Arc<AuthRate>,
}
