//! Each rule of what is kept beside the live volumes, and that a ledger of the first schema loses nothing.

use std::path::PathBuf;

use homeport_core::digest::Digest;
use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;
use homeport_core::unit::{Bytes, Seconds};
use homeport_router::{RouteId, RouteRules};
use homeport_volumes::TxId;
use homeport_volumes::store::{Sequence, SnapshotUuid, StoreUuid};
use uuid::Uuid;

use super::sample::{Root, config, event, instance, now, operation, route, volume};
use crate::ledger::*;

/// Opens a fresh ledger for writing as `$writer`.
macro_rules! fresh {
    ($root:ident, $writer:ident) => {
        let $root = Root::new();
        let lock = $root.lock();
        let mut $writer = LedgerWriter::open(&lock).unwrap();
    };
}

fn later() -> Time {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 + number)
}

fn snapshot(number: u128) -> SnapshotUuid {
    SnapshotUuid::from_bytes(uuid(number).into_bytes())
}

fn tx(number: u128) -> TxId {
    TxId::from_bytes(uuid(number).into_bytes())
}

fn store(number: u128) -> StoreRecord {
    StoreRecord {
        uuid: StoreUuid::from_bytes(uuid(number).into_bytes()),
        path: PathBuf::from("/srv/store"),
        created: now(),
        scrub: None,
    }
}

fn in_trash(number: u128, record: Option<VolumeRecord>) -> TrashRecord {
    TrashRecord {
        tx: tx(number),
        bundle: tx(number / 10),
        reason: if record.is_some() { TrashReason::Purge } else { TrashReason::Restore },
        volume: volume(1, "alice", "home").uuid.parse().unwrap(),
        instance: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        name: "home".parse().unwrap(),
        path: PathBuf::from("/srv/1"),
        record,
        snapshot: Some(snapshot(7)),
        entries: u64::MAX >> 1,
        bytes: Bytes::new(5),
        since: now(),
        until: later(),
    }
}

#[test]
fn a_known_store_is_never_replaced() {
    fresh!(root, writer);
    assert_eq!(writer.set_scrub(&now(), "nothing to look at").unwrap(), Change::Unchanged);
    assert_eq!(writer.put_store(&store(1)).unwrap(), Change::Changed);
    assert_eq!(writer.set_scrub(&later(), "3 objects, none damaged").unwrap(), Change::Changed);
    assert_eq!(writer.put_store(&store(1)).unwrap(), Change::Unchanged);
    let scrub = Some((later(), "3 objects, none damaged".to_owned()));
    assert_eq!(root.ledger().store().unwrap(), Some(StoreRecord { scrub, ..store(1) }));
    let moved = StoreRecord { path: PathBuf::from("/srv/elsewhere"), ..store(1) };
    for other in [store(2), moved] {
        let error = writer.put_store(&other).unwrap_err();
        assert_eq!(error.code(), "HP-LED-036", "{error}");
        assert!(error.help().unwrap().contains("`/srv/store`"));
    }
    let relative = StoreRecord { path: PathBuf::from("store"), ..store(1) };
    assert_eq!(writer.put_store(&relative).unwrap_err().code(), "HP-LED-035");
}

#[test]
fn a_snapshot_has_one_mark_of_each_kind() {
    fresh!(root, writer);
    let mark = |kind, note: &str| SnapshotMark { snapshot: snapshot(1), kind, at: now(), note: note.into() };
    assert_eq!(writer.mark_snapshot(&mark(MarkKind::Verified, "a")).unwrap(), Change::Changed);
    assert_eq!(writer.mark_snapshot(&mark(MarkKind::Verified, "a")).unwrap(), Change::Unchanged);
    assert_eq!(writer.mark_snapshot(&mark(MarkKind::Verified, "b")).unwrap(), Change::Changed);
    assert_eq!(writer.mark_snapshot(&mark(MarkKind::Acknowledged, "")).unwrap(), Change::Changed);
    let other = SnapshotMark { snapshot: snapshot(2), ..mark(MarkKind::Damaged, "c") };
    // What was found last counts, by whatever clock.
    let earlier = SnapshotMark { snapshot: snapshot(2), at: Time::of_unix(1, 0), ..mark(MarkKind::Verified, "d") };
    for found in [&other, &earlier, &other] {
        assert_eq!(writer.mark_snapshot(found).unwrap(), Change::Changed);
        let of_other = |mark: &SnapshotMark| mark.snapshot == snapshot(2);
        let marks: Vec<_> = writer.snapshot_marks().unwrap().into_iter().filter(of_other).collect();
        assert_eq!(marks, std::slice::from_ref(found));
    }
    let wanted = [mark(MarkKind::Acknowledged, ""), mark(MarkKind::Verified, "b"), other.clone()];
    assert_eq!(root.ledger().snapshot_marks().unwrap(), wanted);
    assert_eq!(writer.forget_snapshot(snapshot(1)).unwrap(), Change::Changed);
    assert_eq!(writer.forget_snapshot(snapshot(1)).unwrap(), Change::Unchanged);
    assert_eq!(writer.snapshot_marks().unwrap(), [other]);
}

