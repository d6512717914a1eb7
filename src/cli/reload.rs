//! What runs, and how a reload changes it: one swap, or none.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Weak, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};
use tracing::{info, warn};

use super::{load, warnings};
use crate::{
    admin::{self, Admin},
    app::{self, Built, ProcessState},
    config::Document,
    gateway::Invalidation,
    limits::AuthRate,
    listen::{Bound, Serving, Workers},
    observe::log::Logs,
    store::Revocations,
};

/// A gateway that serves.
pub(super) struct Running {
    pub(super) path: PathBuf,
    /// The files that the configuration names.
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) process: ProcessState,
    pub(super) current: Arc<ArcSwap<Serving>>,
    pub(super) workers: Workers,
    pub(super) logs: Logs,
    pub(super) pages: Pages,
    pub(super) admin: Option<(SocketAddr, JoinHandle<()>)>,
}

/// What the admin pages are made of.
pub(super) struct Pages {
    admin: Admin,
    /// What readiness says.
    pub(super) serving: Arc<AtomicBool>,
    control: Handle,
}

impl Pages {
    pub(super) fn new(process: &ProcessState, current: &Arc<ArcSwap<Serving>>) -> Self {
        let serving = Arc::new(AtomicBool::new(true));
        let admin = Admin {
            metrics: process.metrics.clone(),
            access: process.access.clone(),
            recent: process.recent.clone(),
            current: Arc::clone(current),
            serving: Arc::clone(&serving),
            answered: Arc::default(),
        };
        Self { admin, serving, control: process.control.clone() }
    }

    pub(super) fn serve(
        &self,
        address: SocketAddr,
        listener: std::net::TcpListener,
    ) -> (SocketAddr, JoinHandle<()>) {
        (address, self.control.spawn(self.admin.clone().serve(listener)))
    }
}

pub(super) fn bind_admin(
    address: SocketAddr,
    shared: bool,
) -> anyhow::Result<(SocketAddr, std::net::TcpListener)> {
    let listener = admin::bind(address, shared);
    let listener = listener
        .map_err(|error| anyhow::anyhow!("the admin pages cannot listen on {address}: {error}"))?;
    Ok((address, listener))
}

/// What is opened before anything changes, since it may fail.
struct Fresh {
    built: Built,
    document: Document,
    sockets: Bound,
    admin: Option<(SocketAddr, std::net::TcpListener)>,
}

impl Running {
    /// One swap, or none: a configuration with a problem changes nothing.
    pub(super) fn reload(&mut self) {
        let fresh = self.fresh();
        self.process.metrics.reloaded(fresh.is_ok());
        match fresh {
            Ok(fresh) => {
                self.change(fresh);
                info!("the new configuration serves");
            }
            Err(report) => {
                warn!("the old configuration stays: the new one has problems:\n{report}");
            }
        }
    }

    fn fresh(&mut self) -> anyhow::Result<Fresh> {
        let loaded = load(self.path.clone())?;
        // Also where they do not fit together yet: a certificate that comes before its key.
        self.files.clone_from(&loaded.files);
        let built = app::build(&loaded.document, &self.process);
        let built = built.map_err(|problems| loaded.report(problems))?;
        let warnings = warnings(&loaded, &built, self.process.clock.now());
        let document = loaded.document;
        self.stay_secure(&built)?;
        let sockets = self.workers.bind_new(&document.listen);
        let sockets = sockets
            .map_err(|(address, error)| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
        let known = self.admin.as_ref().map(|(address, _)| *address);
        let admin = document.admin.filter(|address| Some(*address) != known);
        let admin = admin.map(|address| bind_admin(address, false)).transpose()?;
        warnings.iter().for_each(|warning| warn!("{warning}"));
        Ok(Fresh { built, document, sockets, admin })
    }

    /// A certificate that has got lost in the file must not open a port that speaks HTTPS.
    fn stay_secure(&self, built: &Built) -> anyhow::Result<()> {
        for (address, policy) in &self.current.load().listeners {
            let new = built.serving.listeners.get(address);
            if policy.is_secure() && new.is_some_and(|new| !new.is_secure()) {
                anyhow::bail!("{address} speaks HTTPS; to speak plain HTTP there takes a restart");
            }
        }
        Ok(())
    }

    fn change(&mut self, fresh: Fresh) {
        let Fresh { mut built, document, sockets, admin } = fresh;
        begin(&mut built, &self.process);
        self.logs.change(&document.log);
        self.process.recent.keep(document.admin.is_some());
        self.process.lockout.change(document.lockout.clone());
        self.current.store(Arc::new(built.serving));
        self.workers.change(sockets, &document.listen);
        if self.admin.as_ref().map(|(address, _)| *address) != document.admin {
            if let Some((_, pages)) = self.admin.take() {
                pages.abort();
            }
            self.admin = admin.map(|(address, listener)| self.pages.serve(address, listener));
        }
    }
}

/// Starts what has to be done beside requests; each part ends with its configuration.
pub(super) fn begin(built: &mut Built, process: &ProcessState) {
    built.serving.gateway.start(&process.control);
    for listener in built.serving.listeners.values() {
        listener.begin(&process.control, &process.clock);
    }
    for probe in std::mem::take(&mut built.probes) {
        process.control.spawn(async move {
            match probe.ask().await {
                Ok(found) => info!(found, "{} can be used", probe.what),
                Err(cause) => warn!(cause, "{} cannot be used", probe.what),
            }
        });
    }
    process.control.spawn(prune(Arc::clone(&built.auth_rate)));
    let cache = &built.serving.gateway.invalidation;
    let (gone, cache) = (cache.alive.subscribe(), Arc::downgrade(cache));
    process.control.spawn(forget(built.db.revocations(), cache, gone));
}

/// Forgets what others revoke, until the configuration that remembers it is gone.
async fn forget(
    mut revocations: Revocations,
    cache: Weak<Invalidation>,
    mut gone: watch::Receiver<()>,
) {
    loop {
        let heard = tokio::select! {
            heard = revocations.next() => heard,
            _ = gone.changed() => return,
        };
        let (Some(first), Some(cache)) = (heard, cache.upgrade()) else { return };
        // Many at once, as when Django clears its sessions, are one search of the cache.
        let mut all = vec![first];
        while let (Some(Some(more)), true) = (revocations.next().now_or_never(), all.len() < 1000) {
            all.push(more);
        }
        cache.forget(all.iter().map(|heard| heard.revocation.clone()).collect());
    }
}

/// Now and then forgets limits of networks that are quiet, until their configuration is gone.
async fn prune(limit: Arc<AuthRate>) {
    let limit = { Arc::downgrade(&limit) };
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        match limit.upgrade() {
            Some(limit) => limit.prune(),
            None => return,
        }
    }
}
