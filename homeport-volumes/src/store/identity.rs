//! Owns the identities of a store: which store, which snapshot and the how manieth, and the SHA-256 names of what is in
//! it. Never computes a hash (see `object`) and never looks anything up.

use std::fmt;
use std::str::FromStr;

use crate::identity::IdentityError;

macro_rules! sha256_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The rule in words, for messages.
            pub const WANTED: &'static str = "64 lowercase hexadecimal digits";

            /// The name with these bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of the hash.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The name that 64 lowercase hexadecimal digits spell.
            pub(crate) fn read(digits: &[u8]) -> Option<Self> {
                parse_hex(digits).map(Self)
            }

            /// The 64 digits, without an allocation.
            pub fn hex(&self) -> Hex {
                Hex::of(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.hex().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.hex().as_str())
            }
        }

        impl FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let refuse = || IdentityError { kind: $kind, found: text.to_owned(), wanted: Self::WANTED };
                Self::read(text.as_bytes()).ok_or_else(refuse)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentityError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.hex().as_str())
            }
        }
    };
}

macro_rules! uuid_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// Written in lowercase with hyphens, and read in that form only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(uuid::Uuid);

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
                let found = uuid::Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
                found.map(Self).ok_or_else(|| IdentityError { kind: $kind, found: text.to_owned(), wanted: Self::WANTED })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentityError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(uuid: $name) -> String {
                uuid.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

sha256_name!(
    /// Names an object by the SHA-256 of its bytes. [spec: STO-5]
    ObjectId, "object id"
);
sha256_name!(
    /// Names a pack by the SHA-256 of its sorted members' names. [spec: STO-7]
    PackId, "pack id"
);
sha256_name!(
    /// Names the entries of a volume by the SHA-256 of their text. [spec: STO-11]
    EntriesId, "entries id"
);
uuid_name!(
    /// The identity of one store, for its whole life and on every disk that it is moved to. [spec: STO-1]
    StoreUuid, "store uuid"
);
uuid_name!(
    /// The identity of one snapshot, also in another store that it was exported to. [spec: STO-20]
    SnapshotUuid, "snapshot uuid"
);

/// The how manieth snapshot of its store it is, from 1: eight digits in the file's name. [spec: STO-20]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Sequence(u32);

impl Sequence {
    /// The highest number that eight digits hold.
    pub const MAX: Self = Self(99_999_999);

    /// The sequence with this number; `None` for 0 and for more than eight digits.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 || number > Self::MAX.0 { None } else { Some(Self(number)) }
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number after the highest that there was; `None` where eight digits are used up.
    pub fn after(highest: Option<Self>) -> Option<Self> {
        Self::new(highest.map_or(1, |highest| highest.0 + 1))
    }

    /// Reads the eight digits of a file's name.
    pub(crate) fn from_digits(text: &str) -> Option<Self> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().and_then(Self::new)).flatten()
    }
}

impl fmt::Display for Sequence {
    /// The number as it stands in a file's name; the plain number with the alternate form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { write!(f, "{}", self.0) } else { write!(f, "{:08}", self.0) }
    }
}

/// 64 hexadecimal digits as text, on the stack.
#[derive(Clone, Copy)]
pub struct Hex([u8; 64]);

impl Hex {
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Only digits are ever written into it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads 64 lowercase digits.
fn parse_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('0', "g")] {
            assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
        }
        let uuid = SnapshotUuid::random().to_string();
        assert_eq!(uuid.parse::<SnapshotUuid>().unwrap().to_string(), uuid);
        assert!(uuid.to_uppercase().parse::<SnapshotUuid>().is_err() || uuid == uuid.to_uppercase());
    }

    #[test]
    fn sequences_start_at_one_and_end_with_eight_digits() {
        assert_eq!(Sequence::after(None), Sequence::new(1));
        assert_eq!(Sequence::after(Sequence::new(41)), Sequence::new(42));
        assert_eq!(Sequence::after(Some(Sequence::MAX)), None);
        assert_eq!(Sequence::new(42).unwrap().to_string(), "00000042");
        assert_eq!(Sequence::from_digits("00000042"), Sequence::new(42));
        for bad in ["", "42", "00000000", "+0000042", "000000042", "0000004a"] {
            assert_eq!(Sequence::from_digits(bad), None, "{bad}");
        }
    }
}
