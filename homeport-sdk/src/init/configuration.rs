//! Owns reading the effective configuration that the host wrote, and checking it again by the manifest.
//! Never shows a secret, and never takes a value from the environment.

use std::collections::BTreeMap;
use std::path::Path;

use homeport_core::config::{Effective, KeySpec, Secrecy, Value, effective};
use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_core::name::ConfigKey;

use super::report::{Failure, Report};

/// Reads `config.json` and the secrets beside it. Every fault is found, not the first. [spec: ENT-9, ENT-10]
pub(crate) fn read(specs: &BTreeMap<ConfigKey, KeySpec>, file: &Path, secrets: &Path) -> Result<Effective, Failure> {
    let mut report = Report::default();
    let open = read_open(specs, file, &mut report);
    let is_there = open.is_some();
    let mut given = open.unwrap_or_default();
    read_secrets(specs, secrets, &mut given, &mut report);
    if !is_there {
        // What is missing from a file that is missing says nothing.
        report.into_result()?;
        return Ok(Effective::default());
    }
    let values = match effective(specs, &given) {
        Ok(values) => Some(values),
        Err(faults) => {
            // A value that was already complained of is not complained of as missing too.
            let told: Vec<String> = report.subjects();
            for fault in faults.into_iter().filter(|fault| !told.contains(&fault.subject)) {
                report.error(ExitStatus::ConfigInvalid, fault);
            }
            None
        }
    };
    report.into_result()?;
    values.ok_or_else(|| Failure::new(ExitStatus::Internal, Fault::new("HP-INIT-001", "config", "no values")))
}

fn read_open(
    specs: &BTreeMap<ConfigKey, KeySpec>,
    file: &Path,
    report: &mut Report,
) -> Option<BTreeMap<ConfigKey, Value>> {
    let name = file.display();
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let fault = Fault::new("HP-CFG-101", "config", format!("`{name}` cannot be read"))
                .actual(error.to_string())
                .expected("the effective configuration, written by the host")
                .remedy("start the port with `homeport start`: only HomePort starts it with its configuration")
                .clause("ENT-9");
            report.error(ExitStatus::InputMissing, fault);
            return None;
        }
    };
    let document: BTreeMap<String, serde_json::Value> = match serde_json::from_slice(&bytes) {
        Ok(document) => document,
        Err(error) => {
            let fault = Fault::new("HP-CFG-102", "config", format!("`{name}` is not a JSON object"))
                .actual(error.to_string())
                .clause("ENT-9");
            report.error(ExitStatus::ConfigInvalid, fault);
            return None;
        }
    };
    let mut given = BTreeMap::new();
    for (key, json) in document {
        let subject = format!("config.{}", homeport_core::text::clip(&key, 64));
        let fault = |code, message: String| Fault::new(code, subject.clone(), message).clause("ENT-9");
        match (key.parse::<ConfigKey>(), Value::from_json(&json)) {
            (Err(error), _) => report.error(ExitStatus::ConfigInvalid, fault("HP-CFG-103", error.to_string())),
            (Ok(key), _) if specs.get(&key).is_some_and(|spec| spec.secrecy == Secrecy::Secret) => {
                let told = fault("HP-CFG-104", format!("`{key}` is secret and stands in the open configuration"));
                report.error(ExitStatus::ConfigInvalid, told.expected("a file of its own"));
            }
            (Ok(key), None) => {
                let told = fault("HP-CFG-103", format!("`{key}` has a value of no type that keys have"));
                let told = told.expected("a text, a whole number, `true`, `false` or a list of texts");
                report.error(ExitStatus::ConfigInvalid, told);
            }
            (Ok(key), Some(value)) => drop(given.insert(key, value)),
        }
    }
    Some(given)
}

