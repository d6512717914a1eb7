//! People, and what packages have in common about them: how a user is proven by a password, and the
//! interfaces in which packages register what they add to that.
//!
//! A log-in page lists every [`LoginMethod`], asks every [`Factor`] of a user, and hands out the
//! [`Grant`] that was asked for; a change of password, the deletion of a user and `portcullis revoke`
//! call every [`Revoker`]. So a page of a package early in the list offers what packages late in the
//! list add, and no package imports another.

mod authenticate;
mod browser;
mod registry;

pub use self::{
    authenticate::{Attempt, Passwords},
    browser::{BrowserSessions, Proof},
    registry::{
        Accounts, Ended, Factor, Grant, Granted, LogIn, LoginMethod, Revoker, Services, Submitted,
    },
};
