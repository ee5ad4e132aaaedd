//! Owns containers that do one thing and end, before a version is trusted with the data: a look at everything, and one
//! step of a migration on a copy. Such a container has no network and never sees the live data with leave to write.
//! [spec: ENT-12, UPG-45, UPG-47]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use homeport_core::config::Effective;
use homeport_core::digest::Digest;
use homeport_core::entrypoint::{ExitStatus, ExpectedVolumes, Phase};
use homeport_core::manifest::Manifest;
use homeport_core::name::VolumeName;
use homeport_core::unit::{Format, Seconds};
use homeport_volumes::restore::{lend, show, take_back};
use homeport_volumes::{Access as VolumeAccess, Checked, CheckedData, Mounted, VolumeUuid, check};

use super::apply::open_files_hard;
use super::error::StepError;
use super::evidence::{all_errors, exit_meaning};
use super::known;
use super::session::Session;
use crate::container::{ContainerParts, container_spec};
use crate::engine::{Access, ExitFacts, WaitOutcome};
use crate::ledger::LedgerError;
use crate::plan::{CheckedPort, MigratedTree, Migrator};
use crate::progress::{Event, Meter};

/// A file system with fewer bytes left than this counts as full.
const LEAST_ROOM: u64 = 64 << 10;

/// One thing for a port to do.
struct Task<'a> {
    image: Digest,
    manifest: &'a Manifest,
    phase: Phase,
    access: Access,
    config: &'a Effective,
    within: Seconds,
}

/// What a container that does one thing is given of volumes.
#[derive(Default)]
struct Given {
    mounted: BTreeMap<VolumeName, Mounted>,
    expected: ExpectedVolumes,
}

impl Session<'_, '_> {
    /// Has the version that is to be say everything that it finds wrong, and changes nothing.
    pub(super) fn check_port(&mut self, checked: &CheckedPort) -> Result<(), StepError> {
        let blueprint = self.blueprint("check_port")?;
        let (image, manifest) = (blueprint.image.id, blueprint.image.manifest.clone());
        let config = blueprint.effective.clone();
        let mut given = Given::default();
        // Held until the container is gone: nobody exchanges what it looks at.
        let mut held = Vec::new();
        for (name, volume) in &manifest.volumes {
            match checked.copies.get(name) {
                Some((uuid, tx)) => {
                    let holding = self.hold_beside_container(*uuid)?;
                    let (data, format) = show(&holding, *tx)?;
                    self.give(&mut given, name, &data, (&volume.path, format))?;
                    held.push(holding);
                }
                None => self.give_live(&mut given, name, &volume.path)?,
            }
        }
        let task = Task {
            image,
            manifest: &manifest,
            phase: Phase::Check,
            access: Access::ReadOnly,
            config: &config,
            within: checked.within,
        };
        let exit = self.carry_out_task(&task, &given)?;
        if exit.code.get() != 0 && !self.is_awaited(&exit, checked)? {
            return Err(StepError::Unfit { how: full_or(exit_meaning(&exit), &[self.run_dir()?.path()]) });
        }
        self.end_task(given.mounted_uuids())
    }

    /// Whether a look found nothing but formats that are going to be others. [spec: UPG-41]
    fn is_awaited(&self, exit: &ExitFacts, checked: &CheckedPort) -> Result<bool, StepError> {
        let formats = [ExitStatus::MigrationNeeded, ExitStatus::FormatNewer];
        if !formats.iter().any(|status| i64::from(status.code()) == exit.code.get()) {
            return Ok(false);
        }
        let found = all_errors(&*self.host.engine, &self.container_ref()?, &self.run_dir()?);
        let is_awaited = |subject: &str| {
            let volume = subject.strip_prefix("volumes.").and_then(|name| name.parse::<VolumeName>().ok());
            volume.is_some_and(|name| checked.awaited.contains(&name))
        };
        // An error that cannot be read may be any.
        let errors = found.unwrap_or_default();
        Ok(!errors.is_empty() && errors.iter().all(|error| is_awaited(&error.subject)))
    }

    /// Has a version take a copy from one format to the next.
    pub(super) fn migrate_tree(&mut self, step: &MigratedTree) -> Result<(), StepError> {
        let (image, manifest) = match step.by {
            Migrator::Next => {
                let image = &self.blueprint("migrate_tree")?.image;
                (image.id, image.manifest.clone())
            }
            Migrator::Present => {
                let missing = || StepError::OutOfOrder { step: "migrate_tree", missing: "the present version" };
                let record = self.writer.instance(&self.instance)?.ok_or_else(missing)?;
                let manifest = homeport_core::manifest::parse(&record.manifest).map_err(|_| missing())?;
                (record.image, manifest)
            }
        };
        let missing = StepError::OutOfOrder { step: "migrate_tree", missing: "the volume in the manifest" };
        let path = manifest.volumes.get(&step.volume).map(|volume| volume.path.clone()).ok_or(missing)?;
        let mut held = self.hold_beside_container(step.uuid)?;
        let lent = lend(&mut held, step.tx)?;
        let mut given = Given::default();
        self.give(&mut given, &step.volume, lent.data(), (&path, step.from))?;
        let phase = Phase::Migrate { volume: step.volume.clone(), from: step.from, to: step.to };
        let task = Task {
            image,
            manifest: &manifest,
            phase,
            access: Access::ReadWrite,
            config: &Effective::default(),
            within: step.within,
        };
        let exit = self.carry_out_task(&task, &given)?;
        if exit.code.get() != 0 {
            let (volume, from, to) = (step.volume.clone(), step.from, step.to);
            let place = self.volume_record(step.uuid)?.path;
            let how = full_or(exit_meaning(&exit), &[&place, self.run_dir()?.path()]);
            return Err(StepError::Migration { volume, from, to, how });
        }
        self.end_task(given.mounted_uuids())?;
        let meter = Meter::new(&*self.host.progress, format!("look through the copy of `{}`", step.volume));
        take_back(&mut held, &lent, step.to, &meter)?;
        Ok(())
    }

