//! The notations of the configuration: what is taken is written as the schema's pattern says,
//! prints itself so that it is taken again for the same, and a host has one form.

use std::{fmt::Display, str::FromStr};

use portcullis::{
    request::canonical_host,
    route::{HostPattern, PathPattern},
    value::{Network, Period, Rate, Size},
};

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    again::<HostPattern>(text);
    again::<PathPattern>(text);
    again::<Network>(text);
    for taken in [again::<Period>(text), again::<Rate>(text), again::<Size>(text)] {
        assert!(!taken || text.starts_with(|c: char| c.is_ascii_digit()), "{text} is no number");
    }
    if let Some(host) = canonical_host(text) {
        assert_eq!(canonical_host(&host), Some(host.clone()), "{text} has two forms");
        let port = text.strip_prefix(|c| c != '[').and_then(|text| text.split_once(':'));
        let digits = port.is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(digits, "{text} has a port that is no number");
    }
}

/// Whether it is one, and then the same when it is printed and read.
fn again<T: FromStr + Display>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let printed = value.to_string();
    let second = printed.parse::<T>().ok().expect("what is printed can be read");
    assert_eq!(second.to_string(), printed, "of {text}");
    true
}
