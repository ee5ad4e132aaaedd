//! Owns the configuration of an instance as the ledger keeps it. Never shows a value: it cannot tell which are secret.

use std::collections::BTreeMap;
use std::fmt;

use homeport_core::config::Value;
use homeport_core::name::ConfigKey;

/// What was given for an instance and what that came to, secrets included.
///
/// Its `Debug` shows keys and never a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InstanceConfig {
    /// What the operator gave.
    pub given: BTreeMap<ConfigKey, Value>,
    /// Every key that has a value, given or by default, as the container last got them.
    pub effective: BTreeMap<ConfigKey, Value>,
}

impl fmt::Debug for InstanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceConfig")
            .field("given", &self.given.keys())
            .field("effective", &self.effective.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_keys_and_no_value() {
        let values = BTreeMap::from([("password".parse().unwrap(), Value::Text("hunter2".into()))]);
        let shown = format!("{:?}", InstanceConfig { given: values.clone(), effective: values });
        assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }
}
