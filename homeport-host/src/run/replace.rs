//! Owns how the steps of a restore and of its undo are carried out and taken back: trees that are staged beside the live
//! one, exchanged with it, and put away. Never deletes what was live for an instant.

use homeport_core::name::{CommandName, VolumeName};
use homeport_core::unit::{Bytes, Seconds};
use homeport_volumes::restore::{
    Back, Devices, Discarded, Keeping, Stored, Wanted, discard, exchange, exchange_back, hold_for_restore, leftovers,
    prepare, recover, settle, stage_trashed,
};
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{Held, TxId, VolumeUuid};

use super::error::StepError;
use super::known;
use super::session::Session;
use crate::engine::WaitOutcome;
use crate::ledger::{HasData, RestoredRecord, TrashReason, TrashRecord, VolumeRecord};
use crate::plan::Kind;
use crate::progress::Meter;
use crate::request::DeviceNodes;
use crate::store::unix;

/// How long what was taken out is kept at least. [spec: STO-32]
pub(crate) const KEPT: std::time::Duration = std::time::Duration::from_hours(30 * 24);

impl Session<'_, '_> {
    /// The record of a volume.
    pub(super) fn volume_record(&self, uuid: VolumeUuid) -> Result<VolumeRecord, StepError> {
        let missing = StepError::OutOfOrder { step: "volume", missing: "a volume that the ledger knows" };
        self.writer.volume_by_uuid(&uuid.to_string())?.ok_or(missing)
    }

    /// Locks a volume to replace what is in it. An exchange that was cut off is taken back first.
    fn hold(&self, uuid: VolumeUuid) -> Result<Held, StepError> {
        let record = self.volume_record(uuid)?;
        let (request, known) = known::ask(self.host, self.writer, &self.root, &record)?;
        Ok(hold_for_restore(&self.host.machine, &request, Some(&known))?)
    }

    /// The same where the instance's own containers may run on the volume by now: only what is beside `data/` is touched.
    pub(super) fn hold_beside_container(&self, uuid: VolumeUuid) -> Result<Held, StepError> {
        let record = self.volume_record(uuid)?;
        let (mut request, known) = known::ask(self.host, self.writer, &self.root, &record)?;
        request.tolerated = known::own_processes(self.host, &self.root, &self.instance)?;
        Ok(hold_for_restore(&self.host.machine, &request, Some(&known))?)
    }

    /// Locks a volume for this operation. While one version takes over from another, both may have the volume: what the
    /// version from before still writes goes on into the tree that it has, which is kept.
    fn hold_as_is(&self, uuid: VolumeUuid) -> Result<Held, StepError> {
        if self.kind.is_change_of_version() { self.hold_beside_container(uuid) } else { self.hold(uuid) }
    }

    /// Builds a volume's tree from a snapshot, and compares it.
    pub(super) fn build_tree(
        &mut self,
        volume: &VolumeName,
        uuid: VolumeUuid,
        tx: TxId,
        snapshot: SnapshotUuid,
        devices: DeviceNodes,
    ) -> Result<(), StepError> {
        let missing = |missing| StepError::OutOfOrder { step: "build_tree", missing };
        let store = crate::store::open(self.writer)?.ok_or(missing("the store"))?;
        let catalog = store.catalog()?;
        let found = catalog.find(&snapshot).ok_or(missing("the snapshot"))?;
        let part = found.body.volume(volume).ok_or(missing("the volume in the snapshot"))?;
        let objects = store.objects()?;
        let source = Stored::new(&store, &objects, part.entries);
        let mut held = self.hold_as_is(uuid)?;
        self.clear_way(&mut held)?;
        let devices = match devices {
            DeviceNodes::Refuse => Devices::Refuse,
            DeviceNodes::Make => Devices::Make,
        };
        let wanted = Wanted { format: part.format, devices };
        // Everything is written once and read back once.
        let meter = Meter::new(&*self.host.progress, format!("restore `{volume}`"));
        let meter = meter.of(part.bytes.saturating_mul(2), part.count.saturating_mul(2));
        prepare(&mut held, tx, wanted, &source, &meter)?;
        self.puts_back(uuid, Some(snapshot), part.count, Bytes::new(part.bytes));
        Ok(())
    }

    /// Notes what a volume has when this operation is done. Which snapshot is the newest then, its end says.
    fn puts_back(&mut self, volume: VolumeUuid, snapshot: Option<SnapshotUuid>, entries: u64, bytes: Bytes) {
        let at = self.host.now();
        self.restored.push(RestoredRecord { volume, snapshot, newest: None, entries, bytes, at });
    }

    /// Takes a tree out of the trash to be exchanged with the live one.
    pub(super) fn stage_trashed(&mut self, uuid: VolumeUuid, tx: TxId, trashed: TxId) -> Result<(), StepError> {
        let mut held = self.hold(uuid)?;
        self.clear_way(&mut held)?;
        stage_trashed(&mut held, trashed, tx)?;
        self.returned.push(trashed);
        let records = self.writer.trash_of(trashed)?;
        // One that was not counted has no entry at all, not even itself: then only the snapshot before can be compared with.
        if let Some(record) = records.into_iter().find(|record| record.tx == trashed && record.entries > 0) {
            self.puts_back(uuid, record.snapshot, record.entries, record.bytes);
        }
        Ok(())
    }

    /// Ends what an earlier command left in the volume: an exchange that is noted is settled, trees that nobody waits for
    /// are given up.
    fn clear_way(&self, held: &mut Held) -> Result<(), StepError> {
        if let homeport_volumes::restore::Recovered::Exchanged(tx) = recover(held)?
            && !self.writer.trash_of(tx)?.is_empty()
        {
            settle(held, tx)?;
        }
        for tx in leftovers(held)? {
            discard(held, tx)?;
        }
        Ok(())
    }

