//! The custom authentication of DRF's documentation: a header `X-Username` names the user.
//!
//! As there it is an example and no more: whoever can reach the gateway can name anybody.

wit_bindgen::generate!({ path: "../portcullis.wit", world: "custom-scheme" });

use exports::portcullis::scheme::authentication::{Guest, Outcome, Request, User};

struct ExampleAuthentication;

impl Guest for ExampleAuthentication {
    fn authenticate(request: Request, _config: Vec<(String, String)>) -> Outcome {
        let header = request.headers.into_iter().find(|header| header.name == "x-username");
        let Some(header) = header.filter(|header| !header.value.is_empty()) else {
            return Outcome::NotMine;
        };
        match String::from_utf8(header.value) {
            Ok(username) => Outcome::User(User { username, expires_at: None }),
            Err(_) => Outcome::Failed("No such user".to_owned()),
        }
    }
}

export!(ExampleAuthentication);
