//! Owns how a stored configuration goes from one version to another, and back to what it was.
//! Never loses a value, and never writes one anywhere.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::stored::{Kept, Origin, Parked, Replacement, Stored};
use crate::config::{Effective, Secrecy, effective};
use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::name::ConfigKey;

/// A configuration that was carried to another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What is to be kept if the instance goes there. Whole also where there are faults.
    pub stored: Stored,
    /// What happened to keys, for people.
    pub notes: Vec<Note>,
    /// What the new version gets, or everything that keeps it from starting: keys that have to have a value and have
    /// none, and values that it does not take.
    pub effective: Result<Effective, Vec<Fault>>,
}

/// What happened to one key. Names keys and never a value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Note {
    /// The version does not know it; its value is kept for one that does.
    Parked {
        /// The key.
        key: ConfigKey,
    },
    /// A value that was kept aside is in force again.
    Unparked {
        /// The key.
        key: ConfigKey,
    },
    /// A key's value is that of another one from now on.
    CarriedOver {
        /// The deprecated key.
        from: ConfigKey,
        /// The key to use instead.
        to: ConfigKey,
    },
    /// A deprecated key's value cannot be that of the key to use instead.
    NotCarriedOver {
        /// The deprecated key.
        from: ConfigKey,
        /// The key to use instead.
        to: ConfigKey,
        /// Why.
        why: WhyNot,
    },
}

/// Why a deprecated key's value was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// The value is secret and the other key is not.
    Secret,
    /// The other key does not take such a value.
    Refused,
}

/// Carries what is stored for `old` to `new`. Values stay as they are, whatever became of defaults; what `new` does not
/// know is parked. To the same version nothing changes, and up and back down again nothing has changed.
/// [spec: UPG-30, UPG-31, UPG-32, UPG-33, UPG-34, UPG-35]
pub fn carry(stored: &Stored, old: &Manifest, new: &Manifest) -> Carried {
    let mut carried = stored.clone();
    let mut notes = Vec::new();
    let (from, to) = (&old.port.version, &new.port.version);
    let direction = to.cmp_precedence(from);
    if direction == Ordering::Less {
        undo(&mut carried, to);
    }
    part(&mut carried, new);
    if direction == Ordering::Greater {
        notes = replace(&mut carried, stored, old, new);
    }
    notes.extend(seen(stored, &carried));
    let effective = effective(&new.config, &carried.in_force());
    Carried { stored: carried, notes, effective }
}

/// What is declared is in force, what is not is parked; what another key took over stays parked.
fn part(stored: &mut Stored, manifest: &Manifest) {
    let known = |key: &ConfigKey| manifest.config.contains_key(key);
    let unknown = stored.values.extract_if(.., |key, _| !known(key));
    let unknown: Vec<_> = unknown.map(|(key, kept)| (key, Parked { kept, replaced: None })).collect();
    let back = stored.parked.extract_if(.., |key, parked| parked.replaced.is_none() && known(key));
    stored.values.extend(back.map(|(key, parked)| (key, parked.kept)));
    stored.parked.extend(unknown);
}

/// Takes back what was taken over by versions above `to`.
fn undo(stored: &mut Stored, to: &Version) {
    let above = |replaced: &Replacement| replaced.at.cmp_precedence(to) == Ordering::Greater;
    let mut undone = Vec::new();
    for parked in stored.parked.values_mut() {
        undone.extend(parked.replaced.take_if(|replaced| above(replaced)));
    }
    for Replacement { by, over, .. } in undone {
        let is_carried = |kept: &Kept| kept.origin == Origin::Carried;
        let in_force = stored.values.get(&by).is_some_and(is_carried);
        let aside = stored.parked.get(&by).is_some_and(|parked| is_carried(&parked.kept));
        if in_force || aside {
            stored.values.remove(&by);
            stored.parked.remove(&by);
            stored.values.extend(over.map(|value| (by, Kept { value, origin: Origin::Default })));
        }
    }
}