fn record(number: u32) -> SnapshotRecord {
    SnapshotRecord {
        uuid: snapshot(number.into()),
        sequence: Sequence::new(number).unwrap(),
        instance: "alice".parse().unwrap(),
        taken: now(),
    }
}

#[test]
fn a_snapshot_that_was_made_is_known_until_it_is_removed() {
    fresh!(root, writer);
    assert_eq!(writer.record_snapshots(&[record(2), record(1)]).unwrap(), Change::Changed);
    let other = SnapshotRecord { taken: later(), ..record(1) };
    assert_eq!(writer.record_snapshots(&[other, record(2)]).unwrap(), Change::Unchanged);
    assert_eq!(root.ledger().snapshots().unwrap(), [record(1), record(2)]);
    assert_eq!(writer.forget_snapshot(snapshot(1)).unwrap(), Change::Changed);
    assert_eq!(writer.forget_snapshot(snapshot(1)).unwrap(), Change::Unchanged);
    assert_eq!(root.ledger().snapshots().unwrap(), [record(2)]);
}

#[test]
fn a_store_that_is_given_up_takes_what_is_known_of_its_snapshots_along() {
    fresh!(root, writer);
    let mark = SnapshotMark { snapshot: snapshot(1), kind: MarkKind::Verified, at: now(), note: "a".into() };
    writer.put_store(&store(1)).unwrap();
    writer.record_snapshots(&[record(1)]).unwrap();
    writer.mark_snapshot(&mark).unwrap();
    let put_back = RestoredRecord {
        volume: volume(1, "alice", "home").uuid.parse().unwrap(),
        snapshot: Some(snapshot(1)),
        newest: Sequence::new(1),
        entries: 40,
        bytes: Bytes::new(7),
        at: now(),
    };
    writer.put_restored(&put_back).unwrap();
    let other = store(2).uuid;
    assert_eq!(writer.give_up_store(other).unwrap(), Change::Unchanged);
    let ledger = root.ledger();
    assert_eq!((ledger.snapshots().unwrap(), ledger.snapshot_marks().unwrap()), (vec![record(1)], vec![mark]));
    assert_eq!(writer.give_up_store(store(1).uuid).unwrap(), Change::Changed);
    let ledger = root.ledger();
    assert_eq!((ledger.snapshots().unwrap(), ledger.snapshot_marks().unwrap()), (vec![], vec![]));
    assert_eq!(
        ledger.restored().unwrap(),
        [RestoredRecord { newest: None, ..put_back }],
        "any snapshot to come is newer"
    );
    assert_eq!(ledger.store().unwrap(), None);
    assert_eq!(writer.put_store(&store(2)).unwrap(), Change::Changed);
}

/// A ledger that knows marks and not which snapshots were made loses nothing, and learns them from the store.
/// Takes away what the fifth schema added.
fn without_fifth_schema(connection: &rusqlite::Connection) {
    connection
        .execute_batch(
            "DROP INDEX route_public; ALTER TABLE route DROP COLUMN transport;
             CREATE UNIQUE INDEX route_public ON route (port, listen);",
        )
        .unwrap();
}

