//! How deep a YAML text goes, found in one pass: its readers take a stack frame, or a time that grows with
//! the depth, for each level.

/// The line from which on more lists and maps are open than so many: brackets outside quotes and comments,
/// dashes one after the other, or columns of indentation.
pub(super) fn deeper_than(most: usize, text: &str) -> Option<usize> {
    let mut brackets = Brackets::default();
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start_matches(' ');
        let begun = bare.split(' ').take_while(|part| matches!(*part, "" | "-" | "?")).count();
        let indented = line.len() - bare.len() > 8 * most;
        if brackets.reaches(most, bare) || begun > most || indented {
            return Some(number + 1);
        }
    }
    None
}

#[derive(Default)]
struct Brackets {
    open: usize,
    /// The quote that a text has begun with, which may go on in the next line.
    quote: Option<char>,
}

impl Brackets {
    fn reaches(&mut self, most: usize, line: &str) -> bool {
        // Where a value may begin; elsewhere a quote or `#` is a letter of a plain text.
        let mut fresh = true;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match (self.quote, character) {
                (Some('"'), '\\') => drop(characters.next()),
                // Two of them stand for one.
                (Some('\''), '\'') if characters.peek() == Some(&'\'') => drop(characters.next()),
                (Some(quote), _) if character == quote => self.quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if fresh => self.quote = Some(character),
                (None, '#') if fresh => return false,
                (None, '[' | '{') if fresh || self.open > 0 => self.open += 1,
                (None, ']' | '}') => self.open = self.open.saturating_sub(1),
                (None, _) => {}
            }
            if self.open > most {
                return true;
            }
            fresh = match character {
                ' ' | '\t' => true,
                ',' | ':' | '[' | '{' => self.open > 0,
                _ => false,
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: a file of 200 kB takes minutes, in lists whose ends stand in quotes.
    #[test]
    fn brackets_in_quotes_end_nothing() {
        for inner in [r#"["]","#, "[']',", r#"{a: "}", b: "#, r#"["\"]","#] {
            let deep = format!("a: {}", inner.repeat(65));
            assert_eq!(deeper_than(64, &deep), Some(1), "{inner}");
        }
        assert_eq!(deeper_than(64, &format!("a: 1\n{}", "- ".repeat(65))), Some(2));
    }

    #[test]
    fn brackets_in_texts_and_comments_open_nothing() {
        let many = "[".repeat(99);
        let quoted = format!("# {many}\na: '{many}' # {many}\nb: \"{many}\\\"{many}\"\n");
        assert_eq!(deeper_than(64, &quoted), None);
        let plain = format!("c: x{many}\nd: [[it's], [x]]\ne: 'it''s {many}'\n");
        assert_eq!(deeper_than(64, &plain), None);
        let routes = "  - { path: /, cel: 'request.path.matches(\"^[a\")' }\n".repeat(99);
        assert_eq!(deeper_than(64, &format!("routes:\n{routes}")), None);
    }
}
