//! Owns the life of one client's connection, from when the route lets it in to its end. Never accepts one.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::announce::Announcement;
use crate::connect::{Reached, Unreached, reach};
use crate::flows::FlowTicket;
use crate::idle::idle_too_long;
use crate::introduced::Ends;
use crate::local_port::{Choice, LocalPorts};
use crate::pump::pump;
use crate::route::Route;
use crate::seats::Seat;
use crate::severed::Severed;
use crate::source::{Given, SourceAddress, give_source};
use crate::visit::{VisitEnd, Visiting};

/// Serves the client to its end; cancelled at any point, both sides are reset. Its addresses come with it where its socket does not
/// know them: apart, since most do.
pub(crate) fn serve(
    route: Arc<Route>,
    client: Severed,
    from: SocketAddr,
    ends: Option<Box<Ends>>,
    seat: Seat,
) -> impl Future<Output = ()> + Send {
    let mut visiting = Visiting::new(&route, from);
    // An `async fn` would keep room for its arguments twice, here and in what it calls, for as long as the connection lives.
    async move {
        // Most connections are beyond this for most of their time: its state is kept apart, and given up.
        let Some(Attached { target, ticket, announcement }) =
            Box::pin(attach_client(&route, client.stream(), from)).await
        else {
            visiting.ended(VisitEnd::Unserved);
            drop(client);
            return drop(seat);
        };
        visiting.connected_with(ticket.container());
        let carried = async {
            if !announcement.is_none() {
                let ends = ends.map_or_else(|| Ends::of(client.stream()), |ends| Ok(*ends))?;
                Box::pin(introduce(announcement.header(ends.client, ends.public), target.stream())).await?;
            }
            pump(client.stream(), target.stream(), &visiting.passed, &route.traffic, &route.pipes).await
        };
        let end = tokio::select! {
            biased;
            () = ticket.ended() => VisitEnd::ContainerEnded,
            carried = carried => if carried.is_ok() { VisitEnd::Closed } else { VisitEnd::Reset },
            () = idle_too_long(&route, target.stream(), &visiting.passed) => VisitEnd::Idle,
        };
        if end == VisitEnd::Idle {
            route.traffic.idle.add(1);
        }
        visiting.ended(end);
        if end == VisitEnd::Closed {
            client.let_go();
            target.let_go();
        } else {
            drop((client, target));
        }
        // Only now: the descriptors that both stand for are closed.
        drop(ticket);
        drop(seat);
    }
}

/// Connects for this client.
async fn attach_client<'a>(route: &'a Route, client: &TcpStream, from: SocketAddr) -> Option<Attached<'a>> {
    let caller = Caller { client, from, ports: &route.ports };
    attach(route, |address| dial(address, &caller, route.source())).await
}

/// A connection with the route's target, counted among the live ones.
struct Attached<'a> {
    target: Severed,
    ticket: FlowTicket<'a>,
    announcement: Announcement,
}

/// Tells the container who its client is.
async fn introduce(header: Vec<u8>, target: &TcpStream) -> io::Result<()> {
    // The client's first bytes are the second write: they shall not wait until this one is acknowledged.
    target.set_nodelay(true).unwrap_or(());
    let mut rest = header.as_slice();
    while !rest.is_empty() {
        target.writable().await?;
        match target.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Connects with the target that the route has at this moment; `None`, and counted, if the client has to be reset.
async fn attach<F>(route: &Route, dial: impl Fn(SocketAddr) -> F) -> Option<Attached<'_>>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let mut gate = route.gate.subscribe();
    loop {
        match reach(&mut gate, &route.limits, &dial, |target, cause| route.attempt_failed(target, cause)).await {
            Ok(Reached { generation, target, stream }) => {
                let stream = Severed::new(stream);
                if let Some(ticket) = route.enter(generation, &target) {
                    route.reached(&target);
                    return Some(Attached { target: stream, ticket, announcement: target.announcement });
                }
            }
            Err(Unreached::Refused) => {
                route.traffic.refused.closed.add(1);
                return None;
            }
            Err(Unreached::TooLong { target, cause }) => {
                route.traffic.failed.add(1);
                let limit = route.limits.connect_limit.as_secs_f32();
                route.traffic.went_wrong(format!("a client was reset: {target} was not reached in {limit} s: {cause}"));
                return None;
            }
        }
    }
}

/// For whom a container is dialled, and from which of this machine's ports.
#[derive(Debug, Clone, Copy)]
struct Caller<'a> {
    client: &'a TcpStream,
    from: SocketAddr,
    ports: &'a LocalPorts,
}

