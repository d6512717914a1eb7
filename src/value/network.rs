//! A network in CIDR notation, or one address.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// A network: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` is in it. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it holds every address of its family, which no list of trusted peers may.
    pub fn is_everyone(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let network: IpNet =
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| ())?;
        // With host bits, a reader would see one address where the gateway sees many.
        if network.addr() == network.network() { Ok(Self(network)) } else { Err(()) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

super::text_default!(Network);
super::text_notation!(
    Network,
    "Network",
    "a network such as 10.0.0.0/8 (no bits behind the prefix) or one address",
    r"^[0-9a-fA-F.:]+(/\d+)?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4() {
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().is_everyone());
        assert_eq!("10.1.2.3/8".parse::<Network>(), Err(()));
    }
}
