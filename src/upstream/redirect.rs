//! A redirect of the gateway's own.

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
    http::uri::PathAndQuery,
};

use super::{Reply, ReplyBody};
use crate::{
    client::web_address,
    value::{Path, Problem, Problems},
};

/// `redirect`
#[derive(Clone)]
pub struct Redirect {
    to: HeaderValue,
}

impl Redirect {
    /// To a URL, with 308: the method stays.
    ///
    /// # Errors
    /// If it is no URL.
    pub fn new(to: &str, path: &Path) -> Result<Self, Problems> {
        let absolute = match to.parse::<hyper::Uri>() {
            Ok(uri) if ["http", "https"].map(Some).contains(&uri.scheme_str()) => {
                web_address(to).is_some()
            }
            uri => uri.is_ok_and(|uri| uri.scheme().is_some()),
        };
        let origin =
            to.starts_with('/') && !to.starts_with("//") && to.parse::<PathAndQuery>().is_ok();
        match HeaderValue::try_from(to) {
            Ok(to) if absolute || origin => Ok(Self { to }),
            _ => {
                let problem = Problem::new(path, format!("`{to}` is not a target of a redirect"));
                Err(problem.help("write https://host/path, or a path").into())
            }
        }
    }
}

impl Redirect {
    pub(super) fn answer(&self) -> Reply {
        let mut reply = Reply::new(ReplyBody::full(""));
        *reply.status_mut() = StatusCode::PERMANENT_REDIRECT;
        reply.headers_mut().insert(header::LOCATION, self.to.clone());
        reply
    }
}
