//! The headers: `Authorization: Hawk …` is read as mohawk reads it, `Server-Authorization` and
//! `WWW-Authenticate` are written.

/// Longer headers are refused before anything in them is read.
pub const LONGEST: usize = 4096;

/// What hawkrest says of a request that is not signed right, whatever is wrong.
pub const FAILED: &str = "Hawk authentication failed";
/// Of a header that it cannot read.
pub const MALFORMED: &str = "Hawk authentication failed: The request header was malformed";
/// Of a time too far from its own.
pub const EXPIRED: &str =
    "Hawk authentication failed: The token has expired. Is your system clock correct?";

/// `Authorization: Hawk …`, unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Whose key.
    pub id: &'a str,
    /// When, as it was sent.
    pub ts: &'a str,
    /// The client's word for this one request; it may be empty.
    pub nonce: &'a str,
    /// Empty if there was none: it is then as wrong as any other.
    pub mac: &'a str,
    /// The payload's hash; a request without one may have no payload.
    pub hash: Option<&'a str>,
    /// The application's own text.
    pub ext: Option<&'a str>,
    /// The application that asks.
    pub app: Option<&'a str>,
    /// On whose behalf.
    pub dlg: Option<&'a str>,
}

/// Why a header is not read or not written. [`Error::detail`] is for the client, [`Error::reason`]
/// for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// More than [`LONGEST`] bytes.
    TooLong,
    /// Something that is not `name="value"`, a comma between.
    Syntax,
    /// A value with something else than printable ASCII, or with a quote or a backslash.
    BadCharacter,
    /// The same attribute twice.
    Duplicate,
    /// An attribute that Hawk does not have.
    Unknown,
    /// No `id`, `ts` or `nonce`; hawkrest breaks down on it (500).
    Missing,
}

impl Error {
    /// hawkrest's words.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Unknown => FAILED,
            _ => MALFORMED,
        }
    }

    /// What is wrong.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the Hawk header is too long",
            Self::Syntax => "the Hawk header is not a list of attributes",
            Self::BadCharacter => "a Hawk attribute has a character that is not allowed",
            Self::Duplicate => "a Hawk attribute is repeated",
            Self::Unknown => "the Hawk header has an unknown attribute",
            Self::Missing => "the Hawk header has no id, ts or nonce",
        }
    }
}

impl<'a> Header<'a> {
    /// Whether an `Authorization` is for Hawk at all; the case of the scheme matters.
    pub fn is_hawk(value: &[u8]) -> bool {
        value.starts_with(b"Hawk ")
    }

    /// Reads the value of `Authorization`. Several headers are to be joined with commas first, as
    /// servers do: then what follows the first makes it malformed.
    ///
    /// # Errors
    /// If mohawk would not read it.
    pub fn parse(value: &'a [u8]) -> Result<Self, Error> {
        if value.len() > LONGEST {
            return Err(Error::TooLong);
        }
        let attributes = Attributes::read(value.strip_prefix(b"Hawk ").ok_or(Error::Syntax)?)?;
        let required = |value: Option<&'a str>| value.ok_or(Error::Missing);
        Ok(Self {
            id: required(attributes.get("id"))?,
            ts: required(attributes.get("ts"))?,
            nonce: required(attributes.get("nonce"))?,
            mac: attributes.get("mac").unwrap_or_default(),
            hash: attributes.get("hash"),
            ext: attributes.get("ext"),
            app: attributes.get("app"),
            dlg: attributes.get("dlg"),
        })
    }

    /// `ts` in seconds since 1970, if it is a number. Ask only after the MAC: of a wrong one,
    /// hawkrest says [`FAILED`], whatever the time.
    pub fn seconds(&self) -> Option<i64> {
        seconds(self.ts)
    }
}

/// `Server-Authorization`. There is no escaping in Hawk: no peer reads a quote or a backslash.
///
/// # Errors
/// If a value cannot stand in a header.
pub fn server_authorization(
    mac: &str,
    hash: Option<&str>,
    ext: Option<&str>,
) -> Result<String, Error> {
    let ext = ext.filter(|ext| !ext.is_empty());
    write(&[("mac", Some(mac)), ("hash", hash), ("ext", ext)])
}

/// `WWW-Authenticate` with the server's time, its MAC (`tsm`) and what was wrong.
///
/// # Errors
/// If a value cannot stand in a header.
pub fn challenge(now: i64, tsm: &str, error: &str) -> Result<String, Error> {
    write(&[("ts", Some(&now.to_string())), ("tsm", Some(tsm)), ("error", Some(error))])
}

/// What mohawk has to say in a [`challenge`] after a time too far from its own.
pub fn expired(ts: i64, now: i64) -> String {
    format!("token with UTC timestamp {ts} has expired; it was compared to {now}")
}

