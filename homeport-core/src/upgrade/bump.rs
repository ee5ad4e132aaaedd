//! Owns how far apart two versions of a port are, and which of the offered ones is taken by itself.
//! Never looks at what the versions hold: that is `compare`'s.

use std::cmp::Ordering;
use std::fmt;

use semver::Version;

/// What a change asks of the next version, from the least to the most. [spec: UPG-2]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// Nothing that an operator relies on changed.
    Patch,
    /// Something was added, or is asked for that was not before.
    Minor,
    /// Something that an operator does may stop working.
    Major,
    /// No version of the same port may do it.
    Forbidden,
}

impl Bump {
    /// The word for it in rules and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Forbidden => "forbidden",
        }
    }

    /// How far `new` is above `old`; `None` where it is not above it. Never [`Bump::Forbidden`].
    ///
    /// While the major is 0 the minor counts as major and the patch as minor. A pre-release promises nothing, so that
    /// whatever follows it counts as major. Build metadata tells no two versions apart. [spec: UPG-2, UPG-3]
    pub fn between(old: &Version, new: &Version) -> Option<Self> {
        if new.cmp_precedence(old) != Ordering::Greater {
            return None;
        }
        let young = old.major == 0 && new.major == 0;
        Some(match () {
            () if !old.pre.is_empty() || old.major != new.major => Self::Major,
            () if old.minor != new.minor => {
                if young {
                    Self::Major
                } else {
                    Self::Minor
                }
            }
            () if young => Self::Minor,
            () => Self::Patch,
        })
    }
}

impl fmt::Display for Bump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether two versions are the same one: build metadata does not count. [spec: UPG-1]
pub fn is_same_version(a: &Version, b: &Version) -> bool {
    a.cmp_precedence(b) == Ordering::Equal
}

/// The greatest offered version above `installed` that is no pre-release; `None` where there is none. [spec: UPG-4]
pub fn newest<'a>(installed: &Version, offered: impl IntoIterator<Item = &'a Version>) -> Option<&'a Version> {
    offered
        .into_iter()
        .filter(|version| version.pre.is_empty() && version.cmp_precedence(installed) == Ordering::Greater)
        .max_by(|a, b| a.cmp_precedence(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_says_how_much_may_have_changed() {
        use Bump::{Major, Minor, Patch};
        for (old, new, wanted) in [
            ("1.2.3", "1.2.4", Some(Patch)),
            ("1.2.3", "1.2.9", Some(Patch)),
            ("1.2.3", "1.3.0", Some(Minor)),
            ("1.2.3", "2.0.0", Some(Major)),
            ("0.2.3", "0.2.4", Some(Minor)),
            ("0.2.3", "0.3.0", Some(Major)),
            ("0.2.3", "1.0.0", Some(Major)),
            ("1.2.3", "1.2.3", None),
            ("1.2.3", "1.2.2", None),
            ("1.2.3+a", "1.2.3+b", None),
            ("1.2.3-rc.1", "1.2.3", Some(Major)),
            ("1.2.3-rc.1", "1.2.3-rc.2", Some(Major)),
            ("1.2.3", "1.3.0-rc.1", Some(Minor)),
            ("1.2.3", "1.2.3-rc.1", None),
        ] {
            assert_eq!(Bump::between(&v(old), &v(new)), wanted, "{old} {new}");
        }
    }

    #[test]
    fn a_pre_release_is_never_chosen_by_itself() {
        let offered = ["1.0.0", "1.1.0", "1.3.0-rc.1", "1.2.0", "2.0.0-beta"].map(v);
        assert_eq!(newest(&v("1.0.0"), &offered), Some(&v("1.2.0")));
        assert_eq!(newest(&v("1.2.0"), &offered), None);
        assert_eq!(newest(&v("1.2.0-rc.1"), &offered), Some(&v("1.2.0")));
        assert_eq!(newest(&v("2.0.0-alpha"), &offered), None);
    }

    proptest! {
        #[test]
        fn two_steps_up_are_at_least_as_far_as_each(
            parts in prop::collection::vec((0_u64..3, 0_u64..3, 0_u64..3, 0_u64..3), 3),
        ) {
            let mut versions: Vec<Version> = parts
                .iter()
                .map(|(a, b, c, pre)| v(&if *pre == 0 { format!("{a}.{b}.{c}-rc.1") } else { format!("{a}.{b}.{c}") }))
                .collect();
            versions.sort();
            let whole = Bump::between(&versions[0], &versions[2]);
            prop_assert!(whole >= Bump::between(&versions[0], &versions[1]), "{versions:?}");
            if versions[1].pre.is_empty() {
                prop_assert!(whole >= Bump::between(&versions[1], &versions[2]), "{versions:?}");
            }
        }
    }
}
