//! Owns how the steps are carried out that put volumes into the trash, take them out, and delete what is there.
//! Never decides what goes.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::unit::Bytes;
use homeport_volumes::trash::{
    Measured, Purge, TrashError, TrashPlace, empty, finish_purge, is_in_trash, purge, put_back,
};
use homeport_volumes::tree::Timestamp;
use homeport_volumes::{Checked, VolumePath, check};

use super::error::StepError;
use super::journal::with_causes;
use super::known;
use super::session::Session;
use crate::plan::{PurgedVolume, TrashHome, TrashedTree};
use crate::progress::Meter;
use crate::store::unix;

impl Session<'_, '_> {
    /// Puts a volume into the trash, or finds it there.
    pub(super) fn purge_volume(&mut self, volume: &PurgedVolume) -> Result<(), StepError> {
        let missing = |missing| StepError::OutOfOrder { step: "purge_volume", missing };
        let record = self.writer.volume_by_uuid(&volume.uuid.to_string())?;
        let record = record.ok_or(missing("a volume that the ledger knows"))?;
        let origin = known::origin(self.host, &record)?;
        let path = volume_path(&record.path)?;
        if finish_purge(&path, &origin, volume.tx)?.is_some() {
            return Ok(());
        }
        let (request, known) = known::ask(self.host, self.writer, &self.root, &record)?;
        let Checked::Attach(ready) = check(&self.host.machine, &request, Some(&known))? else {
            return Err(missing("the volume"));
        };
        let measured = Measured { entries: volume.entries, bytes: Bytes::new(volume.bytes), newest: Timestamp::EPOCH };
        let how = Purge {
            tx: volume.tx,
            since: unix(&volume.since),
            until: Some(unix(&volume.until)),
            measured: Some(measured),
        };
        purge(*ready, &origin, &how)?;
        Ok(())
    }

    /// Takes a purged volume out of the trash, or finds it in its place. One that cannot be taken out keeps no other from
    /// it, stays known as what is in the trash, and can be asked for again.
    pub(super) fn put_back_volume(&mut self, tree: &TrashedTree) -> Result<(), StepError> {
        let place = self.trash_place(tree)?;
        match put_back(&place, tree.tx) {
            Ok(_) => {}
            Err(TrashError::Absent { .. }) if is_there(tree) => {}
            Err(error) => drop(self.unreturned.insert(tree.tx, as_fault(tree, &error))),
        }
        Ok(())
    }

    /// Which of these came back. Found by looking: an earlier process may have taken the steps.
    pub(super) fn returned(&self, trees: &[TrashedTree]) -> Result<Vec<TrashedTree>, StepError> {
        let mut returned = Vec::new();
        for tree in trees.iter().filter(|tree| !self.unreturned.contains_key(&tree.tx)) {
            // What is in neither place is on a disk that is not there: it is looked for where it belongs from now on.
            if is_there(tree) || !self.is_kept(tree)? {
                returned.push(tree.clone());
            }
        }
        Ok(returned)
    }

    /// Deletes a tree in the trash; one that is gone already counts as deleted. What cannot be deleted keeps nothing else
    /// from it, and stays known.
    pub(super) fn empty_tree(&mut self, tree: &TrashedTree) -> Result<(), StepError> {
        let place = self.trash_place(tree)?;
        let meter = Meter::new(&*self.host.progress, format!("delete what was in `{}`", tree.volume));
        let mut told = (0, 0);
        let emptied = empty(&self.host.machine, &place, tree.tx, &mut |deleted| {
            use homeport_volumes::progress::Progress as _;
            meter.advance(deleted.bytes - told.0, deleted.entries - told.1);
            told = (deleted.bytes, deleted.entries);
        });
        match emptied {
            Ok(emptied) => {
                self.deleted.0 += emptied.deleted.entries;
                self.deleted.1 += emptied.deleted.bytes;
            }
            Err(TrashError::Absent { .. }) => {}
            Err(TrashError::Undeletable { tx, deleted, faults }) => {
                self.deleted.0 += deleted.entries;
                self.deleted.1 += deleted.bytes;
                self.undeleted.insert(tx, faults);
            }
            Err(error) => drop(self.undeleted.insert(tree.tx, vec![as_fault(tree, &error)])),
        }
        Ok(())
    }

    /// Which of these are deleted. Found by looking: an earlier process may have taken the steps.
    pub(super) fn deleted(&self, trees: &[TrashedTree]) -> Result<Vec<TrashedTree>, StepError> {
        let mut deleted = Vec::new();
        for tree in trees.iter().filter(|tree| !self.undeleted.contains_key(&tree.tx)) {
            if !self.is_kept(tree)? {
                deleted.push(tree.clone());
            }
        }
        Ok(deleted)
    }

    /// Whether anything of it is in the trash; what cannot be looked at is.
    fn is_kept(&self, tree: &TrashedTree) -> Result<bool, StepError> {
        Ok(is_in_trash(&self.trash_place(tree)?, tree.tx).unwrap_or(true))
    }

    fn trash_place(&self, tree: &TrashedTree) -> Result<TrashPlace, StepError> {
        Ok(match tree.home {
            TrashHome::DataRoot => TrashPlace::DataRoot(known::data_root(self.host)?),
            TrashHome::Volume => TrashPlace::Volume(volume_path(&tree.path)?),
        })
    }
}

/// What became of a tree instead of what was asked for.
fn as_fault(tree: &TrashedTree, error: &TrashError) -> Fault {
    let fault = Fault::new(error.code(), format!("volumes.{}", tree.volume), with_causes(error));
    fault.remedy(error.help().unwrap_or_default())
}

/// Whether the volume of a tree that is not in the trash stands in its place.
fn is_there(tree: &TrashedTree) -> bool {
    let marker = std::fs::read(tree.path.join(".homeport/marker.json")).ok();
    let marker = marker.and_then(|bytes| homeport_volumes::Marker::parse(&bytes).ok());
    marker.is_some_and(|marker| marker.uuid == tree.uuid)
}

fn volume_path(path: &std::path::Path) -> Result<VolumePath, StepError> {
    let unnamed = |error| StepError::Io { action: "name a volume's place", source: std::io::Error::other(error) };
    VolumePath::try_from(path).map_err(unnamed)
}
