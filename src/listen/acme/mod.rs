//! Certificates that come by themselves (ACME, RFC 8555): the listener shows the authority that the
//! names are its own, by TLS-ALPN-01 (RFC 8737) or HTTP-01, is given a certificate for them, and
//! asks for the next when two thirds of its life are over. Until the first is there, handshakes
//! fail and all else is served; while the authority does not answer, the old one is shown.
//!
//! The settings are read by every build, so that one without the feature says what is missing.

#[cfg(feature = "acme")]
mod folder;
#[cfg(feature = "acme")]
mod order;

use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use rustls::sign::CertifiedKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::watch};

use crate::{
    client::web_address,
    clock::{Clock, Timestamp},
    crypto::pem,
    upstream::{Reply, ReplyBody},
    value::{Path, Problem, Problems},
};

/// `acme` in a listener's `tls`. Its use is agreement to the terms of the authority.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Acme")]
pub(super) struct Config {
    /// The host names that the certificate is for.
    names: Vec<String>,
    /// An e-mail address to which the authority writes when something is wrong.
    contact: Option<String>,
    /// The authority's directory.
    directory: String,
    /// A PEM file with the authority of the directory's own certificate, if it is not one of the
    /// system's.
    ca: Option<PathBuf>,
    /// Where account, keys and certificates are kept. It is this gateway's own: who can read it can
    /// be the names.
    folder: PathBuf,
    /// How the authority is shown that the names are ours.
    challenge: Challenge,
}

/// How an authority is shown that a name is ours, by RFC 8555's and RFC 8737's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "AcmeChallenge")]
pub(super) enum Challenge {
    /// By a certificate on this listener, to which the authority comes on port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a page on the listeners without TLS, to one of which it comes on port 80.
    #[serde(rename = "http-01")]
    Http01,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            contact: None,
            directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
            ca: None,
            folder: "acme".into(),
            challenge: Challenge::TlsAlpn01,
        }
    }
}

impl Config {
    pub(super) fn challenge(&self) -> Challenge {
        self.challenge
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    fn check(&self, path: &Path) -> Result<(), Problems> {
        let mut problems = Problems::default();
        if cfg!(not(feature = "acme")) {
            let problem = Problem::new(path, "this binary was built without ACME");
            problems.push(problem.help("build it with `cargo build --release --features acme`"));
        }
        if self.names.is_empty() {
            let problem = Problem::missing(&path.key("names"), "there is no name to certify");
            problems.push(problem.help("for example `names: [api.example.com]`"));
        }
        for (index, name) in self.names.iter().enumerate() {
            // RFC 1123 section 2.1.
            let host = name.len() <= 253
                && name.split('.').all(|label| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                });
            if !host || name.parse::<std::net::IpAddr>().is_ok() {
                let message = format!("`{name}` is not a host name that can be shown to be ours");
                let problem = Problem::new(&path.key("names").index(index), message);
                problems.push(problem.help("name each host; wildcards take a challenge in DNS"));
            }
        }
        if web_address(&self.directory).is_none_or(|url| url.scheme_str() != Some("https")) {
            let message = format!("`{}` is not the address of a directory", self.directory);
            let problem = Problem::new(&path.key("directory"), message);
            problems.push(problem.help("it begins with https://"));
        }
        if let Some(file) = &self.ca {
            problems.keep(pem::authorities(file, &path.key("ca")));
        }
        if let Ok(about) = std::fs::metadata(&self.folder) {
            let at = path.key("folder");
            let folder = self.folder.display();
            if !about.is_dir() {
                problems.push(Problem::new(&at, format!("`{folder}` is not a folder")));
            } else if about.permissions().mode() & 0o022 != 0 {
                let problem = Problem::new(&at, format!("others may write to `{folder}`"));
                problems.push(problem.help(format!("chmod 0700 {folder}")));
            }
        }
        let address = |contact: &String| {
            let odd = |c: char| c.is_whitespace() || ",:<>".contains(c);
            contact.contains('@') && !contact.contains(odd)
        };
        if self.contact.as_ref().is_some_and(|contact| !address(contact)) {
            let problem = Problem::new(&path.key("contact"), "this is not an e-mail address");
            problems.push(problem.help("for example ops@example.com"));
        }
        problems.finish(())
    }
}

