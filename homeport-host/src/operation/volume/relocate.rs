//! Owns letting a volume be in another directory: where it was moved to already, or where it is renamed to.

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_volumes::adopt::{MoveWay, plan_move};
use homeport_volumes::{Origin as VolumeOrigin, RootId, VolumePath};

use super::adopt::text_of;
use super::list::VolumeEntry;
use crate::host::Host;
use crate::ledger::{Desired, Ledger};
use crate::operation::data_error::DataError;
use crate::operation::enter::{enter, ready};
use crate::operation::find::known_or_kept;
use crate::operation::place::misplaced;
use crate::operation::remove::Execution;
use crate::operation::replace::{as_faults, volume_of};
use crate::operation::{LifecycleOutcome, OperationError, Outcome, observe};
use crate::plan::{self, ChangeWay, ChangedVolume, Kind, Plan};
use crate::request::MoveRequest;
use crate::run::{Session, known};

/// What a move would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MovePlan {
    /// The instance.
    pub instance: InstanceName,
    /// The volume.
    pub volume: VolumeName,
    /// Where the ledger has it.
    pub from: PathBuf,
    /// Where it is to be.
    pub to: PathBuf,
    /// Whether it is there already, and only the ledger has to learn it.
    pub is_there: bool,
    /// Whether anything has to be done at all.
    pub outcome: LifecycleOutcome,
    /// The steps.
    pub plan: Plan,
}

/// A move that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Moved {
    /// What was planned, and done.
    pub plan: MovePlan,
    /// The volume, as it is known now.
    pub volume: VolumeEntry,
}

/// Lets a volume be somewhere else. Its instance must not run. Nothing is copied: a volume on another disk is copied by the
/// operator, and found there.
pub fn volume_move(host: &Host, request: &MoveRequest) -> Result<Outcome<MovePlan, Moved>, OperationError> {
    ready(host)?;
    let instance = &request.instance;
    enter(host, Kind::Move, instance, |writer, root| {
        let plan = prepare(host, writer, root, request)?;
        if request.execution == Execution::DryRun {
            return Ok(Outcome::Planned { plan, approval: None });
        }
        if plan.outcome == LifecycleOutcome::Unchanged {
            let record = volume_of(writer, instance, &request.volume)?;
            return Ok(Outcome::Done(Moved { plan, volume: record.into() }));
        }
        Session::new(host, writer, root.clone(), Kind::Move, instance.clone()).run(&plan.plan)?;
        let record = volume_of(writer, instance, &request.volume)?;
        Ok(Outcome::Done(Moved { plan, volume: record.into() }))
    })
}

fn prepare(host: &Host, ledger: &Ledger, root: &RootId, request: &MoveRequest) -> Result<MovePlan, OperationError> {
    let (instance, volume) = (&request.instance, &request.volume);
    known_or_kept(ledger, instance)?;
    if let Some(record) = ledger.instance(instance)?
        && (record.desired == Desired::Running || observe::is_running(host, &record)?)
    {
        let why = "a volume in use is not moved";
        return Err(DataError::Runs { instance: instance.clone(), why }.into());
    }
    let record = volume_of(ledger, instance, volume)?;
    let (mut asked, known) = known::ask(host, ledger, root, &record)?;
    let what = || format!("move of `{volume}` of `{instance}`");
    asked.path = VolumePath::try_from(request.path.as_path()).map_err(|error| {
        let fault = Fault::new("HP-REQ-005", format!("volumes.{volume}"), error.to_string())
            .remedy("give the whole path, from `/` on");
        OperationError::Refused { what: what(), faults: vec![fault] }
    })?;
    if let Some(fault) = misplaced(&host.layout, volume, asked.path.as_path()) {
        return Err(OperationError::Refused { what: what(), faults: vec![fault] });
    }
    asked.neighbours.extend(known::engine_directory(&host.engine.facts()?.directory));
    // Where it was moved by hand already, its owner is to be seen there alone.
    if known::owner_at(&record.path).is_none()
        && let Some(owner) = known::owner_at(&request.path)
    {
        asked.owner = owner;
    }
    if *request.path != host.layout.volume_dir(instance, volume) {
        asked.origin = VolumeOrigin::Operator;
    }
    let relocation = plan_move(&host.machine, &asked, &known)
        .map_err(|error| OperationError::Refused { what: what(), faults: as_faults(volume, error) })?;
    let (way, is_there) = match relocation.way {
        MoveWay::Found => (ChangeWay::Found, true),
        MoveWay::Rename => (ChangeWay::Rename, false),
    };
    // The place, the marker and what the ledger has of its disk: where all are right, there is nothing to learn.
    let marker = &relocation.becomes;
    let is_same = (&known.path, &known.fs, &known.must_be_mount) == (&relocation.to, &marker.fs, &marker.must_be_mount)
        && relocation.found == *marker;
    let outcome = if is_same { LifecycleOutcome::Unchanged } else { LifecycleOutcome::Changed };
    let changed = ChangedVolume {
        volume: volume.clone(),
        from: relocation.from.as_path().to_owned(),
        to: relocation.to.as_path().to_owned(),
        way,
        found: text_of(&relocation.found),
        becomes: text_of(&relocation.becomes),
    };
    Ok(MovePlan {
        instance: instance.clone(),
        volume: volume.clone(),
        from: record.path,
        to: request.path.clone(),
        is_there,
        outcome,
        plan: plan::change(Kind::Move, instance, changed),
    })
}
