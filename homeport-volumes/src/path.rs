//! Owns the path of a volume on the host as a value: absolute, plain and text.
//! Never touches the file system: what is found at a path is `open`'s work.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// An absolute path that names one place only: no `.`, no `..`, no empty component, no NUL, at most 4095 bytes,
/// and valid UTF-8, because it is kept in the ledger and in the marker. Never `/` itself. [spec: VOL-1]
///
/// Blanks, tabs, newlines and backslashes are ordinary characters of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumePath(String);

/// A text that cannot be the path of a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` cannot be the path of a volume: {reason}")]
pub struct VolumePathError {
    /// The path as it was given; what is not UTF-8 in it is shown as U+FFFD.
    pub found: String,
    /// What is wrong with it, in words.
    pub reason: &'static str,
}

/// How two places on one file system, or two paths, lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Neither holds the other.
    Separate,
    /// Both are the same directory.
    Same,
    /// The first lies below the second.
    Inside,
    /// The second lies below the first.
    Around,
}

impl VolumePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for the system call that wants one.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path of `name` below this one; `name` is one plain component.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    /// The path as one word of a shell, for commands that are shown: in quotes where it needs them.
    pub(crate) fn as_word(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=".contains(c);
        if self.0.chars().all(plain) { self.0.clone() } else { format!("'{}'", self.0.replace('\'', "'\\''")) }
    }

    /// How this path lies to `other`, component by component and as text only.
    pub fn relation(&self, other: &Self) -> Relation {
        relation(self.as_path(), other.as_path())
    }

    /// The components from the top, without the root.
    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// The path and everything above it but `/`, shortest first.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        let inner = self.0.match_indices('/').skip(1).map(|(at, _)| &self.0[..at]);
        inner.chain(std::iter::once(self.0.as_str()))
    }
}

/// How `one` lies to `other`, by whole components.
pub(crate) fn relation(one: &Path, other: &Path) -> Relation {
    match (one.starts_with(other), other.starts_with(one)) {
        (true, true) => Relation::Same,
        (true, false) => Relation::Inside,
        (false, true) => Relation::Around,
        (false, false) => Relation::Separate,
    }
}

impl FromStr for VolumePath {
    type Err = VolumePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| Err(VolumePathError { found: text.to_owned(), reason });
        if !text.starts_with('/') {
            return refuse("wanted an absolute path");
        }
        if text.contains('\0') {
            return refuse("it holds a NUL character");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| *part == "." || *part == "..") {
            return refuse("`.` and `..` are not resolved, write the place itself");
        }
        if parts.is_empty() {
            return refuse("the root directory is not a volume");
        }
        let path = parts.iter().fold(String::with_capacity(text.len()), |path, part| path + "/" + part);
        if path.len() > 4095 {
            return refuse("it is longer than 4095 bytes");
        }
        Ok(Self(path))
    }
}

impl TryFrom<&Path> for VolumePath {
    type Error = VolumePathError;

    fn try_from(path: &Path) -> Result<Self, Self::Error> {
        match path.to_str() {
            Some(text) => text.parse(),
            None => Err(VolumePathError {
                found: path.to_string_lossy().into_owned(),
                reason: "it is not UTF-8, and it has to be written into JSON",
            }),
        }
    }
}

impl TryFrom<String> for VolumePath {
    type Error = VolumePathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VolumePath> for String {
    fn from(path: VolumePath) -> String {
        path.0
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn slashes_are_tidied_and_everything_ambiguous_is_refused() {
        for (given, kept) in [("/a", "/a"), ("/a/b/", "/a/b"), ("//a///b", "/a/b"), ("/a b\t\n\\/c", "/a b\t\n\\/c")] {
            assert_eq!(given.parse::<VolumePath>().unwrap().as_str(), kept);
        }
        for bad in ["", "a", "./a", "/", "///", "/a/../b", "/a/./b", "/..", "/a\0b", &format!("/{}", "a".repeat(4095))]
        {
            assert!(bad.parse::<VolumePath>().is_err(), "{bad:?}");
        }
        assert!(VolumePath::try_from(Path::new(OsStr::from_bytes(b"/a/\xff"))).is_err());
    }

    #[test]
    fn overlap_is_by_component_and_not_by_letter() {
        let path = |text: &str| text.parse::<VolumePath>().unwrap();
        for (one, other, wanted) in [
            ("/srv/mail", "/srv/mail", Relation::Same),
            ("/srv/mail/a", "/srv/mail", Relation::Inside),
            ("/srv", "/srv/mail", Relation::Around),
            ("/srv/mail2", "/srv/mail", Relation::Separate),
        ] {
            assert_eq!(path(one).relation(&path(other)), wanted, "{one} {other}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in
            [("/srv/mail-1", "/srv/mail-1"), ("/my home", "'/my home'"), ("/it's", r"'/it'\''s'"), ("/$x", "'/$x'")]
        {
            assert_eq!(path.parse::<VolumePath>().unwrap().as_word(), word);
        }
    }

    #[test]
    fn prefixes_come_from_the_top() {
        let path: VolumePath = "/a/b/c".parse().unwrap();
        assert_eq!(path.prefixes().collect::<Vec<_>>(), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(path.components().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
