//! Reports when the content of the configuration's file, or of a file that it names, has changed, in whatever
//! way: written in place, renamed over, or behind a symbolic link that was swapped, as Kubernetes does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::mpsc;
use tracing::warn;

use crate::crypto::digest::sha256;

pub(super) struct Changes {
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The content of each that was told last.
    seen: BTreeMap<PathBuf, [u8; 32]>,
    folders: BTreeSet<PathBuf>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
}

/// An editor may write a file in several steps.
const SETTLED: Duration = Duration::from_millis(200);

impl Changes {
    pub(super) fn of(path: &Path, named: &BTreeSet<PathBuf>) -> notify::Result<Self> {
        let (tell, events) = mpsc::channel(1);
        let files = Arc::<Mutex<BTreeSet<PathBuf>>>::default();
        let of = Arc::clone(&files);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let files = of.lock().unwrap_or_else(PoisonError::into_inner);
            if event.is_ok_and(|event| files.iter().any(|file| may_be_of(&event, file))) {
                // One that waits to be heard stands for all.
                let _ = tell.try_send(());
            }
        })?;
        let (seen, folders) = (BTreeMap::new(), BTreeSet::new());
        let mut changes = Self { files, seen, folders, events, watcher };
        changes.follow(path, named)?;
        Ok(changes)
    }

    /// Watches the folders of these, since a file itself is another one after a rename.
    ///
    /// # Errors
    /// If the configuration's own cannot be watched.
    pub(super) fn follow(&mut self, path: &Path, named: &BTreeSet<PathBuf>) -> notify::Result<()> {
        let mut files = named.clone();
        files.insert(path.to_owned());
        for file in &files {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            if self.folders.contains(folder) {
                continue;
            }
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder.to_owned());
                }
                Err(error) if file == path => return Err(error),
                Err(error) => warn!(%error, file = %file.display(), "this file cannot be watched"),
            }
        }
        // What has changed since it was read is told next.
        let new: BTreeSet<_> =
            files.iter().filter(|file| !self.seen.contains_key(*file)).cloned().collect();
        self.seen.extend(contents(&new));
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        Ok(())
    }

    /// Waits until the content of one changes.
    pub(super) async fn next(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(SETTLED).await;
            while self.events.try_recv().is_ok() {}
            let now = contents(&self.files.lock().unwrap_or_else(PoisonError::into_inner));
            let changed = now.iter().any(|(file, content)| self.seen.get(file) != Some(content));
            // One that is gone for a moment is not another one.
            self.seen.extend(now);
            if changed {
                return;
            }
        }
    }
}

fn contents(files: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, [u8; 32]> {
    files.iter().filter_map(|file| Some((file.clone(), content(file)?))).collect()
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

/// A file larger than this is none of a configuration's.
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
