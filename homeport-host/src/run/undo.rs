//! Owns how each step is taken back. Every undo can be repeated, and works whether or not the step had its effect.
//! Never removes a volume in which there is anything.

use homeport_core::name::EndpointName;
use homeport_core::unit::{Gid, Mode, Uid};
use homeport_volumes::{Before, Origin as VolumeOrigin, Owner, Removal, VolumePath};

use super::adopt;
use super::error::{KeptVolume, StepError};
use super::session::Session;
use crate::ledger::{HasData, VolumeState};
use crate::plan::{Kind, Step};

impl Session<'_, '_> {
    /// Takes one step back; returns the volume that it left because something is in it.
    pub(super) fn undo(&mut self, step: &Step) -> Result<Option<KeptVolume>, StepError> {
        match step {
            Step::MakeVolume { volume, path, uuid, before } => {
                return self.unmake_volume(volume, path, *uuid, *before);
            }
            Step::Record => self.unrecord()?,
            // Only a deploy may have made it for nobody else: an instance that is there needs it again.
            Step::EnsureNetwork if self.kind == Kind::Deploy => self.remove_network()?,
            Step::ReserveRoute { endpoint, .. } => match self.kind {
                Kind::Deploy => self.release_route(endpoint)?,
                Kind::Upgrade | Kind::Rollback => self.unreserve(endpoint)?,
                _ => self.close_route(endpoint)?,
            },
            Step::PointRoute { endpoint } if self.kind.is_change_of_version() => self.lead_back(endpoint)?,
            Step::PointRoute { endpoint } => self.close_route(endpoint)?,
            Step::HoldRoutes => self.unhold_routes()?,
            Step::UseVolumes => self.unuse_volumes()?,
            Step::PrepareRunDir => {
                self.notify = None;
                self.run_dir()?.remove()?;
            }
            Step::AdoptDirectory(directory) => adopt::unadopt(directory)?,
            Step::ChangeVolume(change) => adopt::change_volume_back(change)?,
            Step::ExchangeTree { uuid, tx, bundle, had, .. } => self.exchange_tree_back(*uuid, *tx, *bundle, *had)?,
            Step::BuildTree { uuid, tx, .. }
            | Step::StageTrashed { uuid, tx, .. }
            | Step::CopyTree { uuid, tx, .. } => {
                self.unstage(*uuid, *tx)?;
            }
            Step::CheckPort(_) | Step::MigrateTree(_) => {
                let volumes = self.writer.volumes(&self.instance)?;
                self.end_task(volumes.into_iter().filter_map(|record| record.uuid.parse().ok()))?;
            }
            Step::CreateContainer | Step::StartContainer | Step::PostRestore { .. } => {
                self.kill_container()?;
                // Where it could not be taken away at first, the network may have stayed for it alone.
                if self.kind == Kind::Deploy {
                    self.remove_network()?;
                }
            }
            // It cannot be brought back; whether it is gone has to be known.
            Step::RemoveOldContainer => {
                if self.host.engine.inspect(&self.container_ref()?)?.is_none() {
                    self.note_container(None)?;
                }
            }
            // These take away what can be made again, only look, or are one with the end of their operation.
            Step::EnsureNetwork
            | Step::WantRunning
            | Step::WantStopped
            | Step::Reconfigure
            | Step::StopContainer { .. }
            | Step::CloseRoutes
            | Step::CloseRoute { .. }
            | Step::AwaitReady { .. }
            | Step::ProbeRoute { .. }
            | Step::ReleaseVolumes
            | Step::RemoveRunDir
            | Step::ReleaseRoutes
            | Step::RemoveNetwork
            | Step::Forget
            | Step::ReadAhead { .. }
            | Step::SnapshotPresent { .. }
            | Step::KeepReplaced
            | Step::RecordVolume
            | Step::TakeSlot { .. }
            | Step::QuitContainer { .. }
            | Step::Soak { .. }
            | Step::TakeOver { .. }
            | Step::ReleaseRoute { .. }
            | Step::RetireContainer { .. } => {}
            // They belong to operations that go on and are never taken back.
            Step::SettleTree { .. }
            | Step::PurgeVolume(_)
            | Step::ForgetPurged { .. }
            | Step::PutBackVolume(_)
            | Step::RecordPutBack { .. }
            | Step::EmptyTree(_)
            | Step::ForgetTrash { .. }
            | Step::SettleAdoption(_) => {
                return Err(StepError::OutOfOrder { step: step.name(), missing: "a way back" });
            }
        }
        Ok(None)
    }

