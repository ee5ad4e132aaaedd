//! Owns until when the clients of a held route wait. Pure: the clock is its caller's, and what then happens is the gate's.

use std::time::Duration;

use tokio::time::Instant;

use crate::gate::{GateEvent, Hold, HoldNumber};

/// What happens to a hold that nothing else ends, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) at: Instant,
    pub(crate) event: GateEvent,
    /// How long it will have lasted then.
    pub(crate) after: Duration,
}

/// Since when the clients of a route wait.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<(HoldNumber, Instant)>);

impl Patience {
    /// The end of this hold, which was renewed just now: the next renewal has to come within `renewed_within`, and in all
    /// clients wait no longer than `at_most`.
    pub(crate) fn until(
        &mut self,
        hold: Hold,
        now: Instant,
        renewed_within: Duration,
        at_most: Option<Duration>,
    ) -> End {
        let since = match self.0 {
            Some((number, since)) if number == hold.since => since,
            _ => now,
        };
        self.0 = Some((hold.since, since));
        let expiry =
            End { at: now + renewed_within, event: GateEvent::HoldExpired(hold.renewal), after: renewed_within };
        let overdue = at_most.map(|after| End { at: since + after, event: GateEvent::HoldOverdue(hold.since), after });
        match overdue {
            Some(overdue) if overdue.at < expiry.at => overdue,
            _ => expiry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Admission, Gate};

    fn held(gate: &Gate) -> Hold {
        let Admission::Wait(hold) = gate.admission() else { panic!("not held") };
        hold
    }

    #[test]
    fn a_hold_ends_without_a_renewal_or_when_clients_have_waited_as_long_as_they_may() {
        let (seconds, start) = (Duration::from_secs, Instant::now());
        let (mut gate, mut patience) = (Gate::fresh(), Patience::default());
        let first = held(&gate);
        let end = patience.until(first, start, seconds(60), Some(seconds(90)));
        let event = GateEvent::HoldExpired(first.renewal);
        assert_eq!(end, End { at: start + seconds(60), event, after: seconds(60) });

        gate.apply(GateEvent::Hold);
        let end = patience.until(held(&gate), start + seconds(50), seconds(60), Some(seconds(90)));
        let event = GateEvent::HoldOverdue(first.since);
        assert_eq!(
            end,
            End { at: start + seconds(90), event, after: seconds(90) },
            "from the first on, not the renewal"
        );
        let end = patience.until(held(&gate), start + seconds(50), seconds(60), None);
        assert_eq!(end.at, start + seconds(110), "nobody said how long they may wait");

        gate.apply(GateEvent::Close);
        gate.apply(GateEvent::Hold);
        let end = patience.until(held(&gate), start + seconds(80), seconds(60), Some(seconds(20)));
        assert_eq!(end.at, start + seconds(100), "another hold begins anew");
    }
}
