//! What the project has to add.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use super::{
    project::{Kind, Lines, Project},
    writer::jwks_path,
};

const APP: &str = "portcullis_django";
const MIDDLEWARE: &str = "portcullis_django.middleware.PortcullisMiddleware";

/// What the project has to add, so that it trusts the gateway alone: where, and the lines.
///
/// Nothing in them takes a setting of the project's away. Views go on naming their own classes, and
/// where one of those is carried, its user is the gateway's.
pub(super) fn upstream_lines(project: &Project) -> String {
    let lines = &project.lines;
    let mut text = String::from(
        "What the project needs: `pip install` deploy/django of the gateway's repository, which has \
         the reasons too, and these lines.\n",
    );
    text.push_str(&place(lines));
    let indented = block(project).lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        text
    });
    text.push_str(&indented);
    text
}

/// Where the lines stand.
fn place(lines: &Lines) -> String {
    let module = &lines.module;
    match (lines.dynaconf, lines.packaged || lines.layered) {
        (true, _) => format!(
            "The settings come from dynaconf, which does not read what stands in {module}. Put these \
             lines at\nthe end of the settings file that dynaconf reads last:\n\n"
        ),
        (false, true) => format!(
            "The settings are not a file of yours, or not one alone. Write this as \
             `portcullis_settings.py` into a folder\nof PYTHONPATH, and start the project with \
             DJANGO_SETTINGS_MODULE=portcullis_settings (in place of {module}):\n\n"
        ),
        (false, false) => format!("Put these lines at the end of {module}:\n\n"),
    }
}

fn block(project: &Project) -> String {
    let lines = &project.lines;
    let mut text = String::new();
    let wrapper = !lines.dynaconf && (lines.packaged || lines.layered);
    if wrapper {
        let module = &lines.module;
        // Some settings import what reads settings: it has to find the project's own.
        let _ = writeln!(
            text,
            "import os\nos.environ[\"DJANGO_SETTINGS_MODULE\"] = \"{module}\"\n\
             from {module} import *\nos.environ[\"DJANGO_SETTINGS_MODULE\"] = __name__"
        );
    }
    if lines.layered {
        // What is not there cannot be added to: the lists are whole.
        list(&mut text, "INSTALLED_APPS", APP, &lines.apps);
        list(&mut text, "MIDDLEWARE", MIDDLEWARE, &lines.middleware);
    } else {
        let _ = writeln!(text, "INSTALLED_APPS = [\"{APP}\", *INSTALLED_APPS]");
        // A settings file need not have what Django has a default for.
        let rest = if lines.middleware.is_empty() { "" } else { ", *MIDDLEWARE" };
        let _ = writeln!(text, "MIDDLEWARE = [\"{MIDDLEWARE}\"{rest}]");
    }
    let jwks = jwks_path(project);
    let _ = writeln!(
        text,
        "PORTCULLIS = {{\n    \"JWKS_URL\": \"http://127.0.0.1:8080{jwks}\",\n    \
         \"ISSUER\": \"portcullis\",\n    \"AUDIENCE\": \"django\","
    );
    classes(&mut text, project);
    if project.urls.iter().any(|url| url.kind != Kind::Drf) {
        text.push_str(
            "    \"SET_USER\": False,  # the project's own pages keep Django's sessions\n",
        );
    }
    text.push_str(
        "    \"EXPECTS\": {  # the server does not start if the project is another one\n",
    );
    for (part, value) in &lines.expects {
        let _ = writeln!(text, "        \"{part}\": {},", python(value));
    }
    text.push_str("    },\n}\n");
    text
}

fn list(text: &mut String, name: &str, first: &str, rest: &[String]) {
    let _ = writeln!(text, "{name} = [\n    \"{first}\",");
    for each in rest {
        let _ = writeln!(text, "    {},", Value::from(&**each));
    }
    text.push_str("]\n");
}

/// A JSON value as Python writes it, which differs in three words that are no values here.
fn python(value: &Value) -> String {
    value.to_string().replace("\",\"", "\", \"")
}

/// In whose place views get the gateway's user; and whose `request.auth` they read.
fn classes(text: &mut String, project: &Project) {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut read = BTreeMap::new();
    for class in project.classes() {
        // One that asks more has to be asked.
        let Some(word) = class.word().filter(|_| !class.asks_more) else { continue };
        if class.known().is_none_or(|known| !known.asks_store) {
            continue;
        }
        let classes = all.entry(word).or_default();
        if !classes.contains(&&*class.class) {
            classes.push(&class.class);
        }
        if class.known().is_some_and(|known| known.sets_auth) {
            read.entry(word).or_insert(&*class.class);
        }
    }
    if !all.is_empty() {
        text.push_str("    \"CLASSES\": {  # in whose place views get the gateway's user\n");
        for (word, classes) in &all {
            let _ =
                writeln!(text, "        \"{word}\": {},", python(&Value::from(classes.clone())));
        }
        text.push_str("    },\n");
    }
    if !read.is_empty() {
        text.push_str("    \"AUTH\": {  # whose `request.auth` views read\n");
        for (word, class) in &read {
            let _ = writeln!(text, "        \"{word}\": \"{class}\",");
        }
        text.push_str("    },\n");
    }
}
