//! Owns what an urgent byte of TCP does to reading: a read ends before it, and a pipe is filled up to it, whatever comes after. Moves
//! nothing, and never sees the byte itself, which is no part of the data.

use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Whether a socket that seems to be empty has more all the same, which is after an urgent byte, or has just come. A read passes the
/// byte over.
pub(super) fn is_at_urgent(stream: &TcpStream) -> bool {
    SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]).is_ok()
}
