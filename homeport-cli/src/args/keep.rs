//! Owns what can be typed about data that is kept: snapshots, volumes, the trash and schedules. Never acts on anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use homeport_core::name::{InstanceName, VolumeName};
use homeport_host::approval::Token;
use homeport_host::request::{Interval, Policy, PortRef, SnapshotRef, TrashRef};

/// How somebody consents to what takes something away.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Print what would be done, and the token that approves it; do nothing
    #[arg(long, conflicts_with = "approve")]
    pub(crate) dry_run: bool,
    /// Do it: the token that `--dry-run` printed, good for one hour and one time
    #[arg(long, value_name = "TOKEN")]
    pub(crate) approve: Option<Token>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// Take a snapshot of an instance, running or stopped
    Create {
        /// The instance
        name: InstanceName,
        /// Write this beside it, for whoever reads the list
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List snapshots, also of instances that were removed
    List {
        /// The instance; all where it is left out
        name: Option<InstanceName>,
    },
    /// Show one snapshot in full
    Show(Which),
    /// List the files of a snapshot, one a line
    Files {
        /// The instance
        name: InstanceName,
        /// The snapshot: `latest`, a number, or the beginning of its uuid
        snapshot: SnapshotRef,
        /// The volume; all where it is left out
        volume: Option<VolumeName>,
        /// The path in the volume; all of it where it is left out
        #[arg(default_value = ".", hide_default_value = true)]
        path: std::ffi::OsString,
    },
    /// Prove that snapshots are whole, by reading every byte of them
    Verify {
        /// The instance; all where it is left out
        name: Option<InstanceName>,
        /// The snapshot; all of the instance where it is left out
        #[arg(requires = "name")]
        snapshot: Option<SnapshotRef>,
        /// Only look whether everything is there, and read no content
        #[arg(long)]
        quick: bool,
    },
    /// Show what has changed since a snapshot
    Diff {
        /// The instance
        name: InstanceName,
        /// The older side: `latest`, a number, or the beginning of its uuid
        from: SnapshotRef,
        /// The newer side; the data as it is now where it is left out
        to: Option<SnapshotRef>,
        /// List at most LINES changes
        #[arg(long, value_name = "LINES", default_value_t = 50)]
        limit: usize,
    },
    /// Put the volumes of an instance back; what is there now is kept in the trash
    #[command(after_help = RESTORE_NOTES)]
    Restore {
        #[command(flatten)]
        which: Which,
        /// Put only this volume back; again for more
        #[arg(long, value_name = "VOLUME")]
        volume: Vec<VolumeName>,
        /// Make the device nodes that the snapshot holds, too
        #[arg(long)]
        devices: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Take one file or directory out of a snapshot
    Extract {
        /// The instance
        name: InstanceName,
        /// The snapshot: `latest`, a number, or the beginning of its uuid
        snapshot: SnapshotRef,
        /// The volume
        volume: VolumeName,
        /// The path in the volume; `.` for all of it
        path: std::ffi::OsString,
        /// Where to put it; nothing may be there
        to: PathBuf,
        /// Make the device nodes that it holds, too
        #[arg(long)]
        devices: bool,
    },
    /// Remove snapshots that are named, or that a policy does not keep
    #[command(after_help = PRUNE_NOTES)]
    Prune {
        /// The instance
        name: InstanceName,
        /// The snapshots that are to go
        #[arg(conflicts_with = "keep")]
        snapshots: Vec<SnapshotRef>,
        /// Keep what this policy keeps, for example `last=3,daily=7,monthly=12`
        #[arg(long, value_name = "POLICY")]
        keep: Option<Policy>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Give up a damaged file in the place of a snapshot, or a snapshot that is gone
    #[command(after_help = GIVE_UP_NOTES)]
    GiveUp {
        /// The file, as `snapshot list` shows it
        file: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Begin a new store of snapshots where the one that was there is lost for good
    #[command(after_help = BEGIN_STORE_NOTES)]
    BeginStore {
        #[command(flatten)]
        consent: Consent,
    },
    /// Write a snapshot into one tar file
    #[command(after_help = EXPORT_NOTES)]
    Export {
        /// The instance
        name: InstanceName,
        /// The snapshot: `latest`, a number, or the beginning of its uuid
        snapshot: SnapshotRef,
        /// The file; nothing may be there
        file: PathBuf,
    },
    /// Take a snapshot into the store from a file that `export` wrote
    Import {
        /// The file
        file: PathBuf,
    },
    /// Restore a snapshot into a scratch place, compare every byte, and throw it away
    Rehearse(Which),
    /// Confirm that volumes are meant to be as small as snapshots found them
    Acknowledge {
        /// The instance
        name: InstanceName,
        /// The snapshot; every one with an open alarm where it is left out
        #[arg(default_value = "latest", hide_default_value = true)]
        snapshot: SnapshotRef,
        /// Say why, for whoever reads the list
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
}

const RESTORE_NOTES: &str = "\
What is there now is snapshotted first, and then kept in the trash for 30 days: `homeport trash restore ID` takes the
restore back. A running instance is stopped and started again; where it does not get ready with the restored data, what
was there before is back.";

const EXPORT_NOTES: &str = "\
The file holds all that the volumes hold, and the instance's configuration with its secrets.
Only its owner can read it (mode 0600): keep it so where you put it.";

const PRUNE_NOTES: &str = "\
Without snapshots and --keep, what the policy of the instance's schedule does not keep goes. Whatever is asked for, the
newest snapshot that is proven whole stays, and so does what a restore can still be taken back to.";

const GIVE_UP_NOTES: &str = "\
While a damaged file is there, nothing is removed from the store. The file is moved aside in the
store and stays for seven days; what only it needed is set aside by the next prune, and stays for
seven days from then.";

const BEGIN_STORE_NOTES: &str = "\
Every snapshot of the store that was there is given up. Where its disk is only not mounted, mount
it instead. A directory with anything in it is never used, and no volume is touched.";

/// One snapshot of an instance.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The instance
    pub(crate) name: InstanceName,
    /// The snapshot: `latest`, a number, or the beginning of its uuid
    #[arg(default_value = "latest")]
    pub(crate) snapshot: SnapshotRef,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleAction {
    /// Take snapshots of an instance periodically
    #[command(after_help = SCHEDULE_NOTES)]
    Set {
        /// The instance
        name: InstanceName,
        /// Take one `hourly`, `daily`, `weekly`, or each `30m`, `6h`, `2d`
        #[arg(long, value_name = "INTERVAL")]
        every: Interval,
        /// Keep what this policy keeps, for example `last=3,daily=7`; all without it
        #[arg(long, value_name = "POLICY")]
        keep: Option<Policy>,
    },
    /// Take no more periodic snapshots of an instance; those that there are stay
    Unset {
        /// The instance
        name: InstanceName,
    },
    /// List schedules, and what came of the last snapshots and rehearsals
    List,
}

const SCHEDULE_NOTES: &str = "\
The policy is the consent to what it removes. It never removes the newest snapshot that is proven whole, and nothing
while a volume is suspiciously small. The daemon takes the snapshots, and rehearses a restore once a month.";

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeAction {
    /// List volumes, also those of instances that were removed
    List {
        /// The instance; all where it is left out
        name: Option<InstanceName>,
    },
    /// Check volumes as a start would
    Check {
        /// The instance; all where it is left out
        name: Option<InstanceName>,
        /// The volume; all of the instance where it is left out
        #[arg(requires = "name")]
        volume: Option<VolumeName>,
    },
    /// Make a directory with files in it, or a volume that came from elsewhere, a volume of an instance
    #[command(after_help = ADOPT_NOTES)]
    Adopt {
        /// The port: its id, or an image
        port: PortRef,
        /// The instance, which may but need not be there
        name: InstanceName,
        /// The volume
        volume: VolumeName,
        /// The directory
        path: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Let a volume be in another directory
    #[command(after_help = MOVE_NOTES)]
    Move {
        /// The instance, which must not run
        name: InstanceName,
        /// The volume
        volume: VolumeName,
        /// The directory where it is by now, or is to be
        path: PathBuf,
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

const ADOPT_NOTES: &str = "\
No file is changed: what is in the directory moves, as it is, into `data` below it. This is also the way in for a volume
that was restored from an older backup, or that belonged to another HomePort.";

const MOVE_NOTES: &str = "\
Where the volume is at the new place already, HomePort only learns it. On the same file system it is renamed. To another
one, copy it first, with `.homeport` and everything: cp -a OLD NEW; then run this.";

#[derive(Debug, Subcommand)]
pub(crate) enum TrashAction {
    /// List what is in the trash
    List,
    /// Put something back: a purged volume, or what a restore took out
    Restore {
        /// The beginning of its id
        id: TrashRef,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete for good
    Empty {
        /// The beginnings of ids; what was there for its full time without any
        ids: Vec<TrashRef>,
        /// Everything
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args)]
#[command(after_help = PURGE_NOTES)]
pub(crate) struct PurgeArgs {
    /// The instance, which may be removed already
    pub(crate) name: InstanceName,
    /// Of a removed instance, only this volume; again for more
    #[arg(long, value_name = "VOLUME")]
    pub(crate) volume: Vec<VolumeName>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

const PURGE_NOTES: &str = "\
The data goes to the trash and stays there for 30 days: `homeport trash restore ID` brings it back. Snapshots stay.";
