//! The templates of identity headers: what stands in the field can be read back, no text breaks
//! out of its field, and two names never become one.
//!
//! Input: the template, then name, e-mail address, full name, a claim, and groups, a line each.

use hyper::header::HOST;
use portcullis::{forward::encode, identity::Identity};
use serde_json::json;

use super::{
    Input, map,
    strip::{admitted, forward, request},
};

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let template = input.text();
    let mut text = || input.text();
    let mut identity = Identity {
        username: text().into(),
        email: text().into(),
        name: text().into(),
        ..Identity::default()
    };
    let claim = text();
    // JSON or a text, as tokens have both.
    let claim = serde_json::from_str(claim).unwrap_or_else(|_| json!(claim));
    identity.claims.insert("c".into(), claim);
    while !input.0.is_empty() && identity.groups.len() < 8 {
        identity.groups.insert(input.text().into());
    }
    for text in [&identity.username, &identity.email, &identity.name] {
        check_encoding(text);
    }

    let config = json!({
        "user": "", "email": "", "name": "", "groups": "", "headers": { "X-A": template },
    });
    let expected = render(template, &identity);
    let Some(forward) = forward(&config) else {
        assert!(expected.is_none(), "{template} is refused");
        return;
    };
    let (value, is_empty) = expected.expect("a template that is taken is one");
    let host = (HOST, "h".parse().expect("a host"));
    let request = request(map(&[host])).expect("a request");
    let admitted = admitted(&request, Some(identity));
    match forward.apply(&admitted, request) {
        Ok(outgoing) => {
            let sent: Vec<_> = outgoing.headers().get_all("x-a").iter().collect();
            match is_empty {
                true => assert!(sent.is_empty(), "{sent:?} of nothing"),
                false => assert_eq!(sent, [value.as_str()]),
            }
        }
        // Not faithfully: too long, or a name that is none.
        Err(_) => assert!(value.len() > 6144 || (is_empty && template.contains("{user.username}"))),
    }
}

/// As the manual has it: ASCII, with everything else, `%`, `,`, control bytes and blanks at the ends as
/// `%XX`.
fn check_encoding(text: &str) {
    let value = encode(text);
    assert_eq!(value.trim_matches([' ', '\t']), value, "a server would cut it");
    assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b','), "{value}");
    let mut parts = value.split('%');
    let mut read = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        read.push(u8::from_str_radix(digits, 16).expect("two digits"));
        read.extend(rest.as_bytes());
    }
    assert_eq!(read, text.as_bytes(), "read back");
}

/// The field, and whether there is nothing to say in it; nothing for what is no template.
fn render(template: &str, identity: &Identity) -> Option<(String, bool)> {
    let groups = identity.groups.iter().filter(|group| !group.is_empty());
    let groups: Vec<_> = groups.map(|group| encode(group)).collect();
    let claim = match identity.claims.get("c") {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => encode(text),
        Some(other) => encode(&other.to_string()),
    };
    let (mut value, mut is_empty) = (String::new(), true);
    let (mut rest, mut plain) = (template, String::new());
    while let Some(start) = rest.find('{') {
        let end = start + rest[start..].find('}')?;
        let field = match &rest[start + 1..end] {
            "user.username" => encode(&identity.username),
            "user.email" => encode(&identity.email),
            "user.name" => encode(&identity.name),
            "user.groups" => groups.join(","),
            "user.id" | "user.scopes" => String::new(),
            "claims.c" => claim.clone(),
            other => other.strip_prefix("claims.").map(|_| String::new())?,
        };
        is_empty &= field.is_empty();
        value += &rest[..start];
        value += &field;
        plain += &rest[..start];
        rest = &rest[end + 1..];
    }
    value += rest;
    plain += rest;
    plain.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then_some((value, is_empty))
}
