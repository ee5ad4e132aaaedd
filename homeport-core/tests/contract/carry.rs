//! Runs `spec/vectors/carry`, and the laws of a configuration that is carried from version to version: back again nothing
//! has changed, nothing is ever lost, and to the same version nothing happens.

use std::collections::BTreeSet;

use homeport_core::config::Value;
use homeport_core::manifest::Manifest;
use homeport_core::name::ConfigKey;
use homeport_core::upgrade::{Origin, Stored, carry};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::compat::manifest;
use crate::files::{files, report, stem};

fn read(json: &Json) -> Stored {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error} in {json}"))
}

#[test]
fn a_configuration_is_carried_as_the_vectors_say() {
    let mut broken = Vec::new();
    for path in files("vectors/carry", "json") {
        let vector: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (old, new) = (manifest(&vector["old"]), manifest(&vector["new"]));
        let stored = read(&vector["stored"]);
        let carried = carry(&stored, &old, &new);
        let faults: Json = carried.effective.as_ref().map_or_else(
            |faults| faults.iter().map(|fault| json!({ "code": fault.code, "subject": fault.subject })).collect(),
            |_| json!([]),
        );
        let name = stem(&path);
        if carried.stored != read(&vector["carried"]) {
            broken.push(format!("{name}: stored {}", serde_json::to_string(&carried.stored).unwrap()));
        }
        if faults != vector["faults"] {
            broken.push(format!("{name}: {faults}"));
        }
        if json!(carried.notes) != vector["notes"] {
            broken.push(format!("{name}: noted {}", json!(carried.notes)));
        }
        if is_below(&old, &new) && carry(&carried.stored, &new, &old).stored != stored {
            broken.push(format!("{name}: not the same after going back"));
        }
    }
    report(&broken);
}

fn is_below(a: &Manifest, b: &Manifest) -> bool {
    a.port.version.cmp_precedence(&b.port.version).is_lt()
}

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// One key in one version: whether it is there, its type, whether it is secret, its default, and which key replaces it.
type Shape = (bool, bool, bool, Option<u8>, Option<usize>);

fn a_shape() -> impl Strategy<Value = Shape> {
    let default = prop::option::of(0_u8..3);
    (
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        default,
        prop::option::of(0_usize..5),
    )
}

fn a_version(n: usize, shapes: &[Shape]) -> Manifest {
    let value = |is_text: bool, value: u8| if is_text { json!(format!("v{value}")) } else { json!(value) };
    let mut document = json!({
        "protocol": "1.0", "port": { "id": "notes", "version": format!("{n}.0.0"), "title": "Notes" }, "config": {},
    });
    for (key, (there, is_text, is_secret, default, instead)) in KEYS.iter().zip(shapes) {
        if *there {
            let mut spec = json!({ "type": if *is_text { "string" } else { "int" }, "secret": is_secret });
            if let (Some(default), false) = (default, is_secret) {
                spec["default"] = value(*is_text, *default);
            }
            if let Some(other) = instead.filter(|other| shapes[*other].0 && KEYS[*other] != *key) {
                spec["deprecated"] = json!({ "since": "1.0.0", "use": KEYS[other] });
            }
            document["config"][key] = spec;
        }
    }
    manifest(&document)
}

/// What happens to an instance: it goes to a version, stays there, or an operator sets or unsets a key.
#[derive(Debug, Clone)]
enum Event {
    Go(usize),
    Settle,
    Set(usize, bool, u8),
    Unset(usize),
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_usize..4).prop_map(Event::Go),
        1 => Just(Event::Settle),
        2 => (0_usize..5, any::<bool>(), 3_u8..9).prop_map(|(key, is_text, value)| Event::Set(key, is_text, value)),
        1 => (0_usize..5).prop_map(Event::Unset),
    ]
}

fn key(n: usize) -> ConfigKey {
    KEYS[n].parse().unwrap()
}

/// Lets everything happen; gives what is stored then, and under which version.
fn live(versions: &[Manifest], events: &[Event]) -> (Stored, usize) {
    let mut at = 0;
    let mut stored = Stored::new([].into(), &versions[at]);
    for event in events {
        match event {
            Event::Go(to) => {
                stored = carry(&stored, &versions[at], &versions[*to]).stored;
                at = *to;
            }
            Event::Settle => stored = stored.settled(&versions[at]),
            Event::Set(n, is_text, value) if versions[at].config.contains_key(&key(*n)) => {
                let value = if *is_text { Value::Text(format!("v{value}")) } else { Value::Whole((*value).into()) };
                stored.set(key(*n), value);
            }
            Event::Unset(n) => stored.unset(&key(*n)),
            Event::Set(..) => {}
        }
    }
    (stored, at)
}

