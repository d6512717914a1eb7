//! Where admitted requests go: a service behind, or the built-in echo.
//!
//! A service (`service`) has servers, of which `balance` chooses one for each request; a server is
//! where to `connect`, the connections that `pool` keeps, and whether it is well (`server`). Two tasks
//! beside the requests look after them: `health` checks the servers, `resolve` looks their names up.

mod address;
mod answer;
mod balance;
mod body;
mod config;
mod connect;
mod echo;
mod health;
mod http2;
mod pool;
mod redirect;
mod resolve;
mod rewrite;
mod server;
mod service;
mod watched_body;
mod tls;
mod tunnel;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;

pub use self::{
    body::{Reply, ReplyBody},
    config::{Config, UpstreamContext},
    echo::Echo,
    pool::set_worker,
    redirect::Redirect,
    service::Service,
    tunnel::Tunnel,
    watched_body::tick,
};
use crate::{
    forward::{Outgoing, remove_hop_by_hop},
    rejection::Rejection,
    value::{Path, Problems},
};

/// Where admitted requests go.
#[derive(Clone)]
pub enum Upstream {
    /// A service on one or more servers.
    Service(Arc<Service>),
    /// The gateway itself, which answers with what an API would receive.
    Echo(Echo),
    /// Another URL, which the client is sent to.
    Redirect(Redirect),
}

impl Upstream {
    /// Begins what has to be done beside requests, on the runtime for everything slow; it ends with
    /// the upstream. Once is enough.
    pub fn start(&self, control: &Handle) {
        if let Self::Service(service) = self {
            service.start(control);
        }
    }

    /// The service, for which [`Service::has_server`] is asked once.
    pub fn service(&self) -> Option<&Arc<Service>> {
        match self {
            Self::Service(service) => Some(service),
            Self::Echo(_) | Self::Redirect(_) => None,
        }
    }

    /// Makes of a request what this upstream wants; [`Self::send`] does that too.
    ///
    /// # Errors
    /// If the path can then be read in another way than the one that was judged.
    pub fn rewrite(&self, outgoing: &mut Outgoing<'_>) -> Result<(), Rejection> {
        match self {
            Self::Service(service) => service.rewrite(outgoing),
            Self::Echo(_) | Self::Redirect(_) => Ok(()),
        }
    }

    /// Sends a request and gives the head of the answer; its body streams.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Reply, Rejection> {
        match self {
            Self::Service(service) => service.send(outgoing).await,
            Self::Echo(echo) => Ok(echo.answer(&outgoing)),
            Self::Redirect(redirect) => Ok(redirect.answer()),
        }
    }
}

/// The upstreams that are there, by their settings: routes with the same ones share connections and
/// what is known of the servers, and so do a configuration and the next.
#[derive(Clone, Default)]
pub struct Upstreams(Arc<Mutex<Vec<Known>>>);

type Known = (Config, Weak<Service>);

impl Upstreams {
    /// The upstream with these settings. One that reads certificates is built anew each time.
    ///
    /// # Errors
    /// Servers that are none, and settings that do not go together.
    pub fn get(
        &self,
        config: &Config,
        path: &Path,
        context: &UpstreamContext<'_>,
    ) -> Result<Upstream, Problems> {
        if config.is_echo() {
            return Ok(Upstream::Echo(Echo));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, target)| target.strong_count() > 0);
        let same = known.iter().find(|(known, _)| known == config && !known.reads_files());
        if let Some(same) = same.and_then(|(_, target)| target.upgrade()) {
            return Ok(Upstream::Service(same));
        }
        let built = Arc::new(config.build(path, context)?);
        known.push((config.clone(), Arc::downgrade(&built)));
        Ok(Upstream::Service(built))
    }
}
