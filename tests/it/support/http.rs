//! HTTP/1.1 as bytes: what is sent is exactly what the test wrote.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::PATIENCE;

/// A response, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// It ended as its framing said it would.
    pub(crate) complete: bool,
}

impl Answer {
    /// The only value of a header; none if it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} stands there more than once: {values:?}");
        values.first().copied()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// A header as the echo upstream or Django received it.
    pub(crate) fn echoed(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["headers"].get(name).map(|value| value.as_str().unwrap().to_owned())
    }
}

/// A connection on which requests follow each other.
pub(crate) struct Connection(pub(crate) BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// A server that closes early is no failure here: its answer is what counts.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Sends in a thread of its own what the other side may never take.
    pub(crate) fn send_aside(&mut self, bytes: Vec<u8>) {
        let mut stream = self.0.get_ref().try_clone().unwrap();
        std::thread::spawn(move || stream.write_all(&bytes));
    }

    pub(crate) fn finish_sending(&mut self) {
        let _ = self.0.get_mut().shutdown(Shutdown::Write);
    }

    /// The next final response, or nothing if the connection ends before one.
    pub(crate) fn receive(&mut self, to_head: bool) -> Option<Answer> {
        loop {
            let (status, headers) = self.head()?;
            let mut answer = Answer { status, headers, body: Vec::new(), complete: true };
            if status < 200 && status != 101 {
                continue;
            }
            if !to_head && status >= 200 && status != 204 && status != 304 {
                answer.complete = self.body(&mut answer);
            }
            return Some(answer);
        }
    }

    /// A head alone, for tests that watch the body arrive.
    pub(crate) fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let version = first.strip_prefix("HTTP/1.1 ").or(first.strip_prefix("HTTP/1.0 "));
        let status = version.and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some((status, headers));
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Whether it ended as announced.
    fn body(&mut self, answer: &mut Answer) -> bool {
        if answer.values("transfer-encoding") == ["chunked"] {
            return self.chunks(&mut answer.body).is_some();
        }
        match answer.header("content-length") {
            Some(length) => {
                let length = length.parse().expect("a length");
                let _ = (&mut self.0).take(length).read_to_end(&mut answer.body);
                answer.body.len() as u64 == length
            }
            None => self.0.read_to_end(&mut answer.body).is_ok(),
        }
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let size = u64::from_str_radix(self.line()?.split(';').next()?, 16).ok()?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(());
            }
            let before = body.len() as u64;
            (&mut self.0).take(size).read_to_end(body).ok()?;
            if body.len() as u64 != before + size || !self.line()?.is_empty() {
                return None;
            }
        }
    }

    /// A line without its end; nothing if the connection ends first. Bytes are read as Latin-1.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer in time")
            }
            _ => {}
        }
        let line = line.strip_suffix(b"\r\n")?;
        Some(line.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Whether the other side has closed, once it is given time to.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
            || matches!(self.0.read(&mut [0]), Err(e) if e.kind() == ErrorKind::ConnectionReset)
    }
}

/// A request's bytes: a `Host` and whatever else is given, no more.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    if !body.is_empty() || method == "POST" {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// `Authorization: Basic`, encoded.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
