//! What `init` writes passes `check`: a file is built as `check` builds it, and what the build refuses is
//! left to the project, with the reason. So no rule of a setting stands here a second time.

use std::path::Path as FilePath;

use anyhow::Context;
use serde_json::Value;

use super::{
    project::{Group, Project},
    writer::{Writer, Written},
};
use crate::{
    app,
    config::load::Loader,
    package::{Holder, PACKAGES},
    value::{Problem, Segment},
};

const LEFT: &str = "Settings that the gateway refuses: routes and pages that go by them are left to \
                    the project whole";

/// The file of a project, without what no gateway could be built with.
pub(super) fn settled(
    project: &mut Project,
    upstream: &str,
    file: &FilePath,
) -> anyhow::Result<Written> {
    leave_refused_keys(project);
    loop {
        let written = Writer::new(project, upstream, file).document();
        // The configuration names it, so the build reads it.
        if let Some((file, text)) = &written.messages {
            std::fs::write(file, text)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
        let tree: Value = serde_yaml::from_str(&written.text).context("what was written")?;
        let problems = problems(&written.text, file);
        // A secret is judged where it is; here is only what stands for it.
        let is_variable = |value: &Value| {
            let names = written.variables.iter();
            names.into_iter().any(|(name, _)| value.as_str() == Some(&format!("${{{name}}}")))
        };
        let is_known = |problem: &&Problem| !at(&tree, &problem.path.0).is_some_and(is_variable);
        let (mut left, mut stays) = (false, None);
        for problem in problems.iter().filter(is_known) {
            match leave(project, problem, &tree) {
                true => left = true,
                false => stays = Some(problem),
            }
        }
        match (left, stays) {
            (true, _) => {}
            (false, None) => return Ok(written),
            (false, Some(problem)) if !project.notes.iter().any(|note| note.text == REFUSED) => {
                project.note_about(Group::Do, REFUSED, &said(problem));
            }
            (false, Some(_)) => return Ok(written),
        }
    }
}

const UNCOUNTED: &str =
    "Throttles whose rate the gateway refuses go on counting in the project alone";
const REFUSED: &str = "`check` refuses this file: change it by hand";

/// What the project's Python has found of keys that it alone has seen.
fn leave_refused_keys(project: &mut Project) {
    for imported in PACKAGES.iter().flat_map(|package| package.import.settings) {
        let (settings, holder) = match imported.holder {
            Holder::Project { .. } => (Some(&project.settings), None),
            Holder::Dictionary { name, .. } => {
                (project.packages.get(name).and_then(Option::as_ref), Some(name))
            }
        };
        let mut names = imported.keys.iter().flat_map(|keys| keys.names);
        let fault = names.find_map(|name| Some((name, settings?.key_fault(name)?)));
        if let Some((name, fault)) = fault {
            let holder = holder.map(|holder| format!("{holder}'s ")).unwrap_or_default();
            let why = format!("{holder}{name} {fault}");
            leave_map(project, imported.map, &why);
        }
    }
}

/// What `check` has against a text, without the network.
fn problems(text: &str, file: &FilePath) -> Vec<Problem> {
    let environment = |name: &str| {
        (!name.is_empty()).then(|| format!("what stands for {name}, which is not known here"))
    };
    let loader = Loader { path: file.into(), environment: &environment, problems: &app::problems };
    match loader.read(text.to_owned()) {
        Ok(loaded) => loaded.report(app::problems(&loaded.document)).problems,
        Err(report) => report.problems,
    }
}

/// Leaves to the project what a problem is about; false if there is nothing to leave.
fn leave(project: &mut Project, problem: &Problem, tree: &Value) -> bool {
    let steps = &problem.path.0;
    let keys: Vec<Option<&str>> = steps.iter().map(key).collect();
    // The entry of a chain, and what of it is refused.
    let entry = |length: usize| {
        let (whole, part) = steps.split_at_checked(length)?;
        let part = crate::value::Path(part.to_vec());
        let dot = if part.0.is_empty() { "" } else { " " };
        Some((at(tree, whole)?, format!("{dot}{part}: {}", problem.message)))
    };
    let length = if keys.first() == Some(&Some("routes")) { 4 } else { 2 };
    match keys.as_slice() {
        [Some("authentication"), None, ..] | [_, None, Some("authentication"), None, ..] => {
            let Some((entry, why)) = entry(length) else { return false };
            let left = project.leave_class(entry);
            left.iter().for_each(|class| note(project, LEFT, &format!("{class}{why}")));
            !left.is_empty()
        }
        [Some("throttle"), None, ..] | [_, None, Some("throttle"), None, ..] => {
            let Some((entry, why)) = entry(length) else { return false };
            let left = project.leave_throttle(entry);
            left.iter().for_each(|class| note(project, UNCOUNTED, &format!("{class}{why}")));
            !left.is_empty()
        }
        [Some("routes"), None, ..] => {
            let path = entry(2).and_then(|(route, _)| route.get("path")?.as_str());
            let path = path.unwrap_or_default();
            let left = project.leave_route(path);
            if left {
                // The number is that of a file that is not kept.
                note(project, LEFT, &format!("{path}: {}", problem.message));
            }
            left
        }
        [Some(map), ..] => leave_map(project, map, &said(problem)),
        _ => false,
    }
}

/// Leaves what goes by one map of settings.
fn leave_map(project: &mut Project, map: &str, why: &str) -> bool {
    let mut packages = PACKAGES.iter();
    let owner = packages.find(|package| package.import.settings.iter().any(|its| its.map == map));
    let known = owner.is_some() || ["cors", "store"].contains(&map);
    if !known || project.left.contains_key(map) {
        return false;
    }
    project.left.insert(map.to_owned(), why.to_owned());
    if map == "store" {
        project.leave_store();
    }
    if let Some(owner) = owner {
        // One map may take the names of another.
        let maps = owner.import.settings.iter().map(|its| (its.map.to_owned(), why.to_owned()));
        project.left.extend(maps);
        project.leave_package(owner);
    }
    // The note on CORS stands with what is to be done.
    if map != "cors" {
        note(project, LEFT, why);
    }
    true
}

fn note(project: &mut Project, text: &str, why: &str) {
    project.note_about(Group::Differs, text, &without_password(why));
}

/// Without what stands before the host of an address.
fn without_password(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(['/', '`', ' ']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        rest = tail;
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.push_str(&format!("(hidden)@{host}")),
            None => shown.push_str(authority),
        }
    }
    shown + rest
}

fn said(problem: &Problem) -> String {
    match problem.path.0.is_empty() {
        true => problem.message.clone(),
        false => format!("{}: {}", problem.path, problem.message),
    }
}

fn key(step: &Segment) -> Option<&str> {
    match step {
        Segment::Key(key) => Some(key),
        Segment::Index(_) => None,
    }
}

fn at<'a>(tree: &'a Value, steps: &[Segment]) -> Option<&'a Value> {
    steps.iter().try_fold(tree, |value, step| match step {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}
