//! Owns `store.json` as a value and as bytes: the one form in which it is written, and reading it back strictly.
//! Never touches a file.

use serde_json::{Map, Value};

use homeport_core::digest::Digest;

use super::identity::StoreUuid;
use crate::identity::UnixSeconds;
use crate::sealed::{UNSEALED, digest_of};

/// The version of the store's form that this build writes, and the newest that it reads.
pub(crate) const VERSION: u64 = 1;
/// The most bytes that are read; the longest document that can be written is much shorter.
pub(crate) const MAX_BYTES: usize = 4096;

const FIELDS: [&str; 5] = ["version", "uuid", "created", "compression", "sha256"];

/// What new objects and entries get. Readers understand both in one store. [spec: STO-1]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zstd, where it makes an object smaller by at least 3 of 100 bytes.
    Zstd,
    /// Nothing: the bytes as they are.
    None,
}

/// Which store this is. [spec: STO-1]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// The store's identity.
    pub uuid: StoreUuid,
    /// When it was made.
    pub created: UnixSeconds,
    /// What new objects get.
    pub compression: Compression,
}

/// What is wrong with `store.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is a directory, a link, a device or something else.
    #[error("`store.json` is not a regular file")]
    NotAFile,
    /// The bytes are no document, or end too early.
    #[error("`store.json` is not a JSON object of at most {MAX_BYTES} bytes")]
    NotJson,
    /// A newer HomePort wrote it.
    #[error("the store has version {found}, this HomePort reads up to {VERSION}")]
    Newer {
        /// Its version.
        found: u64,
    },
    /// A field is missing or has a value that it cannot have.
    #[error("the field `{name}` of `store.json` is {found}: wanted {wanted}")]
    Invalid {
        /// The field.
        name: &'static str,
        /// Its value as JSON, or `missing`.
        found: String,
        /// What it can have.
        wanted: &'static str,
    },
    /// A field that no store has.
    #[error("`store.json` has an unknown field `{name}`")]
    Unknown {
        /// The field.
        name: String,
    },
    /// It says its own checksum, and the bytes have another one.
    #[error("the checksum of `store.json` is wrong: it says `{found}`, its bytes have `{wanted}`")]
    Checksum {
        /// What it says.
        found: String,
        /// What its bytes have.
        wanted: String,
    },
    /// Everything can be read, but the bytes are not those that HomePort writes for it.
    #[error("`store.json` is not in the form that HomePort writes")]
    Form,
}

impl Compression {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Zstd, Self::None].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Document {
    /// The document's bytes: an indented JSON object with the fields in a fixed order and a line end behind it.
    pub(crate) fn render(&self) -> Vec<u8> {
        let draft = self.text(&UNSEALED);
        self.text(&digest_of(draft.as_bytes(), &UNSEALED)).into_bytes()
    }

    fn text(&self, sha256: &Digest) -> String {
        format!(
            "{{\n  \"version\": {VERSION},\n  \"uuid\": \"{}\",\n  \"created\": {},\n  \"compression\": \"{}\",\n  \
             \"sha256\": \"{sha256}\"\n}}\n",
            self.uuid,
            self.created.get(),
            self.compression.as_str(),
        )
    }

    /// Reads a document strictly: every field known, present and valid, the checksum right, and the bytes exactly those
    /// that [`Document::render`] gives.
    ///
    /// # Errors
    /// The first fault; a newer version before anything else, because what else it may hold is not known here.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let object = match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Object(object)) if bytes.len() <= MAX_BYTES => object,
            _ => return Err(DocumentFault::NotJson),
        };
        let version = field(&object, "version", "1 or more", |value| value.as_u64().filter(|version| *version > 0))?;
        if version > VERSION {
            return Err(DocumentFault::Newer { found: version });
        }
        let document = Self {
            uuid: field(&object, "uuid", StoreUuid::WANTED, |value| value.as_str()?.parse().ok())?,
            created: field(&object, "created", "a whole number of seconds", Value::as_u64).map(UnixSeconds::new)?,
            compression: field(&object, "compression", "`zstd` or `none`", |value| {
                Compression::parse(value.as_str()?)
            })?,
        };
        let digits = "`sha256:` and 64 hexadecimal digits";
        let found = field(&object, "sha256", digits, |value| value.as_str()?.parse::<Digest>().ok())?;
        if let Some(name) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(DocumentFault::Unknown { name: name.clone() });
        }
        let wanted = digest_of(bytes, &found);
        if found != wanted {
            return Err(DocumentFault::Checksum { found: found.to_string(), wanted: wanted.to_string() });
        }
        if document.render() == bytes { Ok(document) } else { Err(DocumentFault::Form) }
    }
}

fn field<T>(
    object: &Map<String, Value>,
    name: &'static str,
    wanted: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, DocumentFault> {
    let value = object.get(name);
    let found = || value.map_or_else(|| "missing".to_owned(), Value::to_string);
    value.and_then(read).ok_or_else(|| DocumentFault::Invalid { name, found: found(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: Document = Document {
        uuid: StoreUuid::from_bytes([7; 16]),
        created: UnixSeconds::new(1_795_400_000),
        compression: Compression::Zstd,
    };

    #[test]
    fn a_document_is_read_as_it_was_written() {
        for compression in [Compression::Zstd, Compression::None] {
            let document = Document { compression, ..DOCUMENT };
            assert_eq!(Document::parse(&document.render()), Ok(document));
        }
    }

    #[test]
    fn each_changed_byte_is_noticed() {
        let good = DOCUMENT.render();
        for at in 0..good.len() {
            for flip in [1, 0x20, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                Document::parse(&bad).unwrap_err();
            }
            Document::parse(&good[..at]).unwrap_err();
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = String::from_utf8(DOCUMENT.render()).unwrap();
        let edited = |from: &str, to: &str| Document::parse(text.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(edited("\"version\": 1", "\"version\": 2"), DocumentFault::Newer { found: 2 });
        assert!(matches!(edited("\"version\": 1", "\"version\": 0"), DocumentFault::Invalid { name: "version", .. }));
        assert!(matches!(edited("zstd", "lzma"), DocumentFault::Invalid { name: "compression", .. }));
        assert!(matches!(edited("1795400000", "1795400001"), DocumentFault::Checksum { .. }));
        assert!(matches!(edited("{\n", "{\n  \"mood\": 1,\n"), DocumentFault::Unknown { .. }));
        assert_eq!(Document::parse(b"[]"), Err(DocumentFault::NotJson));
        assert_eq!(Document::parse(b""), Err(DocumentFault::NotJson));
        // The checksum covers the form too, so a document can only be in another one if somebody computes it anew.
        let spaced = text.replace("\n  ", "\n   ");
        let sum = Document::parse(spaced.as_bytes()).unwrap_err();
        let DocumentFault::Checksum { found, wanted } = sum else { panic!("{sum}") };
        assert_eq!(Document::parse(spaced.replace(&found, &wanted).as_bytes()), Err(DocumentFault::Form));
    }
}
