//! Random sequences of what people do with data, with failures and deaths in between, against a model that knows only
//! contents: what was written can be had from live volumes, the trash or snapshots, until somebody consents to its end.

use std::fs;
use std::path::PathBuf;

use homeport_host::Host;
use homeport_host::approval::Token;
use homeport_host::hazard::Hazard;
use homeport_host::operation::{self, Execution, OperationError, Outcome};
use homeport_host::request::{
    EmptyRequest, PruneRequest, PruneWish, PurgeRequest, SnapshotRef, TrashChoice, TrashRestoreRequest,
};
use homeport_volumes::store::ObjectId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::data::{done, restore, snapshot};
use crate::port::tree;
use crate::reach::Contents;
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::view::Now;

/// Something that somebody does.
#[derive(Debug, Clone)]
enum Deed {
    /// The port writes: at each start a file more.
    Write,
    Stop,
    /// The instance goes, its data stays; or it comes again.
    Remove,
    Snapshot,
    /// The snapshot so many before the newest.
    Restore(usize),
    /// What is in the trash, by its place in the list.
    TakeBack(usize),
    /// A person deletes one of the port's files.
    Delete(usize),
    Purge(Consent),
    Empty(Consent),
    /// Keeps so many, and collects.
    Prune(u32, Consent),
    /// Time passes.
    Days(u64),
}

/// Whether somebody consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consent {
    Given,
    Missing,
    /// The token of another plan, or one that nobody gave out where there is no other plan.
    Wrong,
}

/// What must not be lost, and what has been.
struct Model {
    expected: Contents,
}

impl Model {
    /// What was written since is expected too.
    fn learn(&mut self, stage: &Stage) {
        self.expected.extend(stage.live());
    }

    /// Everything that is expected can be had.
    fn check(&self, stage: &Stage, text: &str) {
        let reachable = stage.reachable();
        let missing = self.expected.iter().filter(|content| !reachable.contains(content)).count();
        assert_eq!(missing, 0, "{text}: {missing} contents cannot be had any more");
    }

    /// What somebody consented to may have gone, and nothing else.
    fn forget(&mut self, stage: &Stage, approved: &Contents) {
        let reachable = stage.reachable();
        self.expected.retain(|content| !approved.contains(content) || reachable.contains(content));
    }
}

/// The contents of what may go by this: what the plan names to which somebody consents, or that needs no consent, and what
/// a person deletes without HomePort. A purge moves, and only emptying deletes: by it nothing may go.
fn may_go(stage: &Stage, deed: &Deed) -> Contents {
    let planned = |needed: bool, consent: Consent| !needed || consent == Consent::Given;
    match deed {
        Deed::Empty(consent) => {
            let request = EmptyRequest { what: TrashChoice::All, approve: None, execution: Execution::DryRun };
            match stage.does(|host| operation::trash_empty(host, &request)) {
                Outcome::Planned { plan, .. } if planned(plan.needs_approval.is_some(), *consent) => {
                    stage.in_trees(&plan.what)
                }
                _ => Contents::new(),
            }
        }
        Deed::Prune(last, consent) => {
            let plan = stage.with(&Trouble::default(), |host| {
                operation::snapshot_prune(host, &prune(*last, None, Execution::DryRun))
            });
            match plan.1 {
                Some(Outcome::Planned { plan, approval }) if planned(approval.is_some(), *consent) => {
                    stage.in_those_snapshots(|uuid| plan.removed().any(|fate| fate.uuid == *uuid))
                }
                _ => Contents::new(),
            }
        }
        Deed::Delete(place) => {
            file_of_home(stage, *place).map(|file| ObjectId::of(&fs::read(file).unwrap())).into_iter().collect()
        }
        _ => Contents::new(),
    }
}

fn prune(last: u32, approve: Option<Token>, execution: Execution) -> PruneRequest {
    let policy = homeport_volumes::snapshot::Policy { last, ..Default::default() };
    PruneRequest { instance: alice(), what: PruneWish::ByPolicy(policy), approve, execution }
}

/// The file of `home` with this place in the order of names.
fn file_of_home(stage: &Stage, place: usize) -> Option<PathBuf> {
    let volumes = stage.ledger().volumes(&alice()).unwrap();
    let data = volumes.into_iter().find(|volume| volume.name.as_str() == "home")?.path.join("data");
    tree(&data).unwrap().into_keys().nth(place).map(|name| data.join(name))
}

