//! The CSRF token of a form is looked for in its body, and the upstream gets the body as it was:
//! every byte, in either kind of form, long or short, in one piece or in chunks.

use crate::support::{Browser, Gateway, PASSWORD, Server, Setup, browser::FORM, server::Seen};

const MULTIPART: &str = "multipart/form-data; boundary=b0undary";

struct Scene {
    upstream: Server,
    gateway: Gateway,
}

impl Scene {
    fn new() -> Self {
        let upstream = Server::ok();
        let gateway = Setup::new().alice().start(&format!(
            "secret_key: throwaway-secret-key-for-tests-0123456789\nauthentication: [session]\n\
             permission: authenticated\nroutes:\n- {{ path: /, upstream: \"{}\" }}\n\
             - {{ path: /accounts/, endpoint: session }}\n",
            upstream.url()
        ));
        Self { upstream, gateway }
    }

    fn browser(&self) -> Browser<'_> {
        let mut browser = Browser::new(&self.gateway);
        assert_eq!(browser.log_in("alice", PASSWORD).status, 302);
        browser
    }

    /// A POST whose body goes out in pieces; its status, and what the upstream saw of it.
    fn post(
        &self,
        browser: &Browser<'_>,
        headers: &[(&str, &str)],
        pieces: &[&[u8]],
        chunked: bool,
    ) -> (u16, Option<Seen>) {
        let before = self.upstream.count();
        let (session, token) = (browser.session(), &browser.cookies["csrftoken"]);
        let mut head = format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={session}; csrftoken={token}\r\n"
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        head += &match chunked {
            true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            false => format!("Content-Length: {length}\r\n\r\n"),
        };
        let mut connection = self.gateway.connect();
        connection.send(head.as_bytes());
        for piece in pieces {
            match chunked {
                true => {
                    connection.send(format!("{:x}\r\n", piece.len()).as_bytes());
                    connection.send(piece);
                    connection.send(b"\r\n");
                }
                false => connection.send(piece),
            }
        }
        if chunked {
            connection.send(b"0\r\nRemote-User: mallory\r\n\r\n");
        }
        let status = connection.receive(false).expect("an answer").status;
        (status, (self.upstream.count() > before).then(|| self.upstream.last()))
    }
}

/// A text field, then a file of every byte there is, so long.
fn multipart(token: &str, length: usize) -> Vec<u8> {
    let mut body = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n\
         --b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend((0..length).map(|place| (place * 31 % 256) as u8));
    body.extend(b"\r\n--b0undary--\r\n");
    body
}

fn urlencoded(token: &str, length: usize) -> Vec<u8> {
    let filling: String = (0..length).map(|place| char::from(b'a' + (place % 26) as u8)).collect();
    format!("csrfmiddlewaretoken={token}&=&&x=%zz%00+%E9&x&csrf={filling}").into_bytes()
}

/// Attack (and mishap): what was read to find the token is sent twice, or not at all, or ends where
/// the look into it ended.
#[test]
fn the_body_passes_as_it_was() {
    let scene = Scene::new();
    let browser = scene.browser();
    let token = browser.cookies["csrftoken"].clone();
    for length in [0, 100, (64 << 10) - 300, 64 << 10, (64 << 10) + 1, 300_000] {
        for (kind, body) in
            [(FORM, urlencoded(&token, length)), (MULTIPART, multipart(&token, length))]
        {
            for (chunked, size) in [
                (false, usize::MAX),
                (false, 1 << 10),
                (true, usize::MAX),
                (true, 50_000),
                (true, 700),
            ] {
                let pieces: Vec<&[u8]> = body.chunks(size.min(body.len())).collect();
                let row = format!("{kind} of {length}, chunked {chunked} by {size}");
                let (status, seen) =
                    scene.post(&browser, &[("Content-Type", kind)], &pieces, chunked);
                assert_eq!(status, 200, "{row}");
                let seen = seen.expect("the upstream was asked");
                assert!(seen.body == body, "{row}: {} bytes of {}", seen.body.len(), body.len());
                assert_eq!(seen.folded("remote-user"), ["alice"], "{row}");
                assert_eq!(seen.trailers, "", "{row}");
                let framing = (seen.folded("content-length"), seen.folded("transfer-encoding"));
                let length = body.len().to_string();
                match chunked {
                    true => assert_eq!(framing, (vec![], vec!["chunked"]), "{row}"),
                    false => assert_eq!(framing, (vec![&*length], vec![]), "{row}"),
                }
            }
        }
    }
}

