//! The gateway gives its sockets to another process of itself, a new version perhaps, and ends when
//! that one serves: no connection is refused in between.

use std::{io, process::Command};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

use super::{Workers, socket::HANDED};

/// Whom the new process tells to end.
const BEFORE: &str = "PORTCULLIS_BEFORE";
/// The first of systemd's sockets.
const FIRST: i32 = 3;

/// Starts the binary that stands where this one was started from, with the same arguments.
///
/// # Errors
/// If it cannot be started.
pub fn start(workers: &Workers) -> io::Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    let (mut names, mut mappings) = (Vec::new(), Vec::new());
    for ((address, socket), child_fd) in workers.sockets().zip(FIRST..) {
        names.push(address.to_string());
        mappings.push(FdMapping { parent_fd: socket.descriptor()?, child_fd });
    }
    command.env("LISTEN_FDS", mappings.len().to_string()).env(HANDED, names.join("\n"));
    command.env_remove("LISTEN_PID").env(BEFORE, std::process::id().to_string());
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(command.spawn()?.id())
}

/// Tells the process that this one comes after that it may end, if there is one.
pub fn done() {
    if let Some(before) = before()
        && let Err(error) = kill_process(before, Signal::TERM)
    {
        tracing::warn!(%error, "the process before does not end");
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
