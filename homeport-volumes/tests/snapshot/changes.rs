//! That a changed file is never taken for unchanged, by whatever means it was changed. [spec: STO-24, STO-25]

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

use homeport_volumes::snapshot::{Base, Mode};
use homeport_volumes::tree::{Kind, Line};

use crate::house::{House, overwrite, with_old_time};
use crate::odd_tree::{assert_same, noise};

/// Restic and borg looked at the modification time, which any program can set back.
#[test]
fn story_l23_a_change_with_its_time_set_back_is_found() {
    let house = House::new();
    house.file("mail", b"first words");
    house.file("other", b"other words");
    crate::house::settle();
    house.take();
    with_old_time(&house.at("mail"), || overwrite(&house.at("mail"), 0, b"FIRST"));
    let taken = house.take();
    assert_eq!(house.content(&taken.head, "mail"), b"FIRST words");
    assert_eq!(taken.volumes[0].1.files_read, 1, "only what changed is read");
    house.assert_is_tree(&taken.head);
}

#[test]
fn a_file_renamed_over_another_is_read() {
    let house = House::new();
    house.file("mail", b"one");
    house.file("tmp", b"two");
    house.take();
    // The same size and, by force, the same modification time.
    let time = fs::metadata(house.at("mail")).unwrap().modified().unwrap();
    File::options().write(true).open(house.at("tmp")).unwrap().set_modified(time).unwrap();
    fs::rename(house.at("tmp"), house.at("mail")).unwrap();
    let taken = house.take();
    assert_eq!(house.content(&taken.head, "mail"), b"two");
    house.assert_is_tree(&taken.head);
}

#[test]
fn a_new_file_with_the_inode_of_a_deleted_one_is_read() {
    let house = House::new();
    let mut reused = 0;
    for round in 0..20 {
        let name = house.at("mail");
        let before = fs::metadata(&name).map(|found| found.ino()).ok();
        if before.is_some() {
            fs::remove_file(&name).unwrap();
        }
        let content = format!("words {round:02}");
        house.file("mail", content.as_bytes());
        reused += usize::from(before == Some(fs::metadata(&name).unwrap().ino()));
        let taken = house.take();
        assert_eq!(house.content(&taken.head, "mail"), content.as_bytes());
    }
    assert!(reused > 0, "this file system gave no inode twice");
}

/// Times that lie in the future, or before a time already seen, are only compared for being equal.
#[test]
fn a_clock_that_was_set_back_hides_no_change() {
    let house = House::new();
    house.file("mail", b"old words");
    let far = std::time::SystemTime::now() + std::time::Duration::from_hours(87_600);
    File::options().write(true).open(house.at("mail")).unwrap().set_modified(far).unwrap();
    house.take();
    overwrite(&house.at("mail"), 0, b"new");
    File::options().write(true).open(house.at("mail")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let taken = house.take();
    assert_eq!(house.content(&taken.head, "mail"), b"new words");
    house.assert_is_tree(&taken.head);
}

#[test]
fn owners_modes_and_attributes_alone_are_found_and_files_of_one_content_are_stored_once() {
    let house = House::new();
    for name in ["a", "b", "c", "d"] {
        house.file(name, b"the same words");
    }
    crate::house::settle();
    let first = house.take();
    assert_eq!(first.sealed.objects, 3, "one content, manifest and configuration");
    fs::set_permissions(house.at("a"), std::os::unix::fs::PermissionsExt::from_mode(0o4711)).unwrap();
    std::os::unix::fs::chown(house.at("b"), Some(12), Some(13)).unwrap();
    rustix::fs::setxattr(house.at("c"), "user.note", b"new", rustix::fs::XattrFlags::CREATE).unwrap();
    let taken = house.take();
    assert_eq!((taken.sealed.objects, taken.volumes[0].1.files_read), (0, 3));
    house.assert_is_tree(&taken.head);
}

#[test]
fn an_unchanged_tree_has_the_same_entries_and_nothing_is_read() {
    let house = House::new();
    for number in 0..300 {
        house.file(&format!("{}/{number}", number % 7), format!("mail {number}").as_bytes());
    }
    house.file("large", &noise(3_000_000));
    crate::house::settle();
    let first = house.take();
    let second = house.take();
    assert_eq!(first.head.body.volumes[0].entries, second.head.body.volumes[0].entries);
    let ingested = &second.volumes[0].1;
    assert_eq!((ingested.files_read, ingested.bytes_read, ingested.unchanged), (0, 0, 309));
    let full = house.try_take(Mode::Still, Base::ReadAll(Box::new(second.head))).unwrap();
    assert_eq!(full.volumes[0].1.files_read, 301);
    assert_eq!(full.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
    assert_eq!(full.sealed.objects, 0);
}

/// Hole detection told lies about freshly written files elsewhere; here it is asked after a sync, and what it says is
/// compared with the bytes.
#[test]
fn story_l22_holes_are_kept_and_freshly_written_data_is_none() {
    let house = House::new();
    let make = |name: &str, size: u64, data: &[(u64, &[u8])]| {
        let file = File::create(house.at(name)).unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in data {
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, *offset).unwrap();
        }
    };
    make("terabyte", 1 << 40, &[(1 << 39, b"lonely"), ((1 << 40) - 3, b"end")]);
    make("small", 100_000, &[(50_000, b"x")]);
    make("hole only", 1 << 30, &[]);
    make("begins", 2 << 20, &[(0, &[7; 5000])]);
    make("zeros that were written", 1 << 21, &[(0, &vec![0; 1 << 21])]);
    house.file("ends within a block", &noise(3_000_001));
    let first = house.take();
    house.assert_is_tree(&first.head);
    assert!(first.volumes[0].1.bytes_read < 6 << 20, "holes are not read");
    // Punched and filled again without a change of size, the time set back.
    with_old_time(&house.at("zeros that were written"), || {
        let file = File::options().write(true).open(house.at("zeros that were written")).unwrap();
        let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&file, flags, 0, 1 << 20).unwrap();
    });
    overwrite(&house.at("hole only"), 12_345_678, b"no more");
    let second = house.take();
    house.assert_is_tree(&second.head);
    assert_same(&house.tree, &house.restore(&second.head, "restored"));
}

/// One page overwritten in a large file costs a few pieces, not the file.
#[test]
fn a_page_of_a_large_file_costs_little() {
    let house = House::new();
    house.file("mailbox", &noise(12 << 20));
    house.take();
    let mut stored = 0;
    let rounds = 12;
    for round in 0..rounds {
        overwrite(
            &house.at("mailbox"),
            8192 * (7 + 113 * round),
            &noise(8192 + 1 + usize::try_from(round).unwrap())[1..8193],
        );
        let taken = house.take();
        stored += taken.sealed.bytes;
        let Line::Entry(entry) = house.line(&taken.head, "mailbox") else { panic!("a file") };
        assert!(matches!(entry.kind, Kind::File { .. }));
    }
    let head = house.store.catalog().unwrap().snapshots.pop().unwrap();
    house.assert_is_tree(&head);
    assert!(stored / rounds <= 300 * 1024, "{} bytes for a page of 8 KiB", stored / rounds);
}
