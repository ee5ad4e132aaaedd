//! Tests of the machine: scripts as tables, then laws over random histories.

use proptest::prelude::*;

use super::*;

const STOP_WITHIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);

fn at(ms: u64) -> Moment {
    Moment::after_start(Duration::from_millis(ms))
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

fn machine(kinds: &[Criticality]) -> Machine {
    let units = kinds.iter().enumerate().map(|(n, kind)| Unit::new(format!("s{n}").parse().unwrap(), *kind)).collect();
    Machine::new(units, STOP_WITHIN, PATIENCE)
}

use Criticality::{Critical, Optional};

/// A machine whose services run as processes 10, 11 ... and whose probe, process 99, has passed.
fn ready(kinds: &[Criticality]) -> Machine {
    let mut machine = machine(kinds);
    machine.step(at(0), Event::Tick);
    for (n, number) in (0..kinds.len()).zip(10..) {
        machine.step(at(0), Event::Started(n, pid(number)));
    }
    machine.step(at(0), Event::ProbeStarted(pid(99)));
    assert_eq!(machine.step(at(1), Event::Ended(pid(99), Ending::Exited(0))), [Action::SayReady]);
    assert_eq!(machine.condition(), Condition::Ready);
    machine
}

#[test]
fn services_start_in_order_and_the_probe_when_all_run() {
    let mut machine = machine(&[Critical, Critical]);
    assert_eq!(machine.step(at(0), Event::Tick), [Action::Start(0), Action::Start(1)]);
    assert_eq!(machine.step(at(0), Event::Started(0, pid(10))), []);
    assert_eq!(machine.step(at(0), Event::Started(1, pid(11))), [Action::StartProbe]);
    assert_eq!(machine.condition(), Condition::Starting);
}

#[test]
fn a_port_is_not_ready_before_its_probe_passed() {
    let mut machine = machine(&[Critical]);
    machine.step(at(0), Event::Tick);
    machine.step(at(0), Event::Started(0, pid(10)));
    machine.step(at(0), Event::ProbeStarted(pid(99)));
    assert_eq!(machine.step(at(5), Event::Ended(pid(98), Ending::Exited(0))), [], "somebody else's process");
    assert_eq!(machine.step(at(9), Event::Ended(pid(99), Ending::Exited(69))), []);
    assert_eq!(machine.condition(), Condition::Starting);
    assert_eq!(machine.wake_at(), Some(at(509)));
    assert_eq!(machine.step(at(509), Event::Tick), [Action::StartProbe]);
}

#[test]
fn a_probe_that_hangs_is_killed_and_asked_again() {
    let mut machine = machine(&[Critical]);
    machine.step(at(0), Event::Tick);
    machine.step(at(0), Event::Started(0, pid(10)));
    machine.step(at(0), Event::ProbeStarted(pid(99)));
    assert_eq!(machine.wake_at(), Some(at(15_000)));
    assert_eq!(machine.step(at(15_000), Event::Tick), [Action::KillGroup(pid(99))]);
    assert_eq!(machine.step(at(15_001), Event::Ended(pid(99), Ending::Signaled(9))), []);
    assert_eq!(machine.step(at(16_000), Event::Tick), [Action::StartProbe]);
}

#[test]
fn a_killed_service_is_back_after_a_quarter_of_a_second_and_probed_again() {
    let mut machine = ready(&[Critical]);
    let actions = machine.step(at(1000), Event::Ended(pid(10), Ending::Signaled(9)));
    let again = Verdict::Again(at(1250));
    assert_eq!(actions, [Action::Leftovers(0, pid(10)), Action::TellEnded(0, Ending::Signaled(9), again)]);
    assert_eq!(machine.condition(), Condition::Degraded);
    assert_eq!(machine.wake_at(), Some(at(1250)));
    assert_eq!(machine.step(at(1249), Event::Tick), []);
    assert_eq!(machine.step(at(1250), Event::Tick), [Action::Start(0)]);
    assert_eq!(machine.step(at(1250), Event::Started(0, pid(12))), [Action::StartProbe]);
    machine.step(at(1250), Event::ProbeStarted(pid(98)));
    assert_eq!(machine.step(at(1300), Event::Ended(pid(98), Ending::Exited(0))), [Action::SayReady]);
    assert_eq!((machine.condition(), machine.units()[0].restarts()), (Condition::Ready, 1));
}

#[test]
fn a_process_that_nobody_knows_changes_nothing() {
    let mut machine = ready(&[Critical]);
    assert_eq!(machine.step(at(5), Event::Ended(pid(4000), Ending::Signaled(9))), []);
    assert_eq!(machine.condition(), Condition::Ready);
}

#[test]
fn a_critical_service_that_gives_up_takes_the_port_with_it() {
    for (ending, status) in
        [(Ending::Exited(78), ExitStatus::ServiceFailed), (Ending::Exited(77), ExitStatus::ServiceFailed)]
    {
        let mut machine = ready(&[Critical, Critical]);
        let actions = machine.step(at(9), Event::Ended(pid(10), ending));
        assert_eq!(
            actions[1..],
            [Action::TellEnded(0, ending, Verdict::Over), Action::SayStopping, Action::Term(1, pid(11))]
        );
        machine.step(at(10), Event::Ended(pid(11), Ending::Signaled(15)));
        assert_eq!(machine.step(at(10), Event::NothingLeft), [Action::Exit(status)]);
    }
}

#[test]
fn a_system_without_processes_is_the_systems_fault() {
    let mut machine = machine(&[Critical]);
    machine.step(at(0), Event::Tick);
    let again = rustix::io::Errno::AGAIN.raw_os_error();
    let mut now = at(0);
    for _ in 0..5 {
        machine.step(now, Event::NotStarted(0, again));
        now = machine.wake_at().unwrap_or(now);
        machine.step(now, Event::Tick);
    }
    assert_eq!(machine.step(now, Event::NothingLeft), [Action::Exit(ExitStatus::OsRefused)]);
}

#[test]
fn a_port_goes_on_without_an_optional_service() {
    let mut machine = ready(&[Critical, Optional]);
    machine.step(at(9), Event::Ended(pid(11), Ending::Exited(78)));
    assert_eq!(machine.condition(), Condition::Degraded);
    assert_eq!(machine.units()[1].shown(), ServiceState::Failed);
    assert_eq!(machine.units()[0].shown(), ServiceState::Running);
}

#[test]
fn a_stop_asks_in_reverse_then_asks_what_is_left_then_exits_with_nothing() {
    let mut machine = ready(&[Critical, Critical]);
    let actions = machine.step(at(100), Event::Stop);
    assert_eq!(actions, [Action::SayStopping, Action::Term(1, pid(11)), Action::Term(0, pid(10))]);
    assert_eq!(machine.step(at(101), Event::Stop), [], "a second signal changes nothing");
    assert_eq!(machine.step(at(110), Event::Ended(pid(11), Ending::Exited(0))), [Action::Leftovers(1, pid(11))]);
    let actions = machine.step(at(120), Event::Ended(pid(10), Ending::Signaled(15)));
    assert_eq!(actions, [Action::Leftovers(0, pid(10)), Action::TermRest]);
    assert_eq!(machine.step(at(130), Event::NothingLeft), [Action::Exit(ExitStatus::Done)]);
}

#[test]
fn what_is_left_and_passes_over_the_first_signal_is_hung_up() {
    let mut machine = ready(&[Critical]);
    machine.step(at(0), Event::Stop);
    machine.step(at(10), Event::Ended(pid(10), Ending::Exited(0)));
    assert_eq!(machine.wake_at(), Some(at(210)));
    assert_eq!(machine.step(at(210), Event::Tick), [Action::HangUpRest]);
    assert_eq!(machine.wake_at(), Some(at(8000)));
    assert_eq!(machine.step(at(8000), Event::Tick), [Action::KillRest]);
}

#[test]
fn what_does_not_end_is_killed_two_seconds_before_the_host_would() {
    let mut machine = ready(&[Critical]);
    machine.step(at(0), Event::Stop);
    assert_eq!(machine.wake_at(), Some(at(8000)));
    assert_eq!(machine.step(at(7999), Event::Tick), []);
    assert_eq!(machine.step(at(8000), Event::Tick), [Action::KillRest]);
    machine.step(at(8001), Event::Ended(pid(10), Ending::Signaled(9)));
    assert_eq!(machine.step(at(8001), Event::NothingLeft), [Action::Exit(ExitStatus::KilledAtStop)]);
}

#[test]
fn what_cannot_even_be_killed_does_not_keep_init() {
    let mut machine = ready(&[Critical]);
    machine.step(at(0), Event::Stop);
    machine.step(at(8000), Event::Tick);
    assert_eq!(machine.step(at(10_000), Event::Tick), [Action::Exit(ExitStatus::KilledAtStop)]);
}

#[test]
fn a_short_stop_leaves_half_of_it_to_the_services() {
    for (stop_ms, kill_ms) in [(1000, 500), (3000, 1500), (4000, 2000), (60_000, 58_000)] {
        let units = vec![Unit::new("s0".parse().unwrap(), Critical)];
        let mut machine = Machine::new(units, Duration::from_millis(stop_ms), PATIENCE);
        machine.step(at(0), Event::Tick);
        machine.step(at(0), Event::Started(0, pid(10)));
        machine.step(at(0), Event::Stop);
        assert_eq!(machine.wake_at(), Some(at(kill_ms)));
    }
}

#[test]
fn a_stop_during_a_start_stops_what_was_started() {
    let mut machine = machine(&[Critical]);
    machine.step(at(0), Event::Tick);
    assert_eq!(machine.step(at(0), Event::Stop), [Action::SayStopping]);
    assert_eq!(machine.step(at(1), Event::Started(0, pid(10))), [Action::Term(0, pid(10))]);
    let actions = machine.step(at(2), Event::Ended(pid(10), Ending::Signaled(15)));
    assert_eq!(actions, [Action::Leftovers(0, pid(10)), Action::TermRest]);
}

#[test]
fn a_renewed_service_is_stopped_and_started_and_that_counts_as_no_failure() {
    let mut machine = ready(&[Critical]);
    assert_eq!(machine.step(at(10), Event::Renew(0)), [Action::Term(0, pid(10))]);
    let actions = machine.step(at(20), Event::Ended(pid(10), Ending::Signaled(15)));
    assert_eq!(actions, [Action::Leftovers(0, pid(10)), Action::Start(0)]);
    assert_eq!(machine.step(at(20), Event::Started(0, pid(11))), [Action::StartProbe]);
}

#[test]
fn a_renewed_service_that_does_not_end_is_killed() {
    let mut machine = ready(&[Critical]);
    machine.step(at(0), Event::Renew(0));
    assert_eq!(machine.wake_at(), Some(at(8000)));
    assert_eq!(machine.step(at(8000), Event::Tick), [Action::KillGroup(pid(10))]);
}

/// A world that does what the machine says, with processes that end, or do not, as the script wants.
#[derive(Debug, Clone)]
enum Turn {
    Pass(u64),
    Kill(usize, i32),
    ProbeSays(i32),
    Stop,
    Renew(usize),
    Stranger,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (0_u64..90_000).prop_map(Turn::Pass),
        3 => (0_usize..3, 0_i32..80).prop_map(|(at, code)| Turn::Kill(at, code)),
        2 => (0_i32..2).prop_map(Turn::ProbeSays),
        1 => Just(Turn::Stop),
        1 => (0_usize..3).prop_map(Turn::Renew),
        1 => Just(Turn::Stranger),
    ];
    proptest::collection::vec(turn, 1..60)
}

