//! A custom scheme that does to the gateway what the header `X-Do` says.

use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({ path: "../../deploy/wasm/portcullis.wit", world: "custom-scheme" });

use exports::portcullis::scheme::authentication::{Guest, Identity, Outcome, Request, User};

#[cfg(feature = "clock")]
mod clock {
    wit_bindgen::generate!({
        inline: "package wasi:clocks@0.2.0;
            interface monotonic-clock { type instant = u64; now: func() -> instant; }
            world clock { import monotonic-clock; }",
    });
    pub(crate) use wasi::clocks::monotonic_clock::now;
}

struct Anything;

impl Guest for Anything {
    fn authenticate(request: Request, config: Vec<(String, String)>) -> Outcome {
        let told = request.headers.iter().find(|header| header.name == "x-do");
        let told = told.map(|header| String::from_utf8_lossy(&header.value).into_owned());
        match told.as_deref().unwrap_or_default() {
            "nothing" => Outcome::NotMine,
            "fail" => Outcome::Failed("Wrong in my own words.".to_owned()),
            "loop" => endless(),
            "memory" => hoard(),
            "stack" => Outcome::Failed(deeper(1).to_string()),
            "trap" => panic!("a trap"),
            "nobody" => Outcome::Identity(named("")),
            "claims" => Outcome::Identity(Identity { claims: Some("[]".to_owned()), ..named("x") }),
            "long" => Outcome::Identity(named(&"x".repeat(100_000))),
            "over" => Outcome::Identity(Identity { expires_at: Some(1), ..named("late") }),
            "alice" => Outcome::User(User { username: "alice".to_owned(), expires_at: None }),
            "seen" => Outcome::Identity(named(&format!("{request:?} {config:?}"))),
            "count" => Outcome::Identity(named(&count().to_string())),
            "full" => Outcome::Identity(Identity {
                id: Some("7".to_owned()),
                email: "carol@example.com".to_owned(),
                name: "Carol C".to_owned(),
                groups: vec!["editors".to_owned()],
                scopes: vec!["write".to_owned()],
                staff: true,
                claims: Some(r#"{"tenant":"acme"}"#.to_owned()),
                ..named("carol")
            }),
            #[cfg(feature = "clock")]
            "clock" => Outcome::Failed(clock::now().to_string()),
            _ => Outcome::NotMine,
        }
    }
}

fn named(username: &str) -> Identity {
    Identity {
        username: username.to_owned(),
        id: None,
        email: String::new(),
        name: String::new(),
        groups: Vec::new(),
        permissions: Vec::new(),
        scopes: Vec::new(),
        staff: false,
        superuser: false,
        claims: None,
        expires_at: None,
    }
}

fn endless() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn hoard() -> ! {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 16]);
        std::hint::black_box(&kept);
    }
}

fn deeper(depth: u64) -> u64 {
    std::hint::black_box(depth);
    match depth {
        0 => 0,
        _ => deeper(depth + 1) + std::hint::black_box(depth),
    }
}

/// How often this instance was asked: what one request leaves behind, the next must not find.
fn count() -> u32 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) + 1
}

export!(Anything);
