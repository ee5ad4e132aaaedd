//! Owns the watch over a connection that lives on: that a silent peer is found, and that nothing is idle for longer than the
//! route allows. Never ends a connection: it says when it has to end.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::probe::probe_target;
use crate::route::Route;
use crate::rules::Times;
use crate::traffic::Passed;

/// Completes when nothing has gone over the connection for as long as the route lets it be idle, within a quarter more than
/// that. Has the target probed if the connection lives on: most are over sooner than silence could be noticed.
pub(crate) async fn idle_too_long(route: &Route, target: &TcpStream, passed: &Passed) {
    route.beat.notified().await;
    probe_target(target);
    let mut times = route.times.subscribe();
    loop {
        let limit = times.borrow_and_update().idle;
        let seen = match limit {
            // Kept apart: a connection that may be idle for ever shall not have room for it.
            Some(limit) => Box::pin(watch(limit, passed, &mut times)).await,
            None => match times.changed().await {
                Ok(()) => Seen::OtherTimes,
                // The route, which whoever waits here has, owns the other end: this cannot come.
                Err(_) => std::future::pending().await,
            },
        };
        match seen {
            Seen::TooLong => return,
            Seen::OtherTimes => {}
        }
    }
}

/// What a watch has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It was idle for too long.
    TooLong,
    /// It may be idle for another time from now on.
    OtherTimes,
}

async fn watch(limit: Duration, passed: &Passed, times: &mut watch::Receiver<Times>) -> Seen {
    let (mut sum, mut since) = (passed.sum(), Instant::now());
    loop {
        tokio::select! {
            () = sleep(limit / 4) => {}
            Ok(()) = times.changed() => return Seen::OtherTimes,
        }
        let now = Instant::now();
        let sum_now = passed.sum();
        if sum_now != sum {
            (sum, since) = (sum_now, now);
        } else if now - since >= limit {
            return Seen::TooLong;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(40);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_byte_on() {
        let (passed, times) = (Passed::default(), watch::Sender::new(Times::default()));
        let start = Instant::now();
        let mut receiver = times.subscribe();
        let mut watched = std::pin::pin!(watch(LIMIT, &passed, &mut receiver));
        for direction in [&passed.from_client, &passed.to_client, &passed.from_client] {
            assert!(timeout(LIMIT * 9 / 10, &mut watched).await.is_err());
            direction.add(1);
        }
        let last = Instant::now();
        assert_eq!(watched.await, Seen::TooLong);
        let idle = last.elapsed();
        assert!(idle >= LIMIT && idle <= LIMIT * 5 / 4, "{idle:?} after {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn other_times_count_at_once() {
        let (passed, times) = (Passed::default(), watch::Sender::new(Times::default()));
        let mut receiver = times.subscribe();
        let mut watched = std::pin::pin!(watch(LIMIT, &passed, &mut receiver));
        assert!(timeout(LIMIT / 2, &mut watched).await.is_err());
        times.send_replace(Times { idle: None, held: None });
        assert_eq!(watched.await, Seen::OtherTimes);
    }
}
