//! Owns the way of a snapshot out of the store into an operator's file or directory, and back in.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use homeport_core::config::Secrecy;
use homeport_core::manifest;
use homeport_core::name::VolumeName;
use homeport_core::unit::Bytes;
use homeport_volumes::TxId;
use homeport_volumes::restore::{Devices, Stored, take_out};
use homeport_volumes::snapshot::{self, LeftOut, SnapshotError};
use homeport_volumes::store::{SnapshotHead, SnapshotUuid, Store, VolumePart};
use homeport_volumes::tree::TreePath;
use rustix::fs::{CWD, RenameFlags};

use super::view::SnapshotView;
use crate::host::Host;
use crate::ledger::{EventRecord, Ledger};
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::{OperationError, find};
use crate::progress::{Event, Meter};
use crate::request::{DeviceNodes, ExportRequest, TakeOutRequest};
use crate::run::with_causes;

/// A snapshot that is in a file now.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Exported {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: Bytes,
    /// What tar programs cannot make, and why: it is only in the entries, and HomePort restores it. [spec: STO-34]
    pub only_in_entries: Vec<(VolumeName, TreePath, LeftOut)>,
    /// The keys of the configuration whose values are in the file and secret. It is closed to all but its owner (0600).
    pub secret_keys: Vec<String>,
}

/// A part of a snapshot that was taken out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TakenOut {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// The volume.
    pub volume: VolumeName,
    /// What was taken.
    pub path: TreePath,
    /// Where it is.
    pub to: PathBuf,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of its files.
    pub bytes: Bytes,
}

/// Writes a snapshot into one tar file, which appears whole or not at all.
pub fn snapshot_export(host: &Host, request: &ExportRequest) -> Result<Exported, OperationError> {
    as_root()?;
    let (store, head) = find::snapshot(&Ledger::open(&host.layout)?, &request.which)?;
    let failed = |action: &'static str| {
        let path = request.to.clone();
        move |source: io::Error| DataError::File { action, path, source }
    };
    let beside = beside(&request.to).ok_or_else(|| failed("name")(io::Error::other("wanted a file's whole path")))?;
    if fs::symlink_metadata(&request.to).is_ok() {
        return Err(failed("make")(io::Error::from(io::ErrorKind::AlreadyExists)).into());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let file = file.map_err(failed("make a file beside"))?;
    let meter = Meter::new(&*host.progress, format!("export snapshot {:#}", head.sequence));
    let total = |of: fn(&VolumePart) -> u64| -> u64 { head.body.volumes.iter().map(of).sum() };
    let meter = meter.of(total(|part| part.bytes), total(|part| part.count));
    let written = write(&store, &head, &file, &meter).and_then(|exported| {
        // Without replacing anything that appeared meanwhile.
        let renamed = rustix::fs::renameat_with(CWD, &beside, CWD, &request.to, RenameFlags::NOREPLACE);
        renamed.map_err(|error| failed("make")(error.into()))?;
        let parent = request.to.parent().unwrap_or(Path::new("/"));
        fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed("sync the directory of"))?;
        Ok(exported)
    });
    let exported = written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    let secret_keys = secret_keys(&store, &head)?;
    if !secret_keys.is_empty() {
        let keys = secret_keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "`{}` holds secrets, the configuration's {keys}: only its owner can read it (mode 0600); keep it so where you \
             put it",
            request.to.display()
        );
        host.progress.event(&Event::Warning { text });
    }
    Ok(Exported {
        uuid: head.body.uuid,
        path: request.to.clone(),
        bytes: Bytes::new(exported.bytes),
        only_in_entries: exported.left_out,
        secret_keys,
    })
}

/// The keys that the operator set and the port's manifest calls secret; where the snapshot has no manifest that can be read,
/// all that were set.
fn secret_keys(store: &Store, head: &SnapshotHead) -> Result<Vec<String>, DataError> {
    let Some(configuration) = &head.body.configuration else { return Ok(Vec::new()) };
    let objects = store.objects()?;
    let mut bytes = Vec::new();
    objects.read(configuration, &mut bytes)?;
    let configuration: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let given = configuration.get("given").and_then(|given| given.as_object());
    let manifest = match &head.body.manifest {
        Some(object) => {
            objects.read(object, &mut bytes)?;
            manifest::parse(&bytes).ok()
        }
        None => None,
    };
    let is_secret = |key: &&String| {
        let specs = manifest.iter().flat_map(|manifest| &manifest.config);
        let spec = specs.into_iter().find(|(name, _)| name.as_str() == key.as_str()).map(|(_, spec)| spec);
        spec.is_none_or(|spec| spec.secrecy == Secrecy::Secret)
    };
    Ok(given.into_iter().flat_map(|given| given.keys()).filter(is_secret).cloned().collect())
}

