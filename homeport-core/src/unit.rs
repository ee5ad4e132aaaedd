//! Owns the plain quantities of the protocol, so that no size, number or id is a bare integer.
//! Never formats for people: that is the command line's work.

use std::fmt;

macro_rules! unit_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// The quantity with this value.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The bare value, for the system call or the document that wants it.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit_type!(
    /// A number of bytes.
    Bytes(u64)
);
unit_type!(
    /// A number of inodes.
    Inodes(u64)
);
unit_type!(
    /// A whole number of seconds.
    Seconds(u32)
);
unit_type!(
    /// A numeric user id; names are never used, a static init has no name service. [spec: MAN-12]
    Uid(u32)
);
unit_type!(
    /// A numeric group id. [spec: MAN-12]
    Gid(u32)
);
unit_type!(
    /// How a volume's data is laid out: a whole number, changed only by a migration. [spec: VOL-3]
    Format(u32)
);
unit_type!(
    /// A TCP or UDP port number from 1 to 65535; 0 never stands for one that is known.
    PortNumber(u16)
);

/// Permission bits as in `chmod`, at most `0o7777`; a directory's type is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(u32);

impl Mode {
    /// The mode with these bits; what is above `0o7777` is cut off.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits, for the system call that wants them.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Reads four octal digits with a leading zero, as manifests write modes (`"0700"`). [spec: MAN-12]
    pub fn parse(text: &str) -> Option<Self> {
        let octal = text.len() == 4 && text.starts_with('0') && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        octal.then(|| u32::from_str_radix(text, 8).ok().map(Self::new)).flatten()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn a_mode_is_four_octal_digits_with_a_leading_zero() {
        assert_eq!(Mode::parse("0700").map(Mode::get), Some(0o700));
        assert_eq!(Mode::parse("0750").unwrap().to_string(), "0750");
        for bad in ["700", "0800", "07000", "", "0x1f", "1700"] {
            assert!(Mode::parse(bad).is_none(), "{bad}");
        }
    }
}
