//! Rules of the decision, one row each, and laws: what is refused, with which code, and what is never made or changed.

use std::path::PathBuf;

use homeport_core::unit::{Bytes, Format, Gid, Inodes, Mode, Uid};
use proptest::prelude::*;

use super::*;
use crate::facts::{
    Content, DataFact, Filling, HomeFact, JournalFact, LabelFact, LockFact, MarkerFact, Overlap, PathFact, Place,
    ProbeFact, Reached, Sample, StampFact, User,
};
use crate::filesystem::FsIdentity;
use crate::fstab::FstabEntry;
use crate::identity::{Generation, TxId, UnixSeconds, VolumeUuid};
use crate::marker::{Marker, MarkerFault};
use crate::owner::Owner;
use crate::path::Relation;
use crate::request::{Access, Counted, Neighbour, Origin, Remembered, Reserve};

const OWNER: Owner = Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o700) };

fn uuid(n: u8) -> VolumeUuid {
    VolumeUuid::from_bytes([n; 16])
}

fn disk(n: u128) -> FsIdentity {
    FsIdentity { kind: "ext4".into(), uuid: Some(uuid::Uuid::from_u128(n)), fsid: None }
}

/// Everything as it should be: a used volume on its disk, known to the ledger.
#[derive(Debug, Clone)]
struct Case {
    request: Request,
    known: Option<Known>,
    facts: Facts,
}

fn marker() -> Marker {
    Marker {
        root: "0a1b2c3d".parse().unwrap(),
        port: "shell".parse().unwrap(),
        instance: "alice".parse().unwrap(),
        volume: "home".parse().unwrap(),
        uuid: uuid(1),
        format: Format::new(2),
        generation: Generation::new(5),
        fs: disk(1),
        must_be_mount: Some("/mnt/disk".parse().unwrap()),
        owner: OWNER,
        created: UnixSeconds::new(1),
    }
}

fn good() -> Case {
    let path: crate::path::VolumePath = "/mnt/disk/home".parse().unwrap();
    Case {
        request: Request {
            root: "0a1b2c3d".parse().unwrap(),
            port: "shell".parse().unwrap(),
            instance: "alice".parse().unwrap(),
            volume: "home".parse().unwrap(),
            origin: Origin::Operator,
            path: path.clone(),
            format: Format::new(2),
            min_format: Format::new(2),
            owner: OWNER,
            reserve: Reserve { bytes: Bytes::new(1000), inodes: Inodes::new(10) },
            access: Access::ReadWrite,
            in_use_by: None,
            tolerated: vec![],
            neighbours: vec![],
        },
        known: Some(Known {
            uuid: uuid(1),
            generation: Generation::new(5),
            fs: disk(1),
            must_be_mount: Some("/mnt/disk".parse().unwrap()),
            data: Remembered::Data,
            path: path.clone(),
            counted: None,
        }),
        facts: Facts {
            path: PathFact::Directory,
            place: Some(Place {
                directory: path,
                mount_point: "/mnt/disk".into(),
                fs: disk(1),
                read_only: false,
                no_exec: false,
                free_bytes: Bytes::new(1000),
                free_inodes: Some(Inodes::new(10)),
            }),
            unmounted: None,
            lost_mount: None,
            overlaps: vec![],
            mounts_inside: vec![],
            users: vec![],
            data_root_exists: true,
            content: Some(content()),
        },
    }
}

fn content() -> Content {
    Content {
        owner: Owner::PRIVATE,
        strangers: vec![],
        home: HomeFact::Present { owner: Owner::PRIVATE, strangers: vec![] },
        marker: MarkerFact::Valid(Box::new(marker())),
        data: DataFact::Present {
            owner: OWNER,
            filling: Filling::Filled,
            stamp: StampFact::Stamp { uuid: uuid(1), format: Format::new(2) },
        },
        label: LabelFact::NotEnforced,
        sample: Some(sample(100, 4096)),
        probe: ProbeFact::Passed,
        lock: LockFact::Free,
        journal: JournalFact::Absent,
    }
}

