//! For any tree and any changes: a snapshot is the tree, and one that reads only what changed is the same as one that
//! reads everything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;

use homeport_volumes::snapshot::{Base, Change, Mode, diff};
use homeport_volumes::tree::{HardLink, Line};
use proptest::prelude::*;

use crate::house::{House, entries, overwrite, with_old_time};
use crate::odd_tree::noise;

/// One thing that is done to a tree; names are numbers, and what is not possible is left out.
#[derive(Debug, Clone)]
enum Step {
    Write(u8, u32),
    Append(u8, u16),
    Overwrite(u8, u32),
    /// An overwrite after which the modification time is set back.
    Forge(u8, u32),
    Truncate(u8, u32),
    Punch(u8),
    Rename(u8, u8),
    Link(u8, u8),
    Symlink(u8, u8),
    Delete(u8),
    Chmod(u8, u16),
    Attribute(u8, u8),
    Directory(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 0..6000_u32, 1 => 0..200_000_u32, 1 => 1_000_000..2_600_000_u32];
    prop_oneof![
        5 => (any::<u8>(), size.clone()).prop_map(|(n, size)| Step::Write(n, size)),
        2 => (any::<u8>(), any::<u16>()).prop_map(|(n, more)| Step::Append(n, more)),
        2 => (any::<u8>(), any::<u32>()).prop_map(|(n, at)| Step::Overwrite(n, at)),
        3 => (any::<u8>(), any::<u32>()).prop_map(|(n, at)| Step::Forge(n, at)),
        1 => (any::<u8>(), size).prop_map(|(n, size)| Step::Truncate(n, size)),
        1 => any::<u8>().prop_map(Step::Punch),
        3 => any::<(u8, u8)>().prop_map(|(n, to)| Step::Rename(n, to)),
        2 => any::<(u8, u8)>().prop_map(|(n, to)| Step::Link(n, to)),
        1 => any::<(u8, u8)>().prop_map(|(n, to)| Step::Symlink(n, to)),
        2 => any::<u8>().prop_map(Step::Delete),
        1 => any::<(u8, u16)>().prop_map(|(n, mode)| Step::Chmod(n, mode)),
        1 => any::<(u8, u8)>().prop_map(|(n, value)| Step::Attribute(n, value)),
        2 => any::<u8>().prop_map(Step::Directory),
    ]
}

/// One of 24 paths, in four directories and below one another.
fn path(house: &House, number: u8) -> PathBuf {
    let (directory, name) = (["", "cur", "cur/.sub", "new"][usize::from(number % 4)], number / 4 % 6);
    house.at(directory).join(format!("{name}"))
}

/// Does the step as far as it is possible: most failures are names that are not there, or are directories.
fn apply(house: &House, step: &Step, count: usize) {
    let at = |n: &u8| path(house, *n);
    let is_file = |n: &u8| fs::symlink_metadata(at(n)).is_ok_and(|found| found.is_file());
    let bytes = |size: usize| noise(size + count)[count..].to_vec();
    match step {
        Step::Write(n, size) => drop(fs::write(at(n), bytes(*size as usize))),
        Step::Append(n, more) if is_file(n) => {
            let mut file = File::options().append(true).open(at(n)).unwrap();
            std::io::Write::write_all(&mut file, &bytes(usize::from(*more))).unwrap();
        }
        Step::Overwrite(n, place) | Step::Forge(n, place) if is_file(n) => {
            let length = fs::metadata(at(n)).unwrap().len();
            let change = || overwrite(&at(n), u64::from(*place) % (length + 1), &bytes(17));
            if matches!(step, Step::Forge(..)) { with_old_time(&at(n), change) } else { change() }
        }
        Step::Truncate(n, size) if is_file(n) => {
            File::options().write(true).open(at(n)).unwrap().set_len(u64::from(*size)).unwrap();
        }
        Step::Punch(n) if is_file(n) => {
            let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            let file = File::options().write(true).open(at(n)).unwrap();
            rustix::fs::fallocate(&file, flags, 4096, 65_536).unwrap();
        }
        Step::Rename(n, to) => drop(fs::rename(at(n), at(to))),
        Step::Link(n, to) => drop(fs::hard_link(at(n), at(to))),
        Step::Symlink(n, to) => drop(std::os::unix::fs::symlink(format!("{n}\n"), at(to))),
        Step::Delete(n) => drop(fs::remove_file(at(n)).or_else(|_| fs::remove_dir_all(at(n)))),
        Step::Chmod(n, mode) if is_file(n) => {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(u32::from(*mode) & 0o7777);
            fs::set_permissions(at(n), mode).unwrap();
        }
        Step::Attribute(n, value) => {
            let flags = rustix::fs::XattrFlags::empty();
            let _impossible =
                rustix::fs::setxattr(at(n), format!("user.{}", value % 3), &bytes(usize::from(*value)), flags);
        }
        Step::Directory(n) => drop(fs::create_dir(at(n))),
        _ => {}
    }
}

/// The names of a snapshot and what they are, hard links as what they lead to.
fn names(lines: &[Line]) -> BTreeMap<Vec<u8>, String> {
    let mut names: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    let mut last = Vec::new();
    for line in lines {
        match line {
            Line::Entry(entry) => {
                let mut entry = entry.clone();
                entry.meta.key = None;
                entry.meta.attributes.links = None;
                last = entry.path.as_bytes().to_vec();
                names.insert(last.clone(), format!("{entry:?}"));
            }
            Line::HardLink(HardLink { path, first }) => {
                names.insert(path.as_bytes().to_vec(), format!("of {first}"));
            }
            Line::Piece(piece) => write!(names.get_mut(&last).unwrap(), "{piece:?}").unwrap(),
        }
    }
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_are_the_tree_and_changes_are_what_changed(
        rounds in prop::collection::vec(prop::collection::vec(step(), 0..16), 1..5),
    ) {
        let house = House::new();
        for directory in ["cur", "cur/.sub", "new"] {
            fs::create_dir(house.at(directory)).unwrap();
        }
        let mut before: Option<homeport_volumes::store::SnapshotHead> = None;
        for (round, steps) in rounds.iter().enumerate() {
            for (number, step) in steps.iter().enumerate() {
                apply(&house, step, round * 100 + number);
            }
            let taken = house.take();
            house.assert_is_tree(&taken.head);
            let full = house.try_take(Mode::Still, Base::ReadAll(Box::new(taken.head.clone()))).unwrap();
            prop_assert_eq!(entries(&full.head), entries(&taken.head), "reading everything finds the same");
            prop_assert_eq!(full.sealed.objects, 0, "and nothing new");
            if let Some(before) = &before {
                let mut told = BTreeMap::new();
                let compared = diff(&house.store, &entries(before), &entries(&taken.head), &mut |difference| {
                    told.insert(difference.path.as_bytes().to_vec(), difference.change);
                }).unwrap();
                let (old, new) = (names(&house.lines(before)), names(&house.lines(&taken.head)));
                let wanted: Vec<_> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)))
                    .filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
                let found: Vec<_> = told.keys().cloned().collect();
                prop_assert_eq!(&found, &std::collections::BTreeSet::from_iter(wanted).into_iter().collect::<Vec<_>>());
                for (name, change) in &told {
                    let is = (old.contains_key(name), new.contains_key(name));
                    prop_assert_eq!(is, (*change != Change::Added, *change != Change::Removed), "{:?}", change);
                }
                prop_assert_eq!(compared.added + compared.same + compared.changed, new.len() as u64);
            }
            before = Some(taken.head);
        }
    }
}
