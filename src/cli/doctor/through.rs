//! Through the gateway: requests without a good credential, which it has to refuse where the route says so,
//! and to answer as the project did before the gateway stood in front of it.

use std::{collections::BTreeSet, time::Duration};

use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{AUTHORIZATION, HOST, HeaderValue},
};

use super::{Arguments, Findings, route};
use crate::{
    cli::natively::{CREDENTIALS, NativeAnswer},
    client::HttpClient,
    config::Document,
    package::print_line,
    policy::{Config, Word},
};

/// Natively the project told the two apart.
const LOST: &str = "remedy: the server between drops `Authorization`; for Apache with mod_wsgi: \
                    WSGIPassAuthorization On";

/// A gateway that is asked as any client may ask it.
struct Gateway<'a> {
    http: &'a HttpClient,
    /// `127.0.0.1:8080`
    address: String,
    host: Option<&'a str>,
}

/// Prints what each request without a good credential comes to: at the path that was given, and at those
/// whose native answers are known.
pub(super) async fn through(
    http: &HttpClient,
    document: &Document,
    arguments: &Arguments,
    native: &[NativeAnswer],
    findings: &mut Findings,
) {
    let plain = document.listen.iter().filter(|listener| listener.tls.is_none());
    let Some(address) = plain.filter_map(|listener| listener.address.tcp()).next() else {
        return print_line!("\nNo listener without TLS: nothing was asked through the gateway.");
    };
    let host = arguments.host.as_deref();
    let gateway = Gateway { http, address: address.to_string(), host };
    print_line!("\nThrough the gateway, http://{address}");
    if gateway.status("/", None).await.is_none() {
        print_line!("  no answer the gateway does not run: start it, and ask again");
        // What the project answered is there to be compared.
        findings.unsure += usize::from(!native.is_empty());
        return;
    }
    gateway.refuses(document, arguments.path.as_str(), findings).await;
    gateway.answers_as(native, findings).await;
}

impl Gateway<'_> {
    /// Whether a path that is not for anyone refuses.
    async fn refuses(&self, document: &Document, path: &str, findings: &mut Findings) {
        let route = route(document, path.split('?').next().unwrap_or_default());
        let permission = route.and_then(|route| route.permission.as_ref());
        if let Config::Word(Word::Anyone | Word::AuthenticatedOrReadOnly) =
            permission.unwrap_or(&document.permission)
        {
            return print_line!("  skipped   the route of {path} is for anyone");
        }
        let password = [("a wrong password", Some("Basic bm9ib2R5Ondyb25n"))];
        for (what, credential) in CREDENTIALS.into_iter().chain(password) {
            match self.status(path, credential).await {
                Some(status) if (200..300).contains(&status) => {
                    way_in(path, what, status, findings);
                }
                Some(status) => print_line!("  well      {what}: {status}"),
                None => unanswered(path, what, findings),
            }
        }
    }

    /// Whether the gateway's answers are those that the project gave.
    async fn answers_as(&self, native: &[NativeAnswer], findings: &mut Findings) {
        let mut same = 0;
        // The answer to no credential, and its path.
        let mut bare = None;
        let mut lost = BTreeSet::new();
        for NativeAnswer { path, credential, status: before, told_apart } in native {
            let Some((what, value)) = CREDENTIALS.into_iter().find(|(what, _)| what == credential)
            else {
                continue;
            };
            let answer = self.answer(path, value).await;
            let as_natively = answer.clone().filter(|(status, _)| status == before);
            if value.is_none() {
                bare = as_natively.map(|answer| (path, answer));
            } else if *told_apart
                && let (Some(answer), Some((at, bare))) = (&as_natively, &bare)
                && *at == path
                && answer == bare
            {
                lost.insert(path);
            }
            match answer.map(|(status, _)| status) {
                Some(status) if status == *before => same += 1,
                Some(status) if (200..300).contains(&status) && !(200..300).contains(before) => {
                    way_in(path, what, status, findings);
                    print_line!("            the project itself answered {before}");
                }
                Some(status) => {
                    findings.unsure += 1;
                    print_line!("  differs   {path}, {what}: {status}, natively {before}");
                    print_line!("            {}", reason(*before, status));
                }
                None => unanswered(path, what, findings),
            }
        }
        if let Some(path) = lost.first() {
            findings.lost += 1;
            print_line!(
                "  LOST      {path}: the project answers a wrong token as if there were none"
            );
            print_line!("            {LOST}");
        }
        if same > 0 {
            print_line!("  well      {same} answers are those that the project gave natively");
        }
    }

    async fn status(&self, path: &str, credential: Option<&str>) -> Option<u16> {
        self.answer(path, credential).await.map(|(status, _)| status)
    }

    /// Status and body of an answer, or nothing if there is none.
    async fn answer(&self, path: &str, credential: Option<&str>) -> Option<(u16, Bytes)> {
        let mut headers = HeaderMap::new();
        if let Some(value) = credential.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(AUTHORIZATION, value);
        }
        let host = HeaderValue::try_from(self.host.unwrap_or(&self.address)).ok()?;
        headers.insert(HOST, host);
        let url = format!("http://{}{path}", self.address).parse().ok()?;
        let time = Duration::from_secs(10);
        let sent = self.http.send(Method::GET, &url, headers, 1 << 20, time);
        let (status, _, body) = sent.await.ok()?;
        Some((status.as_u16(), body))
    }
}

fn way_in(path: &str, what: &str, status: u16, findings: &mut Findings) {
    findings.ways_in += 1;
    print_line!("  WAY IN    {path}, {what}: {status}");
    print_line!("            remedy: `portcullis explain GET {path}` says which rule admits it");
}

fn unanswered(path: &str, what: &str, findings: &mut Findings) {
    findings.unsure += 1;
    print_line!("  no answer {path}, {what}");
}

/// Why a project's answer may be another behind the gateway.
fn reason(before: u16, status: u16) -> &'static str {
    match (before, status) {
        (_, 400) => "the host is not in ALLOWED_HOSTS, or not in `hosts`: name one with --host",
        (_, 404) => "no route has this host and path, or the project is not the one that init read",
        (_, 429) => "too many wrong credentials were sent from here: wait, and ask again",
        (_, 502..=504) => {
            "the project does not answer, or the gateway's store: see the gateway's log"
        }
        (401, 403) | (403, 401) => {
            "the first scheme of the chain says whether there is a challenge: the chain is not the \
             project's"
        }
        (200..300, 401 | 403) => {
            "the gateway is stricter than the project: see `explain` for the rule"
        }
        (_, 300..400) => "something sends strangers elsewhere before they are judged",
        _ => "`portcullis explain` tells what the gateway does with this request",
    }
}
