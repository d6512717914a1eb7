//! Where routes lead: a service behind, pages of the gateway's own, or another URL.

use std::sync::Arc;

use super::routes::{Builder, Place};
use crate::{
    config::{self, Endpoint},
    listen,
    package::{PageContext, Served},
    route::PathPattern,
    target::{DecisionOnly, Target},
    upstream::{self, Redirect, Upstream},
    value::{Path, Problem, Problems},
};

impl Builder<'_> {
    /// What a route leads to: the paths of it, each with what answers there.
    pub(super) fn places(&self, route: &config::Route, at: &Path) -> Result<Vec<Place>, Problems> {
        let mut problems = Problems::default();
        let whole =
            |target: Arc<dyn Target>| vec![Place { path: route.path.clone(), target, page: None }];
        let upstream = route.upstream.as_ref().map(|config| {
            let upstream = self.upstream(route, config, &at.key("upstream"))?;
            Ok(whole(Arc::new(upstream)))
        });
        let endpoint = route.endpoint.as_ref();
        let endpoint = endpoint.map(|config| self.pages(route, config, &at.key("endpoint")));
        let redirect = route.redirect.as_ref().map(|to| {
            let redirect = Redirect::new(to, &at.key("redirect"))?;
            Ok(whole(Arc::new(Upstream::Redirect(redirect))))
        });
        let given = [upstream, endpoint, redirect].into_iter().flatten();
        let mut built: Vec<_> = given.map(|built| problems.keep(built)).collect();
        match (built.pop(), built.len()) {
            (Some(places), 0) => problems.finish(places.unwrap_or_default()),
            // Another proxy reaches the service, and asks here.
            (None, _) if self.document.decisions.is_some() => Ok(whole(Arc::new(DecisionOnly))),
            (None, _) => {
                let problem = Problem::missing(at, "this route has no target");
                Err(problem.help("give it an `upstream`, an `endpoint` or a `redirect`").into())
            }
            (Some(_), _) => {
                let problem = Problem::new(at, "this route has more than one target");
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
    ) -> Result<Upstream, Problems> {
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
        let context = upstream::UpstreamContext {
            workers: listen::workers(),
            clock: &self.process.clock,
            metrics: &self.process.metrics,
        };
        let config = config.checked_as(route.host.single());
        match problems.keep(self.process.upstreams.get(&config, at, &context)) {
            Some(upstream) => problems.finish(upstream),
            None => Err(problems),
        }
    }

    /// The pages of an endpoint: the one that is named, at the route's own path, or each below it.
    fn pages(
        &self,
        route: &config::Route,
        config: &Endpoint,
        at: &Path,
    ) -> Result<Vec<Place>, Problems> {
        let all = config.set.pages;
        let exact = route.path.is_exact();
        let place = |page: &'static _, path: PathPattern| self.page(page, path, exact, at);
        let named = all.iter().find(|page| Some(page.name) == config.page);
        let only = match all {
            [only] => Some(only),
            _ => named,
        };
        if let Some(page) = only {
            return Ok(vec![place(page, route.path.clone())?]);
        }
        if exact {
            let names: Vec<&str> = all.iter().map(|page| page.name).collect();
            let problem = Problem::new(at, "several pages cannot stand at one path");
            let help = format!("name one of {} as its `page`, or give a prefix", names.join(", "));
            return Err(problem.help(help).into());
        }
        let mut places = Vec::new();
        for page in all {
            // With the final slash the page, without it the redirect to it; nothing below either.
            for slash in [true, false] {
                if let Some(path) = PathPattern::of_page(&route.path, page.path, slash) {
                    places.push(place(page, path)?);
                }
            }
        }
        Ok(places)
    }

    fn page(
        &self,
        page: &'static crate::package::Page,
        path: PathPattern,
        exact: bool,
        at: &Path,
    ) -> Result<Place, Problems> {
        let handler = (page.build)(self.site, &PageContext { path: at, name: page.name })?;
        let negotiates = page.negotiates && self.site.browsable_api;
        Ok(Place {
            path,
            target: Arc::new(Served { page, handler, exact, negotiates }),
            page: Some(page),
        })
    }
}
