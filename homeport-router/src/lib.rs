//! The router that HomePort's daemon runs: public sockets, for TCP and for UDP, that outlive the containers behind them.
//!
//! # The life of a connection
//! 1. The kernel completes the client's connection on a socket that [`Router::reserve`] bound.
//! 2. While the route is held, the client waits in the kernel's queue; while it is closed, it is reset.
//! 3. Once the route runs, it takes one of the route's seats, as the route's [`RouteRules`] allow. Where all are taken it waits
//!    for its turn while some are left, until for a second nobody has left one, or for ten where somebody is still on the way to the
//!    container or others get them all; then it is reset and counted.
//! 4. The route's target of that moment is dialled. A failure is tried again within ten seconds, each time with the
//!    target that the route has by then; no byte has been read from the client yet, so nothing can be lost or doubled.
//! 5. Just before the first byte moves it is checked that the target is still the route's; if not, back to 4.
//! 6. A container that asks for it is told who its client is, before the client's first byte ([`Announcement`]).
//! 7. Bytes move both ways. The end of one direction is passed on, and the other goes on (half-close).
//! 8. Both directions ended: both sockets are closed. Anything else (a reset, a container that is ended, the release of
//!    the route) resets both sides, so that a cut connection never looks like a complete one.
//!
//! # The life of a datagram
//! A route over UDP has sessions in the place of connections: one for each client and address of this machine that it writes
//! to, with a socket of its own to the container. A session takes a seat as a connection does, is live with its container, and
//! ends with it. It is over after half a minute without a word, and after three where the client spoke again after an answer.
//! A conversation stays with its container where the route is led elsewhere; any other client comes to the target of now with
//! its next datagram. While the route is held, datagrams wait in a bounded queue; while it is closed, they are dropped. What is
//! dropped is counted ([`Datagrams`]); nothing is sent twice.
//!
//! # What is promised
//! - A bound address stays bound until it is released, whatever containers do; a container's end closes no socket. Once it is
//!   released nobody listens on it, whoever else has a duplicate of the socket.
//! - A socket that another process bound is taken up with its clients ([`Router::adopt`]), and can be left to another one while
//!   its connections are carried on here ([`Router::stop_accepting`]).
//! - Another process may accept on a duplicate of a socket. Whom it leaves waiting is accepted here within a moment
//!   ([`Router::accept`]), and whom it cannot bring to the container it hands on ([`Router::relay`]): that one waits, is refused and is
//!   counted like any other, only that it sees the end of the data where others see a reset.
//! - Once [`Router::point`], [`Router::hold`] or [`Router::close`] has returned, no connection begins with an earlier
//!   target. Switching refuses no client.
//! - No client waits for ever: a hold ends after [`Limits::hold_limit`], an unreachable target after [`Limits::connect_limit`], the
//!   wait for a seat after ten seconds in which nobody of the same queue got one, and a peer that fell silent is found by probes.
//! - No route takes the descriptors of all: see [`Limits::within`].
//! - Every task belongs to its route, and ends with it.
//! - A connection that is idle costs its two descriptors and no buffer. Much at once is moved by the kernel, through one of
//!   [`Limits::pipes`], and copied where none is to be had.
//!
//! The router knows addresses and container ids as values and nothing else: no engine, no ledger. Who may lead where is
//! decided by its caller; [`Generation`]s on connections tell apart those of a container that is being replaced.

mod accept_fault;
mod acceptor;
mod accepts;
mod address;
mod announce;
mod backend;
mod backoff;
mod company;
mod connect;
mod connection;
mod crowd;
mod descriptors;
mod dialling_ports;
mod entrance;
mod error;
mod flows;
mod gate;
mod holder;
mod idle;
mod introduced;
mod limits;
mod line;
mod listen;
mod listening;
mod local_port;
mod next_client;
mod occasion;
mod patience;
mod pipe;
mod probe;
mod pump;
mod random_port;
mod relay;
mod report;
mod route;
mod route_id;
mod router;
mod rules;
mod seating;
mod seats;
mod severed;
mod slice;
mod socket_table;
mod source;
mod status;
mod target;
#[cfg(test)]
mod test_route;
mod threads;
mod traffic;
mod turn;
mod udp;
mod visit;

pub use accepts::Accepts;
pub use address::{AddressError, ListenAddress, ListenHost};
pub use announce::Announcement;
pub use backend::{Backend, BackendError, Carried, Moved};
pub use descriptors::DescriptorLimit;
pub use dialling_ports::dialling_ports;
pub use error::{NoSuchRoute, ReserveError, TooFewDescriptors};
pub use gate::{Change, Generation};
pub use holder::Holder;
pub use limits::Limits;
pub use listening::{Listening, SocketNumber};
pub use random_port::{NoPortLeft, PortRange, random_ports};
pub use report::Report;
pub use route_id::RouteId;
pub use router::{Reserved, Router};
pub use rules::{AccessLog, RefusedBecause, RouteRules};
pub use source::SourceAddress;
pub use status::{Datagrams, LiveConnections, RouteState, RouteStatus};
pub use target::{ContainerId, ContainerIdError, Target};
pub use threads::runtime;
pub use visit::{Visit, VisitEnd};
