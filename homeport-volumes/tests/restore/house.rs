//! A volume with data in it, and the questions that every test of a restore asks of it.

use std::fs;
use std::path::{Path, PathBuf};

use homeport_core::unit::{Bytes, Format};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Keeping, RestoreError, Source, Wanted, hold_for_restore, prepare};
use homeport_volumes::{Checked, Held, Known, Machine, Request, TxId, UnixSeconds, VolumeError, check};

use crate::disk::Disk;
use crate::memory::Memory;
use crate::stand::{NOW, OWNER, Stand, picture};

pub(crate) const TX: TxId = TxId::from_bytes([0xaa; 16]);
pub(crate) const OTHER: TxId = TxId::from_bytes([0xbb; 16]);
pub(crate) const WANTED: Wanted = Wanted { format: Format::new(1), devices: Devices::Refuse };

/// A volume in a stand of its own.
pub(crate) struct House {
    pub(crate) stand: Stand,
    pub(crate) request: Request,
    pub(crate) known: Known,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::below(Stand::new(), None)
    }

    /// The volume in a stand that lies on `disk`, whose syncs cost nothing.
    pub(crate) fn on(disk: &Disk) -> Self {
        let dir = tempfile::Builder::new().prefix("homeport restore ").tempdir_in(disk.point()).unwrap();
        let stand = Stand { machine: crate::stand::machine_in(dir.path()), dir };
        for name in ["root", "run"] {
            fs::create_dir(stand.at(name)).unwrap();
        }
        Self::below(stand, None)
    }

    /// The volume at `volume` of the stand, below which a disk may be mounted already.
    pub(crate) fn below(stand: Stand, operators: Option<&str>) -> Self {
        let request = match operators {
            None => stand.default_request(),
            Some(name) => stand.request(name),
        };
        let known = stand.filled(&request);
        let data = request.path.as_path().join("data");
        fs::create_dir(data.join("old")).unwrap();
        fs::write(data.join("old/one"), "1").unwrap();
        std::os::unix::fs::symlink("one", data.join("old/two")).unwrap();
        Self { stand, request, known }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.stand.machine
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.request.path.as_path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.at("data")
    }

    pub(crate) fn hold(&self) -> Held {
        hold_for_restore(self.machine(), &self.request, Some(&self.known)).unwrap()
    }

    pub(crate) fn check(&self) -> Result<Checked, VolumeError> {
        check(self.machine(), &self.request, Some(&self.known))
    }

    /// The codes with which a start is refused; none if it is not.
    pub(crate) fn refusals(&self) -> Vec<&'static str> {
        match self.check() {
            Ok(Checked::Attach(_)) => Vec::new(),
            Err(VolumeError::Refused(faults)) => faults.iter().map(|fault| fault.code).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The same without those that only say that the disk is full.
    pub(crate) fn refusals_but_full(&self) -> Vec<&'static str> {
        self.refusals().into_iter().filter(|code| !matches!(*code, "HP-VOL-008" | "HP-VOL-010")).collect()
    }

    /// What is live, with inode numbers.
    pub(crate) fn live(&self) -> Vec<String> {
        live(&self.data())
    }

    /// The names below `.homeport/<area>`.
    pub(crate) fn names(&self, area: &str) -> Vec<String> {
        let Ok(list) = fs::read_dir(self.at(".homeport").join(area)) else { return Vec::new() };
        let mut names: Vec<String> = list.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Gets the tree of `source` ready, as an ordinary restore does.
pub(crate) fn ready(held: &mut Held, tx: TxId, source: &impl Source) -> Result<(), RestoreError> {
    prepare(held, tx, WANTED, source, &Silent).map(drop)
}

/// A tree below the directory `top` with its inode numbers, said relative to it.
pub(crate) fn live(top: &Path) -> Vec<String> {
    picture(top).into_iter().map(|line| line.replacen(top.to_str().unwrap(), "", 1)).collect()
}

pub(crate) fn keeping() -> Keeping {
    let until = Some(UnixSeconds::new(NOW.get() + 30 * 86_400));
    Keeping { entries: Some(4), bytes: Some(Bytes::new(12)), since: NOW, until }
}

/// A snapshot with one thing of each ordinary kind.
pub(crate) fn sample() -> Memory {
    assert_eq!(
        (OWNER.uid.get(), OWNER.mode.get()),
        (1000, 0o750),
        "the top of a snapshot is that of the stand's volumes"
    );
    Memory::new()
        .dir("mail")
        .file("mail/1", b"first letter")
        .file("mail/2", b"second letter")
        .hard_link("mail/3", "mail/1")
        .symlink("newest", b"mail/2")
        .pieces("sparse", 1 << 20, &[(0, b"begin"), (500_000, b"middle")])
}