#[test]
fn a_ledger_of_the_second_schema_knows_no_snapshot_at_first() {
    let root = Root::new();
    let mark = SnapshotMark { snapshot: snapshot(1), kind: MarkKind::Verified, at: now(), note: "a".into() };
    {
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        writer.put_store(&store(1)).unwrap();
        writer.mark_snapshot(&mark).unwrap();
    }
    let connection = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    without_third_schema(&connection);
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let read = root.ledger();
    assert_eq!((read.snapshots().unwrap(), read.snapshot_marks().unwrap()), (vec![], vec![mark.clone()]));
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    assert_eq!(writer.record_snapshots(&[record(1)]).unwrap(), Change::Changed);
    assert_eq!((writer.store().unwrap(), writer.snapshot_marks().unwrap()), (Some(store(1)), vec![mark]));
    assert!(root.layout.state_dir().join("ledger.sqlite.schema-2").exists());
}

#[test]
fn a_volume_was_put_back_to_one_thing_last() {
    fresh!(root, writer);
    let record = |number, newest, entries| RestoredRecord {
        volume: volume(number, "alice", "home").uuid.parse().unwrap(),
        snapshot: Some(snapshot(1)),
        newest: Sequence::new(newest),
        entries,
        bytes: Bytes::new(7),
        at: now(),
    };
    let (first, second) = (record(1, 0, 40), record(2, 3, 50));
    assert_eq!(writer.put_restored(&first).unwrap(), Change::Changed);
    assert_eq!(writer.put_restored(&first).unwrap(), Change::Unchanged);
    writer.put_restored(&second).unwrap();
    let again = RestoredRecord { snapshot: None, newest: Sequence::new(9), at: later(), ..first };
    assert_eq!(writer.put_restored(&again).unwrap(), Change::Changed);
    let mut wanted = vec![again, second];
    wanted.sort_by_key(|record| record.volume.to_string());
    assert_eq!(root.ledger().restored().unwrap(), wanted);
    let many = RestoredRecord { entries: u64::MAX, ..record(3, 1, 1) };
    assert_eq!(writer.put_restored(&many).unwrap_err().code(), "HP-LED-035");
}

#[test]
fn an_approval_is_given_once_and_used_once() {
    fresh!(root, writer);
    let record = ApprovalRecord {
        token: Digest::new([1; 32]),
        command: "purge alice".into(),
        digest: Digest::new([2; 32]),
        facts: "{}".into(),
        issued: now(),
        expires: later(),
        used: None,
    };
    assert_eq!(writer.use_approval(&record.token, &later()).unwrap(), Change::Unchanged);
    assert_eq!(writer.add_approval(&record).unwrap(), Change::Changed);
    let forged = ApprovalRecord { command: "purge bob".into(), ..record.clone() };
    assert_eq!(writer.add_approval(&forged).unwrap(), Change::Unchanged);
    assert_eq!(root.ledger().approval(&record.token).unwrap(), Some(record.clone()));
    assert_eq!(writer.use_approval(&record.token, &later()).unwrap(), Change::Changed);
    assert_eq!(writer.use_approval(&record.token, &now()).unwrap(), Change::Unchanged);
    let used = ApprovalRecord { used: Some(later()), ..record.clone() };
    assert_eq!(writer.approval(&record.token).unwrap(), Some(used));
    assert_eq!(writer.approval(&Digest::new([3; 32])).unwrap(), None);
}

#[test]
fn old_approvals_are_forgotten_and_new_ones_never() {
    fresh!(root, writer);
    let record = |n: u16| ApprovalRecord {
        token: Digest::new([n.to_be_bytes(); 16].concat().try_into().unwrap()),
        command: String::new(),
        digest: Digest::new([0; 32]),
        facts: "{}".into(),
        issued: now().after(std::time::Duration::from_secs(n.into())),
        expires: later(),
        used: None,
    };
    let write = writer.together(|writer| (0..1_005).try_for_each(|n| writer.add_approval(&record(n)).map(|_| ())));
    write.unwrap();
    let ledger = root.ledger();
    for (n, is_known) in [(0, false), (4, false), (5, true), (1_004, true)] {
        assert_eq!(ledger.approval(&record(n).token).unwrap().is_some(), is_known, "{n}");
    }
}

