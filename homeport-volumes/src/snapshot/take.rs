//! Owns making one snapshot of several volumes, in one pass or two. Never stops a port, and never decides whether one has
//! stopped: the caller says under which promise it reads.

use std::collections::BTreeMap;

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, PortId, VolumeName};

use super::alarm::{Extent, alarms};
use super::error::SnapshotError;
use super::ingest::{Care, Ingested, Keeper, ingest};
use super::now;
use super::subject::{Mode, Subject};
use super::verified::{Level, Looked, Verified};
use crate::identity::RootId;
use crate::progress::Progress;
use crate::store::{
    Consistency, EntriesId, ObjectId, Reason, Sealed, SnapshotBody, SnapshotHead, SnapshotUuid, Store, StoreWriter,
    VolumePart,
};
use crate::tree::Timestamp;

/// What a snapshot says beside what is in it. [spec: STO-20]
#[derive(Debug, Clone)]
pub struct About {
    /// The HomePort that makes it.
    pub root: RootId,
    /// The instance.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// The port's version.
    pub version: String,
    /// The image's id.
    pub image: Option<Digest>,
    /// The port's manifest, at most 1 MiB.
    pub manifest: Option<Vec<u8>>,
    /// What the operator set, and the public addresses, as a JSON object of at most 1 MiB.
    pub configuration: Option<Vec<u8>>,
    /// Why it is made.
    pub reason: Reason,
    /// What was true while the volumes were read; [`Consistency::Stopped`] only if all were read as [`Mode::Still`].
    pub consistency: Consistency,
    /// What a person wrote beside it.
    pub note: Option<String>,
}

/// A snapshot on its way: the writer's lock is held, nothing refers to what was written yet.
///
/// ```text
/// begin -> [ warm each volume while the port runs ] -> read each volume -> commit
/// ```
///
/// Dropped without [`commit`](Self::commit) it leaves no snapshot, and objects that a later one can use.
#[derive(Debug)]
pub struct Taking<'a> {
    keeper: Keeper<'a>,
    parent: Option<SnapshotHead>,
    /// What the next scan of each volume compares with.
    before: BTreeMap<VolumeName, EntriesId>,
    taken: Option<Timestamp>,
    parts: Vec<VolumePart>,
    outcomes: Vec<(VolumeName, Ingested)>,
    modes: Vec<Mode>,
    /// What volumes had when they were put back, after the parent was made.
    put_back: BTreeMap<VolumeName, Extent>,
}

/// A snapshot that was made.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The snapshot: it exists, is durable, and stays.
    pub head: SnapshotHead,
    /// What reading each volume came to.
    pub volumes: Vec<(VolumeName, Ingested)>,
    /// What was new, all of it read back from the disk and compared.
    pub sealed: Sealed,
    /// What was proven of it.
    pub verified: Verified,
}

/// What a snapshot compares with, to read only what changed.
#[derive(Debug, Clone)]
pub enum Base {
    /// The snapshot before it of the same instance: what is unchanged is taken from it.
    Parent(Box<SnapshotHead>),
    /// The same snapshot for parent and alarms, but every file is read.
    ReadAll(Box<SnapshotHead>),
    /// There is none.
    None,
}

impl<'a> Taking<'a> {
    /// Begins a snapshot with the lock of `writer`.
    pub fn begin(store: &'a Store, writer: StoreWriter, base: Base) -> Self {
        let entries = |head: &SnapshotHead| head.body.volumes.iter().map(|v| (v.name.clone(), v.entries)).collect();
        let (parent, before) = match base {
            Base::Parent(head) => {
                let before = entries(&head);
                (Some(*head), before)
            }
            Base::ReadAll(head) => (Some(*head), BTreeMap::new()),
            Base::None => (None, BTreeMap::new()),
        };
        Self {
            keeper: Keeper::new(store, writer),
            parent,
            before,
            taken: None,
            parts: Vec::new(),
            outcomes: Vec::new(),
            modes: Vec::new(),
            put_back: BTreeMap::new(),
        }
    }

    /// What volumes were put back to by a restore that was done after the snapshot before was made: what they have now is
    /// compared with this. [spec: STO-26]
    pub fn since_put_back(&mut self, volumes: impl IntoIterator<Item = (VolumeName, Extent)>) {
        self.put_back.extend(volumes);
    }