/// The rule: a token in the header does as well, and then the body may be anything; the field goes
/// before the header, as Django has it, and of two fields the last counts.
#[test]
fn the_token_may_stand_in_the_header() {
    let scene = Scene::new();
    let browser = scene.browser();
    let token = &browser.cookies["csrftoken"];
    let wrong = "w".repeat(32);
    let field = |token: &str| format!("csrfmiddlewaretoken={token}");
    for (kind, header, body, status) in [
        (FORM, Some(&**token), "a=b".to_owned(), 200),
        (MULTIPART, Some(token), "no form at all".to_owned(), 200),
        ("application/json", Some(token), "{}".to_owned(), 200),
        (FORM, Some(token), field(""), 200),
        (FORM, Some(token), field(&wrong), 403),
        (FORM, Some(&wrong), field(token), 200),
        (FORM, None, format!("{}&{}", field(&wrong), field(token)), 200),
        (FORM, None, format!("{}&{}", field(token), field(&wrong)), 403),
        (FORM, None, "a=b".to_owned(), 403),
        (FORM, None, format!("Csrfmiddlewaretoken={token}"), 403),
        ("APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8", None, field(token), 200),
        ("application/json", None, format!("{{\"csrfmiddlewaretoken\":\"{token}\"}}"), 403),
        ("text/plain", None, field(token), 403),
        ("application/x-www-form-urlencoded2", None, field(token), 403),
        ("", None, field(token), 403),
    ] {
        let mut headers = vec![("Content-Type", kind)];
        headers.extend(header.map(|header| ("X-CSRFToken", header)));
        let (found, seen) = scene.post(&browser, &headers, &[body.as_bytes()], false);
        assert_eq!(found, status, "{kind} {header:?} {body}");
        assert_eq!(seen.map(|seen| seen.body), (status == 200).then(|| body.into_bytes()));
    }
}

/// Attack: the field is where the gateway does not look and the upstream does, or the other way
/// round: behind a long file, in a part that is a file, under a boundary of another name. What was
/// not found is missing, and nothing is sent.
#[test]
fn a_token_that_is_not_found_is_missing() {
    let scene = Scene::new();
    let browser = scene.browser();
    let token = &browser.cookies["csrftoken"];
    let part = |disposition: &str, value: &str| {
        format!("--b0undary\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    };
    let name = "name=\"csrfmiddlewaretoken\"";
    let long = "x".repeat(2 << 20);
    let end = "--b0undary--\r\n";
    for (kind, body) in [
        (FORM, format!("a={long}&csrfmiddlewaretoken={token}")),
        (MULTIPART, part("name=\"a\"", &long) + &part(name, token) + end),
        (MULTIPART, part(&format!("{name}; filename=\"f\""), token) + end),
        (MULTIPART, part("name=\"x\"", &format!("{name}\r\n\r\n{token}")) + end),
        (MULTIPART, end.to_owned() + &part(name, token) + end),
        ("multipart/form-data; boundary=other", part(name, token) + end),
        ("multipart/form-data", part(name, token) + end),
        ("multipart/mixed; boundary=b0undary", part(name, token) + end),
    ] {
        let (status, seen) =
            scene.post(&browser, &[("Content-Type", kind)], &[body.as_bytes()], false);
        let start: String = body.chars().take(60).collect();
        assert_eq!(status, 403, "{kind} {start}");
        assert!(seen.is_none(), "{kind} {start} was sent on");
    }
    // A form that breaks off is the client's fault, and nothing of it is done.
    let before = scene.upstream.count();
    let mut connection = scene.gateway.connect();
    connection.send(
        format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={}; csrftoken={token}\r\n\
             Content-Type: {FORM}\r\nContent-Length: 1000\r\n\r\ncsrfmiddlewaretoken={token}",
            browser.session()
        )
        .as_bytes(),
    );
    connection.finish_sending();
    let status = connection.receive(false).map(|answer| answer.status);
    assert!(matches!(status, None | Some(400)), "{status:?}");
    assert_eq!(scene.upstream.count(), before);
}
