//! Owns paths inside an image: relative to its root, without `.`, `..` or empty parts.
//! Never a path of the machine that builds.

use std::fmt;

/// A path inside an image that cannot point outside of it, for example `usr/bin/zsh`. Never the root itself.
///
/// Debian merged `/bin`, `/sbin` and `/lib*` into `/usr`; a path below one of them is held in its merged form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath(String);

/// A path that must not be in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// In an archive every path is relative to the root.
    #[error("`{0}` is absolute: wanted a path relative to the image's root")]
    Absolute(String),
    /// In a recipe every path starts at the root.
    #[error("`{0}` is relative: wanted a path that starts with `/`")]
    Relative(String),
    /// It would lead out of where it stands.
    #[error("`{0}` has `..` in it: wanted a path without")]
    Parent(String),
    /// A recipe's path says something twice.
    #[error("`{0}` has an empty part or `.` in it: wanted a path without")]
    Untidy(String),
    /// It names the root itself where something in it is wanted.
    #[error("`{0}` is the root: wanted something in it")]
    Root(String),
    /// Not text, or text that would forge lines in listings.
    #[error("`{0}` is not plain text: wanted UTF-8 without control characters")]
    NotText(String),
}

/// The top directories that Debian merged into `/usr`.
pub(super) const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

impl ImagePath {
    /// Reads a path from an archive of a package (`./usr/bin/zsh`); `None` for the root.
    pub fn from_archive(bytes: &[u8]) -> Result<Option<Self>, PathError> {
        let text = plain_text(bytes)?;
        if text.starts_with('/') {
            return Err(PathError::Absolute(text.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(PathError::Parent(text.to_owned()));
        }
        Ok((!parts.is_empty()).then(|| Self::merged(parts.join("/"))))
    }

    /// Reads a path as a recipe writes it (`/usr/bin/zsh`).
    pub fn from_recipe(text: &str) -> Result<Self, PathError> {
        plain_text(text.as_bytes())?;
        let rest = text.strip_prefix('/').ok_or_else(|| PathError::Relative(text.to_owned()))?;
        if rest.is_empty() {
            return Err(PathError::Root(text.to_owned()));
        }
        for part in rest.split('/') {
            match part {
                ".." => return Err(PathError::Parent(text.to_owned())),
                "" | "." => return Err(PathError::Untidy(text.to_owned())),
                _ => {}
            }
        }
        Ok(Self::merged(rest.to_owned()))
    }

    /// The path inside `/usr` where its first part was merged into it.
    fn merged(relative: String) -> Self {
        let first = relative.split('/').next().unwrap_or_default();
        if MERGED.contains(&first) { Self(format!("usr/{relative}")) } else { Self(relative) }
    }

    /// One of the symlinks that stand where a merged directory was; kept as it is, not merged.
    pub(super) fn merged_link(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The path without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directories above it, nearest last; none for something at the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }

    /// The path of the directory entry `name` in this directory. The name has no `/` and is neither `.` nor `..`.
    pub(super) fn join(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

fn plain_text(bytes: &[u8]) -> Result<&str, PathError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(PathError::NotText(bytes.escape_ascii().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn archive(text: &str) -> Result<Option<String>, PathError> {
        ImagePath::from_archive(text.as_bytes()).map(|path| path.map(|path| path.0))
    }

    #[test]
    fn a_path_of_an_archive_is_relative_and_stays_inside() {
        let good = [
            ("./", None),
            (".", None),
            ("", None),
            ("./usr/bin/zsh", Some("usr/bin/zsh")),
            ("usr//bin/./zsh/", Some("usr/bin/zsh")),
            ("./bin/bash", Some("usr/bin/bash")),
            ("./lib64/ld-linux-x86-64.so.2", Some("usr/lib64/ld-linux-x86-64.so.2")),
            ("./sbin", Some("usr/sbin")),
            ("./binary", Some("binary")),
            ("./etc/bin/x", Some("etc/bin/x")),
        ];
        for (text, wanted) in good {
            assert_eq!(archive(text).unwrap().as_deref(), wanted, "{text}");
        }
        assert!(matches!(archive("/etc/passwd"), Err(PathError::Absolute(_))));
        for bad in ["..", "./..", "../etc", "./a/../../b", "a/.."] {
            assert!(matches!(archive(bad), Err(PathError::Parent(_))), "{bad}");
        }
        assert!(matches!(ImagePath::from_archive(b"./\xff"), Err(PathError::NotText(_))));
        assert!(matches!(archive("./a\nb"), Err(PathError::NotText(_))));
        assert!(matches!(archive("./a\0b"), Err(PathError::NotText(_))));
    }

    #[test]
    fn a_path_of_a_recipe_is_absolute_and_tidy() {
        assert_eq!(ImagePath::from_recipe("/bin/sh").unwrap().as_str(), "usr/bin/sh");
        let bad = ["", "etc", "/", "//", "/a//b", "/a/", "/./a", "/a/..", "/../a", "/a\tb"];
        for text in bad {
            assert!(ImagePath::from_recipe(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ancestors_come_from_the_root_down() {
        let path = ImagePath::from_recipe("/usr/share/zsh").unwrap();
        let above: Vec<String> = path.ancestors().map(|path| path.to_string()).collect();
        assert_eq!(above, ["/usr", "/usr/share"]);
        assert_eq!(path.name(), "zsh");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_path_that_leaves_the_image(bytes: Vec<u8>) {
            if let Ok(Some(path)) = ImagePath::from_archive(&bytes) {
                prop_assert!(!path.0.is_empty() && !path.0.starts_with('/') && !path.0.ends_with('/'));
                prop_assert!(path.0.split('/').all(|part| !matches!(part, "" | "." | "..")));
                prop_assert_eq!(ImagePath::from_recipe(&path.to_string()).unwrap(), path);
            }
        }
    }
}
