//! From a file to a [`Document`]: YAML, `${VARIABLES}`, `…_file` twins, and every problem at once.
//!
//! The library's decoder stops at the first thing it does not understand. So what it complains of
//! is cut out of the tree and it is asked again, until it is content; the problems it had are what
//! the user sees, each with its line. For what nothing else can be read without, something else
//! stands in.

use std::{collections::BTreeSet, path::PathBuf};

use serde_yaml::Value;

pub use super::report::Report;
use super::{Document, depth::deeper_than, positions::Place, report::Source};
use crate::{
    package::{PACKAGES, Settings},
    value::{Path, Problem, Problems, Segment},
};

/// A file that was read, with where everything in it stands.
pub struct Loaded {
    /// What it says.
    pub document: Document,
    /// The files that it names, certificates and keys among them; not those that the gateway writes.
    pub files: BTreeSet<PathBuf>,
    source: Source,
}

/// A loader of one file; the environment is a parameter so that tests need not set it.
pub struct Loader<'a> {
    /// The file's path.
    pub path: PathBuf,
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The problems that a build would have, for a document of which parts could not be read.
    pub problems: &'a dyn Fn(&Document) -> Problems,
}

/// Keys whose value may come from a file: `secret_key_file: /run/secrets/key`.
const SECRETS: [&str; 7] =
    ["secret_key", "url", "password", "signing_key", "verifying_key", "key", "secret"];

/// Whether the value of a key is never shown: a secret, or an address with a password.
pub fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key) || key == "secret_key_fallbacks"
}

/// What stands in for a value that is broken, so that what is around it is still looked at. With
/// its number, no two are alike.
const STAND_INS: [(&str, &str); 10] = [
    ("path", "/a-path-that-is-broken/"),
    ("address", "unix:/an-address-that-is-broken/"),
    ("certificate", "a-file-that-is-broken/"),
    ("key", "a-file-that-is-broken/"),
    ("client_ca", "a-file-that-is-broken/"),
    ("secret_key", "a-secret-that-is-broken/"),
    ("rate", "1/day"),
    ("upstream", "echo"),
    ("endpoint", "whoami"),
    ("redirect", "/a-path-that-is-broken/"),
];

/// Top-level keys whose files the gateway itself writes.
const WRITTEN: [&str; 2] = ["store", "log"];

