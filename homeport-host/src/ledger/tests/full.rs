//! A disk without room: a small file system in memory that is mounted for the test.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use homeport_core::fault::Advice as _;
use rustix::mount::{MountFlags, UnmountFlags};

use super::sample::{instance, lock};
use crate::layout::Layout;
use crate::ledger::*;

/// A mount that is gone with the value.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(path: &'a Path, options: &CStr) -> Self {
        let mount = Self(path);
        rustix::mount::mount("homeport-test", path, "tmpfs", MountFlags::empty(), options).unwrap();
        mount
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0, UnmountFlags::DETACH).ok();
    }
}

fn large(number: usize) -> InstanceRecord {
    let manifest = vec![b'm'; 20_000];
    InstanceRecord { manifest, ..instance(&format!("i{number:03}")) }
}

#[test]
fn a_full_disk_is_said_and_leaves_the_ledger_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let _mount = Mount::new(directory.path(), c"size=1m,mode=0755");
    let layout = Layout::under(directory.path()).unwrap();
    layout.prepare().unwrap();
    let reserve = directory.path().join("reserve");
    fs::write(&reserve, vec![0; 300_000]).unwrap();
    let lock = lock(&layout);
    let mut writer = LedgerWriter::open(&lock).unwrap();

    let mut written = 0;
    let error = loop {
        // Two records to a write: the disk may end between them.
        let pair = writer.together(|writer| {
            writer.put_instance(&large(written))?;
            writer.put_instance(&large(written + 1))
        });
        match pair {
            Ok(_) => written += 2,
            Err(error) => break error,
        }
    };
    assert!((2..100).contains(&written), "{written}");
    assert_eq!(error.code(), "HP-LED-005", "{error:?}");
    let wanted = format!("no space left to write ledger `{}`", layout.ledger_file().display());
    assert_eq!(error.to_string(), wanted);
    assert!(error.help().unwrap().contains("Make room"));

    assert_eq!(writer.instances().unwrap().len(), written, "half a pair was written");
    while writer.put_instance(&large(written)).is_ok() {
        written += 1;
    }
    let all: Vec<_> = (0..written).map(large).collect();
    assert_eq!(writer.instances().unwrap(), all);
    assert_eq!(Ledger::open(&layout).unwrap().instances().unwrap(), all);
    // An inner write that fails and is passed over: SQLite may have taken the outer one back, and then none of it is
    // left; else all of it is there but the write that failed.
    let mut put = written;
    let passed_over: Result<Change, LedgerError> = writer.together(|writer| {
        writer.remove_instance(&all[0].name)?;
        while writer.put_instance(&large(put)).is_ok() {
            put += 1;
        }
        writer.remove_instance(&all[1].name)
    });
    let left = if passed_over.is_ok() { (2..put).map(large).collect() } else { all.clone() };
    assert_eq!(writer.instances().unwrap(), left, "{passed_over:?}");

    fs::remove_file(&reserve).unwrap();
    for record in &all {
        writer.put_instance(record).unwrap();
    }
    drop(writer);
    let reopened = LedgerWriter::open(&lock).unwrap();
    assert!(all.iter().all(|record| reopened.instance(&record.name).unwrap().as_ref() == Some(record)));
}

#[test]
fn a_ledger_is_not_half_made_on_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let _mount = Mount::new(directory.path(), c"size=256k,mode=0755");
    let layout = Layout::under(directory.path()).unwrap();
    layout.prepare().unwrap();
    let lock = lock(&layout);
    let reserve = directory.path().join("reserve");
    fs::write(&reserve, vec![0; 180_000]).unwrap();
    let error = LedgerWriter::open(&lock).unwrap_err();
    assert_eq!(error.code(), "HP-LED-005", "{error:?}");
    // What was deleted takes its room for as long as the children that other tests are just starting have copies of all
    // descriptors, until their `exec`.
    let opened = (0..100).find_map(|_| {
        let opened = Ledger::open(&layout);
        if opened.is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        opened.ok()
    });
    assert_eq!(opened.unwrap().instances().unwrap(), []);
    fs::remove_file(&reserve).unwrap();
    assert_eq!(LedgerWriter::open(&lock).unwrap().instances().unwrap(), []);
}
