//! The one reading of a request target. What is matched and judged is the decoded path; what is
//! sent on is the target byte for byte; so every spelling that an upstream could decode to another
//! path than we did is refused here.

use std::{borrow::Cow, fmt};

use hyper::http::uri::PathAndQuery;

/// A path and query that can be read in one way only.
#[derive(Clone, Debug)]
pub struct Target {
    raw: PathAndQuery,
    /// What a route must allow, each of it, before this target is served.
    pub ambiguities: Vec<Ambiguity>,
}

/// Why a path can be read in two ways. The last four are refused only where the route does not
/// allow them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguity {
    /// `.` or `..`, plain or encoded.
    DotSegment,
    /// `\` or `%5c`.
    Backslash,
    /// A control byte, plain or encoded, or a byte outside ASCII.
    Control,
    /// `%` without two hexadecimal digits.
    BadPercent,
    /// A letter or digit written as `%41`: its only use is to slip past a rule.
    NeedlessEncoding,
    /// `%2f`.
    EncodedSlash,
    /// `%25`: a second decoding would give another path.
    EncodedPercent,
    /// `//`.
    DoubleSlash,
    /// `;` or `%3b`: path parameters to some servers, text to others.
    Semicolon,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ambiguity::DotSegment => "dot segments",
            Ambiguity::Backslash => "a backslash",
            Ambiguity::Control => "a byte that must be percent-encoded",
            Ambiguity::BadPercent => "a percent sign without two hexadecimal digits",
            Ambiguity::NeedlessEncoding => "a letter or digit that is percent-encoded",
            Ambiguity::EncodedSlash => "an encoded slash",
            Ambiguity::EncodedPercent => "an encoded percent sign",
            Ambiguity::DoubleSlash => "two slashes in a row",
            Ambiguity::Semicolon => "a semicolon",
        })
    }
}

impl Target {
    /// Reads a target that starts with a slash.
    ///
    /// # Errors
    /// What no route can allow.
    pub fn new(raw: PathAndQuery) -> Result<Self, Ambiguity> {
        let ambiguities = examine(raw.path().as_bytes())?;
        Ok(Self { raw, ambiguities })
    }

    /// The path as sent.
    pub fn path(&self) -> &str {
        self.raw.path()
    }

    /// The query as sent, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.raw.query()
    }

    /// Every path that a server could read this one as: it decodes once or twice, and before,
    /// between and after that it takes slashes in a row for one, cuts parameters off, resolves
    /// dots, takes a backslash for a slash or a NUL for the end; all of it, some or nothing, in any
    /// order.
    pub fn readings(&self) -> Vec<Vec<u8>> {
        let mut readings = vec![(self.path().as_bytes().to_vec(), 0)];
        let mut place = 0;
        while let Some((path, decodings)) = readings.get(place).cloned() {
            place += 1;
            let mut next: Vec<_> = STEPS.iter().map(|step| (step(&path), decodings)).collect();
            if decodings < 2 {
                next.push((decode_bytes(&path), decodings + 1));
            }
            for reading in next {
                if !readings.contains(&reading) {
                    readings.push(reading);
                }
            }
        }
        readings.into_iter().filter(|(_, decodings)| *decodings > 0).map(|(path, _)| path).collect()
    }

    /// What goes upstream: what came.
    pub fn raw(&self) -> &PathAndQuery {
        &self.raw
    }

    /// [`Self::raw`], where the rest is not needed any longer.
    pub fn into_raw(self) -> PathAndQuery {
        self.raw
    }
}

type Step = fn(&[u8]) -> Vec<u8>;

/// What servers do to a path before they look for what stands there; see [`Target::readings`].
const STEPS: [Step; 5] = [
    |path| {
        let mut path = path.to_vec();
        path.dedup_by(|a, b| (*a, *b) == (b'/', b'/'));
        path
    },
    |path| {
        let plain =
            |segment: &[u8]| segment.split(|b| *b == b';').next().unwrap_or_default().to_vec();
        path.split(|byte| *byte == b'/').map(plain).collect::<Vec<_>>().join(&b'/')
    },
    |path| {
        let (mut kept, mut is_folder) = (Vec::new(), false);
        for segment in path.split(|byte| *byte == b'/') {
            is_folder = matches!(segment, b"." | b"..");
            if segment == b".." {
                kept.truncate(kept.len().saturating_sub(1).max(1));
            } else if segment != b"." {
                kept.push(segment);
            }
        }
        if is_folder {
            kept.push(b"");
        }
        kept.join(&b'/')
    },
    |path| path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect(),
    |path| path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
];

