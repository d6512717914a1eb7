//! SQL in what the three databases have in common, with a word in braces where they differ or where
//! the user model has a say. This is the one place that builds the text of a statement.

use std::collections::BTreeSet;

use sqlx::any::AnyArguments;

use super::model::{Column, KeyKind, Members, UserModel, UsernameKind};
use crate::{clock::Timestamp, identity::UserKey};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

/// How many columns `{user_columns}` stands for; a package's own come behind them.
pub const USER_COLUMNS: usize = 9;

/// A parameter of a statement, for a `?`, `{time}` or `{user_key}`.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A text.
    Text(String),
    /// A number.
    Integer(i64),
    /// A user's key, for `{user_key}`.
    User(UserKey),
    /// A moment, for `{time}`.
    Time(Timestamp),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<UserKey> for Arg {
    fn from(key: UserKey) -> Self {
        Self::User(key)
    }
}

impl From<&UserKey> for Arg {
    fn from(key: &UserKey) -> Self {
        Self::User(key.clone())
    }
}

impl From<Timestamp> for Arg {
    fn from(moment: Timestamp) -> Self {
        Self::Time(moment)
    }
}

impl UserModel {
    /// The statement that a template stands for in this database.
    pub(super) fn statement(&self, template: &'static str, column: Option<&Column>) -> String {
        let mut text = String::with_capacity(template.len() + 64);
        self.write(template, column, &mut text);
        if self.dialect == Dialect::Postgres { numbered(&text) } else { text }
    }

    /// A new row of the user table: its columns, each with the template of its value.
    pub(super) fn insert(&self, values: &[(&Column, &'static str)]) -> String {
        let columns: Vec<&str> = values.iter().map(|(column, _)| column.quoted()).collect();
        let mut text = format!("INSERT INTO {} (", self.table.quoted());
        text.push_str(&columns.join(", "));
        text.push_str(") VALUES (");
        for (position, (_, value)) in values.iter().enumerate() {
            text.push_str(if position == 0 { "" } else { ", " });
            self.write(value, None, &mut text);
        }
        text.push(')');
        if self.dialect == Dialect::Postgres { numbered(&text) } else { text }
    }

    fn write(&self, template: &str, column: Option<&Column>, text: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            match word.split_once(' ') {
                Some((function, argument)) => text.push_str(&self.function(function, argument)),
                None => self.word(word, column, text),
            }
            rest = after;
        }
        text.push_str(rest);
    }

    fn word(&self, word: &str, column: Option<&Column>, text: &mut String) {
        let by_dialect = |sqlite: &'static str, postgres: &'static str, mysql: &'static str| {
            match self.dialect {
                Dialect::Sqlite => sqlite,
                Dialect::Postgres => postgres,
                Dialect::Mysql => mysql,
            }
        };
        text.push_str(match word {
            "users" => self.table.quoted(),
            "groups" => of(&self.groups, |members| &members.table),
            "groups.user" => of(&self.groups, |members| &members.user),
            "groups.group" => of(&self.groups, |members| &members.other),
            "permissions" => of(&self.permissions, |members| &members.table),
            "permissions.user" => of(&self.permissions, |members| &members.user),
            "permissions.permission" => of(&self.permissions, |members| &members.other),
            "pk" => self.key_column.quoted(),
            "username" => self.username.quoted(),
            // As the column compares: an index of `citext` is of no use to a text.
            "username_value" if self.username_kind == UsernameKind::Citext => {
                // The library knows no parameter of that type.
                by_dialect("?", "CAST(CAST(? AS text) AS citext)", "?")
            }
            "username_value" => "?",
            "username_text" => {
                return text
                    .push_str(&self.function("text", &format!("u.{}", self.username.quoted())));
            }
            "password" => self.password.quoted(),
            "column" => column.map_or("", Column::quoted),
            "column_text" => {
                let column = column.map_or("", Column::quoted);
                return text.push_str(&self.function("text", &format!("u.{column}")));
            }
            "user_columns" => return text.push_str(&self.user_columns()),
            "user_changes" => return text.push_str(&self.user_changes()),
            // The word is reserved.
            "key" => by_dialect("\"key\"", "\"key\"", "`key`"),
            "time" => by_dialect("?", "CAST(? AS timestamptz)", "CAST(? AS DATETIME(6))"),
            "user_key" if self.key == KeyKind::Uuid => by_dialect("?", "CAST(? AS uuid)", "?"),
            "user_key" => "?",
            // The column of a table of our own that holds a user's key.
            "user_key_type" if self.key == KeyKind::Integer => "bigint",
            "user_key_type" => "varchar(64)",
            "true" => by_dialect("1", "TRUE", "1"),
            "false" => by_dialect("0", "FALSE", "0"),
            "bigint" => by_dialect("BIGINT", "BIGINT", "SIGNED"),
            _ => "",
        });
    }

