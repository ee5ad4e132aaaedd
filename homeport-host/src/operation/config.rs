//! Owns showing and changing an instance's configuration. What does not work is not kept: the former configuration runs
//! again.

use std::collections::BTreeMap;

use homeport_core::config::{Secrecy, Value, effective, parse_given};
use homeport_core::fault::Fault;
use homeport_core::name::{ConfigKey, InstanceName};

use super::enter::{enter, known, ready};
use super::error::OperationError;
use super::lifecycle::bring_back_in;
use super::survey::{Surveyor, recorded_image};
use crate::container::stop_grace;
use crate::host::Host;
use crate::ledger::{Desired, InstanceConfig, Ledger, LedgerWriter, RootId};
use crate::plan::{self, Kind};
use crate::request::ConfigRequest;
use crate::run::{RunError, Session};

/// One key of an instance's configuration.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ConfigView {
    /// The key.
    pub key: ConfigKey,
    /// Its value; `None` where it has none, and always where it is secret.
    pub value: Option<Value>,
    /// Whether the operator gave it, it is the port's default, or it has no value.
    pub origin: ValueOrigin,
    /// Whether the value is hidden.
    pub secret: bool,
    /// What it is for.
    pub summary: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// The operator.
    Given,
    /// The port's default, as it was when the value was stored.
    Default,
    /// There is no value.
    None,
}

/// What a change of configuration did.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Reconfigured {
    /// The keys whose values are others now.
    pub changed: Vec<ConfigKey>,
    /// Whether the instance got a new container for it.
    pub restarted: bool,
    /// What is worth telling about the instance's volumes, which may be used all the same.
    pub notices: Vec<Fault>,
}

/// The configuration of an instance; secrets are not in it.
pub fn config_view(host: &Host, name: &InstanceName) -> Result<Vec<ConfigView>, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let record = known(&ledger, name)?;
    let image = recorded_image(&record)?;
    let config = ledger.config(name)?;
    let view = image.manifest.config.iter().map(|(key, spec)| {
        let secret = spec.secrecy == Secrecy::Secret;
        let origin = match (config.given.contains_key(key), config.effective.contains_key(key)) {
            (true, _) => ValueOrigin::Given,
            (false, true) => ValueOrigin::Default,
            (false, false) => ValueOrigin::None,
        };
        let value = config.effective.get(key).filter(|_| !secret).cloned();
        ConfigView { key: key.clone(), value, origin, secret, summary: spec.summary.clone() }
    });
    Ok(view.collect())
}

/// Changes configuration. A running instance gets a new container; where that does not get ready, the former
/// configuration stays and runs again, and the error says why.
pub fn config_change(
    host: &Host,
    name: &InstanceName,
    request: &ConfigRequest,
) -> Result<Reconfigured, OperationError> {
    ready(host)?;
    enter(host, Kind::Config, name, |writer, root| change(host, writer, root, name, request))
}

fn change(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    name: &InstanceName,
    request: &ConfigRequest,
) -> Result<Reconfigured, OperationError> {
    let what = format!("config of `{name}`");
    let record = known(writer, name)?;
    let image = recorded_image(&record)?;
    let specs = &image.manifest.config;
    let before = writer.config(name)?;
    let mut stored = before.stored();
    let mut faults = Vec::new();
    match parse_given(specs, &request.set) {
        Ok(values) => values.into_iter().for_each(|(key, value)| stored.set(key, value)),
        Err(bad) => faults.extend(bad),
    }
    for text in &request.unset {
        match specs.keys().find(|key| key.as_str() == text) {
            Some(key) if request.set.iter().any(|one| one.key == *text) => faults.push(
                Fault::new("HP-CFG-006", format!("config.{key}"), format!("`{key}` is both set and unset"))
                    .expected("one of the two"),
            ),
            Some(key) => stored.unset(key),
            None => faults.push(
                Fault::new(
                    "HP-CFG-002",
                    "config",
                    format!("`{}` is not a key of this port", homeport_core::text::clip(text, 64)),
                )
                .remedy(format!("`homeport config {name} show` lists the keys")),
            ),
        }
    }
    // Values that were stored stay effective also where the port's default has changed since; what was unset goes back to
    // the default of the version that is deployed.
    let stored = stored.settled(&image.manifest);
    let given = InstanceConfig::of(&stored).given;
    let next = match effective(specs, &stored.in_force()) {
        Ok(next) => next,
        Err(bad) => {
            faults.extend(bad);
            return Err(OperationError::Refused { what, faults });
        }
    };
    if !faults.is_empty() {
        return Err(OperationError::Refused { what, faults });
    }
    let changed = differences(&before.effective, &next);
    if changed.is_empty() && given == before.given {
        return Ok(Reconfigured { changed, restarted: false, notices: Vec::new() });
    }
    let runs = record.desired == Desired::Running;
    let surveyor = Surveyor::new(host, writer, root, name, &image.manifest);
    let needs_container = runs && !changed.is_empty();
    let survey = if needs_container {
        surveyor.existing(what, &image, given, next)?
    } else {
        surveyor.configuration_only(&image, given, next)?
    };
    let plan = plan::reconfigure(&survey.blueprint, needs_container.then(|| stop_grace(&image.manifest)));
    let done = Session::new(host, writer, root.clone(), Kind::Config, name.clone())
        .toward(survey.blueprint, survey.checked)
        .run(&plan);
    match done {
        Ok(()) => Ok(Reconfigured { changed, restarted: needs_container, notices: survey.notices }),
        Err(failed @ RunError::Undone { .. }) if needs_container => match bring_back_in(host, writer, root, name) {
            Ok(()) => Err(failed.into()),
            Err(source) => Err(OperationError::NotRestored {
                name: name.clone(),
                failed: Box::new(failed.into()),
                source: Box::new(source),
            }),
        },
        Err(failed) => Err(failed.into()),
    }
}

/// The keys whose values differ.
fn differences(before: &BTreeMap<ConfigKey, Value>, after: &homeport_core::config::Effective) -> Vec<ConfigKey> {
    let keys = before.keys().chain(after.open.keys()).chain(after.secret.keys());
    let mut keys: Vec<ConfigKey> = keys.filter(|key| before.get(*key) != after.get(key)).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}
