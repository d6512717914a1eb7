//! The gateway gives its sockets to another process of itself, a new version perhaps, and ends when
//! that one serves: no connection is refused in between.

use std::{
    io,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

use super::{Workers, socket::HANDED};

/// Whom the new process tells to end.
const BEFORE: &str = "PORTCULLIS_BEFORE";
/// The first of systemd's sockets.
const FIRST: i32 = 3;

/// A process that has not taken over yet; there is no second one beside it.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Starts the binary that stands where this one was started from, with the same arguments. If it
/// ends without having taken over, that is told.
///
/// # Errors
/// If it cannot be started, or another one is about to take over.
pub fn start(workers: &Workers) -> io::Result<u32> {
    if STARTED.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other("one that was started before still may"));
    }
    let spawned = spawn(workers);
    if spawned.is_err() {
        STARTED.store(false, Ordering::Relaxed);
    }
    spawned
}

fn spawn(workers: &Workers) -> io::Result<u32> {
    let mut arguments = std::env::args_os();
    let binary = arguments.next().ok_or(io::ErrorKind::NotFound)?;
    // By the name it was called: where the system says that this one is, a new one may be by now.
    let mut command = Command::new(binary);
    command.args(arguments);
    let (mut names, mut mappings) = (Vec::new(), Vec::new());
    for ((address, socket), child_fd) in workers.sockets().zip(FIRST..) {
        names.push(address.to_string());
        mappings.push(FdMapping { parent_fd: socket.descriptor()?, child_fd });
    }
    command.env("LISTEN_FDS", mappings.len().to_string()).env(HANDED, names.join("\n"));
    command.env_remove("LISTEN_PID").env(BEFORE, std::process::id().to_string());
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    let mut child = command.spawn()?;
    let process = child.id();
    std::thread::Builder::new().name("handover".into()).spawn(move || {
        // Until it ends, or this process does: then it has taken over.
        let ended = child.wait();
        STARTED.store(false, Ordering::Relaxed);
        let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(process, status, "the other process has ended: this one goes on");
    })?;
    Ok(process)
}

/// Tells the process that this one comes after that it may end, if there is one.
pub fn done() {
    if let Some(before) = before()
        && let Err(error) = kill_process(before, Signal::TERM)
    {
        tracing::warn!(%error, "the previous process does not end");
    }
}

/// Whether this process comes after one that still serves.
pub fn is_handed_over() -> bool {
    before().is_some()
}

/// Only the process that has started this one: the variable may be as old as that one's own start.
fn before() -> Option<Pid> {
    let before = std::env::var(BEFORE).ok()?.parse().ok().and_then(Pid::from_raw);
    before.filter(|before| rustix::process::getppid() == Some(*before))
}
