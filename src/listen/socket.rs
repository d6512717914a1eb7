//! Listening sockets: bound here, or opened by the parent process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::FileTypeExt, net::UnixStream as StdUnixStream},
    },
    path::Path,
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Address;

/// What the system holds of an answer before it is sent.
const NOT_SENT: u32 = 128 << 10;

/// A listening socket.
pub(super) enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The same, served by a worker's runtime.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that has just come.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }

    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Unix(listener) => listener.as_fd().try_clone_to_owned(),
        }
    }

    pub(super) fn acceptor(self) -> io::Result<Acceptor> {
        Ok(match self {
            Self::Tcp(listener) => {
                // Its connections have it too: the system tells that there is room again with each so
                // many bytes that a client takes, and not after megabytes.
                let _ = socket2::SockRef::from(&listener).set_tcp_notsent_lowat(NOT_SENT);
                Acceptor::Tcp(TcpListener::from_std(listener)?)
            }
            Self::Unix(listener) => Acceptor::Unix(UnixListener::from_std(listener)?),
        })
    }
}

impl Acceptor {
    /// The next connection, and its peer's address: who may open a Unix socket is of this machine.
    pub(super) async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Stream::Tcp(stream), address.ip()))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

/// What the list of addresses of the process before is in; see [`super::handover`].
pub(super) const HANDED: &str = "PORTCULLIS_LISTENERS";

/// Sockets that the parent process has opened, by the address that names them.
#[derive(Default)]
pub struct Inherited(Vec<(String, Socket)>);

impl Inherited {
    /// By systemd's protocol (`LISTEN_FDS`), which the process before speaks too.
    pub fn take() -> Self {
        let names = std::env::var(HANDED).unwrap_or_default();
        let names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            let name = match names.get(index) {
                Some(name) => (*name).to_owned(),
                None => Address::Systemd(index).to_string(),
            };
            let tcp = passed.take_tcp_listener(index).ok().flatten().map(Socket::Tcp);
            let socket = match tcp {
                Some(tcp) => Some(tcp),
                None => passed.take_unix_listener(index).ok().flatten().map(Socket::Unix),
            };
            sockets.extend(socket.map(|socket| (name, socket)));
        }
        Self(sockets)
    }

    fn named(&mut self, address: &Address) -> Vec<Socket> {
        let name = address.to_string();
        let named = self.0.extract_if(.., |(known, _)| *known == name);
        named.map(|(_, socket)| socket).collect()
    }
}

/// The sockets of an address: at least one for each worker.
///
/// # Errors
/// If the address cannot be had.
pub(super) fn open(
    address: &Address,
    workers: usize,
    inherited: &mut Inherited,
) -> io::Result<Vec<Socket>> {
    let mut sockets = inherited.named(address);
    for socket in &sockets {
        match socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true)?,
            Socket::Unix(listener) => listener.set_nonblocking(true)?,
        }
    }
    match address {
        Address::Systemd(_) if sockets.is_empty() => {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such socket was passed to the gateway; is it started by its .socket unit?",
            ));
        }
        Address::Tcp(address) if sockets.is_empty() => {
            look(*address)?;
            for _ in 0..workers {
                sockets.push(Socket::Tcp(bind(*address)?));
            }
        }
        Address::Unix(path) if sockets.is_empty() => {
            clear(path)?;
            let listener = std::os::unix::net::UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            sockets.push(Socket::Unix(listener));
        }
        Address::Tcp(_) | Address::Unix(_) | Address::Systemd(_) => {}
    }
    // Workers without a socket of their own share one.
    let own = sockets.len();
    for worker in own..workers {
        let shared = sockets.get(worker % own).map(Socket::try_clone);
        sockets.extend(shared.transpose()?);
    }
    Ok(sockets)
}

/// Whether an address is free. Without this look first, a second gateway would quietly take half of
/// the connections: that is what SO_REUSEPORT is for.
///
/// # Errors
/// If another process listens there.
pub fn look(address: SocketAddr) -> io::Result<()> {
    socket(address)?.bind(&address.into())
}

/// A socket that shares its address with others of this gateway, and with the one that comes after.
///
/// # Errors
/// If the address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Removes the file of a socket without a listener.
fn clear(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name"));
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(_) => std::fs::remove_file(path),
    }
}
