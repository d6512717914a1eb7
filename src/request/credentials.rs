//! The `Authorization` field, taken apart as Django REST framework takes it apart.

use hyper::{HeaderMap, header::AUTHORIZATION};

/// `Authorization`, split at ASCII blanks: a keyword and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// The first word, as sent.
    pub keyword: &'a [u8],
    /// What follows.
    pub credential: Credential<'a>,
}

/// What follows the keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Nothing.
    Missing,
    /// One word.
    One(&'a [u8]),
    /// More than one.
    Spaces,
}

impl<'a> Authorization<'a> {
    /// The field, if it is there and not blank.
    pub fn read(headers: &'a HeaderMap) -> Option<Self> {
        let value = headers.get(AUTHORIZATION)?.as_bytes();
        let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let keyword = words.next()?;
        let credential = match (words.next(), words.next()) {
            (None, _) => Credential::Missing,
            (Some(word), None) => Credential::One(word),
            (Some(_), Some(_)) => Credential::Spaces,
        };
        Some(Self { keyword, credential })
    }

    /// Whether the keyword is `keyword`, in any case.
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// The value of a cookie. Of two with one name the first counts, as browsers send the most
/// specific path first; an upstream sees the same header.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(hyper::header::COOKIE).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_drf_does() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            Authorization::read(&headers).map(|a| (a.is("token"), format!("{:?}", a.credential)))
        };
        assert_eq!(read(""), None);
        assert_eq!(read("  "), None);
        assert_eq!(read("Token"), Some((true, "Missing".into())));
        assert_eq!(read(" tOkEn\t a "), Some((true, format!("{:?}", Credential::One(b"a")))));
        assert_eq!(read("Token a b"), Some((true, "Spaces".into())));
        assert_eq!(read("Token: a").map(|a| a.0), Some(false));
    }
}
