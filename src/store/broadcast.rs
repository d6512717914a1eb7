//! Revocations, told to every gateway on the same database: over PostgreSQL's `NOTIFY`, and over a
//! local socket to those on the same machine, which is how a command reaches a gateway whose
//! database cannot carry messages, and knows that it was heard.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use futures_util::future::join_all;
use sqlx::postgres::PgListener;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tracing::{debug, warn};

use super::{
    Revocation,
    database::{Database, Inner, Sql},
    template::{Arg, Dialect},
};
use crate::crypto::digest::sha256_hex;

/// The channel of `NOTIFY`, here and in the triggers.
pub(super) const CHANNEL: &str = "portcullis";
/// A gateway that does not answer in this time is stuck or gone. It is waited for by a command whose user
/// has changed a row already, within the store's own time: so not long.
const PATIENCE: Duration = Duration::from_millis(500);
/// No more than this is read from anybody.
const LINE: u64 = 512;
/// Between two attempts to hear the database again.
const PAUSE: Duration = Duration::from_secs(1);

impl Sql {
    /// Tells every gateway. What has been done in the store is done: a gateway that cannot be
    /// reached learns of it when its cache asks again.
    pub async fn announce(&self, revocation: Revocation) {
        if self.is_dry_run() {
            return;
        }
        let text = revocation.to_string();
        if self.0.model.dialect == Dialect::Postgres {
            let notify = "SELECT pg_notify(?, ?)";
            let told = self.rows(notify, [Arg::from(CHANNEL), Arg::from(&*text)]).await;
            if let Err(error) = told {
                warn!(%error, "other gateways could not be told of a revocation");
            }
        }
        let prefix = self.0.socket_prefix();
        let folders = self.0.folders();
        let sockets = tokio::task::spawn_blocking(move || sockets(&folders, &prefix)).await;
        let told = sockets.unwrap_or_default().into_iter().map(|socket| {
            let text = text.clone();
            async move {
                match tokio::time::timeout(PATIENCE, tell(&socket, &text)).await {
                    Ok(Ok(())) => 1,
                    Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => 0,
                    Ok(Err(_)) | Err(_) => {
                        warn!(socket = %socket.display(), "a gateway did not answer");
                        0
                    }
                }
            }
        });
        let heard: usize = join_all(told).await.into_iter().sum();
        self.0.heard.fetch_max(heard, Ordering::Relaxed);
    }
}

impl Inner {
    /// Where sockets may be: beside an SQLite file, so that a process that opens the one finds the other;
    /// else where the system has room for such things. The first that can be used is used.
    fn folders(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.file {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            return vec![file.with_file_name(format!("{name}.gateways"))];
        }
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let mut folders: Vec<PathBuf> = variable("RUNTIME_DIRECTORY").into_iter().collect();
        folders.push("/run/portcullis".into());
        folders.extend(variable("XDG_RUNTIME_DIR").map(|folder| folder.join("portcullis")));
        folders.push(std::env::temp_dir().join(format!("portcullis-{}", own_user())));
        folders
    }

    /// Gateways on one database find each other by where it is, under any user name.
    fn socket_prefix(&self) -> String {
        let place = match &self.file {
            Some(_) => "file".to_owned(),
            None => place(self.url.reveal()),
        };
        let mut name = sha256_hex(place.as_bytes());
        name.truncate(16);
        name + "-"
    }
}

/// Host, port and database of a URL.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    place
        .to_lowercase()
        .replace("localhost", "127.0.0.1")
        .replace(":3306/", "/")
        .replace(":5432/", "/")
}

/// The sockets of gateways on the same database, in folders that no other user can write to.
fn sockets(folders: &[PathBuf], prefix: &str) -> Vec<PathBuf> {
    let folders = folders.iter().filter(|folder| is_private(folder).is_ok());
    let entries =
        folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    ours.map(|entry| entry.path()).collect()
}

async fn tell(socket: &Path, text: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{text}\n").as_bytes()).await?;
    stream.read_exact(&mut [0]).await.map(|_| ())
}

fn own_user() -> u32 {
    std::fs::metadata("/proc/self").map_or(0, |own| own.uid())
}

/// Another user may have made the folder, to hear what is revoked or to keep it from us. Root may
/// speak to everybody's gateway, but not where everybody may make folders.
fn is_private(folder: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(folder)?;
    let own = own_user();
    let anybody_s = folder.starts_with(std::env::temp_dir());
    let trusted = found.uid() == own || found.uid() == 0 || (own == 0 && !anybody_s);
    match found.is_dir() && found.mode() & 0o022 == 0 && trusted {
        true => Ok(()),
        false => Err(io::Error::other("the folder belongs to another user")),
    }
}