fn write(
    store: &Store,
    head: &SnapshotHead,
    file: &fs::File,
    meter: &Meter<'_>,
) -> Result<snapshot::Exported, DataError> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let exported = snapshot::export(store, head, &mut out, meter)?;
    out.flush().and_then(|()| file.sync_all()).map_err(SnapshotError::Output)?;
    Ok(exported)
}

/// A new file beside the one that is wanted.
fn beside(to: &Path) -> Option<PathBuf> {
    let name = to.file_name().filter(|_| to.is_absolute())?.to_string_lossy();
    Some(to.with_file_name(format!(".{}-{}", homeport_core::text::clip(&name, 100), TxId::random())))
}

/// Reads a snapshot from a file that `snapshot_export` wrote into the store, with every byte compared.
pub fn snapshot_import(host: &Host, from: &Path) -> Result<SnapshotView, OperationError> {
    as_root()?;
    let failed = |source| DataError::File { action: "open", path: from.to_owned(), source };
    // Without waiting: opening a FIFO waits for whoever writes into it.
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits().cast_signed();
    let is_regular = |metadata: &fs::Metadata| match named(metadata.file_type()) {
        None => Ok(()),
        Some(found) => Err(DataError::NotRegular { path: from.to_owned(), found }),
    };
    is_regular(&fs::metadata(from).map_err(failed)?)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(from).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    is_regular(&metadata)?;
    let length = metadata.len();
    let ledger = Ledger::open(&host.layout)?;
    let store = match crate::store::open(&ledger)? {
        Some(store) => store,
        None => locked(host, "snapshot import", |writer, _| Ok(crate::store::open_or_make(host, writer)?))?,
    };
    let mut waiting = |what: &str| host.progress.event(&Event::WaitingFor { what: what.to_owned() });
    let mut writer = store.writer(host.patience, &mut waiting).map_err(DataError::from)?;
    crate::store::number_after(&Ledger::open(&host.layout)?, &mut writer)?;
    let meter = Meter::new(&*host.progress, "import a snapshot").of(length, 0);
    let mut input = BufReader::with_capacity(1 << 20, file);
    let imported = snapshot::import(&store, writer, &mut input, &meter).map_err(DataError::from)?;
    let body = &imported.head.body;
    let event = EventRecord {
        time: host.now(),
        instance: Some(body.instance.clone()),
        operation: None,
        kind: "snapshot".to_owned(),
        text: format!("snapshot {:#} imported", imported.head.sequence),
    };
    // It is in the store by now, whatever becomes of what is said about it.
    let noted = locked(host, "snapshot import", |writer, _| {
        crate::store::remember(writer, &store.catalog().map_err(DataError::from)?)?;
        Ok(writer.append_event(&event)?)
    });
    if let Err(error) = noted {
        let text = format!("the history does not say that it was imported: {}", with_causes(&error));
        host.progress.event(&Event::Warning { text });
    }
    let marks = Ledger::open(&host.layout).and_then(|ledger| ledger.snapshot_marks());
    Ok(SnapshotView::of(&imported.head, &marks.unwrap_or_default()))
}

/// What it is, in words; `None` for a regular file.
fn named(kind: fs::FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_fifo() => Some("a FIFO"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// Takes one file or directory out of a snapshot, to a new place. No volume is touched.
pub fn snapshot_take_out(host: &Host, request: &TakeOutRequest) -> Result<TakenOut, OperationError> {
    as_root()?;
    let (store, head) = find::snapshot(&Ledger::open(&host.layout)?, &request.which)?;
    let part = head.body.volume(&request.volume).ok_or_else(|| DataError::UnknownVolume {
        instance: request.which.instance.clone(),
        volume: request.volume.clone(),
        known: head.body.volumes.iter().map(|part| part.name.to_string()).collect(),
    })?;
    let objects = store.objects().map_err(DataError::from)?;
    let source = Stored::new(&store, &objects, part.entries);
    let meter = Meter::new(&*host.progress, format!("take `{}` out", request.path));
    let devices = match request.devices {
        DeviceNodes::Make => Devices::Make,
        DeviceNodes::Refuse => Devices::Refuse,
    };
    let built = take_out(&source, &request.path, &request.to, devices, &meter).map_err(DataError::from)?;
    Ok(TakenOut {
        uuid: head.body.uuid,
        volume: request.volume.clone(),
        path: request.path.clone(),
        to: request.to.clone(),
        entries: built.entries,
        bytes: Bytes::new(built.bytes),
    })
}