    /// Gives a staged tree up: one that was built is deleted, one out of the trash goes back there.
    pub(super) fn unstage(&mut self, uuid: VolumeUuid, tx: TxId) -> Result<(), StepError> {
        let mut held = self.hold_as_is(uuid)?;
        match discard(&mut held, tx)? {
            Discarded::Deleted | Discarded::Absent | Discarded::PutBack(_) => Ok(()),
        }
    }

    /// Puts the staged tree in the place of the live one.
    pub(super) fn exchange_tree(
        &mut self,
        volume: &VolumeName,
        uuid: VolumeUuid,
        tx: TxId,
        bundle: TxId,
    ) -> Result<(), StepError> {
        let record = self.volume_record(uuid)?;
        let since = self.writer.not_before_known(&self.host.now())?;
        let until = since.after(KEPT);
        let (entries, bytes) = self.counted.get(volume).copied().unzip();
        let keeping = Keeping { entries, bytes: bytes.map(Bytes::new), since: unix(&since), until: Some(unix(&until)) };
        let mut held = self.hold_as_is(uuid)?;
        self.formats.insert(volume.clone(), held.marker().format);
        exchange(&mut held, tx, &keeping)?;
        self.note_tree(&record, &held, HasData::No)?;
        self.replaced.push(TrashRecord {
            tx,
            bundle,
            reason: match self.kind {
                Kind::Undo => TrashReason::Undo,
                kind if kind.is_change_of_version() => TrashReason::Upgrade,
                _ => TrashReason::Restore,
            },
            volume: uuid,
            instance: record.instance,
            port: record.port,
            name: record.name,
            path: record.path,
            record: None,
            snapshot: self.before,
            entries: entries.unwrap_or(0),
            bytes: Bytes::new(bytes.unwrap_or(0)),
            since,
            until,
        });
        Ok(())
    }

    /// Puts the tree from before in its place again, which the volume `had`. What was live meanwhile is in the trash, where it was
    /// in use at all.
    pub(super) fn exchange_tree_back(
        &mut self,
        uuid: VolumeUuid,
        tx: TxId,
        bundle: TxId,
        had: HasData,
    ) -> Result<(), StepError> {
        let record = self.volume_record(uuid)?;
        let mut held = self.hold_as_is(uuid)?;
        let back = exchange_back(&mut held, tx)?;
        // A tree that lost everything before is as much of a loss as it was then. [spec: VOL-19]
        self.note_tree(&record, &held, had)?;
        // One that an earlier try put there, and could not write down any more, is there still.
        let is_in_trash = || record.path.join(".homeport/trash").join(tx.to_string()).is_dir();
        let returned = match back {
            Back::Returned(returned) => Some(returned),
            Back::Nothing => is_in_trash().then_some(tx),
            Back::NeverExchanged => None,
        };
        if let Some(returned) = returned
            && self.writer.trash_of(returned)?.is_empty()
        {
            if self.kind.is_change_of_version() {
                self.tell_copy_of_tried(&record, bundle)?;
            }
            let since = self.writer.not_before_known(&self.host.now())?;
            self.writer.put_trash(&TrashRecord {
                tx: returned,
                bundle,
                reason: TrashReason::Undo,
                volume: uuid,
                instance: record.instance,
                port: record.port,
                name: record.name,
                path: record.path,
                record: None,
                snapshot: None,
                entries: 0,
                bytes: Bytes::new(0),
                until: since.after(KEPT),
                since,
            })?;
        }
        Ok(())
    }

    /// Notes what the volume is now: the format of the tree that is live, and that it holds something where there is anything in
    /// it, or where it `had`.
    fn note_tree(&mut self, record: &VolumeRecord, held: &Held, had: HasData) -> Result<(), StepError> {
        let filled = std::fs::read_dir(record.path.join("data")).map(|mut names| names.next().is_some());
        let filled = filled.map_err(|source| StepError::Io { action: "look into a volume", source })?;
        let has_data = if filled { HasData::Yes } else { had };
        self.writer.set_volume_tree(&record.uuid, held.marker().format, has_data)?;
        Ok(())
    }

    /// Puts a tree that was taken out into the trash, for good.
    pub(super) fn settle_tree(&mut self, uuid: VolumeUuid, tx: TxId) -> Result<(), StepError> {
        let mut held = self.hold_beside_container(uuid)?;
        settle(&mut held, tx)?;
        Ok(())
    }

    /// Runs the port's own command in a container of its own, while the port is stopped.
    pub(super) fn post_restore(&mut self, command: &CommandName, within: Seconds) -> Result<(), StepError> {
        let phase = homeport_core::entrypoint::Phase::Command { name: command.clone(), args: Vec::new() };
        self.create_container(&phase)?;
        self.start_container()?;
        let container = self.container_ref()?;
        let limit = std::time::Duration::from_secs(within.get().into());
        match self.host.engine.wait(&container, limit)? {
            WaitOutcome::Exited(exit) if exit.code.get() == 0 => {}
            WaitOutcome::Exited(exit) => {
                let how = super::evidence::exit_meaning(&exit);
                return Err(StepError::Hook { command: command.clone(), how });
            }
            WaitOutcome::StillRunning => {
                let how = format!("it was not done after {within} s");
                return Err(StepError::Hook { command: command.clone(), how });
            }
        }
        self.container = None;
        self.remove_container()
    }
}
