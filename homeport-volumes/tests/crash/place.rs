//! Owns where things are on the file system that is cut: a data root for volumes and a store. Makes a volume where one is wanted.

use std::path::{Path, PathBuf};

use homeport_core::unit::{Bytes, Format, Gid, Inodes, Mode, Uid};
use homeport_volumes::{
    Access, Checked, Machine, Origin, Owner, Request, Reserve, UnixSeconds, VolumePath, VolumeUuid, check,
};

pub(crate) const OWNER: Owner = Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o750) };

fn path(root: &Path, name: &str) -> VolumePath {
    VolumePath::try_from(root.join(name).as_path()).unwrap()
}

/// The volume `home` of this instance, at `HomePort`'s own path, and this machine without any line in its fstab.
pub(crate) fn request(root: &Path, instance: &str) -> (Machine, Request) {
    let origin = Origin::Default { data_root: path(root, "volumes") };
    question(root, instance, origin, path(root, &format!("volumes/{instance}/home")))
}

/// The volume `home` of this instance, in a directory of the operator's.
pub(crate) fn operators(root: &Path, instance: &str) -> (Machine, Request) {
    question(root, instance, Origin::Operator, path(root, &format!("operators {instance}")))
}

fn question(root: &Path, instance: &str, origin: Origin, path: VolumePath) -> (Machine, Request) {
    let machine = Machine { proc: "/proc".into(), fstab: root.join("no-fstab") };
    let request = Request {
        root: "0a1b2c3d".parse().unwrap(),
        port: "shell".parse().unwrap(),
        instance: instance.parse().unwrap(),
        volume: "home".parse().unwrap(),
        origin,
        path,
        format: Format::new(1),
        min_format: Format::new(1),
        owner: OWNER,
        reserve: Reserve { bytes: Bytes::new(4096), inodes: Inodes::new(4) },
        access: Access::ReadWrite,
        in_use_by: None,
        tolerated: vec![],
        neighbours: vec![],
    };
    (machine, request)
}

/// Where the data of that volume is.
pub(crate) fn data(root: &Path, instance: &str) -> PathBuf {
    request(root, instance).1.path.as_path().join("data")
}

/// Makes the volume, and takes it into use once.
pub(crate) fn make(machine: &Machine, request: &Request) {
    let way = match &request.origin {
        Origin::Default { data_root } => data_root,
        Origin::Operator => &request.path,
    };
    std::fs::create_dir_all(way.as_path()).unwrap();
    match check(machine, request, None) {
        Ok(Checked::Create(creatable)) => {
            drop(creatable.create(VolumeUuid::random(), UnixSeconds::new(1)).unwrap().ready.begin_use().unwrap());
        }
        other => panic!("{other:?}"),
    }
}
