//! Owns a moment as the ledger writes it. The clock is read in `now` and nowhere else; everything else is pure.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A moment in UTC to the millisecond, in one spelling of RFC 3339: `2026-11-23T04:19:45.120Z`.
///
/// Always 24 characters, so that the order of the texts is the order of the moments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(String);

/// Something that is no moment that the ledger can write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: wanted RFC 3339 from the years 0 to 9999, for example `2026-11-23T04:19:45Z`")]
pub struct TimeError(pub String);

impl Time {
    /// The present moment; a clock outside of the years 0 to 9999 reads as 1970.
    pub fn now() -> Self {
        Self::try_from(SystemTime::now()).unwrap_or_else(|_| Self("1970-01-01T00:00:00.000Z".to_owned()))
    }

    /// The moment so many seconds and nanoseconds after 1970-01-01 00:00 UTC, cut to the millisecond; 1970 itself for one
    /// outside of the years 0 to 9999.
    pub fn of_unix(seconds: i64, nanos: u32) -> Self {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
        let moment = moment.and_then(|moment| moment.checked_add(time::Duration::nanoseconds(nanos.into())));
        let epoch = || Self("1970-01-01T00:00:00.000Z".to_owned());
        moment.and_then(|moment| Self::try_from(moment).ok()).unwrap_or_else(epoch)
    }

    /// The moment this much later; the last moment of the year 9999 where that is later than any that can be written.
    #[must_use]
    pub fn after(&self, span: Duration) -> Self {
        let last = || Self("9999-12-31T23:59:59.999Z".to_owned());
        let later = time::Duration::try_from(span).ok().and_then(|span| self.moment().checked_add(span));
        later.and_then(|moment| Self::try_from(moment).ok()).unwrap_or_else(last)
    }

    /// How long after `earlier` this is; nothing where it is before.
    pub fn since(&self, earlier: &Self) -> Duration {
        Duration::try_from(self.moment() - earlier.moment()).unwrap_or_default()
    }

    /// Whole seconds since 1970-01-01 00:00 UTC, below 0 before.
    pub fn unix_seconds(&self) -> i64 {
        self.moment().unix_timestamp()
    }

    /// What the text says; every text in here is one that this can read.
    fn moment(&self) -> OffsetDateTime {
        OffsetDateTime::parse(&self.0, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The moment as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<OffsetDateTime> for Time {
    type Error = TimeError;

    fn try_from(moment: OffsetDateTime) -> Result<Self, TimeError> {
        let utc = moment.to_offset(UtcOffset::UTC);
        if !(0..=9999).contains(&utc.year()) {
            return Err(TimeError(moment.to_string()));
        }
        let (date, clock) = (utc.date(), utc.time());
        Ok(Self(format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond()
        )))
    }
}

impl TryFrom<SystemTime> for Time {
    type Error = TimeError;

    fn try_from(moment: SystemTime) -> Result<Self, TimeError> {
        OffsetDateTime::from(moment).try_into()
    }
}

impl FromStr for Time {
    type Err = TimeError;

    /// Reads any RFC 3339 time and writes it anew in UTC; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refused = || TimeError(text.to_owned());
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?.try_into().map_err(|_| refused())
    }
}

impl TryFrom<String> for Time {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Time;

    #[test]
    fn a_time_has_one_spelling_and_sorts_as_text() {
        for (given, written) in [
            ("2026-11-23T04:19:45Z", "2026-11-23T04:19:45.000Z"),
            ("2026-11-23T05:19:45.1239+01:00", "2026-11-23T04:19:45.123Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ] {
            let time: Time = given.parse().unwrap();
            assert_eq!(time.as_str(), written);
            assert_eq!(time.as_str().parse::<Time>().unwrap(), time);
        }
        for bad in ["", "2026-11-23", "2026-11-23T04:19:45", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00+23:00"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        let time: Time = "2026-11-23T04:19:45.120Z".parse().unwrap();
        assert_eq!(time.after(Duration::from_hours(24)).as_str(), "2026-11-24T04:19:45.120Z");
        assert_eq!(time.after(Duration::from_millis(1)).since(&time), Duration::from_millis(1));
        assert_eq!(time.since(&time.after(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(time.after(Duration::MAX).as_str(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time::of_unix(time.unix_seconds(), 120_999_999), time);
        assert_eq!(Time::of_unix(i64::MAX, 0).as_str(), "1970-01-01T00:00:00.000Z");
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_001);
        assert_eq!(Time::try_from(moment).unwrap().as_str(), "2001-09-09T01:46:40.001Z");
    }
}