    /// Shows a volume as it is.
    fn give_live(&self, given: &mut Given, name: &VolumeName, path: &str) -> Result<(), StepError> {
        if let Some(Checked::Attach(ready)) = self.checked.get(name) {
            let format = ready.marker().format;
            return self.give(given, name, ready.data(), (path, format));
        }
        let records = self.writer.volumes(&self.instance)?;
        let port = &self.blueprint("check_port")?.image.manifest.port.id;
        let record = records.into_iter().find(|record| record.name == *name && record.port == *port);
        let missing = StepError::OutOfOrder { step: "check_port", missing: "a volume that the ledger knows" };
        let (mut request, known) = known::ask(self.host, self.writer, &self.root, &record.ok_or(missing)?)?;
        request.access = VolumeAccess::Shared;
        request.tolerated = known::own_processes(self.host, &self.root, &self.instance)?;
        let missing = StepError::OutOfOrder { step: "check_port", missing: "a volume that is there" };
        match check(&self.host.machine, &request, Some(&known))? {
            Checked::Attach(ready) => self.give(given, name, ready.data(), (path, ready.marker().format)),
            Checked::Create(_) => Err(missing),
        }
    }

    fn give(
        &self,
        given: &mut Given,
        name: &VolumeName,
        data: &CheckedData,
        (path, format): (&str, Format),
    ) -> Result<(), StepError> {
        given.expected.insert(name.clone(), data.expected(path.to_owned(), format));
        given.mounted.insert(name.clone(), self.mounts()?.mount(data)?);
        Ok(())
    }

    /// Makes the container, lets it do its work, and tells how it ended. The container is still there afterwards.
    fn carry_out_task(&mut self, task: &Task<'_>, given: &Given) -> Result<ExitFacts, StepError> {
        let run_dir = self.run_dir()?;
        self.remove_container()?;
        run_dir.prepare(task.config, &given.expected)?;
        let volumes: BTreeMap<_, _> =
            given.mounted.iter().map(|(name, at)| (name.clone(), at.path.as_path().to_owned())).collect();
        let spec = container_spec(&ContainerParts {
            root: &self.root,
            instance: &self.instance,
            manifest: task.manifest,
            image: task.image,
            slot: self.slot()?,
            network: None,
            run_dir: run_dir.path(),
            volumes: &volumes,
            access: task.access,
            open_files_hard: open_files_hard(),
            phase: &task.phase,
            snapshot: self.before.filter(|_| matches!(task.phase, Phase::Migrate { .. })),
        })?;
        let created = self.host.engine.create(&spec)?;
        for text in created.warnings {
            self.host.progress.event(&Event::Warning { text });
        }
        let container = self.container_ref()?;
        self.host.engine.start(&container)?;
        self.compare_mounts_of(&container, &given.mounted, task.manifest)?;
        let limit = Duration::from_secs(task.within.get().into());
        match self.host.engine.wait(&container, limit)? {
            WaitOutcome::Exited(exit) => Ok(exit),
            WaitOutcome::StillRunning => Err(StepError::TooSlow { what: task.phase.name(), within: task.within }),
        }
    }

    /// Takes the container away that did one thing, with what it saw.
    pub(super) fn end_task(&mut self, volumes: impl Iterator<Item = VolumeUuid>) -> Result<(), StepError> {
        self.stop_container(self.grace()?)?;
        // A ledger that has no room keeps nothing mounted: the container is gone by then.
        let removed = self.remove_container();
        if !matches!(removed, Ok(()) | Err(StepError::Ledger(LedgerError::Full { .. }))) {
            return removed;
        }
        self.run_dir()?.remove()?;
        let mounts = self.mounts()?;
        for uuid in volumes {
            mounts.unmount(uuid)?;
        }
        removed
    }
}

/// How a container ended, and which of the places that it wrote to has no room: it knows them by other names.
fn full_or(how: String, places: &[&Path]) -> String {
    let is_full = |place: &&&Path| {
        rustix::fs::statvfs(**place).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_ROOM)
    };
    match places.iter().find(is_full) {
        Some(place) => format!("{how}; the file system of `{}` is full: make room on it and repeat", place.display()),
        None => how,
    }
}

impl Given {
    /// What was mounted for the container, by the volumes' identities.
    fn mounted_uuids(&self) -> impl Iterator<Item = VolumeUuid> {
        self.expected.values().filter_map(|expected| expected.uuid.parse().ok())
    }
}
