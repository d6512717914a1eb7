//! What one gateway tells the others: that something they may remember is no longer so.

use std::{fmt, str::FromStr};

use super::User;

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// All credentials of the user with this primary key.
    User(Box<str>),
    /// One credential.
    Credential(CredentialId),
    /// Everything that is remembered, since permissions of unknown users changed.
    Everything,
    /// Messages may have been missed: everything is asked for again.
    Resync,
}

/// Names one credential of a package without being it: a digest, or an identifier that is no secret
/// (`jti`). Messages, triggers and caches name credentials by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialId {
    /// The package's key.
    pub package: Box<str>,
    /// Without blanks.
    pub id: Box<str>,
}

impl CredentialId {
    /// Of a package's credential.
    pub fn new(package: &str, id: impl Into<Box<str>>) -> Self {
        Self { package: package.into(), id: id.into() }
    }
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
            Revocation::Credential(CredentialId { package, id }) => {
                write!(f, "credential {package} {id}")
            }
            Revocation::Everything => f.write_str("everything"),
            Revocation::Resync => f.write_str("resync"),
        }
    }
}

impl FromStr for Revocation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        match text.split_once(' ') {
            Some(("user", id)) => Ok(Self::User(id.into())),
            Some(("credential", rest)) => match rest.split_once(' ') {
                Some((package, id)) if !id.is_empty() => {
                    Ok(Self::Credential(CredentialId::new(package, id)))
                }
                _ => Err(()),
            },
            // As triggers of 0.1.0 say it.
            Some(("session", digest)) => Ok(Self::Credential(CredentialId::new("session", digest))),
            None if text == "everything" => Ok(Self::Everything),
            None if text == "resync" => Ok(Self::Resync),
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
            Revocation::Credential(CredentialId::new("session", "07".repeat(32))),
            Revocation::Everything,
            Revocation::Resync,
        ] {
            assert_eq!(revocation.to_string().parse(), Ok(revocation));
        }
        for wrong in ["", "user", "credential", "credential session", "all"] {
            assert_eq!(wrong.parse::<Revocation>(), Err(()), "{wrong}");
        }
    }
}
