//! Owns what is told of data that one of two versions wrote: what the other does not have, and what it has though another
//! wrote it. Only looks at volumes, and never decides what becomes of their data.

use std::fs::File;

use homeport_volumes::TxId;
use homeport_volumes::restore::{RestoreError, gone_from_top, newest_change};
use homeport_volumes::store::{Catalog, Reason, SnapshotHead, Store};

use super::error::StepError;
use super::journal::with_causes;
use super::session::Session;
use crate::ledger::{EventRecord, TrashReason, VolumeRecord};
use crate::plan::Clients;
use crate::progress::Event;

impl Session<'_, '_> {
    /// A copy was migrated while the version from before still had the original: what that wrote since the snapshot is not
    /// in the copy. It is not lost, and somebody has to know. [spec: UPG-49]
    pub(super) fn tell_late_writes(&mut self, bundle: TxId) -> Result<(), StepError> {
        let told = self.late_writes(bundle);
        self.tell_or_say_why(told, |why| {
            format!(
                "whether the version from before wrote to its data after that was copied cannot be said ({why}); the data is \
                 in the trash, as {bundle}"
            )
        })
    }

    fn late_writes(&self, bundle: TxId) -> Result<Vec<String>, StepError> {
        let trees: Vec<_> =
            self.writer.trash_of(bundle)?.into_iter().filter(|tree| tree.reason == TrashReason::Upgrade).collect();
        if trees.is_empty() {
            return Ok(Vec::new());
        }
        let Some(store) = crate::store::open(self.writer)? else { return Ok(Vec::new()) };
        let catalog = store.catalog()?;
        let mut told = Vec::new();
        for tree in trees {
            let Some(head) = tree.snapshot.and_then(|snapshot| catalog.find(&snapshot)) else { continue };
            let home = tree.path.join(".homeport");
            let places = ["staging", "trash"].map(|area| home.join(area).join(tree.tx.to_string()).join("data"));
            let Some(data) = places.iter().find_map(|place| File::open(place).ok()) else { continue };
            if is_newer(&data, head, &tree.name, &store)? {
                told.push(format!(
                    "volume `{}` was written to by the version from before after its data was copied; what was written \
                     since is only in the trash, as {}",
                    tree.name, tree.bundle
                ));
            }
        }
        Ok(told)
    }

    /// A version that is taken back had volumes as they are, without a copy: what it wrote to them stays, because it has the
    /// format of the version from before and clients may have been told that it is kept. Somebody has to know, and how what
    /// was there before is had again. Where the version from before wrote to them as well, nobody can tell whose it is.
    /// [spec: UPG-54]
    pub(super) fn tell_writes_of_tried(&mut self) -> Result<(), StepError> {
        if self.clients == Clients::Served {
            return Ok(());
        }
        let told = self.writes_of_tried();
        self.tell_or_say_why(told, |why| {
            format!(
                "whether the version that was tried wrote to data that it had without a copy cannot be said ({why})"
            )
        })
    }

    fn writes_of_tried(&self) -> Result<Vec<String>, StepError> {
        let Some(record) = self.writer.instance(&self.instance)? else { return Ok(Vec::new()) };
        let Some(store) = crate::store::open(self.writer)? else { return Ok(Vec::new()) };
        let catalog = store.catalog()?;
        let Some(head) = self.made_before(&catalog) else { return Ok(Vec::new()) };
        let mut told = Vec::new();
        for volume in self.writer.volumes(&self.instance)?.iter().filter(|volume| volume.port == record.port) {
            if is_as_it_was(volume, head) && is_newer(&open_data(volume)?, head, &volume.name, &store)? {
                told.push(format!(
                    "volume `{}` has what the version wrote to it that was tried; what it was before is in snapshot {:#}: \
                     homeport snapshot restore {} {:#} --volume {}",
                    volume.name, head.sequence, self.instance, head.sequence, volume.name
                ));
            }
        }
        Ok(told)
    }

    /// The snapshot that this operation made. A process that goes on with it does not know which: no other operation had its
    /// turn since, so that it is the newest of its kind.
    fn made_before<'c>(&self, catalog: &'c Catalog) -> Option<&'c SnapshotHead> {
        if let Some(uuid) = self.before {
            return catalog.find(&uuid);
        }
        let own = |head: &&SnapshotHead| head.body.instance == self.instance && head.body.reason == Reason::Upgrade;
        catalog.snapshots.iter().rev().find(own)
    }

    /// A version that is taken back had a copy: what was written to that is in the trash only.
    pub(super) fn tell_copy_of_tried(&mut self, volume: &VolumeRecord, bundle: TxId) -> Result<(), StepError> {
        self.tell(format!(
            "what volume `{}` was for the version that was tried is in the trash as {bundle}, with whatever was written to it \
             meanwhile",
            volume.name
        ))
    }

    /// Tells each; where it cannot be known, that. Only the ledger can fail then.
    fn tell_or_say_why(
        &mut self,
        told: Result<Vec<String>, StepError>,
        unknown: impl FnOnce(String) -> String,
    ) -> Result<(), StepError> {
        let told = match told {
            Ok(told) => told,
            Err(error) if error.is_death() => return Err(error),
            Err(error) => vec![unknown(with_causes(&error))],
        };
        told.into_iter().try_for_each(|text| self.tell(text))
    }

    /// Says something now, and in the history.
    fn tell(&mut self, text: String) -> Result<(), StepError> {
        self.host.progress.event(&Event::Warning { text: text.clone() });
        self.writer.append_event(&EventRecord {
            time: self.host.now(),
            instance: Some(self.instance.clone()),
            operation: None,
            kind: self.kind.word().to_owned(),
            text,
        })?;
        Ok(())
    }
}

/// Whether the version that was tried had the volume itself, and no copy of it: a copy has another format.
fn is_as_it_was(volume: &VolumeRecord, head: &SnapshotHead) -> bool {
    head.body.volume(&volume.name).is_some_and(|part| part.format == volume.format)
}

fn open_data(volume: &VolumeRecord) -> Result<File, StepError> {
    File::open(volume.path.join("data")).map_err(|source| StepError::Io { action: "look into a volume", source })
}

/// Whether anything was written to the tree since the snapshot of it.
fn is_newer(
    data: &File,
    head: &SnapshotHead,
    volume: &homeport_core::name::VolumeName,
    store: &Store,
) -> Result<bool, StepError> {
    if newest_change(data).map_err(RestoreError::Tree)? > head.body.taken {
        return Ok(true);
    }
    match head.body.volume(volume) {
        Some(part) => Ok(gone_from_top(data, store.entries(&part.entries)?)?.is_some()),
        None => Ok(false),
    }
}
