//! Where the gateway listens: on what kind of socket, opened by whom, and for how long.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use command_fds::{CommandFdExt, FdMapping};

use crate::support::{
    Gateway, PATIENCE, Setup,
    gateway::{free_port, portcullis},
    tls::{ask, authority, file, issue},
    until,
};

const ROUTES: &str = "permission: anyone\nroutes: [{ path: /, upstream: echo }]\n";
const REQUEST: &str = "GET /a?b HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n";

/// Writes a file with these listeners.
fn write(setup: &Setup, listen: &str, rest: &str) {
    let store = setup.database().display().to_string();
    let text =
        format!("listen: {listen}\nstore: {{ url: \"sqlite://{store}\", create: true }}\n{rest}");
    std::fs::write(setup.config(), text).unwrap();
}

fn start(setup: Setup, listen: &str, rest: &str) -> Gateway {
    write(&setup, listen, rest);
    Gateway::spawn(setup)
}

/// What is answered to these bytes.
fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> String {
    // Who is sent away at once may learn it here.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn tcp(port: u16, bytes: &[u8]) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, bytes)
}

/// The rule: a Unix socket serves like a port. One that a killed gateway has left is replaced; one
/// where another process listens, and a file that is none, are not.
#[test]
fn a_unix_socket_is_a_listener() {
    let setup = Setup::new();
    let path = setup.dir.0.join("gateway.sock");
    drop(UnixListener::bind(&path).unwrap());
    let listen = format!("[\"127.0.0.1:{}\", \"unix:{}\"]", setup.port, path.display());
    let gateway = start(setup, &listen, ROUTES);
    for _ in 0..4 {
        let answer = exchange(UnixStream::connect(&path).unwrap(), REQUEST.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"x-forwarded-for\": \"127.0.0.1\""), "{answer}");
    }
    let other = Setup::new();
    write(&other, &format!("\"unix:{}\"", path.display()), ROUTES);
    let output = portcullis(&other.config(), &["run"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process listens there"));
    drop(gateway);
    let plain = other.dir.0.join("plain");
    std::fs::write(&plain, "kept").unwrap();
    write(&other, &format!("\"unix:{}\"", plain.display()), ROUTES);
    let output = portcullis(&other.config(), &["run"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is a file of that name"));
    assert_eq!(std::fs::read(&plain).unwrap(), b"kept");
}

fn version_2(command: u8, source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, 0x11, 0, 12]);
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x1f, 0x90, 0x1f, 0x90]);
    header
}

