//! Who is at the other end: the peer of the connection, and the client it may speak for.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, atomic::AtomicBool},
};

use hyper::{HeaderMap, header::HeaderValue};

use super::{Certificate, forwarded};
use crate::value::Network;

/// Which networks may say who the client is, and in which header. Empty: none may.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// The proxies' own networks.
    pub networks: Vec<Network>,
    /// The one header that they write; the other one came from the client.
    pub field: ForwardedHeader,
}

/// The header in which a proxy says who the client is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl TrustedProxies {
    /// Whether `address` may speak for others.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// The other end of a connection; made once per connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; IPv4 mapped into IPv6 is IPv4.
    pub address: IpAddr,
    /// The address as `X-Forwarded-For` says it.
    pub text: HeaderValue,
    /// It is a load balancer that has not said for whom it connects, as its own checks are: what its
    /// requests say of a client is not its word.
    pub proxy_local: bool,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The name that the client has asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// The certificate that it has shown.
    pub certificate: Option<Arc<Certificate>>,
    /// Whether its requests are sent to HTTPS.
    pub redirects: bool,
    /// Set when the connection speaks another protocol than HTTP from here on.
    pub tunnel: Arc<AtomicBool>,
}

/// The client a request comes from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The peer of the connection.
    pub peer: IpAddr,
    /// The client's own address: the peer's, unless a trusted proxy says another.
    pub address: IpAddr,
    /// The same, as a header value.
    pub text: HeaderValue,
    /// Whether the client used HTTPS.
    pub secure: bool,
    /// The certificate that the peer has shown.
    pub certificate: Option<Arc<Certificate>>,
}

impl Peer {
    /// The peer of a connection.
    pub fn new(address: IpAddr, secure: bool) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            text: text(address),
            proxy_local: false,
            secure,
            server_name: None,
            certificate: None,
            redirects: false,
            tunnel: Arc::default(),
        }
    }

    /// The client, by the headers of a trusted proxy or else by the connection.
    pub fn client(&self, headers: &HeaderMap, proxies: &TrustedProxies) -> Client {
        let mut client = Client {
            peer: self.address,
            address: self.address,
            text: self.text.clone(),
            secure: self.secure,
            certificate: self.certificate.clone(),
        };
        if proxies.contains(self.address) && !self.proxy_local {
            let claim = forwarded::read(headers, proxies);
            if let Some(address) = claim.address {
                client.address = address;
                client.text = text(address);
            }
            client.secure = claim.secure.unwrap_or(client.secure);
        }
        client
    }
}

fn text(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// What limits count as one client: an IPv4 address, or the /64 that one IPv6 customer has.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(v4.octets())),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}
