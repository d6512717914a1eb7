//! Chains with credentials that the upstream judges.

use crate::support::{Gateway, Setup, basic, gateway::ALICE_KEY};

const CHAIN: &str = "permission: authenticated\nauthentication:\n\
     - token\n\
     - upstream: { keywords: [Bearer], headers: [X-Api-Key], cookies: [partner], challenge: Bearer }\n\
     - basic\n\
     routes:\n\
     - { path: /, upstream: echo }\n\
     - { path: /staff/, permission: staff, upstream: echo }\n\
     - { path: /who/, endpoint: whoami }\n\
     - { path: /first/, upstream: echo, authentication: [{ upstream: { keywords: ['*'], challenge: Own } }, token] }\n";

fn start() -> Gateway {
    Setup::new().alice().start(CHAIN)
}

/// The rule: who shows such a credential is the upstream's to judge; everybody else is judged here, and
/// one before it in the chain decides first.
#[test]
fn the_upstream_judges_its_own_credentials_alone() {
    let gateway = start();
    let good = format!("Token {ALICE_KEY}");
    let wrong = basic("alice", "wrong");
    for (path, headers, status) in [
        ("/", &[][..], 401),
        ("/", &[("Authorization", "Bearer x")], 200),
        ("/", &[("Authorization", "bearer x")], 200),
        ("/", &[("Authorization", "Bearerx y")], 401),
        ("/", &[("X-Api-Key", "")], 200),
        ("/", &[("Cookie", "partner=x")], 200),
        ("/", &[("Cookie", "partners=x")], 401),
        ("/", &[("Authorization", "Token wrong"), ("X-Api-Key", "x")], 401),
        ("/", &[("Authorization", &*wrong)], 401),
        ("/staff/", &[("Authorization", "Bearer x")], 200),
        ("/staff/", &[("Authorization", &*good)], 403),
        ("/first/", &[("Authorization", &*good)], 200),
        ("/first/", &[], 401),
    ] {
        assert_eq!(gateway.get(path, headers).status, status, "{path} {headers:?}");
    }
    assert_eq!(gateway.get("/first/", &[]).header("www-authenticate"), Some("Own"));
}

/// Attack: show any value of such a credential, and name the user in the headers that the upstream
/// trusts; or reach a page of the gateway's own by it.
#[test]
fn such_a_credential_brings_no_identity() {
    let gateway = start();
    let forged =
        [("Authorization", "Bearer x"), ("Remote-User", "alice"), ("Remote_User", "alice")];
    let answer = gateway.get("/", &forged);
    assert_eq!(answer.status, 200);
    assert!(!answer.text().to_lowercase().contains("alice"), "{}", answer.text());
    assert_eq!(gateway.get("/who/", &forged).status, 401);
}
