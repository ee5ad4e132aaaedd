//! Owns the JSON Schema as a second reader of manifests, and that the committed one is the one that the types make.

use jsonschema::Validator;
use serde_json::Value;

use crate::files::spec_dir;

/// The committed schema, ready to validate. It is itself a valid schema of draft 2020-12.
pub(crate) fn validator() -> Validator {
    let schema = committed();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What the schema complains about, one line a fault; empty where it accepts.
pub(crate) fn complaints(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn committed() -> Value {
    serde_json::from_slice(&std::fs::read(spec_dir().join("schema/manifest.json")).unwrap()).unwrap()
}

#[test]
fn the_committed_schema_is_the_one_that_the_types_make() {
    let made = homeport_core::manifest::schema();
    assert!(made == committed(), "spec/schema/manifest.json is out of date: run `cargo xtask schema`");
}

#[test]
fn what_the_types_write_is_what_the_parser_reads() {
    // Absent members are left out, never written as `null`.
    let validator = validator();
    let text = std::fs::read_to_string(spec_dir().join("vectors/manifest/good/minimal.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(complaints(&validator, &document), Vec::<String>::new());
    let mut with_null = document;
    with_null["hooks"] = Value::Null;
    assert_eq!(complaints(&validator, &with_null).len(), 1);
}
