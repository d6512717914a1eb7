//! One report of a request that has been answered: metrics, its span, the access line, and what
//! `explain --request` is told.

use std::sync::Arc;

use hyper::StatusCode;

use super::{Gateway, exchange::Exchange};
use crate::{
    observe::{log::Line, recent::Explained},
    traces::Finished,
};

impl Gateway {
    pub(super) fn report(&self, exchange: &mut Exchange<'_>, status: StatusCode) {
        let ended = self.clock.now();
        let time = ended.since(exchange.started);
        let metrics = exchange.route.map_or(&self.unrouted, |route| &route.metrics);
        metrics.answered(status, exchange.disposition, time);
        let line = &exchange.line;
        let route = exchange.route.map(|route| &*route.name);
        let scheme = exchange.caller.as_ref().map(|(_, scheme)| &**scheme);
        let (method, path) = (line.method.as_str(), line.uri.path());
        let (client, status) = (exchange.client, status.as_u16());
        if let Some(trace) = &exchange.trace {
            let started = exchange.started;
            let finished = Finished { method, path, route, scheme, client, status, started, ended };
            self.traces.finish(trace, &finished);
        }
        if let Some(schemes) = exchange.results.take() {
            let caller = exchange.caller.as_ref();
            let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            self.recent.add(Explained {
                id: exchange.id,
                client,
                method: method.to_owned(),
                path: Explained::path(path),
                route: exchange.route.map(|route| Arc::clone(&route.name)),
                schemes,
                rule: exchange.route.map(|route| Arc::clone(route.policy.describe())),
                user: caller.map(|(user, scheme)| (user.username.clone(), Arc::clone(scheme))),
                status,
                refused: exchange.refused.take(),
                microseconds,
            });
        }
        self.access.write(&Line {
            id: exchange.id,
            client,
            method,
            host: match &line.host {
                Some(host) => host.to_str().unwrap_or_default(),
                None => line.uri.authority().map_or("", |authority| authority.as_str()),
            },
            path,
            status,
            route,
            user: exchange.caller.as_ref().map(|(identity, _)| &*identity.username),
            scheme,
            microseconds: time.as_micros(),
            trace: exchange.trace.as_ref().map(|trace| trace.id),
        });
    }
}
