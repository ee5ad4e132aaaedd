//! What is refused about data, what needs consent, what stays, and what the clock does: one rule a test.

use std::fs;

use homeport_core::fault::Advice as _;
use homeport_host::daemon::{Timer, do_what_is_due};
use homeport_host::engine::Flow;
use homeport_host::ledger::Time;
use homeport_host::operation::{self, Execution, OperationError, Outcome};
use homeport_host::oplock::{OperationLock, Wait};
use homeport_host::request::{
    ExportRequest, FilesRequest, Interval, PruneRequest, PruneWish, PurgeRequest, RestoreRequest, ScheduleRequest,
    SnapshotRef, TrashRestoreRequest, TreePath,
};
use homeport_volumes::snapshot::Policy;
use homeport_volumes::store::Sequence;

use crate::data::{choice, done, restore, restore_request, snapshot};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::view::Now;

pub(crate) fn number(sequence: u32) -> SnapshotRef {
    SnapshotRef::Number(Sequence::new(sequence).unwrap())
}

pub(crate) fn refusal<T>(
    stage: &Stage,
    act: impl FnOnce(&homeport_host::Host) -> Result<T, OperationError>,
) -> OperationError {
    let (ran, _) = stage.with(&Trouble::default(), act);
    ran.result.unwrap_err()
}

fn empty_home(stage: &Stage) {
    let home = stage.home_dir().join("data");
    for entry in fs::read_dir(&home).unwrap().map(Result::unwrap) {
        fs::remove_file(entry.path()).unwrap();
    }
}

#[test]
fn story_l1_an_empty_snapshot_takes_the_place_of_data_only_with_consent() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Stop);
    // A snapshot in which a volume is blank cannot be taken of one that is known to hold data, so it is taken before.
    let kept = stage.home();
    let uuid =
        stage.ledger().volumes(&alice()).unwrap().into_iter().find(|one| one.name.as_str() == "home").unwrap().uuid;
    empty_home(&stage);
    let blank = refusal(&stage, snapshot);
    assert_eq!(blank.code(), "HP-VOL-005", "a volume that should hold data is not taken for an empty one");
    for (name, bytes) in &kept {
        fs::write(stage.home_dir().join("data").join(name), bytes).unwrap();
    }
    stage.does(snapshot);
    stage.port.deeds().set(&uuid, &kept);
    // The alarm of a snapshot that has far less is as good as emptiness.
    for n in 0..40 {
        fs::write(stage.home_dir().join(format!("data/letter-{n}-more")), "x".repeat(40_000)).unwrap();
    }
    let full = stage.home();
    stage.port.deeds().set(&uuid, &full);
    stage.does(snapshot);
    empty_home(&stage);
    for (name, bytes) in &kept {
        fs::write(stage.home_dir().join("data").join(name), bytes).unwrap();
    }
    stage.port.deeds().set(&uuid, &kept);
    let shrunk = stage.does(snapshot);
    assert_eq!(shrunk.snapshot.alarms.len(), 2, "entries and bytes");
    assert!(shrunk.warnings.iter().any(|text| text.contains("snapshot acknowledge")), "{:?}", shrunk.warnings);
    stage.does(|host| restore(host, number(2)));
    let error = refusal(&stage, |host| restore(host, number(3)));
    assert_eq!(error.code(), "HP-APR-002", "{error}");
    assert!(error.help().is_some_and(|help| help.contains("--dry-run")), "{error}");
    assert!(error.to_string().contains("an alarm in the snapshot that nobody has confirmed"), "{error}");
    assert_eq!(stage.home(), full, "nothing was changed");
    let plan = |execution| RestoreRequest { execution, ..restore_request(number(3)) };
    let token = stage.does(|host| match operation::snapshot_restore(host, &plan(Execution::DryRun))? {
        Outcome::Planned { plan, approval } => {
            assert!(plan.needs_approval.is_some());
            Ok(approval.unwrap().token)
        }
        Outcome::Done(_) => panic!("not asked for"),
    });
    // A token for another snapshot is none for this one.
    let other = RestoreRequest { approve: Some(token.clone()), ..restore_request(number(1)) };
    assert_eq!(refusal(&stage, |host| operation::snapshot_restore(host, &other)).code(), "HP-APR-008");
    let approved = RestoreRequest { approve: Some(token), ..plan(Execution::Real) };
    stage.does(|host| operation::snapshot_restore(host, &approved).map(done));
    assert_eq!(stage.home(), kept);
    // While the alarm is open nothing is pruned; confirmed, it is.
    let prune = PruneRequest {
        instance: alice(),
        what: PruneWish::ByPolicy(Policy { last: 1, ..Policy::default() }),
        approve: None,
        execution: Execution::DryRun,
    };
    let removed = |stage: &Stage| {
        stage.does(|host| match operation::snapshot_prune(host, &prune)? {
            Outcome::Planned { plan, .. } => Ok(plan.removed().count()),
            Outcome::Done(_) => panic!("not asked for"),
        })
    };
    assert_eq!(removed(&stage), 0);
    let confirm =
        |host: &homeport_host::Host| operation::snapshot_acknowledge(host, &choice(number(3)), "as it should be");
    assert_eq!(stage.does(confirm), operation::LifecycleOutcome::Changed);
    assert_eq!(stage.does(confirm), operation::LifecycleOutcome::Unchanged);
    assert!(removed(&stage) > 0);
}