/// What was asked for, with the consent that was given; and whether anything can be lost by it.
fn carry_out(stage: &Stage, deed: &Deed, trouble: &Trouble) -> Result<(), OperationError> {
    let with = |act: &dyn Fn(&Host) -> Result<(), OperationError>| stage.with(trouble, act).0.result;
    match deed {
        Deed::Write => {
            let command =
                if stage.ledger().instance(&alice()).unwrap().is_some() { Command::Restart } else { Command::Deploy };
            stage.run(command, trouble).result
        }
        Deed::Stop => stage.run(Command::Stop, trouble).result,
        Deed::Remove => stage.run(Command::Remove, trouble).result,
        Deed::Snapshot => with(&|host| snapshot(host).map(drop)),
        Deed::Restore(back) => {
            let list = stage.does(|host| operation::snapshot_list(host, None)).snapshots;
            let Some(wanted) = list.iter().rev().nth(*back) else { return Ok(()) };
            let wanted = SnapshotRef::Number(wanted.sequence);
            with(&|host| restore(host, wanted.clone()).map(drop))
        }
        Deed::TakeBack(place) => {
            let list = stage.does(operation::trash_list).bundles;
            let Some(view) = list.get(*place) else { return Ok(()) };
            let what = view.id.to_string().parse().unwrap();
            let request = TrashRestoreRequest { what, approve: None, execution: Execution::Real };
            with(&|host| operation::trash_restore(host, &request).map(done).map(drop))
        }
        Deed::Purge(consent) => {
            let request =
                |approve, execution| PurgeRequest { instance: alice(), volumes: [].into(), approve, execution };
            let token = stage.with(&Trouble::default(), |host| {
                Ok(match operation::purge(host, &request(None, Execution::DryRun))? {
                    Outcome::Planned { approval, .. } => approval.map(|approval| approval.token),
                    Outcome::Done(_) => None,
                })
            });
            let token = chosen(*consent, token.1.flatten(), || token_of_another_plan(stage));
            with(&|host| operation::purge(host, &request(token.clone(), Execution::Real)).map(drop))
        }
        Deed::Empty(consent) => {
            let request = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
            let token = stage.does(|host| {
                Ok(match operation::trash_empty(host, &request(None, Execution::DryRun))? {
                    Outcome::Planned { approval, .. } => approval.map(|approval| approval.token),
                    Outcome::Done(_) => None,
                })
            });
            let token = chosen(*consent, token, || token_of_another_plan(stage));
            with(&|host| operation::trash_empty(host, &request(token.clone(), Execution::Real)).map(drop))
        }
        Deed::Prune(last, consent) => {
            let request = |approve, execution| prune(*last, approve, execution);
            let token = stage.with(&Trouble::default(), |host| {
                Ok(match operation::snapshot_prune(host, &request(None, Execution::DryRun))? {
                    Outcome::Planned { approval, .. } => approval.map(|approval| approval.token),
                    Outcome::Done(_) => None,
                })
            });
            let token = chosen(*consent, token.1.flatten(), || token_of_another_plan(stage));
            with(&|host| operation::snapshot_prune(host, &request(token.clone(), Execution::Real)).map(drop))
        }
        Deed::Delete(place) => {
            let homes = stage.ledger().volumes(&alice()).unwrap();
            let Some(home) = homes.into_iter().find(|volume| volume.name.as_str() == "home") else { return Ok(()) };
            let mut left = tree(&home.path.join("data")).unwrap();
            let Some(name) = left.keys().nth(*place).cloned() else { return Ok(()) };
            fs::remove_file(home.path.join("data").join(&name)).unwrap();
            left.remove(&name);
            stage.port.deeds().set(&home.uuid, &left);
            Ok(())
        }
        Deed::Days(days) => {
            stage.clock.forward(*days);
            Ok(())
        }
    }
}

fn chosen(consent: Consent, given: Option<Token>, other: impl FnOnce() -> Option<Token>) -> Option<Token> {
    match consent {
        Consent::Given => given,
        Consent::Missing => None,
        Consent::Wrong => other().or_else(|| Some("aaaa-bbbb-cccc-dddd".parse().unwrap())),
    }
}

/// A token that was given out a moment ago, unused and in time, for the purge of one volume; where that is not to be had,
/// there is none.
fn token_of_another_plan(stage: &Stage) -> Option<Token> {
    let request = PurgeRequest {
        instance: alice(),
        volumes: ["hostkeys".parse().unwrap()].into(),
        approve: None,
        execution: Execution::DryRun,
    };
    let planned = stage.with(&Trouble::default(), |host| match operation::purge(host, &request)? {
        Outcome::Planned { approval, .. } => Ok(approval.map(|approval| approval.token)),
        Outcome::Done(_) => Ok(None),
    });
    planned.1.flatten()
}

fn run(stage: &Stage, deeds: &[(Deed, Trouble)]) {
    let mut model = Model { expected: Contents::new() };
    stage.must(Command::Deploy);
    stage.any_time();
    model.learn(stage);
    for (number, (deed, trouble)) in deeds.iter().enumerate() {
        let text = format!("deed {number}, {deed:?} with {trouble:?}");
        let approved = may_go(stage, deed);
        let result = carry_out(stage, deed, trouble);
        // Whatever went wrong, the next command brings it to an end.
        stage.run(Command::Unrelated, &Trouble::default());
        stage.run(Command::Unrelated, &Trouble::default());
        if matches!(deed, Deed::Empty(_)) {
            forget_deleted_volumes(stage);
        }
        let text = format!("{text}: {}", result.err().map_or_else(|| "ok".to_owned(), |error| error.to_string()));
        stage.all_settled(&text);
        model.forget(stage, &approved);
        model.learn(stage);
        model.check(stage, &text);
    }
    let list = stage.does(operation::trash_list);
    assert!(list.faults.is_empty(), "{:?}", list.faults);
    let known: Contents = stage.port.deeds().contents().map(|bytes| ObjectId::of(bytes)).collect();
    assert!(model.expected.is_subset(&known));
}

