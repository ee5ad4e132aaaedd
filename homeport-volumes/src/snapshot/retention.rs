//! Owns which snapshots of one instance a retention policy keeps, and why. Decides only: a pure function of the snapshots,
//! the policy and what protects them; it asks no clock and removes nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

use time::UtcDateTime;

use crate::store::{Sequence, SnapshotUuid};

/// How many snapshots of each kind an operator wants to keep; a snapshot is kept if any line wants it. [spec: STO-27]
///
/// A period is one of UTC (weeks begin on Monday) in which at least one snapshot was made: `daily: 7` keeps the newest
/// snapshot of each of the seven latest days that have any, however long ago those are. A host that was off for a month
/// does not lose its snapshots for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The newest ones.
    pub last: u32,
    /// The newest one of each hour.
    pub hourly: u32,
    /// The newest one of each day.
    pub daily: u32,
    /// The newest one of each week.
    pub weekly: u32,
    /// The newest one of each month.
    pub monthly: u32,
    /// The newest one of each year.
    pub yearly: u32,
}

/// What the policy has to know about one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which one it is.
    pub uuid: SnapshotUuid,
    /// Its place in the order in which snapshots were made; the clock has no say in that.
    pub sequence: Sequence,
    /// When it was taken, in seconds since 1970-01-01 00:00 UTC.
    pub taken: i64,
    /// Whether it was proven to be whole.
    pub proof: Proof,
    /// What else needs it.
    pub protection: Option<Protection>,
}

/// Whether a snapshot was proven to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Every object was read from the disk and compared with its name, when it was written or since.
    Verified,
    /// It was not, or a verification found faults.
    Unproven,
}

/// Why a snapshot must stay whatever the policy says. [spec: STO-27]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protection {
    /// It was made before a change whose result is in use.
    BeforeWhatIsInUse,
    /// It was made before a change that can still be taken back.
    BeforeWhatCanBeTakenBack,
    /// The operator has pinned it.
    Pinned,
}

/// Whether the instance has an alarm that nobody has confirmed. [spec: STO-26]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// There is one: nothing is removed.
    Open,
    /// There is none.
    None,
}

/// One of the policy's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// An alarm is open, so everything is kept.
    AlarmOpen,
    /// Not one snapshot is proven whole, so nothing can be missed.
    NoneVerified,
    /// It is the newest one that is proven whole.
    NewestVerified,
    /// It is the newest one.
    Newest,
    /// Something else needs it.
    Protected(Protection),
    /// It is among the newest ones.
    Last,
    /// It is the newest one of its period.
    NewestOf(Period),
    /// Its time is none that the calendar knows, so it belongs to no period.
    UnknownTime,
    /// The policy has no line that keeps anything, and is taken for a mistake.
    EmptyPolicy,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for every one of these reasons; there is at least one.
    Keep(Vec<Reason>),
    /// It may be removed.
    Remove,
}

/// What becomes of each snapshot of one instance, newest first.
///
/// Whatever the policy: the newest snapshot, the newest verified one and every protected one are kept; while an alarm is
/// open, or if no snapshot is verified, or if the policy has no line, all are. The same snapshots in another order get the
/// same answer, and the policy applied to what it kept removes nothing more. [spec: STO-26, STO-27]
pub fn decide(snapshots: &[Candidate], policy: &Policy, alarm: AlarmState) -> Vec<(SnapshotUuid, Fate)> {
    let mut newest_first = snapshots.to_vec();
    newest_first.sort_by_key(|snapshot| Reverse((snapshot.sequence, snapshot.uuid)));
    let newest_verified = newest_first.iter().position(|snapshot| snapshot.proof == Proof::Verified);
    let mut lines: Vec<Line> = policy.lines().collect();
    let mut fates = Vec::with_capacity(newest_first.len());
    for (place, snapshot) in newest_first.iter().enumerate() {
        let mut reasons = Vec::new();
        let mut because = |holds: bool, reason: Reason| reasons.extend(holds.then_some(reason));
        because(alarm == AlarmState::Open, Reason::AlarmOpen);
        because(*policy == Policy::default(), Reason::EmptyPolicy);
        because(newest_verified.is_none(), Reason::NoneVerified);
        because(newest_verified == Some(place), Reason::NewestVerified);
        because(place == 0, Reason::Newest);
        if let Some(protection) = snapshot.protection {
            because(true, Reason::Protected(protection));
        }
        because(place < count(policy.last), Reason::Last);
        match UtcDateTime::from_unix_timestamp(snapshot.taken) {
            Ok(taken) => {
                for line in &mut lines {
                    because(line.wants(taken), Reason::NewestOf(line.period));
                }
            }
            Err(_) => because(true, Reason::UnknownTime),
        }
        let fate = if reasons.is_empty() { Fate::Remove } else { Fate::Keep(reasons) };
        fates.push((snapshot.uuid, fate));
    }
    fates
}

/// One line of the policy on its way from the newest snapshot to the oldest.
struct Line {
    period: Period,
    wanted: usize,
    seen: BTreeSet<i64>,
}

impl Line {
    /// Whether a snapshot of this time is the first one of a period that is still wanted.
    ///
    /// After a clock was set, the same period can come up again further back; it is the same one then.
    fn wants(&mut self, taken: UtcDateTime) -> bool {
        self.seen.len() < self.wanted && self.seen.insert(self.period.number(taken))
    }
}

impl Period {
    /// The number of the period that the moment lies in.
    fn number(self, moment: UtcDateTime) -> i64 {
        let seconds = moment.unix_timestamp();
        let days = seconds.div_euclid(86_400);
        match self {
            Self::Hour => seconds.div_euclid(3_600),
            Self::Day => days,
            // The first of January 1970 was a Thursday.
            Self::Week => (days + 3).div_euclid(7),
            Self::Month => i64::from(moment.year()) * 12 + i64::from(u8::from(moment.month())),
            Self::Year => i64::from(moment.year()),
        }
    }
}

impl Policy {
    fn lines(&self) -> impl Iterator<Item = Line> {
        let rows = [
            (Period::Hour, self.hourly),
            (Period::Day, self.daily),
            (Period::Week, self.weekly),
            (Period::Month, self.monthly),
            (Period::Year, self.yearly),
        ];
        rows.into_iter().map(|(period, wanted)| Line { period, wanted: count(wanted), seen: BTreeSet::new() })
    }
}

fn count(wanted: u32) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlarmOpen => "an alarm is open",
            Self::NoneVerified => "no snapshot is verified",
            Self::NewestVerified => "the newest verified one",
            Self::Newest => "the newest one",
            Self::Protected(Protection::BeforeWhatIsInUse) => "made before a change that is in use",
            Self::Protected(Protection::BeforeWhatCanBeTakenBack) => "made before a change that can be taken back",
            Self::Protected(Protection::Pinned) => "pinned",
            Self::Last => "among the last ones",
            Self::NewestOf(period) => return write!(f, "the newest one of its {period}"),
            Self::UnknownTime => "its time is not one of the calendar",
            Self::EmptyPolicy => "the policy keeps nothing, which is taken for a mistake",
        })
    }
}
