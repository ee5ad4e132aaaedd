//! Owns the last step of an operation where it only writes to the ledger: it and the end of its operation are one
//! transaction, so that both are there or neither is.

use homeport_volumes::TxId;

use super::error::StepError;
use super::journal::end;
use super::records;
use super::session::Session;
use super::take_over::TakingOver;
use crate::host::now;
use crate::ledger::{
    Desired, InstanceConfig, LedgerError, LedgerWriter, OperationEnd, OperationId, Refusal, RestoredRecord,
    TrashReason, TrashRecord, VolumeState,
};
use crate::plan::{PurgedVolume, Step, TrashHome, TrashedTree, settle, settle_adoption};

impl Session<'_, '_> {
    /// The last step and the end of its operation: both, or neither.
    pub(super) fn commit(&mut self, operation: OperationId, index: u32, step: &Step) -> Result<(), StepError> {
        let config = match step {
            Step::Reconfigure => Some(records::config(self.blueprint("reconfigure")?)),
            _ => None,
        };
        let taking_over = match step {
            Step::TakeOver { bundle, linger } => Some(self.taking_over(*bundle, *linger)?),
            _ => None,
        };
        let (instance, kind) = (self.instance.clone(), self.kind);
        let (replaced, returned) = (std::mem::take(&mut self.replaced), std::mem::take(&mut self.returned));
        let restored = match step {
            Step::KeepReplaced | Step::TakeOver { .. } => self.restored(),
            _ => Vec::new(),
        };
        let settled = match step {
            Step::RecordPutBack { trees } => self.returned(trees)?,
            Step::ForgetTrash { trees } => self.deleted(trees)?,
            _ => Vec::new(),
        };
        let following = match step {
            Step::KeepReplaced => {
                let trees: Vec<_> = replaced.iter().map(|one| (one.name.clone(), one.volume, one.tx)).collect();
                Some(settle(&instance, &trees))
            }
            Step::TakeOver { .. } => taking_over.as_ref().and_then(|over| over.following(&instance, &replaced)),
            Step::RecordVolume => {
                self.adopting.as_ref().map(|(_, directory)| settle_adoption(&instance, directory.clone()))
            }
            _ => None,
        };
        let volume = self.recorded.take();
        let begun = self.writer.together(|writer| -> Result<Option<OperationId>, LedgerError> {
            write(writer, &instance, step, config.as_ref(), (&replaced, &returned))?;
            if let Some(over) = &taking_over {
                over.write(writer)?;
            }
            for record in &restored {
                writer.put_restored(record)?;
            }
            if let (Step::RecordVolume, Some(volume)) = (step, &volume) {
                writer.put_volume(volume)?;
            }
            match step {
                Step::RecordPutBack { .. } => settled.iter().try_for_each(|tree| put_back(writer, tree))?,
                Step::ForgetTrash { .. } => forget_trash(writer, &settled)?,
                _ => {}
            }
            writer.step_done(operation, index)?;
            let what = taking_over.as_ref().map(TakingOver::words).unwrap_or_default();
            end(writer, operation, (kind, &instance), OperationEnd::Done, &what)?;
            // What is left to be done for good begins here, so that nobody can be cut off in between.
            following.as_ref().map(|plan| super::journal::begin(writer, plan)).transpose()
        })?;
        self.following = begun.zip(following);
        self.kept = replaced;
        Ok(())
    }

    /// What the volumes were put back to, none where the store cannot be asked which snapshot is the newest: the next alarm
    /// compares with the snapshot before then, which is no loss but perhaps a false alarm.
    fn restored(&mut self) -> Vec<RestoredRecord> {
        let mut restored = std::mem::take(&mut self.restored);
        let catalog = match crate::store::open(self.writer) {
            Ok(store) => store.map(|store| store.catalog()).transpose().ok(),
            Err(_) => None,
        };
        let Some(catalog) = catalog else { return Vec::new() };
        let newest = catalog.and_then(|catalog| catalog.snapshots.last().map(|head| head.sequence));
        for record in &mut restored {
            record.newest = newest;
        }
        restored
    }
}

fn write(
    writer: &mut LedgerWriter<'_>,
    instance: &homeport_core::name::InstanceName,
    step: &Step,
    config: Option<&InstanceConfig>,
    (replaced, returned): (&[TrashRecord], &[TxId]),
) -> Result<(), LedgerError> {
    match step {
        Step::Reconfigure => {
            if let Some(config) = config {
                writer.put_config(instance, config)?;
            }
        }
        Step::Forget => forget(writer, instance)?,
        Step::KeepReplaced | Step::TakeOver { .. } => {
            for tx in returned {
                writer.remove_trash(*tx)?;
            }
            for record in replaced {
                writer.put_trash(record)?;
            }
        }
        Step::ForgetPurged { bundle, volumes, lost } => {
            for uuid in lost {
                writer.forget_lost(&uuid.to_string())?;
            }
            for volume in volumes {
                writer.purge_volume(&purged(writer, *bundle, volume)?)?;
            }
            forget(writer, instance)?;
        }
        Step::RecordPutBack { .. } | Step::ForgetTrash { .. } | Step::RecordVolume => {}
        _ => {
            writer.set_desired(instance, Desired::Running, &now())?;
        }
    }
    Ok(())
}

/// Takes an instance out of the ledger; its volumes stay known.
fn forget(writer: &mut LedgerWriter<'_>, instance: &homeport_core::name::InstanceName) -> Result<(), LedgerError> {
    for record in writer.volumes(instance)? {
        writer.set_volume_state(&record.uuid, VolumeState::Kept)?;
    }
    writer.remove_instance(instance)?;
    Ok(())
}

fn purged(writer: &LedgerWriter<'_>, bundle: TxId, volume: &PurgedVolume) -> Result<TrashRecord, LedgerError> {
    let uuid = volume.uuid.to_string();
    let record = writer.volume_by_uuid(&uuid)?.ok_or(Refusal::UnknownVolume(uuid))?;
    Ok(TrashRecord {
        tx: volume.tx,
        bundle,
        reason: TrashReason::Purge,
        volume: volume.uuid,
        instance: record.instance.clone(),
        port: record.port.clone(),
        name: record.name.clone(),
        path: record.path.clone(),
        record: Some(record),
        snapshot: None,
        entries: volume.entries,
        bytes: homeport_core::unit::Bytes::new(volume.bytes),
        since: volume.since.clone(),
        until: volume.until.clone(),
    })
}

/// A purged volume is known again, as one that no instance uses.
fn put_back(writer: &mut LedgerWriter<'_>, tree: &TrashedTree) -> Result<(), LedgerError> {
    for found in writer.trash_of(tree.tx)?.into_iter().filter(|found| found.tx == tree.tx) {
        if let Some(mut record) = found.record {
            record.state = VolumeState::Kept;
            writer.put_volume(&record)?;
        }
    }
    writer.remove_trash(tree.tx)?;
    Ok(())
}

/// What was deleted is not in the trash any more; with a whole volume went what was in its own trash.
fn forget_trash(writer: &mut LedgerWriter<'_>, trees: &[TrashedTree]) -> Result<(), LedgerError> {
    for tree in trees {
        writer.remove_trash(tree.tx)?;
        if tree.home == TrashHome::DataRoot {
            let inner = writer.trash()?.into_iter().filter(|record| record.volume == tree.uuid);
            for record in inner.collect::<Vec<_>>() {
                writer.remove_trash(record.tx)?;
            }
        }
    }
    Ok(())
}
