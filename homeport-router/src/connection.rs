//! Owns the life of one client's connection, from its acceptance to its end. Never accepts one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::connect::{Reached, Unreached, reach};
use crate::flows::FlowTicket;
use crate::pump::pump;
use crate::route::{Route, Seat};
use crate::severed::{PROBE_CLIENT_AFTER, PROBE_TARGET_AFTER, Severed};

/// Serves the client to its end; cancelled at any point, both sides are reset.
pub(crate) async fn serve(route: Arc<Route>, client: TcpStream, seat: Seat) {
    let mut client = Severed::new(client, PROBE_CLIENT_AFTER);
    if let Some((mut target, ticket)) = attach(&route).await {
        let traffic = &route.traffic;
        let ended_by_themselves = tokio::select! {
            biased;
            () = ticket.ended() => false,
            pumped = pump(client.stream(), target.stream(), &traffic.from_clients, &traffic.to_clients) => pumped.is_ok(),
        };
        if ended_by_themselves {
            client.let_go();
            target.let_go();
        }
    }
    // Only now: the descriptors that the seat stands for are closed.
    drop(seat);
}

/// Connects with the target that the route has at this moment; `None`, and counted, if the client has to be reset.
async fn attach(route: &Route) -> Option<(Severed, FlowTicket<'_>)> {
    let mut gate = route.gate.subscribe();
    loop {
        match reach(&mut gate, &route.limits, dial, |target, cause| route.attempt_failed(target, cause)).await {
            Ok(Reached { generation, target, stream }) => {
                let stream = Severed::new(stream, PROBE_TARGET_AFTER);
                // First counted in, then asked: whoever moved the route meanwhile either makes this one turn round, or
                // finds it among the live ones.
                let ticket = route.flows.enter(generation, &target.container);
                if route.gate.borrow().runs(generation) {
                    route.reached(&target);
                    return Some((stream, ticket));
                }
            }
            Err(Unreached::Refused) => {
                route.traffic.refused.add(1);
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

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // On one machine a connection to a free port of the ephemeral range may meet itself: nobody listens there.
    if address.ip().is_loopback() && stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}