fn read_secrets(
    specs: &BTreeMap<ConfigKey, KeySpec>,
    secrets: &Path,
    given: &mut BTreeMap<ConfigKey, Value>,
    report: &mut Report,
) {
    for (key, spec) in specs.iter().filter(|(_, spec)| spec.secrecy == Secrecy::Secret) {
        let subject = format!("config.{key}");
        let bytes = match std::fs::read(secrets.join(key.as_str())) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let fault = Fault::new("HP-CFG-105", subject, format!("the secret `{key}` cannot be read"));
                report.error(ExitStatus::InputMissing, fault.actual(error.to_string()).clause("ENT-10"));
                continue;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            let fault = Fault::new("HP-CFG-106", subject, format!("the secret `{key}` is not UTF-8 text"));
            report.error(ExitStatus::ConfigInvalid, fault.clause("ENT-10"));
            continue;
        };
        match spec.parse_text(key, &text) {
            Ok(value) => drop(given.insert(key.clone(), value)),
            Err(fault) => report.error(ExitStatus::ConfigInvalid, fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::manifest::{Manifest, parse};

    use super::*;

    fn manifest() -> Manifest {
        parse(
            br#"{"protocol":"1.0","port":{"id":"test","version":"1.0.0","title":"T"},"config":{
            "name":{"type":"string","required":true,"max_len":5},
            "size":{"type":"int","default":3},
            "password":{"type":"string","secret":true,"max_len":8}}}"#,
        )
        .unwrap()
    }

    fn outcome(config: Option<&str>, secret: Option<&[u8]>) -> Result<Effective, Vec<(u8, &'static str)>> {
        let dir = tempfile::tempdir().unwrap();
        let (file, secrets) = (dir.path().join("config.json"), dir.path().join("secrets"));
        if let Some(text) = config {
            std::fs::write(&file, text).unwrap();
        }
        if let Some(bytes) = secret {
            std::fs::create_dir(&secrets).unwrap();
            std::fs::write(secrets.join("password"), bytes).unwrap();
        }
        read(&manifest().config, &file, &secrets).map_err(|failure| {
            assert!(!failure.to_string().contains("hunter2"), "{failure}");
            failure.problems().iter().map(|p| (p.status.code(), p.fault.code)).collect()
        })
    }

    #[test]
    fn open_values_secrets_and_defaults_come_together() {
        let values = outcome(Some(r#"{"name":"ann"}"#), Some(b"hunter2\n")).unwrap();
        let get = |key: &str| values.get(&key.parse().unwrap()).map(Value::to_text);
        assert_eq!(get("name").as_deref(), Some("ann"));
        assert_eq!(get("size").as_deref(), Some("3"));
        assert_eq!(get("password").as_deref(), Some("hunter2"));
        assert!(!values.open.contains_key(&"password".parse().unwrap()));
    }

    #[test]
    fn every_fault_is_found_at_once() {
        type Row = (Option<&'static str>, Option<&'static [u8]>, &'static [(u8, &'static str)]);
        let rows: [Row; 9] = [
            (None, None, &[(66, "HP-CFG-101")]),
            (Some("[]"), None, &[(78, "HP-CFG-102")]),
            (Some("{}"), None, &[(78, "HP-CFG-001")]),
            (
                Some(r#"{"name":"toolong","size":"x","nam":"a"}"#),
                None,
                &[(78, "HP-CFG-002"), (78, "HP-CFG-003"), (78, "HP-CFG-003")],
            ),
            (Some(r#"{"name":null}"#), None, &[(78, "HP-CFG-103")]),
            (Some(r#"{"name":"a","N":1}"#), None, &[(78, "HP-CFG-103")]),
            (Some(r#"{"name":"a","password":"hunter2"}"#), None, &[(78, "HP-CFG-104")]),
            (Some(r#"{"name":"a"}"#), Some(b"hunter2 is long"), &[(78, "HP-CFG-003")]),
            (Some(r#"{"name":"a"}"#), Some(b"\xff"), &[(78, "HP-CFG-106")]),
        ];
        for (config, secret, wanted) in rows {
            assert_eq!(outcome(config, secret).unwrap_err(), wanted, "{config:?}");
        }
    }
}
