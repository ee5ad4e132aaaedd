//! Owns taking one snapshot: from the records of volumes to a snapshot that exists. Never stops or starts anything.

use std::collections::BTreeMap;

use homeport_core::name::{InstanceName, VolumeName};
use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{Base, Depth, Mode, SnapshotError, Subject, Taken, verify};
use homeport_volumes::store::{Catalog, Consistency, EntriesId, ObjectId, Reason, SnapshotHead, Store, StoreError};
use homeport_volumes::{Marker, Readable, RootId, check_readable};

use super::about::Known;
use super::baseline::put_back_since;
use super::error::TakeError;
use super::freeze::{Frozen, Hook};
use super::still::what_may_write;
use crate::host::Host;
use crate::ledger::{Ledger, MarkKind, SnapshotMark, VolumeRecord};
use crate::progress::{Event, Meter};
use crate::run::{known, with_causes};

/// What is to be taken.
pub(crate) struct Taking<'a> {
    pub(crate) host: &'a Host,
    pub(crate) ledger: &'a Ledger,
    pub(crate) root: &'a RootId,
    pub(crate) store: &'a Store,
    pub(crate) instance: &'a InstanceName,
    /// The volumes; at least one, all of one port.
    pub(crate) volumes: &'a [VolumeRecord],
    pub(crate) reason: Reason,
    pub(crate) note: Option<String>,
    /// Whether anything may write to the volumes meanwhile.
    pub(crate) mode: Mode,
    /// The port's own commands around the last reading.
    pub(crate) hook: Option<Hook<'a>>,
    /// What was read ahead; nothing is lost where that is not there.
    pub(crate) ahead: Option<Ahead>,
}

/// What a first pass left, for the same process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ahead {
    /// What each volume had. The entries are in the store, and no snapshot names them.
    entries: BTreeMap<VolumeName, EntriesId>,
    /// Objects that were found damaged before.
    damaged: Vec<ObjectId>,
}

/// A snapshot that was taken.
#[derive(Debug)]
pub(crate) struct Took {
    pub(crate) taken: Taken,
    pub(crate) warnings: Vec<String>,
}

/// A volume that was checked, open for reading.
struct Opened<'a> {
    record: &'a VolumeRecord,
    readable: Readable,
}

/// Whether a volume was taken into use while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// It was not.
    AsBefore,
    /// It was: another container runs on it.
    Anew,
}

impl Opened<'_> {
    fn subject(&self) -> Subject<'_> {
        Subject::of(&self.record.name, &self.readable)
    }
}

