//! What outlives a reload.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::{
    clock::Clock,
    config::Document,
    crypto::random_text,
    limits::{Lockout, ProcessState as Counted, Suspicion, Windows},
    listen::{Acme, workers},
    observe::{log::AccessLog, metrics::Metrics, recent::Recent},
    traces::Collectors,
    upstream::Upstreams,
    value::Secret,
};

/// What outlives a reload: the time, the runtime, and everything that counts.
#[derive(Clone)]
pub struct ProcessState {
    /// The time.
    pub clock: Clock,
    /// The runtime for everything slow.
    pub control: Handle,
    /// Metrics.
    pub metrics: Metrics,
    /// Access lines.
    pub access: AccessLog,
    /// The last requests.
    pub recent: Recent,
    /// Throttle counters.
    pub windows: Windows,
    /// Nonces and counters of this process.
    pub counted: Arc<Counted>,
    /// What assertion keys come from where there is no `secret_key`; a reload keeps it.
    pub seed: Secret,
    /// Failures so far: a reload must not forgive them.
    pub lockout: Arc<Lockout>,
    /// What is noticed over many requests.
    pub suspicion: Arc<Suspicion>,
    /// Connections to upstreams, and what is known of their servers.
    pub upstreams: Upstreams,
    /// Certificates that come by themselves.
    pub acme: Acme,
    /// Where traces go.
    pub collectors: Collectors,
}

impl ProcessState {
    /// With nothing counted yet.
    pub fn new(document: &Document, clock: Clock, control: Handle, access: AccessLog) -> Self {
        let metrics = Metrics::default();
        let lockout = Lockout::new(document.lockout.clone(), clock.clone(), metrics.locks());
        Self {
            control,
            suspicion: Arc::new(Suspicion::new(metrics.clone(), clock.clone())),
            metrics,
            access,
            recent: Recent::new(workers()),
            seed: Secret::new(random_text(43).unwrap_or_default()),
            windows: Windows::new(clock.clone()),
            counted: Arc::new(Counted::new(clock.clone())),
            upstreams: Upstreams::default(),
            acme: Acme::default(),
            collectors: Collectors::default(),
            lockout: Arc::new(lockout),
            clock,
        }
    }
}
