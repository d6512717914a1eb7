//! Message authentication codes: the text that is signed, the hash of a payload, and the signed
//! time of the server.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use super::crypto::{Algorithm, Digest, Key};

/// What a MAC is for. One made for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request's `Authorization`.
    Header,
    /// A response's `Server-Authorization`.
    Response,
}

/// Everything that one MAC covers. For a response it is what the request had, except `hash` and
/// `ext`, which are the response's.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The time as it was sent: another spelling of the number has another MAC.
    pub ts: &'a str,
    /// The client's word for this one request.
    pub nonce: &'a str,
    /// In any case.
    pub method: &'a str,
    /// Path and query, from [`resource`](super::target::resource).
    pub resource: &'a str,
    /// In any case, with or without the brackets of IPv6.
    pub host: &'a str,
    /// Never left out: the scheme's, if the URL has none.
    pub port: u16,
    /// The payload's hash as it was sent. An empty value stands for none, here and below.
    pub hash: Option<&'a str>,
    /// The application's own text.
    pub ext: Option<&'a str>,
    /// The application that asks.
    pub app: Option<&'a str>,
    /// On whose behalf; it counts only beside `app`.
    pub dlg: Option<&'a str>,
}

/// The hash of a payload that comes in pieces.
pub struct PayloadHash(Digest);

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Response => "response",
        }
    }
}

impl Message<'_> {
    /// The MAC in base64.
    pub fn mac(&self, kind: Kind, key: &Key) -> String {
        STANDARD.encode(key.sign(self.normalized(kind).as_bytes()))
    }

    /// Whether `mac` is this message's, in a time that does not tell how much of it is right.
    pub fn is_signed_by(&self, kind: Kind, key: &Key, mac: &str) -> bool {
        equal(&self.mac(kind, key), mac)
    }

    /// The text that is signed. No part may have a line feed: what comes from a header of HTTP has
    /// none.
    pub fn normalized(&self, kind: Kind) -> String {
        let (method, host) = (self.method.to_ascii_uppercase(), self.host.to_ascii_lowercase());
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(&host);
        let mut text = format!(
            "hawk.1.{kind}\n{ts}\n{nonce}\n{method}\n{resource}\n{host}\n{port}\n{hash}\n{ext}\n",
            kind = kind.name(),
            ts = self.ts,
            nonce = self.nonce,
            resource = self.resource,
            port = self.port,
            hash = self.hash.unwrap_or_default(),
            ext = self.ext.unwrap_or_default(),
        );
        if let Some(app) = self.app.filter(|app| !app.is_empty()) {
            for line in [app, "\n", self.dlg.unwrap_or_default(), "\n"] {
                text.push_str(line);
            }
        }
        text
    }
}

impl PayloadHash {
    /// Before the first piece. Of the `Content-Type`, as bytes of the header or empty, only the
    /// media type counts, in any case.
    pub fn new(algorithm: Algorithm, content_type: &[u8]) -> Self {
        let mut digest = Digest::new(algorithm);
        digest.update(b"hawk.1.payload\n");
        digest.update(media_type(content_type).as_bytes());
        digest.update(b"\n");
        Self(digest)
    }

    /// The next piece of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash in base64.
    pub fn finish(mut self) -> String {
        self.0.update(b"\n");
        STANDARD.encode(self.0.finish())
    }
}

/// Whether a request may come without a hash of its payload: there is nothing to hash. A content
/// type without a body is something.
pub fn may_omit_hash(body_is_empty: bool, content_type: &[u8]) -> bool {
    body_is_empty && content_type.is_empty()
}

/// The MAC of the server's time (`tsm`), by which a client knows that it can trust it.
pub fn ts_mac(key: &Key, now: i64) -> String {
    STANDARD.encode(key.sign(format!("hawk.1.ts\n{now}\n").as_bytes()))
}

/// Whether two MACs or hashes are the same text, in a time that depends on their lengths alone.
pub fn equal(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}

