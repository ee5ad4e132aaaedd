//! Owns what a person can ask about volumes, the trash and schedules, as values. Never looks anything up.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use homeport_core::fault::Advice;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Seconds;
use homeport_volumes::TxId;
use homeport_volumes::snapshot::Policy;

use super::PortRef;
use crate::approval::Token;
use crate::operation::Execution;

/// Asks to give volumes up: their data goes to the trash, and an instance that has them goes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// The instance, which may be removed already; it must not run.
    pub instance: InstanceName,
    /// The volumes of an instance that was removed; none is all of them.
    pub volumes: BTreeSet<VolumeName>,
    /// The consent.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Which of what is in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrashChoice {
    /// Everything that may go by its age.
    Due,
    /// Everything.
    All,
    /// These bundles or single trees.
    Named(Vec<TrashRef>),
}

/// What was put into the trash by one command, or one tree of it: the beginning of its id, 6 digits or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashRef(String);

/// A text that names nothing in the trash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names nothing in the trash: wanted the first 6 or more digits of its id")]
pub struct TrashRefError(pub String);

impl Advice for TrashRefError {
    fn code(&self) -> &'static str {
        "HP-REQ-021"
    }

    fn help(&self) -> Option<String> {
        Some("`homeport trash list` shows the id of each".to_owned())
    }
}

impl TrashRef {
    /// Whether this is what is meant.
    pub fn names(&self, tx: TxId) -> bool {
        tx.to_string().starts_with(&self.0)
    }
}

impl FromStr for TrashRef {
    type Err = TrashRefError;

    fn from_str(text: &str) -> Result<Self, TrashRefError> {
        let good = (6..=36).contains(&text.len())
            && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if good { Ok(Self(text.to_owned())) } else { Err(TrashRefError(homeport_core::text::clip(text, 60))) }
    }
}

impl fmt::Display for TrashRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Asks to take something out of the trash again: a volume that was purged, or a tree that a restore took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashRestoreRequest {
    /// What.
    pub what: TrashRef,
    /// The consent, where what takes its place cannot be kept as a snapshot.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks to delete for good what is in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyRequest {
    /// What.
    pub what: TrashChoice,
    /// The consent; what is in the trash for its full time needs none.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks to make a directory with a person's files, or another HomePort's volume, a volume of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptRequest {
    /// The port whose volume it is to be.
    pub port: PortRef,
    /// The instance that is to have it; one of that name must not be there yet.
    pub instance: InstanceName,
    /// The volume's name in the port's manifest.
    pub volume: VolumeName,
    /// The directory.
    pub path: PathBuf,
    /// The consent.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks to let a volume be somewhere else from now on: where it was moved to already, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRequest {
    /// The instance; it must not run.
    pub instance: InstanceName,
    /// The volume.
    pub volume: VolumeName,
    /// Its new directory.
    pub path: PathBuf,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks for periodic snapshots of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRequest {
    /// The instance.
    pub instance: InstanceName,
    /// The time between two.
    pub every: Interval,
    /// What is kept of them; `None` keeps all.
    pub keep: Option<Policy>,
}

/// The time between two snapshots: `hourly`, `daily`, `weekly`, or a number with `m`, `h` or `d`; at least 5 minutes and
/// at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Seconds);

/// A text that is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an interval: wanted `hourly`, `daily`, `weekly`, or from `5m` to `366d` with `m`, `h` or `d`")]
pub struct IntervalError(pub String);

impl Advice for IntervalError {
    fn code(&self) -> &'static str {
        "HP-REQ-022"
    }

    fn help(&self) -> Option<String> {
        Some("for example `--every daily` or `--every 6h`".to_owned())
    }
}

impl Interval {
    /// The interval of this length, if it is one that is taken.
    pub fn new(seconds: Seconds) -> Option<Self> {
        (300..=366 * 86_400).contains(&seconds.get()).then_some(Self(seconds))
    }

    /// Its length.
    pub const fn seconds(self) -> Seconds {
        self.0
    }
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let refused = || IntervalError(homeport_core::text::clip(text, 60));
        let seconds = match text {
            "hourly" => 3_600,
            "daily" => 86_400,
            "weekly" => 7 * 86_400,
            _ => {
                let unit = match text.as_bytes().last() {
                    Some(b'm') => 60,
                    Some(b'h') => 3_600,
                    Some(b'd') => 86_400,
                    _ => return Err(refused()),
                };
                let digits = &text[..text.len() - 1];
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let number: u32 = digits.parse().ok().filter(|_| plain).ok_or_else(refused)?;
                number.checked_mul(unit).ok_or_else(refused)?
            }
        };
        Self::new(Seconds::new(seconds)).ok_or_else(refused)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            3_600 => f.write_str("hourly"),
            86_400 => f.write_str("daily"),
            604_800 => f.write_str("weekly"),
            seconds if seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400),
            seconds if seconds.is_multiple_of(3_600) => write!(f, "{}h", seconds / 3_600),
            seconds => write!(f, "{}m", seconds / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_word_or_a_number_with_a_unit() {
        for (text, seconds, shown) in [
            ("hourly", 3_600, "hourly"),
            ("1h", 3_600, "hourly"),
            ("24h", 86_400, "daily"),
            ("weekly", 604_800, "weekly"),
            ("5m", 300, "5m"),
            ("36h", 129_600, "36h"),
            ("366d", 31_622_400, "366d"),
        ] {
            let interval: Interval = text.parse().unwrap();
            assert_eq!((interval.seconds().get(), interval.to_string().as_str()), (seconds, shown), "{text}");
        }
        for bad in ["", "4m", "367d", "d", "1", "1s", "+1d", "1.5h", "99999999999d", "monthly", "ü"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tree_in_the_trash_is_named_by_the_beginning_of_its_id() {
        let tx: TxId = "5f0c1122-3344-4566-8788-99aabbccddee".parse().unwrap();
        assert!("5f0c11".parse::<TrashRef>().unwrap().names(tx));
        assert!(!"5f0c12".parse::<TrashRef>().unwrap().names(tx));
        for bad in ["", "5f0c1", "../../..", "5F0C11", "5f0c1122-3344-4566-8788-99aabbccddee0"] {
            assert!(bad.parse::<TrashRef>().is_err(), "{bad}");
        }
    }
}