/// Files of 40 kB of which there are so many, and nothing else.
fn letters(stage: &Stage, number: usize) {
    empty_home(stage);
    for n in 0..number {
        fs::write(stage.home_dir().join(format!("data/letter-{n}")), "x".repeat(40_000)).unwrap();
    }
}

#[test]
fn what_a_restore_or_its_undo_makes_smaller_raises_no_alarm_and_what_shrinks_later_does() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Stop);
    letters(&stage, 60);
    stage.does(snapshot);
    letters(&stage, 200);
    stage.does(snapshot);
    stage.does(|host| restore(host, number(1)));
    let made = stage.does(snapshot);
    assert_eq!((made.snapshot.alarms.as_slice(), made.warnings.as_slice()), (&[][..], &[][..]), "restored");
    // Back to the large state and away from it again.
    let undo = stage.does(|host| restore(host, number(2))).undo.to_string().parse().unwrap();
    let request = TrashRestoreRequest { what: undo, approve: None, execution: Execution::Real };
    stage.does(|host| operation::trash_restore(host, &request));
    assert_eq!(stage.home().len(), 60);
    assert!(stage.does(snapshot).snapshot.alarms.is_empty(), "taken back");
    // A restore of one volume says nothing of another.
    let only = RestoreRequest { volumes: ["hostkeys".parse().unwrap()].into(), ..restore_request(number(1)) };
    stage.does(|host| operation::snapshot_restore(host, &only));
    letters(&stage, 20);
    assert_eq!(stage.does(snapshot).snapshot.alarms.len(), 2, "the other volume shrank");
    // What shrinks after a restore is compared with what was restored.
    letters(&stage, 200);
    stage.does(snapshot);
    stage.does(|host| restore(host, number(1)));
    letters(&stage, 25);
    let alarms = stage.does(snapshot).snapshot.alarms;
    assert_eq!(
        alarms.iter().map(|alarm| (alarm.before, alarm.now)).collect::<Vec<_>>(),
        [(61, 26), (60 * 40_000, 25 * 40_000)]
    );
    // And once more with the snapshot before: a restore counts until the next snapshot.
    letters(&stage, 24);
    assert!(stage.does(snapshot).snapshot.alarms.is_empty());
}

