//! An upstream that keeps every byte it receives and answers whatever it is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Request line and fields, byte for byte (as Latin-1).
    pub(crate) head: String,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// Trailer fields.
    pub(crate) trailers: String,
    /// Which of the server's connections it came on, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "))
    }

    /// All values of a name, in the spelling that WSGI, CGI and ASGI servers fold names to.
    pub(crate) fn folded(&self, name: &str) -> Vec<&str> {
        let same = |(n, _): &(&str, &str)| fold(n) == fold(name);
        self.fields().filter(same).map(|(_, value)| value).collect()
    }
}

pub(crate) fn fold(name: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(fold).collect()
}

/// Both kinds of socket.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// What becomes of the connection.
pub(crate) enum Then {
    Keep,
    Close,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Answerer = dyn Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync;

impl Server {
    /// Answers every request with these bytes and keeps the connection.
    pub(crate) fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |_, wire| {
            let _ = wire.write_all(bytes);
            Then::Keep
        })
    }

    /// Answers 200 with `ok`.
    pub(crate) fn ok() -> Self {
        Self::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    pub(crate) fn start(
        answer: impl Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync + 'static,
    ) -> Self {
        let (listener, port) = listening();
        let accept = move || Some(Box::new(listener.accept().ok()?.0) as Box<dyn Wire>);
        Self { port, seen: serve(accept, answer) }
    }

    /// Ends its connections with RST, and not with FIN.
    pub(crate) fn start_resetting(
        answer: impl Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync + 'static,
    ) -> Self {
        let (listener, port) = listening();
        let accept = move || {
            let stream = listener.accept().ok()?.0;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok()?;
            Some(Box::new(stream) as Box<dyn Wire>)
        };
        Self { port, seen: serve(accept, answer) }
    }

    pub(crate) fn start_unix(
        path: &Path,
        answer: impl Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let accept = move || Some(Box::new(listener.accept().ok()?.0) as Box<dyn Wire>);
        Self { port: 0, seen: serve(accept, answer) }
    }

    /// Behind TLS, on 127.0.0.1.
    pub(crate) fn start_tls(
        config: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync + 'static,
    ) -> Self {
        let (listener, port) = listening();
        let accept = move || {
            let stream = listener.accept().ok()?.0;
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(rustls::StreamOwned::new(connection, stream)) as Box<dyn Wire>)
        };
        Self { port, seen: serve(accept, answer) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The newest request.
    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("the upstream was asked")
    }
}

fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Its threads end with the test process.
fn serve(
    mut accept: impl FnMut() -> Option<Box<dyn Wire>> + Send + 'static,
    answer: impl Fn(&Seen, &mut dyn Wire) -> Then + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Seen>>> {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let (record, answer): (_, Arc<Answerer>) = (Arc::clone(&seen), Arc::new(answer));
    thread::spawn(move || {
        for connection in 0.. {
            let Some(wire) = accept() else { break };
            let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
            thread::spawn(move || converse(wire, connection, &record, answer.as_ref()));
        }
    });
    seen
}

fn converse(wire: Box<dyn Wire>, connection: usize, record: &Mutex<Vec<Seen>>, answer: &Answerer) {
    let mut wire = BufReader::new(wire);
    while let Some(mut seen) = read(&mut wire) {
        seen.connection = connection;
        record.lock().unwrap().push(seen.clone());
        if let Then::Close = answer(&seen, wire.get_mut().as_mut()) {
            break;
        }
    }
}

/// One request, or nothing if the connection ends inside it.
fn read(wire: &mut impl BufRead) -> Option<Seen> {
    let mut seen = Seen { head: block(wire)?, ..Seen::default() };
    if seen.folded("transfer-encoding") == ["chunked"] {
        loop {
            let size = u64::from_str_radix(line(wire)?.trim_end(), 16).ok()?;
            if size == 0 {
                seen.trailers = block(wire)?;
                break;
            }
            wire.take(size).read_to_end(&mut seen.body).ok()?;
            line(wire)?;
        }
    } else if let Some(length) = seen.folded("content-length").first() {
        let length = length.parse().ok()?;
        wire.take(length).read_to_end(&mut seen.body).ok()?;
        if seen.body.len() as u64 != length {
            return None;
        }
    }
    Some(seen)
}

/// Lines up to an empty one.
fn block(wire: &mut impl BufRead) -> Option<String> {
    let mut block = String::new();
    loop {
        let next = line(wire)?;
        if next == "\r\n" {
            return Some(block);
        }
        block.push_str(&next);
    }
}

fn line(wire: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    wire.read_until(b'\n', &mut line).ok()?;
    line.ends_with(b"\r\n").then(|| line.iter().map(|byte| char::from(*byte)).collect())
}
