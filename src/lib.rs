//! Portcullis is a reverse proxy that authenticates HTTP requests the way Django REST framework
//! does, and passes the caller's identity to the service behind it in headers that a client cannot
//! forge.
//!
//! # The manual
//!
//! In this order:
//!
//! 1. Schemes, pages and settings of each package: [`package`], a page for each, from
//!    [`basic`](package::basic) to [`gateway_pages`](package::gateway_pages).
//! 2. Which route a request takes: [`route`].
//! 3. What a request may do, and what a refusal looks like: [`policy`].
//! 4. What the upstream learns: [`forward`].
//! 5. The project's database, and when a credential that was ended is refused: [`store`].
//! 6. Protection against guessing and overload: [`limits`].
//! 7. Listeners, TLS and the client's own address: [`listen`].
//! 8. Beside nginx, Apache httpd, Traefik, Caddy, HAProxy or Envoy: [`decision`].
//! 9. Reloads, new versions, several gateways: [`app`].
//!
//! Every key of the file, with its default, is in `deploy/reference.md`. The rest of this page is
//! about the source.
//!
//! # A request's way
//!
//! ```text
//! socket → listen → request → route → chain → policy → throttle → forward → target → reply → socket
//!                                       │                                     │
//!                                       └ scheme → credential_cache → store   ├ upstream
//!                                                └ limits                     ├ package page
//!                                                                             └ echo, redirect
//! ```
//!
//! [`Gateway::handle`](gateway::Gateway::handle) is all of it: read, route, decide, answer. What is
//! known of the request on its way stands in one `Exchange`. `decide` holds the whole decision, from
//! the body that a scheme has to see to the throttle, and is made for one of three purposes
//! ([`Purpose`](request::Purpose)): `Serve` alone spends a nonce, counts, or touches a session;
//! `Explain` is `portcullis explain`; `Recheck` asks whether an open WebSocket may stay. Every refusal
//! becomes a response in one place ([`reply`]).
//!
//! The types hold the order: only [`policy`] makes an [`Admitted`](policy::Admitted), only
//! [`forward`] makes an [`Outgoing`](forward::Outgoing) of it, and only that can be sent. Forwarding
//! without a decision does not compile.
//!
//! # Rules that every step keeps
//!
//! - *Five outcomes.* A scheme says "not attempted", "authenticated", "failed", "unavailable", or "left":
//!   a credential that the upstream judges. A bad credential is never accepted by a later scheme and never ignored on a public route. An outage is
//!   503, never a refusal and never an admission.
//! - *One path.* What was matched and judged is sent, byte for byte. A path that two servers could
//!   read in two ways is refused.
//! - *Strip, then set.* Every spelling of an identity header is removed from the client's request, on
//!   every route. Then the identity is written, last.
//! - *Facts are remembered, decisions are not.* The policy runs for each request.
//! - *Guesses have one order.* Count, wait, judge, tell: [`Limits::attempt`](limits::Limits::attempt).
//!
//! # Floors
//!
//! ```text
//! app        config → gateway; the only module that sees all others         app  config  cli  admin
//! gateway    a connection, a request's way, an answer         listen  gateway  decision  cors  reply
//! packages   what the Django world calls a package                                        package
//! way        the steps of a decision     route  web  target  upstream  forward  policy  chain  scheme
//! ground     users, credentials, limits     csrf  cookie  account  credential_cache  limits  rejection
//!            what all of it stands on    traces  client  threads  store  language  request  identity
//!                                                                    crypto  observe  clock  value
//! ```
//!
//! A module imports only from those before it in the list below, and no package imports another;
//! `tests/architecture.rs` holds both.
//!
//! # A package
//!
//! ```text
//!                       ┌ settings   a map at the top of the file
//!                       ├ schemes    words of `authentication`           → scheme::Scheme
//! package/NAME/mod.rs   ├ pages      words of `endpoint`                 → package::Page
//! PACKAGE: Descriptor ──┼ tables     rows, deletion, triggers            → store::Table
//!                       ├ commands   `portcullis NAME …`                 → package::Commands
//!                       ├ import     what `init` carries over            → package::Import
//!                       ├ texts      sentences that have translations
//!                       └ build      what it offers to others            → account::{LoginMethod,
//!                                                                          Factor, Grant, Revoker}
//! ```
//!
//! It is added by its folder and one line in [`PACKAGES`](package::PACKAGES). `CONTRIBUTING.md` has
//! the steps.
//!
//! # Threads
//!
//! One single-threaded runtime for each core accepts, decides from the cache, and forwards over
//! connections of its own. Everything slow (the database, callouts, password hashing, components)
//! runs on one control runtime behind bounded queues. The threads share the configuration (one atomic
//! swap), the credential cache and counters.

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
