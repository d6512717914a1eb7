//! Where each value of a YAML document stands: the lines that `serde_yaml` does not keep. Built
//! from the parser's events; it also meets the keys that repeat.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span};

use crate::value::{Path, Problem, Segment};

/// A value's place, and those of the values in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// From 1; 0 is unknown.
    pub(super) line: usize,
    /// In a list: which of its elements, as written.
    index: usize,
    inner: Inner,
}

#[derive(Clone, Debug, Default)]
enum Inner {
    #[default]
    Scalar,
    List(Vec<Place>),
    Map(Vec<(String, Place)>),
}

impl Place {
    /// The places in a document, and its repeated keys. A document that is no YAML has none.
    pub(super) fn scan(text: &str) -> (Self, Vec<(usize, Problem)>) {
        let mut events = Parser::new_from_str(text).map_while(Result::ok);
        let mut repeated = Vec::new();
        while let Some((event, span)) = events.next() {
            if !matches!(event, Event::StreamStart | Event::DocumentStart(..) | Event::Nothing) {
                let place = read(event, span, &mut events, &Path::root(), &mut repeated);
                return (place, repeated);
            }
        }
        (Self::default(), repeated)
    }

    fn child(&self, segment: &Segment) -> Option<&Place> {
        match (&self.inner, segment) {
            (Inner::List(list), Segment::Index(index)) => list.get(*index),
            (Inner::Map(map), Segment::Key(key)) => {
                map.iter().find(|(known, _)| known == key).map(|(_, place)| place)
            }
            _ => None,
        }
    }

    /// Follows a cut in the document, so that what is left keeps its lines.
    pub(super) fn cut_out(&mut self, path: &Path) {
        let Some((last, parents)) = path.0.split_last() else { return };
        let mut place = self;
        for segment in parents {
            let child = match (&mut place.inner, segment) {
                (Inner::List(list), Segment::Index(index)) => list.get_mut(*index),
                (Inner::Map(map), Segment::Key(key)) => {
                    map.iter_mut().find(|(known, _)| known == key).map(|(_, place)| place)
                }
                _ => None,
            };
            match child {
                Some(child) => place = child,
                None => return,
            }
        }
        match (&mut place.inner, last) {
            (Inner::List(list), Segment::Index(index)) if *index < list.len() => {
                list.remove(*index);
            }
            (Inner::Map(map), Segment::Key(key)) => map.retain(|(known, _)| known != key),
            _ => {}
        }
    }

    /// The line of `path`, or of the nearest value around it; and the path as it was before
    /// anything was cut out.
    pub(super) fn find(&self, path: &Path) -> (usize, Path) {
        let (mut place, mut written) = (Some(self), path.clone());
        let mut line = self.line;
        for segment in &mut written.0 {
            place = place.and_then(|place| place.child(segment));
            let Some(place) = place else { break };
            line = place.line;
            if let Segment::Index(index) = segment {
                *index = place.index;
            }
        }
        (line, written)
    }
}

fn read<'t>(
    event: Event<'t>,
    span: Span,
    events: &mut impl Iterator<Item = (Event<'t>, Span)>,
    path: &Path,
    repeated: &mut Vec<(usize, Problem)>,
) -> Place {
    let line = span.start.line();
    let inner = match event {
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            while let Some((event, span)) = events.next() {
                if matches!(event, Event::SequenceEnd) {
                    break;
                }
                let index = list.len();
                let place = read(event, span, events, &path.index(index), repeated);
                list.push(Place { index, ..place });
            }
            Inner::List(list)
        }
        Event::MappingStart(..) => {
            let mut map: Vec<(String, Place)> = Vec::new();
            let mut lines: HashMap<String, usize> = HashMap::new();
            while let Some((event, key_span)) = events.next() {
                if matches!(event, Event::MappingEnd) {
                    break;
                }
                let key = match &event {
                    Event::Scalar(key, ..) => key.to_string(),
                    _ => {
                        read(event, key_span, events, path, repeated);
                        String::new()
                    }
                };
                let line = key_span.start.line();
                let Some((event, span)) = events.next() else { break };
                let mut place = read(event, span, events, &path.key(&key), repeated);
                // A reader looks for the key; a block below it begins a line later.
                place.line = line;
                if let Some(first) = lines.get(&key) {
                    let message = format!("`{key}` is defined twice; the first is in line {first}");
                    let problem = Problem::new(&path.key(&key), message);
                    repeated.push((line, problem.help("keep one of them")));
                }
                lines.entry(key.clone()).or_insert(line);
                map.push((key, place));
            }
            Inner::Map(map)
        }
        _ => Inner::Scalar,
    };
    Place { line, index: 0, inner }
}
