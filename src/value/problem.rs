//! One thing wrong in the configuration: where, what, and what would be right.

use std::fmt;

/// A step into a YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// Where in the document, from its root: `routes[1].upstream`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value at `key` below this place.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.join(Segment::Key(key.to_owned()))
    }

    /// The element `index` below this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Segment::Index(index))
    }

    fn join(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One thing wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// What, in a sentence that holds the offending text.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// If it is only that nothing is there: where it would have to be.
    pub(crate) missing: Option<Path>,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into(), help: None, missing: None }
    }

    /// There is nothing where something has to be.
    pub(crate) fn missing(path: &Path, message: impl Into<String>) -> Self {
        Self::new(path, message).lacking(path)
    }

    /// It is only that something is missing at `place` or below it.
    pub(crate) fn lacking(self, place: &Path) -> Self {
        Self { missing: Some(place.clone()), ..self }
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Every problem that a build has found. Builders push and go on, so that the user sees all of
/// them at once.
#[derive(Clone, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// For settings of which nothing would be left.
    pub fn refuse_zero(&mut self, zero: bool, path: &Path) {
        if zero {
            self.push(Problem::new(path, "this must not be empty"));
        }
    }

    /// The value of a build that succeeded; otherwise keeps its problems.
    pub fn keep<T>(&mut self, result: Result<T, Problems>) -> Option<T> {
        result.map_err(|mut problems| self.0.append(&mut problems.0)).ok()
    }

    /// The value if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{}: {}", problem.path, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
