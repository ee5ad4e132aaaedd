//! Owns the effective configuration of an instance: every key that has a value, given or by default.
//! Never stores it, and never mixes secrets with the rest.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::name::ConfigKey;
use crate::text::nearest;

use super::spec::{KeySpec, Need, Secrecy};
use super::value::Value;

/// Every key that has a value, apart by whether it may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// What goes to `/run/port/config.json`. [spec: ENT-9]
    pub open: BTreeMap<ConfigKey, Value>,
    /// What goes to `/run/port/secrets/<KEY>`. [spec: ENT-10]
    pub secret: BTreeMap<ConfigKey, Value>,
}

impl Effective {
    /// The value of a key, secret or not.
    pub fn get(&self, key: &ConfigKey) -> Option<&Value> {
        self.open.get(key).or_else(|| self.secret.get(key))
    }
}

/// Puts given values and defaults together: every fault is returned, not the first. [spec: MAN-7]
pub fn effective(
    specs: &BTreeMap<ConfigKey, KeySpec>,
    given: &BTreeMap<ConfigKey, Value>,
) -> Result<Effective, Vec<Fault>> {
    let mut faults: Vec<Fault> =
        given.keys().filter(|key| !specs.contains_key(*key)).map(|key| unknown_key(specs, key.as_str())).collect();
    let mut effective = Effective::default();
    for (key, spec) in specs {
        let value = match given.get(key) {
            Some(value) => match spec.accept(key, value.clone()) {
                Ok(value) => Some(value),
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            },
            None => spec.default.clone(),
        };
        match value {
            Some(value) => {
                let part = match spec.secrecy {
                    Secrecy::Open => &mut effective.open,
                    Secrecy::Secret => &mut effective.secret,
                };
                part.insert(key.clone(), value);
            }
            None if spec.need == Need::Required => faults.push(missing_key(key, spec)),
            None => {}
        }
    }
    if faults.is_empty() { Ok(effective) } else { Err(faults) }
}

fn missing_key(key: &ConfigKey, spec: &KeySpec) -> Fault {
    let example = match (&spec.example, spec.secrecy) {
        (Some(example), Secrecy::Open) => {
            format!(" (for example `--set '{key}={}'`)", crate::text::clip(&example.to_text(), 80))
        }
        _ => String::new(),
    };
    let way = match spec.secrecy {
        Secrecy::Open => format!("give it: `--set {key}=VALUE` or `--set-file {key}=PATH`{example}"),
        Secrecy::Secret => format!("give it: `--set-file {key}=PATH` (it is secret)"),
    };
    Fault::new("HP-CFG-001", format!("config.{key}"), format!("`{key}` is required and has no value"))
        .expected(spec.kind.wanted())
        .remedy(way)
        .clause("MAN-42")
}

/// The fault of a key that no manifest declares; says which one was meant where that is likely.
pub(super) fn unknown_key(specs: &BTreeMap<ConfigKey, KeySpec>, found: &str) -> Fault {
    let fault = Fault::new("HP-CFG-002", format!("config.{found}"), format!("`{found}` is not a key of this port"))
        .expected(format!("one of {}", specs.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")))
        .clause("MAN-43");
    match nearest(found, specs.keys().map(ConfigKey::as_str)) {
        Some(meant) => fault.remedy(format!("did you mean `{meant}`?")),
        None => fault.remedy("`homeport port info` lists the keys with their meaning"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::Kind;
    use crate::config::spec::Reload;

    fn spec(need: Need, secrecy: Secrecy, default: Option<&str>) -> KeySpec {
        KeySpec {
            kind: Kind::Enum(vec!["a".into(), "b".into()]),
            need,
            secrecy,
            default: default.map(|text| Value::Text(text.into())),
            example: None,
            reload: Reload::Restart,
            env: None,
            since: None,
            deprecated: None,
            summary: String::new(),
        }
    }

    fn specs() -> BTreeMap<ConfigKey, KeySpec> {
        BTreeMap::from([
            ("must".parse().unwrap(), spec(Need::Required, Secrecy::Open, None)),
            ("may".parse().unwrap(), spec(Need::Optional, Secrecy::Open, Some("a"))),
            ("hidden".parse().unwrap(), spec(Need::Optional, Secrecy::Secret, None)),
        ])
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<ConfigKey, Value> {
        pairs.iter().map(|(key, value)| (key.parse().unwrap(), Value::Text((*value).into()))).collect()
    }

    #[test]
    fn defaults_fill_in_and_secrets_stay_apart() {
        let effective = effective(&specs(), &given(&[("must", "b"), ("hidden", "a")])).unwrap();
        assert_eq!(effective.open.len(), 2);
        assert_eq!(effective.get(&"may".parse().unwrap()), Some(&Value::Text("a".into())));
        assert_eq!(effective.secret.len(), 1);
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = effective(&specs(), &given(&[("may", "c"), ("mus", "a"), ("zzz", "a")])).unwrap_err();
        let codes: Vec<_> = faults.iter().map(|fault| (fault.code, fault.subject.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("HP-CFG-002", "config.mus"),
                ("HP-CFG-002", "config.zzz"),
                ("HP-CFG-003", "config.may"),
                ("HP-CFG-001", "config.must"),
            ]
        );
        assert_eq!(faults[0].remedy, "did you mean `must`?");
    }
}
