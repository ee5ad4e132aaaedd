//! Owns reading what an operator gave on a command line: pairs of key and text, all faults at once.
//! Never opens a file: `--set-file` was read by who calls.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::name::ConfigKey;

use super::effective::unknown_key;
use super::spec::{KeySpec, Secrecy};
use super::value::Value;

/// How a value came: what is on a command line can be seen by every user of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// As an argument, `--set KEY=VALUE`.
    Argument,
    /// From a file or standard input, `--set-file KEY=PATH`.
    File,
}

/// One value as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// The key as typed.
    pub key: String,
    /// The value as typed, or the file's content.
    pub text: String,
    /// How it came.
    pub source: Source,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("key", &self.key).field("source", &self.source).finish_non_exhaustive()
    }
}

/// Reads all of them. A list that is given more than once grows; any other key given twice is a fault.
/// A secret given as an argument is refused, since process lists show it. [spec: MAN-40, MAN-41]
pub fn parse_given(
    specs: &BTreeMap<ConfigKey, KeySpec>,
    given: &[Given],
) -> Result<BTreeMap<ConfigKey, Value>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut texts: BTreeMap<&ConfigKey, String> = BTreeMap::new();
    for one in given {
        let Some((key, spec)) = specs.iter().find(|(key, _)| key.as_str() == one.key) else {
            faults.push(unknown_key(specs, &crate::text::clip(&one.key, 64)));
            continue;
        };
        if spec.secrecy == Secrecy::Secret && one.source == Source::Argument {
            faults.push(
                Fault::new(
                    "HP-CFG-004",
                    format!("config.{key}"),
                    format!("`{key}` is secret and was given as an argument"),
                )
                .expected("a file: process lists show arguments")
                .remedy(format!("use `--set-file {key}=PATH`, or `--set-file {key}=-` for standard input"))
                .clause("MAN-40"),
            );
            continue;
        }
        match texts.get_mut(key) {
            None => {
                texts.insert(key, one.text.clone());
            }
            Some(text) if matches!(spec.kind, super::kind::Kind::List { .. }) => {
                text.push('\n');
                text.push_str(&one.text);
            }
            Some(_) => faults.push(
                Fault::new("HP-CFG-005", format!("config.{key}"), format!("`{key}` was given twice"))
                    .expected("one value")
                    .remedy("leave one of them out")
                    .clause("MAN-41"),
            ),
        }
    }
    let mut values = BTreeMap::new();
    for (key, text) in texts {
        match specs[key].parse_text(key, &text) {
            Ok(value) => {
                values.insert(key.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

/// What is said of the rest beside faults of what was given: a key that was given is not missing, whatever is wrong with its
/// value, and what it had before does not count.
pub fn beside_given(given: &[Given], faults: Vec<Fault>) -> Vec<Fault> {
    let is_given = |fault: &Fault| {
        fault.subject.strip_prefix("config.").is_some_and(|key| given.iter().any(|one| one.key.as_str() == key))
    };
    faults.into_iter().filter(|fault| !is_given(fault)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::{Kind, Limits};
    use crate::config::spec::{Need, Reload};

    fn specs() -> BTreeMap<ConfigKey, KeySpec> {
        let spec = |kind, secrecy| KeySpec {
            kind,
            need: Need::Optional,
            secrecy,
            default: None,
            example: None,
            reload: Reload::Restart,
            env: None,
            since: None,
            deprecated: None,
            summary: String::new(),
        };
        let list = Kind::List { count: Limits { min: 0, max: 9 }, max_len: 99, pattern: None };
        BTreeMap::from([
            ("keys".parse().unwrap(), spec(list, Secrecy::Open)),
            ("password".parse().unwrap(), spec(Kind::String { max_len: 9, pattern: None }, Secrecy::Secret)),
            ("sftp".parse().unwrap(), spec(Kind::Bool, Secrecy::Open)),
        ])
    }

    fn given(key: &str, text: &str, source: Source) -> Given {
        Given { key: key.into(), text: text.into(), source }
    }

    #[test]
    fn a_list_grows_and_other_keys_stand_once() {
        let twice = [given("keys", "a", Source::Argument), given("keys", "b\nc", Source::File)];
        let values = parse_given(&specs(), &twice).unwrap();
        assert_eq!(values[&"keys".parse().unwrap()], Value::List(vec!["a".into(), "b".into(), "c".into()]));
        let twice = [given("sftp", "yes", Source::Argument), given("sftp", "no", Source::Argument)];
        assert_eq!(parse_given(&specs(), &twice).unwrap_err()[0].code, "HP-CFG-005");
    }

    #[test]
    fn a_secret_comes_from_a_file_only() {
        assert!(parse_given(&specs(), &[given("password", "x\n", Source::File)]).is_ok());
        let faults = parse_given(&specs(), &[given("password", "hunter2", Source::Argument)]).unwrap_err();
        assert_eq!(faults[0].code, "HP-CFG-004");
        assert!(!format!("{faults:?}").contains("hunter2"));
    }

    #[test]
    fn a_key_that_was_given_is_not_missing() {
        let missing = |key: &str| Fault::new("HP-CFG-001", format!("config.{key}"), "missing");
        let bad = [given("sftp", "maybe", Source::Argument), given("keys", "a", Source::Argument)];
        let told = beside_given(&bad, vec![missing("keys"), missing("sftp"), missing("password")]);
        assert_eq!(told, [missing("password")]);
    }

    #[test]
    fn several_bad_keys_are_reported_together() {
        let bad = [
            given("Keys", "a", Source::Argument),
            given("sftp", "maybe", Source::Argument),
            given("x y\n", "", Source::File),
        ];
        let codes: Vec<_> = parse_given(&specs(), &bad).unwrap_err().iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["HP-CFG-002", "HP-CFG-002", "HP-CFG-003"]);
    }
}
