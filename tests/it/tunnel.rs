//! WebSockets: a connection that is no longer HTTP's, made only by a 101 that was asked for, and
//! held only as long as its request would be let in.

use std::{
    io::Read,
    sync::atomic::{AtomicU64, Ordering},
};

use portcullis::{
    clock::Clock,
    package::hawk::{
        crypto::{Algorithm, Key},
        mac::{Kind, Message},
        target::{origin, resource},
    },
};

use crate::support::{
    Browser, Foretold, Gateway, PASSWORD, Server, Setup, gateway::ALICE_KEY, http::Connection,
    server::Then, until,
};

const ASKED: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// An upstream that switches and then says everything again, in capitals.
fn switching(to: &'static str) -> Server {
    Server::start(move |seen, wire| {
        if seen.folded("upgrade").is_empty() {
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
            return Then::Keep;
        }
        let _ = write!(
            wire,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {to}\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = wire.read(&mut buffer) {
            let _ = wire.write_all(&buffer[..read].to_ascii_uppercase());
        }
        Then::Close
    })
}

fn before(server: &Server) -> Gateway {
    Setup::new().alice().start(&format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nauth_rate: 1000/min\n\
         cache: {{ ttl: 1h }}\nauthentication: [session, token]\npermission: authenticated\nroutes:\n\
         - {{ path: /, upstream: \"{}\" }}\n- {{ path: /accounts/, endpoint: session }}\n",
        server.url()
    ))
}

/// A request for another protocol, and the head of what is answered.
fn ask(gateway: &Gateway, fields: &str) -> (Connection, u16, Vec<(String, String)>) {
    let mut connection = gateway.connect();
    connection.send(format!("GET /ws/ HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
    let (status, headers) = connection.head().expect("an answer");
    (connection, status, headers)
}

fn token() -> String {
    format!("{ASKED}Authorization: Token {ALICE_KEY}\r\n")
}

/// What comes back for it.
fn say(connection: &mut Connection, text: &str) -> String {
    connection.send(text.as_bytes());
    let mut back = vec![0; text.len()];
    connection.0.read_exact(&mut back).expect("an echo");
    String::from_utf8(back).unwrap()
}

/// Attack: the identity is forged on the one request that becomes a tunnel, which no later request
/// of it will correct. And the rule: frames pass as they are, both ways, whatever is in them.
#[test]
fn a_tunnel_carries_bytes_for_a_known_caller() {
    let server = switching("websocket");
    let gateway = before(&server);
    let forged = format!("{}Remote-User: admin\r\nX_Remote_User: admin\r\n", token());
    let (mut connection, status, headers) = ask(&gateway, &forged);
    assert_eq!(status, 101);
    let header = |name: &str| {
        let named = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    assert_eq!(header("upgrade"), ["websocket"]);
    assert_eq!(header("connection"), ["upgrade"]);
    assert_eq!(header("sec-websocket-accept"), ["s3pplmbitxaq9kygzzhzrbk+xoo="]);
    let seen = server.last();
    assert_eq!(seen.folded("remote-user"), ["alice"]);
    assert!(seen.folded("x-remote-user").is_empty());
    assert_eq!(seen.folded("sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    // What looks like HTTP, refused HTTP too, is nobody's business here.
    for text in ["hello", "GET /# HTTP/1.1\r\n\r\n", "\u{1}\u{2}\n", "Content-Length: 1\r\n"] {
        assert_eq!(say(&mut connection, text), text.to_ascii_uppercase());
    }
    connection.finish_sending();
    assert!(connection.is_closed());
    // Attack (CVE-2026-71324): the connection goes back to the pool, and the next request is said
    // into what is left of the tunnel.
    let login = format!("Token {ALICE_KEY}");
    assert_eq!(gateway.get("/", &[("Authorization", &login)]).status, 200);
    assert_ne!(server.last().connection, seen.connection);
}

/// Attack (CVE-2026-2833): what follows the request is sent on before anybody has switched, so that
/// the upstream takes it for a request that nobody judged.
#[test]
fn nothing_passes_before_the_101() {
    let server = Server::ok();
    let gateway = before(&server);
    let mut connection = gateway.connect();
    let hidden = "GET /hidden/ HTTP/1.1\r\nHost: localhost\r\nRemote-User: admin\r\n\r\n";
    let fields = token();
    connection
        .send(format!("GET /ws/ HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{hidden}").as_bytes());
    assert_eq!(connection.receive(false).unwrap().status, 200);
    // It was a request like any other, and it had no credential.
    assert_eq!(connection.receive(false).unwrap().status, 403);
    assert_eq!(server.count(), 1);
    assert!(server.last().line().starts_with("GET /ws/"));
}

/// Attack: `h2c` (or whatever the upstream may know) is asked for; behind the 101 requests go to the
/// upstream that nobody judges. And an upstream that switches unasked, or to something else.
#[test]
fn only_websockets_are_passed_on() {
    let server = switching("websocket");
    let gateway = before(&server);
    let login = format!("Authorization: Token {ALICE_KEY}\r\n");
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: tls/1.2\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let (_, status, _) = ask(&gateway, &format!("{fields}{login}"));
        assert_eq!(status, 200, "{fields}");
        let seen = server.last();
        assert!(seen.folded("upgrade").is_empty(), "{fields} {}", seen.head);
        assert!(seen.folded("connection").is_empty() && seen.folded("http2-settings").is_empty());
    }
    for fields in ["Content-Length: 0\r\n", ""] {
        let asked = format!("{ASKED}{login}{fields}");
        let mut connection = gateway.connect();
        connection.send(format!("POST /ws/ HTTP/1.1\r\nHost: localhost\r\n{asked}\r\n").as_bytes());
        assert_eq!(connection.receive(false).unwrap().status, 200);
        assert!(server.last().folded("upgrade").is_empty(), "only a GET may ask");
    }
    let (_, status, _) = ask(&before(&switching("h2c")), &token());
    assert_eq!(status, 502);
}

/// Attack: the user is disabled, the token deleted, the password changed, and the tunnel that was
/// opened before stays open for days.
#[test]
fn a_tunnel_ends_with_what_opened_it() {
    for command in [&["user", "disable", "alice"][..], &["token", "delete", "alice"]] {
        let server = switching("websocket");
        let gateway = before(&server);
        let (mut connection, status, _) = ask(&gateway, &token());
        assert_eq!(status, 101);
        assert_eq!(say(&mut connection, "hello"), "HELLO");
        gateway.command(command);
        assert!(connection.is_closed(), "{command:?}");
    }
}

/// The rule: a tunnel does not keep a gateway from ending.
#[test]
fn a_tunnel_ends_with_the_gateway() {
    let server = switching("websocket");
    let mut gateway = before(&server);
    let (mut connection, _, _) = ask(&gateway, &token());
    assert_eq!(say(&mut connection, "hello"), "HELLO");
    gateway.signal("TERM");
    assert!(connection.is_closed());
    assert_eq!(gateway.ended(), Some(0));
}

/// Attack: cross-site WebSocket hijacking. A page of the attacker's opens a WebSocket; the browser
/// adds the victim's cookies, asks for no leave, and lets the page read what comes.
#[test]
fn another_site_s_page_cannot_use_the_cookie() {
    let server = switching("websocket");
    let gateway = before(&server);
    let mut browser = Browser::new(&gateway);
    browser.log_in("alice", PASSWORD);
    let cookie = format!("{ASKED}Cookie: sessionid={}\r\n", browser.session());
    let with =
        |fields: &str, origin: &str| ask(&gateway, &format!("{fields}Origin: {origin}\r\n")).1;
    assert_eq!(with(&cookie, "https://evil.example"), 403);
    assert_eq!(with(&cookie, "null"), 403);
    assert_eq!(with(&cookie, "http://localhost"), 101);
    // A token is not added by a browser: whoever has it may come from anywhere.
    assert_eq!(with(&token(), "https://evil.example"), 101);
    assert_eq!(ask(&gateway, ASKED).1, 403, "nobody");
    let key = Setup::new().start(&format!(
        "authentication: [{{ api_key: {{ cookie: ak, keys: [{{ service: partner, sha256: \"{}\" }}] }} }}]\n\
         permission: authenticated\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        portcullis::crypto::digest::sha256_hex(b"k1"),
        server.url()
    ));
    let with_key =
        |origin: &str| ask(&key, &format!("{ASKED}Cookie: ak=k1\r\nOrigin: {origin}\r\n")).1;
    assert_eq!(with_key("https://evil.example"), 403);
    assert_eq!(with_key("http://localhost"), 101);
}

/// The keys of two clients, and what they sign with.
const KEYS: [&str; 2] = ["robot-throwaway-key-0123456789ab", "other-throwaway-key-0123456789ab"];

/// A file in which the keys of these clients are good.
fn signed(server: &Server, ids: &[(&str, &str)]) -> String {
    let key = |(id, key): &(&str, &str)| format!("{{ id: {id}, key: {key} }}");
    let keys: Vec<_> = ids.iter().map(key).collect();
    format!(
        "secret_key: throwaway-secret-key-for-tests-0123456789\nauth_rate: 1000/min\n\
         cache: {{ ttl: 0s, negative_ttl: 0s }}\n\
         authentication: [session, {{ hawk: {{ keys: [{keys}] }} }}]\npermission: authenticated\n\
         routes:\n- {{ path: /, upstream: \"{url}\" }}\n\
         - {{ path: /ws/, throttle: [{{ user: 3/hour }}], upstream: \"{url}\" }}\n",
        keys = keys.join(", "),
        url = server.url()
    )
}

/// `Authorization` of a GET with a nonce of its own.
fn sign(target: &str, id: &str, key: &str) -> String {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed).to_string();
    let ts = Clock::system().now().seconds().to_string();
    let (host, port) = origin("localhost", false).unwrap();
    let message = Message {
        ts: &ts,
        nonce: &nonce,
        method: "GET",
        resource: resource(target),
        host,
        port,
        hash: None,
        ext: None,
        app: None,
        dlg: None,
    };
    let mac = message.mac(Kind::Header, &Key::new(Algorithm::Sha256, key.as_bytes()));
    format!(r#"Hawk id="{id}", ts="{ts}", nonce="{nonce}", mac="{mac}""#)
}

/// How often the gateway has looked for a credential that it may remember.
fn looked_up(gateway: &Gateway) -> u64 {
    let text = gateway.admin("/metrics").text();
    let counts = text.lines().filter(|line| line.starts_with("portcullis_cache_lookups_total"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Attack: a signature is good once, so a re-check of the tunnel that it opened must not ask for it
/// again; and a key that was taken away must not live on in such a tunnel. Neither re-checks nor
/// `explain` use up what requests do: nonces, the throttle, the counters of schemes.
#[test]
fn a_one_time_proof_holds_a_tunnel_as_long_as_its_key_is_there() {
    let server = switching("websocket");
    let setup = Setup::new().alice().user("bob", "x");
    let both = [("robot", KEYS[0]), ("other", KEYS[1])];
    let gateway = setup.start(&signed(&server, &both));
    // A session that is none: looking it up tells that the request is judged once more.
    let judged = "Cookie: sessionid=thereisnosuchsession000000000000\r\n";
    let proof = format!("Authorization: {}\r\n", sign("/ws/", "robot", KEYS[0]));
    let (_, authorization) = proof.trim_end().split_once(": ").unwrap();
    for _ in 0..2 {
        let foretold =
            Foretold::ask(&gateway, "GET", "/ws/", &[("Authorization", authorization)], b"");
        assert_eq!(foretold.admitted(), Some("robot"));
    }
    let (mut tunnel, status, _) = ask(&gateway, &format!("{ASKED}{judged}{proof}"));
    assert_eq!(status, 101);
    let kept = format!("{ASKED}Authorization: {}\r\n", sign("/", "other", KEYS[1]));
    let mut witness = gateway.connect();
    witness.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{kept}\r\n").as_bytes());
    assert_eq!(witness.head().unwrap().0, 101);
    until("the first re-check", || looked_up(&gateway) >= 2);
    for round in 0..10 {
        let before = looked_up(&gateway);
        // Whoever's revocation it is, all tunnels are asked again.
        gateway.command(&["user", ["disable", "enable"][round % 2], "bob"]);
        until("a re-check", || looked_up(&gateway) > before);
        assert_eq!(say(&mut tunnel, "hello"), "HELLO", "{round}");
    }
    let served = "portcullis_scheme_outcomes_total{scheme=\"hawk\",outcome=\"authenticated\"} 2\n";
    let metrics = gateway.admin("/metrics").text();
    assert!(metrics.contains(served), "each tunnel once\n{metrics}");
    assert_eq!(
        ask(&gateway, &format!("{ASKED}{proof}")).1,
        403,
        "it was used when the tunnel opened"
    );
    let again = || {
        let fresh = sign("/ws/", "robot", KEYS[0]);
        gateway.get("/ws/", &[("Authorization", &fresh)]).status
    };
    // Three an hour, of which the tunnel was one.
    assert_eq!([again(), again(), again()], [200, 200, 429]);
    gateway.setup.write(&signed(&server, &both[1..]));
    gateway.signal("HUP");
    assert!(tunnel.is_closed(), "its key is gone");
    assert_eq!(say(&mut witness, "hello"), "HELLO", "whose key is still there");
}
