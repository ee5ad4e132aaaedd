//! Owns what a person can ask about snapshots, as values. Never looks anything up.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use homeport_core::fault::Advice;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_volumes::store::{Sequence, SnapshotUuid};
use homeport_volumes::tree::TreePath;

use crate::approval::Token;
use crate::operation::Execution;

/// The fewest digits by which a snapshot can be named.
const SHORTEST: usize = 6;

/// Which snapshot is meant: `latest`, its number, or the beginning of its uuid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotRef {
    /// The newest one of the instance that was not made before a restore.
    Latest,
    /// The one with this number.
    Number(Sequence),
    /// The one whose uuid begins with this: 6 digits or more, lowercase, with the hyphens where they stand.
    Beginning(String),
}

/// A text that names no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no snapshot: wanted `latest`, a number, or the first {SHORTEST} or more digits of its uuid")]
pub struct SnapshotRefError(pub String);

impl Advice for SnapshotRefError {
    fn code(&self) -> &'static str {
        "HP-REQ-020"
    }

    fn help(&self) -> Option<String> {
        Some("`homeport snapshot list` shows number and uuid of each".to_owned())
    }
}

impl SnapshotRef {
    /// Whether this is the snapshot that is meant, `Latest` aside.
    pub fn names(&self, uuid: SnapshotUuid, sequence: Sequence) -> bool {
        match self {
            Self::Latest => false,
            Self::Number(number) => *number == sequence,
            Self::Beginning(text) => uuid.to_string().starts_with(text),
        }
    }
}

impl FromStr for SnapshotRef {
    type Err = SnapshotRefError;

    fn from_str(text: &str) -> Result<Self, SnapshotRefError> {
        let refused = || SnapshotRefError(homeport_core::text::clip(text, 60));
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().and_then(Sequence::new).map(Self::Number).ok_or_else(refused);
        }
        let hyphens = [8, 13, 18, 23];
        let fits = |(place, byte): (usize, u8)| {
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if hyphens.contains(&place) { byte == b'-' } else { is_digit }
        };
        let good = (SHORTEST..=36).contains(&text.len()) && text.bytes().enumerate().all(fits);
        if good { Ok(Self::Beginning(text.to_owned())) } else { Err(refused()) }
    }
}

impl fmt::Display for SnapshotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Number(number) => write!(f, "{number:#}"),
            Self::Beginning(text) => f.write_str(text),
        }
    }
}

/// One snapshot of an instance, which may be removed by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChoice {
    /// The instance.
    pub instance: InstanceName,
    /// Which of its snapshots.
    pub snapshot: SnapshotRef,
}

/// Asks for a snapshot of an instance as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// The instance.
    pub instance: InstanceName,
    /// What the operator wants to remember of it; one line.
    pub note: Option<String>,
}

/// How much is looked at in a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Heads and entries, and that every object is there.
    Quick,
    /// The same, and every byte of every object that they need.
    Full,
}

/// Asks whether snapshots are whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The instance; `None` is all of them, those that were removed too.
    pub instance: Option<InstanceName>,
    /// Which of its snapshots; `None` is all of them.
    pub snapshot: Option<SnapshotRef>,
    /// How much is looked at.
    pub depth: Depth,
}

/// Asks what differs between a snapshot and another one, or the present data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRequest {
    /// The instance.
    pub instance: InstanceName,
    /// The older side.
    pub from: SnapshotRef,
    /// The newer side; `None` is the newest snapshot's successor: the data as it is now.
    pub to: Option<SnapshotRef>,
    /// The most changes that are listed; all are counted.
    pub limit: usize,
}

/// Asks to remove snapshots of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneRequest {
    /// The instance.
    pub instance: InstanceName,
    /// What goes.
    pub what: PruneWish,
    /// The consent, which a policy that was set by `schedule set` has given already.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneWish {
    /// What the policy of the instance's schedule does not keep. Needs no approval: setting it was one.
    BySchedule,
    /// What this policy does not keep.
    ByPolicy(homeport_volumes::snapshot::Policy),
    /// These.
    Named(Vec<SnapshotRef>),
}

/// Asks to give up what a snapshot was and is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUpRequest {
    /// The name of a file below `snapshots/` of the store that is damaged or gone, as the list has it.
    pub file: String,
    /// The consent.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks to begin a new store where the one that is known is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginStoreRequest {
    /// The consent.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks to write a snapshot into one tar file of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// Which one.
    pub which: SnapshotChoice,
    /// The file; it must not exist.
    pub to: PathBuf,
}

/// Asks what a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesRequest {
    /// Which snapshot.
    pub which: SnapshotChoice,
    /// The volume; all of the snapshot's where it is left out.
    pub volume: Option<VolumeName>,
    /// What is listed, with all that is below it, relative to the volume's data.
    pub path: TreePath,
}

/// Asks to take one file or directory out of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeOutRequest {
    /// Which snapshot.
    pub which: SnapshotChoice,
    /// The volume in it.
    pub volume: VolumeName,
    /// What is taken, relative to the volume's data.
    pub path: TreePath,
    /// Where it is put; it must not exist, and its parent must.
    pub to: PathBuf,
    /// Whether device nodes in it are made.
    pub devices: DeviceNodes,
}

/// Whether device nodes of a snapshot are made again. [spec: STO-33]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceNodes {
    /// A snapshot that holds any is refused, with their names.
    Refuse,
    /// They are made.
    Make,
}

/// Asks to put volumes back to what they were in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Which snapshot; its volumes may be kept ones of an instance that was removed.
    pub which: SnapshotChoice,
    /// The volumes; none is all that the snapshot has.
    pub volumes: BTreeSet<VolumeName>,
    /// What becomes of device nodes.
    pub devices: DeviceNodes,
    /// The consent, where one is needed.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_named_by_latest_its_number_or_its_uuid() {
        let uuid: SnapshotUuid = "5f0c1122-3344-4566-8788-99aabbccddee".parse().unwrap();
        let twelve = Sequence::new(12).unwrap();
        for good in ["12", "00000012", "5f0c11", "5f0c1122-33", "5f0c1122-3344-4566-8788-99aabbccddee"] {
            let found: SnapshotRef = good.parse().unwrap();
            assert!(found.names(uuid, twelve), "{good}: {found:?}");
        }
        for other in ["13", "latest", "5f0c12", "5f0c1122-34"] {
            assert!(!other.parse::<SnapshotRef>().unwrap().names(uuid, twelve), "{other}");
        }
        for bad in [
            "",
            "0",
            "5f0c",
            "5F0C11",
            "5f0c11223",
            "newest",
            "123456789",
            "-1",
            "5f0c1122-3344-4566-8788-99aabbccddee0",
        ] {
            assert!(bad.parse::<SnapshotRef>().is_err(), "{bad}");
        }
    }
}
