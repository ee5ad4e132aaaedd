//! A place for tests with real directories and real disks. Everything that it mounts is unmounted when it goes, also
//! when a test panics. Needs root, loop devices and `mkfs.ext4`, and fails where they are missing.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use homeport_core::unit::{Bytes, Format, Gid, Inodes, Mode, Uid};
use homeport_volumes::{
    Access, Before, Checked, Created, Generation, InUse, Known, Machine, MountTable, Mounts, Origin, Owner, Ready,
    Remembered, Request, Reserve, UnixSeconds, VolumeError, VolumePath, VolumeUuid, check,
};

pub(crate) const OWNER: Owner = Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o750) };
pub(crate) const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

/// Runs a program and fails with its words where it fails.
pub(crate) fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} cannot run: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The path of `name` in the stand `dir`.
fn path_in(dir: &Path, name: &str) -> VolumePath {
    VolumePath::try_from(dir.join(name).as_path()).unwrap()
}

/// This machine, with the stand's own fstab.
pub(crate) fn machine_in(dir: &Path) -> Machine {
    Machine { proc: "/proc".into(), fstab: dir.join("fstab") }
}

/// A volume at HomePort's own path in the stand `dir`.
pub(crate) fn default_request_in(dir: &Path) -> Request {
    let origin = Origin::Default { data_root: path_in(dir, "root") };
    Request { origin, ..request_in(dir, "root/alice/home") }
}

pub(crate) fn request_in(dir: &Path, name: &str) -> Request {
    Request {
        root: "0a1b2c3d".parse().unwrap(),
        port: "shell".parse().unwrap(),
        instance: "alice".parse().unwrap(),
        volume: "home".parse().unwrap(),
        origin: Origin::Operator,
        path: path_in(dir, name),
        format: Format::new(1),
        min_format: Format::new(1),
        owner: OWNER,
        reserve: Reserve { bytes: Bytes::new(4096), inodes: Inodes::new(4) },
        access: Access::ReadWrite,
        in_use_by: None,
        tolerated: vec![],
        neighbours: vec![],
    }
}

/// A directory of its own, with its own fstab.
pub(crate) struct Stand {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) machine: Machine,
}