/// Everything that a host warns of.
#[derive(Debug, Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl homeport_host::progress::Progress for Warnings {
    fn event(&self, event: &homeport_host::progress::Event) {
        if let homeport_host::progress::Event::Warning { text } = event {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

/// Lets `home` hold so many letters, as if the port had written them.
fn holds(stage: &Stage, number: usize) {
    letters(stage, number);
    let volumes = stage.ledger().volumes(&alice()).unwrap();
    let uuid = volumes.into_iter().find(|one| one.name.as_str() == "home").unwrap().uuid;
    let home = stage.home();
    stage.port.deeds().set(&uuid, &home);
}

#[test]
fn a_volume_that_lost_nearly_everything_since_its_snapshot_is_not_started_and_one_that_lost_half_is_told_of() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Stop);
    holds(&stage, 60);
    stage.does(snapshot);
    let codes = |faults: &[homeport_core::fault::Fault]| {
        let about_home = faults.iter().filter(|fault| fault.subject == "volumes.home" && fault.code != "HP-VOL-009");
        about_home.map(|fault| fault.code).collect::<Vec<_>>()
    };
    let check = |stage: &Stage| {
        let name = "home".parse().unwrap();
        stage.does(|host| operation::volume_check(host, Some(&alice()), Some(&name))).pop().unwrap()
    };
    assert!(codes(&check(&stage).notices).is_empty());
    // Half of it is gone: it is told of, in what comes of it and as a warning, and nothing is refused.
    holds(&stage, 20);
    let checked = check(&stage);
    assert_eq!((codes(&checked.notices), checked.faults.len()), (vec!["HP-VOL-015"], 0));
    let heard = std::sync::Arc::new(Warnings::default());
    let (_, running) = stage.does(|host| operation::start(&host.clone().with_progress(heard.clone()), &alice()));
    assert_eq!(codes(&running.notices), ["HP-VOL-015"]);
    let warned = std::mem::take(&mut *heard.0.lock().unwrap());
    let wanted = "volume `home` holds less than half of what it did: found 20 entries with 800000 bytes, wanted 61 entries \
                  with 2400000 bytes; if nobody deleted that much, stop the instance and look at its snapshots (HP-VOL-015)";
    assert_eq!(warned.iter().filter(|text| text.contains("HP-VOL-015")).collect::<Vec<_>>(), [wanted]);
    stage.must(Command::Stop);
    // Nearly all of it is gone.
    holds(&stage, 4);
    let ran = stage.run(Command::Start, &Trouble::default());
    let Err(OperationError::Refused { faults, .. }) = &ran.result else { panic!("{}", ran.text()) };
    assert_eq!(codes(faults), ["HP-VOL-015"]);
    assert_eq!(codes(&check(&stage).faults), ["HP-VOL-015"]);
    // Snapshots of that count for nothing until somebody has confirmed the first of them.
    stage.does(snapshot);
    stage.does(snapshot);
    assert_eq!(codes(&check(&stage).faults), ["HP-VOL-015"]);
    stage.does(|host| operation::snapshot_acknowledge(host, &choice(number(2)), "meant"));
    assert!(check(&stage).faults.is_empty());
    // What a restore puts back is what a volume holds, however small, also with a larger snapshot after it.
    stage.does(|host| restore(host, number(1)));
    stage.does(snapshot);
    stage.does(|host| restore(host, number(2)));
    assert!(check(&stage).faults.is_empty());
    let home = stage.home();
    assert_eq!(home.len(), 4);
    stage.must(Command::Start);
    // A store that cannot be read stops no start.
    stage.must(Command::Stop);
    let store = stage.layout.store_dir().to_owned();
    fs::rename(&store, store.with_extension("gone")).unwrap();
    stage.does(|host| operation::start(&host.clone().with_progress(heard.clone()), &alice()));
    let warned = std::mem::take(&mut *heard.0.lock().unwrap());
    assert!(warned.iter().any(|text| text.contains("cannot be told: there is no store")), "{warned:?}");
}

#[test]
fn an_export_says_which_secrets_are_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.must(Command::Config("another"));
    stage.does(snapshot);
    let to = stage.layout.scratch_dir().with_file_name("export.tar");
    let request = ExportRequest { which: choice(SnapshotRef::Latest), to: to.clone() };
    let heard = std::sync::Arc::new(Warnings::default());
    let exported = stage.does(|host| operation::snapshot_export(&host.clone().with_progress(heard.clone()), &request));
    assert_eq!(exported.secret_keys, ["token"], "`motd` is set too, and no secret");
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o600);
    let held = fs::read(&to).unwrap();
    let secret = crate::stage::SECRET.as_bytes();
    assert!(held.windows(secret.len()).any(|bytes| bytes == secret), "what is said is so");
    let warned = heard.0.lock().unwrap();
    assert!(warned.iter().any(|text| text.contains("holds secrets, the configuration's `token`: ")), "{warned:?}");
    assert!(warned.iter().all(|text| !text.contains(crate::stage::SECRET)));
}

