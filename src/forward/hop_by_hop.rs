//! Fields that belong to one connection and end with it (RFC 9110 section 7.6.1).

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};

/// Removes them, those that `Connection` lists, and what else is said to be `removed`. This comes
/// before the identity is written: a client that lists an identity header gets nothing by it
/// (CVE-2024-45410).
pub fn remove_hop_by_hop(headers: &mut HeaderMap, removed: impl Fn(&str) -> bool) {
    // One look at each field; almost always none of them is there.
    let mut found: Vec<HeaderName> = Vec::new();
    for (name, value) in headers.iter() {
        if name == header::CONNECTION {
            let listed = value.as_bytes().split(|byte| *byte == b',');
            found.extend(listed.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
            found.push(header::CONNECTION);
        } else if belongs_to_connection(name.as_str()) || removed(name.as_str()) {
            found.push(name.clone());
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// Whether a field is of that kind whatever `Connection` says.
fn belongs_to_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack (CVE-2024-45410): `Connection: remote-user` makes a proxy delete what it just wrote.
    #[test]
    fn connection_listed_fields_go_first() {
        let mut headers = HeaderMap::new();
        headers.append("connection", "close, X-A".parse().unwrap());
        headers.append("connection", "x-b".parse().unwrap());
        for name in ["x-a", "x-b", "x-c", "x-d", "te", "transfer-encoding"] {
            headers.insert(name, "1".parse().unwrap());
        }
        remove_hop_by_hop(&mut headers, |name| name == "x-d");
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-c"]);
    }
}
