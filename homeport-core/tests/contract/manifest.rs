//! Runs `spec/vectors/manifest`: parser and schema give the same verdict, and the parser finds exactly the faults named.

use std::collections::BTreeSet;
use std::path::Path;

use homeport_core::fault::Advice as _;
use homeport_core::manifest::{ManifestError, parse};

use crate::files::{files, report, stem};
use crate::schema::{complaints, validator};

/// Which faults the parser reports: `CODE POINTER` a line, sorted, `-` where the fault is of the whole.
pub(crate) fn verdict(bytes: &[u8]) -> Vec<String> {
    let mut lines = match parse(bytes) {
        Ok(_) => vec![],
        Err(ManifestError::Faults(faults)) => {
            faults.iter().map(|fault| format!("{} {}", fault.code, fault.subject)).collect()
        }
        Err(error @ ManifestError::Protocol { .. }) => vec![format!("{} /protocol", error.code())],
        Err(error) => vec![format!("{} -", error.code())],
    };
    lines.sort();
    lines
}

fn expected(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path.with_extension("expect"))
        .unwrap_or_else(|error| panic!("{} has no .expect: {error}", path.display()));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    assert!(!lines.is_empty(), "{} expects nothing", path.display());
    lines
}

/// Compares parser and schema with what a set of vectors promises.
fn run(set: &str, schema_accepts: Option<bool>) {
    let validator = validator();
    let mut broken = Vec::new();
    for path in files(&format!("vectors/manifest/{set}"), "json") {
        let name = stem(&path);
        let bytes = std::fs::read(&path).unwrap();
        let wanted = if set == "good" { vec![] } else { expected(&path) };
        let found = verdict(&bytes);
        if found != wanted {
            broken.push(format!("{set}/{name}: the parser found {found:?}, wanted {wanted:?}"));
        }
        if let Some(accepts) = schema_accepts {
            let complaints = complaints(&validator, &serde_json::from_slice(&bytes).unwrap());
            if complaints.is_empty() != accepts {
                broken.push(format!("{set}/{name}: the schema says {complaints:?}"));
            }
        }
    }
    report(&broken);
}

#[test]
fn good_manifests_are_accepted_by_both() {
    run("good", Some(true));
}

#[test]
fn bad_manifests_are_refused_by_both() {
    run("bad", Some(false));
}

#[test]
fn inconsistent_manifests_are_refused_by_the_checker_only() {
    run("inconsistent", Some(true));
}

#[test]
fn broken_bytes_are_refused_by_the_parser() {
    run("broken", None);
}

#[test]
fn every_code_of_the_manifest_has_a_vector() {
    let mut seen = BTreeSet::new();
    for set in ["bad", "inconsistent", "broken"] {
        for path in files(&format!("vectors/manifest/{set}"), "json") {
            seen.extend(expected(&path).iter().map(|line| line.split(' ').next().unwrap().to_owned()));
        }
    }
    let table = std::fs::read_to_string(crate::files::spec_dir().join("faults.md")).unwrap();
    let codes: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `HP-MAN-")?.get(..3))
        .map(|n| format!("HP-MAN-{n}"))
        .collect();
    assert!(codes.len() > 40, "{codes:?}");
    // 010 stands for several others and is never one by itself.
    let without: Vec<_> = codes.difference(&seen).filter(|code| *code != "HP-MAN-010").collect();
    assert!(without.is_empty(), "no vector shows {without:?}");
}

#[test]
fn every_fault_names_its_clause_and_says_something() {
    for set in ["bad", "inconsistent"] {
        for path in files(&format!("vectors/manifest/{set}"), "json") {
            let Err(error) = parse(&std::fs::read(&path).unwrap()) else { panic!("{}", path.display()) };
            assert!(error.help().is_some());
            for fault in error.faults() {
                assert!(fault.clause.is_some(), "{}: {fault:?}", path.display());
                assert!(fault.message.contains('`') || fault.code == "HP-MAN-040", "{}: {fault:?}", path.display());
                assert!(!fault.to_string().contains('\n'), "{}: {fault:?}", path.display());
            }
        }
    }
}
