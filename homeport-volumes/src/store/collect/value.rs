//! Owns what a collection is asked for, what it plans, and what it did, as values. Never reads or decides.

use std::collections::BTreeSet;

use crate::store::identity::{PackId, SnapshotUuid};

/// What is to be taken out. The caller has decided that nothing of it is protected. [spec: STO-27]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// Snapshots that exist; their entries and objects need not be readable.
    pub snapshots: BTreeSet<SnapshotUuid>,
    /// Files below `snapshots/` that are no snapshots, by name: while one stands there, nothing is collected.
    pub damaged: BTreeSet<String>,
}

/// What a collection does. Sizes are those of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionPlan {
    /// Files below `snapshots/` that are set aside.
    pub snapshots: Vec<String>,
    /// Files below `entries/` that are set aside: no snapshot that stays names them.
    pub entries: Vec<String>,
    /// Packs that are set aside: no snapshot that stays needs an object of theirs.
    pub packs: Vec<PackId>,
    /// Indexes without a pack.
    pub indexes: Vec<String>,
    /// Packs of which little is needed, or that are small: that is written anew, and then they are set aside.
    pub rewritten: Vec<PackId>,
    /// Directories below `removed/` whose seven days are over. [spec: STO-29]
    pub expired: Vec<String>,
    /// Bytes of all that is set aside.
    pub set_aside: u64,
    /// Bytes that are written anew.
    pub written: u64,
    /// Bytes in the expired directories.
    pub freed: u64,
}

/// What a collection did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// What it planned.
    pub plan: CollectionPlan,
    /// Bytes that were set aside.
    pub set_aside: u64,
    /// Bytes that were unlinked.
    pub freed: u64,
    /// Packs that were not unlinked but brought back, because what snapshots need of them is nowhere else whole.
    pub brought_back: Vec<PackId>,
    /// What was taken out seven days ago and stays where it is, because the disk does not give it back: its path in the
    /// store, and why.
    pub unread: Vec<(String, String)>,
    /// Packs that were to be written anew and stay as they are: something that is needed of them cannot be read.
    pub unreadable: Vec<PackId>,
    /// Whether what was to be written anew was.
    pub rewriting: Rewriting,
}

/// What became of the packs that were to be written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rewriting {
    /// They were, or there were none.
    #[default]
    Done,
    /// There is too little room; they stay as they are.
    NoRoom,
}