#[test]
fn only_purging_gives_a_volume_with_data_up_and_the_trash_remembers_it() {
    fresh!(root, writer);
    let held = VolumeRecord { has_data: HasData::Yes, generation: 9, ..volume(1, "alice", "home") };
    writer.put_volume(&held).unwrap();
    assert_eq!(writer.forget_volume(&held.uuid).unwrap_err().code(), "HP-LED-033");
    let purged = in_trash(11, Some(held.clone()));
    let stranger = TrashRecord { volume: volume(2, "a", "b").uuid.parse().unwrap(), ..in_trash(12, None) };
    assert_eq!(writer.purge_volume(&stranger).unwrap_err().code(), "HP-LED-028");
    assert_eq!(writer.trash().unwrap(), []);
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.purge_volume(&purged).unwrap(), wanted);
    }
    assert_eq!(writer.all_volumes().unwrap(), []);
    assert_eq!(root.ledger().trash().unwrap(), std::slice::from_ref(&purged));
    // The place is free again, and the way back takes it only where it still is.
    writer.put_volume(&purged.record.clone().unwrap()).unwrap();
    assert_eq!(writer.remove_trash(purged.tx).unwrap(), Change::Changed);
    assert_eq!(writer.remove_trash(purged.tx).unwrap(), Change::Unchanged);
    assert_eq!(writer.all_volumes().unwrap(), [held]);
}

#[test]
fn what_one_command_put_into_the_trash_is_found_together() {
    fresh!(root, writer);
    for number in [11, 12, 23] {
        writer.put_trash(&in_trash(number, None)).unwrap();
    }
    let found = |of: u128| root.ledger().trash_of(tx(of)).unwrap().into_iter().map(|one| one.tx).collect::<Vec<_>>();
    assert_eq!(found(1), [tx(11), tx(12)]);
    assert_eq!(found(2), [tx(23)]);
    assert_eq!(found(12), [tx(12)]);
    assert!(found(9).is_empty());
    let changed = TrashRecord { reason: TrashReason::Undo, ..in_trash(11, None) };
    assert_eq!(writer.put_trash(&changed).unwrap(), Change::Changed);
    assert_eq!(writer.trash_of(tx(11)).unwrap(), [changed]);
    let huge = TrashRecord { entries: u64::MAX, ..in_trash(13, None) };
    assert_eq!(writer.put_trash(&huge).unwrap_err().code(), "HP-LED-035");
}

#[test]
fn a_schedule_goes_with_its_instance_and_outlives_every_other_write() {
    fresh!(root, writer);
    let schedule = ScheduleRecord {
        instance: "alice".parse().unwrap(),
        every: Seconds::new(86_400),
        keep: "last=7".into(),
        state: ScheduleState::Enabled,
        next: later(),
        last: Some((now(), "snapshot 3".into())),
        missed: 2,
        rehearsal: None,
    };
    assert_eq!(writer.put_schedule(&schedule).unwrap_err().code(), "HP-LED-026");
    writer.put_instance(&instance("alice")).unwrap();
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.put_schedule(&schedule).unwrap(), wanted);
    }
    writer.put_instance(&InstanceRecord { reference: "other".into(), ..instance("alice") }).unwrap();
    assert_eq!(root.ledger().schedules().unwrap(), std::slice::from_ref(&schedule));
    let paused = ScheduleRecord { state: ScheduleState::Paused, last: None, ..schedule.clone() };
    assert_eq!(writer.put_schedule(&paused).unwrap(), Change::Changed);
    assert_eq!(writer.schedule(&schedule.instance).unwrap(), Some(paused));
    writer.remove_instance(&schedule.instance).unwrap();
    assert_eq!(writer.schedules().unwrap(), []);
    assert_eq!(writer.remove_schedule(&schedule.instance).unwrap(), Change::Unchanged);
}

/// Brings a ledger back to what the first schema was: without what came later.
fn to_first_schema(root: &Root) {
    let connection = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    let tables = ["store", "snapshot_mark", "approval", "trash", "schedule"];
    for table in tables {
        connection.execute_batch(&format!("DROP TABLE {table};")).unwrap();
    }
    without_third_schema(&connection);
    connection.pragma_update(None, "user_version", 1).unwrap();
}

