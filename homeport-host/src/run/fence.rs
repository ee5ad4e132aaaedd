//! Owns being sure that no container comes up any more whose making was cut off: its process died, or waited no longer. An
//! engine goes on with what it was asked for: a container that is not there may be there a moment later. Never starts anything.
//!
//! An engine gives a name to one container at a time, from the moment on at which it begins with it: whoever has the name and
//! lets go of it knows that nobody else is about to have it. What the fence does not cover is a request that the engine has
//! received and not begun with: it looks the image up before it takes the name, and nothing from outside shows that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use homeport_core::entrypoint::LABEL_MANIFEST;
use homeport_core::unit::{Bytes, Gid, Mode, Seconds, Uid};

use super::error::StepError;
use super::journal::makes_container;
use super::session::Session;
use crate::container::{ContainerError, LABEL_INSTANCE, container_name, labels};
use crate::engine::{
    ANSWER, Access, ContainerSpec, ContainerUser, EngineError, Entrypoint, Exec, Hostname, ImageFacts, LabelFilter,
    Limits, MountPath, NetworkMode, PidLimit, Subject, TmpfsMount,
};
use crate::ledger::{StepRecord, StepState};
use crate::plan::Step;

/// How often the engine is asked. It may be at making one container for as long as it may take for any answer.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether an operation was cut off while it made a container, or after that failed and before it was taken back.
pub(super) fn is_cut_off_in_making(steps: &[StepRecord]) -> bool {
    let is_open = |state: StepState| matches!(state, StepState::Begun | StepState::Failed | StepState::Undoing);
    let is_making =
        |record: &StepRecord| serde_json::from_str::<Step>(&record.detail).is_ok_and(|step| makes_container(&step));
    steps.iter().any(|record| is_open(record.state) && is_making(record))
}

impl Session<'_, '_> {
    /// Returns once the engine makes no container of this slot any more, and takes away the one that it made. The name is
    /// had with any image of a port that the engine holds: which one was to be made has no say in it. An engine without a
    /// single one has nothing that a container could be made of.
    ///
    /// # Errors
    /// The name cannot be had within the time that an engine may take, or with none of the images.
    pub(super) fn fence(&mut self) -> Result<(), StepError> {
        let mut refused = None;
        for image in self.host.engine.images(&LabelFilter::any().key(LABEL_MANIFEST))? {
            let had = self.placeholder(&image).and_then(|spec| self.have_name(&spec));
            match had {
                // It went meanwhile.
                Err(StepError::Engine(EngineError::NotFound { what: Subject::Image, .. })) => {}
                // No container can be made of this one, also not by HomePort; that says nothing of the others.
                Err(error @ (StepError::Engine(EngineError::Invalid { .. }) | StepError::Container(_))) => {
                    refused = Some(error);
                }
                other => return other,
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn have_name(&mut self, spec: &ContainerSpec) -> Result<(), StepError> {
        let end = Instant::now() + ANSWER;
        loop {
            match self.host.engine.create(spec) {
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
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A container that is never started: it needs nothing of this machine, and memory where its image wants a volume.
    fn placeholder(&self, image: &ImageFacts) -> Result<ContainerSpec, StepError> {
        let targets: BTreeSet<&str> = image.volumes.iter().map(|path| path.trim_end_matches('/')).collect();
        let tmpfs = |target: &str| {
            let target: MountPath = target.parse().map_err(ContainerError::from)?;
            let (size, mode) = (Bytes::new(64 << 10), Mode::new(0o700));
            Ok::<_, ContainerError>(TmpfsMount {
                target,
                size,
                mode,
                uid: Uid::new(0),
                gid: Gid::new(0),
                exec: Exec::Refused,
                access: Access::ReadWrite,
            })
        };
        let hostname: Hostname = self.instance.as_str().parse().map_err(ContainerError::from)?;
        Ok(ContainerSpec {
            name: container_name(&self.root, &self.instance, self.slot()?).map_err(ContainerError::from)?,
            image: image.id,
            entrypoint: Entrypoint::Exactly(vec!["/port/init".to_owned()]),
            args: Vec::new(),
            env: BTreeMap::new(),
            user: ContainerUser::ROOT,
            labels: labels(&self.root).with(LABEL_INSTANCE, self.instance.as_str()),
            hostname,
            network: NetworkMode::None,
            extra_hosts: Vec::new(),
            binds: Vec::new(),
            tmpfs: targets.into_iter().map(tmpfs).collect::<Result<_, _>>()?,
            capabilities: BTreeSet::new(),
            limits: Limits::new(Bytes::new(16 << 20), PidLimit::new(16)),
            stop_grace: Seconds::new(1),
        })
    }
}
