//! Tells when the configuration's file has another content, however it came to it: written in place,
//! renamed over, or behind a symbolic link that was swapped, as Kubernetes does.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::crypto::digest::sha256;

pub(super) struct Changes {
    path: PathBuf,
    /// What was told last.
    seen: Option<[u8; 32]>,
    events: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// Whoever writes a file may need several steps to it.
const SETTLED: Duration = Duration::from_millis(200);

impl Changes {
    /// Watches the folder, since the file itself is another one after a rename.
    pub(super) fn of(path: &Path) -> notify::Result<Self> {
        let (tell, events) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |_| {
            // One that waits to be heard stands for all.
            let _ = tell.try_send(());
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        Ok(Self { path: path.to_owned(), seen: content(path), events, _watcher: watcher })
    }

    /// Waits for another content.
    pub(super) async fn next(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            while let Ok(Some(())) = tokio::time::timeout(SETTLED, self.events.recv()).await {}
            let now = content(&self.path);
            if now.is_some() && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn content(path: &Path) -> Option<[u8; 32]> {
    std::fs::read(path).ok().map(|text| sha256(&text))
}
