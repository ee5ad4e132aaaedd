//! Owns being sure that no container comes up any more that a process asked for which died. An engine goes on with what it
//! was asked for: a container that is not there may be there a moment later. Never starts anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use homeport_core::entrypoint::Phase;
use homeport_core::manifest;

use super::apply::open_files_hard;
use super::error::StepError;
use super::journal::makes_container;
use super::session::Session;
use crate::container::{ContainerParts, container_spec};
use crate::engine::{Access, ContainerSpec, EngineError};
use crate::ledger::{StepRecord, StepState};
use crate::plan::Step;

/// How long an engine may be at making one container.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether an operation was cut off while it made a container.
pub(super) fn is_cut_off_in_making(steps: &[StepRecord]) -> bool {
    let is_making =
        |record: &StepRecord| serde_json::from_str::<Step>(&record.detail).is_ok_and(|step| makes_container(&step));
    steps.iter().any(|record| record.state == StepState::Begun && is_making(record))
}

impl Session<'_, '_> {
    /// Returns once the engine makes no container of this slot any more, and takes away the one that it made. An engine
    /// gives a name to one container at a time, from the moment on at which it begins with it: whoever has the name and
    /// lets go of it knows that nobody else is about to have it.
    pub(super) fn fence(&mut self) -> Result<(), StepError> {
        let Some(record) = self.writer.instance(&self.instance)? else { return Ok(()) };
        let Ok(manifest) = manifest::parse(&record.manifest) else { return Ok(()) };
        let spec = container_spec(&ContainerParts {
            root: &self.root,
            instance: &self.instance,
            manifest: &manifest,
            image: record.image,
            slot: self.slot()?,
            network: None,
            run_dir: self.run_dir()?.path(),
            volumes: &BTreeMap::new(),
            access: Access::ReadOnly,
            open_files_hard: open_files_hard(),
            phase: &Phase::Check,
            snapshot: None,
        })?;
        // It is never started: it needs nothing of this machine.
        let spec = ContainerSpec { binds: Vec::new(), ..spec };
        let end = Instant::now() + LIMIT;
        loop {
            match self.host.engine.create(&spec) {
                Ok(_) => {
                    self.host.engine.remove(&self.container_ref()?)?;
                    return Ok(());
                }
                Err(error @ EngineError::Conflict { .. }) => {
                    self.remove_container()?;
                    if Instant::now() >= end {
                        return Err(error.into());
                    }
                    std::thread::sleep(PAUSE);
                }
                // Its image is gone: then nothing can be made of it either.
                Err(EngineError::NotFound { .. } | EngineError::Invalid { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
