//! Owns for how long clients are left in the kernel's queue because their route has no seat for one more. Pure: the time comes in.

use std::time::Duration;

use tokio::time::Instant;

/// After this time without a free seat clients are reset. Those who waited out a hold come all at once, and most connections
/// are over much sooner than this.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon it is looked again, where no connection of this route ends that would say so.
const LOOK: Duration = Duration::from_millis(20);

/// Whether there is a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Some,
    None,
}

/// Since when there is none.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Option<Instant>);

impl Crowd {
    /// Until when nobody is accepted; `None` where the next client is: to get its seat, or to be reset.
    pub(crate) fn waits_until(&mut self, room: Room, now: Instant) -> Option<Instant> {
        match room {
            Room::Some => {
                self.0 = None;
                None
            }
            Room::None => {
                let since = *self.0.get_or_insert(now);
                (now < since + PATIENCE).then(|| now + LOOK)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_second_in_a_row_without_a_seat_turns_clients_away() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        assert_eq!(crowd.waits_until(Room::Some, at(0)), None);
        assert_eq!(crowd.waits_until(Room::None, at(10)), Some(at(30)));
        assert_eq!(crowd.waits_until(Room::None, at(1_009)), Some(at(1_029)));
        assert_eq!(crowd.waits_until(Room::None, at(1_010)), None, "they are reset");
        assert_eq!(crowd.waits_until(Room::None, at(9_000)), None, "and so are the next ones");
        assert_eq!(crowd.waits_until(Room::Some, at(9_001)), None);
        assert_eq!(crowd.waits_until(Room::None, at(9_002)), Some(at(9_022)), "a seat was free");
    }
}
