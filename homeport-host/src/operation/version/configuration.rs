//! Owns what becomes of an instance's configuration when its version changes, with what an operator gives beside it.
//! Pure; never shows a value. [spec: UPG-30]

use homeport_core::config::{Effective, Given, beside_given, effective, parse_given};
use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::upgrade::{Note, WhyNot, carry};

use crate::ledger::InstanceConfig;
use crate::operation::survey::Configuration;

/// The configuration that the other version gets, what is said of it, and every fault.
pub(super) fn carried(
    present: &Manifest,
    next: &Manifest,
    stored: &InstanceConfig,
    asked: &[Given],
) -> (Configuration, Vec<String>, Vec<Fault>) {
    let carried = carry(&stored.stored(), present, next);
    let mut stored = carried.stored;
    let mut faults = Vec::new();
    match parse_given(&next.config, asked) {
        Ok(given) => given.into_iter().for_each(|(key, value)| stored.set(key, value)),
        Err(bad) => faults.extend(bad),
    }
    let effective = effective(&next.config, &stored.in_force()).unwrap_or_else(|bad| {
        // Where nothing that was given could be taken, it is not missing for that.
        let rest = if faults.is_empty() { bad } else { beside_given(asked, bad) };
        faults.extend(rest);
        Effective::default()
    });
    let said = carried.notes.iter().map(said).collect();
    (Configuration { stored: InstanceConfig::of(&stored), effective }, said, faults)
}

fn said(note: &Note) -> String {
    match note {
        Note::Parked { key } => format!("`{key}` is kept aside: the other version does not know it"),
        Note::Unparked { key } => format!("`{key}` has the value again that was kept aside"),
        Note::CarriedOver { from, to } => format!("`{to}` has the value that `{from}` had, which it stands for now"),
        Note::NotCarriedOver { from, to, why } => {
            let why = match why {
                WhyNot::Secret => "it is secret, and the other is not",
                WhyNot::Refused => "the other takes no such value",
            };
            format!("the value of `{from}` is not taken over by `{to}`: {why}")
        }
    }
}
