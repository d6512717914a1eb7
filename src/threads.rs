//! Threads for work that keeps one busy: as many as cores, behind a queue that has an end, so that
//! a flood of it delays no other answer.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::Semaphore};

use crate::store::Unavailable;

/// The threads for one kind of work.
#[derive(Clone)]
pub struct Threads {
    work: &'static str,
    control: Handle,
    threads: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

const QUEUE: usize = 256;

impl Threads {
    /// Of the control runtime; `work` names what they do where they cannot.
    pub fn new(work: &'static str, control: &Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            work,
            control: control.clone(),
            threads: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(QUEUE)),
        }
    }

    /// Does it and waits for it.
    ///
    /// # Errors
    /// If too many wait already.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let busy = |_| Unavailable::new(self.work, "too many requests wait for it");
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(busy)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await;
        let thread = thread.map_err(|error| Unavailable::new(self.work, error))?;
        drop(queued);
        // The permit moves into the work: a caller that goes away does not free the thread.
        let work = move || {
            let done = work();
            drop(thread);
            done
        };
        let done = self.control.spawn_blocking(work).await;
        done.map_err(|error| Unavailable::new(self.work, error))
    }
}
