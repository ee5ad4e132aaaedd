//! Random sequences of commands with random failures and deaths, against a model of what a person may expect.

use std::collections::BTreeMap;

use homeport_core::name::InstanceName;
use homeport_host::engine::sim::When;
use homeport_host::hazard::Hazard;
use homeport_host::operation::OperationError;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::stage::{Command, Ground, Stage, Trouble};
use crate::view::Now;

/// What a command makes of an instance; `None` where it is refused because there is none.
fn expected(command: Command, before: &Now) -> Option<Now> {
    use Now::{Absent, Down, Running, Stopped};
    Some(match (command, before) {
        (Command::Deploy, Absent) => Now::running("hello"),
        (_, Absent) => return None,
        (Command::Deploy | Command::Start | Command::Restart, Running(it) | Stopped(it) | Down(it)) => {
            Running(it.clone())
        }
        (Command::Stop, Running(it) | Stopped(it) | Down(it)) => Stopped(it.clone()),
        (Command::Config(new), Running(it) | Stopped(it) | Down(it)) if new == it => before.clone(),
        (Command::Config(new), Running(_) | Down(_)) => Now::running(new),
        (Command::Config(new), Stopped(_)) => Now::stopped(new),
        (Command::Remove, _) => Absent,
        (Command::DeployOnDisk | Command::Unrelated, _) => unreachable!("not among the commands"),
    })
}

/// What an instance may be after the command failed, and everything was brought to an end.
fn possible(command: Command, before: &Now) -> Vec<Now> {
    let mut may_be = vec![before.clone()];
    may_be.extend(expected(command, before));
    match before {
        Now::Running(it) => may_be.push(Now::Down(it.clone())),
        // What should run is brought back after a death.
        Now::Down(it) => may_be.push(Now::Running(it.clone())),
        Now::Absent | Now::Stopped(_) => {}
    }
    may_be
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => Just(Command::Deploy),
        2 => Just(Command::Start),
        2 => Just(Command::Stop),
        2 => Just(Command::Restart),
        3 => prop_oneof![Just("hello"), Just("welcome"), Just("ahoy")].prop_map(Command::Config),
        2 => Just(Command::Remove),
    ]
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let hazard = prop_oneof![Just(Hazard::Fail), Just(Hazard::Die)];
    let when = prop_oneof![Just(When::Before), Just(When::After)];
    prop_oneof![
        2 => Just(Trouble::default()),
        3 => prop::collection::vec((0..40_usize, hazard.clone()), 1..3)
            .prop_map(|points| Trouble { points, call: None }),
        2 => (0..16_usize, when, hazard).prop_map(|(call, when, hazard)| Trouble::in_call(call, when, hazard)),
    ]
}

/// One command to one of two instances, what goes wrong in it, and what goes wrong in the process after it.
type Act = (bool, Command, Trouble, Trouble);

fn check(stage: &Stage, acts: &[Act]) {
    let names: [InstanceName; 2] = ["alice".parse().unwrap(), "bob".parse().unwrap()];
    let mut model = BTreeMap::new();
    for (is_bob, command, trouble, next) in acts {
        let name = &names[usize::from(*is_bob)];
        let before = model.get(name).cloned().unwrap_or(Now::Absent);
        let case = format!("{command:?} of {name}, which was {before:?}");
        let ran = stage.run_for(name, *command, trouble);
        stage.check_data(&case);
        stage.list();
        match (&ran.result, expected(*command, &before)) {
            (Ok(()), Some(now)) => drop(model.insert(name.clone(), now)),
            (Err(OperationError::NoInstance { .. }), None) => {}
            (Ok(()), None) => panic!("{case}: there was none"),
            (Err(_), _) => {
                assert!(!trouble.points.is_empty() || trouble.call.is_some(), "{case}: {}", ran.text());
                stage.run(Command::Unrelated, next);
                stage.check_data(&case);
                stage.run(Command::Unrelated, &Trouble::default());
                let now = stage.all_settled(&case).remove(name).unwrap_or(Now::Absent);
                assert!(possible(*command, &before).contains(&now), "{case}: {}: {now:?}", ran.text());
                model.insert(name.clone(), now);
            }
        }
        model.retain(|_, now| *now != Now::Absent);
        assert_eq!(stage.all_settled(&case), model, "{case}");
    }
}

#[test]
fn random_commands_with_random_failures_and_deaths() {
    let ground = Ground::new();
    let config = Config { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let acts = prop::collection::vec((any::<bool>(), commands(), troubles(), troubles()), 1..10);
    TestRunner::new(config)
        .run(&acts, |acts| {
            check(&ground.stage(), &acts);
            Ok(())
        })
        .unwrap();
    println!("random: {} sequences of up to 9 commands", ground.count());
}
