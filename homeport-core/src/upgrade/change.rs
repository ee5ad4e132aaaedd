//! Owns one difference between two manifests, as a value, and how differences are collected.
//! Never decides whether a change is allowed: that is `verdict`'s.

use std::collections::BTreeMap;
use std::fmt;

use super::rule::Rule;
use crate::text::clip;

/// The most characters of a value that a change shows.
const SHOWN: usize = 120;

/// One difference between two manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rule that it falls under.
    pub rule: &'static Rule,
    /// A JSON pointer to what changed, into the manifest that has it; a step of a migration is named by its volume and
    /// the format before, since its place in the list says nothing.
    pub subject: String,
    /// What the older manifest says, as defaults make it; `None` where it says nothing, or where the subject as a whole
    /// was added or removed. Fit to be shown.
    pub old: Option<String>,
    /// What the newer manifest says, in the same way.
    pub new: Option<String>,
}

impl Change {
    /// What happened, and from what to what, for where the subject is told already.
    pub fn what(&self) -> String {
        let message = self.rule.message;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("{message} (`{old}`, then `{new}`)"),
            (Some(value), None) | (None, Some(value)) => format!("{message} (`{value}`)"),
            (None, None) => message.to_owned(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.what())
    }
}

/// Collects changes.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<Change>);

impl Found {
    /// Adds a change with what was and what is.
    pub(super) fn add(
        &mut self,
        rule: &'static Rule,
        subject: impl Into<String>,
        old: Option<String>,
        new: Option<String>,
    ) {
        let shown = |text: String| clip(&text, SHOWN);
        self.0.push(Change { rule, subject: subject.into(), old: old.map(shown), new: new.map(shown) });
    }

    /// Adds that the subject as a whole is there now, or is not any more.
    pub(super) fn added(&mut self, rule: &'static Rule, subject: impl Into<String>) {
        self.add(rule, subject, None, None);
    }

    /// Adds a change if the two differ.
    pub(super) fn unequal<T: ToString + PartialEq>(
        &mut self,
        rule: &'static Rule,
        subject: impl Into<String>,
        old: &T,
        new: &T,
    ) {
        if old != new {
            self.add(rule, subject, Some(old.to_string()), Some(new.to_string()));
        }
    }

    /// Adds a change by one rule where the number fell and by another where it rose; nothing is less than anything.
    pub(super) fn moved<T: ToString + PartialOrd>(
        &mut self,
        (fell, rose): (&'static Rule, &'static Rule),
        subject: impl Into<String>,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        let rule = match (old, new) {
            (old, new) if new > old => rose,
            (old, new) if new < old => fell,
            _ => return,
        };
        self.add(rule, subject, old.map(ToString::to_string), new.map(ToString::to_string));
    }

    /// Everything that was found.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.0
    }
}

/// A text in its JSON form, so that an empty one can be seen.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A list in one line.
pub(super) fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    format!("[{}]", items.join(", "))
}

/// Members of one name in two maps: of the older, of the newer, or of both.
pub(super) fn pairs<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let only_new = new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(key, value)| (key, None, Some(value)));
    old.iter().map(|(key, value)| (key, Some(value), new.get(key))).chain(only_new)
}