/// Unmounts whatever a test left mounted below, and fails where the directory can't be removed then: a test that leaves
/// something behind is told by its own name.
impl Drop for Stand {
    fn drop(&mut self) {
        let top = self.dir.path();
        let table = fs::read("/proc/self/mountinfo").ok().and_then(|text| MountTable::parse(&text).ok());
        let points: Vec<_> = table.iter().flat_map(|table| table.below(top)).map(|mount| mount.point.clone()).collect();
        points.iter().rev().for_each(|point| detach(point));
        let removed = fs::remove_dir_all(top);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

impl Stand {
    pub(crate) fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let dir = tempfile::Builder::new().prefix("homeport volumes ").tempdir().unwrap();
        let machine = machine_in(dir.path());
        let stand = Self { dir, machine };
        for name in ["root", "run"] {
            fs::create_dir(stand.at(name)).unwrap();
        }
        stand
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn path(&self, name: &str) -> VolumePath {
        path_in(self.dir.path(), name)
    }

    pub(crate) fn mounts(&self) -> Mounts {
        Mounts::new(self.machine.clone(), &self.path("run"))
    }

    /// A volume at an operator's path.
    pub(crate) fn request(&self, name: &str) -> Request {
        request_in(self.dir.path(), name)
    }

    /// A volume at HomePort's own path.
    pub(crate) fn default_request(&self) -> Request {
        default_request_in(self.dir.path())
    }

    pub(crate) fn check(&self, request: &Request, known: Option<&Known>) -> Result<Checked, VolumeError> {
        check(&self.machine, request, known)
    }

    pub(crate) fn create(&self, request: &Request) -> Created {
        match self.check(request, None) {
            Ok(Checked::Create(creatable)) => creatable.create(VolumeUuid::random(), NOW).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ready(&self, request: &Request, known: Option<&Known>) -> Ready {
        match self.check(request, known) {
            Ok(Checked::Attach(ready)) => *ready,
            other => panic!("{other:?}"),
        }
    }

    /// Makes the volume, takes it into use once and puts a letter into it; what the ledger then knows.
    pub(crate) fn filled(&self, request: &Request) -> Known {
        let in_use = self.create(request).ready.begin_use().unwrap();
        fs::write(request.path.as_path().join("data/letter"), "dear reader").unwrap();
        known(request, &in_use)
    }

    /// The codes with which the volume is refused.
    pub(crate) fn codes(&self, request: &Request, known: Option<&Known>) -> Vec<&'static str> {
        match self.check(request, known) {
            Err(VolumeError::Refused(faults)) => faults.iter().map(|fault| fault.code).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The only fault, as a person reads it, with this stand's own directory cut out.
    pub(crate) fn words(&self, request: &Request, known: Option<&Known>) -> String {
        match self.check(request, known) {
            Err(VolumeError::Refused(faults)) if faults.len() == 1 => {
                let text = format!("{} {}; {}", faults[0].code, faults[0], faults[0].remedy);
                text.replace(self.dir.path().to_str().unwrap(), "")
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What the ledger knows of a volume that is in use and holds data.
pub(crate) fn known(request: &Request, in_use: &InUse) -> Known {
    assert_eq!(in_use.generation(), in_use.marker().generation);
    Known::of(in_use.marker(), request.path.clone(), Remembered::Data)
}

pub(crate) const NOTHING: Before = Before::Nothing;
pub(crate) const FIRST: Generation = Generation::new(1);

/// An ext4 file system in a file, mounted or not.
pub(crate) struct Disk {
    pub(crate) image: PathBuf,
    point: Option<PathBuf>,
}

impl Disk {
    pub(crate) fn new(image: PathBuf, size: u64, options: &[&str]) -> Self {
        fs::File::create(&image).unwrap().set_len(size).unwrap();
        let mut args = vec!["-q", "-F"];
        args.extend(options);
        args.push(image.to_str().unwrap());
        run("mkfs.ext4", &args);
        Self { image, point: None }
    }

    /// A disk with this file system: `ext4`, `xfs` or `btrfs`.
    pub(crate) fn of_kind(image: PathBuf, kind: &str) -> Self {
        let (size, force): (u64, &str) = match kind {
            "ext4" => return Self::new(image, 16 << 20, &[]),
            "xfs" => (320 << 20, "-qf"),
            _ => (128 << 20, "-qf"),
        };
        fs::File::create(&image).unwrap().set_len(size).unwrap();
        run(&format!("mkfs.{kind}"), &[force, image.to_str().unwrap()]);
        Self { image, point: None }
    }

    /// The same bytes under another name, as a backup of the whole disk.
    pub(crate) fn clone_to(&self, image: PathBuf) -> Self {
        fs::copy(&self.image, &image).unwrap();
        Self { image, point: None }
    }

    pub(crate) fn mount(&mut self, point: &Path) {
        self.mount_with(point, "loop");
    }

    pub(crate) fn mount_with(&mut self, point: &Path, options: &str) {
        assert!(self.point.is_none());
        self.point = Some(point.to_owned());
        run("mount", &["-o", options, self.image.to_str().unwrap(), point.to_str().unwrap()]);
    }

    pub(crate) fn unmount(&mut self) {
        unmount(self.point.as_ref().unwrap());
        self.point = None;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(point) = self.point.take() {
            detach(&point);
        }
    }
}

/// Unmounts a path. The children that other tests are just starting have copies of all descriptors until their `exec`.
pub(crate) fn unmount(point: &Path) {
    let tries = std::iter::repeat_with(|| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        rustix::mount::unmount(point, rustix::mount::UnmountFlags::NOFOLLOW)
    });
    let done = tries.take(100).find(|done| *done != Err(rustix::io::Errno::BUSY));
    assert_eq!(done, Some(Ok(())), "{}", point.display());
}

/// Unmounts a path when it goes, however often something is mounted there.
pub(crate) struct MountGuard(pub(crate) PathBuf);

impl Drop for MountGuard {
    fn drop(&mut self) {
        detach(&self.0);
    }
}

fn detach(point: &Path) {
    for _ in 0..16 {
        let flags = rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW;
        if rustix::mount::unmount(point, flags).is_err() {
            break;
        }
    }
}

impl Stand {
    /// Unmounts `run/mnt` and what is below it when it goes.
    pub(crate) fn mount_guard(&self) -> MountGuard {
        MountGuard(self.at("run/mnt"))
    }
}

/// Every name below `top` with type, owner, mode, size, link target and content, but no times. The probe is the only
/// thing that a check may make, and it is gone again; times of `.homeport` are all that stays of it.
pub(crate) fn picture(top: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut todo = vec![top.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let content = if meta.is_file() { format!("{:?}", fs::read(&path).unwrap()) } else { String::new() };
        let target = fs::read_link(&path).unwrap_or_default();
        lines.push(format!(
            "{} {:o} {}:{} {} {} {content} {} ino {}",
            path.display(),
            meta.permissions().mode(),
            meta.uid(),
            meta.gid(),
            if meta.is_file() { meta.len() } else { 0 },
            meta.nlink(),
            target.display(),
            meta.ino(),
        ));
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}
