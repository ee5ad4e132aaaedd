//! Owns the day that a lock was made on: the date of everything in an image, so that no clock gets into its bytes.
//! Never reads a clock by itself.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A day from 1970-01-01 to 9999-12-31, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// The seconds of a day.
const DAY: u64 = 86_400;

impl Date {
    /// The first day that files can be of.
    pub const EPOCH: Self = Self { year: 1970, month: 1, day: 1 };

    /// The day that a moment falls on.
    pub fn of(moment: SystemTime) -> Self {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mut left = since.as_secs() / DAY;
        let (mut year, mut month) = (1970, 1);
        while year < 9999 && left >= year_days(year) {
            left -= year_days(year);
            year += 1;
        }
        while month < 12 && left >= u64::from(month_days(year, month)) {
            left -= u64::from(month_days(year, month));
            month += 1;
        }
        let day = u8::try_from(left + 1).unwrap_or(31).min(month_days(year, month));
        Self { year, month, day }
    }

    /// Seconds from 1970-01-01T00:00:00Z to the day's beginning.
    pub fn seconds(self) -> u64 {
        let years: u64 = (1970..self.year).map(year_days).sum();
        let months: u64 = (1..self.month).map(|month| u64::from(month_days(self.year, month))).sum();
        (years + months + u64::from(self.day) - 1) * DAY
    }

    /// The day's beginning as RFC 3339 writes it.
    pub fn timestamp(self) -> String {
        format!("{self}T00:00:00Z")
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u16) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A text that is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day from 1970 on: wanted YYYY-MM-DD")]
pub struct DateError(String);

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let parse = || {
            let digits = |range| text.get(range).filter(|part: &&str| part.bytes().all(|b| b.is_ascii_digit()));
            let date = Self {
                year: digits(0..4)?.parse().ok()?,
                month: digits(5..7)?.parse().ok()?,
                day: digits(8..10)?.parse().ok()?,
            };
            let in_month = || (1..=month_days(date.year, date.month)).contains(&date.day);
            (date.to_string() == text && date.year >= 1970 && (1..=12).contains(&date.month) && in_month())
                .then_some(date)
        };
        parse().ok_or_else(|| DateError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_days_that_exist_are_days() {
        let good = [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2026-11-23", 1_795_392_000)];
        for (text, seconds) in good {
            assert_eq!(text.parse::<Date>().unwrap().seconds(), seconds, "{text}");
        }
        for bad in ["", "1969-12-31", "2026-02-29", "2100-02-29", "2026-13-01", "2026-00-01", "2026-1-1", "2026-11-31x"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert_eq!("2026-11-23".parse::<Date>().unwrap().timestamp(), "2026-11-23T00:00:00Z");
    }

    proptest! {
        #[test]
        fn a_moment_falls_on_the_day_that_contains_it(seconds in 0_u64..253_402_300_800) {
            let date = Date::of(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert!(date.seconds() <= seconds && seconds < date.seconds() + DAY);
            prop_assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        }
    }
}
