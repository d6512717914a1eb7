//! JSON as Python's `json` module reads it, with its words for what is wrong: they are part of the
//! contract of DRF's pages. Nothing else in the gateway reads JSON with this.

/// A value; of numbers only the digits, of arrays only that they are such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Its digits.
    Number(String),
    /// A text, and a surrogate of it that stands alone, which UTF-8 cannot hold.
    Text {
        /// The text.
        text: String,
        /// The surrogate.
        surrogate: Option<u32>,
    },
    /// A list.
    Array,
    /// Names and values in order; a name may stand there twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A text.
    pub fn text(text: &str) -> Self {
        Json::Text { text: text.to_owned(), surrogate: None }
    }

    /// What Python calls it.
    pub fn python_type(&self) -> &'static str {
        match self {
            Json::Null => "NoneType",
            Json::Bool(_) => "bool",
            Json::Number(digits) if digits.contains(['.', 'e', 'E']) => "float",
            Json::Number(_) => "int",
            Json::Text { .. } => "str",
            Json::Array => "list",
            Json::Object(_) => "dict",
        }
    }
}

/// Reads a whole document.
///
/// # Errors
/// Python's text for what is wrong.
pub fn parse(bytes: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| undecodable(bytes, error))?;
    let characters: Vec<char> = text.chars().collect();
    let mut reader = Reader { characters: &characters, place: 0 };
    if reader.peek() == Some('\u{feff}') {
        return Err(reader.error("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    reader.blanks();
    let value = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("Extra data", reader.place)),
    }
}

fn undecodable(bytes: &[u8], error: std::str::Utf8Error) -> String {
    let start = error.valid_up_to();
    let first = bytes.get(start).copied().unwrap_or_default();
    let (length, reason) = match error.error_len() {
        None => (bytes.len() - start, "unexpected end of data"),
        Some(length) if !(0xc2..=0xf4).contains(&first) => (length, "invalid start byte"),
        Some(length) => (length, "invalid continuation byte"),
    };
    match length {
        1 => format!("'utf-8' codec can't decode byte 0x{first:02x} in position {start}: {reason}"),
        more => {
            let end = start + more - 1;
            format!("'utf-8' codec can't decode bytes in position {start}-{end}: {reason}")
        }
    }
}

struct Reader<'a> {
    characters: &'a [char],
    place: usize,
}

