//! Owns the way back for the packets that containers send to clients whose addresses the router uses: they are led to the
//! router instead of on to the client, who knows nothing of them. Never decides for which route that is.
//!
//! A packet that belongs to a transparent socket of this machine gets a mark, and what has the mark is delivered here,
//! whatever its address. Both go by the mark of one HomePort, so that several on one machine do not take each other's away.
//! A packet that another program has marked is left alone.

mod error;
mod kernel;
mod mark;

pub use error::WayBackError;
pub use kernel::WayBack;
pub use mark::Mark;

#[cfg(test)]
mod tests;
