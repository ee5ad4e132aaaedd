//! Owns a disk that is a file whose every write and flush is recorded: a FUSE file system with this one file, for a loop
//! device. It can also fail, as disks do: reads of given blocks, or all writes from some moment on.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::disk::mounted::unmount;
use crate::disk::{Blocks, Record};
use crate::stage::Stage;

const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
/// Nothing here changes behind the kernel's back.
const LONG: Duration = Duration::from_hours(1);

/// The disk as it is now, and how it came to that.
#[derive(Debug)]
struct Disk {
    now: Blocks,
    record: Record,
    unreadable: Vec<Range<u64>>,
    writes_left: Option<usize>,
}

/// A disk that records. Mounted while it lives; what is mounted from it must go first.
pub(crate) struct Device {
    disk: Arc<Mutex<Disk>>,
    point: PathBuf,
    session: Option<BackgroundSession>,
}

impl Device {
    /// A disk with this content.
    pub(crate) fn new(stage: &Stage, content: Blocks) -> Self {
        let point = stage.directory("device");
        let record = Record::new(content.clone());
        let disk = Arc::new(Mutex::new(Disk { now: content, record, unreadable: vec![], writes_left: None }));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("homeport-crash".into()), MountOption::DefaultPermissions];
        let session = fuser::spawn_mount(Served(disk.clone()), &point, &config).expect("/dev/fuse is needed");
        Self { disk, point, session: Some(session) }
    }

    /// The file, for a loop device.
    pub(crate) fn file(&self) -> PathBuf {
        self.point.join(NAME)
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records from here on; what is on the disk now counts as safe.
    pub(crate) fn begin(&self) {
        let mut disk = self.disk();
        disk.record = Record::new(disk.now.clone());
    }

    /// Notes this moment among writes and flushes.
    pub(crate) fn mark(&self) {
        self.disk().record.mark();
    }

    pub(crate) fn record(&self) -> Record {
        self.disk().record.clone()
    }

    /// The content as it is now.
    pub(crate) fn content(&self) -> Blocks {
        self.disk().now.clone()
    }

    /// Reads of these bytes fail from now on.
    pub(crate) fn fail_reads(&self, bytes: Range<u64>) {
        self.disk().unreadable.push(bytes);
    }

    /// The disk takes so many more writes, and then none.
    pub(crate) fn fail_writes_after(&self, writes: usize) {
        self.disk().writes_left = Some(writes);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        unmount(&self.point);
        if let Some(session) = self.session.take() {
            drop(session.umount_and_join());
        }
    }
}

/// What the kernel talks to.
struct Served(Arc<Mutex<Disk>>);

impl Served {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let file = ino == FILE;
        FileAttr {
            ino,
            size: if file { self.disk().now.size() } else { 0 },
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if file { FileType::RegularFile } else { FileType::Directory },
            perm: if file { 0o600 } else { 0o700 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&LONG, &self.attributes(FILE), fuser::Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LONG, &self.attributes(ino));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Past the page cache: what the loop device writes is here in the order in which it was written.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let disk = self.disk();
        let end = (offset + u64::from(size)).min(disk.now.size());
        if disk.unreadable.iter().any(|bytes| bytes.start < end && offset < bytes.end) {
            return reply.error(Errno::EIO);
        }
        let length = usize::try_from(end.saturating_sub(offset)).unwrap();
        reply.data(&disk.now.read(offset, length));
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disk = self.disk();
        match &mut disk.writes_left {
            Some(0) => return reply.error(Errno::EIO),
            Some(left) => *left -= 1,
            None => {}
        }
        disk.now.write(offset, data);
        disk.record.write(offset, data);
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let mut disk = self.disk();
        if disk.writes_left == Some(0) {
            return reply.error(Errno::EIO);
        }
        disk.record.flush();
        reply.ok();
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        // Somebody closed a descriptor: nothing to do with the disk.
        reply.ok();
    }
}
