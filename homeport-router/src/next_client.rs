//! Owns the wait for the next client of a public socket: it is accepted when there is a seat for it, or to be reset. Never decides who
//! comes in.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::accepts::is_waited_at;
use crate::crowd::{Crowd, IfFull, Room, Turn};
use crate::route::Route;

/// The next client, and what becomes of it where all seats are taken after all. Who comes while there is none is left in the kernel's
/// queue, as long as the crowd says. That is looked at when somebody has come: what was free when this began to wait, minutes ago
/// maybe, others may have by now. Nobody is accepted during the pause. Safe to cancel: no client is lost.
pub(crate) async fn next_client(
    listener: &TcpListener,
    route: &Route,
    crowd: &mut Crowd,
    paused_until: &mut Option<Instant>,
) -> io::Result<(TcpStream, SocketAddr, IfFull)> {
    if let Some(until) = *paused_until {
        sleep_until(until).await;
        *paused_until = None;
    }
    loop {
        let accepted_or_later = poll_fn(|context| {
            let room = route.room_in_queue();
            let if_full = if room != Room::Some && !is_waited_at(listener) {
                // Nobody loses patience. Whoever comes wakes this, or has come at this very moment.
                IfFull::Wait
            } else {
                match crowd.turn(room, Instant::now()) {
                    Turn::Now(if_full) => if_full,
                    Turn::Later(later) => return Poll::Ready(Err(later)),
                }
            };
            listener.poll_accept(context).map_ok(|(client, from)| (client, from, if_full)).map(Ok)
        });
        match accepted_or_later.await {
            Ok(accepted) => return accepted,
            Err(later) => sleep_until(later).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::gate::{GateEvent, Generation};
    use crate::target::Target;
    use crate::test_route::{self, limits_of};

    const SOMEBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// A route of one seat.
    fn route(target: &Target) -> Route {
        let route = test_route::route(limits_of(1));
        route.let_happen(GateEvent::Point(target.clone()));
        route
    }

    #[tokio::test]
    async fn who_comes_to_a_full_route_is_left_in_the_queue_and_is_next_when_a_seat_is_left() {
        let target = Target::new("a".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let (route, mut crowd, mut paused_until) = (route(&target), Crowd::default(), None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seat = route.find_seat(SOMEBODY).unwrap();
        let ticket = route.enter(Generation::new(1), &target).unwrap();
        let short = Duration::from_millis(100);
        // Full for longer than anybody waits, but nobody has waited.
        for _ in 0..15 {
            assert!(timeout(short, next_client(&listener, &route, &mut crowd, &mut paused_until)).await.is_err());
        }
        let _client = TcpStream::connect(address).await.unwrap();
        // Cancelled again and again, nobody is lost.
        for _ in 0..3 {
            assert!(timeout(short, next_client(&listener, &route, &mut crowd, &mut paused_until)).await.is_err());
        }
        assert!(is_waited_at(&listener));
        drop((ticket, seat));
        let (_, _, if_full) = next_client(&listener, &route, &mut crowd, &mut paused_until).await.unwrap();
        assert_eq!(if_full, IfFull::Wait);
        let _full = (route.find_seat(SOMEBODY).unwrap(), route.enter(Generation::new(1), &target).unwrap());
        let (_another, began) = (TcpStream::connect(address).await.unwrap(), Instant::now());
        let (_, _, if_full) = next_client(&listener, &route, &mut crowd, &mut paused_until).await.unwrap();
        assert_eq!(if_full, IfFull::TurnAway);
        assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    }
}
