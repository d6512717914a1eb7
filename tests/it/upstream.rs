//! Between gateway and upstream: what an upstream does wrong becomes the right status, bodies
//! stream both ways, and nothing is sent twice that may have been done once.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::support::{
    Gateway, PASSWORD, Server, Setup, basic,
    gateway::free_port,
    server::{Seen, Then, Wire},
    until,
};

fn before(server: &str) -> Gateway {
    let routes = format!("permission: anyone\nroutes: [{{ path: /, upstream: {server} }}]\n");
    Gateway::start(&routes)
}

fn quoted(server: &Server) -> String {
    format!("\"{}\"", server.url())
}

/// The rule: an upstream that is not there is 502, and the client learns neither its address nor
/// more. The gateway goes on.
#[test]
fn an_upstream_that_refuses_is_502() {
    let port = free_port();
    let gateway = before(&format!("\"http://127.0.0.1:{port}\""));
    for method in ["GET", "POST"] {
        let answer = gateway.send(method, "/", &[], b"");
        assert_eq!(answer.status, 502, "{method}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let text = answer.text();
        assert!(text.starts_with("{\"detail\":") && !text.contains(&port.to_string()), "{text}");
    }
    assert_eq!(before("\"unix:/nowhere/app.sock\"").get("/", &[]).status, 502);
}

/// Attack: an upstream's answer that is no HTTP, or that two readers
/// end at different places, is passed on.
#[test]
fn an_answer_that_is_none_is_502() {
    let answers: &[&[u8]] = &[
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent_Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ];
    let mut wrong = Vec::new();
    for bytes in answers {
        let server = Server::start(|_, wire| {
            let _ = wire.write_all(bytes);
            Then::Close
        });
        let gateway = before(&quoted(&server));
        let mut connection = gateway.connect();
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let status = connection.head().map(|(status, _)| status);
        if status != Some(502) {
            wrong.push((status, String::from_utf8_lossy(bytes)));
        }
    }
    assert!(wrong.is_empty(), "not 502: {wrong:#?}");
}

/// The rule: an upstream that is silent is 504, told apart from one that is broken.
#[test]
fn a_silent_upstream_is_504() {
    let (_hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_, _| {
        let _ = held.lock().unwrap().recv();
        Then::Close
    });
    let gateway = before(&format!("{{ servers: [{}], response_timeout: 300ms }}", quoted(&server)));
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.status, 504);
    assert!(answer.text().starts_with("{\"detail\":"), "{}", answer.text());
    assert_eq!(server.count(), 1, "it was not asked twice");
}

/// Attack: a body that stops, or of which a byte comes now and then, holds a connection to the upstream
/// for as long as the client likes. Whoever is silent for `idle_timeout` ends it: a client is told 408, and
/// an upstream that takes nothing is 504.
#[test]
fn a_body_that_stops_is_ended_by_idle_timeout() {
    let (_hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let reader = Server::ok();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("\"http://{}\"", listener.local_addr().unwrap());
    thread::spawn(move || {
        let connections: Vec<_> = listener.incoming().take(2).collect();
        let _ = held.lock().unwrap().recv();
        drop(connections);
    });
    for (server, length, sent, status) in
        [(quoted(&reader), 10, 2, 408), (deaf, 64 << 20, 64 << 20, 504)]
    {
        let gateway = before(&format!(
            "{{ servers: [{server}], idle_timeout: 400ms, response_timeout: 30s }}"
        ));
        let mut connection = gateway.connect();
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        connection.send(head.as_bytes());
        connection.send_aside(vec![b'x'; sent]);
        let answer = connection.receive(false).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

/// Attack: an answer that the upstream broke off looks whole to the client,
/// which keeps half a document.
#[test]
fn a_cut_answer_looks_cut() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\nzz\r\n",
    ] {
        let server = Server::start(move |_, wire| {
            let _ = wire.write_all(bytes);
            Then::Close
        });
        let gateway = before(&quoted(&server));
        let mut connection = gateway.connect();
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = connection.receive(false);
        let cut = answer.as_ref().is_none_or(|answer| answer.status == 502 || !answer.complete);
        assert!(cut, "{answer:?}");
        assert!(connection.is_closed());
    }
}

/// The rule: the first bytes of an answer reach the client while the upstream still writes.
#[test]
fn answers_stream() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::start(move |_, wire| {
        let _ =
            wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        // Nothing more until the client has seen it.
        gone.lock().unwrap().recv().unwrap();
        let _ = wire.write_all(b"4\r\nlast\r\n0\r\n\r\n");
        Then::Keep
    });
    let gateway = before(&quoted(&server));
    let mut connection = gateway.connect();
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.head().unwrap().0, 200);
    let mut first = [0; 10];
    connection.0.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
    go.send(()).unwrap();
    let mut rest = [0; 14];
    connection.0.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"4\r\nlast\r\n0\r\n\r\n");
}

