//! `Authorization`, and Basic's user name and password, as Django REST framework and CPython read
//! them.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use portcullis::{
    package::basic::decode as decode_basic,
    request::credentials::{Authorization, Credential},
};

pub(crate) fn target(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        split(&value);
    }
    let expected = a2b_base64(data).and_then(|bytes| divide(&bytes));
    assert_eq!(basic(data), expected, "decoded");
    let encoded = STANDARD.encode(data);
    assert_eq!(basic(encoded.as_bytes()), divide(data), "read back");
}

/// `get_authorization_header(request).split()`.
fn split(value: &HeaderValue) {
    let words = value.as_bytes().split(|byte| b" \t\n\r\x0b\x0c".contains(byte));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let read = Authorization::of(value);
    let Some(read) = read else { return assert!(words.is_empty(), "{value:?} is not read") };
    assert_eq!(read.keyword, words[0]);
    assert_eq!(read.is("token"), words[0].eq_ignore_ascii_case(b"token"));
    let expected = match words.len() {
        1 => Credential::Missing,
        2 => Credential::One(words[1]),
        _ => Credential::Spaces,
    };
    assert_eq!(read.credential, expected);
}

fn basic(encoded: &[u8]) -> Option<(String, String)> {
    decode_basic(encoded).map(|(name, password)| (name, password.reveal().to_owned()))
}

/// `.decode("utf-8")`, else `.decode("latin-1")`; `.split(":", 1)`.
fn divide(bytes: &[u8]) -> Option<(String, String)> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// `binascii.a2b_base64` (CPython 3.11, Modules/binascii.c), line by line.
fn a2b_base64(ascii: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut quad, mut left, mut pads) = (Vec::new(), 0, 0_u8, 0);
    for byte in ascii {
        if *byte == b'=' {
            if quad >= 2 {
                pads += 1;
                if quad + pads >= 4 {
                    return Some(bytes);
                }
            }
            continue;
        }
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        pads = 0;
        match quad {
            0 => left = digit,
            1 => {
                bytes.push(left << 2 | digit >> 4);
                left = digit & 0x0f;
            }
            2 => {
                bytes.push(left << 4 | digit >> 2);
                left = digit & 0x03;
            }
            _ => bytes.push(left << 6 | digit),
        }
        quad = (quad + 1) % 4;
    }
    (quad == 0).then_some(bytes)
}
