//! Owns the name of an object: the SHA-256 of its bytes.
//! Never reads or writes one.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The most bytes that an object may have. [spec: STO-5]
pub const OBJECT_MAX: usize = 1 << 20;

/// The name of an object: the SHA-256 of its bytes, written as 64 lowercase hexadecimal digits. [spec: STO-5]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId([u8; 32]);

/// A text that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` does not name an object: wanted 64 lowercase hexadecimal digits")]
pub struct ObjectIdError {
    /// The text, escaped, at most its first 80 characters.
    pub found: String,
}

impl ObjectId {
    /// The name with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name of the object with this content.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name that 64 lowercase hexadecimal digits spell.
    pub(crate) fn read(digits: &[u8]) -> Option<Self> {
        let nibble = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || text.chars().take(80).flat_map(char::escape_default).collect();
        Self::read(text.as_bytes()).ok_or_else(|| ObjectIdError { found: found() })
    }
}

impl TryFrom<String> for ObjectId {
    type Error = ObjectIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectId;

    #[test]
    fn an_object_is_named_by_its_sha256() {
        let name = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ObjectId::of(b"").to_string(), name);
        assert_eq!(name.parse(), Ok(ObjectId::of(b"")));
        for bad in ["", &name[1..], &name.to_uppercase(), &format!("{name}0"), &name.replace('e', "g")] {
            assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
        }
    }
}
