//! Owns the wait for the next client of a public socket: in its turn, and only as long as there may be a seat for it. Never decides
//! who comes in.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::accepts::is_waited_at;
use crate::crowd::{Crowd, Room};
use crate::route::Route;

/// What becomes of a client that was accepted and finds every seat taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfFull {
    /// It waits: others have only just been quicker.
    Wait,
    /// It is reset: those before it have waited for long enough in vain.
    TurnAway,
}

impl IfFull {
    /// Of whoever is accepted where there was this room, and where the crowd said until when to wait.
    pub(crate) const fn at(room: Room, later: Option<Instant>) -> Self {
        match (room, later) {
            (Room::Some, _) | (_, Some(_)) => Self::Wait,
            (Room::Soon(_) | Room::None(_), None) => Self::TurnAway,
        }
    }
}

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
            let later = crowd.waits_until(room, Instant::now());
            match later {
                Some(later) if is_waited_at(listener) => Poll::Ready(Err(later)),
                // Nobody is there, as a rule: whoever comes wakes this.
                _ => {
                    let accepted = listener.poll_accept(context);
                    accepted.map_ok(|(client, from)| (client, from, IfFull::at(room, later))).map(Ok)
                }
            }
        });
        match accepted_or_later.await {
            Ok(accepted) => return accepted,
            Err(later) => sleep_until(later).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Departures;

    #[test]
    fn only_who_comes_after_all_patience_is_turned_away() {
        let (now, departures) = (Instant::now(), Departures::default());
        for (room, later, wanted) in [
            (Room::Some, None, IfFull::Wait),
            (Room::Soon(departures), Some(now), IfFull::Wait),
            (Room::None(departures), Some(now), IfFull::Wait),
            (Room::Soon(departures), None, IfFull::TurnAway),
            (Room::None(departures), None, IfFull::TurnAway),
        ] {
            assert_eq!(IfFull::at(room, later), wanted, "{room:?}");
        }
    }
}