/// A whole number as Python's `int` reads it from the characters of an attribute: blanks around,
/// a sign, single underscores between digits. One beyond the range is the end of the range.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim_matches(' ');
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    digits.split('_').all(is_number).then(|| {
        let digits = digits.chars().filter_map(|c| c.to_digit(10)).map(i64::from);
        digits.fold(0_i64, |n, digit| n.saturating_mul(10).saturating_add(sign * digit))
    })
}

/// The attributes that mohawk knows. `tsm` and `error` mean nothing in a request.
const NAMES: [&str; 10] = ["id", "ts", "tsm", "nonce", "hash", "error", "ext", "mac", "app", "dlg"];

struct Attributes<'a>([Option<&'a str>; NAMES.len()]);

impl<'a> Attributes<'a> {
    /// mohawk looks for attributes anywhere and complains of the rest last: an unknown attribute
    /// after rubbish is an unknown attribute.
    fn read(mut text: &'a [u8]) -> Result<Self, Error> {
        let mut attributes = Self([None; NAMES.len()]);
        let mut rubbish = false;
        while !text.is_empty() {
            text = if let Some((name, value, rest)) = attribute(text) {
                attributes.set(name, value)?;
                rest
            } else {
                rubbish = true;
                // What is no attribute from the start of a word is none from within it.
                let word = text.iter().take_while(|byte| is_word(**byte)).count();
                text.get(word.max(1)..).unwrap_or_default()
            };
        }
        if rubbish { Err(Error::Syntax) } else { Ok(attributes) }
    }

    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Error> {
        let slots = NAMES.iter().zip(&mut self.0);
        let known = slots.into_iter().find(|(known, _)| known.as_bytes() == name);
        let (_, slot) = known.ok_or(Error::Unknown)?;
        let value = str::from_utf8(value).ok().filter(|value| is_allowed(value));
        let value = value.ok_or(Error::BadCharacter)?;
        if slot.replace(value).is_some() { Err(Error::Duplicate) } else { Ok(()) }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        NAMES.iter().zip(self.0).find(|(known, _)| **known == name)?.1
    }
}

