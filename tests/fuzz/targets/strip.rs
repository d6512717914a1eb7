//! What goes upstream: no field of the client's under a name that is the gateway's, in any
//! spelling; each of the gateway's own once; and everything else as it came.
//!
//! Input: a byte of choices, then the client's fields, a line each.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use hyper::{
    HeaderMap,
    header::{COOKIE, HOST, HeaderName, HeaderValue},
};
use portcullis::{
    chain::{Chain, Verdict},
    clock::{Clock, Timestamp},
    csrf::{self, Csrf},
    forward::{Config, Forward, OwnedNames, Signer},
    identity::{Accepted, Identity},
    policy::{Admitted, Policy, Rule, Word},
    request::{Body, HeadLimits, Peer, Request, TrustedProxies},
    value::{Path, Secret},
};
use serde_json::json;

use super::{Input, map};

/// The names that are the gateway's whatever is configured, with a dash for every byte that is no
/// letter or digit; so are all that begin with `x-forwarded-`.
const OWNED: &str = "remote-user remote-email remote-name remote-groups x-remote-user \
    x-auth-request-user x-auth-request-groups x-auth-request-email x-http-method-override \
    x-http-method x-method-override x-url-scheme x-script-name front-end-https \
    portcullis-assertion script-name path-info path-translated remote-addr remote-host \
    remote-ident remote-port auth-type server-name server-port server-protocol request-method \
    request-uri query-string https proxy forwarded x-real-ip x-original-url x-rewrite-url \
    x-original-uri";

/// Fields of one connection (RFC 9110 section 7.6.1).
const HOP_BY_HOP: &str = "connection keep-alive proxy-connection proxy-authorization te trailer \
    transfer-encoding upgrade";

/// What the configuration here adds.
const OWN: &str = "x-my-user x-my-mail x-my-name x-my-groups x-user-id x-my-proof";

static FORWARD: LazyLock<Forward> = LazyLock::new(|| {
    forward(&json!({
        "user": "X-My-User", "email": "X-My-Mail", "name": "X-My-Name", "groups": "X-My-Groups",
        "headers": { "X-User-Id": "{user.id}" },
        "assertion": { "audience": "a", "header": "X-My-Proof" },
    }))
    .expect("a good configuration")
});

/// By a configuration, if it is one.
pub(super) fn forward(config: &serde_json::Value) -> Option<Forward> {
    let config: Config = serde_json::from_value(config.clone()).ok()?;
    let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
    let signer = Signer::new(&Secret::new("s".repeat(32)), clock).ok()?;
    let mut owned = OwnedNames::default();
    owned.add_all(&config);
    Forward::new(&config, &Path::root(), &Arc::new(signer), &owned).ok()
}

/// Anybody may pass: as this one, or as nobody.
pub(super) fn admitted(request: &Request, identity: Option<Identity>) -> Admitted {
    let verdict = match identity {
        None => Verdict::Anonymous,
        Some(identity) => {
            Verdict::Known(Accepted { identity: Arc::new(identity), scheme: "fuzz".into() })
        }
    };
    let csrf = Csrf::new(&csrf::Config::default(), &Path::root()).expect("the default");
    let chain = Chain::new(Vec::new(), false, Arc::new(csrf), Clock::system());
    let policy = Policy::new(Rule::Word(Word::Anyone));
    policy.admit(request, verdict, &chain, None).expect("anybody may pass")
}

/// A request with these fields, if it is one.
pub(super) fn request(headers: HeaderMap) -> Option<Box<Request>> {
    let (mut parts, ()) = hyper::Request::new(()).into_parts();
    parts.headers = headers;
    let limits = HeadLimits { bytes: 32 << 10, fields: 100 };
    let peer = Peer::new([192, 0, 2, 1].into(), false);
    Request::read(parts, Body::Empty, &peer, &TrustedProxies::default(), limits).ok()
}

/// Whether a name is the gateway's, where a configuration has added these.
pub(super) fn is_owned(name: &str, own: &str) -> bool {
    let folded = fold(name);
    let known = |name: &str| OWNED.split(' ').chain(own.split(' ')).any(|own| own == name);
    folded.strip_prefix("x-forwarded-").is_some_and(|rest| !rest.is_empty())
        || known(&folded)
        || folded.strip_prefix("http-").is_some_and(|rest| !rest.is_empty() && known(rest))
}

fn fold(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect()
}

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let mut fields = input.fields();
    fields.retain(|(name, _)| name != HOST);
    fields.push((HOST, HeaderValue::from_static("h")));
    let Some(request) = request(map(&fields)) else { return };

    let identity = Identity {
        id: Some("7".into()),
        username: "alice".into(),
        email: if choice & 2 == 0 { "".into() } else { "a@example.com".into() },
        groups: (0..choice >> 6).map(|number| format!("g{number}").into()).collect(),
        ..Identity::default()
    };
    let known = (choice & 1 == 1).then_some(identity);
    let mut expected = vec![
        ("host", "h".to_owned()),
        ("forwarded", "for=192.0.2.1;host=\"h\";proto=http".into()),
        ("x-forwarded-for", "192.0.2.1".into()),
        ("x-forwarded-host", "h".into()),
        ("x-forwarded-proto", "http".into()),
    ];
    if let Some(identity) = &known {
        let groups: Vec<&str> = identity.groups.iter().map(AsRef::as_ref).collect();
        expected.extend([("x-my-user", "alice".into()), ("x-user-id", "7".into())]);
        expected.push(("x-my-mail", identity.email.to_string()));
        expected.push(("x-my-groups", groups.join(",")));
    }
    expected.retain(|(_, value)| !value.is_empty());

    let admitted = admitted(&request, known);
    let outgoing = FORWARD.apply(&admitted, request).expect("a good identity");
    let mut sent = outgoing.headers().clone();
    for (name, value) in expected {
        let values: Vec<_> = sent.get_all(name).iter().collect();
        assert_eq!(values, [value.as_str()], "{name}");
        sent.remove(name);
    }
    assert_eq!(sent.get_all("x-my-proof").iter().count(), 1);
    sent.remove("x-my-proof");
    for name in sent.keys() {
        assert!(!is_owned(name.as_str(), OWN), "{name} is the client's");
    }
    assert_eq!(sent, rest(&fields), "everything else");
}

/// What is nobody's but the client's and the upstream's.
fn rest(fields: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut connection: BTreeSet<String> = HOP_BY_HOP.split(' ').map(str::to_owned).collect();
    for (_, value) in fields.iter().filter(|(name, _)| name == "connection") {
        let value = String::from_utf8_lossy(value.as_bytes());
        connection.extend(value.split(',').map(|name| name.trim().to_ascii_lowercase()));
    }
    let goes = |name: &HeaderName| {
        name == HOST || is_owned(name.as_str(), OWN) || connection.contains(name.as_str())
    };
    let mut rest = map(fields);
    let gone: Vec<_> = rest.keys().filter(|name| goes(name)).cloned().collect();
    gone.into_iter().for_each(|name| drop(rest.remove(name)));
    let cookies: Vec<_> = rest.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(all) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
        && !cookies.is_empty()
    {
        rest.insert(COOKIE, all);
    }
    rest
}
