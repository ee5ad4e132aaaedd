//! Owns the configuration of an instance as the ledger keeps it. Never shows a value: it cannot tell which are secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use homeport_core::config::Value;
use homeport_core::name::ConfigKey;
use homeport_core::upgrade::{Origin, Parked, Stored};

/// What was given for an instance and what that came to, secrets included.
///
/// Its `Debug` shows keys and never a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InstanceConfig {
    /// What the operator gave.
    pub given: BTreeMap<ConfigKey, Value>,
    /// Every key that has a value, given or by default, as the container last got them.
    pub effective: BTreeMap<ConfigKey, Value>,
    /// The keys whose value was taken over from a key that a version gave up.
    pub carried: BTreeSet<ConfigKey>,
    /// What is kept aside for another version, with what became of it.
    pub parked: BTreeMap<ConfigKey, Parked>,
}

impl InstanceConfig {
    /// What is kept from version to version.
    pub fn stored(&self) -> Stored {
        let mut stored = Stored::of_instance(&self.given, &self.effective);
        for key in &self.carried {
            if let Some(kept) = stored.values.get_mut(key) {
                kept.origin = Origin::Carried;
            }
        }
        stored.parked = self.parked.clone();
        stored
    }

    /// The same as the ledger has it.
    pub fn of(stored: &Stored) -> Self {
        let of = |origin: Origin| stored.values.iter().filter(move |(_, kept)| kept.origin == origin);
        Self {
            given: of(Origin::Given).map(|(key, kept)| (key.clone(), kept.value.clone())).collect(),
            effective: stored.in_force(),
            carried: of(Origin::Carried).map(|(key, _)| key.clone()).collect(),
            parked: stored.parked.clone(),
        }
    }
}

impl fmt::Debug for InstanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceConfig")
            .field("given", &self.given.keys())
            .field("effective", &self.effective.keys())
            .field("carried", &self.carried)
            .field("parked", &self.parked.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::upgrade::Kept;

    use super::*;

    #[test]
    fn debug_output_shows_keys_and_no_value() {
        let values = BTreeMap::from([("password".parse().unwrap(), Value::Text("hunter2".into()))]);
        let shown =
            format!("{:?}", InstanceConfig { given: values.clone(), effective: values, ..InstanceConfig::default() });
        assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_kept_from_version_to_version_is_what_the_ledger_has() {
        let kept = |text: &str, origin| Kept { value: Value::Text(text.into()), origin };
        let key = |text: &str| -> ConfigKey { text.parse().unwrap() };
        let aside = Parked { kept: kept("aside", Origin::Given), replaced: None };
        let stored = Stored {
            values: BTreeMap::from([
                (key("given"), kept("one", Origin::Given)),
                (key("default"), kept("two", Origin::Default)),
                (key("carried"), kept("three", Origin::Carried)),
            ]),
            parked: BTreeMap::from([(key("aside"), aside)]),
        };
        assert_eq!(InstanceConfig::of(&stored).stored(), stored);
    }
}