impl Taking<'_> {
    /// Takes it.
    pub(crate) fn take(&self) -> Result<Took, TakeError> {
        let catalog = self.store.catalog()?;
        let parent = newest(&catalog, self.instance);
        let mut warnings = Vec::new();
        let opened = self.open()?;
        let taken = match self.read(&opened, self.base(&catalog, parent)?, parent, self.ahead.as_ref(), &mut warnings) {
            // What the snapshot before refers to cannot be read: everything is read anew, and stored where it is missing.
            Err(TakeError::Snapshot(error)) if (parent.is_some() || self.ahead.is_some()) && is_of_parent(&error) => {
                let why = with_causes(&error);
                warnings.push(format!("every file was read, since the snapshot before cannot be used: {why}"));
                let base = parent.map_or(Base::None, |head| Base::ReadAll(Box::new(head.clone())));
                self.read(&opened, base, parent, None, &mut warnings)?
            }
            other => other?,
        };
        let alarms = taken.head.body.alarms.iter().map(|alarm| {
            let (volume, before, now, what) = (&alarm.volume, alarm.before, alarm.now, alarm.measure);
            format!(
                "`{volume}` had {before} {what} in the snapshot before and has {now}: no snapshot of `{}` is removed \
                     until that is confirmed with `homeport snapshot acknowledge`",
                self.instance
            )
        });
        warnings.extend(alarms);
        Ok(Took { taken, warnings })
    }

    /// The first pass alone, of volumes that a port writes to: what it read is durable and read back when this returns, and
    /// nothing refers to it.
    pub(crate) fn ahead(&self) -> Result<Ahead, TakeError> {
        let catalog = self.store.catalog()?;
        let parent = newest(&catalog, self.instance);
        let opened = self.open()?;
        match self.warm(&opened, self.base(&catalog, parent)?, parent) {
            Err(TakeError::Snapshot(error)) if parent.is_some() && is_of_parent(&error) => {
                self.warm(&opened, parent.map_or(Base::None, |head| Base::ReadAll(Box::new(head.clone()))), parent)
            }
            other => other,
        }
    }

    fn warm(&self, opened: &[Opened<'_>], base: Base, parent: Option<&SnapshotHead>) -> Result<Ahead, TakeError> {
        let (mut taking, damaged) = self.begin(base, None)?;
        let mut entries = BTreeMap::new();
        for one in opened {
            let read = taking.warm(&one.subject(), &self.meter(one, parent, "look at"))?;
            entries.insert(one.record.name.clone(), read.entries.id);
        }
        Ok(Ahead { entries, damaged })
    }

    /// Begins a snapshot under the store's lock, and says which objects are known to be damaged.
    fn begin(
        &self,
        base: Base,
        ahead: Option<&Ahead>,
    ) -> Result<(homeport_volumes::snapshot::Taking<'_>, Vec<ObjectId>), TakeError> {
        let mut waiting = |what: &str| self.host.progress.event(&Event::WaitingFor { what: what.to_owned() });
        let mut writer = self.store.writer(self.host.patience, &mut waiting)?;
        crate::store::number_after(self.ledger, &mut writer)?;
        let damaged = match (&base, ahead) {
            (_, Some(ahead)) => ahead.damaged.clone(),
            (Base::ReadAll(head), None) => verify(self.store, head, Depth::Objects, &Silent)?.damaged,
            (Base::Parent(_) | Base::None, None) => Vec::new(),
        };
        let mut taking = homeport_volumes::snapshot::Taking::begin(self.store, writer, base);
        taking.distrust(damaged.iter().copied());
        Ok((taking, damaged))
    }

    /// Opens every volume, if each is what is known.
    fn open(&self) -> Result<Vec<Opened<'_>>, TakeError> {
        let open = |record| {
            let (request, known) = known::ask(self.host, self.ledger, self.root, record)?;
            let readable = check_readable(&self.host.machine, &request, &known)?;
            Ok(Opened { record, readable })
        };
        self.volumes.iter().map(open).collect()
    }

    /// What is compared with: the snapshot before. Where any snapshot that there is is known to be damaged, which may share
    /// what is damaged with this one, everything is read again.
    fn base(&self, catalog: &Catalog, parent: Option<&SnapshotHead>) -> Result<Base, TakeError> {
        let Some(head) = parent else { return Ok(Base::None) };
        let is_there = |mark: &SnapshotMark| catalog.snapshots.iter().any(|head| head.body.uuid == mark.snapshot);
        let marks = self.ledger.snapshot_marks()?;
        let is_damaged = marks.iter().any(|mark| mark.kind == MarkKind::Damaged && is_there(mark));
        let head = Box::new(head.clone());
        Ok(if is_damaged { Base::ReadAll(head) } else { Base::Parent(head) })
    }

    /// Reads the volumes and makes the snapshot.
    fn read(
        &self,
        opened: &[Opened<'_>],
        base: Base,
        parent: Option<&SnapshotHead>,
        ahead: Option<&Ahead>,
        warnings: &mut Vec<String>,
    ) -> Result<Taken, TakeError> {
        let (mut taking, _) = self.begin(base, ahead)?;
        for (volume, entries) in ahead.into_iter().flat_map(|ahead| &ahead.entries) {
            taking.go_on_from(volume, *entries);
        }
        taking.since_put_back(put_back_since(parent, &self.ledger.restored()?, self.volumes));
        let mut hook = self.hook.clone();
        if hook.is_some() {
            // What can be read while the port goes on is, so that it stands still for as short as can be.
            for one in opened {
                taking.warm(&one.subject(), &self.meter(one, parent, "look at"))?;
            }
        }
        let frozen = hook.as_mut().and_then(|hook| match hook.freeze() {
            Ok(frozen) => Some(frozen),
            Err(why) => {
                warnings.push(why);
                None
            }
        });
        for one in opened {
            taking.read(&one.subject(), self.mode, &self.meter(one, parent, "read"))?;
        }
        let stood = frozen.map(Frozen::thaw);
        let mut used = Use::AsBefore;
        for one in opened {
            used = used.max(self.still(one)?);
        }
        let (consistency, doubt) = self.consistency(stood, used)?;
        warnings.extend(doubt);
        let record = self.ledger.instance(self.instance)?;
        let (config, routes) = (self.ledger.config(self.instance)?, self.ledger.routes(self.instance)?);
        let Some(first) = self.volumes.first() else {
            let what = "it has no volume".to_owned();
            return Err(TakeError::Changed { instance: self.instance.clone(), what });
        };
        let known = Known {
            root: self.root,
            instance: self.instance,
            record: record.as_ref().filter(|record| record.port == first.port),
            config: &config,
            routes: &routes,
            port: &first.port,
            parent,
        };
        Ok(taking.commit(known.about(self.reason, consistency, self.note.clone()))?)
    }

    /// What is said of the reading, after it: only what held from before it until now. Otherwise why not. [spec: STO-22]
    fn consistency(
        &self,
        stood: Option<Result<(), String>>,
        used: Use,
    ) -> Result<(Consistency, Option<String>), TakeError> {
        let doubt = match (self.mode, stood) {
            (Mode::Still, _) => {
                let writes = what_may_write(self.host, self.ledger, self.root, self.instance, self.volumes)?;
                return Ok(writes.map_or((Consistency::Stopped, None), |why| (Consistency::Running, Some(why))));
            }
            (Mode::Running, None) => None,
            (Mode::Running, Some(Ok(()))) if used == Use::AsBefore => return Ok((Consistency::Frozen, None)),
            (Mode::Running, Some(Ok(()))) => Some(format!(
                "the snapshot is of the running port, since `{}` was started anew while it was read",
                self.instance
            )),
            (Mode::Running, Some(Err(why))) => Some(format!("the snapshot is of the running port: {why}")),
        };
        Ok((Consistency::Running, doubt))
    }

    /// The volume is still the one that was checked; one that nothing may write to was not taken into use meanwhile.
    fn still(&self, one: &Opened<'_>) -> Result<Use, TakeError> {
        let now: Marker = one.readable.still()?;
        let changed = |what: String| TakeError::Changed { instance: self.instance.clone(), what };
        let record = self.ledger.volume_by_uuid(&one.record.uuid)?;
        let Some(record) = record else {
            return Err(changed(format!("volume `{}` was given up", one.record.name)));
        };
        if record.path != one.record.path || record.instance != one.record.instance {
            return Err(changed(format!("volume `{}` is elsewhere now", one.record.name)));
        }
        match (self.mode, now.generation == one.readable.marker().generation) {
            (_, true) => Ok(Use::AsBefore),
            (Mode::Running, false) => Ok(Use::Anew),
            (Mode::Still, false) => Err(changed(format!("volume `{}` was taken into use", one.record.name))),
        }
    }

    fn meter(&self, one: &Opened<'_>, parent: Option<&SnapshotHead>, what: &str) -> Meter<'_> {
        let meter = Meter::new(&*self.host.progress, format!("{what} `{}`", one.record.name));
        match parent.and_then(|head| head.body.volume(&one.record.name)) {
            Some(part) => meter.of(part.bytes, part.count),
            None => meter,
        }
    }
}

/// The newest snapshot of an instance.
pub(crate) fn newest<'a>(catalog: &'a Catalog, instance: &InstanceName) -> Option<&'a SnapshotHead> {
    catalog.snapshots.iter().rev().find(|head| head.body.instance == *instance)
}

/// Whether the snapshot before may be what is wrong, and not the volume or the disk that is written to.
fn is_of_parent(error: &SnapshotError) -> bool {
    matches!(
        error,
        SnapshotError::Incomplete { .. }
            | SnapshotError::Lines(_)
            | SnapshotError::Store(
                StoreError::EntriesMissing { .. }
                    | StoreError::EntriesDamaged { .. }
                    | StoreError::EntriesText { .. }
                    | StoreError::PackDamaged { .. }
                    | StoreError::ObjectMissing { .. }
                    | StoreError::ObjectDamaged { .. }
            )
    )
}
