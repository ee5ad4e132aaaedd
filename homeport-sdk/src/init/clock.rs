//! Owns reading the clocks, and how a moment is written down.
//! Never decides anything by time: who decides gets a [`Moment`] as an argument.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of this machine's monotonic clock. It can be compared with other moments of the same boot, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// The moment this long after the clock's beginning, for tests.
    #[cfg(test)]
    pub(crate) const fn after_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after `earlier` this is; nothing where it is not after it.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Microseconds since the clock's beginning, as `MONOTONIC_USEC=` wants them.
    pub(crate) const fn micros(self) -> u128 {
        self.0.as_micros()
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The monotonic clock, now.
pub(crate) fn monotonic() -> Moment {
    Moment(read(ClockId::Monotonic))
}

/// The wall clock, now, in RFC 3339 with `Z` and milliseconds. [spec: ENT-21]
pub(crate) fn utc() -> String {
    rfc3339(read(ClockId::Realtime))
}

/// The moment this long after 1970-01-01T00:00:00Z. Days become a civil date by counting in eras of 400 years that
/// begin on the first of March, so that the leap day is the last one of its year.
fn rfc3339(since_epoch: Duration) -> String {
    const DAYS_OF_ERA: u64 = 146_097;
    let seconds = since_epoch.as_secs();
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_its_civil_date() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_795_408_323, "2026-11-23T04:32:03.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), wanted);
        }
        assert!(rfc3339(Duration::from_millis(7)).ends_with("00.007Z"));
    }

    #[test]
    fn a_later_moment_is_later_and_never_negative() {
        let early = Moment::after_start(Duration::from_secs(1));
        let late = early + Duration::from_millis(1500);
        assert!(late > early);
        assert_eq!(late.since(early), Duration::from_millis(1500));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
