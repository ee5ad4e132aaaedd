//! Owns the rules of migrations: each volume's steps make one whole chain that ends at its format.
//! Never runs a step.

use std::collections::{BTreeMap, BTreeSet};

use super::read::Pointer;
use super::shape::Findings;
use super::value::{Migration, Reversible, Volume};
use super::wire;
use crate::name::VolumeName;
use crate::unit::{Format, Seconds};

/// Checks every step and each volume's chain. [spec: MAN-14]
pub(super) fn migrations(
    wire: Vec<wire::Migration>,
    declared: &BTreeSet<String>,
    volumes: &BTreeMap<VolumeName, Volume>,
    at: &Pointer,
    findings: &mut Findings,
) -> Vec<Migration> {
    let mut steps: Vec<Migration> = Vec::new();
    // A chain with a broken step is not said to be broken as well.
    let mut broken: BTreeSet<VolumeName> = BTreeSet::new();
    for (n, wire) in wire.into_iter().enumerate() {
        let at = at.child(&n.to_string());
        let Some(volume) = findings.name::<VolumeName>(&wire.volume, &at.child("volume")) else { continue };
        if !declared.contains(volume.as_str()) {
            let message = format!("`{}` names a volume that is not declared", at.child("volume").text());
            findings.add("HP-MAN-050", "MAN-14", &at.child("volume"), message).set_actual(format!("`{volume}`"));
            continue;
        }
        if wire.to != wire.from.saturating_add(1) {
            let fault = findings.add("HP-MAN-051", "MAN-14", &at, format!("`{}` is not one step up", at.text()));
            fault.set_actual(format!("from {} to {}", wire.from, wire.to));
            fault.set_expected("`to` is `from` and 1 more");
            broken.insert(volume);
            continue;
        }
        steps.push(Migration {
            volume,
            from: Format::new(wire.from),
            down: if wire.down { Reversible::Yes } else { Reversible::No },
            space_percent: wire.space_percent.unwrap_or(100),
            within: Seconds::new(wire.max_seconds.unwrap_or(3600)),
            summary: wire.summary.unwrap_or_default(),
        });
    }
    steps.sort_by(|a, b| (&a.volume, a.from).cmp(&(&b.volume, b.from)));
    for (name, volume) in volumes {
        let chain: Vec<u32> = steps.iter().filter(|step| step.volume == *name).map(|step| step.from.get()).collect();
        let Some(first) = chain.first().copied() else { continue };
        if !broken.contains(name) && !chain.iter().copied().eq(first..volume.format.get()) {
            let message = format!("the migrations of `{name}` are not one chain up to its format");
            let fault = findings.add("HP-MAN-052", "MAN-14", at, message);
            fault.set_actual(format!(
                "steps from {}, format {}",
                crate::text::clip(&listed(&chain), 60),
                volume.format
            ));
            fault.set_expected("one step from each format to the next, the last one to the volume's format");
        }
    }
    steps
}

fn listed(chain: &[u32]) -> String {
    chain.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
