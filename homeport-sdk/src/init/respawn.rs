//! Owns the decision about a service that ended: start it again, and when, or give up.
//! Never reads a clock and never starts anything: time comes in, a verdict comes out.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use homeport_core::manifest::Criticality;

use super::clock::Moment;

/// A service that fell the first time is back before a client notices: a new SSH login within two seconds.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The delay after that, doubled each time.
const NEXT_DELAY: Duration = Duration::from_secs(1);
/// The greatest delay, and the distance of the attempts with a service that is not critical.
const GREATEST_DELAY: Duration = Duration::from_mins(1);
/// A service that was up this long counts as sound again.
const SOUND_AFTER: Duration = Duration::from_mins(1);
/// So many deaths ...
const DEATHS: usize = 5;
/// ... within this time are a crash loop.
const WINDOW: Duration = Duration::from_mins(2);
/// A service says by these exit codes that trying again is of no use: a permission, the configuration. [spec: ENT-32]
const FINAL_CODES: [i32; 2] = [77, 78];

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// It was never there: the operating system refused with this number.
    NotStarted(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signaled(signal) => write!(f, "signal {signal}"),
            Self::NotStarted(errno) => {
                write!(f, "not started: {}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

/// What to do with a service that ended. [spec: ENT-32]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start it again at this moment.
    Again(Moment),
    /// It fails all the time, and the port can do without it: try at this moment.
    Later(Moment),
    /// It is over.
    Over,
}

/// What is remembered of a service's deaths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    streak: u32,
    deaths: VecDeque<Moment>,
    pace: Pace,
}

/// How eagerly a service is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pace {
    /// As the delays say.
    #[default]
    Usual,
    /// Once a minute: it was in a crash loop and was not up for a minute since.
    Slow,
}

impl History {
    /// Judges a death at `now` of a service that was up for `up`.
    pub(crate) fn judge(&mut self, now: Moment, up: Duration, ending: Ending, criticality: Criticality) -> Verdict {
        if matches!(ending, Ending::Exited(code) if FINAL_CODES.contains(&code)) {
            return Verdict::Over;
        }
        if up >= SOUND_AFTER {
            self.streak = 0;
            self.pace = Pace::Usual;
        }
        let delay = delay(self.streak);
        self.streak = self.streak.saturating_add(1);
        self.deaths.push_back(now);
        while self.deaths.len() > DEATHS || self.deaths.front().is_some_and(|first| now.since(*first) > WINDOW) {
            self.deaths.pop_front();
        }
        match (self.deaths.len() >= DEATHS, criticality) {
            (true, Criticality::Critical) => return Verdict::Over,
            (true, Criticality::Optional) => self.pace = Pace::Slow,
            (false, _) => {}
        }
        match self.pace {
            Pace::Usual => Verdict::Again(now + delay),
            Pace::Slow => Verdict::Later(now + GREATEST_DELAY),
        }
    }
}

/// 250 ms, then 1 s, 2 s, 4 s ... up to 60 s.
fn delay(streak: u32) -> Duration {
    match streak {
        0 => FIRST_DELAY,
        n => NEXT_DELAY.saturating_mul(2_u32.saturating_pow(n - 1)).min(GREATEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    const CRASH: Ending = Ending::Signaled(9);

    #[test]
    fn delays_grow_to_a_minute_and_no_further() {
        let seconds: Vec<f64> = (0..9).map(|n| delay(n).as_secs_f64()).collect();
        assert_eq!(seconds, [0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(delay(u32::MAX), GREATEST_DELAY);
    }

    #[test]
    fn the_fifth_death_within_two_minutes_is_the_last_of_a_critical_service() {
        let mut history = History::default();
        for n in 0..4 {
            let verdict = history.judge(at(n * 29), Duration::from_secs(1), CRASH, Criticality::Critical);
            assert!(matches!(verdict, Verdict::Again(_)), "{n}");
        }
        assert_eq!(history.judge(at(120), Duration::ZERO, CRASH, Criticality::Critical), Verdict::Over);
    }

    #[test]
    fn deaths_more_than_two_minutes_apart_do_not_add_up() {
        let mut history = History::default();
        for n in 0..50 {
            let verdict = history.judge(at(n * 31), Duration::from_secs(30), CRASH, Criticality::Critical);
            assert!(matches!(verdict, Verdict::Again(_)), "{n}");
        }
    }

    #[test]
    fn an_optional_service_in_a_crash_loop_is_tried_every_minute_for_ever() {
        let mut history = History::default();
        let mut now = at(0);
        for n in 0..20 {
            match history.judge(now, Duration::ZERO, CRASH, Criticality::Optional) {
                Verdict::Again(next) if n < 4 => now = next,
                Verdict::Later(next) if n >= 4 => {
                    assert_eq!(next.since(now), GREATEST_DELAY);
                    now = next;
                }
                other => panic!("{n}: {other:?}"),
            }
        }
        let sound = history.judge(now, SOUND_AFTER, CRASH, Criticality::Optional);
        assert_eq!(sound, Verdict::Again(now + FIRST_DELAY));
    }

    #[test]
    fn codes_that_say_it_is_of_no_use_are_final_at_once() {
        for (ending, is_over) in [
            (Ending::Exited(77), true),
            (Ending::Exited(78), true),
            (Ending::Exited(0), false),
            (Ending::Exited(79), false),
            (Ending::Signaled(15), false),
            (Ending::NotStarted(2), false),
        ] {
            for criticality in [Criticality::Critical, Criticality::Optional] {
                let verdict = History::default().judge(at(9), Duration::ZERO, ending, criticality);
                assert_eq!(verdict == Verdict::Over, is_over, "{ending}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_sound_run_makes_the_next_delay_short_again(ups in proptest::collection::vec(0_u64..200, 1..40)) {
            let mut history = History::default();
            let mut now = at(0);
            for up in ups {
                now = now + Duration::from_secs(up);
                if let Verdict::Again(next) =
                    history.judge(now, Duration::from_secs(up), CRASH, Criticality::Critical)
                {
                    prop_assert!(next > now && next.since(now) <= GREATEST_DELAY);
                    if up >= 60 {
                        prop_assert_eq!(next.since(now), FIRST_DELAY);
                    }
                    now = next;
                }
            }
        }

        #[test]
        fn a_critical_service_that_never_stays_up_is_given_up_on_within_the_window(up_ms in 0_u64..20_000) {
            let mut history = History::default();
            let mut now = at(0);
            for n in 1.. {
                now = now + Duration::from_millis(up_ms);
                match history.judge(now, Duration::from_millis(up_ms), CRASH, Criticality::Critical) {
                    Verdict::Again(next) => now = next,
                    Verdict::Later(_) => prop_assert!(false, "only optional services are tried later"),
                    Verdict::Over => {
                        prop_assert_eq!(n, DEATHS);
                        break;
                    }
                }
                prop_assert!(n < DEATHS);
            }
        }
    }
}