/// Volumes that were purged and, with consent, deleted are nobody's any more.
fn forget_deleted_volumes(stage: &Stage) {
    let ledger = stage.ledger();
    let live = ledger.all_volumes().unwrap().into_iter().map(|volume| volume.uuid);
    let in_trash = ledger.trash().unwrap().into_iter().map(|record| record.volume.to_string());
    let known: std::collections::BTreeSet<String> = live.chain(in_trash).collect();
    stage.port.deeds().written.retain(|(uuid, _), _| known.contains(uuid));
}

fn deeds() -> impl Strategy<Value = Deed> {
    let consent = || prop_oneof![3 => Just(Consent::Given), 1 => Just(Consent::Missing), 1 => Just(Consent::Wrong)];
    prop_oneof![
        5 => Just(Deed::Write),
        2 => Just(Deed::Stop),
        1 => Just(Deed::Remove),
        5 => Just(Deed::Snapshot),
        4 => (0..3_usize).prop_map(Deed::Restore),
        3 => (0..3_usize).prop_map(Deed::TakeBack),
        2 => (0..3_usize).prop_map(Deed::Delete),
        2 => consent().prop_map(Deed::Purge),
        2 => consent().prop_map(Deed::Empty),
        3 => (1..3_u32, consent()).prop_map(|(last, consent)| Deed::Prune(last, consent)),
        2 => prop_oneof![Just(1), Just(8), Just(31)].prop_map(Deed::Days),
    ]
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let hazard = prop_oneof![Just(Hazard::Fail), Just(Hazard::Die)];
    prop_oneof![
        3 => Just(Trouble::default()),
        2 => prop::collection::vec((0..40_usize, hazard), 1..3).prop_map(|points| Trouble { points, call: None }),
    ]
}

#[test]
fn nothing_that_was_written_is_lost_without_consent() {
    let ground = Ground::new();
    let is_long = std::env::var_os("HOMEPORT_EXHAUST").is_some();
    let cases = if is_long { 400 } else { 24 };
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let sequence = prop::collection::vec((deeds(), troubles()), 1..if is_long { 25 } else { 12 });
    TestRunner::new(config)
        .run(&sequence, |deeds| {
            run(&ground.stage(), &deeds);
            Ok(())
        })
        .unwrap();
    println!("model: {} sequences", ground.count());
}

/// After the exchange is done and before the port is started again, what was live is put away: who dies there leaves an instance
/// that should run without a container that does.
#[test]
fn a_port_that_was_put_back_is_started_again_wherever_the_command_died() {
    let ground = Ground::new();
    for point in 0..40 {
        let stage = ground.stage();
        run(&stage, &[(Deed::Snapshot, Trouble::default()), (Deed::Restore(0), dying(point))]);
        let now = stage.all_settled(&point.to_string());
        assert!(matches!(now[&alice()], Now::Running(_)), "{point}: {now:?}");
    }
}

/// The same after the only file was lost: once it is there again the port runs. Where the restore is taken back, whenever the
/// command died, the volume is as much of a loss as before, and no port is started on it; one that was not stopped yet goes on.
#[test]
fn a_port_that_lost_everything_runs_again_exactly_where_it_was_put_back() {
    let ground = Ground::new();
    let mut ends = [0; 2];
    for point in 0..40 {
        let stage = ground.stage();
        let deeds = [(Deed::Snapshot, Trouble::default()), (Deed::Delete(0), Trouble::default())];
        run(&stage, &[&deeds[..], &[(Deed::Restore(0), dying(point))]].concat());
        let now = stage.all_settled(&point.to_string());
        let homes = stage.ledger().volumes(&alice()).unwrap();
        let home = homes.iter().find(|volume| volume.name.as_str() == "home").unwrap();
        let has_letter = tree(&home.path.join("data")).unwrap().contains_key("letter-1");
        let events = stage.ledger().events(Some(&alice()), 50).unwrap();
        let is_done = events.iter().any(|event| event.kind == "restore" && !event.text.contains("taken back"));
        assert_eq!(has_letter, is_done, "{point}: {now:?}");
        if is_done {
            assert!(matches!(now[&alice()], Now::Running(_)), "{point}: {now:?}");
        } else {
            assert!(
                events.iter().all(|event| event.kind != "start"),
                "{point}: started on a volume that lost everything"
            );
        }
        ends[usize::from(is_done)] += 1;
    }
    assert!(ends.iter().all(|count| *count > 10), "{ends:?}");
}

fn dying(point: usize) -> Trouble {
    Trouble { points: vec![(point, Hazard::Die)], call: None }
}
