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
mod taken;
mod tls;
mod tunnel;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::runtime::Handle;

pub use self::{
    body::{Reply, ReplyBody},
    config::{Config, Parts},
    echo::Echo,
    pool::set_worker,
    redirect::Redirect,
    taken::tick,
    tunnel::Tunnel,
};
use crate::{
    forward::{Outgoing, remove_hop_by_hop},
    rejection::Rejection,
    value::{Path, Problems},
};

/// What answers admitted requests.
#[async_trait]
pub trait Target: Send + Sync {
    /// Begins what has to be done beside requests, on the runtime for everything slow; it ends with
    /// the target. Once is enough.
    fn start(self: Arc<Self>, control: &Handle) {
        let _ = control;
    }

    /// Makes of a request what this target wants; [`Self::send`] does that too.
    ///
    /// # Errors
    /// If the target's path can be read in another way than the one that was judged.
    fn rewrite(&self, outgoing: &mut Outgoing<'_>) -> Result<(), Rejection> {
        let _ = outgoing;
        Ok(())
    }

    /// Sends a request and gives the head of the answer; its body streams.
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Reply, Rejection>;
}

/// The upstreams that are there, by their settings: routes with the same ones share connections and
/// what is known of the servers, and so do a configuration and the next.
#[derive(Clone, Default)]
pub struct Upstreams(Arc<Mutex<Vec<Known>>>);

type Known = (Config, Weak<dyn Target>);

impl Upstreams {
    /// The upstream with these settings. One that reads certificates is built anew each time.
    ///
    /// # Errors
    /// Servers that are none, and settings that do not go together.
    pub fn get(
        &self,
        config: &Config,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Target>, Problems> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, target)| target.strong_count() > 0);
        let same = known.iter().find(|(known, _)| known == config && !known.reads_files());
        if let Some(same) = same.and_then(|(_, target)| target.upgrade()) {
            return Ok(same);
        }
        let built = config.build(path, parts)?;
        known.push((config.clone(), Arc::downgrade(&built)));
        Ok(built)
    }
}
