//! Owns the place of an entry in a volume: a relative path of bytes, and the order in which entries stand.
//! Never touches the file system: opening a path is `hop`'s work.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::escape;

/// The most bytes that a name may have.
pub const NAME_MAX: usize = 255;

/// A path relative to a volume's `data/`: any bytes but the zero, without `.`, `..` and empty names; never absolute.
/// `.` is that directory itself. A path may be longer than the system takes in one call. [spec: STO-15]
///
/// The order is that of entries: name by name, each in the order of its bytes, so that a directory comes before what is
/// in it, and all that is in it before the next name. [spec: STO-13]
///
/// As text ([`Display`](fmt::Display), [`FromStr`], JSON) it is escaped and safe to print.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(Vec<u8>);

/// Bytes that cannot be a name, or a path, in a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` cannot be in a volume: {reason}")]
pub struct PathFault {
    /// The name or path as it was given, escaped, at most its first 1024 bytes.
    pub found: String,
    /// What is wrong with it, in words.
    pub reason: &'static str,
}

impl PathFault {
    fn new(found: &[u8], reason: &'static str) -> Self {
        Self { found: escape::escaped(&found[..found.len().min(1024)]), reason }
    }
}

/// Checks that `name` can be one name in a directory. [spec: STO-19]
pub fn check_name(name: &[u8]) -> Result<(), PathFault> {
    let reason = match name {
        b"" => "a name is empty",
        b"." | b".." => "a name is `.` or `..`",
        _ if name.len() > NAME_MAX => "a name is longer than 255 bytes",
        _ if name.contains(&b'/') => "a name has a slash",
        _ if name.contains(&0) => "a name has a zero byte",
        _ => return Ok(()),
    };
    Err(PathFault::new(name, reason))
}

impl TreePath {
    /// The path `.`: the directory `data/` itself.
    pub fn root() -> Self {
        Self(b".".to_vec())
    }

    /// The path with these bytes, names separated by `/`, or `.`.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, PathFault> {
        let bytes = bytes.into();
        if bytes != b"." {
            for name in bytes.split(|byte| *byte == b'/') {
                check_name(name).map_err(|fault| PathFault::new(&bytes, fault.reason))?;
            }
        }
        Ok(Self(bytes))
    }

    /// A path whose bytes are known to be right.
    pub(crate) fn from_checked(bytes: Vec<u8>) -> Self {
        debug_assert!(Self::from_bytes(bytes.clone()).is_ok());
        Self(bytes)
    }

    /// The path's bytes; `.` for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `.`.
    pub fn is_root(&self) -> bool {
        self.0 == b"."
    }

    /// The names from the top; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| *name != b".")
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The directory that holds the entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => Self(self.0[..at].to_vec()),
            None => Self::root(),
        })
    }

    /// The path of `name` in this directory.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathFault> {
        check_name(name)?;
        Ok(Self::below(if self.is_root() { b"" } else { &self.0 }, name))
    }

    /// The path of `name`, which is known to be right, in the directory with these bytes; they are empty for the root.
    pub(crate) fn below(directory: &[u8], name: &[u8]) -> Self {
        let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
        if !directory.is_empty() {
            path.extend_from_slice(directory);
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }

    /// Whether this path lies below `other`, at any depth; no path lies below itself.
    pub fn is_below(&self, other: &Self) -> bool {
        if other.is_root() {
            return !self.is_root();
        }
        self.0.strip_prefix(&other.0[..]).is_some_and(|rest| rest.first() == Some(&b'/'))
    }
}

/// The order of entries, of two paths given as bytes. [spec: STO-13]
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    match (one, other) {
        (b".", b".") => Ordering::Equal,
        (b".", _) => Ordering::Less,
        (_, b".") => Ordering::Greater,
        _ => {
            // A slash ends a name, and no name has a byte below 1: it sorts like the end of the path.
            let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
            let differs = one.iter().zip(other).find(|(a, b)| a != b);
            differs.map_or(one.len().cmp(&other.len()), |(a, b)| rank(*a).cmp(&rank(*b)))
        }
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::escaped(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

impl FromStr for TreePath {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes =
            escape::read(text.as_bytes()).ok_or_else(|| PathFault::new(text.as_bytes(), "it is not escaped"))?;
        Self::from_bytes(bytes)
    }
}

impl TryFrom<String> for TreePath {
    type Error = PathFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TreePath, check_name};

    fn path(bytes: &[u8]) -> TreePath {
        TreePath::from_bytes(bytes).unwrap()
    }

    #[test]
    fn a_path_is_relative_and_has_only_names() {
        for good in [&b"."[..], b"a", b"a/b", b"...", b".a", b"\xff/\n", &[b'x'; 255]] {
            assert_eq!(path(good).as_bytes(), good);
            assert_eq!(path(good).to_string().parse::<TreePath>().unwrap(), path(good));
        }
        for bad in [&b""[..], b"/", b"/a", b"a/", b"a//b", b"./a", b"a/.", b"..", b"a/../b", b"a\0", &[b'x'; 256]] {
            assert!(TreePath::from_bytes(bad).is_err(), "{bad:?}");
        }
        assert!(check_name(b"a/b").is_err());
    }

    #[test]
    fn parents_and_names() {
        assert_eq!((path(b".").parent(), path(b".").name()), (None, None));
        assert_eq!((path(b"a").parent(), path(b"a").name()), (Some(TreePath::root()), Some(&b"a"[..])));
        assert_eq!((path(b"a/b/c").parent(), path(b"a/b/c").name()), (Some(path(b"a/b")), Some(&b"c"[..])));
        assert_eq!(path(b"a").join(b"b").unwrap(), path(b"a/b"));
        assert_eq!(TreePath::root().join(b"b").unwrap(), path(b"b"));
        assert!(path(b"a/b").is_below(&path(b"a")) && path(b"a").is_below(&TreePath::root()));
        assert!(!path(b"ab").is_below(&path(b"a")) && !path(b"a").is_below(&path(b"a")));
    }

    fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte = prop_oneof![Just(b'.'), Just(b'-'), Just(b'0'), Just(1), Just(b'a'), Just(255), 1..=255_u8];
        let name = prop::collection::vec(byte, 1..4).prop_filter("a name", |name| check_name(name).is_ok());
        prop::collection::vec(name, 0..4)
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_names(one in names(), other in names()) {
            let made = |names: &[Vec<u8>]| names.iter().fold(TreePath::root(), |path, name| path.join(name).unwrap());
            prop_assert_eq!(made(&one).cmp(&made(&other)), one.cmp(&other));
            let (first, second) = (made(&one), made(&other));
            let below = one.len() > other.len() && one.starts_with(&other);
            prop_assert_eq!(first.is_below(&second), below);
            let found: Vec<Vec<u8>> = first.components().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, one);
        }
    }
}
