//! Takes operations on data through everything that can go wrong with them: each step and each call of the engine fails,
//! the process dies at each point, while it takes back, and again while the next process brings it to an end. After each,
//! every volume is what it was before or what it was to be, and every content that was ever written can be had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use homeport_host::Host;
use homeport_host::engine::sim::When;
use homeport_host::hazard::Hazard;
use homeport_host::ledger::VolumeRecord;
use homeport_host::operation::{self, Execution, OperationError, Outcome};
use homeport_host::request::{
    AdoptRequest, EmptyRequest, MoveRequest, PortRef, PurgeRequest, SnapshotRef, TrashChoice, TrashRestoreRequest,
};
use homeport_volumes::store::ObjectId;

use crate::data::{done, restore, snapshot};
use crate::exhaust::spread;
use crate::port::tree;
use crate::reach::Contents;
use crate::stage::{Command, Ground, Ran, Stage, Trouble, alice};

/// Something that is asked of a host.
pub(crate) type Act = Box<dyn Fn(&Host) -> Result<String, OperationError> + Send + Sync>;

/// One operation on data.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Makes the stage ready, and returns what is then done.
    pub(crate) prepare: fn(&Stage) -> Act,
    /// The steps of the plan.
    pub(crate) steps: &'static [&'static str],
    /// What may be lost by it: only with consent.
    pub(crate) loses: fn(&Stage) -> Contents,
    /// Every how many second troubles are tried; with `HOMEPORT_EXHAUST=1` all are.
    pub(crate) stride: usize,
}

/// The names of the files in each volume that is known. That each has its bytes is looked at elsewhere.
type Live = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn nothing(_: &Stage) -> Contents {
    Contents::new()
}

impl Stage {
    fn live_trees(&self) -> Live {
        let records = self.ledger().all_volumes().unwrap();
        let names = |one: &VolumeRecord| tree(&one.path.join("data")).unwrap().into_keys().collect();
        records.iter().map(|one| (one.name.to_string(), names(one))).collect()
    }

    /// Every content that was ever written, by the port or the operator.
    fn ever_written(&self) -> Contents {
        self.port.deeds().contents().map(|bytes| ObjectId::of(bytes)).collect()
    }
}

/// A stage with one restore's worth of history: the volumes are at their second state, the snapshot has the first.
fn two_states(stage: &Stage, then: Command) {
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    if then != Command::Restart {
        stage.must(then);
    }
}

fn restore_first(host: &Host) -> Result<String, OperationError> {
    restore(host, SnapshotRef::Number(homeport_volumes::store::Sequence::new(1).unwrap()))
        .map(|done| format!("{done:?}"))
}

/// What was meant by the operation is so: done anew, unless it is so already.
fn again(case: &Case, stage: &Stage, live_after: &Live, text: &str) {
    let is_other = ["restore", "upgrade", "rollback", "second rollback"].iter().any(|kind| case.name.starts_with(kind));
    if stage.live_trees() == *live_after && !is_other && case.name != "empty" {
        return;
    }
    let act = redo(case, stage);
    let (ran, _) = stage.with(&Trouble::default(), act);
    assert!(ran.result.is_ok(), "{text}, then again: {}", ran.text());
}

/// The operation once more, with consent where it needs one.
fn redo(case: &Case, stage: &Stage) -> Act {
    match case.name {
        "purge" => purge_act(stage),
        "empty" => empty_act(stage),
        "adopt" => adopt_act(stage),
        "undo" | "put back" => put_back_act(stage),
        "move" => move_act(stage),
        name if name.starts_with("upgrade") => crate::exhaust_version::upgrade_unless_done(stage),
        name if name.starts_with("rollback") => crate::exhaust_version::rollback_unless_at(stage, "1.0.0"),
        name if name.starts_with("second rollback") => crate::exhaust_version::rollback_unless_at(stage, "2.0.0"),
        _ => Box::new(restore_first),
    }
}

