//! Owns what the ledger remembers of a single snapshot beside what the store holds: confirmations and verifications.
//! Never decides which snapshot may go.

use homeport_volumes::store::SnapshotUuid;

use super::time::Time;
use super::word::word_enum;

word_enum!(
    /// What is known of a snapshot.
    MarkKind, "mark of a snapshot", "`acknowledged`, `verified`, `damaged`, `rehearsed`",
    {
        /// An operator has confirmed that its alarm is what it should be. [spec: STO-26]
        Acknowledged = "acknowledged",
        /// It was read again, and everything was as it should be.
        Verified = "verified",
        /// It was read again, and something was not.
        Damaged = "damaged",
        /// It was restored into a scratch place and compared.
        Rehearsed = "rehearsed",
    }
);

impl MarkKind {
    /// The kind that cannot be true beside this one.
    pub(super) const fn contrary(self) -> Option<Self> {
        match self {
            Self::Verified => Some(Self::Damaged),
            Self::Damaged => Some(Self::Verified),
            Self::Acknowledged | Self::Rehearsed => None,
        }
    }
}

/// One mark of one snapshot. A newer one of the same kind takes the place of the older; of `verified` and `damaged` there is
/// the one that was found last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotMark {
    /// The snapshot.
    pub snapshot: SnapshotUuid,
    /// What is known of it.
    pub kind: MarkKind,
    /// Since when.
    pub at: Time,
    /// What was looked at and how, for a person; never empty for a verification.
    pub note: String,
}
