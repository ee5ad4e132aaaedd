//! Owns what can be wrong with a marker, each kind for itself. Never reads one.

use super::value::MarkerVersion;

/// One thing that is wrong with a marker. All of them mean: nothing here says whose data this is. [spec: VOL-12]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerFault {
    /// There are no bytes.
    #[error("the marker is empty")]
    Empty,
    /// There are more bytes than any marker has.
    #[error("the marker is longer than {limit} bytes")]
    TooLong {
        /// The most that is read.
        limit: usize,
    },
    /// It is a directory, a link, a socket or something else.
    #[error("the marker is not a regular file")]
    NotAFile,
    /// The bytes end before the document does.
    #[error("the marker is cut off after {bytes} bytes")]
    Truncated {
        /// How many there are.
        bytes: usize,
    },
    /// The bytes are no document.
    #[error("the marker is not a JSON object (line {line}, column {column})")]
    NotJson {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1; 0 where the whole document is of another type.
        column: usize,
    },
    /// A newer HomePort wrote it.
    #[error("the marker has version {found}, this HomePort reads up to {}", MarkerVersion::CURRENT)]
    Newer {
        /// Its version.
        found: MarkerVersion,
    },
    /// It says its own checksum, and the bytes have another one.
    #[error("the marker's checksum is wrong: it says `{found}`, its bytes have `{wanted}`")]
    Checksum {
        /// What it says.
        found: String,
        /// What its bytes have.
        wanted: String,
    },
    /// A field that no marker has.
    #[error("the marker has an unknown field `{name}`")]
    Unknown {
        /// The field.
        name: String,
    },
    /// A field that every marker has.
    #[error("the marker lacks the field `{name}`")]
    Missing {
        /// The field.
        name: &'static str,
    },
    /// A field with a value that it cannot have.
    #[error("the marker's field `{name}` is {found}: wanted {wanted}")]
    Invalid {
        /// The field.
        name: &'static str,
        /// Its value, as JSON.
        found: String,
        /// What it can have.
        wanted: &'static str,
    },
    /// Everything can be read, but the bytes are not those that HomePort writes for it: a doubled field, for example.
    #[error("the marker is not in the form that HomePort writes")]
    Form,
}
