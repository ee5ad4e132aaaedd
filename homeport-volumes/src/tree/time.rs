//! Owns a moment on a file system's clock, to the nanosecond, also before 1970.
//! Never asks a clock.

use std::fmt;
use std::str::FromStr;

const SECOND: u32 = 1_000_000_000;

/// A moment: seconds since 1970-01-01 00:00 UTC and nanoseconds after them. Half a second before 1970 is -1 second and
/// 500,000,000 nanoseconds, as the kernel gives it. As text `-0.500000000`. [spec: STO-14]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// What is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: wanted seconds with nine digits after the point")]
pub struct TimestampFault(pub String);

impl Timestamp {
    /// 1970-01-01 00:00 UTC.
    pub const EPOCH: Self = Self { seconds: 0, nanos: 0 };

    /// The moment `nanos` after `seconds`; `None` if `nanos` is a second or more.
    pub const fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if nanos < SECOND { Some(Self { seconds, nanos }) } else { None }
    }

    /// The same from what a system call gave; nanoseconds that are none count as the last of the second.
    pub(crate) fn from_kernel(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos: nanos.min(SECOND - 1) }
    }

    /// Seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds), less than a second.
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Adds the text to `text`. [spec: STO-14]
    pub(crate) fn write(self, text: &mut Vec<u8>) {
        let (sign, whole, fraction) = self.parts();
        if sign {
            text.push(b'-');
        }
        super::number::write(whole, text);
        text.push(b'.');
        let mut digits = [b'0'; 9];
        let mut rest = fraction;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        text.extend_from_slice(&digits);
    }

    /// Reads what [`write`](Self::write) makes, and nothing else. [spec: STO-14]
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let at = digits.len().checked_sub(10)?;
        let (whole, fraction) = digits.split_at(at);
        let fraction = fraction.strip_prefix(b".")?;
        let whole: u64 = super::number::read(whole)?;
        let fraction = fraction
            .iter()
            .try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))?;
        if !negative {
            return Self::new(i64::try_from(whole).ok()?, fraction);
        }
        if whole == 0 && fraction == 0 {
            return None;
        }
        let seconds = 0_i64.checked_sub_unsigned(whole)?;
        if fraction == 0 { Self::new(seconds, 0) } else { Self::new(seconds.checked_sub(1)?, SECOND - fraction) }
    }

    /// Whether the moment is before 1970, and its distance from then as whole seconds and nanoseconds.
    fn parts(self) -> (bool, u64, u32) {
        match (self.seconds < 0, self.nanos) {
            (false, nanos) => (false, self.seconds.unsigned_abs(), nanos),
            (true, 0) => (true, self.seconds.unsigned_abs(), 0),
            (true, nanos) => (true, self.seconds.unsigned_abs() - 1, SECOND - nanos),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, fraction) = self.parts();
        write!(f, "{}{whole}.{fraction:09}", if sign { "-" } else { "" })
    }
}

impl FromStr for Timestamp {
    type Err = TimestampFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes()).ok_or_else(|| TimestampFault(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Timestamp;

    #[test]
    fn times_before_1970_count_backwards() {
        for (seconds, nanos, text) in [
            (0, 0, "0.000000000"),
            (-1, 500_000_000, "-0.500000000"),
            (-6, 500_000_000, "-5.500000000"),
            (-6, 0, "-6.000000000"),
            (1_795_400_000, 1, "1795400000.000000001"),
            (i64::MAX, 999_999_999, "9223372036854775807.999999999"),
            (i64::MIN, 0, "-9223372036854775808.000000000"),
            (i64::MIN, 1, "-9223372036854775807.999999999"),
        ] {
            let time = Timestamp::new(seconds, nanos).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(Timestamp::new(0, 1_000_000_000), None);
    }

    #[test]
    fn a_time_has_one_text() {
        for text in [
            "",
            "0",
            "0.",
            "0.0",
            "-0.000000000",
            "00.000000000",
            "+1.000000000",
            " 1.000000000",
            "1.00000000",
            "1.0000000000",
            ".000000000",
            "-.500000000",
            "--1.000000000",
            "1,000000000",
            "01.000000000",
            "9223372036854775808.000000000",
            "-9223372036854775808.000000001",
            "1e3.000000000",
            "1.-00000001",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back_as_they_went(seconds: i64, nanos in 0..1_000_000_000_u32) {
            let time = Timestamp::new(seconds, nanos).unwrap();
            let mut text = Vec::new();
            time.write(&mut text);
            prop_assert_eq!(String::from_utf8(text.clone()).unwrap(), time.to_string());
            prop_assert_eq!(Timestamp::read(&text), Some(time));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in "-?[0-9]{0,20}\\.?[0-9]{0,10}") {
            if let Ok(time) = text.parse::<Timestamp>() {
                prop_assert_eq!(time.to_string(), text);
            }
        }
    }
}
