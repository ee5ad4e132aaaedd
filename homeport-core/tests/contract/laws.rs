//! Laws of the manifest parser: it never panics, and no change of a good manifest makes it accept what the schema refuses.

use homeport_core::manifest::{MAX_MANIFEST_BYTES, ManifestError, parse};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::files::files;
use crate::schema::{complaints, validator};

/// Wrong type, unknown, missing, beyond a bound: what a schema can say as well.
const SHAPE: [&str; 4] = ["HP-MAN-004", "HP-MAN-006", "HP-MAN-007", "HP-MAN-008"];

pub(crate) fn good() -> Vec<Value> {
    files("vectors/manifest/good", "json")
        .iter()
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect()
}

/// One change of one member, chosen among all members of the document.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Delete,
    Rename(String),
    Retype(Value),
    CopyFrom(Index),
    Twice,
}

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(-1), Just(1), Just(i64::MAX), Just(1 << 53), Just(65_536), any::<i64>()]
            .prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop_oneof![Just(0.5), Just(1e20), Just(-0.0), Just(3.0)].prop_map(Value::from),
        "[ -~\u{7f}-\u{a0}\n]{0,12}|[a-z0-9./-]{0,40}|[a-z]{300,310}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["a", "a"])),
        Just(json!(["a", 1])),
        Just(json!({ "a": {} })),
    ]
}

pub(crate) fn a_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Delete),
        Just(Change::Twice),
        prop_oneof!["[a-z_]{1,12}", "x-[a-z]{0,3}", Just("protocol".to_owned()), Just(String::new()), "\\PC{0,70}"]
            .prop_map(Change::Rename),
        a_value().prop_map(Change::Retype),
        any::<Index>().prop_map(Change::CopyFrom),
    ]
}

/// Pointers to everything in the document but the whole.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut child = |name: &str, member: &Value| {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers(member, &at, found);
        found.push(at);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| child(name, member)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| child(&n.to_string(), item)),
        _ => {}
    }
}

pub(crate) fn apply(document: &mut Value, at: Index, change: &Change) {
    let mut all = Vec::new();
    pointers(document, "", &mut all);
    let Some(pointer) = (!all.is_empty()).then(|| at.get(&all)) else { return };
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let name = last.replace("~1", "/").replace("~0", "~");
    let copied = match change {
        Change::CopyFrom(index) => document.pointer(index.get(&all).as_str()).cloned(),
        Change::Retype(value) => Some(value.clone()),
        Change::Twice => document.pointer(pointer).cloned(),
        Change::Delete | Change::Rename(_) => None,
    };
    match (document.pointer_mut(parent), change) {
        (Some(Value::Object(members)), Change::Delete) => drop(members.remove(&name)),
        (Some(Value::Object(members)), Change::Rename(new)) => {
            let member = members.remove(&name).unwrap_or_default();
            members.insert(new.clone(), member);
        }
        (Some(Value::Object(members)), Change::Twice) => {
            members.insert(format!("{name}-2"), copied.unwrap_or_default());
        }
        (Some(Value::Object(members)), _) => drop(members.insert(name, copied.unwrap_or_default())),
        (Some(Value::Array(items)), change) => {
            let n: usize = name.parse().unwrap();
            match change {
                Change::Delete | Change::Rename(_) => drop(items.remove(n)),
                Change::Twice => items.push(copied.unwrap_or_default()),
                Change::Retype(_) | Change::CopyFrom(_) => items[n] = copied.unwrap_or_default(),
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_changed_the_parser_accepts_nothing_that_the_schema_refuses(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), a_change()), 1..4),
    ) {
        thread_local! {
            static BASE: (jsonschema::Validator, Vec<Value>) = (validator(), good());
        }
        BASE.with(|(validator, good)| {
            let mut document = which.get(good).clone();
            for (at, change) in &changes {
                apply(&mut document, *at, change);
            }
            let accepted = parse(document.to_string().as_bytes());
            let complaints = complaints(validator, &document);
            if accepted.is_ok() {
                prop_assert!(complaints.is_empty(), "{complaints:?} in {document}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_the_parser_calls_a_fault_of_shape_the_schema_refuses_too(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), a_change()), 1..3),
    ) {
        thread_local! {
            static BASE: (jsonschema::Validator, Vec<Value>) = (validator(), good());
        }
        BASE.with(|(validator, good)| {
            let mut document = which.get(good).clone();
            for (at, change) in &changes {
                apply(&mut document, *at, change);
            }
            if let Err(ManifestError::Faults(faults)) = parse(document.to_string().as_bytes())
                && faults.iter().any(|fault| SHAPE.contains(&fault.code))
            {
                prop_assert!(!complaints(validator, &document).is_empty(), "{faults:?} in {document}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_name_that_stands_twice_is_never_accepted(which in any::<Index>(), at in any::<Index>()) {
        let good = good();
        let document = which.get(&good);
        let mut all = Vec::new();
        pointers(document, "", &mut all);
        let objects: Vec<&String> =
            all.iter().filter(|at| document.pointer(at).is_some_and(|v| v.as_object().is_some_and(|o| !o.is_empty()))).collect();
        let pointer = at.get(&objects);
        let (name, member) = document.pointer(pointer).unwrap().as_object().unwrap().iter().next().unwrap();
        // A marker stands where the doubled member goes, since a value can't hold one name twice.
        let mut marked = document.clone();
        marked.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert("MARK".to_owned(), Value::Null);
        let text = marked.to_string().replacen("\"MARK\":null", &format!("{}:{member}", json!(name)), 1);
        prop_assert!(parse(text.as_bytes()).is_err(), "{text}");
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _verdict = parse(&bytes);
    }

    #[test]
    fn any_cut_or_flipped_byte_is_read_or_refused(which in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let good = good();
        let mut bytes = which.get(&good).to_string().into_bytes();
        let n = at.index(bytes.len());
        prop_assert!(parse(&bytes[..n]).is_err());
        bytes[n] = byte;
        let _verdict = parse(&bytes);
    }

    #[test]
    fn json_of_any_kind_is_read_or_refused(text in r#"[\[\]{}",:0-9a-z\\ -]{0,80}"#) {
        let _verdict = parse(text.as_bytes());
    }
}

#[test]
fn a_manifest_can_be_as_large_as_its_limit_and_no_larger() {
    let mut document = good().remove(0);
    document["x-pad"] = Value::from("");
    let room = MAX_MANIFEST_BYTES - document.to_string().len();
    document["x-pad"] = Value::from("a".repeat(room));
    assert_eq!(document.to_string().len(), MAX_MANIFEST_BYTES);
    assert!(parse(document.to_string().as_bytes()).is_ok());
    document["x-pad"] = Value::from("a".repeat(room + 1));
    assert!(parse(document.to_string().as_bytes()).is_err());
}
