//! `store`: where the project's database is.

use serde_json::Value;

use super::{Writer, path, segment};
use crate::cli::init::project::Group;

impl Writer<'_> {
    pub(super) fn store(&mut self) {
        let database = &self.project.database;
        let vendor = database.vendor.as_str();
        if !["postgresql", "mysql", "sqlite"].contains(&vendor) {
            return self.line("# The gateway cannot read the project's database: see the end.");
        }
        self.line("store:");
        let url = match vendor {
            "sqlite" => format!("sqlite://{}", path(&database.name)),
            _ => {
                let scheme = if vendor == "mysql" { "mysql" } else { "postgres" };
                let mut query = self.connection_options(vendor);
                let host = match database.host.as_str() {
                    "" => "localhost",
                    socket if socket.starts_with('/') => {
                        let name = if vendor == "mysql" { "socket" } else { "host" };
                        query.push(format!("{name}={}", path(socket)));
                        "localhost"
                    }
                    host => host,
                };
                let port = match database.port.as_str() {
                    "" => String::new(),
                    port => format!(":{port}"),
                };
                let (user, name) = (segment(&database.user), segment(&database.name));
                let query =
                    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
                format!("{scheme}://{user}@{host}{port}/{name}{query}")
            }
        };
        self.line(format!("  url: {}  # Django's own database, used as it is", Value::from(url)));
        if database.password_set {
            let password = self.variable("DATABASE_PASSWORD".into(), "DATABASES' PASSWORD");
            self.line(format!("  password: {password}"));
        }
        if database.pooler {
            self.line("  pooler: true  # DISABLE_SERVER_SIDE_CURSORS, or PgBouncer's port");
            self.note(
                Group::Do,
                "A pooler is between the project and PostgreSQL: name PostgreSQL itself in \
                 `store.listen_url`, or what Django ends is learned of within `cache.ttl`",
            );
        }
        if !self.project.left.contains_key("store") {
            self.user_model();
        }
    }

    /// What the project's connections ask of the database, in the words of the gateway's URLs.
    fn connection_options(&mut self, vendor: &str) -> Vec<String> {
        let mut query = Vec::new();
        for (name, value) in self.project.database.options.iter() {
            let ours = match (vendor, name) {
                ("postgresql", "sslmode" | "sslrootcert" | "options") => Some(name),
                ("mysql", "unix_socket") => Some("socket"),
                ("mysql", "charset") => Some("charset"),
                _ => None,
            };
            match (ours, value.as_str()) {
                (Some(ours), Some(value)) => query.push(format!("{ours}={}", path(value))),
                _ => self.note_about(Group::Information, "Database options are not carried", name),
            }
        }
        query
    }
}
