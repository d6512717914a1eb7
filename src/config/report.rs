//! What is wrong in a file, drawn with its lines; no secret of it is shown, for reports end in logs
//! and tickets.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::positions::Place;
use crate::value::Problem;

/// A file's text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) places: Place,
    /// What stood for the variables in it, and their names.
    pub(super) variables: Vec<(String, String)>,
}

/// Everything that is wrong in a file, drawn with its lines.
#[derive(Debug)]
pub struct Report {
    /// The problems, in the order of their lines, with their paths as the file has them.
    pub problems: Vec<Problem>,
    pub(super) drawn: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let problems = if count == 1 { "problem" } else { "problems" };
        write!(f, "{}\n{count} {problems}; this configuration is not used", self.drawn.trim_end())
    }
}

impl std::error::Error for Report {}

impl Source {
    /// With its line, and its path as the file has it.
    pub(super) fn locate(&self, problem: Problem) -> (usize, Problem) {
        let (line, path) = self.places.find(&problem.path);
        (line, Problem { path, ..problem })
    }

    /// A message as it may be shown: of what a variable stands for, its name.
    fn without_values(&self, message: String) -> String {
        let named = |message: String, (value, name): &(String, String)| {
            message.replace(value, &format!("${{{name}}}"))
        };
        self.variables.iter().fold(message, named)
    }

    pub(super) fn report(&self, mut problems: Vec<(usize, Problem)>) -> Report {
        problems.sort_by_key(|(line, _)| *line);
        problems.dedup();
        let renderer = Renderer::plain();
        let shown = without_secrets(&self.text);
        let mut drawn = String::new();
        for (line, problem) in &problems {
            let (start, end) = span(&shown, *line);
            let annotation = AnnotationKind::Primary.span(start..end);
            let snippet = Snippet::source(&shown).path(&self.name).annotation(annotation);
            let title = match problem.path.0.is_empty() {
                true => problem.message.clone(),
                false => format!("{}: {}", problem.path, problem.message),
            };
            let title = self.without_values(title);
            let mut group = Level::ERROR.primary_title(title).element(snippet);
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(self.without_values(help.clone())));
            }
            drawn.push_str(&renderer.render(&[group]));
            drawn.push_str("\n\n");
        }
        Report { problems: problems.into_iter().map(|(_, problem)| problem).collect(), drawn }
    }
}

/// The file as a report may show it: reports end in logs and tickets.
fn without_secrets(text: &str) -> String {
    let shown = |line: &str| {
        let keys = [
            "secret_key:",
            "store:",
            "url:",
            "password:",
            "signing_key:",
            "secret:",
            " key:",
            "headers: {",
        ];
        let value = keys.iter().find_map(|key| line.find(key).map(|at| at + key.len()));
        match value.and_then(|at| line.split_at_checked(at)) {
            // A variable's name is not its value.
            Some((key, value))
                if !value.contains("${") && value.contains(|c: char| c.is_alphanumeric()) =>
            {
                format!("{key} (hidden)")
            }
            _ => line.to_owned(),
        }
    };
    let without_password = |line: String| match line.split_once("://") {
        Some((before, after)) if after.contains('@') => format!("{before}://(hidden)"),
        _ => line,
    };
    text.split('\n').map(shown).map(without_password).collect::<Vec<_>>().join("\n")
}

/// The text of a line, without blanks around it.
fn span(text: &str, line: usize) -> (usize, usize) {
    let mut start = 0;
    for (number, text) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line.max(1) {
            let indent = text.len() - text.trim_start().len();
            return (start + indent, start + indent.max(text.trim_end().len()));
        }
        start += text.len();
    }
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: an error's line ends in a ticket, with the keys in it.
    #[test]
    fn a_line_is_shown_without_what_is_secret_in_it() {
        let shown = without_secrets(
            "traces: { endpoint: http://me:canary@a/, headers: { X-Key: canary } }\nstore: postgres://app:canary@db/app\n\
             secret_key: ${KEY}\n- callout: { headers: [X-Key] }\nendpoint: http://me:canary@a/",
        );
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("${KEY}") && shown.contains("[X-Key]"), "{shown}");
    }
}
