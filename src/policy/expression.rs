//! Rules in the Common Expression Language, compiled when the configuration is read.
//!
//! `request` has `method`, `path`, `query`, `host`, `headers` (names in lower case) and `client`
//! (the address); `identity` is null for nobody, else has `username`, `id`, `email`, `groups`,
//! `permissions`, `scopes`, `staff`, `superuser` and `claims`. Without an answer (another type, a
//! missing field) the whole rule says no.

use std::collections::HashMap;

use super::rule::Undecided;
use cel::{
    Context, IdedExpr, Program, Value,
    common::ast::{EntryExpr, Expr, IdedEntryExpr},
};
use tracing::debug;

use crate::{
    identity::Identity,
    request::Request,
    value::{Path, Problem, Problems},
};

/// A compiled expression.
pub struct Expression {
    text: String,
    program: Program,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    pub(super) fn compile(text: &str, path: &Path) -> Result<Self, Problems> {
        let problem = |message: String| {
            let help =
                "the variables are `request` and `identity`, and the result is true or false";
            Problems::from(Problem::new(path, message).help(help))
        };
        let program = Program::compile(text)
            .map_err(|error| problem(format!("the expression does not compile: {error}")))?;
        let references = program.references();
        let known = |name: &&str| matches!(*name, "request" | "identity") || name.starts_with('@');
        let unknown = references.variables().into_iter().find(|name| !known(name));
        if let Some(name) = unknown {
            return Err(problem(format!("there is no variable `{name}`")));
        }
        if let Some((variable, field)) = unknown_field(program.expression()) {
            let fields = if variable == "request" { &REQUEST[..] } else { &IDENTITY[..] };
            let message = format!("`{variable}` has no `{field}`");
            let help = format!("it has {}", fields.join(", "));
            return Err(Problem::new(path, message).help(help).into());
        }
        Ok(Self { text: text.to_owned(), program })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn decide(
        &self,
        request: &Request,
        identity: Option<&Identity>,
    ) -> Result<bool, Undecided> {
        let mut context = Context::default();
        context.add_variable_from_value("request", describe_request(request));
        context
            .add_variable_from_value("identity", identity.map_or(Value::Null, describe_identity));
        match self.program.execute(&context) {
            Ok(Value::Bool(allowed)) => Ok(allowed),
            Ok(_) => Err(Undecided),
            Err(error) => {
                debug!(expression = self.text, %error, "an expression failed, which is a no");
                Err(Undecided)
            }
        }
    }
}

/// What the two variables have; see [`describe_request`] and [`describe_identity`].
const REQUEST: [&str; 6] = ["method", "path", "query", "host", "client", "headers"];
const IDENTITY: [&str; 9] =
    ["username", "id", "email", "groups", "permissions", "scopes", "staff", "superuser", "claims"];

/// A variable and the field that is asked of it in vain: such a rule would always say no.
fn unknown_field(expression: &IdedExpr) -> Option<(&str, &str)> {
    let parts: Vec<&IdedExpr> = match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(name) => {
                let known = match name.as_str() {
                    "request" => REQUEST.contains(&select.field.as_str()),
                    "identity" => IDENTITY.contains(&select.field.as_str()),
                    _ => true,
                };
                return (!known).then_some((name, &select.field));
            }
            _ => vec![&select.operand],
        },
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(of_entry).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(of_entry).collect(),
        Expr::Comprehension(each) => {
            vec![&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
        }
    };
    parts.into_iter().find_map(unknown_field)
}

fn of_entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

fn describe_request(request: &Request) -> Value {
    let mut headers: HashMap<String, String> = HashMap::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Several fields of one name are one list (RFC 9110 section 5.3): a rule sees them all.
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let fields: HashMap<String, Value> = [
        ("method", Value::from(request.method.as_str())),
        ("path", request.target.path().into()),
        ("query", request.target.query().unwrap_or_default().into()),
        ("host", (&*request.host).into()),
        ("client", request.client.address.to_string().into()),
        ("headers", headers.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    fields.into()
}

fn describe_identity(identity: &Identity) -> Value {
    let words = |words: &std::collections::BTreeSet<Box<str>>| {
        Value::from(words.iter().map(|word| word.to_string()).collect::<Vec<_>>())
    };
    let fields: HashMap<String, Value> = [
        ("username", Value::from(&*identity.username)),
        ("id", identity.id.as_deref().map_or(Value::Null, Value::from)),
        ("email", (&*identity.email).into()),
        ("groups", words(&identity.groups)),
        ("permissions", words(&identity.permissions)),
        ("scopes", words(&identity.scopes)),
        ("staff", identity.staff.into()),
        ("superuser", identity.superuser.into()),
        ("claims", cel::to_value(&identity.claims).unwrap_or(Value::Null)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    fields.into()
}