/// Takes away what the third schema added, and what came later.
fn without_third_schema(connection: &rusqlite::Connection) {
    without_fifth_schema(connection);
    connection
        .execute_batch(
            "DROP TABLE route_rules; DROP TABLE former; DROP TABLE retiring; DROP TABLE restored; DROP TABLE snapshot;
             ALTER TABLE instance DROP COLUMN slot;",
        )
        .unwrap();
}

#[test]
fn a_ledger_of_the_second_schema_becomes_one_of_the_third_and_nothing_is_lost() {
    let root = Root::new();
    let name = "alice".parse().unwrap();
    {
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        writer.create_root(&now()).unwrap();
        writer.put_instance(&instance("alice")).unwrap();
        writer.put_config(&name, &config(3)).unwrap();
        writer.put_trash(&in_trash(11, None)).unwrap();
    }
    let connection = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    without_third_schema(&connection);
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    assert_eq!(writer.instances().unwrap(), [instance("alice")], "its slot is the one that it began with");
    assert_eq!(writer.config(&name).unwrap(), config(3));
    assert_eq!(writer.trash().unwrap(), [in_trash(11, None)]);
    let upgraded = TrashRecord { reason: TrashReason::Upgrade, ..in_trash(11, None) };
    assert_eq!(writer.put_trash(&upgraded).unwrap(), Change::Changed);
    assert!(root.layout.state_dir().join("ledger.sqlite.schema-2").exists());
}

#[test]
fn a_ledger_of_the_third_schema_becomes_one_of_the_fourth_and_nothing_is_lost() {
    let root = Root::new();
    {
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        writer.create_root(&now()).unwrap();
        writer.put_instance(&instance("alice")).unwrap();
        writer.put_route(&route("alice", "ssh", "*", 22)).unwrap();
    }
    let connection = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    without_fifth_schema(&connection);
    connection.execute_batch("DROP TABLE route_rules;").unwrap();
    connection.pragma_update(None, "user_version", 3).unwrap();
    drop(connection);
    assert_eq!(root.ledger().route_rules().unwrap().len(), 0, "it is read as it is");
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    assert_eq!(writer.all_routes().unwrap(), [route("alice", "ssh", "*", 22)]);
    let rules = RouteRules { connections: std::num::NonZeroU32::new(7), ..RouteRules::default() };
    assert_eq!(writer.put_route_rules(&route_id("alice", "ssh"), &rules).unwrap(), Change::Changed);
    assert!(root.layout.state_dir().join("ledger.sqlite.schema-3").exists());
}

#[test]
fn a_ledger_of_the_fourth_schema_becomes_one_of_the_fifth_and_its_routes_are_of_tcp() {
    let root = Root::new();
    let rules = RouteRules { connections: std::num::NonZeroU32::new(7), ..RouteRules::default() };
    {
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        writer.create_root(&now()).unwrap();
        writer.put_instance(&instance("alice")).unwrap();
        writer.put_route(&route("alice", "ssh", "*", 22)).unwrap();
        writer.put_route_rules(&route_id("alice", "ssh"), &rules).unwrap();
    }
    let connection = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    without_fifth_schema(&connection);
    connection.pragma_update(None, "user_version", 4).unwrap();
    drop(connection);
    assert_eq!(root.ledger().all_routes().unwrap(), [route("alice", "ssh", "*", 22)], "it is read as it is");
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    assert_eq!(writer.all_routes().unwrap(), [route("alice", "ssh", "*", 22)]);
    assert_eq!(writer.route_rules().unwrap(), [(route_id("alice", "ssh"), rules)].into());
    let names = RouteRecord { transport: Transport::Udp, ..route("alice", "names", "*", 22) };
    assert_eq!(writer.put_route(&names).unwrap(), Change::Changed);
    assert_eq!(root.ledger().all_routes().unwrap(), [names, route("alice", "ssh", "*", 22)]);
    assert!(root.layout.state_dir().join("ledger.sqlite.schema-4").exists());
    // What was written into a record of the version from before, as text, is of TCP too.
    let old = r#"{"instance":"alice","endpoint":"ssh","listen":"*","port":22,"choice":"random","target_port":22}"#;
    assert_eq!(serde_json::from_str::<RouteRecord>(old).unwrap(), route("alice", "ssh", "*", 22));
    assert_eq!(serde_json::to_string(&route("alice", "ssh", "*", 22)).unwrap(), old);
}