/// The attribute that `text` starts with, and what follows its comma.
fn attribute(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = text.split_at(text.iter().position(|byte| !is_word(*byte))?);
    let rest = rest.strip_prefix(b"=\"").filter(|_| !name.is_empty())?;
    let (value, rest) = rest.split_at(rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?);
    match skip_space(rest.strip_prefix(b"\"")?) {
        [] => Some((name, value, &[])),
        [b',', rest @ ..] => Some((name, value, skip_space(rest))),
        _ => None,
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Python's `\w`, of Latin-1.
fn is_word(byte: u8) -> bool {
    let latin = matches!(byte, 0xaa | 0xb2 | 0xb3 | 0xb5 | 0xb9 | 0xba | 0xbc..=0xbe | 0xc0..)
        && !matches!(byte, 0xd7 | 0xf7);
    byte.is_ascii_alphanumeric() || byte == b'_' || latin
}

/// Python's `\s`, of Latin-1.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | 0x1c..=0x20 | 0x85 | 0xa0)
}

fn is_allowed(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

fn write(attributes: &[(&str, Option<&str>)]) -> Result<String, Error> {
    let mut text = String::from("Hawk");
    let mut separator = " ";
    for (name, value) in attributes {
        let Some(value) = value else { continue };
        if !is_allowed(value) {
            return Err(Error::BadCharacter);
        }
        for part in [separator, name, "=\"", value, "\""] {
            text.push_str(part);
        }
        separator = ", ";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"Hawk mac="m", hash="h", id="i", ts="1", nonce="n", ext="e", app="a", dlg="d""#;

    fn error(text: &str) -> Option<Error> {
        Header::parse(&latin_1(text)).err()
    }

    fn latin_1(text: &str) -> Vec<u8> {
        text.chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    #[test]
    fn every_attribute() {
        let header = Header::parse(GOOD.as_bytes()).unwrap();
        let expected = Header {
            id: "i",
            ts: "1",
            nonce: "n",
            mac: "m",
            hash: Some("h"),
            ext: Some("e"),
            app: Some("a"),
            dlg: Some("d"),
        };
        assert_eq!(header, expected);
        for blanks in [",", " ,", ",\u{a0}", " , ", ",\u{85}\t"] {
            let other = latin_1(&GOOD.replace(", ", blanks));
            assert_eq!(Header::parse(&other), Ok(expected), "{blanks:?}");
        }
        for more in [",", ", ", "  ", r#", tsm="x""#, r#", error="""#] {
            assert_eq!(error(&format!("{GOOD}{more}")), None, "{more}");
        }
    }

    /// Measured against hawkrest 1.0.1 behind gunicorn.
    #[test]
    fn what_hawkrest_refuses() {
        for (more, expected) in [
            (r#", id="x""#, Error::Duplicate),
            (r#", ext="x\"y""#, Error::Syntax),
            (r#", tsm="x\\y""#, Error::Syntax),
            (r#", tsm="é""#, Error::BadCharacter),
            ("tsm=\"\u{7f}\"", Error::BadCharacter),
            (", tsm=\"\t\"", Error::BadCharacter),
            (r#", é="x""#, Error::Unknown),
            (r#", ×="x""#, Error::Syntax),
            (r#", ID="x""#, Error::Unknown),
            (r#", rubbish, foo="x""#, Error::Unknown),
            (r#", foo="x", id="x""#, Error::Unknown),
            (",,", Error::Syntax),
            (r#", tsm ="x""#, Error::Syntax),
            (r#", tsm= "x""#, Error::Syntax),
            (", tsm='x'", Error::Syntax),
            (", tsm=x", Error::Syntax),
            (", tsm=\"x", Error::Syntax),
            (r#", tsm="x" error="y""#, Error::Syntax),
            (r#",Hawk id="x""#, Error::Duplicate),
            (",Basic YTpi", Error::Syntax),
        ] {
            assert_eq!(error(&format!("{GOOD}{more}")), Some(expected), "{more}");
        }
        assert_eq!(error("Hawk garbage"), Some(Error::Syntax));
        assert_eq!(error(&GOOD.replace("Hawk ", "Hawk  ")), Some(Error::Syntax));
        assert_eq!(error(&GOOD.replace(", ", " ")), Some(Error::Syntax));
    }

    #[test]
    fn what_must_be_there() {
        for gone in [r#"id="i", "#, r#"ts="1", "#, r#"nonce="n", "#] {
            assert_eq!(error(&GOOD.replace(gone, "")), Some(Error::Missing), "{gone}");
        }
        assert_eq!(error("Hawk "), Some(Error::Missing));
        let unsigned = GOOD.replace(r#"mac="m", "#, "");
        assert_eq!(Header::parse(unsigned.as_bytes()).unwrap().mac, "");
    }

    #[test]
    fn the_longest() {
        let most = LONGEST - GOOD.len() - r#", tsm="""#.len();
        assert_eq!(error(&format!(r#"{GOOD}, tsm="{}""#, "x".repeat(most))), None);
        let longer = format!(r#"{GOOD}, tsm="{}""#, "x".repeat(most + 1));
        assert_eq!(error(&longer), Some(Error::TooLong));
    }

    #[test]
    fn the_scheme_has_one_spelling() {
        assert!(Header::is_hawk(GOOD.as_bytes()));
        for other in ["hawk id=", "Hawk", "Hawk\tid=", "HAWK id=", "Basic Hawk ", ""] {
            assert!(!Header::is_hawk(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_client_sees_hawkrest_s_words() {
        assert_eq!(Error::Duplicate.detail(), MALFORMED);
        assert_eq!(Error::Unknown.detail(), FAILED);
    }

    #[test]
    fn python_s_numbers() {
        for text in ["1796086844", "+1796086844", " 1796086844 ", "01796086844", "1796_086844"] {
            assert_eq!(seconds(text), Some(1_796_086_844), "{text}");
        }
        assert_eq!(seconds("-5"), Some(-5));
        assert_eq!(seconds(&"9".repeat(30)), Some(i64::MAX));
        assert_eq!(seconds(&format!("-{}", "9".repeat(30))), Some(i64::MIN));
        for text in ["", " ", "abc", "1.5", "1__2", "_1", "1_", "+-1", "- 1", "0x1", "1e3"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    /// Attack: end the value early with a quote, or the header with a line.
    #[test]
    fn nothing_is_written_that_a_peer_reads_otherwise() {
        assert_eq!(
            server_authorization("m=", Some("h="), Some("e")).unwrap(),
            r#"Hawk mac="m=", hash="h=", ext="e""#
        );
        assert_eq!(server_authorization("m", None, Some("")).unwrap(), r#"Hawk mac="m""#);
        for ext in [r#"a"b"#, r"a\b", "a\r\nb", "é", "\u{7f}"] {
            assert_eq!(server_authorization("m", None, Some(ext)), Err(Error::BadCharacter));
            assert_eq!(challenge(1, "m", ext), Err(Error::BadCharacter), "{ext}");
        }
        assert_eq!(
            challenge(9, "t=", &expired(1, 9)).unwrap(),
            r#"Hawk ts="9", tsm="t=", error="token with UTC timestamp 1 has expired; it was compared to 9""#
        );
    }
}
