//! Owns the way to a target: attempts, pauses, and which target counts at each of them. Never moves a client's bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::Backoff;
use crate::gate::{Admission, Gate, Generation};
use crate::limits::Limits;
use crate::target::Target;

/// A connection to the target that was the route's when it was made.
#[derive(Debug)]
pub(crate) struct Reached<S> {
    pub(crate) generation: Generation,
    pub(crate) target: Target,
    pub(crate) stream: S,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// The route was closed or released.
    Refused,
    /// The target did not answer within the limit.
    TooLong { target: Target, cause: io::Error },
}

/// Connects to the route's target, whichever that is at each attempt, until it answers or the limit is over.
///
/// A change of the route ends an attempt and a pause at once. The time during which the route is held does not count.
/// The caller has to ask once more whether the target is still the route's. Safe to cancel: nothing but the attempt
/// that is under way is lost.
pub(crate) async fn reach<S, F>(
    gate: &mut watch::Receiver<Gate>,
    limits: &Limits,
    dial: impl Fn(SocketAddr) -> F,
    attempt_failed: impl Fn(&Target, &io::Error),
) -> Result<Reached<S>, Unreached>
where
    F: Future<Output = io::Result<S>>,
{
    let mut backoff = Backoff::CONNECT;
    let mut until = None;
    loop {
        let aim = match gate.borrow_and_update().admission() {
            Admission::Forward(generation, target) => Some((generation, target.clone())),
            Admission::Wait(_) => None,
            Admission::Refuse | Admission::Gone => return Err(Unreached::Refused),
        };
        let Some((generation, target)) = aim else {
            until = None;
            backoff.reset();
            gate.changed().await.map_err(|_| Unreached::Refused)?;
            continue;
        };
        let now = Instant::now();
        let until = *until.get_or_insert(now + limits.connect_limit);
        let attempt_until = until.min(now + limits.connect_attempt);
        let cause = tokio::select! {
            attempt = timeout_at(attempt_until, dial(target.address)) => match attempt {
                Ok(Ok(stream)) => return Ok(Reached { generation, target, stream }),
                Ok(Err(cause)) => cause,
                Err(_) => io::ErrorKind::TimedOut.into(),
            },
            changed = gate.changed() => {
                changed.map_err(|_| Unreached::Refused)?;
                continue;
            }
        };
        attempt_failed(&target, &cause);
        let pause = backoff.pause();
        if Instant::now() + pause >= until {
            return Err(Unreached::TooLong { target, cause });
        }
        tokio::select! {
            () = sleep(pause) => {}
            changed = gate.changed() => changed.map_err(|_| Unreached::Refused)?,
        }
    }
}

#[cfg(test)]
mod tests;