/// A quick look that reached everything: that many entries of the port's user.
fn sample(entries: u64, bytes: u64) -> Sample {
    Sample { entries, bytes: Bytes::new(bytes), reached: Reached::Everything, owners: vec![(OWNER.uid, entries)] }
}

/// The same with what a snapshot counted before.
fn counted(case: &mut Case, then: (u64, u64), now: (u64, u64)) {
    case.known.as_mut().unwrap().counted = Some(Counted { entries: then.0, bytes: Bytes::new(then.1) });
    the_content(case).sample = Some(sample(now.0, now.1));
}

/// An image with another user, and entries of these users.
fn drifted(case: &mut Case, owners: &[(u32, u64)]) {
    case.request.owner.uid = Uid::new(5000);
    match &mut the_content(case).data {
        DataFact::Present { owner, .. } => owner.uid = Uid::new(5000),
        other => panic!("{other:?}"),
    }
    let owners = owners.iter().map(|(uid, count)| (Uid::new(*uid), *count)).collect();
    the_content(case).sample = Some(Sample { owners, ..sample(100, 0) });
}

/// An empty directory that was never seen.
fn empty() -> Case {
    let mut case = good();
    case.known = None;
    case.facts.content = Some(Content {
        owner: OWNER,
        home: HomeFact::Absent,
        marker: MarkerFact::Absent,
        data: DataFact::Absent,
        probe: ProbeFact::NotTried,
        ..content()
    });
    case
}

/// A default path of which only the data root exists.
fn default_path() -> Case {
    let mut case = empty();
    case.request.origin = Origin::Default { data_root: "/mnt".parse().unwrap() };
    case.facts.path = PathFact::Missing { first: "/mnt/disk".into() };
    case.facts.content = None;
    case
}

fn verdict(case: &Case) -> Result<Verdict, Vec<&'static str>> {
    decide(&case.request, case.known.as_ref(), &case.facts).map_err(|faults| {
        for fault in &faults {
            assert!(!fault.message.is_empty() && !fault.remedy.is_empty() && !fault.expected.is_empty(), "{fault:?}");
            assert!(!fault.actual.is_empty() && fault.clause.is_some(), "{fault:?}");
        }
        faults.into_iter().map(|fault| fault.code).collect()
    })
}

fn the_content(case: &mut Case) -> &mut Content {
    case.facts.content.as_mut().unwrap()
}

fn the_marker(case: &mut Case) -> &mut Marker {
    match &mut the_content(case).marker {
        MarkerFact::Valid(marker) => marker,
        other => panic!("{other:?}"),
    }
}

fn set_filling(case: &mut Case, new: Filling) {
    match &mut the_content(case).data {
        DataFact::Present { filling, .. } => *filling = new,
        other => panic!("{other:?}"),
    }
}

fn set_stamp(case: &mut Case, new: StampFact) {
    match &mut the_content(case).data {
        DataFact::Present { stamp, .. } => *stamp = new,
        other => panic!("{other:?}"),
    }
}