#[test]
fn the_files_of_a_snapshot_are_listed_one_by_one_with_all_that_they_carry() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Stop);
    empty_home(&stage);
    let data = stage.home_dir().join("data");
    fs::create_dir(data.join("mail")).unwrap();
    fs::write(data.join("mail/Inbox"), "12345").unwrap();
    chown(data.join("mail/Inbox"), Some(1000), Some(7)).unwrap();
    fs::set_permissions(data.join("mail/Inbox"), fs::Permissions::from_mode(0o4640)).unwrap();
    fs::hard_link(data.join("mail/Inbox"), data.join("mail/new\nname")).unwrap();
    symlink("mail/Inbox", data.join("link")).unwrap();
    stage.does(snapshot);
    let files = |volume: Option<&str>, path: &[u8], most: usize| {
        let request = FilesRequest {
            which: choice(SnapshotRef::Latest),
            volume: volume.map(|name| name.parse().unwrap()),
            path: TreePath::from_bytes(path).unwrap(),
        };
        let mut found: Vec<operation::ListedFile> = Vec::new();
        let count = stage.with(&Trouble::default(), |host| {
            operation::snapshot_files(host, &request, &mut |file| {
                found.push(file.clone());
                if found.len() < most { Flow::Continue } else { Flow::Stop }
            })
        });
        (count.0.result, found)
    };
    let (ended, found) = files(Some("home"), b"mail", usize::MAX);
    ended.unwrap();
    let names: Vec<String> = found.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(names, ["mail", "mail/Inbox", "mail/new\\012name"]);
    let inbox = &found[1];
    assert_eq!((inbox.kind, inbox.mode.as_deref()), (operation::ListedKind::File, Some("4640")));
    assert_eq!((inbox.uid, inbox.gid, inbox.size.map(homeport_core::unit::Bytes::get)), (Some(1000), Some(7), Some(5)));
    assert!(inbox.modified.is_some());
    assert_eq!((found[2].kind, found[2].target.as_deref()), (operation::ListedKind::HardLink, Some("mail/Inbox")));
    let (_, all) = files(None, b".", usize::MAX);
    let volumes: std::collections::BTreeSet<&str> = all.iter().map(|file| file.volume.as_str()).collect();
    assert_eq!(volumes.into_iter().collect::<Vec<_>>(), ["home", "hostkeys"]);
    let link = all.iter().find(|file| file.path.as_bytes() == b"link").unwrap();
    assert_eq!((link.kind, link.target.as_deref()), (operation::ListedKind::Symlink, Some("mail/Inbox")));
    // Whoever wants no more gets no more.
    let (ended, few) = files(None, b".", 2);
    assert!(ended.is_ok() && few.len() == 2);
    // What is not there is said, with what may be meant.
    let (ended, none) = files(Some("home"), b"mail/inbox", usize::MAX);
    let error = ended.unwrap_err();
    assert!(none.is_empty());
    assert_eq!(error.code(), "HP-DAT-015");
    assert_eq!(error.to_string(), "volume `home` has no `mail/inbox` in the snapshot: near it is `mail/Inbox`");
    assert_eq!(files(Some("nowhere"), b".", 1).0.unwrap_err().code(), "HP-DAT-004");
}

#[test]
fn a_token_for_one_volume_is_none_for_another() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.must(Command::Remove);
    let before = stage.home();
    let request = |volume: &str, approve, execution| PurgeRequest {
        instance: alice(),
        volumes: [volume.parse().unwrap()].into(),
        approve,
        execution,
    };
    let token = stage.does(|host| match operation::purge(host, &request("home", None, Execution::DryRun))? {
        Outcome::Planned { plan, approval } => {
            assert_eq!(plan.volumes.len(), 1);
            Ok(approval.unwrap().token)
        }
        Outcome::Done(_) => panic!("not asked for"),
    });
    let wrong = request("hostkeys", Some(token.clone()), Execution::Real);
    let error = refusal(&stage, |host| operation::purge(host, &wrong));
    assert_eq!(error.code(), "HP-APR-007", "{error}");
    assert!(error.to_string().contains("volume home: entries: approved `2`, is gone"), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("--dry-run")), "{error}");
    // After an hour it counts for nothing.
    stage.clock.forward(1);
    let late = request("home", Some(token), Execution::Real);
    assert_eq!(refusal(&stage, |host| operation::purge(host, &late)).code(), "HP-APR-005");
    assert_eq!(stage.ledger().all_volumes().unwrap().len(), 2);
    assert_eq!(stage.home(), before, "nothing was changed");
}

