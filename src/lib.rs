//! Portcullis stands in front of HTTP APIs that exist already, proves who is asking the way Django
//! REST framework does, and tells the API in a header it can trust.
//!
//! # A request's way
//!
//! ```text
//! socket → listen → request → route → chain → policy → throttle → forward → upstream | endpoint → reply → socket
//!                                       └ scheme → lockout → store cache → store | hashing | client
//! ```
//!
//! [`gateway`] shows all of it in one function, a call each, and every refusal becomes a response
//! in one place ([`reply`]). The types hold the order: only [`policy`] makes an
//! [`Admitted`](policy::Admitted), only [`forward`] makes an [`Outgoing`](forward::Outgoing) of it,
//! and only that can be sent, so forwarding without a decision does not compile.
//!
//! # What every step keeps
//!
//! - *Not mine, mine and good, mine and bad, could not tell.* A scheme says one of the four. A bad
//!   credential is never rescued by a later scheme nor swallowed by a public route; an outage is
//!   503, never a refusal and never an open door.
//! - *One path.* What was matched and judged is sent, byte for byte; what two servers could read in
//!   two ways is refused.
//! - *Strip, then set.* Every spelling of an identity header is removed from what the client sent,
//!   on every route; then the identity is written, last.
//! - *Facts are remembered, verdicts are not.* The policy runs on each request.
//!
//! # Threads
//!
//! One single-threaded runtime for each core accepts, decides from the cache, and forwards over
//! connections of its own. Everything slow (the database, callouts, password hashing and
//! components behind bounded queues) runs on one control runtime that the others await. They share
//! the configuration (one atomic swap), the credential cache and counters.
//!
//! # Modules
//!
//! In this order; each imports only from those before it, which a test holds.

#[warn(missing_docs)]
pub mod value;
pub mod clock;
pub mod observe;
pub mod crypto;
pub mod identity;
pub mod request;
pub mod language;
#[warn(missing_docs)]
pub mod store;
pub mod threads;
pub mod client;
pub mod traces;
pub mod rejection;
pub mod limits;
pub mod credential_cache;
pub mod account;
pub mod cookie;
pub mod csrf;
#[warn(missing_docs)]
pub mod scheme;
pub mod chain;
pub mod policy;
pub mod forward;
pub mod upstream;
pub mod target;
pub mod web;
pub mod route;
pub mod package;
pub mod reply;
pub mod cors;
pub mod decision;
pub mod gateway;
pub mod listen;
pub mod admin;
pub mod config;
pub mod app;
pub mod cli;
