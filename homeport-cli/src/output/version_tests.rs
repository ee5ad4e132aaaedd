//! A change of version as it is told, planned, refused and done; history and repair. Of outcomes that are made as values.

use std::collections::BTreeMap;

use homeport_core::digest::Digest;
use homeport_core::fault::Fault;
use homeport_core::unit::{Bytes, Format as DataFormat, Seconds};
use homeport_core::upgrade::Direction;
use homeport_host::approval::{Facts, Issued, Token};
use homeport_host::operation::{
    AlreadyThere, ChangeView, ClientsView, EndedHow, EndedOperation, HistoryLine, MigrationView, MigrationWay,
    OperationError, Outcome, Repaired, Running, SetBackView, SnapshotList, SnapshotView, Upgraded, VersionChanged,
    VersionPlan, WayBackView,
};
use homeport_host::plan::{Kind, Plan, Step};
use homeport_volumes::store::{Consistency, Reason, Sequence};

use super::{Format, HistoryReport, PublicName, RepairReport, Report, VersionReport, render};
use crate::failure::Failure;

fn text(result: &impl super::Render) -> String {
    render(Format::Text, result).unwrap()
}

fn json(result: &impl super::Render) -> serde_json::Value {
    serde_json::from_str(&render(Format::Json, result).unwrap()).unwrap()
}

fn change(asks_for: &'static str, text: &str) -> ChangeView {
    ChangeView { rule: "key-added", asks_for, text: text.to_owned() }
}

fn plan() -> VersionPlan {
    VersionPlan {
        instance: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        from: "1.0.0".parse().unwrap(),
        to: "1.1.0".parse().unwrap(),
        image: Digest::new([0xab; 32]),
        reference: "homeport/shell:1.1.0".to_owned(),
        direction: Direction::Up,
        changes: vec![
            change("patch", "`port.title`: the title is another"),
            change("minor", "`config.banner`: a key was added"),
            change("patch", "`health.ready_seconds`: it may take less long (`60`, then `30`)"),
        ],
        notes: vec!["Old clients find an RSA host key".to_owned()],
        configuration: vec!["`greeting` is kept aside: the other version does not know it".to_owned()],
        migrations: vec![MigrationView {
            volume: "hostkeys".parse().unwrap(),
            from: DataFormat::new(1),
            to: DataFormat::new(2),
            way: MigrationWay::StepsOfNext,
            bytes: Bytes::new(2_100),
            entries: 4,
            present_bytes: Bytes::new(2_100),
            present_entries: 4,
            needs: Bytes::new(4_200),
            within: Seconds::new(60),
        }],
        set_back: None,
        snapshot: vec!["home".parse().unwrap(), "hostkeys".parse().unwrap()],
        clients: ClientsView::Overlap { linger: Seconds::new(86_400) },
        way_back: WayBackView::Reversible,
        needs_approval: None,
        warnings: Vec::new(),
        hash: Digest::new([0xcd; 32]),
        plan: Plan {
            kind: Kind::Upgrade,
            instance: "alice".parse().unwrap(),
            steps: vec![Step::AwaitReady { within: Seconds::new(30) }, Step::Soak { within: Seconds::new(2) }],
        },
    }
}

fn planned(plan: VersionPlan, approval: Option<Issued>, command: &str) -> VersionReport {
    VersionReport::new(Outcome::Planned { plan, approval }, command.to_owned(), &PublicName::Local)
}

fn approval() -> Issued {
    Issued {
        token: Token::from_bits([7; 10]),
        expires: "2026-01-02T04:04:05.000Z".parse().unwrap(),
        facts: Facts::default(),
    }
}

fn changed() -> VersionChanged {
    VersionChanged {
        instance: "alice".parse().unwrap(),
        from: "1.0.0".parse().unwrap(),
        to: "1.1.0".parse().unwrap(),
        snapshot: Some("8f26b100-39e8-47c6-a6ee-cb9a58b63eb1".parse().unwrap()),
        trash: Some("5f0c11d2-39e8-47c6-a6ee-cb9a58b63eb1".parse().unwrap()),
        lingers_until: Some("2026-01-03T03:04:05.000Z".parse().unwrap()),
        way_back: WayBackView::Reversible,
        running: Some(Running {
            instance: "alice".parse().unwrap(),
            port: "shell".parse().unwrap(),
            version: "1.1.0".parse().unwrap(),
            container: None,
            routes: BTreeMap::from([("ssh".parse().unwrap(), ("*:2222".parse().unwrap(), "ssh".to_owned()))]),
            status: None,
            notices: Vec::new(),
        }),
        warnings: vec!["the daemon is older".to_owned()],
    }
}

fn done(changed: VersionChanged) -> VersionReport {
    let public = PublicName::Address("198.51.100.7".parse().unwrap());
    VersionReport::new(Outcome::Done(changed), "homeport upgrade alice".to_owned(), &public)
}

