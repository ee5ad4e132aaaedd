//! Owns the configuration of an instance as the host keeps it from version to version: what is in force, and what is
//! parked because the version that runs does not know it.
//! Never says whether a version accepts it: that is asked when it is carried or used.

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::config::Value;
use crate::manifest::Manifest;
use crate::name::ConfigKey;

/// How a kept value came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An operator gave it.
    Given,
    /// It was the default when the instance was made, or when the key came.
    Default,
    /// It was taken over from a deprecated key.
    Carried,
}

/// A value that is kept. Its `Debug` never shows it: whether it is secret stands in a manifest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The value.
    pub value: Value,
    /// How it came about.
    pub origin: Origin,
}

/// That a key's value was taken over by another key. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The key that took it over.
    pub by: ConfigKey,
    /// The version with which that was: a way back to below it undoes it.
    pub at: Version,
    /// The default that the other key had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Value>,
}

/// A value that is kept and not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parked {
    /// What is kept.
    pub kept: Kept,
    /// Set where another key took the value over; `None` where the version that runs does not know the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replacement>,
}

/// Everything that is kept of an instance's configuration, secrets included.
///
/// Under the manifest that it was last carried to, every key in force is declared, no key is both in force and parked,
/// and a declared key is parked only where another one took its value over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// What is in force.
    pub values: BTreeMap<ConfigKey, Kept>,
    /// What is kept aside for another version.
    #[serde(default)]
    pub parked: BTreeMap<ConfigKey, Parked>,
}

impl Stored {
    /// What an instance keeps that was made with these given values: they and the defaults of its manifest.
    pub fn new(given: BTreeMap<ConfigKey, Value>, manifest: &Manifest) -> Self {
        let kept = |(key, value)| (key, Kept { value, origin: Origin::Given });
        Self { values: given.into_iter().map(kept).collect(), parked: BTreeMap::new() }.settled(manifest)
    }

    /// What an instance keeps of which it is known what was given and what is in force: the rest came by default.
    pub fn of_instance(given: &BTreeMap<ConfigKey, Value>, in_force: &BTreeMap<ConfigKey, Value>) -> Self {
        let by_default = in_force.iter().filter(|(key, _)| !given.contains_key(*key)).map(|one| (one, Origin::Default));
        let all = given.iter().map(|one| (one, Origin::Given)).chain(by_default);
        let values = all.map(|((key, value), origin)| (key.clone(), Kept { value: value.clone(), origin }));
        Self { values: values.collect(), parked: BTreeMap::new() }
    }

    /// The same, with the defaults of keys that have no value yet: from then on another default changes nothing here.
    /// Done once a version is there to stay. [spec: UPG-30]
    #[must_use]
    pub fn settled(mut self, manifest: &Manifest) -> Self {
        for (key, spec) in &manifest.config {
            if let Some(default) = spec.default.as_ref().filter(|_| !self.parked.contains_key(key)) {
                let kept = || Kept { value: default.clone(), origin: Origin::Default };
                self.values.entry(key.clone()).or_insert_with(kept);
            }
        }
        self
    }

    /// Puts a value in force that an operator gave.
    pub fn set(&mut self, key: ConfigKey, value: Value) {
        self.parked.remove(&key);
        self.values.insert(key, Kept { value, origin: Origin::Given });
    }

    /// Takes a key's value away; `settled` gives it the default of the version that runs.
    pub fn unset(&mut self, key: &ConfigKey) {
        self.values.remove(key);
    }

    /// The values in force, as `config::effective` takes them.
    pub fn in_force(&self) -> BTreeMap<ConfigKey, Value> {
        self.values.iter().map(|(key, kept)| (key.clone(), kept.value.clone())).collect()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement").field("by", &self.by).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_given_came_by_default() {
        let text = r#"{
            "protocol": "1.0",
            "port": { "id": "hello", "version": "1.0.0", "title": "Says hello" },
            "config": {
                "greeting": { "type": "string", "default": "Hello" },
                "name": { "type": "string", "default": "World" },
                "password": { "type": "string", "secret": true }
            }
        }"#;
        let manifest = crate::manifest::parse(text.as_bytes()).unwrap();
        let given = BTreeMap::from([("name".parse().unwrap(), Value::Text("Ann".into()))]);
        let made = Stored::new(given.clone(), &manifest);
        assert_eq!(made.values[&"greeting".parse().unwrap()].origin, Origin::Default);
        assert_eq!(made.values[&"name".parse().unwrap()].origin, Origin::Given);
        assert_eq!(made.values.len(), 2);
        let effective = crate::config::effective(&manifest.config, &given).unwrap();
        assert_eq!(Stored::of_instance(&given, &effective.open), made);
        let mut changed = made.clone();
        changed.unset(&"name".parse().unwrap());
        let changed = changed.settled(&manifest);
        assert_eq!(changed.values[&"name".parse().unwrap()].origin, Origin::Default);
        let mut again = changed;
        again.set("name".parse().unwrap(), Value::Text("Ann".into()));
        assert_eq!(again, made);
    }

    #[test]
    fn debug_output_shows_keys_and_no_value() {
        let kept = Kept { value: Value::Text("hunter2".into()), origin: Origin::Given };
        let over = Some(Value::Text("hunter3".into()));
        let replaced = Some(Replacement { by: "secret".parse().unwrap(), at: Version::new(1, 0, 0), over });
        let stored = Stored {
            values: BTreeMap::from([("password".parse().unwrap(), kept.clone())]),
            parked: BTreeMap::from([("token".parse().unwrap(), Parked { kept, replaced })]),
        };
        let shown = format!("{stored:?}");
        assert!(shown.contains("password") && shown.contains("token") && !shown.contains("hunter"), "{shown}");
    }
}
