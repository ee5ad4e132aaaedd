//! Owns what can be wrong with a snapshot's file. Never reads one.

/// Why a file below `snapshots/` is no snapshot. [spec: STO-21]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// It is a directory, a link, a device or something else.
    #[error("it is not a regular file")]
    NotAFile,
    /// The name of the file is not that of a snapshot.
    #[error("its name is not `<sequence>-<uuid>.snapshot`")]
    Name,
    /// There are more bytes than any snapshot has.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The most that is read.
        limit: usize,
    },
    /// A newer HomePort wrote it.
    #[error("it has version {found}, this HomePort reads version 1")]
    Newer {
        /// The version, as it stands there.
        found: String,
    },
    /// It has no `sha256` line at its end.
    #[error("its last line, `sha256`, is missing: the file is cut off")]
    Truncated,
    /// It says its own checksum, and the bytes have another one.
    #[error("its checksum is wrong: it says `{found}`, its bytes have `{wanted}`")]
    Checksum {
        /// What it says.
        found: String,
        /// What its bytes have.
        wanted: String,
    },
    /// A line is not the one that stands there, or has a value that it cannot have.
    #[error("line {line} is `{found}`: wanted {wanted}")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// The line, at most its first 200 bytes.
        found: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// The lines are right one by one and cannot be together.
    #[error("it contradicts itself: {what}")]
    Contradiction {
        /// How, in words.
        what: String,
    },
    /// Another snapshot has the same number or identity.
    #[error("`{other}` has the same {what}")]
    Double {
        /// The other file.
        other: String,
        /// `sequence` or `uuid`.
        what: &'static str,
    },
}