#[test]
fn what_protects_a_snapshot_is_stronger_than_any_wish() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    let restored = stage.does(|host| restore(host, SnapshotRef::Latest));
    stage.does(snapshot);
    // Snapshot 2 is of what the restore took out, and that can be taken back; 3 is the newest.
    assert_eq!(restored.before.map(|_| ()), Some(()));
    for (sequence, because) in [(2, "can be taken back"), (3, "the newest")] {
        let request = PruneRequest {
            instance: alice(),
            what: PruneWish::Named(vec![number(sequence)]),
            approve: None,
            execution: Execution::DryRun,
        };
        let error = refusal(&stage, |host| operation::snapshot_prune(host, &request));
        assert_eq!(error.code(), "HP-DAT-013", "{error}");
        assert!(error.faults()[0].actual.contains(because), "{:?}", error.faults());
    }
    let request = |approve, execution| PruneRequest {
        instance: alice(),
        what: PruneWish::Named(vec![number(1)]),
        approve,
        execution,
    };
    assert_eq!(
        refusal(&stage, |host| operation::snapshot_prune(host, &request(None, Execution::Real))).code(),
        "HP-APR-002"
    );
    let token = stage.does(|host| match operation::snapshot_prune(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let pruned = stage.does(|host| operation::snapshot_prune(host, &request(Some(token), Execution::Real)).map(done));
    assert_eq!(pruned.plan.removed().count(), 1);
    assert_eq!(stage.does(|host| operation::snapshot_list(host, None)).snapshots.len(), 2);
}

#[test]
fn a_known_store_that_is_missing_is_never_made_anew() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    let store = stage.layout.store_dir().to_owned();
    fs::rename(&store, store.with_extension("gone")).unwrap();
    assert_eq!(refusal(&stage, snapshot).code(), "HP-STO-001");
    assert_eq!(refusal(&stage, |host| operation::snapshot_list(host, None)).code(), "HP-STO-001");
    assert!(!store.exists());
    // Another store in its place is none either.
    let now = homeport_volumes::UnixSeconds::new(1);
    homeport_volumes::store::Store::create(&store, homeport_volumes::store::Compression::None, now).unwrap();
    assert_eq!(refusal(&stage, snapshot).code(), "HP-STO-009");
    fs::remove_dir_all(&store).unwrap();
    fs::rename(store.with_extension("gone"), &store).unwrap();
    stage.does(snapshot);
}

#[test]
fn the_clock_takes_snapshots_prunes_rehearses_and_says_what_was_missed() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    let tick = |stage: &Stage| stage.does(|host| Ok(do_what_is_due(host)?));
    let request = ScheduleRequest {
        instance: alice(),
        every: "daily".parse::<Interval>().unwrap(),
        keep: Some(Policy { last: 2, ..Policy::default() }),
    };
    stage.does(|host| operation::schedule_set(host, &request));
    let count = |stage: &Stage| stage.does(|host| operation::snapshot_list(host, None)).snapshots.len();
    tick(&stage);
    tick(&stage);
    assert_eq!(count(&stage), 1, "once a day");
    for _ in 0..3 {
        stage.clock.forward(1);
        tick(&stage);
    }
    assert_eq!(count(&stage), 2, "two are kept");
    let list = stage.does(operation::schedule_list);
    let (_, rehearsal) = list.schedules[0].rehearsal.clone().unwrap();
    assert!(rehearsal.contains("restored and compared"), "{rehearsal}");
    assert_eq!(list.schedules[0].missed, 0);
    stage.clock.forward(5);
    tick(&stage);
    let list = stage.does(operation::schedule_list);
    assert_eq!(list.schedules[0].missed, 4);
    let events = stage.ledger().events(Some(&alice()), 50).unwrap();
    assert!(events.iter().any(|event| event.text == "4 snapshots were due and not taken"), "{events:?}");
    // What fails is in the history, and tried again soon.
    let store = stage.layout.store_dir().to_owned();
    fs::rename(&store, store.with_extension("gone")).unwrap();
    stage.clock.forward(1);
    tick(&stage);
    fs::rename(store.with_extension("gone"), &store).unwrap();
    let list = stage.does(operation::schedule_list);
    assert!(list.schedules[0].last.clone().unwrap().1.starts_with("failed: there is no store"), "{list:?}");
    let shown = stage.does(|host| operation::status(host, &alice())).schedule.unwrap();
    assert_eq!(shown.last, list.schedules[0].last, "`status` says so too");
    stage.clock.forward(40);
    tick(&stage);
    let list = stage.does(operation::schedule_list);
    assert!(list.scrub.unwrap().1.ends_with("everything is as it should be"));
    assert_eq!(stage.settled("by the clock"), Now::running("hello"));
}