/// Gateways that were killed leave their sockets; no other process removes them.
fn remove_abandoned(folder: &Path) {
    for socket in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = socket.path();
        let answer = std::os::unix::net::UnixStream::connect(&path);
        if answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What is heard. An acknowledgement is sent when its `heard` is dropped.
pub struct Heard {
    /// What is to be forgotten.
    pub revocation: Revocation,
    /// Held until it is.
    _done: Option<tokio::sync::oneshot::Sender<()>>,
}

/// Revocations as they come in; it stops listening when it is dropped.
pub struct Revocations {
    received: UnboundedReceiver<Heard>,
    socket: Option<PathBuf>,
}

impl Revocations {
    /// The next one.
    pub async fn next(&mut self) -> Option<Heard> {
        self.received.recv().await
    }
}

impl Drop for Revocations {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
    }
}

impl Database {
    /// Hears what others, the command line and the triggers revoke.
    pub fn revocations(&self) -> Revocations {
        let (sender, received) = unbounded_channel();
        let socket = self.listen_locally(&sender);
        if self.inner.model.dialect == Dialect::Postgres
            && let Some(url) = self.inner.listen_url.clone()
        {
            self.control.spawn(async move { listen_to_postgres(url.reveal(), sender).await });
        }
        Revocations { received, socket }
    }

    fn listen_locally(&self, sender: &UnboundedSender<Heard>) -> Option<PathBuf> {
        let _runtime = self.control.enter();
        let random = hex::encode(crate::crypto::random_bytes::<8>().ok()?);
        let name = format!("{}{random}", self.inner.socket_prefix());
        for folder in self.inner.folders() {
            // It may be there already; whether it will do is seen next.
            let _ = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder);
            if is_private(&folder).is_err() {
                continue;
            }
            remove_abandoned(&folder);
            let path = folder.join(&name);
            if let Ok(listener) = UnixListener::bind(&path) {
                self.control.spawn(hear_commands(listener, sender.clone()));
                return Some(path);
            }
        }
        if self.inner.model.dialect != Dialect::Postgres {
            warn!("no folder for a socket: what commands revoke is noticed within `cache.ttl`");
        }
        None
    }

    /// How many gateways on this machine have heard what this process has revoked.
    pub fn heard(&self) -> usize {
        self.inner.heard.load(Ordering::Relaxed)
    }

    /// Whether the database itself carries messages to gateways elsewhere.
    pub fn has_messages(&self) -> bool {
        self.inner.model.dialect == Dialect::Postgres
    }
}

async fn hear_commands(listener: UnixListener, sender: UnboundedSender<Heard>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Whose gateway is gone: its socket must not stay.
            () = sender.closed() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let sender = sender.clone();
        tokio::spawn(tokio::time::timeout(PATIENCE, async move {
            let mut stream = BufReader::new(stream.take(LINE));
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let (done, heard) = tokio::sync::oneshot::channel();
            let revocation = line.parse().ok()?;
            sender.send(Heard { revocation, _done: Some(done) }).ok()?;
            // It fails when the other end is dropped, which is the sign.
            let _ = heard.await;
            stream.into_inner().into_inner().write_all(b"\n").await.ok()
        }));
    }
}

/// While the database is away nothing is forgotten: who is known stays known for the grace.
async fn listen_to_postgres(url: &str, sender: UnboundedSender<Heard>) {
    let mut missed = false;
    while !sender.is_closed() {
        if let Err(error) = hear_postgres(url, &sender, missed).await {
            debug!(%error, "the connection for the database's notifications failed");
        }
        missed = true;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear_postgres(
    url: &str,
    sender: &UnboundedSender<Heard>,
    missed: bool,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    if missed {
        // Messages in between are lost.
        let _ = sender.send(Heard { revocation: Revocation::Resync, _done: None });
    }
    loop {
        let message = tokio::select! {
            message = listener.try_recv() => message?,
            // The configuration that listened is gone, and its connection must not stay.
            () = sender.closed() => return Ok(()),
        };
        // Nothing means that the connection was lost.
        let Some(message) = message else { return Ok(()) };
        if let Ok(revocation) = message.payload().parse()
            && sender.send(Heard { revocation, _done: None }).is_err()
        {
            return Ok(());
        }
    }
}
