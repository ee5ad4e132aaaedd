//! Snapshots of real disks: that are not mounted, in memory, and of other file systems. [spec: STO-25, STO-26]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use homeport_volumes::snapshot::{AlarmState, Base, Candidate, Fate, Mode, Policy, Proof, Reason, Taking, decide};
use homeport_volumes::store::{Consistency, Measure};
use homeport_volumes::tree::Line;

use crate::house::{House, Mapped, about, overwrite, with_old_time};
use crate::odd_tree::{assert_same, noise};

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// ext4 with inodes that have no room for parts of a second.
const SMALL_INODES: &str = "ext4 -I 128";
/// ext4 with room for more than 100,000 files.
pub(crate) const MANY_INODES: &str = "ext4 -i 2048";

/// Something mounted, until it goes.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn disk(image: &Path, kind: &str, at: &Path) -> Self {
        if !image.exists() {
            fs::File::create(image).unwrap().set_len(400 << 20).unwrap();
            let (kind, options): (_, &[&str]) = match kind {
                SMALL_INODES => ("ext4", &["-q", "-F", "-I", "128"]),
                MANY_INODES => ("ext4", &["-q", "-F", "-i", "2048"]),
                "ext4" | "ext3" | "ext2" => (kind, &["-q", "-F"]),
                kind => (kind, &["-q", "-f"]),
            };
            run(&format!("mkfs.{kind}"), &[options, &[image.to_str().unwrap()]].concat());
        }
        let guard = Self(at.to_owned());
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        guard
    }

    fn memory(at: &Path) -> Self {
        let guard = Self(at.to_owned());
        run("mount", &["-t", "tmpfs", "none", at.to_str().unwrap()]);
        guard
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// The disk is not mounted: an empty directory is there, or what was written below the mount point. Nextcloud's tool
/// restored such an archive over the data, rsnapshot's rotation would have thrown the good ones away in 15 days.
#[test]
fn story_l1_l2_l3_an_unmounted_disk_raises_an_alarm_and_nothing_is_thrown_away() {
    let house = House::new();
    let image = house.scratch.0.join("disk.img");
    let disk = Mounted::disk(&image, "ext4", &house.tree);
    for number in 0..200 {
        house.file(&format!("mail/{number}"), format!("mail {number}").as_bytes());
    }
    let full = house.take();
    assert_eq!(full.head.body.alarms, []);
    drop(disk);
    let mut heads = vec![full.head];
    for day in 0..20 {
        // From the second day on somebody writes below the mount point.
        if day > 0 {
            house.file(&format!("stray-{day}"), b"x");
        }
        heads.push(house.take().head);
    }
    let alarms = &heads[1].body.alarms;
    assert_eq!(alarms.iter().map(|alarm| alarm.measure).collect::<Vec<_>>(), [Measure::Entries, Measure::Bytes]);
    assert_eq!((alarms[0].before, alarms[0].now), (203, 1));
    assert!(heads[2..].iter().all(|head| head.body.alarms.is_empty()), "later ones are not smaller than those before");
    let candidates: Vec<_> = heads
        .iter()
        .map(|head| Candidate {
            uuid: head.body.uuid,
            sequence: head.sequence,
            taken: head.body.taken.seconds(),
            proof: Proof::Verified,
            protection: None,
        })
        .collect();
    let policy = Policy { last: 3, ..Policy::default() };
    // The first alarm is open until an operator has confirmed it.
    let state = if heads.iter().any(|head| !head.body.alarms.is_empty()) { AlarmState::Open } else { AlarmState::None };
    for (uuid, fate) in decide(&candidates, &policy, state) {
        assert!(matches!(&fate, Fate::Keep(reasons) if reasons.contains(&Reason::AlarmOpen)), "{uuid} {fate:?}");
    }
    let _disk = Mounted::disk(&image, "ext4", &house.tree);
    house.assert_is_tree(&heads[0]);
}

/// The disk is not mounted, and below its mount point lies a part of what is on it: the trap of those who look only for an
/// empty directory.
#[test]
fn story_l1_a_partly_mounted_tree_raises_an_alarm_too() {
    let house = House::new();
    let small = || {
        fs::create_dir(house.at("mail")).unwrap();
        for number in 0..12 {
            house.file(&format!("config-{number}"), b"always there");
        }
    };
    small();
    let disk = Mounted::disk(&house.scratch.0.join("disk.img"), "ext4", &house.tree);
    small();
    house.file("mail/mailbox", &noise(2 << 20));
    assert_eq!(house.take().head.body.alarms, []);
    drop(disk);
    let taken = house.take();
    let measures: Vec<_> = taken.head.body.alarms.iter().map(|alarm| alarm.measure).collect();
    assert_eq!(measures, [Measure::Bytes], "the number of entries has hardly changed");
}

/// A store into a page that is dirty already changes no time at all. If the look came after the sync, or the sync after
/// the read, the next letter would be lost for ever. Each on a disk of its own, so that nobody else's sync helps.
#[test]
fn story_l23_a_store_into_a_mapped_page_is_found_between_two_passes() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let house = House::new();
        let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), kind, &house.tree);
        house.file("database", &[b'0'; 4096]);
        let mut mapped = Mapped::new(&house.at("database"));
        mapped.fill(b'a');
        let mut taking = Taking::begin(&house.store, house.writer(), Base::None);
        house.warm(&mut taking);
        for letter in b"bcdef" {
            mapped.fill(*letter);
            house.warm(&mut taking);
        }
        mapped.fill(b'g');
        mapped.fill(b'h');
        house.read(&mut taking, Mode::Still).unwrap();
        let taken = taking.commit(about(Consistency::Stopped)).unwrap();
        assert_eq!(&house.content(&taken.head, "database")[..17], b"hhhhhhhhhhhhhhhh0", "{kind}");
    }
}