type Edit = fn(&mut Case);
/// What is told, the case to begin with, what is wrong, and the codes.
type Row = (&'static str, fn() -> Case, Edit, &'static [&'static str]);

#[test]
#[expect(clippy::too_many_lines, reason = "a table is read as a whole")]
fn what_is_allowed() {
    let create = |start| Ok(Verdict::Create(start));
    assert_eq!(verdict(&empty()), create(Start::Fresh));
    assert_eq!(verdict(&default_path()), create(Start::Fresh));

    let half: [Edit; 3] = [
        |c| the_content(c).home = HomeFact::Present { owner: Owner::PRIVATE, strangers: vec![] },
        |c| {
            let data = DataFact::Present { owner: Owner::PRIVATE, filling: Filling::Empty, stamp: StampFact::Absent };
            the_content(c).data = data;
        },
        |c| {
            the_content(c).data =
                DataFact::Present { owner: OWNER, filling: Filling::Empty, stamp: StampFact::Strange("x".into()) };
        },
    ];
    for edit in half {
        let mut case = empty();
        edit(&mut case);
        assert_eq!(verdict(&case), create(Start::HalfMade), "{case:?}");
    }

    let attach: [(Edit, Novelty); 27] = [
        (|_| {}, Novelty::Used),
        (|c| the_content(c).journal = JournalFact::Finished { tx: TxId::from_bytes([1; 16]) }, Novelty::Used),
        (|c| c.known = None, Novelty::Used),
        (|c| c.request.origin = Origin::Default { data_root: "/mnt".parse().unwrap() }, Novelty::Used),
        (|c| the_marker(c).generation = Generation::new(9), Novelty::Used),
        (|c| set_stamp(c, StampFact::Absent), Novelty::Used),
        (|c| set_stamp(c, StampFact::Unsupported), Novelty::Used),
        (|c| the_content(c).strangers = vec!["lost".into()], Novelty::Used),
        (|c| c.facts.place.as_mut().unwrap().free_inodes = None, Novelty::Used),
        (|c| c.facts.lost_mount = Some("/mnt/disk".parse().unwrap()), Novelty::Used),
        (|c| c.facts.unmounted = Some(FstabEntry { source: "/dev/x".into(), point: "/mnt".into() }), Novelty::Used),
        (
            |c| {
                c.request.access = Access::ReadOnly;
                c.facts.place.as_mut().unwrap().read_only = true;
                c.facts.place.as_mut().unwrap().free_bytes = Bytes::new(0);
                the_content(c).probe = ProbeFact::ReadOnly;
            },
            Novelty::Used,
        ),
        (
            |c| {
                let neighbour = Neighbour { label: "itself".into(), path: c.request.path.clone(), uuid: Some(uuid(1)) };
                c.request.neighbours = vec![neighbour];
            },
            Novelty::Used,
        ),
        (
            |c| {
                c.known = None;
                the_marker(c).generation = Generation::NEVER_USED;
                set_filling(c, Filling::Empty);
            },
            Novelty::New,
        ),
        (
            |c| {
                c.known.as_mut().unwrap().data = Remembered::Nothing;
                set_filling(c, Filling::Empty);
            },
            Novelty::New,
        ),
        (|c| c.known.as_mut().unwrap().data = Remembered::Nothing, Novelty::Used),
        (|c| c.known.as_mut().unwrap().data = Remembered::Past, Novelty::Used),
        (
            |c| {
                c.known.as_mut().unwrap().data = Remembered::Past;
                set_filling(c, Filling::Empty);
            },
            Novelty::Used,
        ),
        (|c| c.request.format = Format::new(9), Novelty::Used),
        (|c| counted(c, (1000, 1 << 30), (400, 1 << 28)), Novelty::Used),
        (|c| counted(c, (1000, 1 << 30), (1000, 1000)), Novelty::Used),
        (|c| counted(c, (1000, 1 << 30), (1, 1 << 30)), Novelty::Used),
        (|c| counted(c, (19, 19), (1, 1)), Novelty::Used),
        (
            |c| {
                counted(c, (100_000, 1 << 30), (1500, 1000));
                the_content(c).sample.as_mut().unwrap().reached = Reached::Part;
            },
            Novelty::Used,
        ),
        (|c| drifted(c, &[(1000, 90), (5000, 1)]), Novelty::Used),
        (|c| drifted(c, &[(0, 90)]), Novelty::Used),
        (|c| drifted(c, &[]), Novelty::Used),
    ];
    for (edit, novelty) in attach {
        let mut case = good();
        edit(&mut case);
        let marker = Box::new(the_marker(&mut case).clone());
        assert_eq!(verdict(&case), Ok(Verdict::Attach { marker, novelty }), "{case:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row a rule")]
fn what_is_refused_and_with_which_codes() {
    let rows: Vec<Row> = vec![
        ("missing, never seen", empty, |c| c.facts.path = missing(), &["HP-VOL-001"]),
        ("missing, known", good, |c| c.facts.path = missing(), &["HP-VOL-001"]),
        ("a file", empty, |c| c.facts.path = PathFact::NotADirectory { component: "/mnt".into() }, &["HP-VOL-001"]),
        ("a link", good, |c| c.facts.path = link(Some("/real")), &["HP-VOL-001"]),
        ("a dangling link", empty, |c| c.facts.path = link(None), &["HP-VOL-001"]),
        ("unreachable", good, |c| c.facts.path = PathFact::Unreachable { reason: "EIO".into() }, &["HP-VOL-001"]),
        ("no data root", default_path, |c| c.facts.data_root_exists = false, &["HP-VOL-001"]),
        (
            "a default path outside the data root",
            default_path,
            |c| c.request.origin = Origin::Default { data_root: "/srv".parse().unwrap() },
            &["HP-VOL-001"],
        ),
        ("known elsewhere", good, |c| c.request.path = "/mnt/disk/other".parse().unwrap(), &["HP-VOL-001"]),
        (
            "an exchange that was cut off",
            good,
            |c| the_content(c).journal = JournalFact::Unfinished { tx: TxId::from_bytes([1; 16]) },
            &["HP-VOL-006"],
        ),
        (
            "a journal that cannot be read",
            good,
            |c| the_content(c).journal = JournalFact::Damaged { reason: "x".into() },
            &["HP-VOL-006"],
        ),
        ("known, default path gone", || Case { known: good().known, ..default_path() }, |_| {}, &["HP-VOL-001"]),
        (
            "disk not mounted, underlying directory missing",
            good,
            |c| {
                c.facts.path = missing();
                c.facts.lost_mount = Some("/mnt/disk".parse().unwrap());
            },
            &["HP-VOL-002"],
        ),
        (
            "disk not mounted, underlying directory empty",
            good,
            |c| {
                c.facts.lost_mount = Some("/mnt/disk".parse().unwrap());
                c.facts.place.as_mut().unwrap().fs = disk(9);
                c.facts.content = empty().facts.content;
            },
            &["HP-VOL-002"],
        ),
        (
            "bind mount of the same disk not mounted",
            good,
            |c| {
                c.facts.lost_mount = Some("/mnt/disk".parse().unwrap());
                c.facts.content = empty().facts.content;
            },
            &["HP-VOL-002"],
        ),
        ("fstab, first use", empty, |c| c.facts.unmounted = Some(fstab()), &["HP-VOL-002"]),
        (
            "fstab, known and missing",
            good,
            |c| {
                c.facts.path = missing();
                c.facts.unmounted = Some(fstab());
            },
            &["HP-VOL-002"],
        ),
        ("another disk", good, |c| c.facts.place.as_mut().unwrap().fs = disk(9), &["HP-VOL-002"]),
        (
            "another disk with a foreign volume",
            good,
            |c| {
                c.facts.place.as_mut().unwrap().fs = disk(9);
                the_marker(c).instance = "bob".parse().unwrap();
            },
            &["HP-VOL-002", "HP-VOL-004"],
        ),
        ("torn", good, |c| the_content(c).marker = invalid(), &["HP-VOL-003", "HP-VOL-003"]),
        ("torn, never seen", empty, |c| the_content(c).marker = invalid(), &["HP-VOL-003", "HP-VOL-003"]),
        ("not empty", empty, |c| the_content(c).strangers = vec!["x".into()], &["HP-VOL-003"]),
        ("a file as data", empty, |c| the_content(c).data = DataFact::NotADirectory, &["HP-VOL-003"]),
        ("a file as home", empty, |c| the_content(c).home = HomeFact::NotADirectory, &["HP-VOL-003"]),
        (
            "something of a volume without its marker",
            empty,
            |c| the_content(c).home = HomeFact::Present { owner: Owner::PRIVATE, strangers: vec!["trash".into()] },
            &["HP-VOL-003"],
        ),
        ("marker gone", good, |c| the_content(c).marker = MarkerFact::Absent, &["HP-VOL-003"]),
        (
            "known twice",
            good,
            |c| {
                let path = "/mnt/copy".parse().unwrap();
                c.request.neighbours = vec![Neighbour { label: "a copy".into(), path, uuid: Some(uuid(1)) }];
            },
            &["HP-VOL-003"],
        ),
        ("another HomePort", good, |c| the_marker(c).root = "ffffffff".parse().unwrap(), &["HP-VOL-004"]),
        ("another port", good, |c| the_marker(c).port = "web".parse().unwrap(), &["HP-VOL-004"]),
        ("another instance", good, |c| the_marker(c).instance = "bob".parse().unwrap(), &["HP-VOL-004"]),
        ("another volume", good, |c| the_marker(c).volume = "keys".parse().unwrap(), &["HP-VOL-004"]),
        (
            "another instance, never seen",
            || Case { known: None, ..good() },
            |c| the_marker(c).instance = "bob".parse().unwrap(),
            &["HP-VOL-004"],
        ),
        (
            "another identity",
            good,
            |c| {
                the_marker(c).uuid = uuid(2);
                set_stamp(c, StampFact::Absent);
            },
            &["HP-VOL-004"],
        ),
        (
            "data of another volume",
            good,
            |c| set_stamp(c, StampFact::Stamp { uuid: uuid(2), format: Format::new(2) }),
            &["HP-VOL-004"],
        ),
        ("a strange stamp", good, |c| set_stamp(c, StampFact::Strange("x".into())), &["HP-VOL-004"]),
        ("blank", || Case { known: good().known, ..empty() }, |_| {}, &["HP-VOL-005"]),
        (
            "blank, though nothing is remembered",
            || Case { known: good().known, ..empty() },
            |c| c.known.as_mut().unwrap().data = Remembered::Nothing,
            &["HP-VOL-005"],
        ),
        ("data empty", good, |c| set_filling(c, Filling::Empty), &["HP-VOL-005"]),
        (
            "data empty, ledger lost, once used",
            || Case { known: None, ..good() },
            |c| set_filling(c, Filling::Empty),
            &["HP-VOL-005"],
        ),
        ("data gone", good, |c| the_content(c).data = DataFact::Absent, &["HP-VOL-005"]),
        ("data no directory", good, |c| the_content(c).data = DataFact::NotADirectory, &["HP-VOL-005"]),
        (
            "format newer",
            good,
            |c| {
                the_marker(c).format = Format::new(3);
                set_stamp(c, StampFact::Stamp { uuid: uuid(1), format: Format::new(3) });
            },
            &["HP-VOL-006"],
        ),
        (
            "format older",
            good,
            |c| {
                c.request.format = Format::new(9);
                c.request.min_format = Format::new(3);
            },
            &["HP-VOL-006"],
        ),
        (
            "migration interrupted",
            good,
            |c| set_stamp(c, StampFact::Stamp { uuid: uuid(1), format: Format::new(1) }),
            &["HP-VOL-006"],
        ),
        ("old copy", good, |c| the_marker(c).generation = Generation::new(4), &["HP-VOL-007"]),
        ("read-only", good, |c| c.facts.place.as_mut().unwrap().read_only = true, &["HP-VOL-008"]),
        ("read-only before creation", empty, |c| c.facts.place.as_mut().unwrap().read_only = true, &["HP-VOL-008"]),
        ("turned read-only", good, |c| the_content(c).probe = ProbeFact::ReadOnly, &["HP-VOL-008"]),
        ("write fails", good, |c| the_content(c).probe = ProbeFact::Failed("EIO".into()), &["HP-VOL-008"]),
        ("volume open to others", good, |c| the_content(c).owner.mode = Mode::new(0o755), &["HP-VOL-009"]),
        (
            "home of somebody else",
            good,
            |c| the_content(c).home = HomeFact::Present { owner: OWNER, strangers: vec![] },
            &["HP-VOL-009"],
        ),
        // The directory, and what is in it.
        ("another uid", good, |c| c.request.owner.uid = Uid::new(5000), &["HP-VOL-009", "HP-VOL-009"]),
        ("another mode", good, |c| c.request.owner.mode = Mode::new(0o750), &["HP-VOL-009"]),
        ("too few bytes", good, |c| c.request.reserve.bytes = Bytes::new(1001), &["HP-VOL-010"]),
        ("too few inodes", good, |c| c.request.reserve.inodes = Inodes::new(11), &["HP-VOL-010"]),
        ("too few bytes to create", default_path, |c| c.request.reserve.bytes = Bytes::new(1001), &["HP-VOL-010"]),
        (
            "full",
            good,
            |c| {
                c.request.reserve = Reserve { bytes: Bytes::new(2000), inodes: Inodes::new(20) };
                the_content(c).probe = ProbeFact::Full;
            },
            &["HP-VOL-010", "HP-VOL-010"],
        ),
        ("quota", good, |c| the_content(c).probe = ProbeFact::Full, &["HP-VOL-010"]),
        ("held by a container", good, |c| c.request.in_use_by = Some("container x".into()), &["HP-VOL-011"]),
        ("locked", good, |c| the_content(c).lock = LockFact::Held, &["HP-VOL-011"]),
        (
            "seen by a process",
            good,
            |c| c.facts.users = vec![User { pid: 7, command: "sh".into(), mount_point: "/x".into() }],
            &["HP-VOL-011"],
        ),
        ("the same directory", empty, |c| c.facts.overlaps = vec![overlap(Relation::Same)], &["HP-VOL-012"]),
        ("inside another", good, |c| c.facts.overlaps = vec![overlap(Relation::Inside)], &["HP-VOL-012"]),
        ("around another", good, |c| c.facts.overlaps = vec![overlap(Relation::Around)], &["HP-VOL-012"]),
        (
            "a mount inside",
            good,
            |c| c.facts.mounts_inside = vec![PathBuf::from("/mnt/disk/home/data/x")],
            &["HP-VOL-012"],
        ),
        ("nearly everything gone", good, |c| counted(c, (1000, 1 << 30), (99, 1 << 20)), &["HP-VOL-015"]),
        ("nearly all of many small files gone", good, |c| counted(c, (1000, 1000), (5, 990)), &["HP-VOL-015"]),
        ("the image's user changed", good, |c| drifted(c, &[(1000, 90), (0, 10)]), &["HP-VOL-009"]),
        ("a network file system", empty, |c| c.facts.place.as_mut().unwrap().fs.kind = "nfs4".into(), &["HP-VOL-016"]),
        (
            "a known volume on FUSE",
            good,
            |c| {
                let kind = "fuse.sshfs".to_owned();
                let fs = FsIdentity { kind, uuid: None, fsid: None };
                c.known.as_mut().unwrap().fs = fs.clone();
                c.facts.place.as_mut().unwrap().fs = fs;
            },
            &["HP-VOL-016"],
        ),
        ("an overlay", empty, |c| c.facts.place.as_mut().unwrap().fs.kind = "overlay".into(), &["HP-VOL-013"]),
        ("tmpfs", empty, |c| c.facts.place.as_mut().unwrap().fs.kind = "tmpfs".into(), &["HP-VOL-013"]),
        (
            "everything at once",
            good,
            |c| {
                c.request.in_use_by = Some("container x".into());
                c.facts.mounts_inside = vec!["/mnt/disk/home/data/x".into()];
                c.facts.place.as_mut().unwrap().fs = disk(9);
                c.facts.place.as_mut().unwrap().read_only = true;
                c.facts.place.as_mut().unwrap().free_bytes = Bytes::new(1);
                the_marker(c).generation = Generation::new(1);
                the_marker(c).format = Format::new(9);
                set_stamp(c, StampFact::Absent);
                set_filling(c, Filling::Empty);
                the_content(c).owner = OWNER;
            },
            &[
                "HP-VOL-002",
                "HP-VOL-005",
                "HP-VOL-006",
                "HP-VOL-007",
                "HP-VOL-008",
                "HP-VOL-009",
                "HP-VOL-010",
                "HP-VOL-011",
                "HP-VOL-012",
            ],
        ),
    ];
    for (name, base, edit, codes) in rows {
        let mut case = base();
        edit(&mut case);
        assert_eq!(verdict(&case), Err(codes.to_vec()), "{name}");
    }
}

fn missing() -> PathFact {
    PathFact::Missing { first: "/mnt/disk/home".into() }
}

fn link(real: Option<&str>) -> PathFact {
    PathFact::Link { component: "/mnt".into(), target: "/real".into(), real: real.map(PathBuf::from) }
}

fn fstab() -> FstabEntry {
    FstabEntry { source: "/dev/sdb1".into(), point: "/mnt/disk".into() }
}

fn invalid() -> MarkerFact {
    MarkerFact::Invalid(vec![MarkerFault::Empty, MarkerFault::Form])
}

fn overlap(relation: Relation) -> Overlap {
    Overlap { label: "volume mail of bob".into(), path: "/mnt/disk/mail".parse().unwrap(), relation }
}

#[test]
fn the_words_say_what_is_wrong_wanted_and_next() {
    let mut case = good();
    case.facts.path = missing();
    case.facts.lost_mount = Some("/mnt/disk".parse().unwrap());
    let faults = decide(&case.request, case.known.as_ref(), &case.facts).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "the disk that volume `home` lives on is not mounted: found nothing mounted at `/mnt/disk`, wanted \
         `ext4 00000000-0000-0000-0000-000000000001` mounted at `/mnt/disk`"
    );
    let purge = "homeport purge alice --dry-run";
    let wanted = "mount the disk at `/mnt/disk` and repeat the command; where it is gone for good, look at";
    assert_eq!(faults[0].remedy, format!("{wanted} `{purge}`"));
    let mut case = good();
    case.request.format = Format::new(4);
    case.request.min_format = Format::new(3);
    let faults = decide(&case.request, case.known.as_ref(), &case.facts).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "the format of volume `home` is older than the image works with: migration needed: found format 2, wanted format 3 \
         to 4"
    );
}

#[test]
fn what_is_worth_telling_is_told_and_refuses_nothing() {
    let rows: [(&str, Edit, &[&str]); 10] = [
        ("nothing", |_| {}, &[]),
        ("half of the entries gone", |c| counted(c, (1000, 1 << 30), (400, 1 << 30)), &["HP-VOL-015"]),
        ("half of the bytes gone", |c| counted(c, (1000, 1 << 30), (1000, 1 << 20)), &["HP-VOL-015"]),
        ("a little gone", |c| counted(c, (1000, 1 << 30), (501, 1 << 29)), &[]),
        ("more than can be seen", |c| the_content(c).sample.as_mut().unwrap().reached = Reached::Part, &[]),
        ("all of root", |c| drifted(c, &[(0, 100)]), &["HP-VOL-009"]),
        ("no programs", |c| c.facts.place.as_mut().unwrap().no_exec = true, &["HP-VOL-017"]),
        ("no attributes", |c| set_stamp(c, StampFact::Unsupported), &["HP-VOL-019"]),
        (
            "a wrong label",
            |c| the_content(c).label = LabelFact::Enforced(Some("system_u:object_r:user_home_t:s0".into())),
            &["HP-VOL-018"],
        ),
        (
            "a right label",
            |c| the_content(c).label = LabelFact::Enforced(Some("system_u:object_r:container_file_t:s0".into())),
            &[],
        ),
    ];
    for (name, edit, codes) in rows {
        let mut case = good();
        edit(&mut case);
        verdict(&case).unwrap();
        let told = notices(&case.request, case.known.as_ref(), &case.facts);
        assert_eq!(told.iter().map(|notice| notice.code).collect::<Vec<_>>(), codes, "{name}");
        assert!(told.iter().all(|notice| !notice.remedy.is_empty() && !notice.actual.is_empty()), "{name}");
        case.request.access = Access::Shared;
        assert!(notices(&case.request, case.known.as_ref(), &case.facts).is_empty(), "{name}");
    }
}

/// A case with any of these edits on it, in any order.
fn any_case() -> impl Strategy<Value = Case> {
    let edits: [Edit; 30] = [
        |c| c.known = None,
        |c| c.facts.path = missing(),
        |c| c.facts.path = link(None),
        |c| c.facts.content = None,
        |c| c.facts.content = empty().facts.content,
        |c| c.facts.content = Some(content()),
        |c| c.facts.place = None,
        |c| c.facts.unmounted = Some(fstab()),
        |c| c.facts.lost_mount = Some("/mnt/disk".parse().unwrap()),
        |c| c.facts.data_root_exists = false,
        |c| c.facts.overlaps = vec![overlap(Relation::Same)],
        |c| c.facts.mounts_inside = vec!["/mnt/disk/home/data/x".into()],
        |c| c.request.origin = Origin::Default { data_root: "/mnt".parse().unwrap() },
        |c| c.request.path = "/mnt/disk/other".parse().unwrap(),
        |c| c.request.access = Access::ReadOnly,
        |c| c.request.format = Format::new(9),
        |c| c.request.in_use_by = Some("x".into()),
        |c| c.facts.content.iter_mut().for_each(|c| c.marker = MarkerFact::Absent),
        |c| c.facts.content.iter_mut().for_each(|c| c.marker = invalid()),
        |c| c.facts.content.iter_mut().for_each(|c| c.home = HomeFact::Absent),
        |c| c.facts.content.iter_mut().for_each(|c| c.data = DataFact::Absent),
        |c| c.facts.content.iter_mut().for_each(|c| c.strangers = vec!["x".into()]),
        |c| c.facts.content.iter_mut().for_each(|c| c.owner = OWNER),
        |c| c.facts.content.iter_mut().for_each(|c| c.lock = LockFact::Held),
        |c| c.facts.place.iter_mut().for_each(|p| p.fs = disk(9)),
        |c| c.facts.place.iter_mut().for_each(|p| p.read_only = true),
        |c| c.known.iter_mut().for_each(|k| k.data = Remembered::Nothing),
        |c| c.known.iter_mut().for_each(|k| k.generation = Generation::new(99)),
        |c| c.known.iter_mut().for_each(|k| k.uuid = uuid(7)),
        |c| {
            c.facts.content.iter_mut().for_each(|c| {
                c.data = DataFact::Present { owner: OWNER, filling: Filling::Empty, stamp: StampFact::Absent };
            });
        },
    ];
    (any::<bool>(), proptest::collection::vec(0..edits.len(), 0..6)).prop_map(move |(used, chosen)| {
        let mut case = if used { good() } else { empty() };
        for edit in chosen {
            edits[edit](&mut case);
        }
        case
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_known_volume_is_never_created(case in any_case()) {
        if let Ok(Verdict::Create(_)) = decide(&case.request, case.known.as_ref(), &case.facts) {
            prop_assert!(case.known.is_none());
        }
    }

    #[test]
    fn nothing_is_created_where_there_is_anything(case in any_case()) {
        if let Ok(Verdict::Create(_)) = decide(&case.request, case.known.as_ref(), &case.facts) {
            let Some(content) = &case.facts.content else { return Ok(()) };
            prop_assert_eq!(&content.marker, &MarkerFact::Absent);
            prop_assert!(content.strangers.is_empty());
            let filled = matches!(content.data, DataFact::Present { filling: Filling::Filled, .. } | DataFact::NotADirectory);
            prop_assert!(!filled);
        }
    }

    #[test]
    fn only_the_volume_that_is_meant_is_attached_and_never_as_new_with_data(case in any_case()) {
        if let Ok(Verdict::Attach { marker, novelty }) = decide(&case.request, case.known.as_ref(), &case.facts) {
            let named = (&marker.root, &marker.port, &marker.instance, &marker.volume);
            prop_assert_eq!(named, (&case.request.root, &case.request.port, &case.request.instance, &case.request.volume));
            prop_assert!((case.request.min_format..=case.request.format).contains(&marker.format));
            prop_assert!(case.known.iter().all(|k| k.uuid == marker.uuid && k.generation <= marker.generation));
            let filled = matches!(
                case.facts.content.as_ref().map(|content| &content.data),
                Some(DataFact::Present { filling: Filling::Filled, .. })
            );
            prop_assert_eq!(novelty == Novelty::Used, filled);
        }
    }

    #[test]
    fn a_refusal_names_a_fault_and_is_sorted(case in any_case()) {
        if let Err(faults) = decide(&case.request, case.known.as_ref(), &case.facts) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.is_sorted_by(|one, two| one.code <= two.code));
        }
    }
}
