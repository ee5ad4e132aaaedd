//! Owns for how long clients wait because their route has no seat for one more: in the kernel's queue, or accepted already. Pure: the
//! time comes in.

use std::time::Duration;

use tokio::time::Instant;

/// After this time in which nobody has left a seat clients are reset, where everybody who has one has reached the container. Those who
/// waited out a hold come all at once, and most connections are over much sooner than this.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same, whoever leaves one, and where somebody who has one is still on the way there: as long as anybody tries to reach a container.
const AT_MOST: Duration = Duration::from_secs(10);
/// Where nobody has looked for so long nobody has waited: what was then says nothing about now. Longer than whoever looks without
/// being asked takes to look again, so that its looks come to an end.
const FORGOTTEN: Duration = Duration::from_secs(3);
/// What counts at most of the time between two looks: a machine that has stood still for a second has let nobody leave its seat.
const COUNTED: Duration = Duration::from_millis(100);
/// How soon it is looked again, where nothing says sooner that a seat was left.
const LOOK: Duration = Duration::from_millis(20);

/// How many have left their seat so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Departures(u64);

impl Departures {
    /// So many.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// With one more.
    pub(crate) const fn and_one(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Whether there is a seat; where there is none, how many have left theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Some,
    /// None, but not everybody who has one has reached the container, or there is none now: nothing says yet that they stay. A container
    /// to which many come at once may take longer than anybody's patience to answer the first.
    Soon(Departures),
    None(Departures),
}

/// What becomes of a client that is accepted and finds every seat taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfFull {
    /// It waits: others have only just been quicker.
    Wait,
    /// It is reset: there has been none for as long as anybody waits.
    TurnAway,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Whoever is next, and what becomes of it where there is no seat after all.
    Now(IfFull),
    /// Nobody's until then: whoever is next is left waiting.
    Later(Instant),
}

/// For how long there has been none.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Option<Full>);

/// All of it as far as it was looked at.
#[derive(Debug, Clone, Copy)]
struct Full {
    departures: Departures,
    waited: Duration,
    /// How much of it, up to now, everybody who has a seat has been with the container, and nobody has left.
    settled: Option<Duration>,
    looked: Instant,
}

impl Crowd {
    /// Whether it is the turn of whoever is next, who waits already: to get its seat, or to be reset.
    ///
    /// While seats are left again and again everybody waits, as long as those who wait here get one of them every ten seconds.
    pub(crate) fn turn(&mut self, room: Room, now: Instant) -> Turn {
        let (Room::Soon(departures) | Room::None(departures)) = room else {
            self.0 = None;
            return Turn::Now(IfFull::Wait);
        };
        let before = self.0.filter(|full| now < full.looked + FORGOTTEN);
        let passed = before.map_or(Duration::ZERO, |full| now.saturating_duration_since(full.looked).min(COUNTED));
        let waited = before.map_or(Duration::ZERO, |full| full.waited + passed);
        let settled_before = before.filter(|full| full.departures == departures).and_then(|full| full.settled);
        let settled =
            matches!(room, Room::None(_)).then(|| settled_before.map_or(Duration::ZERO, |settled| settled + passed));
        self.0 = Some(Full { departures, waited, settled, looked: now });
        let is_over = waited >= AT_MOST || settled.is_some_and(|settled| settled >= PATIENCE);
        if is_over { Turn::Now(IfFull::TurnAway) } else { Turn::Later(now + LOOK) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None, and it is always the same who have one.
    const FULL: Room = Room::None(Departures(7));
    const SOON: Room = Room::Soon(Departures(7));

    /// What is said at each look, every 20 ms from the first of these times to the last.
    fn looks(crowd: &mut Crowd, room: Room, from: Instant, milliseconds: std::ops::RangeInclusive<u64>) -> Vec<bool> {
        let at = |milliseconds: u64| from + Duration::from_millis(milliseconds);
        milliseconds.step_by(20).map(|now| crowd.turn(room, at(now)) == Turn::Later(at(now + 20))).collect()
    }

    #[test]
    fn only_a_second_in_a_row_without_a_seat_turns_clients_away() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        assert_eq!(crowd.turn(Room::Some, start), Turn::Now(IfFull::Wait));
        assert_eq!(looks(&mut crowd, FULL, start, 0..=980), [true; 50]);
        assert_eq!(
            looks(&mut crowd, FULL, start, 1_000..=1_200),
            [false; 11],
            "they are reset, and so are the next ones"
        );
        assert_eq!(looks(&mut crowd, Room::Some, start, 1_220..=1_220), [false]);
        assert_eq!(looks(&mut crowd, FULL, start, 1_240..=2_220), [true; 50], "a seat was free");
    }

    #[test]
    fn nobody_is_turned_away_while_somebody_is_on_the_way_but_for_so_long() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        assert_eq!(looks(&mut crowd, FULL, start, 0..=980), [true; 50]);
        assert_eq!(looks(&mut crowd, SOON, start, 1_000..=5_000), [true; 201]);
        assert_eq!(looks(&mut crowd, FULL, start, 5_020..=6_000), [true; 50], "all are there since then");
        assert_eq!(looks(&mut crowd, FULL, start, 6_020..=6_020), [false]);
        assert_eq!(looks(&mut crowd, SOON, start, 6_040..=9_980), [true; 198]);
        assert_eq!(looks(&mut crowd, SOON, start, 10_000..=10_100), [false; 6], "nobody is waited for that long");
    }

    #[test]
    fn what_was_full_when_nobody_waited_says_nothing_about_now() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        assert_eq!(looks(&mut crowd, FULL, start, 0..=1_100), [[true; 50].as_slice(), &[false; 6]].concat());
        let later = crowd.turn(FULL, start + Duration::from_secs(3));
        assert_eq!(later, Turn::Now(IfFull::TurnAway), "who looks each second goes on");
        assert_eq!(looks(&mut crowd, FULL, start, 6_000..=6_980), [true; 50]);
    }

    #[test]
    fn while_the_machine_stands_still_nobody_loses_patience() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        assert_eq!(looks(&mut crowd, FULL, start, 0..=500), [true; 26]);
        assert_eq!(looks(&mut crowd, FULL, start, 2_500..=2_880), [true; 20], "a tenth of a second of it counts");
        assert_eq!(looks(&mut crowd, FULL, start, 2_900..=2_900), [false]);
    }

    #[test]
    fn while_others_leave_their_seats_one_waits_on_but_for_so_long() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        for (round, room) in [Room::None, Room::Soon].into_iter().cycle().take(10).enumerate() {
            let from = round as u64 * 900;
            let each = looks(&mut crowd, room(Departures(round as u64)), start, from..=from + 880);
            assert_eq!(each, [true; 45], "round {round}");
        }
        let full = |departures| Room::None(Departures(departures));
        assert_eq!(looks(&mut crowd, full(10), start, 9_000..=9_980), [true; 50]);
        assert_eq!(looks(&mut crowd, full(11), start, 10_000..=10_100), [false; 6], "none of them was for this queue");
        assert_eq!(looks(&mut crowd, Room::Some, start, 10_120..=10_120), [false]);
        assert_eq!(looks(&mut crowd, full(12), start, 10_140..=11_120), [true; 50], "one was");
        assert_eq!(looks(&mut crowd, full(12), start, 11_140..=11_200), [false; 4], "nobody leaves any more");
        assert_eq!(looks(&mut crowd, full(13), start, 11_220..=12_200), [true; 50], "somebody has left");
    }
}
