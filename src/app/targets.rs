//! Where routes lead: a service behind, pages of the gateway's own, or another URL.

use std::sync::Arc;

use super::routes::Builder;
use crate::{
    config::{self, load::suggest},
    endpoint::{self, Endpoint, JwtTokens, Kind},
    gateway::RouteTarget,
    listen,
    route::PathPattern,
    system::jwt_cookies::JwtCookies,
    upstream::{self, Redirect, Target},
    value::{Path, Problem, Problems},
};

impl Builder<'_> {
    /// What a route leads to: the paths of it, each with who answers there.
    pub(super) fn targets(
        &self,
        route: &config::Route,
        at: &Path,
    ) -> Result<Vec<(PathPattern, RouteTarget)>, Problems> {
        let mut problems = Problems::default();
        let whole = |target| vec![(route.path.clone(), target)];
        let upstream = route.upstream.as_ref().map(|config| {
            self.upstream(route, config, &at.key("upstream")).map(RouteTarget::Upstream).map(whole)
        });
        let endpoint = route.endpoint.as_ref();
        let endpoint = endpoint.map(|config| self.pages(route, config, &at.key("endpoint")));
        let redirect = route.redirect.as_ref().map(|to| {
            let target = Arc::new(Redirect::new(to, &at.key("redirect"))?);
            Ok(whole(RouteTarget::Upstream(target)))
        });
        let given = [upstream, endpoint, redirect].into_iter().flatten();
        let mut built: Vec<_> = given.map(|built| problems.keep(built)).collect();
        match (built.pop(), built.len()) {
            (Some(target), 0) => problems.finish(target.unwrap_or_default()),
            // Another proxy reaches the service, and asks here.
            (None, _) if self.document.decisions.is_some() => Ok(whole(RouteTarget::Elsewhere)),
            (None, _) => {
                let problem = Problem::missing(at, "this route leads nowhere");
                Err(problem.help("give it an `upstream`, an `endpoint` or a `redirect`").into())
            }
            (Some(_), _) => {
                let problem = Problem::new(at, "this route leads to more than one place");
                problems.push(problem.help("keep one of `upstream`, `endpoint` and `redirect`"));
                Err(problems)
            }
        }
    }

    fn upstream(
        &self,
        route: &config::Route,
        config: &upstream::Config,
        at: &Path,
    ) -> Result<Arc<dyn Target>, Problems> {
        let mut problems = Problems::default();
        if let Some(prefix) = config.strip_prefix()
            && !route.path.is_below(prefix)
        {
            let path = &route.path;
            let message =
                format!("`{prefix}` is not where every path of the route `{path}` begins");
            let problem = Problem::new(&at.key("strip_prefix"), message);
            problems.push(problem.help(format!("give the route the path {prefix}")));
        }
        let parts = upstream::Parts {
            workers: listen::workers(),
            clock: &self.world.clock,
            metrics: &self.world.metrics,
        };
        let target = problems.keep(self.world.upstreams.get(config, at, &parts));
        match target {
            Some(target) => problems.finish(target),
            None => Err(problems),
        }
    }

    /// The pages of an endpoint: the one that is named, at the route's own path, or each below it.
    fn pages(
        &self,
        route: &config::Route,
        config: &endpoint::Config,
        at: &Path,
    ) -> Result<Vec<(PathPattern, RouteTarget)>, Problems> {
        let all = config.kind.pages();
        let exact = route.path.is_exact();
        if config.kind == Kind::JwtSliding && self.document.jwt.cookies.is_some() {
            let problem = Problem::new(at, "sliding tokens are not kept in cookies");
            return Err(problem.help("use `endpoint: jwt` with `jwt: { cookies: … }`").into());
        }
        let jwt = match config.kind {
            Kind::Jwt | Kind::JwtSliding => Some(self.jwt_tokens()?),
            _ => None,
        };
        if matches!(config.kind, Kind::Session) {
            self.needs_secret_key(at, "sessions")?;
        }
        let target = |page| {
            let endpoint = Endpoint::new(page, self.pages.clone(), jwt.clone(), exact);
            RouteTarget::Endpoint(Box::new(endpoint))
        };
        if let Some(name) = &config.page {
            let found = all.iter().find(|(known, ..)| known == name);
            let (_, _, page) = found.ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
                Problem::new(at, format!("unknown page `{name}`")).help(suggest(name, &known))
            })?;
            return Ok(vec![(route.path.clone(), target(*page))]);
        }
        if let [(_, _, page)] = all {
            return Ok(vec![(route.path.clone(), target(*page))]);
        }
        if exact {
            let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
            let problem = Problem::new(at, "several pages cannot stand at one path");
            let help = format!("name one of {} as its `page`, or give a prefix", names.join(", "));
            return Err(problem.help(help).into());
        }
        let mut pages = Vec::new();
        for (_, below, page) in all {
            // With the final slash the page, without it the redirect to it; nothing below either.
            let path = format!("={}/{below}", route.path.to_string().trim_end_matches('/'));
            for path in [path.clone(), path.trim_end_matches('/').to_owned()] {
                pages.extend(path.parse().ok().map(|path| (path, target(*page))));
            }
        }
        Ok(pages)
    }

    fn jwt_tokens(&self) -> Result<JwtTokens, Problems> {
        let tokens = self.simplejwt()?;
        let at = Path::root().key("jwt").key("cookies");
        let jwt = |route: &&config::Route| {
            route.endpoint.as_ref().is_some_and(|endpoint| endpoint.kind == Kind::Jwt)
        };
        let pages = self.document.routes.iter().filter(jwt).map(|route| route.path.to_string());
        // Several pages at paths of their own have nothing in common but the host.
        let pages = match pages.collect::<Vec<_>>().as_slice() {
            [one] => one.trim_start_matches('=').to_owned(),
            _ => "/".to_owned(),
        };
        let cookies = self.document.jwt.cookies.as_ref();
        let cookies = cookies.map(|config| JwtCookies::new(config, &pages, &at));
        Ok(JwtTokens { tokens, cookies: cookies.transpose()? })
    }
}
