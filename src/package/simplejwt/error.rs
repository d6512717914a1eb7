//! What is wrong with a token, in the package's words.

use crate::language::Text;

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Its signature, or a claim of RFC 7519.
    Invalid,
    /// `exp` has passed.
    Expired,
    /// It is in the blacklist.
    Blacklisted,
    /// It lacks a claim.
    Lacks(&'static str),
    /// A moment of this claim has passed.
    Passed(&'static str),
    /// It has no `jti`.
    NoId,
    /// It has no type.
    NoType,
    /// It is of another type.
    WrongType,
}

/// All of them, for translations.
pub(super) const TEXTS: [&str; 8] =
    [INVALID, EXPIRED, BLACKLISTED, LACKS, PASSED, NO_ID, NO_TYPE, WRONG_TYPE];

pub(super) const INVALID: &str = "Token is invalid";
const EXPIRED: &str = "Token is expired";
pub(super) const BLACKLISTED: &str = "Token is blacklisted";
const LACKS: &str = "Token has no '{}' claim";
const PASSED: &str = "Token '{}' claim has expired";
const NO_ID: &str = "Token has no id";
const NO_TYPE: &str = "Token has no type";
const WRONG_TYPE: &str = "Token has wrong type";

impl From<TokenError> for Text {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => INVALID.into(),
            TokenError::Expired => EXPIRED.into(),
            TokenError::Blacklisted => BLACKLISTED.into(),
            TokenError::Lacks(claim) => Text::naming(LACKS, claim),
            TokenError::Passed(claim) => Text::naming(PASSED, claim),
            TokenError::NoId => NO_ID.into(),
            TokenError::NoType => NO_TYPE.into(),
            TokenError::WrongType => WRONG_TYPE.into(),
        }
    }
}
