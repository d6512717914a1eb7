//! django-rest-knox's pages: a token for a caller who is admitted, and its end.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use super::tokens::Knox;
use crate::{
    clock::Timestamp,
    language::Content,
    observe::audit::{By, Event, record},
    package::{Handler, PageCall, PageContext, Site},
    rejection::Rejection,
    request::credentials::{Authorization, Credential},
    upstream::Reply,
    value::Problems,
    web::{View, answer},
};

pub(super) const TOO_MANY: &str = "Maximum amount of tokens allowed per user exceeded.";

fn view(site: &Site<'_>, name: &'static str, description: &'static str) -> View {
    View::new(name, description).method(Method::POST, Vec::new()).browsable(site.browsable_api)
}

struct Login {
    view: View,
    knox: Arc<Knox>,
}

pub(super) fn login(site: &Site<'_>, _: &PageContext<'_>) -> Result<Arc<dyn Handler>, Problems> {
    let view = view(site, "Login", "");
    Ok(Arc::new(Login { view, knox: site.shared::<Knox>()? }))
}

impl Handler for Login {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            if let Some(answer) = self.view.before(&call.request, call.language)? {
                return Ok(answer);
            }
            let caller = call.admitted.caller().ok_or(Rejection::PermissionDenied)?;
            // A service, or a user of another authority, has no row that a token could belong to.
            let user = caller.identity.row.as_ref().ok_or(Rejection::PermissionDenied)?;
            let Some(made) = self.knox.create(user).await? else {
                let error = Content::Map(vec![("error".into(), TOO_MANY.into())]);
                return Ok(answer::json(StatusCode::FORBIDDEN, &error, call.language));
            };
            let (username, by) = (&caller.identity.username, By::page("knox", "login"));
            record(Event::TokenCreated, Some(username), call.client().address, by);
            let mut body = Map::new();
            body.insert("expiry".into(), made.expiry.map(iso_8601).into());
            body.insert("token".into(), made.token.reveal().into());
            if let Some(fields) = self.knox.user_fields() {
                let of_user =
                    fields.iter().map(|field| (field.clone(), caller.identity.json(field)));
                body.insert("user".into(), Value::Object(of_user.collect()));
            }
            Ok(answer::json(StatusCode::OK, &Value::Object(body).into(), None))
        })
    }
}

struct Logout {
    view: View,
    all: bool,
    knox: Arc<Knox>,
}

pub(super) fn logout(site: &Site<'_>, _: &PageContext<'_>) -> Result<Arc<dyn Handler>, Problems> {
    let view = view(site, "Logout", "");
    Ok(Arc::new(Logout { view, all: false, knox: site.shared::<Knox>()? }))
}

pub(super) fn logout_all(
    site: &Site<'_>,
    _: &PageContext<'_>,
) -> Result<Arc<dyn Handler>, Problems> {
    const DESCRIPTION: &str =
        "Log the user out of all sessions\nI.E. deletes all auth tokens for the user";
    let view = view(site, "Logout All", DESCRIPTION);
    Ok(Arc::new(Logout { view, all: true, knox: site.shared::<Knox>()? }))
}

impl Handler for Logout {
    fn answer<'a>(&'a self, call: PageCall<'a>) -> BoxFuture<'a, Result<Reply, Rejection>> {
        Box::pin(async move {
            if let Some(answer) = self.view.before(&call.request, call.language)? {
                return Ok(answer);
            }
            let caller = call.admitted.caller().ok_or(Rejection::PermissionDenied)?;
            if self.all {
                let user = caller.identity.row.as_ref().ok_or(Rejection::PermissionDenied)?;
                self.knox.delete_all(user).await?;
            } else {
                let token =
                    Authorization::read(&call.request.headers).map(|field| field.credential);
                let Some(Credential::One(token)) = token else {
                    return Err(Rejection::PermissionDenied);
                };
                self.knox.delete(&String::from_utf8_lossy(token)).await?;
            }
            let by = By::page("knox", if self.all { "logoutall" } else { "logout" });
            let username = &caller.identity.username;
            record(Event::LoggedOut, Some(username), call.client().address, by);
            Ok(answer::empty(StatusCode::NO_CONTENT))
        })
    }
}

/// DRF's `DateTimeField` in UTC.
fn iso_8601(moment: Timestamp) -> String {
    let text = moment.to_string().replacen(' ', "T", 1);
    format!("{}Z", text.strip_suffix(".000000").unwrap_or(&text))
}
