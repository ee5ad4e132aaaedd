//! Owns what an operator consents to: a list of facts, each with a name. Pure; never looks anything up.

use std::collections::BTreeMap;

use homeport_core::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::error::Difference;

/// Every fact that the consent goes by, by its name: `volume home: entries` -> `1204`.
///
/// Two plans are the same exactly if their facts are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// The same facts, and this one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.0.insert(name.into(), value.to_string());
        self
    }

    /// The facts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What the consent is bound to: the SHA-256 of the command and of every name and value, each with its length.
    pub fn digest(&self, command: &str) -> Digest {
        let mut hash = sha2::Sha256::new();
        let mut add = |text: &str| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add("homeport-approval 1");
        add(command);
        for (name, value) in &self.0 {
            add(name);
            add(value);
        }
        Digest::new(hash.finalize().into())
    }

    /// What is other in `now` than in these, by name.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let differs = |name: &&String| self.0.get(*name) != now.0.get(*name);
        let difference = |name: &String| Difference {
            name: name.clone(),
            approved: self.0.get(name).cloned(),
            found: now.0.get(name).cloned(),
        };
        names.into_iter().filter(differs).map(difference).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Facts> {
        prop::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..4).prop_map(Facts)
    }

    proptest! {
        #[test]
        fn facts_have_the_same_digest_only_if_they_are_equal(
            one in facts(), other in facts(), first in "[ab]{0,2}", second in "[ab]{0,2}",
        ) {
            let same = one == other && first == second;
            prop_assert_eq!(one.digest(&first) == other.digest(&second), same);
            prop_assert_eq!(one.differences(&other).is_empty(), one == other);
        }
    }

    #[test]
    fn every_difference_is_named_with_both_values() {
        let one = Facts::default().with("bytes", 10).with("gone", "x").with("same", 1);
        let other = Facts::default().with("bytes", 11).with("new", "y").with("same", 1);
        let told: Vec<String> = one.differences(&other).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["bytes: approved `10`, found `11`", "gone: approved `x`, is gone", "new: not in the approval, found `y`"]
        );
    }
}
