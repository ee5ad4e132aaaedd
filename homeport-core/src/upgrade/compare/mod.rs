//! The difference of two manifests, each change under the rule that it falls under.
//!
//! A rule and what finds its changes stand side by side, one file for each part of a manifest. Every member is looked
//! at: two manifests without a change between them differ in nothing but the version and the order of lists that have
//! none.

mod constraint;
mod endpoint;
mod from;
mod key;
mod migration;
mod port;
mod privilege;
mod running;
mod volume;
mod work;

use super::change::{Change, Found};
use super::rule::Rule;
use crate::manifest::Manifest;

/// The rules of each part, in the order of the specification's table.
pub(super) const RULES: [&[Rule]; 10] = [
    port::RULES,
    key::RULES,
    constraint::RULES,
    volume::RULES,
    migration::RULES,
    endpoint::RULES,
    work::RULES,
    running::RULES,
    privilege::RULES,
    from::RULES,
];

/// Every change from `old`, the version before, to `new`. A manifest has none against itself. [spec: UPG-10]
pub fn compare(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut found = Found::default();
    key::compare(old, new, &mut found);
    volume::compare(old, new, &mut found);
    migration::compare(old, new, &mut found);
    endpoint::compare(&old.endpoints, &new.endpoints, &mut found);
    work::compare(old, new, &mut found);
    running::compare(old, new, &mut found);
    privilege::compare(&old.privileges, &new.privileges, &mut found);
    from::compare(old, new, &mut found);
    port::compare(old, new, &mut found);
    found.into_changes()
}

pub(super) use migration::oldest_taken;
