//! Answers whose clients may stop reading. An answer is not polled while its client has no room for more:
//! an HTTP/2 client can answer pings for ever and open no window. So each worker looks at all that
//! are open, now and then, and lets go of the upstream where the client has taken nothing for long.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use slab::Slab;

use super::body::Stream;

thread_local! {
    static OPEN: RefCell<Slab<Weak<Mutex<Stream>>>> = const { RefCell::new(Slab::new()) };
}

/// An answer that is among those of this worker for as long as it lasts.
pub(super) struct WatchedBody {
    stream: Arc<Mutex<Stream>>,
    place: usize,
}

/// So much time has gone by: gives up what no client has taken anything of for longer than `most`. What
/// waits between the client and the answer has to be taken first: a slow client is not one that stands.
pub fn tick(time: Duration, most: Duration) {
    OPEN.with_borrow(|open| {
        for stream in open.iter().filter_map(|(_, stream)| stream.upgrade()) {
            lock(&stream).tick(time, most);
        }
    });
}

impl WatchedBody {
    pub(super) fn new(stream: Stream) -> Self {
        let stream = Arc::new(Mutex::new(stream));
        let place = OPEN.with_borrow_mut(|open| open.insert(Arc::downgrade(&stream)));
        Self { stream, place }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Stream> {
        lock(&self.stream)
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        // At the end of the thread they are gone already; and another thread's are not ours.
        let _ = OPEN.try_with(|open| {
            let Ok(mut open) = open.try_borrow_mut() else { return };
            let ours = open.get(self.place).map(Weak::as_ptr) == Some(Arc::as_ptr(&self.stream));
            if ours {
                open.remove(self.place);
            }
        });
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
