//! `store.user_model` and `store.username_field`: the project's AUTH_USER_MODEL.

use serde_json::Value;

use super::Writer;
use crate::cli::init::project::{Group, KeyKind, Membership, UserModel};

/// MySQL's and Django's longest name of a table or column.
const LONGEST: usize = 64;

impl Writer<'_> {
    pub(super) fn user_model(&mut self) {
        let user = &self.project.user;
        if !user.tabled {
            return self.line("  # the columns of users are in more than one table: see the end");
        }
        self.note_names(user);
        let entries = entries(user);
        let name = &user.model;
        match entries.is_empty() {
            true if name == "auth.User" => {}
            true => self.line(format!("  user_model: {name}")),
            false => {
                self.line("  user_model:");
                self.line(format!("    name: {name}"));
                entries.iter().for_each(|entry| self.line(format!("    {entry}")));
            }
        }
        if user.username.field != "username" {
            self.line(format!("  username_field: {}", user.username.field));
        }
        if user.username.collates {
            self.line("  username_match: collation  # as this database compares them for Django");
            self.note(
                Group::Information,
                "User names are compared as the database compares them, as Django lets it \
                 (`username_match`)",
            );
        }
    }

    /// What the gateway has no setting for.
    fn note_names(&mut self, user: &UserModel) {
        let memberships = [&user.groups, &user.permissions].into_iter().flatten();
        let members = memberships.flat_map(|it| [&*it.table, &it.user, &it.other]);
        let columns = user.columns.values().filter_map(Value::as_str);
        let fixed = [&*user.table, &user.pk.column, &user.username.column];
        let names = fixed.into_iter().chain(user.password.as_deref()).chain(columns);
        let names: Vec<&str> = names.chain(members).filter(|name| !is_plain(name)).collect();
        for name in names {
            let model = &user.model;
            let text = format!(
                "{model} has a table or column that is no plain name: change the file by hand"
            );
            self.note_about(Group::Do, &text, name);
        }
    }
}

/// What of the model is not as Django would name it, or not as `django.contrib.auth` has it.
fn entries(user: &UserModel) -> Vec<String> {
    let mut entries = Vec::new();
    let (app, model) = user.model.split_once('.').unwrap_or(("", &user.model));
    if user.table != format!("{app}_{model}").to_lowercase() {
        entries.push(format!("table: {}", quoted(&user.table)));
    }
    if user.pk.column != "id" {
        entries.push(format!("key_column: {}", quoted(&user.pk.column)));
    }
    if user.key_field != "id" {
        entries.push(format!("key_field: {}", quoted(&user.key_field)));
    }
    match user.pk.kind {
        KeyKind::Integer | KeyKind::Citext | KeyKind::Other => {}
        KeyKind::Uuid => entries.push("key: uuid".into()),
        KeyKind::Text => entries.push("key: text".into()),
    }
    match user.username.kind {
        KeyKind::Integer => entries.push("username: integer".into()),
        KeyKind::Citext => entries.push("username: citext".into()),
        _ => {}
    }
    let username = (user.username.column != user.username.field)
        .then(|| format!("username: {}", quoted(&user.username.column)));
    let password = user.password.as_deref().filter(|column| *column != "password");
    let password = password.map(|column| format!("password: {}", quoted(column)));
    let others = user.columns.iter().filter(|(name, column)| column.as_str() != Some(name));
    let others = others.map(|(name, column)| format!("{name}: {column}"));
    let columns: Vec<String> = username.into_iter().chain(password).chain(others).collect();
    if !columns.is_empty() {
        entries.push(format!("columns: {{ {} }}", columns.join(", ")));
    }
    let member = format!("{model}_id").to_lowercase();
    for (key, its, tail, other) in [
        ("groups", &user.groups, "groups", "group_id"),
        ("permissions", &user.permissions, "user_permissions", "permission_id"),
    ] {
        let usual = format!("{}_{tail}", user.table);
        match its {
            None => entries.push(format!("{key}: null")),
            Some(its) if (&*its.table, &*its.user, &*its.other) != (&usual, &member, other) => {
                entries.push(format!("{key}: {}", membership(its)));
            }
            Some(_) => {}
        }
    }
    entries
}

fn membership(its: &Membership) -> String {
    let (table, user, other) = (quoted(&its.table), quoted(&its.user), quoted(&its.other));
    format!("{{ table: {table}, user: {user}, other: {other} }}")
}

/// As a YAML text in quotes, which JSON's are.
fn quoted(name: &str) -> Value {
    Value::from(name)
}

/// Letters, digits and `_`, as the store takes them.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain)
}