fn route_id(instance: &str, endpoint: &str) -> RouteId {
    RouteId { instance: instance.parse().unwrap(), endpoint: endpoint.parse().unwrap() }
}

#[test]
fn the_rules_of_a_route_outlive_its_address_and_go_with_its_instance() {
    fresh!(root, writer);
    let (id, other) = (route_id("alice", "ssh"), route_id("alice", "web"));
    let rules = RouteRules { allow: vec!["10.0.0.0/8".parse().unwrap()], ..RouteRules::default() };
    assert_eq!(writer.put_route_rules(&id, &rules).unwrap_err().code(), "HP-LED-026");
    writer.put_instance(&instance("alice")).unwrap();
    writer.put_route(&route("alice", "ssh", "*", 22)).unwrap();
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.put_route_rules(&id, &rules).unwrap(), wanted);
    }
    assert_eq!(writer.put_route_rules(&other, &RouteRules::default()).unwrap(), Change::Unchanged);
    writer.remove_route(&route("alice", "ssh", "*", 22)).unwrap();
    assert_eq!(root.ledger().route_rules().unwrap(), [(id.clone(), rules.clone())].into());
    let more = RouteRules { per_source: std::num::NonZeroU32::new(2), ..rules };
    writer.put_route_rules(&id, &more).unwrap();
    writer.put_route_rules(&other, &more).unwrap();
    assert_eq!(writer.put_route_rules(&id, &RouteRules::default()).unwrap(), Change::Changed);
    assert_eq!(writer.route_rules().unwrap(), [(other, more)].into());
    writer.remove_instance(&"alice".parse().unwrap()).unwrap();
    assert_eq!(writer.route_rules().unwrap().len(), 0);
}

#[test]
fn the_version_from_before_and_containers_that_retire_go_with_their_instance() {
    let root = Root::new();
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    let name: homeport_core::name::InstanceName = "alice".parse().unwrap();
    let former = FormerRecord {
        instance: name.clone(),
        version: semver::Version::new(1, 0, 0),
        image: Digest::new([3; 32]),
        reference: "homeport/shell:1.0.0".into(),
        manifest: b"{}".to_vec(),
        formats: [("home".parse().unwrap(), homeport_core::unit::Format::new(2))].into(),
        routes: vec![route("alice", "ssh", "*", 22)],
        snapshot: None,
        bundle: TxId::from_bytes([4; 16]),
        until: now(),
    };
    assert!(writer.put_former(&former).is_err(), "there is no such instance");
    writer.put_instance(&instance("alice")).unwrap();
    assert_eq!(writer.put_former(&former).unwrap(), Change::Changed);
    assert_eq!(writer.put_former(&former).unwrap(), Change::Unchanged);
    assert_eq!(root.ledger().former(&name).unwrap(), Some(former.clone()));
    let next = FormerRecord { version: semver::Version::new(1, 1, 0), ..former };
    writer.put_former(&next).unwrap();
    assert_eq!(root.ledger().all_former().unwrap(), [next], "there is one at a time");

    let retiring = |digit: &str, slot| RetiringRecord {
        container: digit.repeat(64).parse().unwrap(),
        instance: name.clone(),
        slot,
        version: semver::Version::new(1, 0, 0),
        grace: Seconds::new(15),
        bundle: TxId::from_bytes([4; 16]),
        since: now(),
        until: now(),
    };
    let one = retiring("a", Slot::First);
    assert_eq!(writer.put_retiring(&one).unwrap(), Change::Changed);
    assert_eq!(writer.put_retiring(&one).unwrap(), Change::Unchanged);
    assert!(writer.put_retiring(&retiring("b", Slot::First)).is_err(), "a slot has one container");
    writer.put_retiring(&retiring("c", Slot::Second)).unwrap();
    assert_eq!(root.ledger().retiring(&name).unwrap().len(), 2);
    assert_eq!(writer.remove_retiring(&one.container).unwrap(), Change::Changed);
    assert_eq!(writer.remove_retiring(&one.container).unwrap(), Change::Unchanged);
    writer.remove_instance(&name).unwrap();
    assert_eq!((writer.all_former().unwrap().len(), writer.all_retiring().unwrap().len()), (0, 0));
}

