//! Reports when the content of the configuration file has changed, in whatever way: written in place,
//! renamed over, or behind a symbolic link that was swapped, as Kubernetes does.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::mpsc;

use crate::crypto::digest::sha256;

pub(super) struct Changes {
    path: PathBuf,
    /// What was told last.
    seen: Option<[u8; 32]>,
    events: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// An editor may write a file in several steps.
const SETTLED: Duration = Duration::from_millis(200);

impl Changes {
    /// Watches the folder, since the file itself is another one after a rename.
    pub(super) fn of(path: &Path) -> notify::Result<Self> {
        let (tell, events) = mpsc::channel(1);
        let of = path.to_owned();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| may_be_of(&event, &of)) {
                // One that waits to be heard stands for all.
                let _ = tell.try_send(());
            }
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        Ok(Self { path: path.to_owned(), seen: content(path), events, _watcher: watcher })
    }

    /// Waits until the content changes.
    pub(super) async fn next(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(SETTLED).await;
            while self.events.try_recv().is_ok() {}
            let now = content(&self.path);
            if now.is_some() && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// Whether the file may be another one, and a whole one: it was closed by who wrote it, or something
/// was renamed, to it or to a link that it lies behind. A file that is still being written is left, and what
/// happens to other files does not matter.
fn may_be_of(event: &Event, path: &Path) -> bool {
    let named = event.paths.iter().any(|changed| changed.file_name() == path.file_name());
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => named,
        EventKind::Modify(ModifyKind::Name(_)) => named || path.is_symlink(),
        EventKind::Create(_) => path.is_symlink(),
        _ => false,
    }
}

/// A configuration larger than this is none.
const LARGEST: u64 = 16 << 20;

fn content(path: &Path) -> Option<[u8; 32]> {
    // Not a pipe, which may have no writer.
    let about = std::fs::metadata(path).ok()?;
    let readable = about.is_file() && about.len() <= LARGEST;
    if !readable {
        return None;
    }
    std::fs::read(path).ok().map(|text| sha256(&text))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, RenameMode};

    use super::*;

    /// Attack (an accident, in truth): the file is written in two steps, and between them it has the
    /// public route and not yet the one that protects what is below it.
    #[test]
    fn a_file_that_is_still_written_is_not_read() {
        let path = Path::new("/etc/portcullis/gateway.yaml");
        let told = |kind: EventKind, name: &str| {
            may_be_of(&Event::new(kind).add_path(path.with_file_name(name)), path)
        };
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for kind in [closed, renamed] {
            assert!(told(kind, "gateway.yaml"), "{kind:?}");
            assert!(!told(kind, "access.log"), "{kind:?}");
        }
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
        ] {
            assert!(!told(kind, "gateway.yaml"), "{kind:?}");
        }
    }
}