/// Texts that are names of files.
fn files_in(value: &Value, files: &mut BTreeSet<PathBuf>) {
    match value {
        Value::String(text) if PathBuf::from(text).is_file() => {
            files.insert(text.into());
        }
        Value::Sequence(list) => list.iter().for_each(|value| files_in(value, files)),
        Value::Mapping(map) => {
            let ours = |key: &Value| key.as_str().is_some_and(|key| WRITTEN.contains(&key));
            map.iter().filter(|(key, _)| !ours(key)).for_each(|(_, value)| files_in(value, files));
        }
        Value::Tagged(tagged) => files_in(&tagged.value, files),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `secret_key_file` and the like, whose content takes their place.
fn files_of_twins(value: &Value, files: &mut BTreeSet<PathBuf>) {
    match value {
        Value::Sequence(list) => list.iter().for_each(|value| files_of_twins(value, files)),
        Value::Mapping(map) => {
            for (key, value) in map {
                match value {
                    Value::String(file)
                        if key.as_str().is_some_and(|key| key.ends_with("_file")) =>
                    {
                        files.insert(file.into());
                    }
                    value => files_of_twins(value, files),
                }
            }
        }
        _ => {}
    }
}

/// More than this is not worth reading.
const MOST_PROBLEMS: usize = 50;

/// No setting is so deep, and readers of YAML take a stack frame, or a time that grows with the depth,
/// for each level.
const MOST_LEVELS: usize = 64;

impl Loader<'_> {
    /// Reads and decodes the file.
    ///
    /// # Errors
    /// Every problem in it. What builds from the document may find more: see [`Loaded::report`].
    pub fn load(&self) -> Result<Loaded, Report> {
        let name = self.path.display().to_string();
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            let message = format!("{name} cannot be read: {error}");
            let drawn = format!("error: {message}\n");
            Report { problems: vec![Problem::new(&Path::root(), message)], drawn }
        })?;
        self.read(text)
    }

    /// Decodes a text as that of the file, which need not be there.
    ///
    /// # Errors
    /// As [`Loader::load`] has them.
    pub fn read(&self, text: String) -> Result<Loaded, Report> {
        let name = self.path.display().to_string();
        if let Some(line) = deeper_than(MOST_LEVELS, &text) {
            let message =
                format!("there are more than {MOST_LEVELS} levels of lists and maps here");
            let problem = Problem::new(&Path::root(), message);
            let source = Source { name, text, places: Place::default(), variables: Vec::new() };
            return Err(source.report(vec![(line, problem)]));
        }
        let (places, repeated) = Place::scan(&text);
        let variables = self.variables(&text);
        let source = Source { name, text, places, variables };
        if !repeated.is_empty() {
            return Err(source.report(repeated));
        }
        let mut tree: Value = match serde_yaml::from_str(&source.text) {
            Ok(Value::Null) => Value::Mapping(serde_yaml::Mapping::new()),
            Ok(tree) => tree,
            Err(error) => {
                let line = error.location().map_or(0, |location| location.line());
                let problem = Problem::new(&Path::root(), format!("this is not YAML: {error}"));
                return Err(source.report(vec![(line, problem)]));
            }
        };
        let mut files = BTreeSet::new();
        let mut unresolved = Problems::default();
        files_of_twins(&tree, &mut files);
        self.resolve(&mut tree, &Path::root(), &mut unresolved);
        files_in(&tree, &mut files);
        let mut found = Found { source, located: Vec::new(), cut: Vec::new() };
        for problem in unresolved.0 {
            found.unresolved(problem, &mut tree);
        }
        let document = loop {
            match decode(&tree) {
                Ok(document) => break document,
                Err(problem) => {
                    let gone = found.cut_out(problem, &mut tree);
                    if !gone || found.located.len() >= MOST_PROBLEMS {
                        return Err(found.source.report(found.located));
                    }
                }
            }
        };
        if found.located.is_empty() {
            return Ok(Loaded { document, files, source: found.source });
        }
        // Every problem at once: also those of the parts that could be understood.
        for problem in (self.problems)(&document).0 {
            let (line, problem) = found.source.locate(problem);
            if !found.caused(&problem) {
                found.located.push((line, problem));
            }
        }
        Err(found.source.report(found.located))
    }

    /// Replaces `${…}` in every text and reads `…_file` twins.
    fn resolve(&self, value: &mut Value, path: &Path, problems: &mut Problems) {
        match value {
            Value::String(text) if text.contains("${") => match self.expand(text) {
                Ok(expanded) => *text = expanded,
                Err(problem) => problems.push(Problem { path: path.clone(), ..problem }),
            },
            Value::Sequence(list) => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.resolve(value, &path.index(index), problems);
                }
            }
            Value::Mapping(map) => {
                for (key, value) in map.iter_mut() {
                    self.resolve(value, &path.key(key.as_str().unwrap_or_default()), problems);
                }
                self.read_twins(map, path, problems);
            }
            _ => {}
        }
    }

    /// The variables of a file with their values. Short ones are no secrets, and part of any word.
    fn variables(&self, text: &str) -> Vec<(String, String)> {
        let names = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
        let pair = |name: &str| Some(((self.environment)(name)?, name.to_owned()));
        names.filter_map(pair).filter(|(value, _)| value.len() >= 8).collect()
    }

    fn expand(&self, text: &str) -> Result<String, Problem> {
        let problem = |message: String| Problem::new(&Path::root(), message);
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            expanded.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| problem("`${` is not closed with `}`".into()))?;
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (name, None),
            };
            let value = (self.environment)(name).filter(|value| !value.is_empty());
            match value.or_else(|| default.map(str::to_owned)) {
                Some(value) => expanded.push_str(&value),
                None => {
                    let problem = problem(format!("the environment variable {name} is not set"));
                    let help = format!("set it, or write ${{{name}:-default}}");
                    return Err(problem.help(help));
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn read_twins(&self, map: &mut serde_yaml::Mapping, path: &Path, problems: &mut Problems) {
        for secret in SECRETS {
            let twin = format!("{secret}_file");
            let Some(Value::String(file)) = map.remove(twin.as_str()) else { continue };
            if map.contains_key(secret) {
                let message = format!("both `{secret}` and `{twin}` are set");
                problems.push(Problem::new(&path.key(secret), message).help("keep one of them"));
                continue;
            }
            match std::fs::read_to_string(&file) {
                Ok(text) => {
                    map.insert(secret.into(), Value::String(text.trim_end_matches('\n').into()));
                }
                Err(error) => {
                    let message = format!("`{file}` cannot be read: {error}");
                    problems.push(Problem::new(&path.key(&twin), message));
                }
            }
        }
    }
}

impl Loaded {
    /// The report of what building from the document has found.
    pub fn report(&self, problems: Problems) -> Report {
        let located = problems.0.into_iter().map(|problem| self.source.locate(problem));
        self.source.report(located.collect())
    }
}

/// The problems so far, with their lines; and what was cut out for them.
struct Found {
    source: Source,
    located: Vec<(usize, Problem)>,
    /// As the file has them.
    cut: Vec<Path>,
}

impl Found {
    /// Notes a variable that is not set. A secret that cannot be had is there all the same for
    /// the code that asks whether one was given, and a default for it would be no secret.
    fn unresolved(&mut self, problem: Problem, tree: &mut Value) {
        let secret = match problem.path.0.last() {
            Some(Segment::Key(key)) => key != "url" && SECRETS.contains(&key.as_str()),
            _ => false,
        };
        match value_at(tree, &problem.path).filter(|_| secret) {
            Some(value) => {
                *value = Value::String("unknown until the variable is set".into());
                let (line, problem) = self.source.locate(problem.help("set it"));
                // Whatever is found wrong with what stands for it is not the file's.
                self.cut.push(problem.path.clone());
                self.located.push((line, problem));
            }
            None => {
                self.cut_out(problem, tree);
            }
        }
    }

    /// Notes a problem and takes its cause out of the tree; false if it cannot be.
    fn cut_out(&mut self, problem: Problem, tree: &mut Value) -> bool {
        let path = problem.path.clone();
        let (line, problem) = self.source.locate(problem);
        let written = problem.path.clone();
        // What is missing because it was cut out has been told already, and so has a map that is empty
        // because its only key was.
        let within =
            |cut: &Path| cut.0.len() == written.0.len() + 1 && cut.0.starts_with(&written.0);
        let emptied =
            problem.message.starts_with("invalid length 0") && self.cut.iter().any(within);
        let missing = problem.message.strip_prefix("missing field `");
        let missing = missing.and_then(|rest| rest.split('`').next()).map(str::to_owned);
        let again = self.cut.contains(&written);
        let caused =
            emptied || missing.iter().any(|name| self.cut.contains(&written.key(name))) || again;
        if !caused {
            self.located.push((line, problem));
        }
        // For what was never there, too, so that the rest of its map is looked at.
        if let (Some(name), false) = (&missing, caused)
            && let Some(stand_in) = stand_in(&path.key(name), self.cut.len())
            && let Some(Value::Mapping(map)) = value_at(tree, &path)
        {
            map.insert(name.as_str().into(), Value::String(stand_in));
            self.cut.push(written.key(name));
            return true;
        }
        let stand_in = stand_in(&path, self.cut.len()).filter(|_| !again);
        self.cut.push(written);
        if let Some((value, stand_in)) = value_at(tree, &path).zip(stand_in) {
            *value = Value::String(stand_in);
            return true;
        }
        self.source.places.cut_out(&path);
        cut_out(tree, &path)
    }

    /// Whether a problem is only one of what was cut out, or stands in.
    fn caused(&self, problem: &Problem) -> bool {
        let of_it = |cut: &Path| {
            problem.path.0.starts_with(&cut.0)
                || problem.missing.as_ref().is_some_and(|place| cut.0.starts_with(&place.0))
        };
        problem.message.contains("that-is-broken") || self.cut.iter().any(of_it)
    }
}

/// Decodes the settings of each package, then everything else.
fn decode(tree: &Value) -> Result<Document, Problem> {
    let mut rest = tree.clone();
    let mut packages = Settings::default();
    for section in PACKAGES.iter().filter_map(|package| package.settings) {
        let value = rest.as_mapping_mut().and_then(|map| map.shift_remove(section.word));
        if let Some(value) = value {
            let decoded = section.decode(&value);
            let at = Path::root().key(section.word);
            packages.set(&section, decoded.map_err(|error| explain(&error, at))?);
        }
    }
    let document = serde_path_to_error::deserialize::<_, Document>(&rest);
    let document = document.map_err(|error| explain(&error, Path::root()))?;
    Ok(Document { packages, ..document })
}

/// The decoder's complaint in our words, at the place that has to change.
fn explain(error: &serde_path_to_error::Error<serde_yaml::Error>, within: Path) -> Problem {
    let at_root = within.0.is_empty();
    let mut path = within;
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => path = path.index(*index),
            serde_path_to_error::Segment::Map { key } => path = path.key(key),
            serde_path_to_error::Segment::Enum { variant } => path = path.key(variant),
            serde_path_to_error::Segment::Unknown => {}
        }
    }
    let message = error.inner().to_string();
    // The library repeats the path in front of its message, and a line that is not the file's.
    let message = message.split(" at line ").next().unwrap_or(&message);
    let starts = ["unknown field `", "unknown variant `", "invalid ", "missing field"];
    let at = starts.iter().filter_map(|start| message.find(start)).min().unwrap_or(0);
    let message = message.get(at..).unwrap_or(message);
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match words.split_first() {
        Some((wrong, known)) if message.starts_with("unknown ") => {
            let field = message.starts_with("unknown field");
            if field && path.0.last() != Some(&Segment::Key((*wrong).to_owned())) {
                path = path.key(wrong);
            }
            let message = format!("unknown {} `{wrong}`", if field { "setting" } else { "name" });
            let mut known = known.to_vec();
            if at_root && path.0.len() == 1 {
                known
                    .extend(PACKAGES.iter().filter_map(|package| package.settings).map(|s| s.word));
            }
            Problem::new(&path, message).help(suggest(wrong, &known))
        }
        _ => Problem::new(&path, message.to_owned()),
    }
}

/// "did you mean", or what there is.
pub(crate) fn suggest(wrong: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (strsim::damerau_levenshtein(wrong, word), word)).min();
    match near {
        Some((distance, word)) if distance <= 2.max(wrong.len() / 3) => {
            format!("did you mean `{word}`?")
        }
        _ => format!("there are: {}", known.join(", ")),
    }
}

fn value_at<'a>(tree: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.0.iter().try_fold(tree, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key.as_str()),
        Segment::Index(index) => value.get_mut(*index),
    })
}

fn stand_in(path: &Path, number: usize) -> Option<String> {
    let Some(Segment::Key(key)) = path.0.last() else { return None };
    let (_, text) = STAND_INS.iter().find(|(known, _)| known == key)?;
    Some(if text.ends_with('/') { format!("{text}{number}/") } else { (*text).to_owned() })
}

/// Removes what stands at `path`.
fn cut_out(tree: &mut Value, path: &Path) -> bool {
    let Some((last, parents)) = path.0.split_last() else { return false };
    let Some(value) = value_at(tree, &Path(parents.to_vec())) else { return false };
    match (value, last) {
        (Value::Mapping(map), Segment::Key(key)) => map.shift_remove(key.as_str()).is_some(),
        (Value::Sequence(list), Segment::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}
