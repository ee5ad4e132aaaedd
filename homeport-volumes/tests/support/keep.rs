//! A store and snapshots of plain directories in it, by the code that takes real ones.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::name::VolumeName;
use homeport_core::unit::{Format, Gid, Mode as Permissions, Uid};
use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{About, Base, Mode, Subject, Taking};
use homeport_volumes::store::{Compression, Consistency, Reason, SnapshotHead, Store};
use homeport_volumes::{Generation, Owner, UnixSeconds, VolumeUuid};

/// A new store at `path`.
pub(crate) fn create(path: &Path, compression: Compression) -> Store {
    Store::create(path, compression, UnixSeconds::new(1_700_000_000)).unwrap()
}

/// A snapshot of these volumes, which nobody writes to, based on the newest one.
pub(crate) fn snapshot(store: &Store, volumes: &[(&str, &Path)]) -> SnapshotHead {
    let base = store.catalog().unwrap().snapshots.pop().map_or(Base::None, |head| Base::Parent(Box::new(head)));
    let writer = store.writer(Duration::ZERO, &mut |_| {}).unwrap();
    let mut taking = Taking::begin(store, writer, base);
    for (at, (name, tree)) in (1..).zip(volumes) {
        let (top, name): (File, VolumeName) = (File::open(tree).unwrap(), name.parse().unwrap());
        let subject = Subject {
            name: &name,
            uuid: VolumeUuid::from_bytes([at; 16]),
            format: Format::new(1),
            generation: Generation::new(7),
            owner: Owner { uid: Uid::new(5000), gid: Gid::new(5000), mode: Permissions::new(0o750) },
            data: top.as_fd(),
        };
        taking.read(&subject, Mode::Still, &Silent).unwrap();
    }
    let about = About {
        root: "0a1b2c3d".parse().unwrap(),
        instance: "alice-shell".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".to_owned(),
        image: None,
        manifest: Some(b"{\"port\": \"a manifest\"}".to_vec()),
        configuration: Some(b"{\"given\": {}, \"routes\": []}".to_vec()),
        reason: Reason::Manual,
        consistency: Consistency::Stopped,
        note: Some("two words".to_owned()),
    };
    taking.commit(about).unwrap().head
}

/// Where the file of a snapshot is.
pub(crate) fn file(store: &Path, head: &SnapshotHead) -> PathBuf {
    store.join("snapshots").join(head.file_name())
}
