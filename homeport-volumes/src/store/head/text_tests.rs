//! What a snapshot's text can and cannot say. Never touches a file.

use homeport_core::digest::Digest;
use proptest::prelude::*;

use super::*;
use crate::identity::{RootId, VolumeUuid};
use crate::store::identity::{EntriesId, ObjectId, SnapshotUuid};
use crate::tree::Timestamp;

fn head() -> SnapshotHead {
    SnapshotHead {
        sequence: Sequence::new(12).unwrap(),
        body: SnapshotBody {
            uuid: SnapshotUuid::from_bytes([5; 16]),
            taken: Timestamp::new(1_795_400_000, 7).unwrap(),
            root: RootId::from_bytes([0x5e, 0x1f, 0x9a, 2]),
            instance: "alice-shell".parse().unwrap(),
            port: "shell".parse().unwrap(),
            version: "1.0.0".to_owned(),
            image: Some(Digest::new([1; 32])),
            manifest: Some(ObjectId::of(b"manifest")),
            configuration: None,
            reason: Reason::Manual,
            consistency: Consistency::Stopped,
            note: Some("before the\nmove, 100 %".to_owned()),
            volumes: vec![VolumePart {
                name: "home".parse().unwrap(),
                uuid: VolumeUuid::from_bytes([9; 16]),
                format: Format::new(1),
                generation: Generation::new(4),
                owner: Owner { uid: Uid::new(5000), gid: Gid::new(5000), mode: Mode::new(0o750) },
                entries: EntriesId::new([3; 32]),
                count: 10,
                bytes: 20_000,
            }],
            alarms: vec![Alarm { volume: "home".parse().unwrap(), measure: Measure::Entries, before: 1000, now: 10 }],
            parent: Some(SnapshotUuid::from_bytes([4; 16])),
        },
    }
}

/// The text with a checksum that fits, whatever else is wrong with it.
fn resealed(text: &str) -> Vec<u8> {
    let before = &text[..text.rfind("sha256 ").unwrap_or(text.len())];
    format!("{before}sha256 {}\n", sum(before.as_bytes()).as_str()).into_bytes()
}

#[test]
fn a_snapshot_is_a_text_that_people_can_read() {
    let text = String::from_utf8(head().render()).unwrap();
    let wanted = "homeport-snapshot 1\nuuid 05050505-0505-0505-0505-050505050505\nsequence 12\n\
                  taken 1795400000.000000007\nroot 5e1f9a02\ninstance alice-shell\nport shell\nversion 1.0.0\nimage sha256:";
    assert!(text.starts_with(wanted), "{text}");
    assert!(text.contains("\nnote before\\040the\\012move\\054\\040100\\040\\045\n"), "{text}");
    assert!(text.contains("\nalarm home entries 1000 10\nparent 04040404-"), "{text}");
    assert_eq!(SnapshotHead::parse(text.as_bytes()), Ok(head()));
}

#[test]
fn what_may_be_missing_is_told_apart_from_a_dash() {
    let mut plain = head();
    plain.body.note = None;
    (plain.body.image, plain.body.manifest, plain.body.parent) = (None, None, None);
    plain.body.alarms.clear();
    assert_eq!(SnapshotHead::parse(&plain.render()), Ok(plain.clone()));
    plain.body.note = Some("-".to_owned());
    plain.body.version = "-".to_owned();
    assert_eq!(SnapshotHead::parse(&plain.render()), Ok(plain));
}

#[test]
fn each_changed_byte_and_each_cut_is_noticed() {
    let good = head().render();
    for at in 0..good.len() {
        for flip in [1, 2, 0x10, 0x20, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(SnapshotHead::parse(&bad).is_err(), "{at} {flip}");
        }
        assert!(SnapshotHead::parse(&good[..at]).is_err(), "{at}");
    }
    assert_eq!(SnapshotHead::parse(&good[..good.len() - 80]), Err(HeadFault::Truncated));
}

/// One row for each rule: an edit, with a checksum that fits again.
#[test]
fn a_snapshot_that_says_nonsense_is_refused() {
    let text = String::from_utf8(head().render()).unwrap();
    let rows: &[(&str, &str)] = &[
        ("uuid 0505", "uuid 05g5"),
        ("sequence 12", "sequence 012"),
        ("sequence 12", "sequence 0"),
        ("sequence 12", "sequence 100000000"),
        ("taken 1795400000.000000007", "taken 1795400000"),
        ("root 5e1f9a02", "root 5E1F9A02"),
        ("instance alice-shell", "instance Alice"),
        ("port shell", "prt shell"),
        ("version 1.0.0", "version "),
        ("version 1.0.0", "version 1.0 0"),
        ("image sha256:", "image md5:"),
        ("configuration -", "configuration --"),
        ("reason manual", "reason mood"),
        ("consistency stopped", "consistency Stopped"),
        ("note before\\040the", "note before the"),
        ("volume home", "volume  home"),
        ("0750", "750"),
        ("20000\n", "20000 1\n"),
        ("20000\n", "+20000\n"),
        ("alarm home entries", "alarm home mails"),
        ("1000 10\n", "1000\n"),
        ("parent 0404", "parent 0404-"),
        ("parent 04040404-0404-0404-0404-040404040404", "parent 05050505-0505-0505-0505-050505050505"),
        ("\nport shell", ""),
        ("port shell\n", "port shell\nport shell\n"),
        ("homeport-snapshot 1", "homeport-snapshot one"),
        ("sha256 ", "parent -\nsha256 "),
    ];
    for (from, to) in rows {
        assert!(text.contains(from), "{from}");
        let bad = resealed(&text.replacen(from, to, 1));
        assert!(SnapshotHead::parse(&bad).is_err(), "{from} -> {to}");
    }
    let newer = resealed(&text.replace("snapshot 1\n", "snapshot 2\n"));
    assert_eq!(SnapshotHead::parse(&newer), Err(HeadFault::Newer { found: "2".to_owned() }));
    let mut double = head();
    double.body.volumes.push(double.body.volumes[0].clone());
    assert!(matches!(SnapshotHead::parse(&double.render()), Err(HeadFault::Contradiction { .. })));
    // A port without volumes has a configuration all the same.
    double.body.volumes.clear();
    assert_eq!(SnapshotHead::parse(&double.render()), Ok(double));
    let long = vec![b'x'; MAX_BYTES + 1];
    assert_eq!(SnapshotHead::parse(&long), Err(HeadFault::TooLong { limit: MAX_BYTES }));
}

proptest! {
    #[test]
    fn any_note_comes_back(note in ".{1,40}", sequence in 1_u32..=99_999_999, count: u64, before: u64) {
        let mut one = head();
        one.sequence = Sequence::new(sequence).unwrap();
        one.body.note = Some(note);
        one.body.volumes[0].count = count;
        one.body.alarms[0].before = before;
        prop_assert_eq!(SnapshotHead::parse(&one.render()), Ok(one));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _judged = SnapshotHead::parse(&bytes);
    }
}
