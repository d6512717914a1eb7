//! Revocations, told to every gateway on the same database: over PostgreSQL's `NOTIFY`, and over a
//! local socket to those on the same machine, which is how a command reaches a gateway whose
//! database cannot carry messages, and knows that it was heard.

use std::{io, path::PathBuf, time::Duration};

use sqlx::postgres::PgListener;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tracing::{debug, warn};

use super::{Dialect, Inner, Sql};
use crate::{crypto::digest::sha256_hex, store::revocation::Revocation};

/// The channel of `NOTIFY`, here and in the triggers.
pub(super) const CHANNEL: &str = "portcullis";
/// A gateway that does not answer in this time is stuck or gone.
const PATIENCE: Duration = Duration::from_secs(1);
/// No more than this is read from anybody.
const LINE: u64 = 512;
/// Between two attempts to hear the database again.
const PAUSE: Duration = Duration::from_secs(1);

impl Inner {
    /// Tells everybody. What has been done in the store is done: who cannot be reached learns of
    /// it when its cache asks again.
    pub(super) async fn announce(&self, revocation: Revocation) {
        let text = revocation.to_string();
        if self.dialect == Dialect::Postgres {
            let notify = "SELECT pg_notify(?, ?)";
            let payload = text.clone();
            let told = self.rows(notify, |query| query.bind(CHANNEL).bind(payload)).await;
            if let Err(error) = told {
                warn!(%error, "other gateways could not be told of a revocation");
            }
        }
        let sockets = std::fs::read_dir(folder()).into_iter().flatten().flatten();
        let prefix = self.socket_prefix();
        for socket in sockets {
            if !socket.file_name().to_string_lossy().starts_with(&prefix) {
                continue;
            }
            let path = socket.path();
            match tokio::time::timeout(PATIENCE, tell(&path, &text)).await {
                Ok(Ok(())) => {}
                // Its gateway was killed.
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    let _ = std::fs::remove_file(&path);
                }
                Ok(Err(_)) | Err(_) => warn!(socket = %path.display(), "a gateway did not answer"),
            }
        }
    }

    /// Gateways on one database find each other by it.
    fn socket_prefix(&self) -> String {
        let mut name = sha256_hex(self.url.reveal().as_bytes());
        name.truncate(16);
        name + "-"
    }
}

async fn tell(socket: &PathBuf, text: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{text}\n").as_bytes()).await?;
    stream.read_exact(&mut [0]).await.map(|_| ())
}

/// Only its owner may enter it, so only the owner's processes can revoke.
fn folder() -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let user = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
    std::env::temp_dir().join(format!("portcullis-{user}"))
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

impl Sql {
    /// Hears what others, the command line and the triggers revoke.
    pub fn revocations(&self) -> Revocations {
        let (sender, received) = unbounded_channel();
        let socket = self.listen_locally(&sender);
        if self.inner.dialect == Dialect::Postgres {
            let url = self.inner.url.clone();
            self.control.spawn(async move { listen_to_postgres(url.reveal(), sender).await });
        }
        Revocations { received, socket }
    }

    fn listen_locally(&self, sender: &UnboundedSender<Heard>) -> Option<PathBuf> {
        let folder = folder();
        let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .recursive(true)
            .create(&folder);
        remove_abandoned(&folder);
        let _runtime = self.control.enter();
        let random = hex::encode(crate::crypto::random_bytes::<8>().ok()?);
        let path = folder.join(format!("{}{random}", self.inner.socket_prefix()));
        let listener =
            made.and_then(|()| is_ours(&folder)).and_then(|()| UnixListener::bind(&path));
        match listener {
            Ok(listener) => {
                self.control.spawn(hear_commands(listener, sender.clone()));
                Some(path)
            }
            Err(error) => {
                // A read-only container: revocations by command take until the cache asks again.
                debug!(%error, folder = %folder.display(), "no socket for commands");
                None
            }
        }
    }
}

/// Gateways that were killed leave their sockets; nobody else would ever take them away.
fn remove_abandoned(folder: &PathBuf) {
    for socket in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = socket.path();
        let answer = std::os::unix::net::UnixStream::connect(&path);
        if answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Somebody else may have made the folder, to hear what is revoked or to keep it from us.
fn is_ours(folder: &PathBuf) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (found, own) = (std::fs::symlink_metadata(folder)?, std::fs::metadata("/proc/self"));
    let ours = found.is_dir() && found.mode() & 0o077 == 0;
    match own.map_or(ours, |own| ours && own.uid() == found.uid()) {
        true => Ok(()),
        false => Err(io::Error::other("the folder is somebody else's")),
    }
}

async fn hear_commands(listener: UnixListener, sender: UnboundedSender<Heard>) {
    while !sender.is_closed() {
        let Ok((stream, _)) = listener.accept().await else {
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
            debug!(%error, "the database's messages are not heard");
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
        // Nobody knows what was said in between.
        let _ = sender.send(Heard { revocation: Revocation::Everything, _done: None });
    }
    // Nothing means that the connection was lost.
    while let Some(message) = listener.try_recv().await? {
        if let Ok(revocation) = message.payload().parse()
            && sender.send(Heard { revocation, _done: None }).is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}
