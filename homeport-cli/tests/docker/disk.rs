//! Owns a real disk for a test: a loop device with ext4, mounted, unmounted and taken away.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::world::tool;

/// A disk with a file system and a mount point.
pub(crate) struct Disk {
    device: String,
    point: PathBuf,
}

impl Disk {
    /// Makes a disk in `dir` and mounts it at `dir/NAME`.
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        Self::at(&dir.join(format!("{name}.img")), 64, &dir.join(name))
    }

    /// Makes a disk of this many MiB in the file `image`, all of which anybody may fill, and mounts it at `point`.
    pub(crate) fn at(image: &Path, mebibytes: u64, point: &Path) -> Self {
        std::fs::File::create(image).unwrap().set_len(mebibytes << 20).unwrap();
        tool("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]);
        let device = tool("losetup", &["--find", "--show", image.to_str().unwrap()]).trim().to_owned();
        let disk = Self { device, point: point.to_owned() };
        std::fs::create_dir_all(&disk.point).unwrap();
        disk.mount();
        disk
    }

    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    pub(crate) fn mount(&self) {
        tool("mount", &[&self.device, self.point.to_str().unwrap()]);
    }

    pub(crate) fn unmount(&self) {
        tool("umount", &[self.point.to_str().unwrap()]);
    }

    pub(crate) fn read_only(&self) {
        tool("mount", &["-o", "remount,ro", self.point.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(&self.point).output();
        let _detached = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}
