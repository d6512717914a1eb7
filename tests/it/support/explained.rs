//! What `portcullis explain` says of a request before it is sent, beside what the gateway then does
//! with it and keeps for `explain --request`.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis::observe::recent::{Explained, SchemeResult};

use super::{Gateway, until};

/// What `explain` prints.
#[derive(Debug)]
pub(crate) struct Foretold {
    /// All of it, for whoever reads a failure.
    text: String,
    /// How many requests the gateway had answered when it was asked.
    answered: usize,
    decided: Decided,
}

/// A decision, as far as both say it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decided {
    route: Option<String>,
    schemes: Vec<String>,
    rule: Option<String>,
    admitted: Option<String>,
    refused: Option<String>,
}

impl Foretold {
    /// Asks about a request from this machine, and sees that the store is afterwards as it was.
    pub(crate) fn ask(
        gateway: &Gateway,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = gateway.setup.dir.0.join(format!("body.{number}"));
        let mut arguments = vec!["explain".to_owned(), method.to_owned(), target.to_owned()];
        arguments.extend(headers.iter().map(|(name, value)| format!("--header={name}: {value}")));
        if !body.is_empty() {
            std::fs::write(&file, body).unwrap();
            arguments.push(format!("--body=@{}", file.display()));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (answered, before) = (ids(gateway).len(), rows(gateway));
        let text = gateway.command(&arguments);
        assert_eq!(rows(gateway), before, "explain has changed the store: {arguments:?}\n{text}");
        Self { decided: Decided::of_text(&text), answered, text }
    }

    /// The status it says that the request is refused with, if it is.
    pub(crate) fn refused(&self) -> Option<u16> {
        self.decided.refused.as_ref().map(|refused| refused[..3].parse().unwrap())
    }

    /// As whom it says that the request is admitted, if it is; empty for nobody in particular.
    pub(crate) fn admitted(&self) -> Option<&str> {
        self.decided.admitted.as_deref()
    }

    /// Sees that the request that followed was decided as it says.
    pub(crate) fn compare(mut self, gateway: &Gateway) {
        until("the access line", || ids(gateway).len() > self.answered);
        let found = gateway.admin(&format!("/requests/{}", ids(gateway)[self.answered]));
        let told: Explained = serde_json::from_slice(&found.body).unwrap();
        let mut happened = Decided::of_request(&told);
        let by_page = self.text.contains("\n  answered   by the page");
        let by_upstream = self.text.contains("\nThe upstream would see:");
        if by_page || by_upstream && matches!(told.status, 502..=504) {
            // What a page refuses after that, and what the upstream does not answer, is not decided.
            happened.refused = None;
        }
        if happened.refused.is_none() && happened.admitted.is_none() {
            // It is not kept that an anonymous caller was admitted, only that nothing was refused.
            assert!(self.decided.refused.is_none(), "{}\n{told:?}", self.text);
            self.decided.admitted.take_if(|name| name.is_empty());
        }
        assert_eq!(self.decided, happened, "explain | the gateway\n{}\n{told:?}", self.text);
    }
}

impl Decided {
    fn of_text(text: &str) -> Self {
        let mut decided = Self::default();
        for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let Some((key, value)) = line.split_at_checked(13) else { continue };
            let value = value.to_owned();
            match key.trim() {
                "route" => decided.route = Some(value),
                "scheme" => decided.schemes.push(value),
                "rule" => decided.rule = Some(value),
                "admitted" => {
                    let named = value.strip_prefix("as ").and_then(|v| v.rsplit_once(", by "));
                    decided.admitted = Some(named.map_or("", |(name, _)| name).to_owned());
                }
                "refused" => decided.refused = Some(value),
                _ => {}
            }
        }
        decided
    }

    fn of_request(told: &Explained) -> Self {
        let status = hyper::StatusCode::from_u16(told.status).unwrap();
        // On a terminal no name begins a line of its own.
        let name = told.user.as_ref().map(|(name, _)| name.escape_debug().to_string());
        let scheme = |(scheme, result): &(_, SchemeResult)| match (result, &name) {
            (SchemeResult::Authenticated, Some(name)) => format!("{scheme}: is {name}"),
            (result, _) => format!("{scheme}: {}", result.to_string().escape_debug()),
        };
        let detail = |(detail, _): &(String, _)| format!("{status} {}", detail.escape_debug());
        Self {
            route: told.route.as_ref().map(ToString::to_string),
            schemes: told.schemes.iter().map(scheme).collect(),
            rule: told.rule.as_ref().map(ToString::to_string),
            refused: told.refused.as_ref().map(detail),
            admitted: name,
        }
    }
}

/// Of the requests answered so far, in order: what stands at the end of access lines.
fn ids(gateway: &Gateway) -> Vec<String> {
    let output = gateway.output();
    let id = |line: &str| {
        let (rest, id) = line.rsplit_once(' ')?;
        let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && rest.ends_with("us")).then(|| id.to_owned())
    };
    output.lines().filter_map(id).collect()
}

/// Every row of its embedded store.
fn rows(gateway: &Gateway) -> Vec<String> {
    let tables = gateway.texts(
        "SELECT m.name || ' ' || group_concat('quote(\"' || c.name || '\")', '||') \
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name",
    );
    let selects = tables.iter().map(|table| {
        let (name, columns) = table.split_once(' ').unwrap();
        format!("SELECT '{name} ' || {columns} FROM \"{name}\"")
    });
    let mut rows = gateway.texts(&selects.collect::<Vec<_>>().join(" UNION ALL "));
    rows.sort();
    rows
}