#[test]
fn what_the_clock_did_and_cannot_write_down_is_not_done_again() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let (every, keep) = ("daily".parse::<Interval>().unwrap(), None);
    stage.does(|host| operation::schedule_set(host, &ScheduleRequest { instance: alice(), every, keep }));
    let count = || stage.does(|host| operation::snapshot_list(host, None)).snapshots.len();
    let last = || stage.does(operation::schedule_list).schedules[0].last.clone().unwrap();
    stage.does(|host| {
        let mut timer = Timer::new(host.clone());
        timer.round()?;
        let before = last();
        stage.clock.forward(1);
        let busy = OperationLock::acquire(&stage.layout, Wait::No, "a test", Time::now(), |_| {}).unwrap();
        timer.round()?;
        timer.round()?;
        assert_eq!(count(), 2, "one a day, though nothing can be written down");
        assert_eq!(last(), before);
        drop(busy);
        timer.round()?;
        assert_eq!(count(), 2);
        assert!(last() > before, "what came of it is written down as soon as that can be done");
        Ok(())
    });
}

#[test]
fn a_scrub_that_fails_is_tried_again_the_next_day() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    stage.clock.forward(31);
    let store = stage.layout.store_dir().to_owned();
    fs::rename(&store, store.with_extension("gone")).unwrap();
    let tick = || stage.does(|host| Ok(do_what_is_due(host)?));
    let failed = || stage.ledger().events(None, 50).unwrap().iter().filter(|event| event.kind == "scrub").count();
    let last = || stage.does(operation::schedule_list).scrub.unwrap().1;
    tick();
    tick();
    assert_eq!(failed(), 1, "not every half minute");
    assert!(last().starts_with("failed: there is no store"), "{}", last());
    stage.clock.forward(1);
    tick();
    assert_eq!(failed(), 2);
    fs::rename(store.with_extension("gone"), &store).unwrap();
    stage.clock.forward(1);
    tick();
    assert!(last().ends_with("everything is as it should be"), "{}", last());
    tick();
    assert_eq!(failed(), 2);
}

pub(crate) const HOOKS: &str = r#"{"protocol":"1.0",
"port":{"id":"shell","version":"1.0.0","title":"A shell"},
"config":{"motd":{"type":"string","default":"hello"},"token":{"type":"string","secret":true}},
"commands":{"still":{"summary":"s","when":"running"},"go":{"summary":"s","when":"running"},
"mend":{"summary":"s","when":"stopped"}},
"hooks":{"freeze":"still","thaw":"go","post_restore":"mend"},
"volumes":{
"home":{"path":"/home/user","format":1,"uid":1000,"gid":1000,"mode":"0750","min_free_bytes":4096,"min_free_inodes":4},
"hostkeys":{"path":"/var/lib/hostkeys","format":1,"uid":0,"gid":0,"mode":"0700","min_free_bytes":4096,"min_free_inodes":4}},
"endpoints":{"ssh":{"port":2222,"protocol":"ssh","exposure":"public","default_public":"random"}},
"resources":{"memory_min_bytes":33554432,"memory_recommended_bytes":268435456,"pids_max":512,"nofile":4096},
"health":{"ready_seconds":5},
"services":{"sshd":{"critical":true,"uid":0}}}"#;

