//! Runs `spec/vectors/phase`: arguments become a phase and back, or are refused for the reason named.

use homeport_core::entrypoint::{ExitStatus, Phase, PhaseError};
use serde_json::{Value, json};

use crate::files::{files, report, stem};

fn shown(phase: &Phase) -> Value {
    match phase {
        Phase::Migrate { volume, from, to } => {
            json!({ "name": "migrate", "volume": volume, "from": from, "to": to })
        }
        Phase::Command { name, args } => json!({ "name": "command", "command": name, "arguments": args }),
        Phase::Describe | Phase::Check | Phase::Run | Phase::Health => json!({ "name": phase.name() }),
    }
}

fn vectors(set: &str) -> impl Iterator<Item = (String, Value, Vec<String>)> {
    files(&format!("vectors/phase/{set}"), "json").into_iter().map(|path| {
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let args = vector["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect();
        (stem(&path).to_owned(), vector, args)
    })
}

#[test]
fn good_arguments_are_a_phase() {
    let mut broken = Vec::new();
    for (name, vector, args) in vectors("good") {
        match Phase::parse(&args) {
            Ok(phase) if shown(&phase) == vector["phase"] => {
                assert_eq!(Phase::parse(&phase.to_args()), Ok(phase), "{name}");
            }
            other => broken.push(format!("{name}: {other:?}")),
        }
    }
    report(&broken);
}

#[test]
fn bad_arguments_are_refused_for_the_reason_named() {
    let mut broken = Vec::new();
    for (name, vector, args) in vectors("bad") {
        let reason = match Phase::parse(&args) {
            Ok(_) => "accepted",
            Err(PhaseError::Missing) => "missing",
            Err(PhaseError::Unknown { .. }) => "unknown",
            Err(PhaseError::Arguments { .. }) => "arguments",
        };
        if vector["fault"] != reason || vector["exit"] != ExitStatus::Usage.code() {
            broken.push(format!("{name}: found {reason}, wanted {}", vector["fault"]));
        }
    }
    report(&broken);
}
