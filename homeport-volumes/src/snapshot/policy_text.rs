//! Owns how a retention policy is written: `last=3,daily=7`. Pure; never decides what a policy keeps.

use std::fmt;
use std::str::FromStr;

use homeport_core::fault::Advice;

use super::retention::Policy;

/// The words of a policy, in the order in which it is written.
const WORDS: [&str; 6] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];
/// The most snapshots that one word can keep.
const MOST: u32 = 10_000;

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A part is not `WORD=NUMBER`.
    #[error("`{0}` is not `WORD=NUMBER`")]
    NotAPair(String),
    /// A word that no policy has.
    #[error("`{0}` is no word of a policy: wanted one of {words}", words = WORDS.join(", "))]
    UnknownWord(String),
    /// A word that stands twice.
    #[error("`{0}` stands twice")]
    Twice(String),
    /// A number that is none, is 0 or too large.
    #[error("`{number}` is no number of snapshots for `{word}`: wanted 1 to {MOST}")]
    Number {
        /// The word.
        word: String,
        /// What stands as its number.
        number: String,
    },
}

impl Advice for PolicyError {
    fn code(&self) -> &'static str {
        "HP-SNA-020"
    }

    fn help(&self) -> Option<String> {
        Some("write it like `last=3,hourly=24,daily=7,weekly=5,monthly=12`".to_owned())
    }
}

impl Policy {
    fn fields(&self) -> [u32; 6] {
        [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly]
    }

    fn field(&mut self, word: &str) -> Option<&mut u32> {
        Some(match word {
            "last" => &mut self.last,
            "hourly" => &mut self.hourly,
            "daily" => &mut self.daily,
            "weekly" => &mut self.weekly,
            "monthly" => &mut self.monthly,
            "yearly" => &mut self.yearly,
            _ => return None,
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = WORDS.iter().zip(self.fields()).filter(|(_, number)| *number > 0);
        for (place, (word, number)) in parts.enumerate() {
            write!(f, "{}{word}={number}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Reads what [`Policy`] writes, its words in any order; a policy that keeps nothing is none.
impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for part in text.split(',') {
            let (word, number) =
                part.split_once('=').ok_or_else(|| PolicyError::NotAPair(homeport_core::text::clip(part, 60)))?;
            let clipped = || homeport_core::text::clip(word, 60);
            let field = policy.field(word).ok_or_else(|| PolicyError::UnknownWord(clipped()))?;
            if *field > 0 {
                return Err(PolicyError::Twice(clipped()));
            }
            let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let value = number.parse().ok().filter(|value| is_plain && (1..=MOST).contains(value));
            let refused = || PolicyError::Number { word: clipped(), number: homeport_core::text::clip(number, 60) };
            *field = value.ok_or_else(refused)?;
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_policy_is_words_with_numbers() {
        let policy: Policy = "daily=7,last=3".parse().unwrap();
        assert_eq!(policy, Policy { last: 3, daily: 7, ..Policy::default() });
        assert_eq!(policy.to_string(), "last=3,daily=7");
        for (bad, wanted) in [
            ("", "is not `WORD=NUMBER`"),
            ("last", "is not `WORD=NUMBER`"),
            ("last=3,", "is not `WORD=NUMBER`"),
            ("minutely=3", "is no word of a policy"),
            ("last=3,last=3", "stands twice"),
            ("last=0", "is no number of snapshots"),
            ("last=+3", "is no number of snapshots"),
            ("last=10001", "is no number of snapshots"),
            ("last=99999999999", "is no number of snapshots"),
            ("last=", "is no number of snapshots"),
        ] {
            let error = bad.parse::<Policy>().unwrap_err();
            assert!(error.to_string().contains(wanted), "{bad}: {error}");
            assert_eq!(error.code(), "HP-SNA-020");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(numbers in proptest::array::uniform6(0..=MOST)) {
            let [last, hourly, daily, weekly, monthly, yearly] = numbers;
            let policy = Policy { last, hourly, daily, weekly, monthly, yearly };
            prop_assume!(numbers.iter().any(|number| *number > 0));
            prop_assert_eq!(policy.to_string().parse::<Policy>(), Ok(policy));
        }
    }
}
