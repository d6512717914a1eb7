//! Real Django behind the gateway: under gunicorn (WSGI) and uvicorn (ASGI), on PostgreSQL, which
//! both share. What `request.user` is, the gateway has said, and nobody else can.

use crate::support::{
    Answer, Connection, Gateway, Server, Setup, basic, from_test_run, gateway::ALICE_KEY,
    http::request, server::Then,
};

/// The gateway in front of both, and where they listen themselves. One at a time: the Djangos of
/// `tests/run` fetch its keys from one port.
struct Stage {
    gateway: Gateway,
    direct: Vec<u16>,
    _callout: Server,
}

fn stage() -> Stage {
    let port = from_test_run("PORTCULLIS_TEST_GATEWAY_PORT").parse().unwrap();
    let wsgi = from_test_run("PORTCULLIS_TEST_DJANGO_WSGI");
    let asgi = from_test_run("PORTCULLIS_TEST_DJANGO_ASGI");
    let postgres = from_test_run("PORTCULLIS_TEST_POSTGRES");
    let callout = Server::start(|seen, wire| {
        let name = hex::decode(seen.folded("x-username").concat()).unwrap();
        let name = String::from_utf8(name).unwrap();
        let body = serde_json::json!({ "username": name, "id": 4 }).to_string();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        let _ = write!(wire, "{head}{length}\r\n\r\n{body}");
        Then::Keep
    });
    let mut routes = String::new();
    for (host, url) in [("wsgi.test", &wsgi), ("asgi.test", &asgi)] {
        routes += &format!(
            "- {{ host: {host}, path: /, upstream: \"{url}\" }}\n\
             - {{ host: {host}, path: /api/public/, permission: anyone, upstream: \"{url}\" }}\n\
             - {{ host: {host}, path: /api/echo/, permission: anyone, upstream: \"{url}\" }}\n\
             - {{ host: {host}, path: /plain/, permission: anyone, upstream: \"{url}\" }}\n"
        );
    }
    let gateway = Setup::new().store(&postgres).port(port).start(&format!(
        "authentication: [basic, token, callout: {{ url: \"{}\", headers: [X-Username] }}]\n\
         permission: authenticated\nlockout: false\nidentity: {{ assertion: {{ audience: django }} }}\n\
         passwords: {{ iterations: 1000, upgrade: false }}\nroutes:\n{routes}\
         - {{ path: /.well-known/jwks.json, endpoint: jwks }}\n",
        callout.url()
    ));
    let port_of = |url: &str| url.rsplit(':').next().unwrap().parse().unwrap();
    Stage { gateway, direct: vec![port_of(&wsgi), port_of(&asgi)], _callout: callout }
}

impl Stage {
    fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let bytes = String::from_utf8(request("GET", path, headers, b"")).unwrap();
        let bytes = bytes.replacen("Host: localhost", &format!("Host: {host}"), 1);
        self.gateway.raw(bytes.as_bytes()).unwrap()
    }
}

const HOSTS: [&str; 2] = ["wsgi.test", "asgi.test"];

/// The rules of the issue, in one test since there is one port: the right user for Basic, Token and
/// callout, in a DRF view and a plain one; anonymous where the gateway says so; forged identities
/// and direct calls get nowhere.
#[test]
#[ignore = "needs Django and PostgreSQL: tests/run"]
fn django_knows_whom_the_gateway_knows() {
    let stage = stage();
    let alice = basic("alice", "correct horse");
    let elise = basic("élise", "päss wörd");
    let token = format!("Token {ALICE_KEY}");
    let callout = hex::encode("élise");
    for host in HOSTS {
        for (header, user) in [
            (("Authorization", alice.as_str()), "alice"),
            (("Authorization", &token), "alice"),
            (("Authorization", &elise), "élise"),
            (("X-Username", &callout), "élise"),
        ] {
            for path in ["/api/me/", "/api/public/", "/plain/me/"] {
                let answer = stage.get(host, path, &[header, ("Remote-User", "staff")]);
                assert_eq!(answer.status, 200, "{host} {path} {user}: {}", answer.text());
                let me = answer.json();
                assert_eq!(me["user"], user, "{host} {path}");
                assert_eq!(me["authenticated"], true, "{host} {path}");
            }
            let answer = stage.get(host, "/api/staff/", &[header]);
            assert_eq!(answer.status, 403, "{host}: Django's own permissions go on");
        }
        let nobody = stage.get(host, "/api/me/", &[]);
        assert_eq!(nobody.status, 401, "{host}");
        for path in ["/api/public/", "/plain/me/"] {
            let forged =
                [("Remote-User", "alice"), ("Remote_User", "alice"), ("Portcullis-Assertion", "x")];
            for headers in [&[][..], &forged] {
                let me = stage.get(host, path, headers);
                assert_eq!(me.status, 200, "{host} {path}: {}", me.text());
                assert_eq!(me.json()["authenticated"], false, "{host} {path} {headers:?}");
                assert_eq!(me.json()["user"], serde_json::Value::Null, "{host} {path}");
            }
        }
        spellings(&stage, host, &alice);
        names_round_trip(&stage, host);
    }
    direct_calls(&stage);
    keys(&stage);
}

