//! Owns the way between what is to be and what the ledger remembers. Pure.

use homeport_core::name::VolumeName;
use homeport_router::{ListenAddress, ListenHost};
use homeport_volumes::{FsIdentity, Generation, Known, Marker, Origin as VolumeOrigin, Remembered, VolumePath};
use serde::{Deserialize, Serialize};

use crate::host::now;
use crate::ledger::{Desired, HasData, InstanceConfig, InstanceRecord, MustBeMount, Origin, VolumeRecord, VolumeState};
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
        created: now(),
        changed: now(),
        overrides: serde_json::json!({}),
    }
}

/// The configuration as it is recorded.
pub(crate) fn config(blueprint: &Blueprint) -> InstanceConfig {
    let mut effective = blueprint.effective.open.clone();
    effective.extend(blueprint.effective.secret.clone());
    InstanceConfig { given: blueprint.given.clone(), effective }
}

/// A volume as its marker says that it is.
pub(crate) fn volume(blueprint: &Blueprint, name: &VolumeName, marker: &Marker) -> VolumeRecord {
    let request = blueprint.volumes.get(name).map(|plan| &plan.request);
    let origin = match request.map(|request| &request.origin) {
        Some(VolumeOrigin::Operator) => Origin::Operator,
        Some(VolumeOrigin::Default { .. }) | None => Origin::Default,
    };
    let note = FileSystemNote { fs: marker.fs.clone(), mount_point: marker.must_be_mount.clone() };
    VolumeRecord {
        uuid: marker.uuid.to_string(),
        instance: marker.instance.clone(),
        port: marker.port.clone(),
        name: name.clone(),
        path: request.map(|request| request.path.as_path().to_owned()).unwrap_or_default(),
        origin,
        format: marker.format,
        generation: marker.generation.get(),
        filesystem: serde_json::to_string(&note).unwrap_or_default(),
        must_be_mount: if marker.must_be_mount.is_some() { MustBeMount::Yes } else { MustBeMount::No },
        has_data: HasData::No,
        state: VolumeState::Attached,
        created: now(),
    }
}

/// What the checks of a volume are told that the ledger remembers. `None` where the record cannot be understood: then the
/// checks find a marker without a memory of it.
pub(crate) fn known(record: &VolumeRecord) -> Option<Known> {
    let note: FileSystemNote = serde_json::from_str(&record.filesystem).ok()?;
    Some(Known {
        uuid: record.uuid.parse().ok()?,
        generation: Generation::new(record.generation),
        fs: note.fs,
        must_be_mount: note.mount_point,
        data: match record.has_data {
            HasData::Yes => Remembered::Data,
            HasData::No => Remembered::Nothing,
        },
        path: VolumePath::try_from(record.path.as_path()).ok()?,
    })
}

/// The addresses of a route as the ledger writes them.
pub(crate) fn listen_text(host: ListenHost) -> String {
    match host {
        ListenHost::Any => "*".to_owned(),
        ListenHost::Ip(ip) => ip.to_canonical().to_string(),
    }
}

/// The addresses of a route as the ledger wrote them; what cannot be read are all of them.
pub(crate) fn listen_host(text: &str) -> ListenHost {
    text.parse().map_or(ListenHost::Any, ListenHost::Ip)
}

/// The public address of a route as the ledger has it; `None` for port 0, which it never holds.
pub(crate) fn listen_address(route: &crate::ledger::RouteRecord) -> Option<ListenAddress> {
    ListenAddress::new(listen_host(&route.listen), route.port).ok()
}
