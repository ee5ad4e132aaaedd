//! Owns the names inside a volume's directory. Never opens any of them.
//!
//! ```text
//! VOL/                     root:root 0700; may be a mount point; never seen by a container
//!   .homeport/             root:root 0700
//!     marker.json          which volume this is (see `marker`)
//!     lock                 locked by the process that operates on the volume (see `lock`)
//!     probe                exists for an instant: can this be written to?
//!     room                 set aside while an operation goes on that may have to be taken back (see `room`)
//!     journal staging/ trash/    an exchange of trees, those not live yet, those not live any more
//!   data/                  owner and mode from the manifest; the directory that a container sees
//! ```

/// HomePort's own directory in a volume. [spec: VOL-29]
pub(crate) const HOME: &str = ".homeport";
/// The only directory that a container sees. [spec: VOL-28]
pub(crate) const DATA: &str = "data";
/// The marker, below [`HOME`]. [spec: VOL-8]
pub(crate) const MARKER: &str = "marker.json";
/// What the marker is written to before it is renamed, below [`HOME`]. [spec: VOL-10]
pub(crate) const MARKER_NEW: &str = "marker.json.new";
/// The lock, below [`HOME`]. [spec: VOL-14]
pub(crate) const LOCK: &str = "lock";
/// The file that shows that the volume can be written to, below [`HOME`]. [spec: VOL-16]
pub(crate) const PROBE: &str = "probe";
/// What only holds room, below [`HOME`].
pub(crate) const ROOM: &str = "room";
/// What was taken out of a volume, one directory for each transaction, below [`HOME`].
pub(crate) const TRASH: &str = "trash";
/// The trash of whole volumes, below the data root.
pub(crate) const ROOT_TRASH: &str = ".trash";
/// A whole volume in the trash of the data root, below its transaction.
pub(crate) const WHOLE: &str = "volume";
/// A tree in the trash of which some may be deleted already, below its transaction.
pub(crate) const EMPTYING: &str = "emptying";
/// What says what a tree in the trash is, beside the tree.
pub(crate) const NOTE: &str = "note.json";
/// What a note is written to before it is renamed.
pub(crate) const NOTE_NEW: &str = "note.json.new";
/// The record of an exchange of trees, below [`HOME`]. [spec: VOL-46]
pub(crate) const JOURNAL: &str = "journal";
/// The version of the journal's form.
pub(crate) const JOURNAL_VERSION: u32 = 1;
/// Trees that are not live yet, one directory for each transaction, below [`HOME`]. [spec: VOL-47]
pub(crate) const STAGING: &str = "staging";
/// What says that a staged tree is whole, beside the tree.
pub(crate) const STAGED: &str = "staged.json";
/// The version of the form of [`STAGED`].
pub(crate) const STAGED_VERSION: u32 = 1;
/// The note that the tree from before gets in the trash, beside a staged tree.
pub(crate) const OLD_NOTE: &str = "old.json";
/// The note that a staged tree gets if it goes to the trash itself, beside the tree.
pub(crate) const NEW_NOTE: &str = "new.json";
/// Names below [`HOME`] that a volume may have before its marker is written: all of them hold nothing.
pub(crate) const HOME_BEFORE_MARKER: [&str; 4] = [MARKER_NEW, LOCK, PROBE, ROOM];
/// What `mkfs` leaves on an empty ext file system; it is no data.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";
/// The extended attribute of `data/` that says whose data it is, as `UUID:FORMAT`. [spec: VOL-7]
pub(crate) const STAMP: &str = "trusted.homeport.id";
