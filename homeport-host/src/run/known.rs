//! Owns how a volume is asked for that the ledger knows, by itself and not for a start: to be read, replaced, purged.
//! Never opens one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use homeport_core::name::InstanceName;
use homeport_core::unit::{Bytes, Format, Gid, Inodes, Mode, Uid};
use homeport_volumes::{
    Access, Known, Marker, Neighbour, Origin as VolumeOrigin, Owner, Request, Reserve, VolumePath, VolumeUuid,
};

use super::error::StepError;
use super::records;
use crate::container::container_name;
use crate::engine::{ContainerRef, ContainerState};
use crate::host::Host;
use crate::ledger::{Ledger, Origin, RootId, Slot, VolumeRecord};

/// The question for a known volume, and what is known of it. Format and owner are those that are found: whether a port
/// can work with them is asked when it starts.
pub(crate) fn ask(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    record: &VolumeRecord,
) -> Result<(Request, Known), StepError> {
    let known = records::known(record)
        .map_err(|fault| StepError::Volume(homeport_volumes::VolumeError::Refused(vec![*fault])))?;
    let format = found_format(record);
    let request = Request {
        root: root.clone(),
        port: record.port.clone(),
        instance: record.instance.clone(),
        volume: record.name.clone(),
        origin: origin(host, record)?,
        path: known.path.clone(),
        format,
        min_format: format,
        owner: found_owner(record),
        reserve: Reserve { bytes: Bytes::new(0), inodes: Inodes::new(0) },
        access: Access::ReadWrite,
        in_use_by: None,
        tolerated: Vec::new(),
        neighbours: neighbours(host, &ledger.all_volumes()?),
    };
    Ok((request, known))
}

/// The first processes of the instance's containers that run: they may see its volumes.
pub(crate) fn own_processes(host: &Host, root: &RootId, instance: &InstanceName) -> Result<Vec<u32>, StepError> {
    let mut found = Vec::new();
    for slot in [Slot::First, Slot::Second] {
        let name = container_name(root, instance, slot).map_err(crate::container::ContainerError::from)?;
        let facts = host.engine.inspect(&ContainerRef::Name(name))?;
        if let Some(ContainerState::Running { pid, .. }) = facts.map(|facts| facts.state) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Who chose the place of a known volume.
pub(crate) fn origin(host: &Host, record: &VolumeRecord) -> Result<VolumeOrigin, StepError> {
    Ok(match record.origin {
        Origin::Operator => VolumeOrigin::Operator,
        Origin::Default => VolumeOrigin::Default { data_root: data_root(host)? },
    })
}

/// HomePort's data directory as a volume's path.
pub(crate) fn data_root(host: &Host) -> Result<VolumePath, StepError> {
    VolumePath::try_from(host.layout.data_dir())
        .map_err(|error| StepError::Io { action: "name the data directory", source: std::io::Error::other(error) })
}

/// HomePort's own directories and every known volume: what a volume must not overlap with.
pub(crate) fn neighbours(host: &Host, records: &[VolumeRecord]) -> Vec<Neighbour> {
    let own = [
        ("HomePort's own state", host.layout.state_dir()),
        ("HomePort's run directory", host.layout.run_dir()),
        ("the store of snapshots", host.layout.store_dir()),
        ("the scratch directory", host.layout.scratch_dir()),
    ];
    let own = own.into_iter().map(|(label, path)| (label.to_owned(), path.to_owned(), None));
    let known = records.iter().map(|record| {
        let label = format!("volume `{}` of `{}`", record.name, record.instance);
        (label, record.path.clone(), record.uuid.parse().ok())
    });
    own.chain(known)
        .filter_map(|(label, path, uuid)| {
            Some(Neighbour { label, path: VolumePath::try_from(path.as_path()).ok()?, uuid })
        })
        .collect()
}

/// The engine's own directory as a neighbour; none where the engine does not say it.
pub(crate) fn engine_directory(directory: &str) -> Option<Neighbour> {
    let path = VolumePath::try_from(Path::new(directory)).ok()?;
    Some(Neighbour { label: "the engine's own data".to_owned(), path, uuid: None })
}

/// The format that the volume says it has, or that it had when it was recorded.
fn found_format(record: &VolumeRecord) -> Format {
    let marker = std::fs::read(record.path.join(".homeport/marker.json")).ok();
    let marker = marker.and_then(|bytes| Marker::parse(&bytes).ok());
    marker.map_or(record.format, |marker| marker.format)
}

/// The owner that the data has now; any will do where it cannot be seen, because then there are other faults.
fn found_owner(record: &VolumeRecord) -> Owner {
    owner_at(&record.path).unwrap_or(Owner::PRIVATE)
}

/// The owner of the data in a volume's directory; `None` where there is none.
pub(crate) fn owner_at(volume: &Path) -> Option<Owner> {
    let facts = std::fs::symlink_metadata(volume.join("data")).ok()?;
    Some(Owner { uid: Uid::new(facts.uid()), gid: Gid::new(facts.gid()), mode: Mode::new(facts.mode()) })
}

/// A known volume's identity.
pub(crate) fn uuid(record: &VolumeRecord) -> Result<VolumeUuid, StepError> {
    let unread = |error| StepError::Io { action: "read a volume's identity", source: std::io::Error::other(error) };
    record.uuid.parse().map_err(|error: homeport_volumes::IdentityError| unread(error))
}