#[test]
fn a_running_port_stands_still_while_it_is_read_and_goes_on_whatever_happens() {
    let ground = Ground::new();
    let stage = ground.stage_of(HOOKS);
    stage.must(Command::Deploy);
    stage.any_time();
    let commands = |stage: &Stage| std::mem::take(&mut stage.port.deeds().commands);
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.consistency.as_str(), "frozen");
    assert_eq!(commands(&stage), ["still", "go"]);
    // A freeze that fails is thawed as well, and the snapshot says what it is.
    stage.port.deeds().failing = vec!["still".to_owned()];
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.consistency.as_str(), "running");
    assert_eq!(commands(&stage), ["still", "go"]);
    assert!(made.warnings.iter().any(|text| text.contains("`still` failed")), "{:?}", made.warnings);
    stage.port.deeds().failing.clear();
    // After a restore the port's own command runs before the port does.
    stage.must(Command::Restart);
    stage.does(|host| restore(host, number(1)));
    assert_eq!(commands(&stage), ["mend"]);
    assert_eq!(stage.settled("restored"), Now::running("hello"));
    // Where that fails, everything is as it was.
    let before = stage.home();
    stage.port.deeds().failing = vec!["mend".to_owned()];
    let error = refusal(&stage, |host| restore(host, number(2)));
    assert_eq!(error.code(), "HP-OPN-015", "{error}");
    assert_eq!(stage.settled("taken back"), Now::running("hello"));
    assert!(before.keys().all(|name| stage.home().contains_key(name)));
    // A command that ended before anybody could look, and had another directory, has not worked either.
    commands(&stage);
    stage.port.deeds().failing.clear();
    stage.port.deeds().pulled_away = true;
    let error = refusal(&stage, |host| restore(host, number(2)));
    assert_eq!((error.code(), commands(&stage)), ("HP-OPN-008", vec!["mend".to_owned()]), "{error}");
    assert_eq!(stage.settled("taken back again"), Now::running("hello"));
    assert!(before.keys().all(|name| stage.home().contains_key(name)));
    // What a process that died has left frozen is thawed by the clock.
    commands(&stage);
    let older = stage.layout.older_frozen_note(&alice());
    fs::write(&older, "go").unwrap();
    stage.does(|host| Ok(do_what_is_due(host)?));
    assert_eq!(commands(&stage), ["go"]);
    assert!(!older.exists());
    // One that cannot be thawed keeps its note, is said to be so, and is restarted like any other.
    stage.port.deeds().failing = vec!["go".to_owned()];
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.consistency.as_str(), "running", "what was not thawed was not frozen for a snapshot");
    assert!(made.warnings.iter().any(|text| text.contains("restart it if it does")), "{:?}", made.warnings);
    let container = stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap();
    let note = stage.layout.frozen_note(&alice(), &container);
    assert!(note.exists());
    stage.must(Command::Restart);
    assert!(!note.exists(), "the container that stood still is gone");
    assert_eq!(stage.settled("restarted"), Now::running("hello"));
    // What does not run does not stand still.
    stage.must(Command::Stop);
    fs::write(&older, "go").unwrap();
    fs::write(&note, format!("{}\ngo\n", container.as_str())).unwrap();
    commands(&stage);
    stage.does(|host| Ok(do_what_is_due(host)?));
    assert_eq!(commands(&stage), [""; 0]);
    assert!(!older.exists() && !note.exists());
}

#[test]
fn an_import_that_is_done_is_done_also_where_the_history_cannot_say_so() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    let made = stage.does(snapshot);
    let file = stage.layout.state_dir().join("snapshot.tar");
    let request = ExportRequest { which: choice(SnapshotRef::Latest), to: file.clone() };
    stage.does(|host| operation::snapshot_export(host, &request));
    let other = ground.stage();
    other.must(Command::Deploy);
    other.any_time();
    other.does(snapshot);
    let lock = OperationLock::acquire(&other.layout, Wait::No, "a long one", Time::now(), |_| {}).unwrap();
    let view = other.does(|host| operation::snapshot_import(host, &file));
    assert_eq!(view.uuid, made.snapshot.uuid);
    assert_eq!(other.does(|host| operation::snapshot_list(host, None)).snapshots.len(), 2);
    drop(lock);
    let events = other.ledger().events(None, 50).unwrap();
    assert!(events.iter().all(|event| !event.text.contains("imported")), "{events:?}");
}
