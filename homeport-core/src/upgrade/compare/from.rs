//! Owns the rules of `upgrade.from`: whether a range of versions takes in less than another.
//! Never looks at pre-releases by themselves: each counts as the version that it leads to.

use semver::{Comparator, Op, Version, VersionReq};

use super::super::bump::Bump;
use super::super::change::Found;
use super::super::rule::declare_rules;
use crate::manifest::Manifest;

declare_rules! {
    NARROWED = "upgrade-from-narrowed", Major,
        "fewer versions can be upgraded from",
        "an instance that was left alone for a year has to go up in two steps";
    WIDENED = "upgrade-from-widened", Patch,
        "the range of versions that can be upgraded from is another, and takes in as many or more",
        "whoever could go up before can go up now";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    let (was, is) = (Span::of(old.upgrade_from.as_ref()), Span::of(new.upgrade_from.as_ref()));
    // Who could come to the older version has to come to the newer one, and so has the older version itself.
    let itself = Bump::between(&old.port.version, &new.port.version).map(|_| triple(&old.port.version));
    let least = itself.map_or(was.from, |itself| was.from.min(itself));
    let left_behind = least < is.from || is.below.is_some_and(|below| itself.is_some_and(|itself| below <= itself));
    let shown = |range: &Option<VersionReq>| range.as_ref().map(ToString::to_string);
    if left_behind {
        found.add(&NARROWED, "/upgrade/from", shown(&old.upgrade_from), shown(&new.upgrade_from));
    } else if old.upgrade_from != new.upgrade_from {
        found.add(&WIDENED, "/upgrade/from", shown(&old.upgrade_from), shown(&new.upgrade_from));
    }
}

type Triple = (u64, u64, u64);

/// The releases that a range takes in: comparisons joined by "and" leave one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// The least one in it.
    from: Triple,
    /// The least one above it, if any is.
    below: Option<Triple>,
}

impl Span {
    fn of(range: Option<&VersionReq>) -> Self {
        let mut span = Self { from: (0, 0, 0), below: None };
        for comparator in range.iter().flat_map(|range| &range.comparators) {
            let one = Self::of_one(comparator);
            span.from = span.from.max(one.from);
            span.below = match (span.below, one.below) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        span
    }

    fn of_one(comparator: &Comparator) -> Self {
        let Comparator { op, major, minor, patch, .. } = comparator;
        let least = (*major, minor.unwrap_or(0), patch.unwrap_or(0));
        // The first version that differs in the last part that is said.
        let next = match (minor, patch) {
            (Some(minor), Some(patch)) => (*major, *minor, patch.saturating_add(1)),
            (Some(minor), None) => (*major, minor.saturating_add(1), 0),
            (None, _) => (major.saturating_add(1), 0, 0),
        };
        let caret = match (major, minor, patch) {
            (0, Some(0), Some(patch)) => (0, 0, patch.saturating_add(1)),
            (0, Some(minor), _) => (0, minor.saturating_add(1), 0),
            (major, _, _) => (major.saturating_add(1), 0, 0),
        };
        let tilde = match minor {
            Some(minor) => (*major, minor.saturating_add(1), 0),
            None => (major.saturating_add(1), 0, 0),
        };
        let (from, below) = match op {
            Op::Greater => (next, None),
            Op::GreaterEq => (least, None),
            Op::Less => ((0, 0, 0), Some(least)),
            Op::LessEq => ((0, 0, 0), Some(next)),
            Op::Tilde => (least, Some(tilde)),
            Op::Caret => (least, Some(caret)),
            // `=` and `1.*`; no other operator is known.
            _ => (least, Some(next)),
        };
        Self { from, below }
    }

    #[cfg(test)]
    fn holds(self, version: Triple) -> bool {
        self.from <= version && self.below.is_none_or(|below| version < below)
    }
}

fn triple(version: &Version) -> Triple {
    (version.major, version.minor, version.patch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_span_holds_what_its_range_matches(
            comparisons in prop::collection::vec(
                "(=|>|>=|<|<=|~|\\^)(0|1|2)(\\.[0-2](\\.[0-2])?)?|[0-2]\\.\\*|[0-2]\\.[0-2]\\.\\*", 1..4,
            ),
            version in (0_u64..4, 0_u64..4, 0_u64..4),
        ) {
            let range: VersionReq = comparisons.join(", ").parse().unwrap();
            let (major, minor, patch) = version;
            let matches = range.matches(&Version::new(major, minor, patch));
            prop_assert_eq!(Span::of(Some(&range)).holds(version), matches, "{}", range);
        }
    }

    fn narrowed(old: (&str, Option<&str>), new: (&str, Option<&str>)) -> Vec<&'static str> {
        let manifest = |(version, from): (&str, Option<&str>)| {
            let json = format!(r#"{{"protocol":"1.0","port":{{"id":"ab","version":"{version}","title":"T"}}}}"#);
            let mut manifest = crate::manifest::parse(json.as_bytes()).unwrap();
            manifest.upgrade_from = from.map(|from| from.parse().unwrap());
            manifest
        };
        let mut found = Found::default();
        compare(&manifest(old), &manifest(new), &mut found);
        found.into_changes().iter().map(|change| change.rule.id).collect()
    }

    #[test]
    fn a_range_may_leave_behind_nobody_who_could_come_before() {
        let (narrowed_by, widened) = ("upgrade-from-narrowed", "upgrade-from-widened");
        for (old, new, wanted) in [
            (("1.2.0", None), ("1.3.0", None), None),
            (("1.2.0", None), ("1.3.0", Some("*")), Some(widened)),
            (("1.2.0", None), ("1.3.0", Some(">=0.1")), Some(narrowed_by)),
            (("1.2.0", Some(">=1")), ("1.3.0", Some(">=1.1")), Some(narrowed_by)),
            (("1.2.0", Some(">=1.1")), ("1.3.0", Some(">=1")), Some(widened)),
            (("1.2.0", Some(">=1.1")), ("1.3.0", Some(">=1.1, <1.3")), Some(widened)),
            // The version before cannot go up any more.
            (("1.2.0", Some(">=1, <1.2")), ("1.3.0", Some(">=1, <1.2")), Some(narrowed_by)),
            (("1.2.0", Some(">=1, <1.2")), ("1.2.0", Some(">=1, <1.2")), None),
            (("1.2.0", Some(">=1.5")), ("1.3.0", Some(">=1.5")), Some(narrowed_by)),
        ] {
            assert_eq!(narrowed(old, new), wanted.into_iter().collect::<Vec<_>>(), "{old:?} {new:?}");
        }
    }

    #[test]
    fn every_release_is_in_the_range_that_is_not_said() {
        assert!(Span::of(None).holds((0, 0, 0)) && Span::of(None).holds((u64::MAX, 0, 0)));
        assert!(Span::of(Some(&VersionReq::STAR)).holds((0, 0, 0)));
    }
}
