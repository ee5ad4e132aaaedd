//! Owns the lock of a volume: one process at a time operates on it. Never says whether a container uses the volume.
//!
//! The lock belongs to the open file, not to the process (`flock`), so it is gone when the holder dies however it dies,
//! and closing another descriptor of the same file does not lose it. It is held from taking a volume into use until its
//! mount is made, while it is created and while it is removed. A container cannot hold it: its processes never see
//! `.homeport/`. So "a container has it" is answered by the ledger and the engine (`Request::in_use_by`) and by the
//! mounts of other processes (`users`). [spec: VOL-14]

use std::fs::{File, TryLockError};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::VolumeError;
use crate::facts::LockFact;
use crate::file::open_in;
use crate::layout::LOCK;
use crate::path::VolumePath;

/// The held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct VolumeLock {
    file: File,
}

impl Drop for VolumeLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just starting has a copy of the descriptor until its
        // `exec`, and the lock would outlive this guard by that moment. What fails here, closing does a little later.
        let _unlocked = self.file.unlock();
    }
}

/// Takes the lock of the volume whose `.homeport/` is `home`; makes the file where it is missing.
///
/// A check looks at the lock for an instant by sharing it, so a taken lock is tried again for 200 ms.
pub(crate) fn take(home: BorrowedFd<'_>, path: &VolumePath) -> Result<VolumeLock, VolumeError> {
    let file =
        open_in(home, LOCK, OFlags::RDWR | OFlags::CREATE, 0o600).map_err(VolumeError::io("open the lock of", path))?;
    for _ in 0..10 {
        match file.try_lock() {
            Ok(()) => return Ok(VolumeLock { file }),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(source)) => {
                return Err(VolumeError::Io { action: "lock", path: path.as_path().to_owned(), source });
            }
        }
    }
    Err(VolumeError::Locked { path: path.clone() })
}

/// Whether somebody holds the lock; makes nothing.
pub(crate) fn look(home: BorrowedFd<'_>) -> Result<LockFact, std::io::Error> {
    let file = match open_in(home, LOCK, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::XDEV | Errno::NXIO) => return Ok(LockFact::Free),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| LockFact::Free),
        Err(TryLockError::WouldBlock) => Ok(LockFact::Held),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
