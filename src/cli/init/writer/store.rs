//! `store`: the project's database.
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use serde_json::Value;

use super::{Writer, path, segment};
use crate::cli::init::text_of;

impl Writer<'_> {
    pub(super) fn store(&mut self) {
        let database = &self.project["database"];
        let text = |key: &str| text_of(&database[key]);
        let vendor = text("vendor");
        self.line("store:");
        let url = match vendor {
            "sqlite" => format!("sqlite://{}", path(text("name"))),
            _ => {
                let scheme = if vendor == "mysql" { "mysql" } else { "postgres" };
                let mut query = self.connection_options(vendor);
                let (host, port) = (text("host"), text("port"));
                let host = match host {
                    "" => "localhost",
                    socket if socket.starts_with('/') => {
                        let name = if vendor == "mysql" { "socket" } else { "host" };
                        query.push(format!("{name}={}", path(socket)));
                        "localhost"
                    }
                    host => host,
                };
                let port = if port.is_empty() { String::new() } else { format!(":{port}") };
                let (user, name) = (segment(text("user")), segment(text("name")));
                let query =
                    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
                format!("{scheme}://{user}@{host}{port}/{name}{query}")
            }
        };
        self.line(format!("  url: {}  # Django's own database, used as it is", Value::from(url)));
        if database["password_set"] == true {
            let password = self.variable("DATABASE_PASSWORD".into(), "DATABASES' PASSWORD");
            self.line(format!("  password: {password}"));
        }
        let user = &self.project["user"];
        let (model, field) = (text_of(&user["model"]), text_of(&user["username_field"]));
        if text_of(&user["pk"]["type"]) != "integer" {
            self.notes
                .push(format!("{model} has a primary key that is no number: it cannot be read."));
        }
        if (model, field) != ("auth.User", "username") {
            self.line(format!("  user_model: {model}"));
            self.line(format!("  username_field: {field}"));
        }
    }

    /// What the project's connections ask of the database, in the words of the gateway's URLs.
    fn connection_options(&mut self, vendor: &str) -> Vec<String> {
        let mut query = Vec::new();
        let options = &self.project["database"]["options"];
        for (name, value) in options.as_object().into_iter().flatten() {
            let ours = match (vendor, name.as_str()) {
                ("postgresql", "sslmode" | "sslrootcert" | "options") => Some(name.as_str()),
                ("mysql", "unix_socket") => Some("socket"),
                ("mysql", "charset") => Some("charset"),
                _ => None,
            };
            match (ours, value.as_str()) {
                (Some(ours), Some(value)) => query.push(format!("{ours}={}", path(value))),
                _ => self.notes.push(format!("The database option {name} is not carried.")),
            }
        }
        query
    }
}
