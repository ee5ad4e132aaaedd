//! Runs `spec/vectors/config`: texts and stored values become effective values, or exactly the faults named.

use std::collections::BTreeMap;

use homeport_core::config::{Effective, Given, Source, Value, effective, parse_given};
use homeport_core::fault::Fault;
use homeport_core::manifest::parse;
use serde_json::{Value as Json, json};

use crate::files::{files, report, stem};

fn resolve(vector: &Json) -> Result<Effective, Vec<Fault>> {
    let manifest = parse(vector["manifest"].to_string().as_bytes()).unwrap();
    let values: BTreeMap<_, Value> = match vector.get("stored") {
        Some(stored) => stored
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, json)| (key.parse().unwrap(), Value::from_json(json).unwrap()))
            .collect(),
        None => parse_given(&manifest.config, &given(&vector["given"]))?,
    };
    effective(&manifest.config, &values)
}

fn given(json: &Json) -> Vec<Given> {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let source = |word: &str| match word {
        "argument" => Source::Argument,
        "file" => Source::File,
        other => panic!("{other}"),
    };
    let one = |json: &Json| Given {
        key: text(&json["key"]),
        text: text(&json["text"]),
        source: source(json["source"].as_str().unwrap()),
    };
    json.as_array().unwrap().iter().map(one).collect()
}

fn shown(values: &BTreeMap<homeport_core::name::ConfigKey, Value>) -> Json {
    values.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect::<serde_json::Map<_, _>>().into()
}

fn run(set: &str) {
    let mut broken = Vec::new();
    for path in files(&format!("vectors/config/{set}"), "json") {
        let vector: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let found = match resolve(&vector) {
            Ok(effective) => json!({ "open": shown(&effective.open), "secret": shown(&effective.secret) }),
            Err(faults) => faults.iter().map(|fault| json!({ "code": fault.code, "subject": fault.subject })).collect(),
        };
        let (found, wanted) = match set {
            "good" => (found, vector["effective"].clone()),
            _ => (sorted(&found), sorted(&vector["faults"])),
        };
        if found != wanted {
            broken.push(format!("{set}/{}: found {found}, wanted {wanted}", stem(&path)));
        }
    }
    report(&broken);
}

fn sorted(faults: &Json) -> Json {
    let mut lines: Vec<String> = faults.as_array().unwrap_or(&vec![]).iter().map(Json::to_string).collect();
    lines.sort();
    lines.into()
}

#[test]
fn good_values_become_effective() {
    run("good");
}

#[test]
fn bad_values_are_refused_all_at_once() {
    run("bad");
}

#[test]
fn no_fault_shows_a_secret() {
    for path in files("vectors/config/bad", "json") {
        let vector: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let secret = vector["given"].as_array().and_then(|given| given.iter().find(|one| one["key"] == "password"));
        let Some(secret) = secret.map(|one| one["text"].as_str().unwrap()) else { continue };
        let faults = resolve(&vector).unwrap_err();
        assert!(!format!("{faults:?}").contains(secret), "{}", path.display());
    }
}