#[test]
fn story_l23_a_store_into_a_mapped_page_is_found_by_the_next_snapshot() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let house = House::new();
        let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), kind, &house.tree);
        house.file("database", &[b'0'; 8192]);
        let mut mapped = Mapped::new(&house.at("database"));
        for letter in b"abcdefgh" {
            mapped.fill(*letter);
            let taken = house.take();
            assert_eq!(house.content(&taken.head, "database")[..16], [*letter; 16], "{kind}");
        }
    }
}

/// A page that was dirty long before the scan: a store into it changes no time until the page was synced.
#[test]
fn story_l23_a_store_into_a_mapped_page_that_was_dirty_for_long_is_found_by_the_next_snapshot() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let house = House::new();
        let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), kind, &house.tree);
        house.file("database", &[b'0'; 4096]);
        let mut mapped = Mapped::new(&house.at("database"));
        mapped.fill(b'a');
        crate::house::settle();
        for letter in b"bc" {
            let taken = house.take();
            assert_eq!(taken.volumes[0].1.files_read, 1, "{kind}");
            mapped.fill(*letter);
            let taken = house.take();
            assert_eq!(house.content(&taken.head, "database")[..16], [*letter; 16], "{kind}");
            crate::house::settle();
        }
    }
}

/// In memory a store into a dirty page never changes a time: every file is read each time.
#[test]
fn story_l23_in_memory_everything_is_read() {
    let house = House::new();
    let _memory = Mounted::memory(&house.tree);
    house.file("database", &[b'0'; 4096]);
    let mut mapped = Mapped::new(&house.at("database"));
    mapped.fill(b'0');
    // So old that its times would be believed.
    crate::house::settle();
    for letter in b"abcd" {
        mapped.fill(*letter);
        let taken = house.take();
        assert_eq!(house.content(&taken.head, "database")[..16], [*letter; 16]);
        assert_eq!(taken.volumes[0].1.unchanged, 0);
        house.assert_is_tree(&taken.head);
    }
}

