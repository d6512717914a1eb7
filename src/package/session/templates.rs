//! The pages for people: templates, the operator's own over ours, and what a browser may load for
//! them.

use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{Environment, context};

use super::Config;
use crate::{
    crypto::digest::sha256,
    package::{Shared, Site},
    value::{Path, Problem, Problems},
    web::is_local,
};
use std::sync::Arc;

/// How the pages look, and where they lead.
pub(super) struct Pages {
    templates: Environment<'static>,
    brand: Option<String>,
    username_label: String,
    /// Said to wrong user names and passwords alike.
    pub(super) wrong: String,
    pub(super) login_redirect: String,
    pub(super) logout_redirect: Option<String>,
}

impl Shared for Pages {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        Self::new(&site.settings::<Config>("session")).map(Arc::new)
    }
}

impl Pages {
    /// With the operator's own login page, if there is one.
    ///
    /// # Errors
    /// A template that cannot be read or does not render; redirects that lead elsewhere.
    fn new(config: &Config) -> Result<Self, Problems> {
        let path = Path::root().key("session");
        let mut problems = Problems::default();
        let mut templates = Environment::new();
        for (name, text) in [
            ("base.html", include_str!("templates/base.html")),
            ("login.html", include_str!("templates/login.html")),
            ("logged_out.html", include_str!("templates/logged_out.html")),
            ("forbidden.html", include_str!("templates/forbidden.html")),
        ] {
            if let Err(error) = templates.add_template(name, text) {
                problems.push(Problem::new(&path, format!("{name} does not compile: {error}")));
            }
        }
        for name in ["base.html", "login.html", "logged_out.html", "forbidden.html"] {
            let Some(file) = config.templates.as_ref().map(|folder| folder.join(name)) else {
                break;
            };
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => Ok(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => Err(error.to_string()),
            };
            let added = text.and_then(|text| {
                let added = templates.add_template_owned(name, text);
                added.map_err(|error| format!("it does not compile: {error}"))
            });
            if let Err(cause) = added {
                let message = format!("`{}` cannot be a page: {cause}", file.display());
                problems.push(Problem::new(&path.key("templates"), message));
            }
        }
        if config.templates.as_ref().is_some_and(|folder| !folder.is_dir()) {
            problems.push(Problem::new(&path.key("templates"), "there is no such folder"));
        }
        let redirects = [
            ("login_redirect", Some(&config.login_redirect)),
            ("login_url", config.login_url.as_ref()),
            ("logout_redirect", config.logout_redirect.as_ref()),
        ];
        for (key, to) in redirects {
            if to.is_some_and(|to| !is_local(to)) {
                let problem = Problem::new(&path.key(key), "this is not a path on this host");
                problems.push(problem.help("write a path that starts with one slash"));
            }
        }
        let pages = Self {
            templates,
            brand: config.brand.clone(),
            username_label: capitalized(&config.username_label),
            wrong: format!(
                "Please enter a correct {} and password. Note that both fields may be case-sensitive.",
                config.username_label
            ),
            login_redirect: config.login_redirect.clone(),
            logout_redirect: config.logout_redirect.clone(),
        };
        let form = Form { next: "/", username: "", error: Some("x"), wait: Some(1) };
        if pages.login("/login/", "x", &form).is_none() {
            let problem = Problem::new(&path.key("templates"), "the login page does not render");
            problems.push(problem.help(
                "it may use title, brand, action, csrf_token, next, username, username_label, error and \
                 wait",
            ));
        }
        problems.finish(pages)
    }

    pub(super) fn login(&self, action: &str, csrf_token: &str, form: &Form<'_>) -> Option<String> {
        let Form { next, username, error, wait } = *form;
        let (title, brand, username_label) = ("Log in", &self.brand, &self.username_label);
        let page = context! {
            title, brand, action, csrf_token, next, username, username_label, error, wait
        };
        self.templates.get_template("login.html").ok()?.render(page).ok()
    }

    pub(super) fn logged_out(&self, login_url: &str) -> String {
        let (title, brand) = ("You are logged out", &self.brand);
        self.render("logged_out.html", context! { title, brand, login_url })
    }

    pub(super) fn forbidden(&self, reason: &str, login_url: &str) -> String {
        let (title, brand) = ("Not verified", &self.brand);
        self.render("forbidden.html", context! { title, brand, reason, login_url })
    }

    fn render(&self, name: &str, context: minijinja::Value) -> String {
        let template = self.templates.get_template(name);
        template.and_then(|template| template.render(context)).unwrap_or_default()
    }
}

/// Django's `capfirst`.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

/// What a login page shows.
#[derive(Default)]
pub(super) struct Form<'a> {
    pub(super) next: &'a str,
    pub(super) username: &'a str,
    pub(super) error: Option<&'a str>,
    /// Seconds until another attempt counts.
    pub(super) wait: Option<u64>,
}

/// Styles of the page's own or this host's, and images: a page that asks for passwords loads
/// nothing from elsewhere, runs no script and stands in no frame.
pub(super) fn security_policy(text: &str) -> String {
    let styles = text.split("<style").skip(1).filter_map(|rest| rest.split_once('>'));
    let styles = styles.filter_map(|(_, rest)| rest.split_once("</style>"));
    let hashes: String = styles
        .map(|(style, _)| format!(" 'sha256-{}'", STANDARD.encode(sha256(style.as_bytes()))))
        .collect();
    format!(
        "default-src 'none'; style-src 'self'{hashes}; img-src 'self' data:; font-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_render_with_their_styles_alone() {
        let pages = Pages::new(&Config::default()).unwrap();
        let form = Form { next: "\"><script>", username: "<b>", ..Form::default() };
        let text = pages.login("/login/", "t", &form).unwrap();
        assert!(!text.contains("<script>") && !text.contains("<b>"));
        assert!(security_policy(&text).contains("style-src 'self' 'sha256-"));
        assert!(pages.logged_out("/login/").contains("&#x2f;login&#x2f;"));
        assert!(pages.forbidden("<x>", "/login/").contains("&lt;x&gt;"));
    }
}
