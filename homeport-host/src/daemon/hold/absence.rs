//! Owns what a holder does while no daemon runs: when it starts one again, and from when on clients are turned away.
//! Pure: the time comes in.

use std::time::{Duration, Instant};

/// How long clients wait for a daemon before they are turned away; as long as the router lets a route be held.
const CLIENTS_WAIT: Duration = Duration::from_mins(1);
/// How long a daemon that said so is waited for before one is started.
const NEXT_COMES: Duration = Duration::from_secs(10);
/// The pause after the first start that came to nothing. It doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between starts.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A daemon that was there for this long works; what was before it counts no more.
const WORKS: Duration = Duration::from_mins(1);

/// How a daemon went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Without a word.
    Crashed,
    /// It said that another one comes.
    Left,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Start a daemon: the first time since one worked, or again.
    Start(Try),
    /// From now on turn clients away.
    TurnAway,
}

/// Which try it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    First,
    Second,
    Later,
}

/// Whether a daemon is there, and what was done since one is not.
#[derive(Debug)]
pub(super) struct Absence {
    there: Option<Instant>,
    /// Since when no daemon has worked.
    since: Instant,
    next: Instant,
    tries: u32,
    clients: Clients,
}

/// What becomes of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clients {
    /// They are the daemon's, or wait for one.
    Wait,
    /// They are reset.
    TurnedAway,
}

impl Absence {
    /// No daemon has been there yet; the one that started the holder comes.
    pub(super) fn new(now: Instant) -> Self {
        Self { there: None, since: now, next: now + NEXT_COMES, tries: 0, clients: Clients::Wait }
    }

    /// A daemon is there.
    pub(super) fn came(&mut self, now: Instant) {
        self.there = Some(now);
        self.clients = Clients::Wait;
    }

    /// It is there no more. One that worked is as good as one that never failed; after one that did not, the time goes on that
    /// clients have waited.
    pub(super) fn gone(&mut self, how: Gone, now: Instant) {
        let came = self.there.take();
        if came.is_some_and(|came| now.saturating_duration_since(came) >= WORKS) || how == Gone::Left {
            (self.since, self.tries) = (now, 0);
        } else if self.tries == 0 {
            self.since = now;
        }
        self.next = match how {
            Gone::Left => now + NEXT_COMES,
            Gone::Crashed => now + self.pause(),
        };
    }

    /// What is to be done at this moment; each is said once.
    pub(super) fn due(&mut self, now: Instant) -> Option<Duty> {
        if self.there.is_some() {
            return None;
        }
        if self.clients == Clients::Wait && now >= self.since + CLIENTS_WAIT {
            self.clients = Clients::TurnedAway;
            return Some(Duty::TurnAway);
        }
        if now < self.next {
            return None;
        }
        let which = match self.tries {
            0 => Try::First,
            1 => Try::Second,
            _ => Try::Later,
        };
        self.tries = self.tries.saturating_add(1);
        self.next = now + self.pause();
        Some(Duty::Start(which))
    }

    /// When something is due next; `None` while a daemon is there.
    pub(super) fn next(&self) -> Option<Instant> {
        let turn_away = self.since + CLIENTS_WAIT;
        let is_open = self.clients == Clients::Wait;
        self.there.is_none().then(|| if is_open { self.next.min(turn_away) } else { self.next })
    }

    /// What becomes of clients now.
    pub(super) fn clients(&self) -> Clients {
        self.clients
    }

    /// Nothing before the first try, then ever more.
    fn pause(&self) -> Duration {
        match self.tries.checked_sub(1) {
            None => Duration::ZERO,
            Some(doubled) => (FIRST_PAUSE * (1 << doubled.min(6))).min(LONGEST_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done, and at which second, until `end`.
    fn done(absence: &mut Absence, start: Instant, end: u64) -> Vec<(u64, Duty)> {
        let mut found = Vec::new();
        for second in 0..end {
            while let Some(duty) = absence.due(start + Duration::from_secs(second)) {
                found.push((second, duty));
            }
        }
        found
    }

    #[test]
    fn a_daemon_that_crashed_is_started_at_once_and_then_after_ever_longer_pauses() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        absence.came(start);
        assert_eq!((absence.due(start + WORKS), absence.next()), (None, None));
        let start = start + WORKS * 2;
        absence.gone(Gone::Crashed, start);
        assert_eq!(absence.next(), Some(start));
        let found = done(&mut absence, start, 305);
        let starts: Vec<u64> =
            found.iter().filter(|(_, duty)| matches!(duty, Duty::Start(_))).map(|(second, _)| *second).collect();
        assert_eq!(starts, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303]);
        assert_eq!(
            found[..3].iter().map(|(_, duty)| *duty).collect::<Vec<_>>(),
            [Duty::Start(Try::First), Duty::Start(Try::Second), Duty::Start(Try::Later)]
        );
        let turned: Vec<_> = found.iter().filter(|(_, duty)| *duty == Duty::TurnAway).collect();
        assert_eq!(turned, [&(60, Duty::TurnAway)]);
        assert_eq!(absence.clients(), Clients::TurnedAway);
        absence.came(start);
        assert_eq!((absence.clients(), absence.next()), (Clients::Wait, None));
    }

    #[test]
    fn one_that_said_that_another_comes_is_not_started_before_that_had_its_time() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        absence.came(start);
        absence.gone(Gone::Left, start);
        assert_eq!(done(&mut absence, start, 12), [(10, Duty::Start(Try::First)), (11, Duty::Start(Try::Second))]);
    }

    #[test]
    fn daemons_that_come_and_crash_make_no_client_wait_for_longer() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut absence = Absence::new(start);
        absence.came(start);
        absence.gone(Gone::Crashed, at(0));
        let mut turned = None;
        for second in 0..200 {
            while let Some(duty) = absence.due(at(second)) {
                match duty {
                    // It lives for half a second, and has not worked.
                    Duty::Start(_) => {
                        absence.came(at(second));
                        absence.gone(Gone::Crashed, at(second));
                    }
                    Duty::TurnAway => turned = turned.or(Some(second)),
                }
            }
        }
        assert_eq!(turned, Some(60));
    }

    #[test]
    fn the_first_daemon_of_a_holder_has_its_time_too() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        assert_eq!(absence.due(start), None);
        assert_eq!(absence.next(), Some(start + NEXT_COMES));
    }
}
