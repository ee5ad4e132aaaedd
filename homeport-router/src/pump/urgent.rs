//! Owns what an urgent byte of TCP does to reading: a read ends before it, and a pipe is filled up to it, whatever comes after. Moves
//! nothing, and never sees the byte itself, which is no part of the data.

use tokio::net::TcpStream;

use crate::accepts::is_waited_at;

/// Whether a socket that seems to be empty has something to read all the same: data after an urgent byte, which a read passes over,
/// what has just come, the end of the data, or a reset. Nothing of it is taken: a look that reads would take a reset away, and what
/// was cut off would seem to be whole.
pub(super) fn has_more(stream: &TcpStream) -> bool {
    is_waited_at(stream)
}