    fn function(&self, function: &str, argument: &str) -> String {
        match (function, self.dialect) {
            // A column that holds a moment, as microseconds since 1970.
            ("micros", Dialect::Postgres) => {
                format!("CAST(ROUND(EXTRACT(EPOCH FROM {argument}) * 1000000) AS BIGINT)")
            }
            ("micros", Dialect::Mysql) => {
                format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {argument})")
            }
            // Django writes the fraction only where there is one.
            ("micros", Dialect::Sqlite) => format!(
                "CAST(strftime('%s', {argument}) AS INTEGER) * 1000000 \
                 + CAST(substr({argument} || '.000000', 21, 6) AS INTEGER)"
            ),
            ("text", Dialect::Mysql) => format!("CAST({argument} AS CHAR)"),
            ("text", _) => format!("CAST({argument} AS TEXT)"),
            _ => String::new(),
        }
    }

    /// What [`super::Sql::user`] reads, in its order.
    fn user_columns(&self) -> String {
        let key = match self.dialect {
            Dialect::Postgres if self.key == KeyKind::Uuid => {
                format!("CAST(u.{} AS TEXT)", self.key_column.quoted())
            }
            _ => format!("u.{}", self.key_column.quoted()),
        };
        // A model of a project's own may allow NULL.
        let plain = |column: &Column| self.function("text", &format!("u.{}", column.quoted()));
        let text = |column: &Option<Column>| match column {
            Some(column) => format!("COALESCE({},'')", plain(column)),
            None => "''".to_owned(),
        };
        let flag = |column: &Option<Column>, missing: &str| match column {
            // A flag may be a small number, which PostgreSQL does not take for one.
            Some(column) if self.dialect == Dialect::Postgres => {
                format!("CASE WHEN CAST(u.{} AS integer) <> 0 THEN 1 ELSE 0 END", column.quoted())
            }
            Some(column) => format!("CASE WHEN u.{} THEN 1 ELSE 0 END", column.quoted()),
            None => missing.to_owned(),
        };
        [
            key,
            plain(&self.username),
            text(&self.email),
            text(&self.first_name),
            text(&self.last_name),
            plain(&self.password),
            flag(&self.is_active, "1"),
            flag(&self.is_staff, "0"),
            flag(&self.is_superuser, "0"),
        ]
        .join(", ")
    }

    /// The event of a trigger: a change of what the gateway knows of a user.
    fn user_changes(&self) -> String {
        let optional = [
            &self.email,
            &self.first_name,
            &self.last_name,
            &self.is_active,
            &self.is_staff,
            &self.is_superuser,
        ];
        let columns = [&self.username, &self.password];
        let columns = columns.into_iter().chain(optional.into_iter().flatten());
        // The e-mail address may be the user name.
        let columns: BTreeSet<&str> = columns.map(Column::quoted).collect();
        format!("UPDATE OF {}", Vec::from_iter(columns).join(", "))
    }

    pub(super) fn arguments(
        &self,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<AnyArguments, sqlx::Error> {
        use sqlx::Arguments;
        let mut arguments = AnyArguments::default();
        for arg in args {
            let added = match arg {
                Arg::Text(text) => arguments.add(text),
                Arg::Integer(number) | Arg::User(UserKey::Integer(number)) => arguments.add(number),
                Arg::User(UserKey::Text(text)) => arguments.add(String::from(text)),
                Arg::User(UserKey::Uuid(text)) => arguments.add(match self.dialect {
                    Dialect::Postgres => String::from(text),
                    Dialect::Sqlite | Dialect::Mysql => text.replace('-', ""),
                }),
                Arg::Time(moment) => arguments.add(match self.dialect {
                    Dialect::Postgres => format!("{moment}+00"),
                    Dialect::Sqlite | Dialect::Mysql => moment.to_string(),
                }),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}

fn of(members: &Option<Members>, part: impl Fn(&Members) -> &Column) -> &str {
    members.as_ref().map_or("", |members| part(members).quoted())
}

/// PostgreSQL numbers its parameters.
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 8);
    for (number, piece) in text.split('?').enumerate() {
        if number > 0 {
            numbered.push_str(&format!("${number}"));
        }
        numbered.push_str(piece);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::{super::model, *};
    use crate::value::Path;

    fn statement(dialect: Dialect, model: &str, template: &'static str) -> String {
        let config: model::Config = serde_yaml::from_str(model).unwrap();
        let model = UserModel::new(&config, "username", dialect, &Path::root()).unwrap();
        model.statement(template, None)
    }

    #[test]
    fn one_text_serves_three_databases() {
        let template = "UPDATE {users} SET a = {time} WHERE {pk} = {user_key} AND b = {true}";
        let model = "{ name: auth.User, key: uuid }";
        assert_eq!(
            statement(Dialect::Postgres, model, template),
            "UPDATE \"auth_user\" SET a = CAST($1 AS timestamptz) \
             WHERE \"id\" = CAST($2 AS uuid) AND b = TRUE"
        );
        assert_eq!(
            statement(Dialect::Mysql, model, template),
            "UPDATE `auth_user` SET a = CAST(? AS DATETIME(6)) WHERE `id` = ? AND b = 1"
        );
        let micros = statement(Dialect::Mysql, model, "SELECT {micros k.created}");
        assert!(micros.ends_with("'1970-01-01 00:00:00', k.created)"), "{micros}");
    }

    #[test]
    fn a_column_that_is_not_there_has_a_meaning() {
        let model = "{ name: a.U, columns: { email: null, is_active: null, is_staff: null } }";
        let columns = statement(Dialect::Sqlite, model, "{user_columns}");
        assert_eq!(columns.split(", ").count(), USER_COLUMNS);
        assert!(columns.contains("AS TEXT), '', COALESCE(CAST(u.\"first_name\" AS"), "{columns}");
        assert!(columns.contains("u.\"password\" AS TEXT), 1, 0, CASE"), "{columns}");
    }
}
