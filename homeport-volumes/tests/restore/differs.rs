//! Every way in which a tree can differ from its snapshot, one at a time: each is found, and named by its path.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;

use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{RestoreError, Top, compare, exchange};

use crate::house::{House, TX, keeping, ready, sample};
use crate::stand::run;

/// What is done to an entry whose time is to stay as it was.
fn quietly(path: &Path, change: impl FnOnce(&Path)) {
    let before = fs::symlink_metadata(path).unwrap().modified().unwrap();
    change(path);
    File::open(path).unwrap().set_modified(before).unwrap();
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    quietly(path, |path| File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap());
}

/// A change, the path that has to be named, and what is done to the tree at `data`.
type Row = (&'static str, &'static str, fn(&Path));

#[test]
fn every_difference_from_the_snapshot_is_found_and_named() {
    let rows: [Row; 17] = [
        ("nothing", "", |_| {}),
        ("a byte of a file", "mail/2", |data| write_at(&data.join("mail/2"), 3, b"X")),
        ("a byte of a piece", "sparse", |data| write_at(&data.join("sparse"), 500_002, b"X")),
        ("a byte in a hole", "sparse", |data| write_at(&data.join("sparse"), 300_000, b"X")),
        ("a byte more", "mail/2", |data| write_at(&data.join("mail/2"), 13, b"X")),
        ("a byte less", "mail/2", |data| {
            quietly(&data.join("mail/2"), |path| File::options().write(true).open(path).unwrap().set_len(12).unwrap());
        }),
        ("its owner", "mail/2", |data| lchown(data.join("mail/2"), Some(1001), None).unwrap()),
        ("its group", "mail/2", |data| lchown(data.join("mail/2"), None, Some(1001)).unwrap()),
        ("the owner of a link", "newest", |data| lchown(data.join("newest"), Some(1001), None).unwrap()),
        ("its mode", "mail/2", |data| {
            fs::set_permissions(data.join("mail/2"), fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("the mode of a directory", "mail", |data| {
            fs::set_permissions(data.join("mail"), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("a nanosecond of its time", "mail/2", |data| {
            let file = File::options().write(true).open(data.join("mail/2")).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            file.set_modified(time + std::time::Duration::from_nanos(1)).unwrap();
        }),
        ("an attribute", "mail/2", |data| {
            run("setfattr", &["-n", "user.x", "-v", "y", data.join("mail/2").to_str().unwrap()]);
        }),
        ("where a link points", "newest", |data| {
            fs::remove_file(data.join("newest")).unwrap();
            symlink("mail/1", data.join("newest")).unwrap();
        }),
        ("a copy for a second name", "mail/3", |data| {
            fs::remove_file(data.join("mail/3")).unwrap();
            run("cp", &["-p", data.join("mail/1").to_str().unwrap(), data.join("mail/3").to_str().unwrap()]);
        }),
        ("something more", "mail", |data| {
            quietly(&data.join("mail"), |mail| fs::write(mail.join("4"), "more").unwrap());
        }),
        ("something missing", "mail/2", |data| {
            quietly(&data.join("mail"), |mail| fs::remove_file(mail.join("2")).unwrap());
        }),
    ];
    for (what, path, change) in rows {
        let house = House::new();
        let mut held = house.hold();
        ready(&mut held, TX, &sample()).unwrap();
        exchange(&mut held, TX, &keeping()).unwrap();
        change(&house.data());
        rustix::fs::syncfs(File::open(house.data()).unwrap()).unwrap();
        let top = File::open(house.data()).unwrap();
        match compare(top.as_fd(), &sample(), Top::AsSaid, &Silent) {
            Ok(_) => assert_eq!(path, "", "{what} was not found"),
            Err(RestoreError::Differs { differences, .. }) => {
                let named: Vec<String> = differences.iter().map(|difference| difference.path.to_string()).collect();
                assert!(!path.is_empty() && named.iter().any(|named| named == path), "{what}: {named:?}");
            }
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
}