/// Headers are Latin-1 to Python and Node, and both hash their text in UTF-8.
fn media_type(content_type: &[u8]) -> String {
    let text = str::from_utf8(content_type).ok().filter(|text| text.is_ascii());
    let text: Cow<'_, str> =
        text.map_or_else(|| content_type.iter().copied().map(char::from).collect(), Cow::Borrowed);
    text.split(';').next().unwrap_or_default().trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(Algorithm::Sha256, b"hawk-throwaway-key")
    }

    fn third() -> Message<'static> {
        Message {
            ts: "1353832234",
            nonce: "j4h3g2",
            method: "get",
            resource: "/resource/1?b=1&a=2",
            host: "Example.com",
            port: 8000,
            hash: None,
            ext: None,
            app: Some("app1"),
            dlg: Some("dlg1"),
        }
    }

    fn hash(content_type: &[u8], pieces: &[&[u8]]) -> String {
        let mut hash = PayloadHash::new(Algorithm::Sha256, content_type);
        pieces.iter().for_each(|piece| hash.update(piece));
        hash.finish()
    }

    #[test]
    fn the_contract_s_vectors() {
        assert_eq!(hash(b"", &[]), "B0weSUXsMcb5UhL41FZbrUJCAotzSI3HawE1NPLRUz8=");
        let first = Message {
            hash: Some("B0weSUXsMcb5UhL41FZbrUJCAotzSI3HawE1NPLRUz8="),
            ext: Some("some-app-ext-data"),
            app: None,
            ..third()
        };
        let mac = first.mac(Kind::Header, &key());
        assert_eq!(mac, "oLaD9UKBaCjaeJofZ6FlgNrFtFuzxjVQ/03ezAdugKc=");
        assert_eq!(
            third().normalized(Kind::Header),
            "hawk.1.header\n1353832234\nj4h3g2\nGET\n/resource/1?b=1&a=2\nexample.com\n8000\n\n\napp1\ndlg1\n"
        );
        let mac = third().mac(Kind::Header, &key());
        assert_eq!(mac, "wK4ViA7FEje4/ARa4b7LqFa1s0b6qakC8dToi6D9QOQ=");
        let answered = hash(b"application/json", &[br#"{"ok":true}"#]);
        assert_eq!(answered, "Q59P0F9qwriPU5ugE1Pc8hHecVcG2mRJYN2cGDx3KKw=");
        let fourth = Message { hash: Some(&answered), ..third() };
        let mac = fourth.mac(Kind::Response, &key());
        assert_eq!(mac, "DtH40p4QLOXJXaQNweLbJV6EuHDqyMZja/TknrUbhkg=");
        assert_eq!(ts_mac(&key(), 1_353_832_234), "5+I/XTmQy32uRZtfB2xyUfuHkSlkw+qzvkox3okEVy4=");
    }

    #[test]
    fn pieces_do_not_count_and_parameters_neither() {
        let whole = hash(b"text/plain", &[b"Thank you for flying Hawk"]);
        assert_eq!(whole, "Yi9LfIIFRtBEPt74PVmbTF/xVAwPn7ub15ePICfgnuY=");
        let pieces: &[&[u8]] = &[b"Thank you ", b"", b"for flying Hawk"];
        assert_eq!(hash(b" Text/PLAIN ; charset=utf-8;x", pieces), whole);
        assert_ne!(hash(b"text/html", pieces), whole);
        assert_eq!(hash(b";", &[]), hash(b"", &[]));
    }

    /// What mohawk 1.1.0 and hawk 9.0.2 make of `text/é`, sent as Latin-1.
    #[test]
    fn a_content_type_is_latin_1() {
        assert_eq!(media_type(b"Text/\xc9; q"), "text/é");
        assert_eq!(media_type("text/é".as_bytes()), "text/ã©");
    }

    /// Attack: take a MAC for one purpose or one part for another.
    #[test]
    fn every_part_counts() {
        let mac = third().mac(Kind::Header, &key());
        assert!(third().is_signed_by(Kind::Header, &key(), &mac));
        let others = [
            Message { ts: "01353832234", ..third() },
            Message { nonce: "J4h3g2", ..third() },
            Message { method: "HEAD", ..third() },
            Message { resource: "/resource/1?a=2&b=1", ..third() },
            Message { host: "example.org", ..third() },
            Message { port: 80, ..third() },
            Message { hash: Some("x"), ..third() },
            Message { ext: Some("x"), ..third() },
            Message { app: Some("app"), ..third() },
            Message { app: Some(""), ..third() },
            Message { dlg: None, ..third() },
        ];
        for other in others {
            assert!(!other.is_signed_by(Kind::Header, &key(), &mac), "{other:?}");
        }
        assert!(!third().is_signed_by(Kind::Response, &key(), &mac));
        assert!(!third().is_signed_by(Kind::Header, &key(), mac.trim_end_matches('=')));
        assert!(!third().is_signed_by(Kind::Header, &key(), ""));
        let sha1 = Key::new(Algorithm::Sha1, b"hawk-throwaway-key");
        assert!(!third().is_signed_by(Kind::Header, &sha1, &mac));
    }

    #[test]
    fn nothing_to_hash() {
        assert!(may_omit_hash(true, b""));
        assert!(!may_omit_hash(true, b"text/plain"));
        assert!(!may_omit_hash(false, b""));
    }
}
