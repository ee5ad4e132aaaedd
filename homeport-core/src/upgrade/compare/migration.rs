//! Owns the rules of formats and the steps between them.
//! Never plans a migration of what is installed: that is `super::super::plan`'s.

use std::collections::BTreeMap;

use super::super::change::{Found, pairs};
use super::super::rule::declare_rules;
use super::port;
use crate::manifest::{Manifest, Migration, Reversible};
use crate::name::VolumeName;
use crate::unit::Format;

declare_rules! {
    FORMAT_LOWERED = "volume-format-lowered", Forbidden as "HP-UPG-016",
        "a volume's format is lower than before",
        "data that the version before wrote cannot be read";
    GAP = "volume-format-gap", Forbidden as "HP-UPG-017",
        "no steps lead from the format of the version before",
        "the data of every instance is refused";
    FORMAT_RAISED = "volume-format-raised", Minor,
        "a volume's format is higher, and every step can be taken back",
        "the way back to the version before is a migration";
    FORMAT_RAISED_ONE_WAY = "volume-format-raised-one-way", Major,
        "a volume's format is higher, and a step cannot be taken back",
        "going back to the version before loses what was written since";
    MIN_FORMAT_RAISED = "volume-min-format-raised", Major,
        "an old format is not taken any more",
        "a snapshot from long ago, restored, cannot be started";
    MIN_FORMAT_LOWERED = "volume-min-format-lowered", Patch,
        "an older format is taken as well",
        "whatever was taken before is taken now";
    DOWN_REMOVED = "migration-down-removed", Major,
        "a step can be taken back no longer",
        "an instance that was upgraded by it has lost its way back";
    DOWN_ADDED = "migration-down-added", Patch,
        "a step can be taken back",
        "there is one more way back and none less";
    STEP_ADDED = "migration-added", Minor,
        "data is migrated that was used as it is",
        "an upgrade takes longer";
    STEP_REMOVED = "migration-removed", Minor,
        "data is used as it is that was migrated",
        "data stays in the old format";
    COST_RAISED = "migration-cost-raised", Minor,
        "a step takes more space or time",
        "a disk with room for the migration of before is too small";
    COST_LOWERED = "migration-cost-lowered", Patch,
        "a step takes less space or time",
        "whoever had enough before has enough now";
}

/// The oldest format of a volume that a version takes, as it is or by migrating it; `None` where it has no such volume.
pub(in super::super) fn oldest_taken(manifest: &Manifest, volume: &VolumeName) -> Option<Format> {
    let as_it_is = manifest.volumes.get(volume)?.min_format;
    let first = manifest.migrations.iter().filter(|step| step.volume == *volume).map(|step| step.from).min();
    Some(first.map_or(as_it_is, |first| first.min(as_it_is)))
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    for name in old.volumes.keys().filter(|name| new.volumes.contains_key(*name)) {
        formats(name, old, new, found);
    }
    let (was, is) = (steps(old), steps(new));
    for ((volume, from), was, is) in pairs(&was, &is) {
        let at = format!("/migrations/{volume}/{from}");
        let (Some(before), Some(after)) = (old.volumes.get(*volume), new.volumes.get(*volume)) else { continue };
        match (was, is) {
            (Some(was), Some(is)) => both(&at, was, is, found),
            // A step that starts where the older version ends comes with the raised format.
            (None, Some(_)) if *from < before.format && oldest_taken(old, volume) <= Some(*from) => {
                found.added(&STEP_ADDED, at);
            }
            (Some(_), None) if *from < after.format && oldest_taken(new, volume) <= Some(*from) => {
                found.added(&STEP_REMOVED, at);
            }
            _ => {}
        }
    }
}

fn steps(manifest: &Manifest) -> BTreeMap<(&VolumeName, Format), &Migration> {
    manifest.migrations.iter().map(|step| ((&step.volume, step.from), step)).collect()
}

fn formats(name: &VolumeName, old: &Manifest, new: &Manifest, found: &mut Found) {
    let (was, is) = (&old.volumes[name], &new.volumes[name]);
    let at = |field: &str| format!("/volumes/{name}/{field}");
    let shown = |format: Option<Format>| format.map(|format| format.to_string());
    if is.format < was.format {
        return found.unequal(&FORMAT_LOWERED, at("format"), &was.format, &is.format);
    }
    let (oldest_was, oldest_is) = (oldest_taken(old, name), oldest_taken(new, name));
    if oldest_is > Some(was.format) {
        return found.add(&GAP, at("format"), shown(Some(was.format)), shown(oldest_is));
    }
    if is.format > was.format {
        let one_way = new
            .migrations
            .iter()
            .any(|step| step.volume == *name && step.from >= was.format && step.down == Reversible::No);
        let rule = if one_way { &FORMAT_RAISED_ONE_WAY } else { &FORMAT_RAISED };
        found.unequal(rule, at("format"), &was.format, &is.format);
    }
    // With a higher format a higher `min_format` is only the rest of the same step, as long as no data is left behind.
    let raised = oldest_is > oldest_was || (is.format == was.format && is.min_format > was.min_format);
    let lowered = oldest_is < oldest_was || is.min_format < was.min_format;
    let (min_was, min_is) =
        if oldest_is == oldest_was { (Some(was.min_format), Some(is.min_format)) } else { (oldest_was, oldest_is) };
    if raised {
        found.add(&MIN_FORMAT_RAISED, at("min_format"), shown(min_was), shown(min_is));
    } else if lowered {
        found.add(&MIN_FORMAT_LOWERED, at("min_format"), shown(min_was), shown(min_is));
    }
}

fn both(at: &str, was: &Migration, is: &Migration, found: &mut Found) {
    let goes_down = |step: &Migration| step.down == Reversible::Yes;
    let down = if goes_down(is) { &DOWN_ADDED } else { &DOWN_REMOVED };
    found.unequal(down, format!("{at}/down"), &goes_down(was), &goes_down(is));
    let cost = (&COST_LOWERED, &COST_RAISED);
    found.moved(cost, format!("{at}/space_percent"), Some(&was.space_percent), Some(&is.space_percent));
    found.moved(cost, format!("{at}/max_seconds"), Some(&was.within), Some(&is.within));
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}