/// Connects for this client, from an address that is that.
async fn dial(address: SocketAddr, caller: &Caller<'_>, source: SourceAddress) -> io::Result<TcpStream> {
    let mut tries = caller.ports.dial(Instant::now());
    let stream = loop {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        let given = match source {
            SourceAddress::Client => give_source(&socket, caller.from, address)?,
            SourceAddress::Own => Given::Own,
        };
        if (given, tries.choice()) == (Given::Own, Choice::Own) {
            caller.ports.bind(&socket, address)?;
        }
        if has_spoken(caller.client) {
            // What it said is sent as soon as the connection is there, and tells the container so: it is woken once, with
            // something to read, and not twice. Who waits for the container to speak first must not wait for that.
            SockRef::from(&socket).set_tcp_quickack(false).unwrap_or(());
        }
        match socket.connect(address).await {
            // The kernel has none left, or a connection with this container has the one that was chosen.
            Err(error) if given == Given::Own && error.kind() == io::ErrorKind::AddrNotAvailable => {
                tries = tries.another().ok_or(error)?;
            }
            connected => break connected?,
        }
    };
    // On one machine a connection to a free port of the ephemeral range may meet itself: nobody listens there.
    if address.ip().is_loopback() && stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Whether something of the client is there to be read. Reads nothing.
fn has_spoken(client: &TcpStream) -> bool {
    let mut first = [MaybeUninit::uninit()];
    client.try_io(Interest::READABLE, || SockRef::from(client).peek(&mut first)).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::gate::GateEvent;
    use crate::target::Target;
    use crate::test_route::{limits, route};

    async fn container(name: &str) -> (TcpListener, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::new(name.parse().unwrap(), listener.local_addr().unwrap());
        (listener, target)
    }

    /// Connects, and lets the event happen between the connection's success and its use, the first time.
    async fn dial_then(route: &Route, event: &Cell<Option<GateEvent>>, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        if let Some(event) = event.take() {
            route.let_happen(event);
        }
        Ok(stream)
    }

    /// A router's connection with a client that has said this, and the container's end of a connection dialled for it:
    /// `None` if the container is not told yet that it is there.
    async fn dialled(said: &[u8]) -> (TcpStream, Option<std::net::TcpStream>, std::net::TcpListener) {
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(public.local_addr().unwrap()).await.unwrap();
        let (ours, from) = public.accept().await.unwrap();
        client.write_all(said).await.unwrap();
        if !said.is_empty() {
            ours.readable().await.unwrap();
        }
        let container = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        container.set_nonblocking(true).unwrap();
        let ports = LocalPorts::of_kernel();
        let caller = Caller { client: &ours, from, ports: &ports };
        let stream = dial(container.local_addr().unwrap(), &caller, SourceAddress::Own).await.unwrap();
        let accepted = container.accept().ok().map(|(accepted, _)| accepted);
        (stream, accepted, container)
    }

    #[tokio::test]
    async fn a_container_is_told_of_a_client_that_has_spoken_by_its_words() {
        let (mut is_told_by_words, mut told) = (false, false);
        // The kernel waits a fifth of a second for the words; a machine may be slower than that once.
        for _ in 0..10 {
            let (mut stream, accepted, container) = dialled(b"hello").await;
            assert!(SockRef::from(&stream).tcp_quickack().unwrap(), "later acknowledgements do not wait");
            is_told_by_words |= accepted.is_none();
            stream.write_all(b"hello").await.unwrap();
            told |= accepted.is_some() || container.accept().is_ok();
        }
        assert!(is_told_by_words && told);
    }

    #[tokio::test]
    async fn a_container_that_speaks_first_is_told_of_its_client_at_once() {
        let mut told = 0;
        for _ in 0..10 {
            told += usize::from(dialled(b"").await.1.is_some());
        }
        assert!(told >= 5, "{told} of 10 were told at once");
    }

    #[tokio::test]
    async fn a_connection_whose_target_was_replaced_while_it_was_made_turns_to_the_new_one() {
        let (route, (_old, a), (_new, b)) = (route(limits()), container("a").await, container("b").await);
        route.let_happen(GateEvent::Point(a));
        let event = Cell::new(Some(GateEvent::Point(b.clone())));
        let attached = attach(&route, |address| dial_then(&route, &event, address)).await.unwrap();
        assert_eq!(attached.target.stream().peer_addr().unwrap(), b.address);
        let live: Vec<_> = route.flows.live().into_iter().map(|live| (live.container, live.connections)).collect();
        assert_eq!(live, [(b.container, 1)]);
    }

    #[tokio::test]
    async fn a_connection_whose_route_was_held_while_it_was_made_waits() {
        let (route, (_old, a), (_new, b)) = (route(limits()), container("a").await, container("b").await);
        route.let_happen(GateEvent::Point(a));
        let event = Cell::new(Some(GateEvent::Hold));
        let mut attached = Box::pin(attach(&route, |address| dial_then(&route, &event, address)));
        assert!(timeout(Duration::from_millis(300), &mut attached).await.is_err());
        assert_eq!(route.flows.live(), [], "it is not among the live connections of the held route");
        route.let_happen(GateEvent::Point(b.clone()));
        let attached = attached.await.unwrap();
        assert_eq!(attached.target.stream().peer_addr().unwrap(), b.address);
    }

    #[tokio::test]
    async fn a_connection_whose_route_was_closed_while_it_was_made_is_refused() {
        let (route, (_old, a)) = (route(limits()), container("a").await);
        route.let_happen(GateEvent::Point(a));
        let event = Cell::new(Some(GateEvent::Close));
        assert!(attach(&route, |address| dial_then(&route, &event, address)).await.is_none());
        assert_eq!(route.traffic.refused.closed.get(), 1);
        assert_eq!(route.flows.live(), []);
    }
}