/// Attack (gunicorn#2650, CVE-2015-0219, CVE-2026-3902): what Django itself sees in `META`.
fn spellings(stage: &Stage, host: &str, alice: &str) {
    for separator in ["-", "_", ".", "~", "'"] {
        let forge = |name: &str| name.replace('-', separator);
        let (user, script, forwarded) =
            (forge("Remote-User"), forge("Script-Name"), forge("X-Forwarded-For"));
        let forged = [(user.as_str(), "mallory"), (&script, "/mallory"), (&forwarded, "6.6.6.6")];
        for (credential, expected) in [(Some(alice), Some("alice")), (None, None)] {
            let mut headers = forged.to_vec();
            headers.extend(credential.map(|value| ("Authorization", value)));
            let answer = stage.get(host, "/api/echo/", &headers);
            assert_eq!(answer.status, 200, "{host} {separator}: {}", answer.text());
            let seen = answer.json();
            assert!(!answer.text().contains("mallory"), "{host} {separator}: {seen}");
            assert!(!answer.text().contains("6.6.6.6"), "{host} {separator}: {seen}");
            assert_eq!(
                seen["headers"]["HTTP_REMOTE_USER"].as_str(),
                expected,
                "{host} {separator}"
            );
            assert_eq!(seen["path"], "/api/echo/", "{host} {separator}");
            assert_eq!(seen["script_name"], "", "{host} {separator}");
        }
    }
}

/// Attack (authentik#26093, grafana#44744): a name that is not ASCII, or holds a comma or a line
/// end, arrives as another. `request.user` is the name that the callout gave.
fn names_round_trip(stage: &Stage, host: &str) {
    for name in
        ["élise", "e\u{301}lise", "日本", "a,b", "a%2Cb", "a b", " a", "a\r\nRemote-User: staff"]
    {
        let answer = stage.get(host, "/plain/told/", &[("X-Username", &hex::encode(name))]);
        assert_eq!(answer.status, 200, "{host} {name:?}: {}", answer.text());
        let told = answer.json();
        assert_eq!(told["told"], name, "{host}");
        // Names without a row are nobody in Django, and never somebody else.
        let user = (name == "élise").then_some(name);
        assert_eq!(told["user"].as_str(), user, "{host} {name:?}");
    }
}

/// Attack (ALBeast): the application is called around the gateway, with headers that look like it.
fn direct_calls(stage: &Stage) {
    for port in &stage.direct {
        for headers in [
            &[][..],
            &[("Remote-User", "alice")],
            &[("Remote-User", "alice"), ("Portcullis-Assertion", "e30.e30.e30")],
            &[("Authorization", &*format!("Token {ALICE_KEY}"))],
        ] {
            for path in ["/api/me/", "/api/public/", "/plain/me/"] {
                let mut connection = Connection::open(*port);
                connection.send(&request("GET", path, headers, b""));
                let answer = connection.receive(false).unwrap();
                assert_eq!(answer.status, 403, "{port} {path} {headers:?}: {}", answer.text());
            }
        }
    }
}

/// The rule: the keys are public, whatever credential is sent along, and hold nothing private.
fn keys(stage: &Stage) {
    for headers in [&[][..], &[("Authorization", "Token bad")]] {
        let answer = stage.get("localhost", "/.well-known/jwks.json", headers);
        assert_eq!(answer.status, 200);
        let json = answer.json();
        let keys = json["keys"].as_array().filter(|keys| !keys.is_empty());
        for key in keys.expect("a list of keys") {
            assert!(key["kid"].is_string() && key["d"].is_null(), "{key}");
        }
    }
}
