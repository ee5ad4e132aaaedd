//! Owns the small identities of a volume: which HomePort made it, which volume it is, how often it was started.
//! Never makes up an id: the caller brings the randomness and the clock.

use std::fmt;
use std::str::FromStr;

/// Names the HomePort that made a volume: 8 lowercase hexadecimal digits, one id for each root directory. [spec: VOL-8]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootId(String);

/// The identity of one volume, for its whole life and on every disk that it is moved to. [spec: VOL-8]
///
/// Written in lowercase with hyphens, and read in that form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeUuid(uuid::Uuid);

/// Names one transaction on a volume: a restore, a purge, an adoption. Its directories in staging and trash have this name.
///
/// Written in lowercase with hyphens, and read in that form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TxId(uuid::Uuid);

/// How often a volume was taken into use. A disk that comes back with a lower one is an old copy. [spec: VOL-13]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

/// A moment as whole seconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(u64);

/// A text that is not the identity that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {kind}: wanted {wanted}")]
pub struct IdentityError {
    /// What it would have been.
    pub kind: &'static str,
    /// The text as it was given.
    pub found: String,
    /// The rule in words.
    pub wanted: &'static str,
}

impl RootId {
    /// The rule in words, for messages.
    pub const WANTED: &'static str = "8 lowercase hexadecimal digits";

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(format!("{:08x}", u32::from_be_bytes(bytes)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! uuid_type {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// The rule in words, for messages.
            pub const WANTED: &'static str = "a lowercase UUID with hyphens";

            /// A new identity that nothing else has: 122 random bits of the operating system.
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4())
            }

            /// The identity with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid::Uuid::try_parse(text)
                    .map(Self)
                    .ok()
                    .filter(|uuid| uuid.to_string() == text)
                    .ok_or_else(|| IdentityError { kind: $kind, found: text.to_owned(), wanted: Self::WANTED })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

uuid_type!(VolumeUuid, "volume uuid");
uuid_type!(TxId, "transaction id");

impl Generation {
    /// The generation of a volume that was never in use.
    pub const NEVER_USED: Self = Self(0);

    /// The generation with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The generation after this one; the last one stays, which no volume reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl UnixSeconds {
    /// The moment this many seconds after 1970.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The bare number of seconds.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for RootId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentityError { kind: "root id", found: text.to_owned(), wanted: Self::WANTED })
        }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = IdentityError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

as_text!(RootId);
as_text!(VolumeUuid);
as_text!(TxId);

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_one_spelling() {
        assert_eq!("0a1b2c3d".parse::<RootId>().unwrap().as_str(), "0a1b2c3d");
        assert_eq!(RootId::from_bytes([0, 0x1b, 0xff, 3]).as_str(), "001bff03");
        for bad in ["", "0a1b2c3", "0A1B2C3D", "0a1b2c3d4", "0a1b2c3g"] {
            assert!(bad.parse::<RootId>().is_err(), "{bad}");
        }
        let text = "0f0e0d0c-0b0a-4988-8776-655443322110";
        assert_eq!(text.parse::<VolumeUuid>().unwrap().to_string(), text);
        for bad in ["", &text.to_uppercase(), &text.replace('-', ""), &format!("{{{text}}}"), &text[1..]] {
            assert!(bad.parse::<VolumeUuid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn generations_only_go_up() {
        assert_eq!(Generation::NEVER_USED.next(), Generation::new(1));
        assert_eq!(Generation::new(u64::MAX).next(), Generation::new(u64::MAX));
    }
}