/// The path as the application behind will see it (WSGI's `PATH_INFO`).
pub fn decode(path: &str) -> Cow<'_, [u8]> {
    if !path.contains('%') {
        return Cow::Borrowed(path.as_bytes());
    }
    Cow::Owned(decode_bytes(path.as_bytes()))
}

fn decode_bytes(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let digits = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => hex(*high).zip(hex(*low)).map(|both| (both, tail)),
            _ => None,
        };
        match digits {
            Some(((high, low), tail)) => {
                decoded.push(high << 4 | low);
                rest = tail;
            }
            None => decoded.push(*byte),
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The first thing no route can allow, or else all that a route can.
fn examine(path: &[u8]) -> Result<Vec<Ambiguity>, Ambiguity> {
    let mut soft = Vec::new();
    let mut segment_is_dots = true;
    let mut segment_length = 0_usize;
    let mut previous = 0;
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let mut byte = *byte;
        let encoded = byte == b'%';
        if encoded {
            let [high, low, tail @ ..] = tail else { return Err(Ambiguity::BadPercent) };
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                return Err(Ambiguity::BadPercent);
            };
            rest = tail;
            byte = high << 4 | low;
        }
        match byte {
            b'\\' => return Err(Ambiguity::Backslash),
            0..=0x1f | 0x7f => return Err(Ambiguity::Control),
            0x80.. | b' ' | b'"' | b'<' | b'>' | b'#' | b'?' if !encoded => {
                return Err(Ambiguity::Control);
            }
            b'/' if encoded => soft.push(Ambiguity::EncodedSlash),
            b'/' if previous == b'/' => soft.push(Ambiguity::DoubleSlash),
            b'%' => soft.push(Ambiguity::EncodedPercent),
            b';' => soft.push(Ambiguity::Semicolon),
            _ if encoded && byte.is_ascii_alphanumeric() => {
                return Err(Ambiguity::NeedlessEncoding);
            }
            _ => {}
        }
        // A parameter after dots (`..;x`) is a dot segment to the servers that strip parameters.
        if matches!(byte, b'/' | b';') {
            if segment_is_dots && (1..=2).contains(&segment_length) {
                return Err(Ambiguity::DotSegment);
            }
            (segment_is_dots, segment_length) = (byte == b'/', 0);
        } else {
            segment_is_dots &= byte == b'.';
            segment_length += 1;
        }
        previous = byte;
    }
    if segment_is_dots && (1..=2).contains(&segment_length) {
        return Err(Ambiguity::DotSegment);
    }
    Ok(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Vec<Ambiguity>, Ambiguity> {
        examine(path.as_bytes())
    }

    /// Attack (CVE-2026-33494, CVE-2021-43557, CVE-2025-66490 and many more): a path that the
    /// gateway matches as public and the upstream decodes to a protected one.
    #[test]
    fn paths_that_two_readers_read_differently_are_refused() {
        for path in
            ["/a/../b", "/..", "/a/.", "/%2e%2e/b", "/.%2E/b", "/a/..;/b", "/a/%2e;x/b", "/./a"]
        {
            assert_eq!(read(path), Err(Ambiguity::DotSegment), "{path}");
        }
        for path in ["/a\\b", "/a%5cb", "/%5C..%5C"] {
            assert_eq!(read(path), Err(Ambiguity::Backslash), "{path}");
        }
        for path in ["/a%00", "/a%0d%0ab", "/\u{e9}", "/a b", "/a#b", "/%7f"] {
            assert_eq!(read(path), Err(Ambiguity::Control), "{path}");
        }
        for path in ["/%", "/%2", "/%zz", "/a%u0041"] {
            assert_eq!(read(path), Err(Ambiguity::BadPercent), "{path}");
        }
        assert_eq!(read("/%61dmin/"), Err(Ambiguity::NeedlessEncoding));
        assert_eq!(read("/a%2fb"), Ok(vec![Ambiguity::EncodedSlash]));
        assert_eq!(read("/a%252e"), Ok(vec![Ambiguity::EncodedPercent]));
        assert_eq!(read("//a"), Ok(vec![Ambiguity::DoubleSlash]));
        assert_eq!(read("/a;b=c/d"), Ok(vec![Ambiguity::Semicolon]));
        assert_eq!(read("/a%3bb"), Ok(vec![Ambiguity::Semicolon]));
        assert_eq!(read("/a%2fb;c"), Ok(vec![Ambiguity::EncodedSlash, Ambiguity::Semicolon]));
    }

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/api/",
            "/a.b/...c",
            "/.well-known/x",
            "/caf%C3%A9/",
            "/~u/%7Eu",
            "/a,b:c@d!$&'()*+=",
        ] {
            assert_eq!(read(path), Ok(vec![]), "{path}");
        }
        assert_eq!(decode("/caf%C3%A9").as_ref(), "/café".as_bytes());
    }
}
