//! Owns small records of the host's beside a volume's data: one JSON object with its own checksum, replaced as a whole
//! so that a crash leaves the old one or the new one. Never knows what a record means.

use std::os::fd::{AsFd, BorrowedFd};

use homeport_core::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::file::{self, Small};
use crate::sealed::{UNSEALED, digest_of};

/// The most bytes of a record: a longer one is neither written nor read.
const MAX_BYTES: usize = 64 * 1024;

/// A kind of record. Its type refuses unknown fields, and holds `version` as its first field.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The newest version of its form that this build knows, and the one that it writes.
    const VERSION: u32;
}

/// What is wrong with a record's file. Nothing in it may be relied on then. [spec: VOL-45]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// It is a directory, a link, a socket or something else.
    #[error("it is not a regular file")]
    NotAFile,
    /// A newer HomePort wrote it.
    #[error("it has version {found}, this HomePort reads up to {wanted}")]
    Newer {
        /// Its version.
        found: u64,
        /// The newest known one.
        wanted: u32,
    },
    /// Its bytes are not those that its checksum was made of.
    #[error("its checksum is wrong, or it is not in the form that HomePort writes")]
    Checksum,
    /// It is cut off, not JSON, or has a field that is missing, unknown, doubled or of another type.
    #[error("it cannot be understood: {reason}")]
    Form {
        /// What the reader said.
        reason: String,
    },
}

/// What is found where a record may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// Nothing.
    Absent,
    /// Something that is no such record.
    Invalid(RecordFault),
    /// A record.
    Valid(T),
}

/// The record as it is written: its fields and behind them its checksum.
#[derive(Serialize)]
struct Sealed<'a, T> {
    #[serde(flatten)]
    body: &'a T,
    sha256: Digest,
}

/// The bytes of a record: an indented JSON object, sealed like a marker. [spec: VOL-9]
pub(crate) fn render<T: Record>(body: &T) -> Vec<u8> {
    let unsealed = render_with(body, UNSEALED);
    render_with(body, digest_of(&unsealed, &UNSEALED))
}

fn render_with<T: Record>(body: &T, sha256: Digest) -> Vec<u8> {
    // Writing plain values into memory cannot fail; if it ever did, what is left does not parse.
    let mut bytes = serde_json::to_vec_pretty(&Sealed { body, sha256 }).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads a record strictly: its version known, and its bytes exactly those that [`render`] gives, with the checksum.
pub(crate) fn parse<T: Record>(bytes: &[u8]) -> Result<T, RecordFault> {
    let form = |error: serde_json::Error| RecordFault::Form { reason: error.to_string() };
    let mut value: Value = serde_json::from_slice(bytes).map_err(form)?;
    let Some(object) = value.as_object_mut() else {
        return Err(RecordFault::Form { reason: "it is not a JSON object".to_owned() });
    };
    if let Some(found) = object.get("version").and_then(Value::as_u64).filter(|found| *found > T::VERSION.into()) {
        return Err(RecordFault::Newer { found, wanted: T::VERSION });
    }
    object.remove("sha256");
    let body: T = serde_json::from_value(value).map_err(form)?;
    if render(&body) == bytes { Ok(body) } else { Err(RecordFault::Checksum) }
}

/// Reads the record `name` in the open directory `parent`, never through a link.
pub(crate) fn read<T: Record>(parent: BorrowedFd<'_>, name: &str) -> Result<Found<T>, std::io::Error> {
    Ok(match file::read_small(parent, name, MAX_BYTES)? {
        Small::Absent => Found::Absent,
        Small::NotAFile => Found::Invalid(RecordFault::NotAFile),
        Small::Bytes(bytes) => parse(&bytes).map_or_else(Found::Invalid, Found::Valid),
    })
}

/// Replaces the record `name` in `parent`: when this returns, the new one is on the disk; at any crash before, the old
/// one or the new one is. A failed sync is final, and the caller must not try again in the hope that it mends it.
///
/// # Errors
/// Also a record that is longer than what is read again; nothing was changed then.
pub(crate) fn write<T: Record>(parent: impl AsFd, name: &str, body: &T) -> Result<(), std::io::Error> {
    let bytes = render(body);
    if bytes.len() > MAX_BYTES {
        let what = format!("`{name}` would have {} bytes: wanted at most {MAX_BYTES}", bytes.len());
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    file::replace(parent, &format!("{name}.new"), name, &bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        version: u32,
        word: String,
        number: Option<u64>,
    }

    impl Record for Sample {
        const VERSION: u32 = 1;
    }

    fn sample() -> Sample {
        Sample { version: 1, word: "sha256".to_owned(), number: Some(7) }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let bytes = render(&sample());
        assert_eq!(parse::<Sample>(&bytes), Ok(sample()));
        for at in 0..bytes.len() {
            assert!(parse::<Sample>(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                assert!(parse::<Sample>(&bent).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn what_a_record_cannot_be_is_told_apart() {
        let newer = String::from_utf8(render(&sample())).unwrap().replace("\"version\": 1", "\"version\": 2");
        assert_eq!(parse::<Sample>(newer.as_bytes()), Err(RecordFault::Newer { found: 2, wanted: 1 }));
        let unknown = String::from_utf8(render(&sample())).unwrap().replace("\"number\"", "\"nombre\"");
        assert!(matches!(parse::<Sample>(unknown.as_bytes()), Err(RecordFault::Form { .. })));
        let edited = String::from_utf8(render(&sample())).unwrap().replace(": 7", ": 8");
        assert_eq!(parse::<Sample>(edited.as_bytes()), Err(RecordFault::Checksum));
        assert!(matches!(parse::<Sample>(b"[]"), Err(RecordFault::Form { .. })));
    }

    /// What could not be read again is not written, and what is there stays.
    #[test]
    fn a_record_is_as_long_as_can_be_read_or_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let parent = File::open(dir.path()).unwrap();
        let of = |length| Sample { version: 1, word: "x".repeat(length), number: None };
        let rest = render(&of(0)).len();
        write(parent.as_fd(), "note", &of(MAX_BYTES - rest)).unwrap();
        assert_eq!(read::<Sample>(parent.as_fd(), "note").unwrap(), Found::Valid(of(MAX_BYTES - rest)));
        let error = write(parent.as_fd(), "note", &of(MAX_BYTES - rest + 1)).unwrap_err();
        assert_eq!(error.to_string(), "`note` would have 65537 bytes: wanted at most 65536");
        assert_eq!(read::<Sample>(parent.as_fd(), "note").unwrap(), Found::Valid(of(MAX_BYTES - rest)));
    }

    #[test]
    fn a_record_is_replaced_whatever_an_earlier_crash_left() {
        let dir = tempfile::tempdir().unwrap();
        let parent = File::open(dir.path()).unwrap();
        assert_eq!(read::<Sample>(parent.as_fd(), "note").unwrap(), Found::Absent);
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("note.new")).unwrap();
        write(parent.as_fd(), "note", &sample()).unwrap();
        assert_eq!(read::<Sample>(parent.as_fd(), "note").unwrap(), Found::Valid(sample()));
        std::os::unix::fs::symlink("note", dir.path().join("link")).unwrap();
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        for name in ["link", "dir"] {
            assert_eq!(read::<Sample>(parent.as_fd(), name).unwrap(), Found::Invalid(RecordFault::NotAFile), "{name}");
        }
    }
}