/// Lets keys take over the values of those that they stand for from this version on, the first of a chain first.
fn replace(carried: &mut Stored, stored: &Stored, old: &Manifest, new: &Manifest) -> Vec<Note> {
    let mut waiting = replacements(old, new);
    let mut notes = Vec::new();
    loop {
        let has_value = |key: &ConfigKey| carried.values.contains_key(key) || stored.values.contains_key(key);
        let heads: BTreeSet<&ConfigKey> =
            waiting.iter().filter(|(key, _)| has_value(key)).map(|(_, instead)| instead).collect();
        let next = waiting.keys().find(|key| has_value(key) && !heads.contains(key)).cloned();
        let Some((from, to)) = next.and_then(|key| waiting.remove_entry(&key)) else { return notes };
        match take_over(carried, &from, &to, old, new) {
            Ok(()) => {}
            Err(why) => notes.push(Note::NotCarriedOver { from, to, why }),
        }
    }
}

/// Which key stands for which from `new` on: what it deprecates anew, and what is gone and was deprecated before.
fn replacements(old: &Manifest, new: &Manifest) -> BTreeMap<ConfigKey, ConfigKey> {
    let instead = |manifest: &Manifest, key: &ConfigKey| {
        manifest.config.get(key).and_then(|spec| spec.deprecated.as_ref()?.instead.clone())
    };
    let gone = old.config.keys().filter(|key| !new.config.contains_key(*key));
    let anew = new.config.keys().filter(|key| instead(new, key) != instead(old, key));
    let gone = gone.filter_map(|key| Some((key.clone(), instead(old, key)?)));
    let anew = anew.filter_map(|key| Some((key.clone(), instead(new, key)?)));
    gone.chain(anew).filter(|(_, to)| new.config.contains_key(to)).collect()
}

/// Gives `to` the value of `from`, unless an operator or another key gave it one.
fn take_over(
    carried: &mut Stored,
    from: &ConfigKey,
    to: &ConfigKey,
    old: &Manifest,
    new: &Manifest,
) -> Result<(), WhyNot> {
    let aside = || carried.parked.get(from).filter(|parked| parked.replaced.is_none()).map(|parked| &parked.kept);
    let Some(kept) = carried.values.get(from).or_else(aside).cloned() else { return Ok(()) };
    let over = match carried.values.get(to) {
        None if carried.parked.contains_key(to) => return Ok(()),
        None => None,
        Some(there) if there.origin == Origin::Default && kept.origin != Origin::Default => Some(there.value.clone()),
        Some(_) => return Ok(()),
    };
    let Some(spec) = new.config.get(to) else { return Ok(()) };
    let is_secret = |manifest: &Manifest| manifest.config.get(from).is_some_and(|spec| spec.secrecy == Secrecy::Secret);
    if spec.secrecy == Secrecy::Open && (is_secret(old) || is_secret(new)) {
        return Err(WhyNot::Secret);
    }
    spec.kind.accept(&kept.value).map_err(|_| WhyNot::Refused)?;
    carried.values.remove(from);
    carried.values.insert(to.clone(), Kept { value: kept.value.clone(), origin: Origin::Carried });
    let replaced = Some(Replacement { by: to.clone(), at: new.port.version.clone(), over });
    carried.parked.insert(from.clone(), Parked { kept, replaced });
    Ok(())
}

/// What became of keys, by what is there before and after.
fn seen(before: &Stored, after: &Stored) -> Vec<Note> {
    let parked = after.parked.iter().filter_map(|(key, parked)| match &parked.replaced {
        Some(Replacement { by, .. }) => {
            let is_new = before.parked.get(key).is_none_or(|was| was.replaced != parked.replaced);
            is_new.then(|| Note::CarriedOver { from: key.clone(), to: by.clone() })
        }
        None => (!before.parked.contains_key(key)).then(|| Note::Parked { key: key.clone() }),
    });
    let unparked = before.parked.keys().filter(|key| after.values.contains_key(*key));
    parked.chain(unparked.map(|key| Note::Unparked { key: key.clone() })).collect()
}
