//! Laws of upgrades: a plan is the same each time it is asked for, leads to a format that the version works with, and has
//! the way back that it says; and nothing that is added to a forbidden change makes it allowed.

use homeport_core::manifest::Manifest;
use homeport_core::name::VolumeName;
use homeport_core::unit::Format;
use homeport_core::upgrade::{Direction, Formats, Move, Verdict, WayBack, plan, rules, verdict};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::compat::manifest;
use crate::files::spec_dir;
use crate::upgrade::{Case, split};

/// A volume of one version: `format`, how far `min_format` is below, how long the chain is, which steps go down.
type Layout = (u32, u32, u32, Vec<bool>);

fn a_layout() -> impl Strategy<Value = Layout> {
    (1_u32..6, 0_u32..3, 0_u32..5, prop::collection::vec(any::<bool>(), 6))
}

fn with_volumes(version: &str, layouts: &[(&str, &Layout, bool)]) -> Manifest {
    let mut document = json!({
        "protocol": "1.0", "port": { "id": "notes", "version": version, "title": "Notes" }, "volumes": {}, "migrations": [],
    });
    for (name, (format, below, chain, down), is_kept) in layouts {
        document["volumes"][name] = json!({
            "path": format!("/srv/{name}"), "class": if *is_kept { "data" } else { "cache" }, "format": format,
            "min_format": format.saturating_sub(*below).max(1), "uid": 1, "gid": 1, "mode": "0700",
        });
        for from in (*format).saturating_sub(*chain).max(1)..*format {
            let step = json!({ "volume": name, "from": from, "to": from + 1, "down": down[from as usize] });
            document["migrations"].as_array_mut().unwrap().push(step);
        }
    }
    manifest(&document)
}

/// Where a plan leads.
fn arrive(volumes: &std::collections::BTreeMap<VolumeName, Move>) -> Formats {
    let end = |moved: &Move| match moved {
        Move::Create(format) | Move::Stay(format) | Move::SetAside(format) | Move::Restore { to: format, .. } => {
            *format
        }
        Move::Migrate(steps) => steps.last().unwrap().to,
    };
    volumes.iter().map(|(name, moved)| (name.clone(), end(moved))).collect()
}

