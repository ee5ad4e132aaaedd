//! Compiles what authors write in TOML into the JSON that hosts and inits read, the same bytes each time.
//! Never decides what a manifest may say: core's parser does.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::manifest::{Manifest, ManifestError};
use serde::Serialize;

/// A JSON value whose members are always in the order of their names.
#[derive(Serialize)]
#[serde(untagged)]
enum Canonical {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// Compiles `port.toml` into the manifest: members in the order of their names, no blanks, one line. [spec: MAN-1]
///
/// The bytes are read again by core's parser, which reports every broken rule.
pub fn compile_manifest(toml: &str) -> Result<(Manifest, Vec<u8>), ManifestError> {
    let bytes = compile(toml, "port.toml").map_err(ManifestError::Faults)?;
    Ok((homeport_core::manifest::parse(&bytes)?, bytes))
}

/// Compiles `services.toml` into what the generic init reads: members in the order of their names, no blanks, one line.
pub fn compile_services(toml: &str) -> Result<Vec<u8>, Vec<Fault>> {
    compile(toml, "services.toml")
}

fn compile(text: &str, file: &str) -> Result<Vec<u8>, Vec<Fault>> {
    let syntax = |message: String| vec![Fault::new("HP-KIT-105", file, message)];
    let table: toml::Table = toml::from_str(text).map_err(|error| syntax(error.to_string().trim_end().to_owned()))?;
    let mut faults = Vec::new();
    let value = canonical(toml::Value::Table(table), file, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::to_vec(&value).map_err(|error| syntax(error.to_string()))
}

fn canonical(value: toml::Value, at: &str, faults: &mut Vec<Fault>) -> Canonical {
    let mut no_json = |kind: &str, found: String| {
        faults.push(Fault::new("HP-KIT-106", at, format!("`{at}` is a {kind}, which has no place here")).actual(found));
        Canonical::Boolean(false)
    };
    match value {
        toml::Value::String(text) => Canonical::Text(text),
        toml::Value::Integer(number) => Canonical::Integer(number),
        toml::Value::Boolean(flag) => Canonical::Boolean(flag),
        toml::Value::Float(number) => no_json("number with a fraction", number.to_string()),
        toml::Value::Datetime(moment) => no_json("date", moment.to_string()),
        toml::Value::Array(items) => Canonical::List(
            items.into_iter().enumerate().map(|(n, item)| canonical(item, &format!("{at}/{n}"), faults)).collect(),
        ),
        toml::Value::Table(table) => {
            let member = |(name, item): (String, toml::Value)| {
                let item = canonical(item, &format!("{at}/{name}"), faults);
                (name, item)
            };
            Canonical::Object(table.into_iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeport_core::fault::Advice as _;

    #[test]
    fn the_order_of_the_source_does_not_matter() {
        let one = "protocol = \"1.0\"\n[port]\nid = \"hello\"\nversion = \"1.0.0\"\ntitle = \"Says hello\"\n";
        let other = "port = { title = \"Says hello\", version = \"1.0.0\", id = \"hello\" }\nprotocol = \"1.0\"\n";
        let (manifest, bytes) = compile_manifest(one).unwrap();
        assert_eq!(manifest.port.id.as_str(), "hello");
        assert_eq!(compile_manifest(other).unwrap().1, bytes);
        let wanted = r#"{"port":{"id":"hello","title":"Says hello","version":"1.0.0"},"protocol":"1.0"}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
    }

    #[test]
    fn every_fault_of_the_manifest_is_reported() {
        let error =
            compile_manifest("protocol = \"1.0\"\n[port]\nid = \"X\"\nversion = \"one\"\ntitle = \"t\"\n").unwrap_err();
        assert!(error.faults().len() >= 2, "{:?}", error.faults());
        let error = compile_manifest("protocol = 1.0\nx-when = 2026-11-23\n").unwrap_err();
        let subjects: Vec<&str> = error.faults().iter().map(|fault| fault.subject.as_str()).collect();
        assert_eq!(subjects, ["port.toml/protocol", "port.toml/x-when"]);
        assert_eq!(compile_manifest("protocol = ").unwrap_err().faults()[0].code, "HP-KIT-105");
    }

    #[test]
    fn services_become_one_line_of_json() {
        let json = compile_services("[services.b]\nrun = [\"/b\"]\n[services.a]\nrun = [\"/a\", \"-x\"]\n").unwrap();
        assert_eq!(json, br#"{"services":{"a":{"run":["/a","-x"]},"b":{"run":["/b"]}}}"#);
    }
}
