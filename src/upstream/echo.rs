//! The built-in upstream that answers with the request as an API would receive it.

use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::{Reply, ReplyBody};
use crate::forward::Outgoing;

/// `upstream: echo`
#[derive(Clone, Copy)]
pub struct Echo;

impl Echo {
    /// The request, as JSON.
    pub(super) fn answer(self, outgoing: &Outgoing<'_>) -> Reply {
        // The caller's own credentials are not repeated into terminals and logs.
        const HIDDEN: [&str; 3] = ["authorization", "cookie", "portcullis-assertion"];
        let mut headers = serde_json::Map::new();
        for name in outgoing.headers().keys() {
            let values = outgoing.headers().get_all(name).iter();
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let value = match HIDDEN.contains(&name.as_str()) || name.as_str().contains("key") {
                true => "(hidden)".into(),
                false => values.map(text).collect::<Vec<_>>().join(", "),
            };
            headers.insert(name.to_string(), value.into());
        }
        let seen = serde_json::json!({
            "method": outgoing.method().as_str(),
            "target": outgoing.target(),
            "headers": headers,
        });
        let mut reply = Reply::new(ReplyBody::full(format!("{seen:#}\n")));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply
    }
}
