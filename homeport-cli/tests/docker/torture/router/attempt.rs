//! Owns what became of connections that were begun: how each ended, and what all of them come to beside what was done
//! meanwhile. Pure.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// Who waited for longer was held up by what was done.
const HELD: Duration = Duration::from_millis(300);

/// Within this time after something was killed, its connections have ended.
const NOTICED: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// It got back what it sent.
    Answered,
    /// Nobody listened.
    Refused,
    /// It was reset.
    Reset,
    /// It ended before the answer did.
    Cut,
    /// No answer came in time.
    Silent,
    /// The answer was another one.
    Wrong,
    /// This side could not begin it, or lost its way to the other.
    Unmade,
}

impl End {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Wrong => "wrong",
            Self::Unmade => "unmade",
        }
    }

    /// Of an error of the connection.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Reset,
            ErrorKind::UnexpectedEof => Self::Cut,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Silent,
            _ => Self::Unmade,
        }
    }
}

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) end: End,
}

/// When something was killed: from the order until it was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blow {
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Blow {
    /// Whether the connection was there when it fell. One that was refused was not, and one that nobody answered would have been.
    fn hit(&self, attempt: &Attempt) -> bool {
        let was_there = attempt.begun <= self.to && attempt.ended >= self.from;
        was_there && attempt.ended <= self.to + NOTICED && matches!(attempt.end, End::Reset | End::Cut)
    }
}

/// What all connections come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) made: usize,
    /// From the first to the last beginning.
    pub(super) over: Duration,
    /// Those that failed without an excuse, by how.
    pub(super) failed: BTreeMap<End, usize>,
    /// The first of each of these: after how long it was begun, and how long it took.
    pub(super) first: BTreeMap<End, [Duration; 2]>,
    /// Those that failed and were on their way when something was killed.
    pub(super) in_flight: usize,
    /// Those that were answered after more than 0.3 s.
    pub(super) held: usize,
    /// The longest that one waited for its answer.
    pub(super) longest: Duration,
}

impl Tally {
    /// Of all attempts, in any order, and of what was killed meanwhile.
    pub(super) fn of(attempts: &[Attempt], blows: &[Blow]) -> Self {
        let mut tally = Self { made: attempts.len(), ..Self::default() };
        let begun = attempts.iter().map(|attempt| attempt.begun);
        let (Some(first), Some(last)) = (begun.clone().min(), begun.max()) else { return tally };
        tally.over = last.duration_since(first);
        for attempt in attempts {
            let took = attempt.ended.saturating_duration_since(attempt.begun);
            if attempt.end == End::Answered {
                tally.longest = tally.longest.max(took);
                tally.held += usize::from(took > HELD);
            } else if blows.iter().any(|blow| blow.hit(attempt)) {
                tally.in_flight += 1;
            } else {
                *tally.failed.entry(attempt.end).or_default() += 1;
                let this = [attempt.begun.duration_since(first), took];
                let earliest = tally.first.entry(attempt.end).or_insert(this);
                *earliest = this.min(*earliest);
            }
        }
        tally
    }

    /// How many failed without an excuse.
    pub(super) fn all_failed(&self) -> usize {
        self.failed.values().sum()
    }

    /// How many were begun in a second.
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    pub(super) fn rate(&self) -> f64 {
        self.made.saturating_sub(1) as f64 / self.over.as_secs_f64().max(0.001)
    }
}

#[test]
fn only_what_was_on_its_way_when_something_was_killed_has_an_excuse() {
    let start = Instant::now();
    let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
    let attempt = |begun: u64, ended: u64, end: End| Attempt { begun: at(begun), ended: at(ended), end };
    let blow = Blow { from: at(1_000), to: at(1_100) };
    let attempts = [
        attempt(0, 5, End::Answered),
        attempt(500, 1_020, End::Answered),
        attempt(990, 1_010, End::Reset),
        attempt(1_090, 2_000, End::Cut),
        attempt(1_050, 1_051, End::Refused),
        attempt(100, 900, End::Reset),
        attempt(1_101, 1_300, End::Reset),
        attempt(1_000, 3_200, End::Reset),
        attempt(1_000, 16_000, End::Silent),
    ];
    let tally = Tally::of(&attempts, &[blow]);
    assert_eq!((tally.made, tally.in_flight, tally.held, tally.all_failed()), (9, 2, 1, 5));
    assert_eq!(tally.failed, BTreeMap::from([(End::Refused, 1), (End::Reset, 3), (End::Silent, 1)]));
    let milliseconds = |end: End| tally.first[&end].map(|time| time.as_millis());
    assert_eq!([milliseconds(End::Reset), milliseconds(End::Silent)], [[100, 800], [1_000, 15_000]]);
    assert_eq!((tally.longest, tally.over), (Duration::from_millis(520), Duration::from_millis(1_101)));
    assert_eq!(Tally::of(&attempts, &[]).all_failed(), 7);
    assert_eq!(Tally::of(&[], &[]).all_failed(), 0);
}
