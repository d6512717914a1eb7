//! A client that asks for another protocol on its connection (RFC 9110 section 7.8).

use hyper::{
    HeaderMap,
    header::{CONNECTION, HeaderValue, UPGRADE},
    http::Extensions,
    upgrade::OnUpgrade,
};

/// What is passed on. Not `h2c`: behind it requests would go to the upstream unjudged.
const PASSED_ON: &[u8] = b"websocket";

/// A wish for another protocol.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// Which.
    pub protocol: HeaderValue,
    /// The client's connection, once a 101 has been sent.
    pub client: OnUpgrade,
}

impl Upgrade {
    /// What the client wishes, if it can be had. Other wishes are left aside, as a server may.
    pub(super) fn read(headers: &HeaderMap, extensions: &mut Extensions) -> Option<Self> {
        let mut protocols = headers.get_all(UPGRADE).iter();
        let (protocol, None) = (protocols.next()?, protocols.next()) else { return None };
        let mut listed = headers.get_all(CONNECTION).iter();
        let listed = listed.any(|line| {
            let mut names = line.as_bytes().split(|byte| *byte == b',');
            names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        });
        let wanted = listed && protocol.as_bytes().eq_ignore_ascii_case(PASSED_ON);
        let client = extensions.remove::<OnUpgrade>().filter(|_| wanted)?;
        Some(Self { protocol: protocol.clone(), client })
    }
}
