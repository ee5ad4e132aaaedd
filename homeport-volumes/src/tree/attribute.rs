//! Owns what an entry carries beyond mode, owner and time: extended attributes, `chattr` flags, and two remarks.
//! Never asks the file system: that is `look`'s work.

use std::fmt;

use super::escape;

/// The most bytes that the name of an extended attribute may have.
const XATTR_NAME_MAX: usize = 255;
/// The most bytes that the value of an extended attribute may have.
const XATTR_VALUE_MAX: usize = 65_536;
/// Attributes of the host's own, which say whose volume this is and are no part of its content. [spec: STO-17]
const HOST_PREFIX: &[u8] = b"trusted.homeport.";

/// Everything that stands in the field `<attributes>`. [spec: STO-17]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes {
    xattrs: Vec<Xattr>,
    /// The flags of `chattr`.
    pub flags: FileFlags,
    /// How many names the inode has, where not all of them are in the volume; then at least 2.
    pub links: Option<u32>,
    /// Whether the content was the same for as long as it was read.
    pub stability: Stability,
}

/// Whether a file kept still while it was read. [spec: STO-23]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stability {
    /// It did.
    #[default]
    Stable,
    /// It changed each time that it was read: what is kept may mix two moments.
    Unstable,
}

/// One extended attribute, access control lists and file capabilities among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    name: XattrName,
    value: Vec<u8>,
}

/// The name of an extended attribute: 1 to 255 bytes without a zero, for example `user.note`. Never one of the host's
/// own `trusted.homeport.*`. As text it is escaped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct XattrName(Vec<u8>);

/// What cannot be an extended attribute of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XattrFault {
    /// The name.
    #[error("`{found}` cannot be the name of an extended attribute: {reason}")]
    Name {
        /// The name, escaped.
        found: String,
        /// What is wrong with it, in words.
        reason: &'static str,
    },
    /// The value.
    #[error("the extended attribute `{name}` has {length} bytes, wanted at most 65536")]
    Long {
        /// The attribute.
        name: XattrName,
        /// The length of its value.
        length: usize,
    },
}

/// Two extended attributes of one entry have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the extended attribute `{0}` is there twice")]
pub struct XattrsFault(pub XattrName);

impl Attributes {
    /// These extended attributes, in any order, and nothing else.
    pub fn with_xattrs(mut xattrs: Vec<Xattr>) -> Result<Self, XattrsFault> {
        xattrs.sort_unstable();
        match xattrs.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(XattrsFault(pair[0].name.clone())),
            None => Ok(Self { xattrs, ..Self::default() }),
        }
    }

    /// The extended attributes, in the order of their names; no name twice.
    pub fn xattrs(&self) -> &[Xattr] {
        &self.xattrs
    }

    /// Whether there is nothing at all to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Xattr {
    /// The attribute `name` with this value, of at most 64 KiB.
    pub fn new(name: XattrName, value: Vec<u8>) -> Result<Self, XattrFault> {
        match value.len() {
            length if length > XATTR_VALUE_MAX => Err(XattrFault::Long { name, length }),
            _ => Ok(Self { name, value }),
        }
    }

    /// The attribute's name.
    pub fn name(&self) -> &XattrName {
        &self.name
    }

    /// The attribute's value; any bytes, also none.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl XattrName {
    /// The name with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, XattrFault> {
        let bytes = bytes.into();
        let reason = match &bytes[..] {
            b"" => "it is empty",
            name if name.len() > XATTR_NAME_MAX => "it is longer than 255 bytes",
            name if name.contains(&0) => "it has a zero byte",
            name if Self::is_hosts(name) => "it is one of the host's",
            _ => return Ok(Self(bytes)),
        };
        Err(XattrFault::Name { found: escape::escaped(&bytes[..bytes.len().min(1024)]), reason })
    }

    /// Whether an attribute of this name is the host's, and no part of a volume's content. [spec: STO-17]
    pub fn is_hosts(name: &[u8]) -> bool {
        name.starts_with(HOST_PREFIX)
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for XattrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::escaped(&self.0))
    }
}

impl fmt::Debug for XattrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XattrName({self})")
    }
}

/// The flags of `chattr` that are content: the others say how a file system keeps a file, not what it is.
/// [spec: STO-17]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileFlags(u32);

impl FileFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Every write goes to the disk at once (`S`).
    pub const SYNC: Self = Self(0x08);
    /// Nothing can change it (`i`).
    pub const IMMUTABLE: Self = Self(0x10);
    /// It can only grow (`a`).
    pub const APPEND: Self = Self(0x20);
    /// `dump` leaves it out (`d`).
    pub const NO_DUMP: Self = Self(0x40);
    /// Reading does not change its time of access (`A`).
    pub const NO_ATIME: Self = Self(0x80);
    /// All of them.
    pub const ALL: Self = Self(0xf8);

    /// Those of `bits` that are kept; `bits` as `FS_IOC_GETFLAGS` gives them.
    pub const fn kept(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits as `FS_IOC_SETFLAGS` takes them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`'s.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without `other`'s.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