/// The rule: what a listed load balancer says in the PROXY protocol is the client's address.
#[test]
fn the_proxy_protocol_tells_the_client() {
    let setup = Setup::new();
    let port = setup.port;
    let listen = format!("{{ address: \"127.0.0.1:{port}\", proxy_protocol: true }}");
    let _gateway = start(setup, &listen, &format!("trusted_proxies: [127.0.0.1]\n{ROUTES}"));
    let told = |header: &[u8]| {
        let answer = tcp(port, &[header, REQUEST.as_bytes()].concat());
        let value = answer.split_once("\"x-forwarded-for\": \"").map(|(_, rest)| rest);
        value.and_then(|rest| rest.split('"').next()).unwrap_or("nothing").to_owned()
    };
    assert_eq!(told(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 8080\r\n"), "192.0.2.7");
    assert_eq!(told(b"PROXY TCP6 2001:db8::7 ::1 4711 8080\r\n"), "2001:db8::7");
    assert_eq!(told(b"PROXY UNKNOWN\r\n"), "127.0.0.1");
    assert_eq!(told(&version_2(1, [192, 0, 2, 8])), "192.0.2.8");
    assert_eq!(told(&version_2(0, [192, 0, 2, 8])), "127.0.0.1", "a health check of its own");
    // Attack: whoever makes the balancer say nothing of them names another client.
    let forged = REQUEST.replace("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n");
    let answer = tcp(port, &[b"PROXY UNKNOWN\r\n", forged.as_bytes()].concat());
    assert!(answer.contains("\"x-forwarded-for\": \"127.0.0.1\""), "{answer}");
    for broken in [
        &b""[..],
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.777 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2 and a line that is too long for what the protocol allows, by far, in version 1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        assert_eq!(told(broken), "nothing", "{}", broken.escape_ascii());
    }
}

/// Attack: a client that reaches the port itself says that it is somebody else's.
#[test]
fn only_listed_peers_may_speak_the_proxy_protocol() {
    let setup = Setup::new();
    let port = setup.port;
    let listen = format!("{{ address: \"127.0.0.1:{port}\", proxy_protocol: true }}");
    let _gateway = start(setup, &listen, &format!("trusted_proxies: [192.0.2.1]\n{ROUTES}"));
    let forged = format!("PROXY TCP4 192.0.2.1 127.0.0.1 4711 8080\r\n{REQUEST}");
    assert_eq!(tcp(port, forged.as_bytes()), "");
    let nobody = Setup::new();
    write(&nobody, &listen, ROUTES);
    let output = portcullis(&nobody.config(), &["check"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no proxy may connect"));
}

/// The rule: plain HTTP is sent to HTTPS, and browsers are told to stay there. Attack
/// (CVE-2025-64101): with a `Host` of the attacker's own, the link would lead to them.
#[test]
fn plain_http_is_sent_to_https() {
    let setup = Setup::new();
    let (port, plain) = (setup.port, free_port());
    let authority = authority();
    let (certificate, key) = issue(&authority, "api.example");
    let certificate = file(&setup.dir.0, "own.pem", &certificate.pem());
    let key = file(&setup.dir.0, "own.key", &key.serialize_pem());
    let listen = format!(
        "[{{ address: \"127.0.0.1:{port}\", tls: {{ certificate: {certificate}, key: {key}, hsts: 365d }} }}, \
         {{ address: \"127.0.0.1:{plain}\", redirect: https }}]"
    );
    let _gateway = start(setup, &listen, ROUTES);
    let answer = tcp(plain, REQUEST.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains("location: https://api.example/a?b\r\n"), "{answer}");
    let forged = tcp(plain, REQUEST.replace("api.example", "evil.example").as_bytes());
    assert!(forged.starts_with("HTTP/1.1 421") && !forged.contains("location"), "{forged}");
    let answer = ask(port, &authority, None, "/", "").unwrap();
    assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");
}

/// The rule: a reload opens and closes listeners, and moves the admin pages; what cannot be had
/// changes nothing. Connections that are open stay.
#[test]
fn a_reload_changes_listeners() {
    let setup = Setup::new();
    let (first, second, admin) = (setup.port, free_port(), free_port());
    let at = |port: u16| format!("\"127.0.0.1:{port}\"");
    let gateway = start(setup, &at(first), ROUTES);
    let mut open = gateway.connect();
    let mut asks = || {
        open.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        open.receive(false).is_some_and(|answer| answer.status == 200)
    };
    assert!(asks());
    let there = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let list = format!("[{}, {}]", at(second), at(taken.local_addr().unwrap().port()));
    write(&gateway.setup, &list, ROUTES);
    gateway.signal("HUP");
    until("it says why not", || gateway.output().contains("cannot listen on"));
    assert!(there(first) && !there(second));

    let rest = format!("admin: \"127.0.0.1:{admin}\"\n{ROUTES}");
    write(&gateway.setup, &format!("[{}, {}]", at(first), at(second)), &rest);
    gateway.signal("HUP");
    until("it is open", || there(second) && there(admin));
    assert!(tcp(second, REQUEST.as_bytes()).starts_with("HTTP/1.1 200"));

    write(&gateway.setup, &at(second), ROUTES);
    gateway.signal("HUP");
    until("it is closed", || !there(first) && !there(admin));
    assert!(asks(), "what is open stays");
    assert!(tcp(second, REQUEST.as_bytes()).starts_with("HTTP/1.1 200"));
}

/// Attack: one client opens all connections that there are, and says nothing on them.
#[test]
fn one_client_does_not_take_all_connections() {
    let setup = Setup::new();
    let port = setup.port;
    let limits = "limits: { connections: 100, connections_per_client: 3 }";
    let _gateway = start(setup, &format!("\"127.0.0.1:{port}\""), &format!("{limits}\n{ROUTES}"));
    let from = |last: u8| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        TcpStream::from(socket)
    };
    let served = |last: u8| exchange(from(last), REQUEST.as_bytes()).starts_with("HTTP/1.1 200");
    let idle: Vec<_> = (0..3)
        .map(|_| {
            let mut kept = from(2);
            kept.write_all(b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n").unwrap();
            let mut answer = [0; 12];
            kept.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            kept
        })
        .collect();
    assert!(!served(2), "they are all taken");
    assert!(served(3), "another client");
    drop(idle);
    until("there is room again", || served(2));
}

/// The rule: a socket that systemd has opened is served; without one the start says so.
#[test]
fn sockets_come_from_systemd() {
    let setup = Setup::new();
    write(&setup, "systemd", ROUTES);
    let output = portcullis(&setup.config(), &["run"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such socket was passed"));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["run", "--config"]).arg(setup.config()).env("LISTEN_FDS", "1");
    command.fd_mappings(vec![FdMapping { parent_fd: socket.into(), child_fd: 3 }]).unwrap();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answers: Vec<_> = (0..4).map(|_| tcp(port, REQUEST.as_bytes())).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
}

/// The rule: the binary that stands there is started, also where another was put in its place; and
/// one at a time, which is told if it ends without having taken over.
#[test]
fn a_new_binary_is_started_once() {
    let setup = Setup::new();
    write(&setup, &format!("\"127.0.0.1:{}\"", setup.port), ROUTES);
    let binary = setup.dir.0.join("portcullis");
    let install = || {
        let new = setup.dir.0.join("new");
        std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &new).unwrap();
        std::fs::rename(new, &binary).unwrap();
    };
    install();
    let log = std::fs::File::create(setup.dir.0.join("log")).unwrap();
    let mut command = Command::new(&binary);
    command.args(["run", "--config"]).arg(setup.config()).current_dir(&setup.dir.0);
    let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let logged = || std::fs::read_to_string(setup.dir.0.join("log")).unwrap();
    let signal = |process: &str, name: &str| {
        assert!(Command::new("kill").args([name, process]).status().unwrap().success());
    };
    let process = child.id().to_string();
    until("it serves", || logged().contains(" serving "));
    let good = std::fs::read(setup.config()).unwrap();
    std::fs::write(setup.config(), "nonsense").unwrap();
    install();
    signal(&process, "-USR2");
    until("it is told", || logged().contains("the other process has ended: this one goes on"));
    std::fs::write(setup.config(), good).unwrap();
    signal(&process, "-USR2");
    signal(&process, "-USR2");
    let ended = child.wait().unwrap();
    let text = logged();
    let after = text.rsplit("process=").next().and_then(|rest| rest.split_whitespace().next());
    signal(after.unwrap(), "-TERM");
    assert!(ended.success(), "{text}");
    assert_eq!(text.matches("a new process starts and takes over").count(), 2, "{text}");
    until("the one after ends too", || TcpStream::connect(("127.0.0.1", setup.port)).is_err());
}

/// The rule: on SIGUSR2 a process of the newest binary takes over the sockets, and the one before
/// ends; no request under way or on its way is lost.
#[test]
fn another_process_takes_over() {
    let mut gateway = Setup::new().start(ROUTES);
    let port = gateway.setup.port;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = tcp(port, REQUEST.as_bytes());
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    until("they ask", || asked.load(Ordering::Relaxed) > 50);
    gateway.signal("USR2");
    assert_eq!(gateway.ended(), Some(0), "the one before ends");
    let before = asked.load(Ordering::Relaxed);
    until("they still ask", || asked.load(Ordering::Relaxed) > before + 50);
    stop.store(true, Ordering::Relaxed);
    let lost = clients.into_iter().filter_map(|client| client.join().err()).count();
    let output = gateway.output();
    let after = output.split("process=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Command::new("kill").arg(after.unwrap()).status().unwrap();
    until("the one after ends too", || TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(lost, 0);
}
