//! Forwarding of datagrams: one task a route, and one socket to the container a session.
//!
//! ```text
//!            public socket                    a socket a session, connected
//!   clients ──recvmmsg──> sessions (pure) ──sendmmsg──> container
//!           <──sendmmsg──                 <──recvmmsg──
//!                          waiting (pure), while the route is held
//! ```
//!
//! `sessions` decides whose datagram goes where and when a session is over, `waiting` keeps datagrams while nobody can have them,
//! `batch` moves many with one call, `upstreams` knows which containers have answered, `public` binds; `work` and `answers` do each
//! step, and `carrier` obeys.

mod answers;
mod batch;
mod carrier;
mod flight;
mod peer;
mod public;
mod sessions;
mod upstream;
mod upstreams;
mod waiting;
mod work;

pub(crate) use carrier::Carrier;
pub(crate) use public::{adopt, bind};
