//! Where a listener is.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// An address and port, a Unix socket, or a socket that the parent process has opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `0.0.0.0:8080`
    Tcp(SocketAddr),
    /// `unix:/run/portcullis.sock`; the folder says who may connect.
    Unix(PathBuf),
    /// `systemd:0`, the first socket of the unit's `.socket` file.
    Systemd(usize),
}

impl Address {
    /// The address that others connect to, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Systemd(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(()) };
        }
        if let Some(number) = text.strip_prefix("systemd") {
            let number = if number.is_empty() { Some("0") } else { number.strip_prefix(':') };
            return number.and_then(|number| number.parse().ok()).map(Self::Systemd).ok_or(());
        }
        text.parse().map(Self::Tcp).map_err(drop)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(number) => write!(f, "systemd:{number}"),
        }
    }
}

crate::value::text_notation!(
    Address,
    "ListenAddress",
    "an address and a port such as 0.0.0.0:8080, unix:/run/portcullis.sock, or systemd:0",
    r"^(.+:\d+|unix:/.+|systemd(:\d+)?)$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["0.0.0.0:8080", "[::1]:80", "unix:/run/p.sock", "systemd:2"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("systemd".parse(), Ok(Address::Systemd(0)));
        for wrong in ["8080", "localhost:80", "unix:p.sock", "systemd:", "systemd:x", ""] {
            assert_eq!(wrong.parse::<Address>(), Err(()), "{wrong}");
        }
    }
}
