//! A store in a directory of its own, and snapshots of a directory in it, by the code that takes real ones.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::name::VolumeName;
use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::Stored;
use homeport_volumes::snapshot::{About, Base, Mode, Subject, Taking};
use homeport_volumes::store::{Compression, Consistency, EntriesId, Objects, Reason, Store};
use homeport_volumes::{Generation, VolumeUuid};

use crate::stand::{NOW, OWNER};

pub(crate) struct Vault {
    dir: tempfile::TempDir,
    store: Store,
    objects: Option<Objects>,
}

impl Vault {
    pub(crate) fn new(compression: Compression) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let store = Store::create(&dir.path().join("store"), compression, NOW).unwrap();
        Self { dir, store, objects: None }
    }

    /// A snapshot of the directory `data`, of which nothing is written to meanwhile.
    pub(crate) fn snapshot(&mut self, data: &Path) -> EntriesId {
        let writer = self.store.writer(Duration::ZERO, &mut |_| {}).unwrap();
        let top = File::open(data).unwrap();
        let name: VolumeName = "home".parse().unwrap();
        let subject = Subject {
            name: &name,
            uuid: VolumeUuid::from_bytes([5; 16]),
            format: Format::new(1),
            generation: Generation::new(1),
            owner: OWNER,
            data: top.as_fd(),
        };
        let mut taking = Taking::begin(&self.store, writer, Base::None);
        taking.read(&subject, Mode::Still, &Silent).unwrap();
        let about = About {
            root: "0a1b2c3d".parse().unwrap(),
            instance: "alice".parse().unwrap(),
            port: "shell".parse().unwrap(),
            version: "1.0.0".to_owned(),
            image: None,
            manifest: None,
            configuration: None,
            reason: Reason::Manual,
            consistency: Consistency::Stopped,
            note: None,
        };
        let taken = taking.commit(about).unwrap();
        self.objects = Some(self.store.objects().unwrap());
        taken.head.body.volumes[0].entries
    }

    /// What a restore reads.
    pub(crate) fn stored(&self, entries: EntriesId) -> Stored<'_> {
        Stored::new(&self.store, self.objects.as_ref().unwrap(), entries)
    }

    /// Looks at the packs again, after something was done to them.
    pub(crate) fn look_again(&mut self) {
        self.objects = Some(self.store.objects().unwrap());
    }

    /// The files below `packs/` with this end.
    pub(crate) fn packs(&self, end: &str) -> Vec<PathBuf> {
        let list = std::fs::read_dir(self.dir.path().join("store/packs")).unwrap();
        list.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(end)).collect()
    }
}
