//! Where a server listens, and how it is spoken to.

use std::{fmt, net::SocketAddr, path::PathBuf};

use crate::client::web_address;

/// A server as the file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `http://` and `https://`.
    Tcp { host: String, port: u16, secure: bool },
    /// `unix:`.
    Unix(PathBuf),
}

impl Address {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let uri = web_address(text)?;
        let bare = matches!(uri.path_and_query().map(|p| p.as_str()), None | Some("/"));
        let authority = uri.authority()?;
        let (secure, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return None,
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(port);
        let good = bare && !authority.as_str().contains('@');
        good.then_some(Self::Tcp { host, port, secure })
    }

    /// The host, if it is a name that DNS knows the addresses of.
    pub(super) fn named_host(&self) -> Option<(&str, u16)> {
        match self {
            Self::Tcp { host, port, .. } if host.parse::<std::net::IpAddr>().is_err() => {
                Some((host, *port))
            }
            _ => None,
        }
    }

    /// The same server at one of the addresses of its name.
    pub(super) fn at(&self, found: SocketAddr) -> Self {
        match self {
            Self::Tcp { secure, .. } => {
                Self::Tcp { host: found.ip().to_string(), port: found.port(), secure: *secure }
            }
            Self::Unix(_) => self.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port, secure| Some(Address::Tcp { host: host.into(), port, secure });
        assert_eq!(Address::parse("http://app:8000"), tcp("app", 8000, false));
        assert_eq!(Address::parse("http://[::1]:8000/"), tcp("::1", 8000, false));
        assert_eq!(Address::parse("https://app"), tcp("app", 443, true));
        assert_eq!(
            Address::parse("unix:/run/app.sock"),
            Some(Address::Unix("/run/app.sock".into()))
        );
        let hosts = ["app:8000", "http://app/path", "http://user@app", "ftp://app", "unix:x", ""];
        let ports = ["http://app:99999", "http://app:0", "http://app:", "http://[::1]:65536"];
        for wrong in hosts.iter().chain(&ports) {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
