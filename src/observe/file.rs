//! A log file that may be moved away while it is written: what comes next goes into a new one of its
//! name, without a signal.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
};

/// Appends to whatever has the name now.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens it, and creates it if it is missing, readable by its owner alone.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = append(&path)?;
        Ok(Self { path, file })
    }

    fn is_moved(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        Ok(match std::fs::metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) != (own.dev(), own.ino()),
            Err(_) => true,
        })
    }
}

fn append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_moved()? {
            self.file = append(&self.path)?;
        }
        // One line is one write, so that no rotation cuts it.
        self.file.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
