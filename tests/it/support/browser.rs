//! A client that keeps cookies and fills in the login page, as a browser does.

use std::collections::BTreeMap;

use super::{Answer, Gateway};

/// What HTML forms send.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) struct Browser<'a> {
    gateway: &'a Gateway,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, cookies: BTreeMap::new() }
    }

    /// One whose only cookie is this session.
    pub(crate) fn with_session(gateway: &'a Gateway, key: &str) -> Self {
        let cookies = BTreeMap::from([("sessionid".to_owned(), key.to_owned())]);
        Self { gateway, cookies }
    }

    /// A request with the cookies so far; those of the answer are kept.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let pairs = pairs.join("; ");
        let mut headers = headers.to_vec();
        if !pairs.is_empty() {
            headers.push(("Cookie", &pairs));
        }
        let answer = self.gateway.send(method, target, &headers, body);
        for line in answer.values("set-cookie") {
            let (name, rest) = line.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            match attributes.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    /// A form with the token that the page would have in it.
    pub(crate) fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.cookies.get("csrftoken").cloned().unwrap_or_default();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).append_pair("csrfmiddlewaretoken", &token);
        self.send("POST", target, &[("Content-Type", FORM)], form.finish().as_bytes())
    }

    /// Through the page at `/accounts/login/`; the answer to its form.
    pub(crate) fn log_in(&mut self, username: &str, password: &str) -> Answer {
        assert_eq!(self.get("/accounts/login/").status, 200);
        self.post("/accounts/login/", &[("username", username), ("password", password)])
    }

    /// The session's key.
    pub(crate) fn session(&self) -> String {
        self.cookies.get("sessionid").cloned().expect("there is a session")
    }
}