#[test]
fn xfs_and_btrfs_are_read_like_ext4() {
    for kind in ["xfs", "btrfs"] {
        let house = House::new();
        let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), kind, &house.tree);
        house.file("large", &noise(2_000_000));
        fs::hard_link(house.at("large"), house.at("large-too")).unwrap();
        fs::File::create(house.at("sparse")).unwrap().set_len(1 << 30).unwrap();
        overwrite(&house.at("sparse"), 500_000_000, b"in the middle");
        let flags = rustix::fs::XattrFlags::CREATE;
        rustix::fs::setxattr(house.at("large"), "user.note", b"kept", flags).unwrap();
        house.file("database", &[b'0'; 4096]);
        crate::house::settle();
        let first = house.take();
        house.assert_is_tree(&first.head);
        let again = house.take();
        assert_eq!(again.volumes[0].1.files_read, 0, "{kind}");
        assert_eq!(again.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
        let mut mapped = Mapped::new(&house.at("database"));
        for letter in b"abcd" {
            mapped.fill(*letter);
            assert_eq!(house.content(&house.take().head, "database")[..16], [*letter; 16], "{kind}");
        }
        with_old_time(&house.at("database"), || overwrite(&house.at("database"), 100, b"forged"));
        let last = house.try_take(Mode::Running, house.base()).unwrap();
        assert_eq!(&house.content(&last.head, "database")[100..106], b"forged", "{kind}");
        house.assert_is_tree(&last.head);
        assert!(first.volumes[0].1.bytes_read < 3_000_000, "{kind}: holes are not read");
    }
}

/// Times that are whole seconds, on whatever kernel: a change in the same second as the scan before has the same time, size
/// and inode. The kernel says of all of them that they are the same file system.
#[test]
fn a_change_within_the_second_of_a_scan_is_found_where_times_are_whole_seconds() {
    for kind in [SMALL_INODES, "ext3", "ext2", "ext4", "xfs", "btrfs"] {
        let house = House::new();
        let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), kind, &house.tree);
        house.file("quiet", b"not touched");
        house.file("mail", b"letter 0");
        for letter in 1..=9 {
            house.take();
            with_old_time(&house.at("mail"), || overwrite(&house.at("mail"), 0, format!("letter {letter}").as_bytes()));
            let taken = house.take();
            assert_eq!(house.content(&taken.head, "mail"), format!("letter {letter}").as_bytes(), "{kind}");
        }
        crate::house::settle();
        house.take();
        let last = house.take();
        assert_eq!(
            (last.volumes[0].1.files_read, house.content(&last.head, "mail")),
            (0, b"letter 9".to_vec()),
            "{kind}"
        );
    }
}

/// A subvolume of btrfs numbers its inodes anew: a snapshot of a directory within the volume has files of the same numbers
/// as those that it was made of, which are no other names of them.
#[test]
fn a_subvolume_in_the_volume_has_inodes_of_its_own() {
    let house = House::new();
    let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), "btrfs", &house.tree);
    let mail = house.at("mail");
    run("btrfs", &["subvolume", "create", mail.to_str().unwrap()]);
    house.file("mail/a", b"as it was then");
    fs::hard_link(house.at("mail/a"), house.at("mail/b")).unwrap();
    run("btrfs", &["subvolume", "snapshot", mail.to_str().unwrap(), house.at("then").to_str().unwrap()]);
    overwrite(&house.at("mail/a"), 0, b"AS IT IS NOW!!");
    for _ in 0..2 {
        let taken = house.take();
        for (name, wanted) in [("mail/a", b"AS IT IS NOW!!"), ("then/a", b"as it was then")] {
            assert_eq!(house.content(&taken.head, name), wanted, "{name}");
        }
        for (name, first) in [("mail/b", "mail/a"), ("then/b", "then/a")] {
            let Line::HardLink(link) = house.line(&taken.head, name) else { panic!("{name} is another name") };
            assert_eq!(link.first.to_string(), first);
        }
        house.assert_is_tree(&taken.head);
        assert_eq!(taken.volumes[0].1.calm, homeport_volumes::snapshot::Calm::Calm);
    }
}

#[test]
fn the_odd_tree_is_kept_as_it_is() {
    let house = House::with(homeport_volumes::store::Compression::Zstd);
    crate::odd_tree::make(&house.tree);
    crate::house::settle();
    let first = house.take();
    house.assert_is_tree(&first.head);
    let restored = house.restore(&first.head, "restored");
    assert_same(&house.tree, &restored);
    let second = house.take();
    assert_eq!(second.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
    assert_eq!(second.volumes[0].1.files_read, 0);
}