#[derive(Default)]
struct World {
    next_pid: i32,
    alive: Vec<(usize, Pid)>,
    probe: Option<Pid>,
    exit: Option<ExitStatus>,
    ready: u32,
    killed_all: bool,
}

impl World {
    fn feed(&mut self, machine: &mut Machine, now: Moment, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in machine.step(now, event) {
                assert!(self.exit.is_none(), "nothing is done after the exit: {action:?}");
                match action {
                    Action::Start(at) => {
                        assert!(!self.alive.iter().any(|(other, _)| *other == at), "a service never runs twice");
                        assert_ne!(machine.condition(), Condition::Stopping, "nothing is started while stopping");
                        self.next_pid += 1;
                        self.alive.push((at, pid(self.next_pid)));
                        events.insert(0, Event::Started(at, pid(self.next_pid)));
                    }
                    Action::StartProbe => {
                        assert!(self.probe.is_none(), "one probe at a time");
                        self.next_pid += 1;
                        self.probe = Some(pid(self.next_pid));
                        events.insert(0, Event::ProbeStarted(pid(self.next_pid)));
                    }
                    Action::KillGroup(dead) => {
                        self.alive.retain(|(_, pid)| *pid != dead);
                        self.probe = self.probe.filter(|probe| *probe != dead);
                        events.insert(0, Event::Ended(dead, Ending::Signaled(9)));
                    }
                    Action::KillRest => {
                        self.killed_all = true;
                        for (_, dead) in std::mem::take(&mut self.alive) {
                            events.insert(0, Event::Ended(dead, Ending::Signaled(9)));
                        }
                    }
                    Action::SayReady => self.ready += 1,
                    Action::Exit(status) => self.exit = Some(status),
                    Action::Term(at, asked) => assert!(self.alive.contains(&(at, asked)), "only who lives is asked"),
                    Action::Leftovers(..)
                    | Action::SayStopping
                    | Action::TermRest
                    | Action::HangUpRest
                    | Action::TellEnded(..) => {}
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_stop_ends_within_its_time_and_nothing_is_started_after_it(
        kinds in proptest::collection::vec(prop_oneof![Just(Critical), Just(Optional)], 1..4),
        turns in turns(),
    ) {
        let mut machine = machine(&kinds);
        let mut world = World { next_pid: 100, ..World::default() };
        let mut now = at(0);
        world.feed(&mut machine, now, Event::Tick);
        for turn in turns {
            if world.exit.is_some() {
                break;
            }
            match turn {
                Turn::Pass(ms) => {
                    let until = now + Duration::from_millis(ms);
                    while let Some(wake) = machine.wake_at().filter(|wake| *wake <= until) {
                        prop_assert!(world.exit.is_none());
                        now = now.max(wake);
                        let before = machine.wake_at();
                        world.feed(&mut machine, now, Event::Tick);
                        prop_assert!(machine.wake_at() != before || before.is_none(), "a wake-up leads somewhere");
                    }
                    now = now.max(until);
                }
                Turn::Kill(at, code) => {
                    if let Some((_, dead)) = world.alive.iter().copied().find(|(other, _)| *other == at) {
                        world.alive.retain(|(_, pid)| *pid != dead);
                        world.feed(&mut machine, now, Event::Ended(dead, Ending::Exited(code)));
                    }
                }
                Turn::ProbeSays(code) => {
                    if let Some(probe) = world.probe.take() {
                        world.feed(&mut machine, now, Event::Ended(probe, Ending::Exited(code)));
                    }
                }
                Turn::Stop => world.feed(&mut machine, now, Event::Stop),
                Turn::Renew(at) => world.feed(&mut machine, now, Event::Renew(at % kinds.len())),
                Turn::Stranger => world.feed(&mut machine, now, Event::Ended(pid(7), Ending::Signaled(9))),
            }
            for (at, alive) in &world.alive {
                prop_assert_eq!(machine.units()[*at].pid(), Some(*alive), "the machine knows who runs");
            }
        }
        if world.exit.is_none() {
            let asked = now;
            world.feed(&mut machine, now, Event::Stop);
            while world.exit.is_none() {
                if world.killed_all {
                    world.feed(&mut machine, now, Event::NothingLeft);
                    break;
                }
                now = machine.wake_at().expect("a stop always has a deadline");
                world.feed(&mut machine, now, Event::Tick);
            }
            prop_assert!(world.exit.is_some());
            prop_assert!(now.since(asked) <= STOP_WITHIN);
        }
    }
}
