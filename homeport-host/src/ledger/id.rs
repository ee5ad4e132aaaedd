//! Owns the ids that the ledger gives: of the root that it belongs to, and of an operation.
//! Never makes one up: randomness comes in as bytes.

use std::fmt;
use std::str::FromStr;

/// Tells the HomePort of one root directory from any other on the machine: 8 lowercase hexadecimal digits.
///
/// It is made once, at the ledger's first creation, and stands in container names, labels and volume markers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootId(String);

/// A text that is not a root id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a root id: wanted 8 lowercase hexadecimal digits")]
pub struct RootIdError(pub String);

impl RootId {
    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(format!("{:08x}", u32::from_be_bytes(bytes)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RootId {
    type Err = RootIdError;

    fn from_str(text: &str) -> Result<Self, RootIdError> {
        let good = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good { Ok(Self(text.to_owned())) } else { Err(RootIdError(text.to_owned())) }
    }
}

impl TryFrom<String> for RootId {
    type Error = RootIdError;

    fn try_from(text: String) -> Result<Self, RootIdError> {
        text.parse()
    }
}

impl From<RootId> for String {
    fn from(id: RootId) -> Self {
        id.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names an operation in its ledger; counted up from 1, and no number is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct OperationId(i64);

impl OperationId {
    /// The id with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RootId;

    #[test]
    fn a_root_id_is_eight_hexadecimal_digits() {
        assert_eq!(RootId::from_bytes([0, 0x1b, 0xff, 3]).as_str(), "001bff03");
        assert!("001bff03".parse::<RootId>().is_ok());
        for bad in ["", "001bff0", "001BFF03", "001bff033", "001bff0g"] {
            assert!(bad.parse::<RootId>().is_err(), "{bad}");
        }
    }
}
