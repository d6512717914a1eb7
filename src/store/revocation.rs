//! What one gateway tells the others: that something it may remember is no longer so.

use std::{fmt, str::FromStr};

use super::User;

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// All credentials of the user with this primary key.
    User(Box<str>),
    /// The session whose key has this SHA-256; the key itself is told to nobody.
    Session([u8; 32]),
    /// Whatever is remembered, since somebody's permissions changed.
    Everything,
    /// Nobody knows: messages may have been missed.
    Missed,
}

impl Revocation {
    /// Of a user.
    pub fn of(user: &User) -> Self {
        Self::User(user.id.to_string().into())
    }
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Revocation::User(id) => write!(f, "user {id}"),
            Revocation::Session(digest) => write!(f, "session {}", hex::encode(digest)),
            Revocation::Everything => f.write_str("everything"),
            Revocation::Missed => f.write_str("missed"),
        }
    }
}

impl FromStr for Revocation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().split_once(' ') {
            Some(("user", id)) => Ok(Self::User(id.into())),
            Some(("session", digest)) => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(digest, &mut bytes).map_err(|_| ())?;
                Ok(Self::Session(bytes))
            }
            None if text.trim() == "everything" => Ok(Self::Everything),
            None if text.trim() == "missed" => Ok(Self::Missed),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for revocation in [
            Revocation::User("5".into()),
            Revocation::Session([7; 32]),
            Revocation::Everything,
            Revocation::Missed,
        ] {
            assert_eq!(revocation.to_string().parse(), Ok(revocation));
        }
        for wrong in ["", "user", "session abc", "all"] {
            assert_eq!(wrong.parse::<Revocation>(), Err(()), "{wrong}");
        }
    }
}
