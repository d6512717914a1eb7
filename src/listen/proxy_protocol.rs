//! The PROXY protocol, versions 1 and 2: a load balancer that does not read HTTP says first whose
//! connection it passes on.

use std::{io, net::IpAddr};

use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Version 2 begins with these bytes, and 16 have its length in them.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
/// Version 1 is a line of no more.
const LONGEST_LINE: usize = 107;
/// Addresses, and what load balancers say beside them.
const LONGEST: usize = 4096;

/// The address of the client; nothing if the load balancer speaks for itself (its health checks).
///
/// # Errors
/// If it is no such header, or a broken one.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut bytes = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut bytes).await?;
    match bytes == SIGNATURE {
        true => read_binary(stream, &mut bytes).await?,
        false => read_line(stream, &mut bytes).await?,
    }
    let header = HeaderResult::parse(&bytes);
    if header.is_incomplete() {
        return Err(broken());
    }
    match header {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Ok(None),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
            v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(broken()),
    }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(FIXED, 0);
    stream.read_exact(bytes.get_mut(SIGNATURE.len()..).unwrap_or_default()).await?;
    let length = bytes.last_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    if length > LONGEST {
        return Err(broken());
    }
    bytes.resize(FIXED + length, 0);
    stream.read_exact(bytes.get_mut(FIXED..).unwrap_or_default()).await.map(drop)
}

/// Byte by byte: what follows the line is not the gateway's to keep.
async fn read_line(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.ends_with(b"\r\n") {
        if bytes.len() >= LONGEST_LINE || !bytes.starts_with(b"PROXY ") {
            return Err(broken());
        }
        bytes.push(stream.read_u8().await?);
    }
    Ok(())
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")
}
