//! What a package says of its tables: how an embedded store makes them, what of them belongs to a
//! user, and what PostgreSQL tells when something in them ends.

/// A table of a package.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What makes it in an embedded store: `CREATE TABLE IF NOT EXISTS …`, and its indexes.
    pub sqlite: &'static [&'static str],
    /// Whose tables may be made elsewhere.
    pub owner: Owner,
    /// What is done to its rows before their user is deleted: a template with one `{user_key}`.
    pub on_user_delete: Option<&'static str>,
    /// What PostgreSQL tells gateways when a row changes.
    pub trigger: Option<Trigger>,
}

/// Whose a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A Django project's: made in an embedded store alone.
    Django,
    /// The gateway's own: made where `store.own_tables` allows it, too.
    Gateway,
}

/// A trigger on a table.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    /// After which events: a template, such as `UPDATE OF is_active OR DELETE`.
    pub events: &'static str,
    /// What the message is, as an SQL expression over `OLD` and `NEW`: a revocation as
    /// [`Revocation`](super::Revocation) reads it, or NULL for none.
    pub message: &'static str,
}
