//! A file system that a program answers for: one empty directory, mounted with FUSE until it goes. Needs `/dev/fuse`.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, INodeNo, MountOption, ReplyAttr,
    ReplyDirectory, ReplyEntry, ReplyStatfs, Request,
};

use crate::stand::MountGuard;

const LONG: Duration = Duration::from_hours(1);

/// Mounted while it lives.
pub(crate) struct Answered {
    // Goes first: the program ends when nothing is mounted any more.
    _mounted: MountGuard,
    _session: BackgroundSession,
}

impl Answered {
    pub(crate) fn mount(point: &Path) -> Self {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("homeport-test".into()), MountOption::DefaultPermissions];
        let session = fuser::spawn_mount(Empty, point, &config).expect("/dev/fuse is needed");
        Self { _mounted: MountGuard(point.to_owned()), _session: session }
    }
}

/// What the kernel talks to.
struct Empty;

impl Filesystem for Empty {
    fn lookup(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::ENOENT);
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let attributes = FileAttr {
            ino,
            size: 0,
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: FileType::Directory,
            perm: 0o700,
            nlink: 2,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        };
        reply.attr(&LONG, &attributes);
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let (blocks, inodes) = (1 << 20, 1 << 20);
        reply.statfs(blocks, blocks, blocks, inodes, inodes, 4096, 255, 4096);
    }

    fn readdir(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _offset: u64, reply: ReplyDirectory) {
        reply.ok();
    }
}
