//! Owns the protocol version and how two of them relate.
//! Never decides what a port's own version promises: that is `upgrade`'s work.

use std::fmt;
use std::str::FromStr;

/// The protocol version that this build speaks. [spec: MAN-2]
pub const PROTOCOL: ProtocolVersion = ProtocolVersion { major: 1, minor: 0 };

/// A version of the port protocol: a minor only adds, a major may break. [spec: MAN-2]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProtocolVersion {
    major: u16,
    minor: u16,
}

/// A text that is not `MAJOR.MINOR`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a protocol version: wanted MAJOR.MINOR, for example `{PROTOCOL}`")]
pub struct ProtocolVersionError(pub String);

impl ProtocolVersion {
    /// The version with these parts.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The first part: what a reader of another one does not understand.
    pub const fn major(self) -> u16 {
        self.major
    }

    /// Whether a reader that speaks `self` understands a document written for `document`:
    /// the major is the same and the document's minor is not newer. [spec: MAN-2]
    pub const fn understands(self, document: Self) -> bool {
        self.major == document.major && document.minor <= self.minor
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ProtocolVersion {
    type Err = ProtocolVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str| -> Option<u16> {
            let canonical = part == "0" || !part.starts_with('0');
            (canonical && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: part(major)?, minor: part(minor)? }))
            .ok_or_else(|| ProtocolVersionError(text.to_owned()))
    }
}

impl TryFrom<String> for ProtocolVersion {
    type Error = ProtocolVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProtocolVersion> for String {
    fn from(version: ProtocolVersion) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_major_dot_minor_is_a_version() {
        for good in ["0.0", "1.0", "12.34"] {
            assert_eq!(good.parse::<ProtocolVersion>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "1.", ".1", "1.0.0", "01.0", "1.00", "+1.0", " 1.0", "1.x", "70000.0"] {
            assert!(bad.parse::<ProtocolVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_newer_minor_or_another_major_is_not_understood() {
        let speaks = ProtocolVersion::new(1, 2);
        assert!(speaks.understands(ProtocolVersion::new(1, 0)));
        assert!(speaks.understands(ProtocolVersion::new(1, 2)));
        assert!(!speaks.understands(ProtocolVersion::new(1, 3)));
        assert!(!speaks.understands(ProtocolVersion::new(2, 0)));
        assert!(!speaks.understands(ProtocolVersion::new(0, 9)));
    }
}
