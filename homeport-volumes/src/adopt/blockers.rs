//! Owns what stands against moving the names of a directory: flags that forbid it, and programs that have it open.
//! Never changes anything.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use homeport_core::fault::Fault;
use rustix::fs::{AtFlags, IFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::root::flags;
use crate::path::VolumePath;
use crate::tree::escaped;
use crate::users;

/// How many are told.
const TOLD: usize = 20;

/// Names, and the directory itself, that a flag keeps where they are.
pub(super) fn fixed(path: &VolumePath, directory: BorrowedFd<'_>, names: &[OsString]) -> Result<Vec<Fault>, Errno> {
    let fault = |what: String| {
        Fault::new("HP-VOL-031", path.to_string(), format!("{what} cannot be moved"))
            .clause("VOL-50")
            .expected("no flag `i` or `a`, which forbid it")
            .actual("a file that can only grow or cannot be changed")
            .remedy("take the flags off with `chattr -i -a` (`lsattr -d` shows them), and repeat the command")
    };
    let mut faults = Vec::new();
    if flags(directory)?.intersects(IFlags::IMMUTABLE | IFlags::APPEND) {
        faults.push(fault(format!("what is in `{path}`")));
    }
    for name in names {
        let stat = match rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error),
        };
        let is_fixed = stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND);
        if is_fixed && faults.len() < TOLD {
            faults.push(fault(format!("`{}`", escaped(name.as_bytes()))));
        }
    }
    Ok(faults)
}

/// Programs that have something in the directory open, or work in it.
pub(super) fn open_below(proc: &Path, path: &VolumePath) -> Vec<Fault> {
    let told = users::open_below(proc, path.as_path()).into_iter().take(TOLD);
    told.map(|user| {
        let found = format!("process {} (`{}`) has `{}` open", user.pid, user.command, user.mount_point.display());
        Fault::new("HP-VOL-011", path.to_string(), format!("`{path}` is in use"))
            .clause("VOL-50")
            .expected("nobody else using it")
            .actual(found)
            .remedy("stop that program and repeat the command")
    })
    .collect()
}
