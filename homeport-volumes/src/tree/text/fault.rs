//! Owns what can be wrong with a text of entries, or with reading and writing one.
//! Never decides what becomes of a snapshot with such entries.

use homeport_core::fault::Advice;

use crate::tree::path::{PathFault, TreePath};

/// A text of entries that was not read or written to its end. Nothing of it may be used. [spec: STO-19]
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// A line breaks the format.
    #[error("line {number} of the entries is wrong")]
    Line {
        /// The line, the first is 1.
        number: u64,
        /// What is wrong with it.
        #[source]
        fault: LineFault,
    },
    /// The source failed.
    #[error("cannot read the entries")]
    Read(#[source] std::io::Error),
    /// The sink failed.
    #[error("cannot write the entries")]
    Write(#[source] std::io::Error),
    /// An error came before, and was passed over.
    #[error("the entries were not read or written to their end")]
    Stopped,
}

/// What is wrong with one line. [spec: STO-19]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The first line.
    #[error("the text begins with `{found}`, wanted `homeport-entries 1`")]
    Header {
        /// Its beginning, escaped.
        found: String,
    },
    /// The first field.
    #[error("`{found}` is no kind of line")]
    Unknown {
        /// Its beginning, escaped.
        found: String,
    },
    /// A field is not written as it has to be.
    #[error("`{found}` is no {field}: wanted {wanted}")]
    Field {
        /// Which one.
        field: &'static str,
        /// Its beginning, escaped.
        found: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// A field is not there.
    #[error("the line has no {field}")]
    Missing {
        /// Which one.
        field: &'static str,
    },
    /// There are more fields than the line has.
    #[error("the line has more fields than it may: `{found}`")]
    Surplus {
        /// What is too much, its beginning, escaped.
        found: String,
    },
    /// A name is none.
    #[error("the path is wrong")]
    Path(#[source] PathFault),
    /// The entry before is the same.
    #[error("`{0}` is there twice")]
    Twice(TreePath),
    /// The entry before belongs after this one.
    #[error("`{path}` stands after `{after}`, wanted the order of names")]
    Order {
        /// This entry.
        path: TreePath,
        /// The one before it.
        after: TreePath,
    },
    /// No directory is there for the entry to be in.
    #[error("`{path}` is in `{directory}`, which is not a directory before it")]
    Orphan {
        /// The entry.
        path: TreePath,
        /// Where it would be.
        directory: TreePath,
    },
    /// The top of the volume is not a directory.
    #[error("`.` is not a directory")]
    Root,
    /// A hard link to nothing.
    #[error("`{path}` is another name of `{first}`, which is not an entry before it that can have one")]
    First {
        /// The other name.
        path: TreePath,
        /// What it should be a name of.
        first: TreePath,
    },
    /// A piece without a file in pieces before it.
    #[error("a piece stands where no file in pieces is before it")]
    Stray,
    /// A file in pieces without one.
    #[error("`{path}` is said to be in pieces and has none")]
    NoPieces {
        /// The file.
        path: TreePath,
    },
    /// A piece lies before the end of the one before it.
    #[error("the piece at {offset} begins before {wanted}, where the one before it ends")]
    Overlap {
        /// Where it begins.
        offset: u64,
        /// Where it may begin.
        wanted: u64,
    },
    /// A piece reaches beyond the file.
    #[error("the piece at {offset} of {length} bytes ends after the file's {size}")]
    Beyond {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        length: u32,
        /// How long the file is.
        size: u64,
    },
    /// A total is not what the lines add up to.
    #[error("the end says {found} {what}, wanted {wanted}")]
    Total {
        /// Of what.
        what: &'static str,
        /// What the line says.
        found: u64,
        /// What was counted.
        wanted: u64,
    },
    /// The text stops before its last line.
    #[error("the text stops before its end")]
    Truncated,
    /// The text goes on after its last line.
    #[error("the text goes on after its end")]
    Trailing,
    /// An entry does not fit into a line.
    #[error("`{path}` with its attributes takes {length} bytes in a line of at most {limit}")]
    Large {
        /// The end of its path.
        path: String,
        /// What it takes.
        length: usize,
        /// The most that a line may have.
        limit: usize,
    },
    /// The line is longer than a line may be.
    #[error("the line has more than {limit} bytes")]
    Long {
        /// The most that it may have.
        limit: usize,
    },
}

impl LineFault {
    /// The stable code. [spec: STO-19]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Header { .. } => "HP-STO-101",
            Self::Unknown { .. } => "HP-STO-102",
            Self::Field { .. } | Self::Missing { .. } | Self::Surplus { .. } => "HP-STO-103",
            Self::Path(_) => "HP-STO-104",
            Self::Twice(_) | Self::Order { .. } => "HP-STO-105",
            Self::Orphan { .. } | Self::Root => "HP-STO-106",
            Self::First { .. } => "HP-STO-107",
            Self::Stray | Self::NoPieces { .. } | Self::Overlap { .. } | Self::Beyond { .. } => "HP-STO-108",
            Self::Total { .. } => "HP-STO-109",
            Self::Truncated => "HP-STO-110",
            Self::Trailing => "HP-STO-111",
            Self::Large { .. } | Self::Long { .. } => "HP-STO-112",
        }
    }
}

impl Advice for EntriesError {
    fn code(&self) -> &'static str {
        match self {
            Self::Line { fault, .. } => fault.code(),
            Self::Read(_) => "HP-STO-113",
            Self::Write(_) => "HP-STO-114",
            Self::Stopped => "HP-STO-115",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Line { fault: LineFault::Header { .. }, .. } => {
                "the snapshot may be made by a newer version: update HomePort, or restore another snapshot"
            }
            Self::Line { fault: LineFault::Large { .. }, .. } => "shorten its path, or take attributes off it",
            Self::Line { .. } => "the snapshot cannot be restored as a whole: check the disk, and use another snapshot",
            Self::Write(source) if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room on the file system of the store and repeat the command"
            }
            Self::Read(_) | Self::Write(_) => {
                "see the kernel's log (`dmesg`) for a failing disk, and repeat the command"
            }
            Self::Stopped => "report this: an error before it was passed over",
        };
        Some(help.to_owned())
    }
}
