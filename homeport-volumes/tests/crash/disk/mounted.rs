//! Owns a file system that is mounted from a file. Unmounted when it goes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::stage::run;

/// How long the kernel may take to let go of what was unmounted: far longer than it does on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A file system mounted from a file through a loop device, which goes with it.
#[derive(Debug)]
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn new(file: &Path, point: &Path) -> Self {
        run("mount", &["-o", "loop", file.to_str().unwrap(), point.to_str().unwrap()]);
        Self(point.to_owned())
    }

    /// Unmounts now; fails if somebody still uses it.
    pub(crate) fn unmount(self) {
        drop(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

/// Unmounts a path, where a loop device lets go of its file a little later than its file system was unmounted. While
/// something else has failed already, what is still used is left to the end of the process.
pub(super) fn unmount(point: &Path) {
    let end = Instant::now() + PATIENCE;
    let mut tries = std::iter::repeat_with(|| match rustix::mount::unmount(point, UnmountFlags::NOFOLLOW) {
        Err(Errno::BUSY) => {
            std::thread::sleep(Duration::from_millis(2));
            Err(Errno::BUSY)
        }
        done => done,
    });
    let done = tries.find(|done| *done != Err(Errno::BUSY) || std::thread::panicking() || Instant::now() >= end);
    if !std::thread::panicking() {
        assert_eq!(done, Some(Ok(())), "{} is still used", point.display());
    }
}
