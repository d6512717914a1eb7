//! A second reader of HTTP/1.1 (RFC 9112), plain and strict, over bytes that are all there: what
//! `framing` and `wire` hold the gateway against. It is no target.

/// A request as it stands on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// Names in small letters and in their order, since a map does not keep that of several; the
    /// values of one name as they came, without blanks around.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let fields = self.fields.iter().filter(|(known, _)| known == name.as_bytes());
        fields.map(|(_, value)| value.as_slice()).collect()
    }
}

/// The whole requests at the beginning of a connection, and how many bytes they are. What comes
/// after them is cut off, or no request.
pub(crate) fn requests(bytes: &[u8]) -> (Vec<Message>, usize) {
    let mut requests = Vec::new();
    let mut reader = Reader { bytes, place: 0 };
    let mut end = 0;
    while let Some(request) = reader.request() {
        requests.push(request);
        end = reader.place;
    }
    (requests, end)
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    /// Up to a line end: a line feed with or without a carriage return before it.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.place..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.place += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Up to a carriage return and line feed, as everywhere in a chunked body.
    fn strict_line(&mut self) -> Option<&'a [u8]> {
        let start = self.place;
        let line = self.line()?;
        (self.place - start == line.len() + 2).then_some(line)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.place..self.place.checked_add(length)?)?;
        self.place += length;
        Some(taken)
    }

    fn request(&mut self) -> Option<Message> {
        let mut line = self.line()?;
        // Empty lines before a request are passed over (section 2.2).
        while line.is_empty() {
            line = self.line()?;
        }
        let [method, target, version] =
            line.split(|byte| *byte == b' ').collect::<Vec<_>>().try_into().ok()?;
        let good = !target.is_empty() && target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
        if !is_token(method) || !good || target.contains(&b'#') || !version.starts_with(b"HTTP/1.")
        {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            fields.push(field(line)?);
        }
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut request =
            Message { method: method.into(), target: target.into(), fields, body: Vec::new() };
        request.body = self.body(&request)?;
        Some(request)
    }

    /// Section 6.3: one length, told in one way.
    fn body(&mut self, head: &Message) -> Option<Vec<u8>> {
        match (&*head.values("content-length"), &*head.values("transfer-encoding")) {
            ([], []) => Some(Vec::new()),
            ([length], []) => {
                let digits = length.iter().all(u8::is_ascii_digit);
                let length = std::str::from_utf8(length).ok().filter(|_| digits)?.parse().ok()?;
                self.take(length).map(<[u8]>::to_vec)
            }
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => self.chunks(),
            _ => None,
        }
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.strict_line()?;
            let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(self.take(size)?);
            (self.take(2)? == b"\r\n").then_some(())?;
        }
        loop {
            match self.strict_line()? {
                b"" => return Some(body),
                // Trailers: nobody reads them, but fields they are.
                line => drop(field(line)?),
            }
        }
    }
}

fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let good = value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    (is_token(name) && good).then(|| (name.to_ascii_lowercase(), value.to_vec()))
}

fn is_token(text: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(token)
}
