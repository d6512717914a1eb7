//! `store.user_model` and `store.username_field`: the project's AUTH_USER_MODEL.

use serde_json::Value;

use super::Writer;
use crate::cli::init::project::{KeyKind, UserModel};

/// MySQL's and Django's longest name of a table or column.
const LONGEST: usize = 64;

impl Writer<'_> {
    pub(super) fn user_model(&mut self) {
        let user = &self.project.user;
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
        if user.username_field != "username" {
            self.line(format!("  username_field: {}", user.username_field));
        }
    }

    /// What the gateway has no setting for.
    fn note_names(&mut self, user: &UserModel) {
        let model = &user.model;
        if user.pk.kind == KeyKind::Other {
            self.notes.push(format!(
                "{model} has a primary key that is no number, UUID or text: its users cannot be read."
            ));
        }
        // The longest of the tables that belong to it.
        let permissions = format!("{}_user_permissions", user.table);
        let columns = user.columns.values().filter_map(Value::as_str);
        let fixed = [&permissions, &user.pk.column, &user.username_field].map(String::as_str);
        let names = fixed.into_iter().chain(user.password.as_deref()).chain(columns);
        for name in names.filter(|name| !is_plain(name)) {
            self.notes.push(format!(
                "{model} has a table or column {name}, which is no plain name: its users cannot be read."
            ));
        }
    }
}

/// What of the model is not as Django would name it, or not as `django.contrib.auth` has it.
fn entries(user: &UserModel) -> Vec<String> {
    let mut entries = Vec::new();
    if user.table != user.model.replace('.', "_").to_lowercase() {
        entries.push(format!("table: {}", quoted(&user.table)));
    }
    if user.pk.column != "id" {
        entries.push(format!("key_column: {}", quoted(&user.pk.column)));
    }
    match user.pk.kind {
        KeyKind::Integer | KeyKind::Other => {}
        KeyKind::Uuid => entries.push("key: uuid".into()),
        KeyKind::Text => entries.push("key: text".into()),
    }
    let password = user.password.as_deref().filter(|column| *column != "password");
    let password = password.map(|column| format!("password: {}", quoted(column)));
    let others = user.columns.iter().filter(|(name, column)| column.as_str() != Some(name));
    let others = others.map(|(name, column)| format!("{name}: {column}"));
    let columns: Vec<String> = password.into_iter().chain(others).collect();
    if !columns.is_empty() {
        entries.push(format!("columns: {{ {} }}", columns.join(", ")));
    }
    entries
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