    /// The first of two passes: reads a running port's volume, so that the second has only to read what changed since.
    /// What it read is durable and read back when this returns; the snapshot says nothing of it.
    ///
    /// # Errors
    /// As for [`read`](Self::read); the snapshot can only be given up then.
    pub fn warm(&mut self, subject: &Subject<'_>, progress: &dyn Progress) -> Result<Ingested, SnapshotError> {
        let ingested = self.ingest(subject, Mode::Running, Care::Once, progress)?;
        self.keeper.seal()?;
        self.before.insert(subject.name.clone(), ingested.entries.id);
        Ok(ingested)
    }

    /// Has the next reading of a volume compare with these entries, which a [first pass](Self::warm) left, of this snapshot or
    /// of one that was given up.
    pub fn go_on_from(&mut self, volume: &VolumeName, entries: EntriesId) {
        self.before.insert(volume.clone(), entries);
    }

    /// Reads a volume: what it finds is what the snapshot has. Each volume once.
    ///
    /// # Errors
    /// Entries that could not be read, all of them; the snapshot can only be given up then. [spec: STO-23]
    pub fn read(
        &mut self,
        subject: &Subject<'_>,
        mode: Mode,
        progress: &dyn Progress,
    ) -> Result<&Ingested, SnapshotError> {
        self.taken.get_or_insert_with(now);
        let ingested = self.ingest(subject, mode, Care::UntilCalm, progress)?;
        self.parts.push(VolumePart {
            name: subject.name.clone(),
            uuid: subject.uuid,
            format: subject.format,
            generation: subject.generation,
            owner: subject.owner,
            entries: ingested.entries.id,
            count: ingested.entries.count,
            bytes: ingested.entries.bytes,
        });
        self.modes.push(mode);
        let at = self.outcomes.len();
        self.outcomes.push((subject.name.clone(), ingested));
        Ok(&self.outcomes[at].1)
    }

    /// Makes the snapshot. It exists when this returns, and all that it refers to was read back from the disk, now or
    /// when it was written. [spec: STO-21]
    ///
    /// # Errors
    /// The store failed; or the consistency is `stopped` although a volume was read as a running one's.
    pub fn commit(mut self, about: About) -> Result<Taken, SnapshotError> {
        if about.consistency == Consistency::Stopped && self.modes.contains(&Mode::Running) {
            return Err(SnapshotError::NotStopped);
        }
        let mut object = |bytes: Option<Vec<u8>>| bytes.map(|bytes| self.keeper.writer.put(&bytes)).transpose();
        let (manifest, configuration) = (object(about.manifest)?, object(about.configuration)?);
        let parts = std::mem::take(&mut self.parts);
        let extent = |part: &VolumePart| Extent { entries: part.count, bytes: part.bytes };
        let parent = self.parent.iter().flat_map(|head| &head.body.volumes);
        let mut before: BTreeMap<VolumeName, Extent> = parent.map(|part| (part.name.clone(), extent(part))).collect();
        before.append(&mut self.put_back);
        let alarms = alarms(before.iter().map(|(name, extent)| (name, *extent)), |name| {
            parts.iter().find(|part| part.name == *name).map(extent)
        });
        let body = SnapshotBody {
            uuid: SnapshotUuid::random(),
            taken: self.taken.unwrap_or_else(now),
            root: about.root,
            instance: about.instance,
            port: about.port,
            version: about.version,
            image: about.image,
            manifest,
            configuration,
            reason: about.reason,
            consistency: about.consistency,
            note: about.note,
            volumes: parts,
            alarms,
            parent: self.parent.as_ref().map(|head| head.body.uuid),
        };
        self.keeper.seal()?;
        let head = self.keeper.writer.commit(body)?;
        let extent = Looked {
            entries: head.body.volumes.iter().map(|part| part.count).sum(),
            objects: self.keeper.sealed.objects,
            bytes: self.keeper.sealed.bytes,
        };
        let verified = Verified { snapshot: head.body.uuid, level: Level::ReadBack, at: now(), extent };
        Ok(Taken { head, volumes: self.outcomes, sealed: self.keeper.sealed, verified })
    }

    /// Takes objects for missing that a verification found damaged: files that have them are read again, and they are
    /// stored anew.
    pub fn distrust(&mut self, damaged: impl IntoIterator<Item = ObjectId>) {
        self.keeper.writer.distrust(damaged);
    }

    fn ingest(
        &mut self,
        subject: &Subject<'_>,
        mode: Mode,
        care: Care,
        progress: &dyn Progress,
    ) -> Result<Ingested, SnapshotError> {
        let before = self.before.get(subject.name);
        ingest(&mut self.keeper, subject, before, mode, care, progress)
    }
}
