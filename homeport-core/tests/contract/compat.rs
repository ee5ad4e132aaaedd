//! Runs `spec/vectors/compat`: each pair of manifests has exactly the changes that it names, under its own rule, and all
//! rules are asked about all pairs, in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use homeport_core::manifest::{Manifest, parse};
use homeport_core::upgrade::{Change, compare, rules};
use homeport_core::version::PROTOCOL;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value as Json, json};

use crate::files::{report, spec_dir};
use crate::laws::{a_change, apply, good};

/// A pair with what is said of it.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) rule: Json,
    pub(crate) old: Manifest,
    pub(crate) new: Manifest,
}

/// Every pair, by the name of its folder.
pub(crate) fn pairs() -> Vec<Pair> {
    let dir = spec_dir().join("vectors/compat");
    let read = |path: &Path| -> Json { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let mut pairs: Vec<Pair> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let dir = entry.unwrap().path();
            Pair {
                name: dir.file_name().unwrap().to_str().unwrap().to_owned(),
                rule: read(&dir.join("rule.json")),
                old: manifest(&read(&dir.join("old.json"))),
                new: manifest(&read(&dir.join("new.json"))),
            }
        })
        .collect();
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    pairs
}

/// Reads a manifest of any protocol, as a reader of that protocol would.
pub(crate) fn manifest(json: &Json) -> Manifest {
    let mut spoken = json.clone();
    spoken["protocol"] = json!(PROTOCOL.to_string());
    let mut manifest =
        parse(spoken.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}: {error:?} in {json}"));
    manifest.protocol = json["protocol"].as_str().unwrap().parse().unwrap();
    manifest
}

fn shown(changes: &[Change]) -> Json {
    changes.iter().map(|change| json!({ "subject": change.subject, "old": change.old, "new": change.new })).collect()
}

/// The rules of the way back, as if it were the way forward.
fn back(pair: &Pair) -> BTreeSet<&'static str> {
    let (mut old, mut new) = (pair.new.clone(), pair.old.clone());
    old.port.version = "1.0.0".parse().unwrap();
    new.port.version = "2.0.0".parse().unwrap();
    compare(&old, &new).iter().map(|change| change.rule.id).collect()
}

#[test]
fn each_pair_falls_under_its_own_rule_and_no_other() {
    let mut broken = Vec::new();
    for pair in pairs() {
        let changes = compare(&pair.old, &pair.new);
        let ids: BTreeSet<&str> = changes.iter().map(|change| change.rule.id).collect();
        if ids != BTreeSet::from([pair.name.as_str()]) {
            broken.push(format!("{}: falls under {ids:?}", pair.name));
        }
        if shown(&changes) != pair.rule["changes"] {
            broken.push(format!("{}: found {}, wanted {}", pair.name, shown(&changes), pair.rule["changes"]));
        }
        let back = json!(back(&pair));
        if back != pair.rule["back"] {
            broken.push(format!("{}: the other way round found {back}, wanted {}", pair.name, pair.rule["back"]));
        }
    }
    report(&broken);
}

#[test]
fn the_data_files_say_what_the_rules_say() {
    let mut known: BTreeMap<&str, Json> = rules()
        .map(|rule| {
            let said = json!({
                "id": rule.id, "bump": rule.bump, "code": rule.code, "message": rule.message, "witness": rule.witness,
            });
            (rule.id, said)
        })
        .collect();
    for pair in pairs() {
        let mut said = pair.rule.clone();
        let object = said.as_object_mut().unwrap();
        assert!(object.remove("changes").is_some_and(|changes| changes.as_array().is_some_and(|c| !c.is_empty())));
        object.remove("back");
        assert_eq!(known.remove(pair.name.as_str()), Some(said), "{}", pair.name);
    }
    assert!(known.is_empty(), "no pair shows {:?}", known.keys());
}

#[test]
fn the_documents_table_is_the_list_of_rules() {
    let document = std::fs::read_to_string(spec_dir().join("upgrade.md")).unwrap();
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| {
            ["patch", "minor", "major", "forbidden"].iter().any(|word| line.contains(&format!("` | {word} |")))
        })
        .collect();
    let wanted: Vec<String> = rules()
        .map(|rule| format!("| `{}` | {} | {} | {} |", rule.id, rule.bump, rule.message, rule.witness))
        .collect();
    assert_eq!(rows, wanted);
}

#[test]
fn a_manifest_has_no_change_against_itself() {
    for pair in pairs() {
        assert_eq!(compare(&pair.old, &pair.old), [], "{}", pair.name);
        assert_eq!(compare(&pair.new, &pair.new), [], "{}", pair.name);
    }
}

/// The manifest without what no rule looks at: its version, and the order of lists that have none.
fn compared(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.port.version = "1.0.0".parse().unwrap();
    manifest.privileges.devices.sort();
    manifest.privileges.tmpfs.sort_by(|a, b| a.path.cmp(&b.path));
    manifest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn whatever_differs_between_two_manifests_is_found(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), a_change()), 1..4),
    ) {
        thread_local! {
            static GOOD: Vec<Json> = good();
        }
        GOOD.with(|good| {
            let old = which.get(good);
            let mut new = old.clone();
            for (at, change) in &changes {
                apply(&mut new, *at, change);
            }
            let Ok(mut after) = parse(new.to_string().as_bytes()) else { return Ok(()) };
            let before = parse(old.to_string().as_bytes()).unwrap();
            after.port.version = "9999.0.0".parse().unwrap();
            prop_assert_eq!(compare(&after, &after), []);
            let mut found = compare(&before, &after);
            // A range that stayed as it was can leave behind the version that it stands in.
            found.retain(|change| change.rule.id != "upgrade-from-narrowed" || change.old != change.new);
            prop_assert_eq!(found.is_empty(), compared(&before) == compared(&after), "{:?} in {}", found, new);
            let subjects: BTreeSet<(&str, &str, Option<&String>, Option<&String>)> = found
                .iter()
                .map(|change| (change.rule.id, change.subject.as_str(), change.old.as_ref(), change.new.as_ref()))
                .collect();
            prop_assert_eq!(subjects.len(), found.len(), "a change is said twice: {:?}", found);
            Ok(())
        })?;
    }
}
