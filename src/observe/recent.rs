//! The last requests, each with what was decided of it and why, for `explain --request`. Kept in
//! memory while there are admin pages to ask, and no longer than others come after them.

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde::{Deserialize, Serialize};

/// Of each worker.
const KEPT: usize = 1024;
/// So much of a path: a client must not fill the memory with long ones.
const PATH: usize = 512;

/// What names a request in the access line, and to `explain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// Another one. They go on from a random one in each thread, so that none comes twice.
    pub fn next() -> Self {
        thread_local! {
            static LAST: Cell<u64> = Cell::new(RandomState::new().hash_one(()));
        }
        let id = LAST.get().wrapping_add(1);
        LAST.set(id);
        Self(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is no id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is the 16 hexadecimal digits at the end of an access line")]
pub struct NoId;

impl FromStr for RequestId {
    type Err = NoId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NoId)
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What was decided of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// As in its access line.
    pub id: RequestId,
    /// The client's own address.
    pub client: IpAddr,
    /// The method.
    pub method: String,
    /// The path as sent, without the query, which may hold secrets.
    pub path: String,
    /// The path of the route, if there was one.
    pub route: Option<Arc<str>>,
    /// What each scheme that was asked has said, in their order.
    pub schemes: Vec<(Arc<str>, SchemeResult)>,
    /// The route's rule.
    pub rule: Option<Arc<str>>,
    /// The name of who was let in, and the scheme that knew them.
    pub user: Option<(Box<str>, Arc<str>)>,
    /// The status answered.
    pub status: u16,
    /// Why it was refused, and what the client did not learn of it.
    pub refused: Option<(String, Option<String>)>,
    /// From the head of the request to the head of the answer.
    pub microseconds: u64,
}

impl Explained {
    /// As much of a path as is kept.
    pub fn path(whole: &str) -> String {
        whole.get(..whole.floor_char_boundary(PATH)).unwrap_or(whole).to_owned()
    }
}

/// What a scheme makes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemeResult {
    /// No credential of this scheme.
    NotAttempted,
    /// A session that is over.
    Ended,
    /// A good one.
    Authenticated,
    /// One that the upstream judges.
    Left,
    /// The client has to wait: too many failures.
    Wait,
    /// A bad one.
    Failed(Cow<'static, str>),
}

impl fmt::Display for SchemeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAttempted => f.write_str("not its credential"),
            Self::Ended => f.write_str("a session that is over"),
            Self::Authenticated => f.write_str("a good credential"),
            Self::Left => f.write_str("its credential, which the upstream judges"),
            Self::Wait => f.write_str("has to wait: too many failures"),
            Self::Failed(detail) => write!(f, "refused: {detail}"),
        }
    }
}

/// The last requests.
#[derive(Clone)]
pub struct Recent(Arc<Inner>);

struct Inner {
    kept: AtomicBool,
    /// One for each thread that answers, so that none waits for another.
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    next: usize,
    requests: Vec<Explained>,
}

impl Recent {
    /// With room for so many threads; nothing is kept before it is asked for.
    pub fn new(threads: usize) -> Self {
        let shards = (0..threads.max(1)).map(|_| Mutex::default()).collect();
        Self(Arc::new(Inner { kept: AtomicBool::new(false), shards }))
    }

    /// Whether there is anybody who could ask.
    pub fn keep(&self, kept: bool) {
        self.0.kept.store(kept, Ordering::Relaxed);
        if !kept {
            self.0.shards.iter().for_each(|shard| *lock(shard) = Shard::default());
        }
    }

    /// Whether requests are kept.
    pub fn is_kept(&self) -> bool {
        self.0.kept.load(Ordering::Relaxed)
    }

    /// Keeps one, in place of the oldest.
    pub fn add(&self, request: Explained) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        let number = NUMBER.with(|number| *number) % self.0.shards.len().max(1);
        let Some(shard) = self.0.shards.get(number) else { return };
        let mut shard = lock(shard);
        let at = shard.next % KEPT;
        shard.next += 1;
        match shard.requests.get_mut(at) {
            Some(oldest) => *oldest = request,
            None => shard.requests.push(request),
        }
    }

    /// The one with this name.
    pub fn find(&self, id: RequestId) -> Option<Explained> {
        let found =
            |shard: &Mutex<Shard>| lock(shard).requests.iter().find(|r| r.id == id).cloned();
        self.0.shards.iter().find_map(found)
    }
}

fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: RequestId) -> Explained {
        Explained {
            id,
            client: IpAddr::from([192, 0, 2, 1]),
            method: "GET".into(),
            path: "/".into(),
            route: None,
            schemes: Vec::new(),
            rule: None,
            user: None,
            status: 404,
            refused: None,
            microseconds: 1,
        }
    }

    #[test]
    fn the_oldest_make_room_and_nothing_is_kept_for_nobody() {
        let recent = Recent::new(1);
        recent.keep(true);
        let ids: Vec<_> = (0..KEPT + 2).map(|_| RequestId::next()).collect();
        ids.iter().for_each(|id| recent.add(request(*id)));
        assert!(recent.find(ids[0]).is_none() && recent.find(ids[1]).is_none());
        assert!(ids[2..].iter().all(|id| recent.find(*id).is_some_and(|found| found.id == *id)));
        recent.keep(false);
        assert!(recent.find(ids[2]).is_none());
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = RequestId::next();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(RequestId::next(), id);
        assert!("no-id".parse::<RequestId>().is_err());
    }
}