/// The certificates of all listeners that come by themselves, by their settings: a configuration
/// and the next share those that are the same.
#[derive(Clone, Default)]
pub struct Acme {
    known: Arc<Mutex<Vec<Known>>>,
    answers: Answers,
}

type Known = (Config, Weak<Managed>);

impl Acme {
    /// The certificate with these settings; it does not come before it is begun.
    pub(super) fn get(&self, config: &Config, path: &Path) -> Result<Arc<Managed>, Problems> {
        config.check(path)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, managed)| managed.strong_count() > 0);
        let same = known.iter().find(|(known, _)| known == config);
        if let Some(same) = same.and_then(|(_, managed)| managed.upgrade()) {
            return Ok(same);
        }
        // With a name more, the others are shown what is good for them until the new one is there.
        let others = known.iter().filter_map(|(_, managed)| managed.upgrade());
        let shared = |of: &Arc<Managed>| {
            of.config.directory == config.directory
                && of.config.names.iter().any(|name| config.names.contains(name))
        };
        let before = others.filter(shared).find_map(|managed| managed.certificate());
        let before = before.map(|certified| Current { certified, due: Timestamp::default() });
        let managed = Arc::new(Managed {
            config: config.clone(),
            answers: self.answers.clone(),
            current: ArcSwapOption::from(before.map(Arc::new)),
            shown: ArcSwap::default(),
            begun: AtomicBool::new(false),
            alive: watch::Sender::default(),
        });
        known.push((config.clone(), Arc::downgrade(&managed)));
        Ok(managed)
    }

    /// What listeners without TLS answer for HTTP-01.
    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }
}

/// A certificate that comes by itself.
#[derive(Debug)]
#[cfg_attr(not(feature = "acme"), expect(dead_code, reason = "settings are refused"))]
pub(super) struct Managed {
    config: Config,
    answers: Answers,
    current: ArcSwapOption<Current>,
    /// For TLS-ALPN-01, by name.
    shown: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
    begun: AtomicBool,
    /// Dropped with the last listener that shows it: then no further one is ordered.
    alive: watch::Sender<()>,
}

/// A certificate, and when it is time for the next.
#[derive(Debug)]
#[cfg_attr(not(feature = "acme"), expect(dead_code, reason = "settings are refused"))]
struct Current {
    certified: Arc<CertifiedKey>,
    due: Timestamp,
}

impl Managed {
    /// The one to show, once there is one.
    pub(super) fn certificate(&self) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|current| Arc::clone(&current.certified))
    }

    /// The one that shows the authority that a name is ours, while it asks.
    pub(super) fn challenge(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.shown.load().get(name).cloned()
    }

    /// Loads what there is, and orders when it is time. Once, however often it is called.
    pub(super) fn begin(self: &Arc<Self>, control: &Handle, clock: &Clock) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            #[cfg(feature = "acme")]
            order::begin(self, control, clock);
            #[cfg(not(feature = "acme"))]
            let _ = (control, clock);
        }
    }
}

/// Pages of HTTP-01 (RFC 8555 section 8.3), by token.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<ArcSwap<HashMap<String, String>>>);

const PAGES: &str = "/.well-known/acme-challenge/";

impl Answers {
    /// The page at a path, if an authority waits for it.
    pub(super) fn page(&self, path: &str) -> Option<Reply> {
        let page = self.0.load().get(path.strip_prefix(PAGES)?)?.clone();
        let mut reply = Reply::new(ReplyBody::full(page));
        let text = HeaderValue::from_static("application/octet-stream");
        reply.headers_mut().insert(CONTENT_TYPE, text);
        Some(reply)
    }
}
