//! Owns labels and what it means to match them. Never decides which labels HomePort uses.

use std::collections::BTreeMap;

/// Labels of a container, network or image. A label is not a secret and not identity: anybody with the engine can set one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// No labels.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The same labels and this one, which replaces one of the same key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// The value of this label, if it is set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All labels in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether every label of `other` is here with the same value.
    pub fn cover(&self, other: &Self) -> bool {
        other.iter().all(|(key, value)| self.get(key) == Some(value))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Which labels something must have. Empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFilter(BTreeMap<String, Option<String>>);

impl LabelFilter {
    /// Matches everything.
    pub const fn any() -> Self {
        Self(BTreeMap::new())
    }

    /// The same filter, wanting also a label of this key with whatever value.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.insert(key.into(), None);
        self
    }

    /// The same filter, wanting also this label with this value.
    #[must_use]
    pub fn value(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), Some(value.into()));
        self
    }

    /// Whether these labels match.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, wanted)| match wanted {
            None => labels.get(key).is_some(),
            Some(value) => labels.get(key) == Some(value),
        })
    }

    /// The filter as the engine writes it: `key` or `key=value`.
    pub(super) fn terms(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(key, value)| value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_wants_every_one_of_its_terms() {
        let labels = Labels::new().with("a", "1").with("b", "");
        let rows = [
            (LabelFilter::any(), true),
            (LabelFilter::any().key("a"), true),
            (LabelFilter::any().key("c"), false),
            (LabelFilter::any().value("a", "1").key("b"), true),
            (LabelFilter::any().value("a", "2"), false),
            (LabelFilter::any().value("b", ""), true),
            (LabelFilter::any().value("a", "1").value("c", "1"), false),
        ];
        for (filter, matches) in rows {
            assert_eq!(filter.matches(&labels), matches, "{filter:?}");
        }
        assert_eq!(LabelFilter::any().value("a", "1").key("b").terms(), ["a=1", "b"]);
        assert!(labels.cover(&Labels::new().with("a", "1")));
        assert!(!Labels::new().cover(&labels));
    }
}