fn a_life() -> impl Strategy<Value = (Vec<Manifest>, Vec<Event>)> {
    let versions = prop::collection::vec(prop::collection::vec(a_shape(), 5), 4).prop_map(|versions| {
        versions.iter().enumerate().map(|(n, shapes)| a_version(n + 1, shapes)).collect::<Vec<_>>()
    });
    (versions, prop::collection::vec(an_event(), 0..10))
}

/// Every value, in force or parked, by its key.
fn kept(stored: &Stored) -> BTreeSet<(ConfigKey, String)> {
    let in_force = stored.values.iter();
    let parked = stored.parked.iter().map(|(key, parked)| (key, &parked.kept));
    in_force.chain(parked).map(|(key, kept)| (key.clone(), kept.value.to_json().to_string())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn up_and_back_down_again_nothing_has_changed((versions, events) in a_life(), hops in prop::collection::vec(1_usize..4, 1..4)) {
        let (stored, at) = live(&versions, &events);
        let mut way: Vec<usize> = vec![at];
        for hop in hops {
            way.extend(Some(way[way.len() - 1] + hop).filter(|next| *next < versions.len()));
        }
        let mut there = stored.clone();
        for pair in way.windows(2) {
            there = carry(&there, &versions[pair[0]], &versions[pair[1]]).stored;
        }
        way.reverse();
        for pair in way.windows(2) {
            there = carry(&there, &versions[pair[0]], &versions[pair[1]]).stored;
        }
        prop_assert_eq!(kept(&there), kept(&stored));
        prop_assert_eq!(there, stored);
    }

    #[test]
    fn to_the_same_version_nothing_happens((versions, events) in a_life()) {
        let (stored, at) = live(&versions, &events);
        let carried = carry(&stored, &versions[at], &versions[at]);
        prop_assert_eq!(&carried.stored, &stored);
        prop_assert_eq!(carried.notes, []);
    }

    #[test]
    fn what_was_given_is_never_lost((versions, events) in a_life(), to in 0_usize..4) {
        let (stored, at) = live(&versions, &events);
        let carried = carry(&stored, &versions[at], &versions[to]);
        prop_assert_eq!(&carry(&stored, &versions[at], &versions[to]), &carried);
        let after = kept(&carried.stored);
        for (key, kept) in &stored.values {
            let value = (key.clone(), kept.value.to_json().to_string());
            prop_assert!(kept.origin != Origin::Given || after.contains(&value), "`{key}` is lost: {carried:?}");
        }
        for (key, kept) in &carried.stored.values {
            prop_assert!(versions[to].config.contains_key(key) && !carried.stored.parked.contains_key(key));
            // What was in force and still is has its value, but for a default that gave way to an operator's value.
            if let Some(before) = stored.values.get(key).filter(|before| before.origin == Origin::Given) {
                prop_assert_eq!(&kept.value, &before.value);
            }
        }
        for (key, parked) in &carried.stored.parked {
            prop_assert!(parked.replaced.is_some() || !versions[to].config.contains_key(key));
        }
    }

    #[test]
    fn what_is_stored_is_read_as_it_was_written((versions, events) in a_life()) {
        let (stored, _) = live(&versions, &events);
        let text = serde_json::to_string(&stored).unwrap();
        prop_assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored);
    }

    #[test]
    fn a_version_that_stayed_a_while_leaves_the_older_one_as_it_was((versions, events) in a_life(), to in 0_usize..4) {
        let (stored, at) = live(&versions, &events);
        // Any version above, if there is one.
        let Some(to) = (at + 1..versions.len()).nth(to % (versions.len() - at)) else { return Ok(()) };
        let up = carry(&stored, &versions[at], &versions[to]).stored.settled(&versions[to]);
        let back = carry(&up, &versions[to], &versions[at]).stored;
        for (key, kept) in &stored.values {
            prop_assert_eq!(back.values.get(key), Some(kept));
        }
        // A default that came up there for a key without a value is kept as well.
        let more = back.values.iter().filter(|(key, _)| !stored.values.contains_key(*key));
        prop_assert!(more.into_iter().all(|(_, kept)| kept.origin == Origin::Default));
        prop_assert!(back.parked.keys().all(|key| stored.parked.contains_key(key) || !versions[at].config.contains_key(key)));
    }
}
