//! The `charset` of posted JSON, as Django reads it: a body is decoded by what its type names, and by
//! UTF-8 where it names nothing that is known.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, mem::decode_latin1};

/// Python's names of ISO 8859-1; the WHATWG's standard takes them for windows-1252, which has other
/// letters from 0x80 to 0x9f.
const LATIN_1: [&str; 7] = ["latin-1", "latin1", "l1", "iso-8859-1", "iso8859-1", "8859", "cp819"];
const ASCII: [&str; 3] = ["ascii", "us-ascii", "646"];

/// The body in UTF-8. One that is declared as UTF-8 is returned as it came: the JSON parser checks it.
///
/// # Errors
/// Bytes that are no text in the charset, in Python's words.
pub(super) fn to_utf8<'a>(content_type: &str, body: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let Some(name) = charset(content_type) else { return Ok(body.into()) };
    if ASCII.contains(&&*name) {
        return match body.iter().enumerate().find(|(_, byte)| !byte.is_ascii()) {
            None => Ok(body.into()),
            Some((place, byte)) => Err(format!(
                "'ascii' codec can't decode byte 0x{byte:02x} in position {place}: ordinal not in range(128)"
            )),
        };
    }
    if LATIN_1.contains(&&*name) {
        return Ok(decode_latin1(body).into_owned().into_bytes().into());
    }
    match Encoding::for_label(name.replace("utf-16-", "utf-16").as_bytes()) {
        Some(encoding) if encoding != UTF_8 => match encoding.decode(body) {
            (text, _, false) => Ok(text.into_owned().into_bytes().into()),
            (_, _, true) => Err(format!("'{name}' codec can't decode the body")),
        },
        _ => Ok(body.into()),
    }
}

fn charset(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|one| one.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches('"').to_ascii_lowercase().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_decodes() {
        let read = |charset: &str, body: &[u8]| {
            let kind = format!("application/json; charset={charset}");
            to_utf8(&kind, body).map(|read| String::from_utf8_lossy(&read).into_owned())
        };
        for (charset, body, text) in [
            ("latin-1", &b"\xe9\x80"[..], "é\u{80}"),
            ("ISO-8859-1", b"\xe9", "é"),
            ("windows-1252", b"\x80", "€"),
            ("\"latin_1\"", b"\xe9", "é"),
            ("utf-16", b"\xff\xfea\0", "a"),
            ("utf-16", b"\xfe\xff\0a", "a"),
            ("utf-16-be", b"\0a", "a"),
            ("shift_jis", b"\x82\xa0", "あ"),
            ("utf-8", "é".as_bytes(), "é"),
            ("no-such-charset", "é".as_bytes(), "é"),
            ("ascii", b"a", "a"),
        ] {
            assert_eq!(read(charset, body).as_deref(), Ok(text), "{charset}");
        }
        let said = "'ascii' codec can't decode byte 0xe9 in position 1: ordinal not in range(128)";
        assert_eq!(read("us-ascii", b"a\xe9"), Err(said.to_owned()));
        assert!(read("utf-16", b"\xff\xfea").is_err());
        assert_eq!(to_utf8("application/json", b"\xe9").as_deref(), Ok(&b"\xe9"[..]));
    }
}
