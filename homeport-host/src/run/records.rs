//! Owns the way between what is to be and what the ledger remembers. Pure.

use std::path::Path;

use homeport_core::fault::Fault;
use homeport_core::name::VolumeName;
use homeport_router::{ListenAddress, ListenHost};
use homeport_volumes::{
    FsIdentity, Generation, IdentityError, Known, Marker, Origin as VolumeOrigin, Remembered, VolumePath,
};
use serde::{Deserialize, Serialize};

use super::error::StepError;
use crate::host::now;
use crate::ledger::{
    Desired, HasData, InstanceConfig, InstanceRecord, MustBeMount, Origin, Slot, VolumeRecord, VolumeState,
};
use crate::plan::Blueprint;

/// What the ledger remembers of a volume's file system.
#[derive(Debug, Serialize, Deserialize)]
struct FileSystemNote {
    fs: FsIdentity,
    mount_point: Option<VolumePath>,
}

/// The instance as it is recorded before it runs.
pub(crate) fn instance(blueprint: &Blueprint) -> InstanceRecord {
    InstanceRecord {
        name: blueprint.instance.clone(),
        port: blueprint.image.manifest.port.id.clone(),
        version: blueprint.image.manifest.port.version.clone(),
        image: blueprint.image.id,
        reference: blueprint.image.reference.clone(),
        manifest: blueprint.image.bytes.clone(),
        desired: Desired::Stopped,
        container: None,
        slot: Slot::First,
        created: now(),
        changed: now(),
        overrides: serde_json::json!({}),
    }
}

/// The configuration as it is recorded.
pub(crate) fn config(blueprint: &Blueprint) -> InstanceConfig {
    let mut effective = blueprint.effective.open.clone();
    effective.extend(blueprint.effective.secret.clone());
    let (carried, parked) = (blueprint.carried.clone(), blueprint.parked.clone());
    InstanceConfig { given: blueprint.given.clone(), effective, carried, parked }
}

/// A volume as its marker says that it is.
pub(crate) fn volume(blueprint: &Blueprint, name: &VolumeName, marker: &Marker) -> Result<VolumeRecord, StepError> {
    let request = blueprint.volumes.get(name).map(|plan| &plan.request);
    let is_own = !matches!(request.map(|request| &request.origin), Some(VolumeOrigin::Operator));
    let path = request.map(|request| request.path.as_path().to_owned()).unwrap_or_default();
    Ok(VolumeRecord { name: name.clone(), ..of_marker(marker, &path, is_own)? })
}

/// A volume as its marker says that it is, at this path; whether that is HomePort's own choice.
pub(crate) fn of_marker(marker: &Marker, path: &Path, is_own: bool) -> Result<VolumeRecord, StepError> {
    let note = FileSystemNote { fs: marker.fs.clone(), mount_point: marker.must_be_mount.clone() };
    let unwritten = |error: serde_json::Error| StepError::Io {
        action: "write down a volume's file system",
        source: std::io::Error::other(error),
    };
    Ok(VolumeRecord {
        uuid: marker.uuid.to_string(),
        instance: marker.instance.clone(),
        port: marker.port.clone(),
        name: marker.volume.clone(),
        path: path.to_owned(),
        origin: if is_own { Origin::Default } else { Origin::Operator },
        format: marker.format,
        generation: marker.generation.get(),
        filesystem: serde_json::to_string(&note).map_err(unwritten)?,
        must_be_mount: if marker.must_be_mount.is_some() { MustBeMount::Yes } else { MustBeMount::No },
        has_data: HasData::No,
        state: VolumeState::Attached,
        created: now(),
    })
}

/// What the checks of a volume are told that the ledger remembers.
///
/// # Errors
/// A row that cannot be understood. It is never taken for a volume that was never there: that would be made anew.
pub(crate) fn known(record: &VolumeRecord) -> Result<Known, Box<Fault>> {
    let unread = |what: &str, why: String| {
        let subject = format!("volumes.{}", record.name);
        let message =
            format!("what the ledger remembers of volume `{}` of `{}` cannot be read", record.name, record.instance);
        let fault = Fault::new("HP-OPN-012", subject, message).actual(format!("{what}: {why}"));
        Box::new(fault.remedy("nothing was changed; put a copy of the ledger from a backup in its place"))
    };
    let note: FileSystemNote =
        serde_json::from_str(&record.filesystem).map_err(|error| unread("its file system", error.to_string()))?;
    Ok(Known {
        uuid: record.uuid.parse().map_err(|error: IdentityError| unread("its identity", error.to_string()))?,
        generation: Generation::new(record.generation),
        fs: note.fs,
        must_be_mount: note.mount_point,
        data: match record.has_data {
            HasData::Yes => Remembered::Data,
            // A restore may have made it blank.
            HasData::No if record.generation > 0 => Remembered::Past,
            HasData::No => Remembered::Nothing,
        },
        path: VolumePath::try_from(record.path.as_path()).map_err(|error| unread("its path", error.to_string()))?,
        counted: None,
    })
}

/// The addresses of a route as the ledger writes them.
pub(crate) fn listen_text(host: ListenHost) -> String {
    match host {
        ListenHost::Any => "*".to_owned(),
        ListenHost::Ip(ip) => ip.to_canonical().to_string(),
    }
}

/// The public address of a route as the ledger has it; `None` where the row cannot be understood, which is never taken
/// for all addresses.
pub(crate) fn listen_address(route: &crate::ledger::RouteRecord) -> Option<ListenAddress> {
    let host = match route.listen.as_str() {
        "*" => ListenHost::Any,
        text => ListenHost::Ip(text.parse().ok()?),
    };
    Some(ListenAddress::new(host, route.port).ok()?.over(route.transport))
}
