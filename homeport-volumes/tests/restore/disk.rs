//! File systems of each kind in files in memory, mounted where a test wants them and gone when it ends.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::stand::{MountGuard, run};

/// The file systems on which volumes are tested.
pub(crate) const KINDS: [&str; 3] = ["ext4", "xfs", "btrfs"];

/// A mounted file system.
pub(crate) struct Disk {
    point: PathBuf,
    // Unmounts before the image goes.
    _guard: MountGuard,
    _image: tempfile::NamedTempFile,
}

impl Disk {
    /// A file system that is large enough for each kind.
    pub(crate) fn mount(kind: &str, point: &Path) -> Self {
        let options: &[&str] = if kind == "ext4" { &["-m", "0"] } else { &[] };
        Self::mount_with(kind, 320 << 20, options, point)
    }

    pub(crate) fn mount_with(kind: &str, size: u64, options: &[&str], point: &Path) -> Self {
        let image = tempfile::Builder::new().prefix("homeport-disk-").tempfile_in("/dev/shm").unwrap();
        image.as_file().set_len(size).unwrap();
        let path = image.path().to_str().unwrap();
        let force = if kind == "ext4" { "-F" } else { "-f" };
        run(&format!("mkfs.{kind}"), &[&["-q", force], options, &[path]].concat());
        fs::create_dir_all(point).unwrap();
        run("mount", &["-o", "loop", path, point.to_str().unwrap()]);
        let guard = MountGuard(point.to_owned());
        Self { point: point.to_owned(), _guard: guard, _image: image }
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// The bytes that can still be written, after everything is on the disk.
    pub(crate) fn free(&self) -> u64 {
        let top = fs::File::open(&self.point).unwrap();
        rustix::fs::syncfs(&top).unwrap();
        let stat = rustix::fs::fstatvfs(&top).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Fills the disk but for about `left` bytes, with a file that goes with what is returned.
    pub(crate) fn fill(&self, left: u64) -> Filler {
        let filler = Filler(self.point.join("filler"));
        let file = fs::File::create(&filler.0).unwrap();
        for _ in 0..8 {
            let Some(more) = self.free().checked_sub(left).filter(|more| *more >= 4096) else { break };
            let size = file.metadata().unwrap().size();
            let flags = rustix::fs::FallocateFlags::empty();
            if rustix::fs::fallocate(&file, flags, size, more).is_err() {
                // Not all that is free can be given to one file.
                let _half = rustix::fs::fallocate(&file, flags, size, more / 2);
            }
        }
        file.sync_all().unwrap();
        filler
    }
}

/// What fills a disk.
pub(crate) struct Filler(PathBuf);

impl Drop for Filler {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}
