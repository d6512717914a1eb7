//! Rules in the Common Expression Language, compiled when the configuration is read.
//!
//! `request` has `method`, `path`, `query`, `host`, `headers` (names in lower case) and `client`
//! (the address); `identity` is null for an anonymous caller, else has `username`, `id`, `email`, `groups`,
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
        match unknown(program.expression(), &mut Vec::new()) {
            None => {}
            Some(Unknown::Variable(name)) => {
                return Err(problem(format!("there is no variable `{name}`")));
            }
            Some(Unknown::Field { of, field }) => {
                let fields = if of == "request" { &REQUEST[..] } else { &IDENTITY[..] };
                let message = format!("`{of}` has no `{field}`");
                let help = format!("it has {}", fields.join(", "));
                return Err(Problem::new(path, message).help(help).into());
            }
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
                debug!(expression = self.text, %error, "an expression failed: the rule refuses");
                Err(Undecided)
            }
        }
    }
}

/// What the two variables have; see [`describe_request`] and [`describe_identity`].
const REQUEST: [&str; 6] = ["method", "path", "query", "host", "client", "headers"];
const IDENTITY: [&str; 9] =
    ["username", "id", "email", "groups", "permissions", "scopes", "staff", "superuser", "claims"];

/// What is asked for in vain: such a rule would always say no.
enum Unknown<'e> {
    Variable(&'e str),
    Field { of: &'e str, field: &'e str },
}

/// `known` are the variables of the macros around, such as the `g` of `groups.exists(g, …)`.
fn unknown<'e>(expression: &'e IdedExpr, known: &mut Vec<&'e str>) -> Option<Unknown<'e>> {
    let first = |parts: Vec<&'e IdedExpr>, known: &mut Vec<&'e str>| {
        parts.into_iter().find_map(|part| unknown(part, known))
    };
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => None,
        Expr::Ident(name) => {
            let there = known.contains(&name.as_str())
                || matches!(name.as_str(), "request" | "identity")
                || name.starts_with('@');
            (!there).then_some(Unknown::Variable(name))
        }
        Expr::Select(select) => {
            if let Expr::Ident(of) = &select.operand.expr
                && !known.contains(&of.as_str())
            {
                let field = select.field.as_str();
                let there = match of.as_str() {
                    "request" => REQUEST.contains(&field),
                    "identity" => IDENTITY.contains(&field),
                    _ => true,
                };
                if !there {
                    return Some(Unknown::Field { of, field });
                }
            }
            unknown(&select.operand, known)
        }
        Expr::Call(call) => {
            first(call.target.iter().map(|target| &**target).chain(&call.args).collect(), known)
        }
        Expr::List(list) => first(list.elements.iter().collect(), known),
        Expr::Map(map) => first(map.entries.iter().flat_map(of_entry).collect(), known),
        Expr::Struct(made) => first(made.entries.iter().flat_map(of_entry).collect(), known),
        Expr::Comprehension(each) => {
            let outside = first(vec![&each.iter_range, &each.accu_init], known);
            let before = known.len();
            known.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            known.extend(each.iter_var2.as_deref());
            let inside = first(vec![&each.loop_cond, &each.loop_step, &each.result], known);
            known.truncate(before);
            outside.or(inside)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Expression, Problems> {
        Expression::compile(text, &Path::root())
    }

    /// A mistake: a rule asks for a field that no caller has, and refuses all of them silently.
    #[test]
    fn what_nobody_has_is_told() {
        for text in [
            "request.methd == 'GET'",
            "has(identity.nmae)",
            "!(1 in [identity.grups])",
            "identity.groups.exists(g, request.hst == g)",
            "user.name == 'alice'",
            "identity.groups.exists(g, h == 'x')",
        ] {
            assert!(compile(text).is_err(), "{text}");
        }
        for text in [
            "request.method == 'GET' && request.headers['x-a'] == 'b'",
            "identity.groups.exists(g, g.startsWith('x'))",
            "identity.claims.roles.all(role, role.name != identity.username)",
            "has(identity.claims.tenant) && identity.claims.tenant == request.path",
            "[1, 2].map(request, request + 1).size() == 2",
        ] {
            assert!(compile(text).is_ok(), "{text}: {:?}", compile(text).err());
        }
    }
}
