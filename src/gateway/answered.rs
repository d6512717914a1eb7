//! What is told of a request that has been answered: metrics, its spans, the access line, and to
//! whoever asks `explain`.

use std::{net::IpAddr, sync::Arc};

use hyper::StatusCode;

use super::{
    Gateway,
    seen::{Asked, Seen},
};
use crate::{
    clock::Timestamp,
    observe::{
        log::Line,
        metrics::Fate,
        recent::{Explained, RequestId},
    },
    traces::Finished,
};

/// A request that has been answered.
pub(super) struct Answered {
    pub(super) id: RequestId,
    pub(super) asked: Asked,
    /// The client's own address.
    pub(super) client: IpAddr,
    pub(super) status: StatusCode,
    pub(super) fate: Fate,
    /// Why it was refused and what the client did not learn of it, where somebody may ask.
    pub(super) refused: Option<(String, Option<String>)>,
    pub(super) started: Timestamp,
}

impl Gateway {
    pub(super) fn tell(&self, answered: Answered, seen: &mut Seen<'_>) {
        let Answered { id, asked, client, status, fate, refused, started } = answered;
        let Asked { method, uri, host } = &asked;
        let ended = self.clock.now();
        let time = ended.since(started);
        let metrics = seen.route.map_or(&self.unrouted, |route| &route.metrics);
        metrics.answered(status, fate, time);
        let route = seen.route.map(|route| &*route.name);
        let scheme = seen.user.as_ref().map(|(_, scheme)| &**scheme);
        let (method, path, status) = (method.as_str(), uri.path(), status.as_u16());
        if let Some(trace) = &seen.trace {
            let finished = Finished { method, path, route, scheme, client, status, started, ended };
            self.traces.finish(trace, &finished);
        }
        if let Some(schemes) = seen.told.take() {
            let user = seen.user.as_ref();
            self.recent.add(Explained {
                id,
                client,
                method: method.to_owned(),
                path: Explained::path(path),
                route: seen.route.map(|route| Arc::clone(&route.name)),
                schemes,
                rule: seen.route.map(|route| Arc::clone(route.policy.describe())),
                user: user.map(|(user, scheme)| (user.username.clone(), Arc::clone(scheme))),
                status,
                refused,
                microseconds: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            });
        }
        self.access.write(&Line {
            id,
            client,
            method,
            host: match host {
                Some(host) => host.to_str().unwrap_or_default(),
                None => uri.authority().map_or("", |authority| authority.as_str()),
            },
            path,
            status,
            route,
            user: seen.user.as_ref().map(|(identity, _)| &*identity.username),
            scheme,
            microseconds: time.as_micros(),
            trace: seen.trace.as_ref().map(|trace| trace.id),
        });
    }
}