#[test]
fn a_plan_whose_versions_overlap() {
    let report = planned(plan(), None, "homeport upgrade alice --to 1.1");
    insta::assert_snapshot!(text(&report), @r#"
    `alice` (shell) would go up from version 1.0.0 to 1.1.0
    its image would be `homeport/shell:1.1.0` (abababababab)
    what changes
      `config.banner`: a key was added (minor)
      and 2 small changes, which `--json` names
    what the port's author says
      Old clients find an RSA host key
    what becomes of the configuration
      `greeting` is kept aside: the other version does not know it
    data that becomes another, in a copy that takes its place
      volume `hostkeys`: from format 1 to 2, by steps of the version that is to be
        4 entries, 2.1 kB; it needs 4.2 kB of room beside the volume, and beside the copying at most 1 min 0 s
    a snapshot is made before, of `home`, `hostkeys`
    new clients come to 1.1.0; those that are connected may stay with 1.0.0 for 1 d 0 h
      what 1.0.0 writes to `hostkeys` after that was copied is only in the trash then
    the way back: homeport rollback alice
      with everything that is written meanwhile
    by these steps
       1. wait until the port is ready (at most 30 s)
       2. look whether it goes on working, for 2 s
    the plan is sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    nothing was changed
    to do it:
      homeport upgrade alice --to 1.1
    "#);
    let json = json(&report);
    assert_eq!(json["outcome"], "planned");
    assert_eq!(json["approval"], serde_json::Value::Null);
    assert_eq!(json["command"], "homeport upgrade alice --to 1.1");
    assert_eq!(json["plan"]["changes"].as_array().map(Vec::len), Some(3), "those that the text counts, too");
    assert_eq!(json["plan"]["clients"], serde_json::json!({ "kind": "overlap", "linger": 86_400 }));
}

#[test]
fn a_plan_that_makes_clients_wait_and_migrates_nothing() {
    let plan = VersionPlan {
        changes: vec![change("patch", "`port.title`: the title is another")],
        notes: Vec::new(),
        configuration: Vec::new(),
        migrations: Vec::new(),
        snapshot: vec!["home".parse().unwrap()],
        clients: ClientsView::Wait,
        ..plan()
    };
    insta::assert_snapshot!(text(&planned(plan, None, "homeport upgrade alice")), @r#"
    `alice` (shell) would go up from version 1.0.0 to 1.1.0
    its image would be `homeport/shell:1.1.0` (abababababab)
    what changes
      1 small change, which `--json` names
    a snapshot is made before, of `home`
    clients that are connected are disconnected, and new ones wait until 1.1.0 answers
    the way back: homeport rollback alice
      with everything that is written meanwhile
    by these steps
       1. wait until the port is ready (at most 30 s)
       2. look whether it goes on working, for 2 s
    the plan is sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    nothing was changed
    to do it:
      homeport upgrade alice
    "#);
}

#[test]
fn a_plan_for_which_somebody_has_to_consent_tells_what_would_be_lost_and_the_whole_command() {
    let why = "`volumes.home`: the data goes back to a snapshot's".to_owned();
    let plan = VersionPlan {
        from: "1.1.0".parse().unwrap(),
        to: "1.0.0".parse().unwrap(),
        direction: Direction::Down,
        notes: Vec::new(),
        configuration: Vec::new(),
        migrations: vec![MigrationView {
            volume: "home".parse().unwrap(),
            from: DataFormat::new(2),
            to: DataFormat::new(1),
            way: MigrationWay::Snapshot,
            bytes: Bytes::new(5_000_000),
            entries: 1,
            present_bytes: Bytes::new(6_100_000),
            present_entries: 12,
            needs: Bytes::new(5_000_000),
            within: Seconds::new(0),
        }],
        set_back: Some(SetBackView {
            sequence: Sequence::new(12).unwrap(),
            uuid: "8f26b100-39e8-47c6-a6ee-cb9a58b63eb1".parse().unwrap(),
            taken: "2026-01-01T10:00:00.000Z".parse().unwrap(),
            version: "1.0.0".to_owned(),
        }),
        clients: ClientsView::None,
        way_back: WayBackView::Snapshot {
            volumes: vec!["home".parse().unwrap()],
            everything: vec!["cache".parse().unwrap()],
        },
        needs_approval: Some(why),
        warnings: vec!["clients that are still connected with version 0.9.0 are disconnected".to_owned()],
        plan: Plan { kind: Kind::Rollback, ..plan().plan },
        ..plan()
    };
    let report = planned(plan, Some(approval()), "homeport rollback alice");
    let command = format!("homeport rollback alice --approve {}", approval().token);
    assert_eq!(json(&report)["command"], command.as_str());
    assert!(text(&report).ends_with(&format!("\n  {command}\n")));
    insta::assert_snapshot!(text(&report), @r#"
    `alice` (shell) would go back from version 1.1.0 to 1.0.0
    its image would be `homeport/shell:1.1.0` (abababababab)
    what is taken back
      `config.banner`: a key was added (minor)
      and 2 small changes, which `--json` names
    data that becomes another, in a copy that takes its place
      volume `home`: from format 2 to 1, set back to snapshot 12, of 2026-01-01 10:00:00 UTC and version 1.0.0
        1 entry, 5.0 MB; it needs 5.0 MB of room beside the volume
        what is there now, 12 entries, 6.1 MB, is kept in another snapshot and in the trash
    a snapshot is made before, of `home`, `hostkeys`
    no client notices: it is stopped, and stays so
    the way back: homeport rollback alice
      to the snapshot: what is written to `home` meanwhile would be kept aside, in a snapshot of its own and in the trash
      without `cache`: that is in no snapshot
      note: clients that are still connected with version 0.9.0 are disconnected
    it needs an approval: `volumes.home`: the data goes back to a snapshot's
    by these steps
       1. wait until the port is ready (at most 30 s)
       2. look whether it goes on working, for 2 s
    the plan is sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    nothing was changed
    to approve exactly this and do it, until 2026-01-02 04:04:05 UTC:
      homeport rollback alice --approve a6ds-qb2h-a6ds-qb2h
    "#);
}

#[test]
fn a_plan_names_an_image_without_a_name_by_its_id() {
    let plan = VersionPlan { reference: Digest::new([0xab; 32]).to_string(), ..plan() };
    let told = text(&planned(plan, None, "homeport upgrade alice"));
    assert!(told.contains("\nits image would be abababababab\n"), "{told}");
}

#[test]
fn data_that_is_set_back_without_a_change_of_its_format_is_not_said_to_change_it() {
    let set_back = MigrationView {
        volume: "home".parse().unwrap(),
        from: DataFormat::new(1),
        to: DataFormat::new(1),
        way: MigrationWay::Snapshot,
        ..plan().migrations.remove(0)
    };
    let told = text(&planned(VersionPlan { migrations: vec![set_back], ..plan() }, None, "homeport rollback alice"));
    assert!(told.contains("  volume `home`: in format 1, set back to what it was in a snapshot\n"), "{told}");
    assert!(!told.contains("from format"), "{told}");
}

#[test]
fn a_change_that_is_done_says_how_to_reach_it_and_how_to_get_back() {
    let report = done(changed());
    insta::assert_snapshot!(text(&report), @r#"
    `alice` runs version 1.1.0 and answers; it was 1.0.0
      ssh: ssh -p 2222 198.51.100.7
      clients of 1.0.0 that are still connected may stay until 2026-01-03 03:04:05 UTC
      what was there before is snapshot 8f26b100-39e8-47c6-a6ee-cb9a58b63eb1
      data that another took the place of is in the trash as 5f0c11d2
      to go back: homeport rollback alice
        with everything that is written meanwhile
      note: the daemon is older
    "#);
    let json = json(&report);
    assert_eq!(json["outcome"], "done");
    assert_eq!(json["to"], "1.1.0");
    assert_eq!(json["connections"][0]["open"], "ssh -p 2222 198.51.100.7");
}

#[test]
fn a_change_of_a_stopped_instance_says_that_it_is_stopped_still() {
    let changed = VersionChanged {
        running: None,
        lingers_until: None,
        snapshot: None,
        trash: None,
        warnings: Vec::new(),
        way_back: WayBackView::Snapshot { volumes: vec!["home".parse().unwrap()], everything: Vec::new() },
        ..changed()
    };
    insta::assert_snapshot!(text(&done(changed)), @r#"
    `alice` has version 1.1.0, and is stopped as before; it was 1.0.0
      to go back: homeport rollback alice
        to the snapshot: what is written to `home` meanwhile would be kept aside, in a snapshot of its own and in the trash
    "#);
}

#[test]
fn an_upgrade_with_nothing_to_do_says_so_as_a_result() {
    let there = |named| AlreadyThere { instance: "alice".parse().unwrap(), version: "1.1.0".parse().unwrap(), named };
    let report = |named| {
        let outcome = Outcome::Done(Upgraded::Unchanged(there(named)));
        VersionReport::upgraded(outcome, "homeport upgrade alice".to_owned(), &PublicName::Local)
    };
    assert_eq!(text(&report(true)), "`alice` has version 1.1.0 already; nothing was changed\n");
    let told = text(&report(false));
    assert_eq!(told, "`alice` has version 1.1.0 already, and the engine holds no higher one; nothing was changed\n");
    let json = json(&report(true));
    assert_eq!((&json["outcome"], &json["version"]), (&"unchanged".into(), &"1.1.0".into()));
}

#[test]
fn the_snapshot_before_a_rollback_is_not_said_to_be_for_an_upgrade() {
    let snapshot = SnapshotView {
        uuid: "8f26b100-39e8-47c6-a6ee-cb9a58b63eb1".parse().unwrap(),
        sequence: Sequence::new(2).unwrap(),
        taken: "2026-01-02T03:04:05.000Z".parse().unwrap(),
        instance: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.1.0".to_owned(),
        reason: Reason::Upgrade,
        consistency: Consistency::Stopped,
        note: Some("before the rollback from 1.1.0 to 1.0.0".to_owned()),
        volumes: Vec::new(),
        alarms: Vec::new(),
        acknowledged: None,
        verified: None,
        damaged: None,
        rehearsed: None,
        parent: None,
    };
    insta::assert_snapshot!(text(&snapshot), @r#"
    snapshot 2 of `alice` (8f26b100-39e8-47c6-a6ee-cb9a58b63eb1)
      taken: 2026-01-02 03:04:05 UTC (before the rollback from 1.1.0 to 1.0.0)
      port: shell 1.1.0
      consistency: stopped
    "#);
    let list = SnapshotList { snapshots: vec![snapshot], damaged: Vec::new(), gone: Vec::new() };
    let told = text(&list);
    assert!(told.contains("  before the rollback from 1.1.0 to 1.0.0  "), "{told}");
    assert!(!told.contains("upgrade"), "{told}");
}

#[test]
fn a_change_that_is_refused_tells_every_fault() {
    let fault = Fault::new("HP-VER-002", "instance", "`alice` never had another version than 1.0.0")
        .expected("a version that was there before")
        .remedy("for another version: `homeport upgrade alice --to VERSION`");
    let failure =
        Failure::from(OperationError::Refused { what: "rollback of `alice`".to_owned(), faults: vec![fault] });
    assert_eq!(failure.exit().code(), 1);
    insta::assert_snapshot!(Report::of(&failure).render(Format::Text), @r#"
    error: rollback of `alice` was refused: 1 fault
      [HP-VER-002] instance: `alice` never had another version than 1.0.0
          wanted: a version that was there before
          help: for another version: `homeport upgrade alice --to VERSION`
      code: HP-VER-002
      help: nothing was changed; correct what is named above and repeat the command
    "#);
}

#[test]
fn a_history_is_a_table_and_an_operation_that_says_two_lines_stays_one_row() {
    let line = |time: &str, kind: &str, text: &str| HistoryLine {
        time: time.parse().unwrap(),
        kind: kind.to_owned(),
        text: text.to_owned(),
    };
    let lines = vec![
        line("2026-01-02T03:04:05.000Z", "deploy", "done"),
        line("2026-01-02T04:04:05.000Z", "upgrade", "taken back: the port ended\nexit code 78"),
    ];
    let report = HistoryReport { instance: "alice".parse().unwrap(), lines };
    insta::assert_snapshot!(text(&report), @r#"
    TIME                     KIND     WHAT
    2026-01-02 03:04:05 UTC  deploy   done
    2026-01-02 04:04:05 UTC  upgrade  taken back: the port ended\nexit code 78
    "#);
    assert_eq!(json(&report)["lines"][1]["text"], "taken back: the port ended\nexit code 78");
    let nothing = HistoryReport { instance: "alice".parse().unwrap(), lines: Vec::new() };
    assert_eq!(text(&nothing), "nothing is known to have been done to `alice`\n");
}

#[test]
fn a_repair_says_what_is_at_its_end_and_what_is_still_in_the_way() {
    let ended = |kind: &str, how| EndedOperation { kind: kind.to_owned(), instance: "alice".parse().unwrap(), how };
    let report = RepairReport::new(Repaired {
        ended: vec![ended("upgrade", EndedHow::TakenBack), ended("stop", EndedHow::Finished)],
        stuck: vec![("deploy".to_owned(), "bob".parse().unwrap(), "could not remove the container".to_owned())],
    });
    insta::assert_snapshot!(text(&report), @r#"
    taken back: upgrade of `alice`; everything is as it was before it
    finished: stop of `alice`
    still stuck: deploy of `bob`: could not remove the container
    mend what is named, and repeat: homeport repair
    "#);
    assert_eq!(
        json(&report),
        serde_json::json!({
            "ended": [
                { "kind": "upgrade", "instance": "alice", "how": "taken-back" },
                { "kind": "stop", "instance": "alice", "how": "finished" },
            ],
            "stuck": [{ "kind": "deploy", "instance": "bob", "why": "could not remove the container" }],
        })
    );
    let nothing = RepairReport::new(Repaired { ended: Vec::new(), stuck: Vec::new() });
    assert_eq!(text(&nothing), "nothing was cut off, and nothing is stuck\n");
}