#[test]
fn what_is_kept_aside_and_taken_over_is_read_back_as_it_was_written() {
    use homeport_core::config::Value;
    use homeport_core::upgrade::{Kept, Origin, Parked, Replacement};
    let root = Root::new();
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    let name = "alice".parse().unwrap();
    writer.put_instance(&instance("alice")).unwrap();
    let over = Some(Value::Whole(7));
    let replaced = Some(Replacement { by: "n".parse().unwrap(), at: semver::Version::new(1, 1, 0), over });
    let kept = Kept { value: Value::Text("quiet".into()), origin: Origin::Given };
    let wanted = InstanceConfig {
        carried: ["n".parse().unwrap()].into(),
        parked: [("old".parse().unwrap(), Parked { kept, replaced })].into(),
        ..config(3)
    };
    assert_eq!(writer.put_config(&name, &wanted).unwrap(), Change::Changed);
    assert_eq!(writer.put_config(&name, &wanted).unwrap(), Change::Unchanged);
    assert_eq!(root.ledger().config(&name).unwrap(), wanted);
}

#[test]
fn a_ledger_of_the_first_schema_becomes_one_of_today_and_nothing_is_lost() {
    let root = Root::new();
    let name = "alice".parse().unwrap();
    let held = VolumeRecord { has_data: HasData::Yes, ..volume(1, "alice", "home") };
    let (id, begun) = {
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        let id = writer.create_root(&now()).unwrap();
        writer.put_instance(&instance("alice")).unwrap();
        writer.put_config(&name, &config(3)).unwrap();
        writer.put_volume(&held).unwrap();
        writer.put_route(&route("alice", "ssh", "*", 22)).unwrap();
        writer.append_event(&event("said")).unwrap();
        let begun = writer.begin_operation(&operation("alice", 2)).unwrap();
        writer.step_begun(begun, 0).unwrap();
        (id, begun)
    };
    to_first_schema(&root);
    let before = std::fs::read(root.layout.ledger_file()).unwrap();
    {
        let read = Ledger::open(&root.layout).unwrap();
        assert_eq!(read.instances().unwrap(), [instance("alice")]);
        assert_eq!(read.open_operation().unwrap().unwrap().0.id, begun);
        assert_eq!((read.store().unwrap(), read.schedules().unwrap()), (None, Vec::new()));
    }
    assert_eq!(std::fs::read(root.layout.ledger_file()).unwrap(), before, "reading brings nothing up to date");
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    assert_eq!(writer.root_id().unwrap(), Some(id));
    assert_eq!(writer.instances().unwrap(), [instance("alice")]);
    assert_eq!(writer.config(&name).unwrap(), config(3));
    assert_eq!(writer.all_volumes().unwrap(), [held]);
    assert_eq!(writer.all_routes().unwrap(), [route("alice", "ssh", "*", 22)]);
    assert_eq!(writer.events(None, 9).unwrap(), [event("said")]);
    let (open, steps) = writer.open_operation().unwrap().unwrap();
    assert_eq!((open.id, steps[0].state, steps[1].state), (begun, StepState::Begun, StepState::Planned));
    assert_eq!(writer.store().unwrap(), None);
    assert_eq!(writer.put_store(&store(1)).unwrap(), Change::Changed);
    assert_eq!(root.ledger().store().unwrap(), Some(store(1)));
    // The way back: what the older HomePort had is there, whole, and nobody else can read it.
    let kept = root.layout.state_dir().join("ledger.sqlite.schema-1");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions()) & 0o777, 0o600);
    let kept = rusqlite::Connection::open(kept).unwrap();
    let number = |sql: &str| kept.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("PRAGMA user_version"), 1);
    assert_eq!(number("SELECT count(*) FROM instance WHERE name = 'alice'"), 1);
    assert_eq!(number("SELECT count(*) FROM sqlite_schema WHERE name = 'trash'"), 0);
}
