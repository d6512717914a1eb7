//! What the project has to add.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    project::{Kind, Project},
    writer::jwks_path,
};

/// What the project has to add, so that it trusts the gateway alone.
pub(super) fn upstream_lines(project: &Project) -> String {
    let keeps = match project.urls.iter().any(|url| url.kind != Kind::Drf) {
        false => "    # No page of Django's own needs its session any more.\n",
        true => "    \"SET_USER\": False,  # the project's own pages keep Django's sessions\n",
    };
    let own: BTreeSet<&str> = project
        .urls
        .iter()
        .filter(|url| url.endpoint.is_none())
        .filter(|url| url.authentication.iter().flatten().any(|class| class.gateway.is_some()))
        .map(|url| url.view.as_str())
        .collect();
    let views = match own.is_empty() {
        true => String::new(),
        false => format!(
            "\nand take `authentication_classes` out of these views, whose routes say it now:\n  {}\n",
            Vec::from_iter(own).join("\n  ")
        ),
    };
    let jwks = jwks_path(project);
    let auth = request_auth(project);
    let settings = &project.settings;
    // A settings file need not have what Django has a default for.
    let middleware = if settings.list("MIDDLEWARE").is_empty() { "" } else { ", *MIDDLEWARE" };
    let backends = settings.list("AUTHENTICATION_BACKENDS").iter();
    let backends: String = backends.map(|backend| format!(", {backend}")).collect();
    format!(
        "What the project needs: `pip install` deploy/django of the gateway's repository, which has\n\
         the reasons too, and these lines at the end of its settings:\n\n  \
         MIDDLEWARE = [\"portcullis_django.middleware.PortcullisMiddleware\"{middleware}]\n  \
         AUTHENTICATION_BACKENDS = [\"portcullis_django.backend.PortcullisBackend\"{backends}]\n  \
         REST_FRAMEWORK = {{\n    **globals().get(\"REST_FRAMEWORK\", {{}}),\n    \
         \"DEFAULT_AUTHENTICATION_CLASSES\": [\n      \
         \"portcullis_django.authentication.PortcullisAuthentication\"],\n  }}\n  \
         PORTCULLIS = {{\n    \"JWKS_URL\": \"http://127.0.0.1:8080{jwks}\",\n    \
         \"ISSUER\": \"portcullis\",\n    \"AUDIENCE\": \"django\",\n{auth}{keeps}  }}\n{views}"
    )
}

/// For views that read `request.auth`: the classes that make it.
fn request_auth(project: &Project) -> String {
    let mut classes = BTreeMap::new();
    for class in project.classes() {
        if class.known().is_some_and(|known| known.sets_auth)
            && let Some(word) = class.word()
        {
            classes.entry(word).or_insert(&class.class);
        }
    }
    if classes.is_empty() {
        return String::new();
    }
    let rows: String =
        classes.iter().map(|(word, class)| format!("      \"{word}\": \"{class}\",\n")).collect();
    format!("    \"AUTH\": {{  # whose `request.auth` views read\n{rows}    }},\n")
}