fn works_with(manifest: &Manifest, formats: &Formats) -> bool {
    manifest.volumes.iter().all(|(name, volume)| {
        formats.get(name).is_some_and(|format| (volume.min_format..=volume.format).contains(format))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_plan_leads_where_the_version_works_and_has_the_way_back_that_it_says(
        old in (a_layout(), a_layout()),
        new in (a_layout(), a_layout()),
        found in (0_u32..3, 0_u32..3),
        kept in any::<bool>(),
    ) {
        let installed = with_volumes("1.0.0", &[("a", &old.0, true), ("b", &old.1, kept)]);
        let candidate = with_volumes("2.0.0", &[("a", &new.0, true), ("b", &new.1, kept)]);
        let mut case = Case::up(installed, candidate);
        // What is installed works: each format is one that the older version takes as it is.
        for (name, below) in [("a", found.0), ("b", found.1)] {
            let volume = &case.installed.volumes[&name.parse::<VolumeName>().unwrap()];
            let format = volume.format.get().saturating_sub(below).max(volume.min_format.get());
            case.formats.insert(name.parse().unwrap(), Format::new(format));
        }
        let planned = plan(&case.proposal());
        prop_assert_eq!(&planned, &plan(&case.proposal()));
        let Ok(up) = planned else { return Ok(()) };
        for (name, moved) in &up.volumes {
            let Move::Migrate(steps) = moved else { continue };
            prop_assert_eq!(steps[0].from, case.formats[name]);
            prop_assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(steps.iter().all(|step| step.to.get() == step.from.get() + 1));
        }
        let there = arrive(&up.volumes);
        prop_assert!(works_with(&case.candidate, &there), "{up:?}");

        let before = case.formats.clone();
        let mut back = Case::up(case.candidate.clone(), case.installed.clone());
        back.direction = Direction::Down;
        back.formats = there;
        let by_steps = plan(&back.proposal());
        prop_assert_eq!(by_steps.is_ok(), up.way_back == WayBack::Reversible, "{:?} {:?}", up, by_steps);
        // The snapshot that the upgrade takes holds what is not a cache.
        back.snapshot = Some(before.into_iter().filter(|(name, _)| kept || name.as_str() == "a").collect());
        let everything_held = match &up.way_back {
            WayBack::Reversible => true,
            WayBack::BySnapshot { lost } => {
                lost.values().all(|loss| *loss == homeport_core::upgrade::Loss::SinceSnapshot)
            }
        };
        match plan(&back.proposal()) {
            Ok(down) => prop_assert!(works_with(&back.candidate, &arrive(&down.volumes)), "{down:?}"),
            Err(faults) => prop_assert!(!everything_held, "{faults:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_a_version_left_is_gone_back_to_whole(
        old in (a_layout(), a_layout()),
        new in (a_layout(), a_layout()),
        kept in any::<bool>(),
        written in (0_u32..3, 0_u32..3),
    ) {
        let newer = with_volumes("2.0.0", &[("a", &new.0, true), ("b", &new.1, kept)]);
        let older = with_volumes("1.0.0", &[("a", &old.0, true), ("b", &old.1, kept)]);
        let mut down = Case::up(newer.clone(), older.clone());
        down.direction = Direction::Down;
        let left = down.formats.clone();
        down.snapshot = Some(older.volumes.iter().map(|(name, volume)| (name.clone(), volume.format)).collect());
        let Ok(set_back) = plan(&down.proposal()) else { return Ok(()) };
        let went_back = |moved: &Move| matches!(moved, Move::Restore { .. });
        if !set_back.volumes.values().any(went_back) {
            return Ok(());
        }
        prop_assert_ne!(&set_back.way_back, &WayBack::Reversible);

        let mut up = Case::up(older.clone(), newer);
        up.formats = arrive(&set_back.volumes);
        // Whatever the older version made of it meanwhile, in a format that it works with.
        for ((name, volume), below) in older.volumes.iter().zip([written.0, written.1]) {
            let format = volume.format.get().saturating_sub(below).max(volume.min_format.get());
            up.formats.insert(name.clone(), Format::new(format));
        }
        // The snapshot that was made before has what was set back.
        up.left = Some(left.clone());
        let there = plan(&up.proposal());
        prop_assert!(there.is_ok(), "{there:?}");
        let there = there.unwrap();
        prop_assert_eq!(arrive(&there.volumes), left);
        prop_assert!(there.volumes.values().all(went_back), "{:?}", there);
        let Verdict::NeedsApproval(asked) = verdict(&up.proposal()) else { return Ok(()) };
        prop_assert_eq!(asked.iter().filter(|fault| fault.code == "HP-UPG-103").count(), there.volumes.len());
        prop_assert_ne!(there.way_back, WayBack::Reversible);
    }
}

/// The two manifests of a rule's pair, before they are read.
fn documents(rule: &str) -> (Json, Json) {
    let dir = spec_dir().join("vectors/compat").join(rule);
    let read = |name: &str| serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap();
    (read("old.json"), read("new.json"))
}

/// A document with what another one declares, under other names and at other places.
fn grafted(into: &Json, from: &Json) -> Json {
    let renamed = from
        .to_string()
        .replace("\"site\"", "\"graft\"")
        .replace("\"notes\"", "\"graft\"")
        .replace("/srv/notes", "/srv/graft");
    let from: Json = serde_json::from_str(&renamed).unwrap();
    let mut document = into.clone();
    for part in ["config", "volumes"] {
        for (name, member) in from.get(part).and_then(Json::as_object).into_iter().flatten() {
            document[part][name] = member.clone();
        }
    }
    if let Some(steps) = from.get("migrations").and_then(Json::as_array) {
        let mut all = document.get("migrations").and_then(Json::as_array).cloned().unwrap_or_default();
        all.extend(steps.iter().cloned());
        document["migrations"] = all.into();
    }
    document
}

#[test]
fn a_forbidden_change_is_refused_beside_any_other_and_hides_none() {
    let forbidden: Vec<&str> = rules()
        .filter(|rule| rule.bump == homeport_core::upgrade::Bump::Forbidden)
        .map(|rule| rule.id)
        .filter(|id| !["port-id-changed", "version-reused", "version-not-above"].contains(id))
        .collect();
    assert!(forbidden.len() >= 7, "{forbidden:?}");
    for any in rules() {
        let (old, new) = documents(any.id);
        let (_, alone) = split(verdict(&Case::up(manifest(&old), manifest(&new)).proposal()));
        for id in &forbidden {
            let (forbidden_old, forbidden_new) = documents(id);
            let case = Case::up(manifest(&grafted(&old, &forbidden_old)), manifest(&grafted(&new, &forbidden_new)));
            let found = verdict(&case.proposal());
            let Verdict::Refused(reasons) = found else { panic!("{id} beside {}: {found:?}", any.id) };
            for reason in &alone {
                assert!(reasons.contains(reason), "{id} hides {reason:?} of {}", any.id);
            }
        }
    }
}

#[test]
fn whatever_is_not_above_is_refused_whatever_else_changed() {
    for any in rules() {
        let (old, new) = documents(any.id);
        for version in ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.0.0+again"] {
            let mut case = Case::up(manifest(&old), manifest(&new));
            case.installed.port.version = "1.0.0".parse().unwrap();
            case.candidate.port.version = version.parse().unwrap();
            let found = verdict(&case.proposal());
            assert!(matches!(found, Verdict::Refused(_)), "{} by {version}: {found:?}", any.id);
        }
    }
}
