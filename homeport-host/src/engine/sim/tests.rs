//! Laws of the simulated engine: any sequence of calls against a model of one line a state, and what faults leave behind.
//! The contract itself is tested in `tests/engine_sim.rs`, by the rules that Docker is tested with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use homeport_core::digest::Digest;
use homeport_core::unit::Seconds;
use proptest::prelude::*;

use super::*;
use crate::engine::*;

const IMAGE: Digest = Digest::new([1; 32]);
const GRACE: Seconds = Seconds::new(5);

fn engine() -> SimEngine {
    let engine = SimEngine::new();
    engine.put_image(SimImage::new(IMAGE, "test".parse().unwrap()).program(|boot| match boot.spec.args[0].as_str() {
        "serve" => Fate::Runs(OnStop::Exits(ExitCode::SUCCESS)),
        "stubborn" => Fate::Runs(OnStop::Ignores),
        "fail" => Fate::Exits(ExitCode::new(78)),
        _ => Fate::Refused("exec: not found".to_owned()),
    }));
    engine
}

fn name(index: usize) -> ContainerName {
    format!("homeport-{index}").parse().unwrap()
}

fn spec(index: usize, program: &str) -> ContainerSpec {
    ContainerSpec {
        args: vec![program.to_owned()],
        capabilities: BTreeSet::from([Capability::KILL]),
        stop_grace: GRACE,
        ..ContainerSpec::least(name(index), IMAGE)
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create(usize, &'static str),
    Start(usize),
    Stop(usize),
    Kill(usize),
    Remove(usize),
    /// It ends by itself.
    Exit(usize),
    Reboot,
}

/// What the model knows of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Created,
    Running,
    Exited(i64),
}

type Model = BTreeMap<ContainerName, (&'static str, Is)>;

/// The step on the model, and whether the engine's answer is a success.
fn model_step(model: &mut Model, step: Step) -> bool {
    let after_stop = |program| if program == "serve" { 0 } else { 137 };
    match step {
        Step::Create(index, program) => {
            let free = !model.contains_key(&name(index));
            model.entry(name(index)).or_insert((program, Is::Created));
            free
        }
        Step::Start(index) => match model.get_mut(&name(index)) {
            None => false,
            Some((_, Is::Running)) => true,
            Some((program, is)) => {
                *is = match *program {
                    "serve" | "stubborn" => Is::Running,
                    "fail" => Is::Exited(78),
                    _ => Is::Created,
                };
                *is != Is::Created
            }
        },
        Step::Stop(index) => model.get_mut(&name(index)).is_some_and(|(program, is)| {
            if *is == Is::Running {
                *is = Is::Exited(after_stop(*program));
            }
            true
        }),
        Step::Kill(index) => model.get_mut(&name(index)).is_some_and(|(_, is)| {
            if *is == Is::Running {
                *is = Is::Exited(137);
            }
            true
        }),
        Step::Remove(index) => {
            model.remove(&name(index));
            true
        }
        Step::Exit(index) => {
            if let Some((_, is @ Is::Running)) = model.get_mut(&name(index)) {
                *is = Is::Exited(3);
            }
            true
        }
        Step::Reboot => {
            for (_, is) in model.values_mut() {
                if *is == Is::Running {
                    *is = Is::Exited(137);
                }
            }
            true
        }
    }
}

fn engine_step(engine: &SimEngine, step: Step) -> Result<(), EngineError> {
    let by_name = |index| ContainerRef::Name(name(index));
    match step {
        Step::Create(index, program) => engine.create(&spec(index, program)).map(drop),
        Step::Start(index) => engine.start(&by_name(index)).map(drop),
        Step::Stop(index) => engine.stop(&by_name(index), GRACE).map(drop),
        Step::Kill(index) => engine.kill(&by_name(index)).map(drop),
        Step::Remove(index) => engine.remove(&by_name(index)).map(drop),
        Step::Exit(index) => {
            engine.exit(&name(index), ExitCode::new(3));
            Ok(())
        }
        Step::Reboot => {
            engine.reboot();
            Ok(())
        }
    }
}

fn seen(engine: &SimEngine) -> BTreeMap<ContainerName, Is> {
    let is = |state| match state {
        ContainerState::Created => Is::Created,
        ContainerState::Running { .. } => Is::Running,
        ContainerState::Exited(exit) => Is::Exited(exit.code.get()),
        other => panic!("{other:?}"),
    };
    engine.containers().into_iter().map(|facts| (facts.name, is(facts.state))).collect()
}

fn states(model: &Model) -> BTreeMap<ContainerName, Is> {
    model.iter().map(|(name, (_, is))| (name.clone(), *is)).collect()
}

fn any_step() -> impl Strategy<Value = Step> {
    let programs = proptest::sample::select(vec!["serve", "stubborn", "fail", "broken"]);
    prop_oneof![
        3 => (0..3_usize, programs).prop_map(|(index, program)| Step::Create(index, program)),
        4 => (0..3_usize).prop_map(Step::Start),
        2 => (0..3_usize).prop_map(Step::Stop),
        1 => (0..3_usize).prop_map(Step::Kill),
        2 => (0..3_usize).prop_map(Step::Remove),
        1 => (0..3_usize).prop_map(Step::Exit),
        1 => Just(Step::Reboot),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    None,
    Fail(When),
    Die(When),
}

fn any_strike() -> impl Strategy<Value = Strike> {
    let when = || proptest::sample::select(vec![When::Before, When::After]);
    prop_oneof![4 => Just(Strike::None), 1 => when().prop_map(Strike::Fail), 1 => when().prop_map(Strike::Die)]
}

proptest! {
    /// Whatever is called in whatever order, and whatever fails or dies on the way: a call that is struck before its effect
    /// changes nothing, one that is struck after it changes all, and the answers are the model's.
    #[test]
    fn every_sequence_goes_as_in_the_model(steps in proptest::collection::vec((any_step(), any_strike()), 0..40)) {
        let engine = engine();
        let mut model = Model::new();
        for (step, strike) in steps {
            engine.restart();
            match strike {
                Strike::None => {}
                Strike::Fail(when) => engine.fail(FailOn::Call(0), when),
                Strike::Die(when) => engine.die(0, when),
            }
            let result = engine_step(&engine, step);
            let is_call = !matches!(step, Step::Exit(_) | Step::Reboot);
            let is_struck = is_call && strike != Strike::None;
            if is_struck && matches!(strike, Strike::Fail(When::Before) | Strike::Die(When::Before)) {
                prop_assert!(result.is_err());
            } else {
                let succeeds = model_step(&mut model, step) && !is_struck;
                prop_assert_eq!(result.is_ok(), succeeds, "{:?} {:?}", step, result);
            }
            if is_struck {
                let died = matches!(result, Err(EngineError::Died { .. }));
                prop_assert_eq!(died, matches!(strike, Strike::Die(_)));
            }
            prop_assert_eq!(seen(&engine), states(&model), "{:?}", step);
        }
    }

    /// The same calls give the same ids, moments and addresses: a failing run can be run again.
    #[test]
    fn the_same_sequence_gives_the_same_world(steps in proptest::collection::vec(any_step(), 0..20)) {
        let run = || {
            let engine = engine();
            for step in &steps {
                let _outcome = engine_step(&engine, *step);
            }
            (engine.containers(), engine.calls(), engine.world().events.clone())
        };
        prop_assert_eq!(run(), run());
    }

    /// What the events tell and what is to be seen never disagree.
    #[test]
    fn events_tell_what_is_so(steps in proptest::collection::vec(any_step(), 0..40)) {
        let engine = engine();
        let mut told = BTreeMap::new();
        let mut count = 0;
        for step in steps {
            let _outcome = engine_step(&engine, step);
            let events = engine.world().events.clone();
            for event in &events[count..] {
                match event.kind {
                    EventKind::Created => drop(told.insert(event.name.clone(), Is::Created)),
                    EventKind::Started => drop(told.insert(event.name.clone(), Is::Running)),
                    EventKind::Died(code) => drop(told.insert(event.name.clone(), Is::Exited(code.get()))),
                    EventKind::Removed => drop(told.remove(&event.name)),
                    EventKind::OutOfMemory => {}
                }
            }
            count = events.len();
            prop_assert_eq!(&told, &seen(&engine), "{:?}", step);
        }
    }
}

#[test]
fn a_dead_process_changes_nothing_until_the_restart() {
    let engine = engine();
    engine.die(1, When::After);
    engine.create(&spec(0, "serve")).unwrap();
    assert!(matches!(engine.start(&(&name(0)).into()), Err(EngineError::Died { .. })));
    assert!(engine.is_dead());
    assert!(matches!(engine.remove(&(&name(0)).into()), Err(EngineError::Died { .. })));
    assert!(matches!(engine.list(&LabelFilter::any()), Err(EngineError::Died { .. })));
    assert_eq!(engine.calls().len(), 4);

    engine.restart();
    assert!(engine.calls().is_empty());
    let found = engine.inspect(&(&name(0)).into()).unwrap().unwrap();
    assert!(found.state.is_running(), "the start had its effect");
}

#[test]
fn a_death_wakes_who_waits_in_another_thread() {
    let engine = engine();
    engine.create(&spec(0, "serve")).unwrap();
    engine.start(&(&name(0)).into()).unwrap();
    let waiter = std::thread::spawn({
        let engine = engine.clone();
        move || engine.wait(&(&name(0)).into(), Duration::from_mins(1))
    });
    while engine.calls().len() < 3 {
        std::thread::yield_now();
    }
    engine.die(3, When::Before);
    assert!(engine.ping().is_err());
    assert!(matches!(waiter.join().unwrap(), Err(EngineError::Died { .. })));
}

#[test]
fn faults_strike_the_calls_that_they_are_planned_for() {
    let engine = engine();
    engine.fail(FailOn::Next(Operation::Start), When::Before);
    engine.create(&spec(0, "serve")).unwrap();
    assert!(engine.start(&(&name(0)).into()).is_err());
    assert_eq!(engine.start(&(&name(0)).into()).unwrap(), StartOutcome::Started);

    engine.fail(FailOn::Every(Operation::Inspect), When::After);
    assert!(engine.inspect(&(&name(0)).into()).is_err());
    assert!(engine.inspect(&(&name(0)).into()).is_err());
    engine.restart();
    assert!(engine.inspect(&(&name(0)).into()).is_ok());

    engine.set_outage(Some(Outage::NotRunning));
    assert!(matches!(engine.ping(), Err(EngineError::NotRunning { .. })));
    engine.restart();
    assert!(engine.ping().is_err(), "an outage is the engine's, not the process's");
    engine.set_outage(None);
    engine.ping().unwrap();
    let operations: Vec<_> = engine.calls().iter().map(|action| action.operation).collect();
    assert_eq!(operations, [Operation::Ping, Operation::Ping]);
}

#[test]
fn a_script_may_ask_the_engine_about_its_own_container() {
    let engine = SimEngine::new();
    let inside = engine.clone();
    engine.put_image(SimImage::new(IMAGE, "test".parse().unwrap()).program(move |boot| {
        let facts = inside.inspect(&(&boot.id).into()).unwrap().unwrap();
        assert!(facts.state.is_running());
        boot.print(Stream::Out, "ready\n");
        Fate::Runs(OnStop::Ignores)
    }));
    engine.create(&spec(0, "serve")).unwrap();
    engine.start(&(&name(0)).into()).unwrap();
    let mut output = Vec::new();
    let request = LogRequest::past(LogTail::All);
    let end = engine.logs(&(&name(0)).into(), &request, &mut |_, bytes| {
        output.extend_from_slice(bytes);
        Flow::Continue
    });
    assert_eq!((end.unwrap(), output.as_slice()), (LogsEnd::Complete, b"ready\n".as_slice()));
}

#[test]
fn a_container_that_is_down_gives_its_address_back() {
    let engine = engine();
    let network = NetworkSpec {
        name: "homeport".parse().unwrap(),
        labels: Labels::new(),
        peers: PeerTraffic::Blocked,
        reach: Reach::Outside,
    };
    let network = engine.ensure_network(&network).unwrap().into_inner();
    let address = |index: usize| engine.containers()[index].addresses.values().next().copied();
    for index in 0..2 {
        let spec = ContainerSpec { network: NetworkMode::Attached(network.clone()), ..spec(index, "serve") };
        engine.create(&spec).unwrap();
        engine.start(&spec.name.into()).unwrap();
    }
    let (first, second) = (address(0).unwrap(), address(1).unwrap());
    assert_ne!(first, second);
    engine.exit(&name(0), ExitCode::SUCCESS);
    assert_eq!((address(0), address(1)), (None, Some(second)));
    engine.start(&(&name(0)).into()).unwrap();
    assert_eq!(address(0), Some(first));
}