/// The rule: the first bytes of a body reach the upstream while the client still writes.
#[test]
fn requests_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("\"http://127.0.0.1:{}\"", listener.local_addr().unwrap().port());
    let (seen, was_seen) = mpsc::channel();
    let upstream = thread::spawn(move || {
        let mut wire = BufReader::new(listener.accept().unwrap().0);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            wire.read_line(&mut line).unwrap();
        }
        let mut half = [0; 5];
        wire.read_exact(&mut half).unwrap();
        seen.send(half).unwrap();
        wire.read_exact(&mut half).unwrap();
        seen.send(half).unwrap();
        wire.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let gateway = before(&url);
    let mut connection = gateway.connect();
    connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst");
    let patience = Duration::from_secs(10);
    assert_eq!(&was_seen.recv_timeout(patience).expect("half a body reaches it"), b"first");
    connection.send(b"later");
    assert_eq!(&was_seen.recv_timeout(patience).unwrap(), b"later");
    assert_eq!(connection.receive(false).unwrap().status, 200);
    upstream.join().unwrap();
}

/// The rule: bodies of any size pass unchanged, with a length and in chunks, both ways.
#[test]
fn large_bodies_pass_unchanged() {
    let server = Server::start(|seen, wire| {
        let _ = write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.body.len());
        let _ = wire.write_all(&seen.body);
        Then::Keep
    });
    let gateway = before(&quoted(&server));
    let body: Vec<u8> = (0..8_000_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    let answer = gateway.send("PUT", "/", &[], &body);
    assert!(answer.complete && answer.body == body, "{} bytes", answer.body.len());
    assert_eq!(server.last().folded("content-length"), ["8000000"]);

    let mut chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(65_521) {
        chunked.extend(format!("{:X};extension=1\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let mut connection = gateway.connect();
    let mut sender = connection.0.get_ref().try_clone().unwrap();
    let sending = thread::spawn(move || sender.write_all(&chunked).unwrap());
    let answer = connection.receive(false).unwrap();
    sending.join().unwrap();
    assert!(answer.complete && answer.body == body, "{} bytes", answer.body.len());
}

/// Attack: an upstream closes a kept connection at the moment it is used. A
/// bodiless safe request is sent again, once; a POST may have been done and is not.
#[test]
fn a_keep_alive_race_repeats_a_get_and_never_a_post() {
    race(|answer| Server::start(answer));
}

/// The same, of an upstream that ends its connections with RST, as one does that has closed them with
/// something unread.
#[test]
fn a_keep_alive_race_with_a_reset_is_no_other() {
    race(|answer| Server::start_resetting(answer));
}

type Answerer = Box<dyn Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync>;

fn race(start: impl Fn(Answerer) -> Server) {
    for (method, status, seen) in [
        ("GET", 200, 2),
        ("HEAD", 200, 2),
        ("POST", 502, 1),
        ("PUT", 502, 1),
        ("DELETE", 502, 1),
        ("PATCH", 502, 1),
    ] {
        let served = Mutex::new(HashMap::<usize, usize>::new());
        let server = start(Box::new(move |seen, wire| {
            let mut served = served.lock().unwrap();
            let times = served.entry(seen.connection).or_default();
            *times += 1;
            if *times > 1 {
                return Then::Close;
            }
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            Then::Keep
        }));
        let gateway = before(&quoted(&server));
        // One connection here is one worker there, and so one pool.
        let mut connection = gateway.connect();
        connection.send(b"GET /prime HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.receive(false).unwrap().status, 200);
        let head = format!("{method} /race HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        connection.send(head.as_bytes());
        assert_eq!(connection.receive(method == "HEAD").unwrap().status, status, "{method}");
        let times = server.all().iter().filter(|seen| seen.line().contains("/race")).count();
        assert_eq!(times, seen, "{method}");
    }
}

/// The rule: a server that ends each connection after its answer, and does not say so, as uWSGI's
/// `http-socket` does, loses two requests and no more; and its connections are kept again once they last.
#[test]
fn connections_that_do_not_last_are_not_kept() {
    let (served, lasting) =
        (Mutex::new(HashMap::<usize, usize>::new()), Arc::new(AtomicBool::new(false)));
    let lasts = Arc::clone(&lasting);
    let server = Server::start(move |seen, wire| {
        let mut served = served.lock().unwrap();
        let times = served.entry(seen.connection).or_default();
        *times += 1;
        if *times > 1 && !lasts.load(Ordering::Relaxed) {
            return Then::Close;
        }
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Keep
    });
    let gateway = before(&quoted(&server));
    let mut connection = gateway.connect();
    let mut post = || {
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        connection.receive(false).unwrap().status
    };
    let statuses: Vec<u16> = (0..20).map(|_| post()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
    assert!(statuses.iter().skip(4).all(|status| *status == 200), "{statuses:?}");

    lasting.store(true, Ordering::Relaxed);
    assert!((0..100).all(|_| post() == 200));
    let known = server.all().last().unwrap().connection;
    assert!((0..9).all(|_| post() == 200));
    assert_eq!(server.all().last().unwrap().connection, known, "one is used again");
}

/// The rule: a kept connection that died while idle costs no request, whatever its method.
#[test]
fn a_dead_idle_connection_is_not_used() {
    let server = Server::start(|_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Close
    });
    let gateway = before(&quoted(&server));
    let mut connection = gateway.connect();
    for number in 0..50 {
        let head = format!("POST /{number} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        connection.send(head.as_bytes());
        assert_eq!(connection.receive(false).unwrap().status, 200, "{number}");
        // The upstream's close is on its way; what comes first is no race but an answer ended.
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(server.count(), 50);
}

/// The rule: an upstream on a Unix socket.
#[test]
fn a_unix_socket_is_an_upstream() {
    let setup = Setup::new().alice();
    let path = setup.dir.0.join("app.sock");
    let server = Server::start_unix(&path, |_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix");
        Then::Keep
    });
    let gateway = setup.start(&format!(
        "authentication: [basic]\nroutes: [{{ path: /, upstream: \"unix:{}\" }}]\n",
        path.display()
    ));
    let answer = gateway.get("/x", &[("Authorization", &basic("alice", PASSWORD))]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "unix"));
    let seen = server.last();
    assert_eq!(seen.folded("remote-user"), ["alice"]);
    assert_eq!(seen.folded("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.folded("host"), ["localhost"]);
}

/// The rule: a server that cannot be connected to has seen nothing; the next one is asked.
#[test]
fn the_next_server_is_asked_where_one_is_down() {
    let server = Server::ok();
    let dead = free_port();
    let gateway =
        before(&format!("{{ servers: [\"http://127.0.0.1:{dead}\", {}] }}", quoted(&server)));
    for method in ["GET", "POST", "GET", "POST"] {
        assert_eq!(gateway.send(method, "/", &[], b"").status, 200, "{method}");
    }
    assert_eq!(server.count(), 4);
}

/// The rule: an answer arrives as it was sent, but for the fields of the connection behind.
#[test]
fn answers_pass_as_they_are() {
    let gateway_answer = |bytes: &'static [u8], method: &str| {
        let server = Server::answering(bytes);
        let gateway = before(&quoted(&server));
        gateway.send(method, "/", &[], b"")
    };
    let answer = gateway_answer(
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Own realm=\"x\"\r\nSet-Cookie: a=1\r\n\
          Set-Cookie: b=2\r\nX-Latin: \xe9\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
          Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nno",
        "GET",
    );
    assert_eq!((answer.status, answer.text().as_str()), (401, "no"));
    assert_eq!(answer.header("www-authenticate"), Some("Own realm=\"x\""));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.header("x-latin"), Some("é"));
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let answer = gateway_answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let answer = gateway_answer(b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "GET");
    assert_eq!((answer.status, answer.header("x")), (204, Some("y")));
    let answer = gateway_answer(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "GET");
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"x\"")));
    let answer = gateway_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HEAD");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("1234")));
}

/// Attack: a client goes away in the middle of its body, and the upstream takes half for whole.
#[test]
fn a_client_that_breaks_off_is_not_finished_by_the_gateway() {
    let server = Server::ok();
    let gateway = before(&quoted(&server));
    for head in [
        "POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /half HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let mut connection = gateway.connect();
        connection.send(head.as_bytes());
        connection.finish_sending();
        let answer = connection.receive(false);
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, None | Some(400..=499)), "{status:?} blames the upstream");
    }
    assert_eq!(gateway.get("/whole", &[]).status, 200);
    until("only the whole request arrived", || server.count() == 1);
    assert_eq!(server.last().line(), "GET /whole HTTP/1.1");
}

/// The rule: a redirect of the gateway's own asks for the same credential as any route.
#[test]
fn a_redirect_is_behind_the_policy() {
    let gateway = Gateway::start(
        "authentication: [basic]\npermission: authenticated\nroutes:\n\
         - { path: /old/, redirect: https://api.example.com/new/ }\n",
    );
    assert_eq!(gateway.get("/old/", &[]).status, 401);
    let answer = gateway.get("/old/", &[("Authorization", &basic("alice", PASSWORD))]);
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, Some("https://api.example.com/new/"))
    );
}
