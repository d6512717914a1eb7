//! Vectors by mohawk 1.1.0 and by npm's hawk 9.0.2.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    crypto::{Algorithm, Key},
    header::{Header, seconds, server_authorization},
    mac::{Kind, Message, PayloadHash, equal, may_omit_hash, ts_mac},
    target::{origin, resource},
};

const MOHAWK: &str = include_str!("vectors/mohawk.json");
const HAWK: &str = include_str!("vectors/hawk.json");

#[test]
fn requests_and_responses() {
    for (vectors, count) in [(MOHAWK, 36), (HAWK, 34)] {
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let requests = vectors["requests"].as_array().unwrap();
        assert_eq!(requests.len(), count);
        requests.iter().for_each(agrees);
    }
}

fn agrees(vector: &Value) {
    let (key, (host, port, target)) = (key(vector), address(vector));
    let header = Header::parse(text(vector, "header").as_bytes()).unwrap();
    assert_eq!(header.id, text(vector, "id"));
    let message = Message {
        ts: header.ts,
        nonce: header.nonce,
        method: text(vector, "method"),
        resource: resource(target),
        host,
        port,
        hash: header.hash,
        ext: header.ext,
        app: header.app,
        dlg: header.dlg,
    };
    assert_eq!(message.normalized(Kind::Header), text(vector, "normalized"));
    assert!(message.is_signed_by(Kind::Header, &key, header.mac), "{vector}");
    match header.hash {
        Some(sent) => assert!(equal(&hash(vector, &key, "body", "content_type"), sent), "{vector}"),
        None => assert!(may_omit_hash(
            text(vector, "body").is_empty(),
            text(vector, "content_type").as_bytes()
        )),
    }
    let answer = hash(vector, &key, "answer", "answer_type");
    let mac = Message { hash: Some(&answer), ext: None, ..message }.mac(Kind::Response, &key);
    let response = server_authorization(&mac, Some(&answer), None).unwrap();
    assert_eq!(response, text(vector, "response"));
    // Both take the spelling of `ts` as text here; `ts_mac` takes a number.
    if !header.ts.starts_with('0') {
        assert_eq!(ts_mac(&key, seconds(header.ts).unwrap()), text(vector, "tsm"));
    }
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn key(vector: &Value) -> Key {
    let algorithm = Algorithm::named(text(vector, "algorithm")).unwrap();
    Key::new(algorithm, text(vector, "key").as_bytes())
}

fn address(vector: &Value) -> (&str, u16, &str) {
    let (scheme, rest) = text(vector, "url").split_once("://").unwrap();
    let (authority, target) = rest.split_at(rest.find('/').unwrap());
    let (host, port) = origin(authority, scheme == "https").unwrap();
    (host, port, target)
}

/// In pieces of seven bytes, and with the content type in Latin-1.
fn hash(vector: &Value, key: &Key, body: &str, content_type: &str) -> String {
    let content_type: Vec<u8> =
        text(vector, content_type).chars().map(|c| u8::try_from(c).unwrap()).collect();
    let mut hash = PayloadHash::new(key.algorithm(), &content_type);
    STANDARD.decode(text(vector, body)).unwrap().chunks(7).for_each(|piece| hash.update(piece));
    hash.finish()
}