    /// Lets go of the volumes; a version that is taken back may have written to them.
    fn unuse_volumes(&mut self) -> Result<(), StepError> {
        self.release_volumes()?;
        if self.kind.is_change_of_version() { self.tell_writes_of_tried() } else { Ok(()) }
    }

    /// Gives an address up that only the other version has.
    fn unreserve(&mut self, endpoint: &EndpointName) -> Result<(), StepError> {
        let recorded = self.writer.instance(&self.instance)?;
        let manifest = recorded.and_then(|record| homeport_core::manifest::parse(&record.manifest).ok());
        if manifest.is_some_and(|manifest| !manifest.endpoints.contains_key(endpoint)) {
            self.release_route(endpoint)?;
            for route in self.writer.routes(&self.instance)?.iter().filter(|route| route.endpoint == *endpoint) {
                self.writer.remove_route(route)?;
            }
        }
        Ok(())
    }

    /// Takes the failed container away. It gets its time to end where it runs: it may be writing.
    fn kill_container(&mut self) -> Result<(), StepError> {
        self.stop_container(self.grace()?)?;
        self.remove_container()
    }

    fn unrecord(&mut self) -> Result<(), StepError> {
        for record in self.writer.volumes(&self.instance)? {
            self.writer.set_volume_state(&record.uuid, VolumeState::Kept)?;
        }
        self.writer.remove_instance(&self.instance)?;
        Ok(())
    }

    fn unmake_volume(
        &mut self,
        volume: &homeport_core::name::VolumeName,
        path: &std::path::Path,
        uuid: homeport_volumes::VolumeUuid,
        before: Option<(u32, u32, u32)>,
    ) -> Result<Option<KeptVolume>, StepError> {
        self.checked.remove(volume);
        self.in_use.remove(volume);
        self.mounted.remove(volume);
        let unnamed = |error: homeport_volumes::VolumePathError| StepError::Io {
            action: "name a volume's place",
            source: std::io::Error::other(error),
        };
        let place = VolumePath::try_from(path).map_err(unnamed)?;
        let (origin, former) = if let Some((uid, gid, mode)) = before {
            let owner = Owner { uid: Uid::new(uid), gid: Gid::new(gid), mode: Mode::new(mode) };
            (VolumeOrigin::Operator, Before::Directory(owner))
        } else {
            let data_root = VolumePath::try_from(self.host.layout.data_dir()).map_err(unnamed)?;
            (VolumeOrigin::Default { data_root }, Before::Nothing)
        };
        // Where letting go of the volumes failed, this one is still mounted; once it is forgotten nobody would know of that.
        self.mounts()?.unmount(uuid)?;
        let uuid_text = uuid.to_string();
        if self.writer.volume_by_uuid(&uuid_text)?.is_some_and(|known| known.has_data == HasData::Yes) {
            // It held data once: whatever is in it now, it is not for an undo to take away.
            self.writer.set_volume_state(&uuid_text, VolumeState::Kept)?;
            return Ok(Some(KeptVolume { volume: volume.clone(), path: path.to_owned() }));
        }
        match homeport_volumes::remove_if_blank(&place, uuid, &origin, former)? {
            Removal::Removed | Removal::Absent => {
                self.writer.forget_volume(&uuid_text)?;
                Ok(None)
            }
            Removal::KeptWithData { .. } => {
                if let Some(mut known) = self.writer.volume_by_uuid(&uuid_text)? {
                    known.has_data = HasData::Yes;
                    known.state = VolumeState::Kept;
                    self.writer.put_volume(&known)?;
                }
                Ok(Some(KeptVolume { volume: volume.clone(), path: path.to_owned() }))
            }
        }
    }
}