fn purge_act(stage: &Stage) -> Act {
    let request = |approve, execution| PurgeRequest { instance: alice(), volumes: [].into(), approve, execution };
    let token = stage.does(|host| match operation::purge(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    Box::new(move |host| {
        operation::purge(host, &request(Some(token.clone()), Execution::Real)).map(|done| format!("{done:?}"))
    })
}

fn empty_act(stage: &Stage) -> Act {
    let request = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
    let token = stage.does(|host| match operation::trash_empty(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.map(|approval| approval.token)),
        Outcome::Done(_) => panic!("not asked for"),
    });
    Box::new(move |host| {
        operation::trash_empty(host, &request(token.clone(), Execution::Real)).map(|done| format!("{done:?}"))
    })
}

fn put_back_act(stage: &Stage) -> Act {
    let list = stage.does(operation::trash_list);
    let what = list.bundles[0].id.to_string().parse().unwrap();
    let request = TrashRestoreRequest { what, approve: None, execution: Execution::Real };
    Box::new(move |host| operation::trash_restore(host, &request).map(done).map(|done| format!("{done:?}")))
}

fn adopt_act(stage: &Stage) -> Act {
    let path = stage.directory();
    let request = move |approve, execution| AdoptRequest {
        port: PortRef::Id("shell".parse().unwrap()),
        instance: alice(),
        volume: "home".parse().unwrap(),
        path: path.clone(),
        approve,
        execution,
    };
    let token = stage.does(|host| match operation::volume_adopt(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    Box::new(move |host| {
        operation::volume_adopt(host, &request(Some(token.clone()), Execution::Real)).map(|done| format!("{done:?}"))
    })
}

fn move_act(stage: &Stage) -> Act {
    let request = MoveRequest {
        instance: alice(),
        volume: "home".parse().unwrap(),
        path: stage.directory().with_file_name("elsewhere"),
        execution: Execution::Real,
    };
    Box::new(move |host| operation::volume_move(host, &request).map(|done| format!("{done:?}")))
}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

impl Case {
    fn stride(&self) -> usize {
        if std::env::var_os("HOMEPORT_EXHAUST").is_some() { 1 } else { self.stride }
    }

    fn stage(&self, ground: &Ground) -> (Stage, Act) {
        let stage = ground.stage();
        let act = (self.prepare)(&stage);
        (stage, act)
    }

    pub(crate) fn exhaust(&self) {
        let began = std::time::Instant::now();
        let ground = Ground::new();
        let (stage, act) = self.stage(&ground);
        let before = stage.live_trees();
        let (calm, warnings) = stage.with(&Trouble::default(), &act);
        assert!(calm.result.is_ok(), "{}: {}", self.name, calm.text());
        assert!(stage.ledger().open_operation().unwrap().is_none(), "{}: {:?}", self.name, warnings);
        let steps = stage.steps_of_this_kind(self.steps.first().copied().unwrap_or_default());
        assert_eq!(steps, self.steps, "{}: the plan", self.name);
        stage.all_settled(self.name);
        let (points, calls) = (calm.points.len(), calm.calls);
        assert!(points >= 2 * steps.len(), "{}: {points} points", self.name);
        let [failed, died, in_calls, twice] = [0; 4].map(AtomicUsize::new);
        let after = stage.live_trees();
        let context = Context { case: self, before, after, runs: self.name.contains("running") };
        drop(stage);

        let numbers: Vec<usize> = (0..points).collect();
        spread(&numbers, |number| {
            for hazard in [Hazard::Fail, Hazard::Die] {
                let (stage, act) = self.stage(&ground);
                let text = format!("{}: {hazard:?} at {}", self.name, calm.points[*number]);
                let (ran, _) = stage.with(&Trouble::at(*number, hazard), &act);
                assert!(ran.died == (hazard == Hazard::Die), "{text}: {}", ran.text());
                context.mended(&stage, &ran, &text);
                count(if hazard == Hazard::Fail { &failed } else { &died });
            }
        });
        let in_engine: Vec<(usize, When, Hazard)> = (0..calls)
            .flat_map(|call| [When::Before, When::After].map(|when| (call, when)))
            .flat_map(|(call, when)| [Hazard::Fail, Hazard::Die].map(|hazard| (call, when, hazard)))
            .collect();
        spread(&in_engine, |(call, when, hazard)| {
            let (stage, act) = self.stage(&ground);
            let (ran, _) = stage.with(&Trouble::in_call(*call, *when, *hazard), &act);
            let text = format!("{}: {hazard:?} {when:?} call {call}", self.name);
            context.mended(&stage, &ran, &text);
            count(&in_calls);
        });
        // A second trouble: in taking back, and in what the next process does.
        let pairs: Vec<(usize, usize, Hazard)> = (0..points)
            .flat_map(|first| (0..points).map(move |second| (first, second)))
            .filter(|(first, second)| (first + 3 * second).is_multiple_of(self.stride()))
            .flat_map(|(first, second)| [Hazard::Fail, Hazard::Die].map(|hazard| (first, second, hazard)))
            .collect();
        spread(&pairs, |(first, second, hazard)| {
            let (stage, act) = self.stage(&ground);
            let text = format!("{}: {hazard:?} at {first}, died {second} later", self.name);
            let ran = if *hazard == Hazard::Fail {
                let trouble = Trouble::at(*first, Hazard::Fail).then(first + 1 + second, Hazard::Die);
                stage.with(&trouble, &act).0
            } else {
                stage.with(&Trouble::at(*first, Hazard::Die), &act);
                stage.run(Command::Unrelated, &Trouble::at(*second, Hazard::Die))
            };
            context.mended(&stage, &ran, &text);
            count(&twice);
        });
        let got = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        assert_eq!((got(&failed), got(&died), got(&in_calls)), (points, points, in_engine.len()));
        assert_eq!(got(&twice), pairs.len());
        assert!(pairs.len() >= points, "{} pairs of {points} points", pairs.len());
        println!(
            "{}: {} steps, {points} points, {calls} engine calls; failures {}, deaths {}, in calls {}, second troubles {} \
             of {}; {} stages, {:.1} s",
            self.name,
            steps.len(),
            got(&failed),
            got(&died),
            got(&in_calls),
            got(&twice),
            2 * points * points,
            ground.count(),
            began.elapsed().as_secs_f32(),
        );
    }
}

struct Context<'a> {
    case: &'a Case,
    before: Live,
    after: Live,
    runs: bool,
}

impl Context<'_> {
    /// What holds after a trouble and after the next command, and that the operation works then.
    fn mended(&self, stage: &Stage, ran: &Ran, text: &str) {
        let mut lost = (self.case.loses)(stage);
        // What can be lost with consent is what only the trash has.
        let (live, kept) = (stage.live(), stage.in_snapshots());
        lost.retain(|content| !live.contains(content) && !kept.contains(content));
        let ended = stage.run(Command::Unrelated, &Trouble::default());
        assert!(!ended.died, "{text}: {}", ended.text());
        self.check(stage, &lost, &format!("{text} ({})", ran.text()));
        again(self.case, stage, &self.after, text);
        stage.run(Command::Unrelated, &Trouble::default());
        self.check(stage, &lost, &format!("{text}, then again"));
        if !self.runs {
            assert_eq!(stage.live_trees(), self.after, "{text}, then again");
        }
    }

    fn check(&self, stage: &Stage, lost: &Contents, text: &str) {
        stage.all_settled(text);
        stage.check_journals(text);
        let reachable = stage.reachable();
        let missing: Vec<_> =
            stage.ever_written().into_iter().filter(|one| !reachable.contains(one) && !lost.contains(one)).collect();
        assert!(missing.is_empty(), "{text}: {} contents cannot be had any more", missing.len());
        // A running port goes on writing; what it finds when it starts is looked at by itself.
        if !self.runs {
            let live = stage.live_trees();
            assert!(live == self.before || live == self.after, "{text}: {live:?}");
        }
    }
}

const REPLACE: [&str; 6] =
    ["snapshot_present", "build_tree", "build_tree", "exchange_tree", "exchange_tree", "keep_replaced"];

const AROUND: &[&str] = &[
    "read_ahead",
    "hold_routes",
    "stop_container",
    "release_volumes",
    "snapshot_present",
    "build_tree",
    "build_tree",
    "exchange_tree",
    "exchange_tree",
    "ensure_network",
    "reserve_route",
    "remove_old_container",
    "use_volumes",
    "prepare_run_dir",
    "create_container",
    "start_container",
    "await_ready",
    "point_route",
    "probe_route",
    "want_running",
    "keep_replaced",
];

const UNDO: &[&str] =
    &["snapshot_present", "stage_trashed", "stage_trashed", "exchange_tree", "exchange_tree", "keep_replaced"];

const PURGE: &[&str] = &[
    "want_stopped",
    "close_routes",
    "stop_container",
    "release_volumes",
    "remove_old_container",
    "remove_run_dir",
    "release_routes",
    "remove_network",
    "purge_volume",
    "purge_volume",
    "forget_purged",
];

const PUT_BACK: &[&str] = &["put_back_volume", "put_back_volume", "record_put_back"];

const EMPTY: &[&str] = &["empty_tree", "empty_tree", "forget_trash"];

const ADOPT: &[&str] = &["adopt_directory", "record_volume"];

const MOVE: &[&str] = &["change_volume", "record_volume"];

#[test]
fn restore_of_a_stopped_instance() {
    let prepare = |stage: &Stage| -> Act {
        two_states(stage, Command::Stop);
        Box::new(restore_first)
    };
    Case { name: "restore of a stopped instance", prepare, steps: &REPLACE, loses: nothing, stride: 11 }.exhaust();
}

#[test]
fn restore_of_kept_volumes() {
    let prepare = |stage: &Stage| -> Act {
        two_states(stage, Command::Remove);
        Box::new(restore_first)
    };
    Case { name: "restore of kept volumes", prepare, steps: &REPLACE, loses: nothing, stride: 17 }.exhaust();
}

#[test]
fn restore_of_a_running_instance() {
    let prepare = |stage: &Stage| -> Act {
        two_states(stage, Command::Restart);
        Box::new(restore_first)
    };
    Case { name: "restore of a running instance", prepare, steps: AROUND, loses: nothing, stride: 41 }.exhaust();
}

#[test]
fn undo_of_a_restore() {
    let prepare = |stage: &Stage| {
        two_states(stage, Command::Stop);
        stage.does(restore_first);
        put_back_act(stage)
    };
    Case { name: "undo", prepare, steps: UNDO, loses: nothing, stride: 11 }.exhaust();
}

#[test]
fn purge() {
    let prepare = |stage: &Stage| {
        stage.must(Command::Deploy);
        stage.any_time();
        stage.must(Command::Stop);
        purge_act(stage)
    };
    Case { name: "purge", prepare, steps: PURGE, loses: nothing, stride: 13 }.exhaust();
}

#[test]
fn putting_back_what_was_purged() {
    let prepare = |stage: &Stage| {
        stage.must(Command::Deploy);
        stage.any_time();
        stage.must(Command::Stop);
        let purge = purge_act(stage);
        stage.does(|host| purge(host));
        put_back_act(stage)
    };
    Case { name: "put back", prepare, steps: PUT_BACK, loses: nothing, stride: 1 }.exhaust();
}

#[test]
fn emptying_the_trash() {
    let prepare = |stage: &Stage| {
        two_states(stage, Command::Stop);
        stage.does(restore_first);
        empty_act(stage)
    };
    let loses = |stage: &Stage| stage.ever_written();
    Case { name: "empty", prepare, steps: EMPTY, loses, stride: 1 }.exhaust();
}

#[test]
fn adopting_a_directory() {
    let prepare = |stage: &Stage| {
        stage.make_directory();
        std::fs::write(stage.directory().join("mine"), "a person's file").unwrap();
        stage.any_time();
        stage.port.deeds().own = [("mine".to_owned(), b"a person's file".to_vec())].into();
        adopt_act(stage)
    };
    Case { name: "adopt", prepare, steps: ADOPT, loses: nothing, stride: 1 }.exhaust();
}

#[test]
fn moving_a_volume() {
    let prepare = |stage: &Stage| {
        stage.make_directory();
        stage.must(Command::DeployOnDisk);
        stage.any_time();
        stage.must(Command::Stop);
        move_act(stage)
    };
    Case { name: "move", prepare, steps: MOVE, loses: nothing, stride: 1 }.exhaust();
}
