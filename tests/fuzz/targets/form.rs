//! Forms: a field is what was written into it, and the last of its name.
//!
//! Input: a byte of choices, the content type, then the body.

use futures_util::FutureExt;
use hyper::body::Bytes;
use portcullis::request::form::{field, is_form, multipart};

use super::Input;

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let kind = input.text();
    let body = Bytes::copy_from_slice(input.0);
    let (is_multipart, is_plain) = (kind.trim().to_ascii_lowercase(), kind.to_ascii_lowercase());
    let plain = is_plain.trim().starts_with("application/x-www-form-urlencoded");
    if is_form(kind.as_bytes()) {
        assert!(plain || is_multipart.starts_with("multipart/form-data"), "{kind} is no form");
    }

    let all = multipart(kind, body.clone()).now_or_never().expect("nothing is waited for");
    if is_multipart.starts_with("multipart") {
        let names = all.iter().flatten().map(|(name, _)| name.as_str());
        for name in names.chain(["csrfmiddlewaretoken"]) {
            let found = field(kind, &body, name);
            if let Ok(all) = &all {
                assert_eq!(found.as_deref(), last(all, name), "{name}");
            }
        }
    } else {
        for (name, value) in urlencoded(&body) {
            assert!(field(kind, &body, &name).is_some(), "{name}={value} is not there");
        }
        let pairs = urlencoded(&body);
        assert_eq!(field(kind, &body, "token").as_deref(), last(&pairs, "token"));
    }
    written(choice, input);
}

fn last<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// `application/x-www-form-urlencoded` (the URL standard, section 5.1).
fn urlencoded(body: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| {
        let mut decoded = Vec::new();
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            let digits = bytes.get(place + 1..place + 3).and_then(|d| std::str::from_utf8(d).ok());
            let digits = digits.filter(|digits| !digits.starts_with('+'));
            let coded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match (byte, coded) {
                (b'%', Some(coded)) => {
                    decoded.push(coded);
                    place += 2;
                }
                (b'+', _) => decoded.push(b' '),
                (other, _) => decoded.push(*other),
            }
            place += 1;
        }
        String::from_utf8_lossy(&decoded).into_owned()
    };
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (text(&pair[..equals]), text(pair.get(equals + 1..).unwrap_or_default()))
    });
    pairs.collect()
}

/// A form as a browser writes it comes back.
fn written(choice: u8, mut input: Input<'_>) {
    let mut fields = Vec::new();
    while !input.0.is_empty() && fields.len() < 6 {
        // Browsers write a quote in a name as `%22`. The library looks for a file's name in a
        // field's, too.
        let is_odd = |c: char| c.is_control() || "\"\\=".contains(c);
        let name = input.text().replace(is_odd, "_");
        fields.push((name, input.text().to_owned()));
    }
    let boundary = "-".repeat(usize::from(choice % 30)) + "B";
    let mut body = String::new();
    for (name, value) in &fields {
        body += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += &format!("--{boundary}--\r\n");
    let holds_boundary = fields
        .iter()
        .any(|(name, value)| format!("\r\n{name}\r\n{value}").contains(&format!("--{boundary}")));
    if holds_boundary {
        return;
    }
    let kind = format!("multipart/form-data; boundary={boundary}");
    let read = multipart(&kind, body.into()).now_or_never().expect("nothing is waited for");
    assert_eq!(read.expect("a good form"), fields);
}