/// Deeper documents are refused; Python would run out of stack.
const DEEPEST: usize = 64;

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.place).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.place += 1;
        }
    }

    fn error(&self, message: &str, place: usize) -> String {
        let before = self.characters.get(..place).unwrap_or(self.characters);
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        format!("{message}: line {line} column {column} (char {place})")
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.characters.get(self.place..).unwrap_or_default();
        let found = rest.len() >= word.len() && word.chars().zip(rest).all(|(a, b)| a == *b);
        self.place += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEEPEST {
            return Err(self.error("Too many nested values", self.place));
        }
        match self.peek() {
            Some('"') => self.string(),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('-' | '0'..='9') => self.number(),
            _ => self.constant(),
        }
    }

    fn constant(&mut self) -> Result<Json, String> {
        for (word, value) in
            [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.word(word) {
                return Ok(value);
            }
        }
        for word in ["NaN", "Infinity", "-Infinity"] {
            if self.word(word) {
                return Err(format!("Out of range float values are not JSON compliant: '{word}'"));
            }
        }
        Err(self.error("Expecting value", self.place))
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.place;
        let digits = |reader: &mut Self| {
            let from = reader.place;
            while matches!(reader.peek(), Some('0'..='9')) {
                reader.place += 1;
            }
            reader.place > from
        };
        let sign = self.word("-");
        let whole = if self.word("0") { true } else { digits(self) };
        if !whole {
            self.place = start;
            return if sign { self.constant() } else { Err(self.error("Expecting value", start)) };
        }
        let mut end = self.place;
        if self.word(".") && digits(self) {
            end = self.place;
        }
        self.place = end;
        if (self.word("e") || self.word("E")) && {
            let _ = self.word("+") || self.word("-");
            digits(self)
        } {
            end = self.place;
        }
        self.place = end;
        let digits = self.characters.get(start..end).unwrap_or_default();
        Ok(Json::Number(digits.iter().collect()))
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.place += 1;
        self.blanks();
        if self.word("]") {
            return Ok(Json::Array);
        }
        loop {
            self.value(depth + 1)?;
            self.blanks();
            if self.word("]") {
                return Ok(Json::Array);
            }
            if !self.word(",") {
                return Err(self.error("Expecting ',' delimiter", self.place));
            }
            self.blanks();
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        let mut fields = Vec::new();
        self.place += 1;
        self.blanks();
        if self.word("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            if self.peek() != Some('"') {
                let message = "Expecting property name enclosed in double quotes";
                return Err(self.error(message, self.place));
            }
            let Json::Text { text: key, .. } = self.string()? else { continue };
            self.blanks();
            if !self.word(":") {
                return Err(self.error("Expecting ':' delimiter", self.place));
            }
            self.blanks();
            fields.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.word("}") {
                return Ok(Json::Object(fields));
            }
            if !self.word(",") {
                return Err(self.error("Expecting ',' delimiter", self.place));
            }
            self.blanks();
        }
    }

    fn string(&mut self) -> Result<Json, String> {
        let start = self.place;
        let (mut text, mut surrogate) = (String::new(), None);
        self.place += 1;
        loop {
            let character = self.peek();
            self.place += 1;
            match character {
                None => return Err(self.error("Unterminated string starting at", start)),
                Some('"') => return Ok(Json::Text { text, surrogate }),
                Some('\\') => match self.escape(start)? {
                    Ok(character) => text.push(character),
                    Err(lone) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        surrogate = surrogate.or(Some(lone));
                    }
                },
                Some(control) if control < ' ' => {
                    return Err(self.error("Invalid control character at", self.place - 1));
                }
                Some(other) => text.push(other),
            }
        }
    }

    /// A character, or a surrogate that stands alone.
    fn escape(&mut self, start: usize) -> Result<Result<char, u32>, String> {
        let letter = self.peek();
        self.place += 1;
        Ok(Ok(match letter {
            None => return Err(self.error("Unterminated string starting at", start)),
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(),
            Some(_) => return Err(self.error("Invalid \\escape", self.place - 2)),
        }))
    }

    fn unicode(&mut self) -> Result<Result<char, u32>, String> {
        let first = self.four_digits()?;
        if (0xd800..0xdc00).contains(&first) {
            let back = self.place;
            if self.word("\\u") {
                let second = self.four_digits()?;
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).ok_or(first));
                }
                self.place = back;
            }
        }
        Ok(char::from_u32(first).ok_or(first))
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits = self.characters.get(self.place..self.place + 4).unwrap_or_default();
        let code = digits.iter().try_fold(0, |code, digit| Some(code << 4 | digit.to_digit(16)?));
        match code.filter(|_| digits.len() == 4) {
            Some(code) => {
                self.place += 4;
                Ok(code)
            }
            None => Err(self.error("Invalid \\uXXXX escape", self.place - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CPython 3.11 says to each.
    #[test]
    fn errors_in_python_s_words() {
        for (text, error) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            (
                "{\"a\":1,}",
                "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)",
            ),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("{\"a\":\n1 2}", "Expecting ',' delimiter: line 2 column 3 (char 8)"),
            ("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("\"a\tb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("1 2", "Extra data: line 1 column 3 (char 2)"),
            ("\"\\x\"", "Invalid \\escape: line 1 column 2 (char 1)"),
            ("\"\\u12\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn surrogate_pairs_are_one_character() {
        assert_eq!(parse(br#""\ud83d\ude00""#), Ok(Json::text("😀")));
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
