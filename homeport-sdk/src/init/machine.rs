//! Owns every decision of a running init: what to start, to signal, to kill, when the port is ready and when to exit.
//! Never does any of it: events and the time come in, actions go out, and `supervise` carries them out.
//!
//! ```text
//!             all critical services run            probe passes
//!   Starting ───────────────────────────▶ probing ──────────────▶ Ready ◀──┐
//!      │                                    │  ▲  a service ends  │        │ probe passes
//!      │                                    │  └──────────────────┘ Degraded
//!      │ TERM, INT, or a critical service gave up (then the exit status is 69)
//!      ▼
//!   Stopping: TERM to each group, last started first ─▶ none runs ─▶ TERM, later HUP, to what is left ─▶ nothing left:
//!   exit 0, or 69; the deadline passed in between: KILL to everything ─▶ exit 85, or 69
//! ```

use std::time::Duration;

use homeport_core::entrypoint::{Condition, ExitStatus, ServiceState};
use homeport_core::manifest::Criticality;
use homeport_core::name::ServiceName;
use rustix::process::Pid;

use super::clock::Moment;
use super::respawn::{Ending, History, Verdict};

#[cfg(test)]
mod tests;

/// Of the time to stop so much is kept for killing and reaping, so that the host never has to kill. [spec: ENT-33]
const KILL_RESERVE: Duration = Duration::from_secs(2);
/// What is left is asked by TERM, and after this long by HUP, which interactive shells take and TERM they do not.
const HANG_UP_AFTER: Duration = Duration::from_millis(200);
/// After a probe that failed the next one waits this long.
const PROBE_PAUSE: Duration = Duration::from_millis(500);
/// A probe that takes longer than its own patience by this much hangs, and is killed.
const PROBE_SLACK: Duration = Duration::from_secs(5);

/// A service as the machine knows it: its place in the list is its identity.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// The manifest's name for it.
    pub(crate) name: ServiceName,
    /// Whether the port gives up when it does.
    pub(crate) criticality: Criticality,
    state: State,
    history: History,
    restarts: u32,
    last: Option<Ending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Starting,
    Running {
        pid: Pid,
        since: Moment,
    },
    /// Told to end by a reload; it is started again at once.
    Renewing {
        pid: Pid,
        kill_at: Moment,
    },
    Backoff {
        until: Moment,
    },
    Failed,
    Stopped,
}

impl Unit {
    /// A service that was not started yet.
    pub(crate) fn new(name: ServiceName, criticality: Criticality) -> Self {
        Self { name, criticality, state: State::Waiting, history: History::default(), restarts: 0, last: None }
    }

    /// Its process, while there is one.
    pub(crate) const fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Renewing { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// What it is doing, as the status file says it.
    pub(crate) const fn shown(&self) -> ServiceState {
        match self.state {
            State::Waiting | State::Starting => ServiceState::Waiting,
            State::Running { .. } | State::Renewing { .. } => ServiceState::Running,
            State::Backoff { .. } => ServiceState::Backoff,
            State::Failed => ServiceState::Failed,
            State::Stopped => ServiceState::Stopped,
        }
    }

    /// How often it was started again.
    pub(crate) const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// How it ended the last time.
    pub(crate) const fn last(&self) -> Option<Ending> {
        self.last
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Time passed.
    Tick,
    /// The service at this place was started.
    Started(usize, Pid),
    /// The service at this place could not be started; the operating system's number.
    NotStarted(usize, i32),
    /// A process ended; it may be anybody's.
    Ended(Pid, Ending),
    /// The probe was started.
    ProbeStarted(Pid),
    /// The probe could not be started.
    ProbeNotStarted,
    /// The host wants the port to stop.
    Stop,
    /// A new configuration wants this service stopped and started.
    Renew(usize),
    /// Init has no child left.
    NothingLeft,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the service at this place.
    Start(usize),
    /// Start the probe that tells whether the port is ready.
    StartProbe,
    /// Ask this service's process group to end.
    Term(usize, Pid),
    /// Kill this process group.
    KillGroup(Pid),
    /// Kill what the service at this place, whose main process this was, left behind.
    Leftovers(usize, Pid),
    /// Tell the host that the port stops.
    SayStopping,
    /// Ask every process that is left to end.
    TermRest,
    /// Tell every process that is left that its terminal is gone.
    HangUpRest,
    /// Kill every process that is left.
    KillRest,
    /// Tell the host that the port is ready.
    SayReady,
    /// A service ended, and this is what becomes of it.
    TellEnded(usize, Ending, Verdict),
    /// Exit.
    Exit(ExitStatus),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// There is nothing to probe yet.
    Idle,
    Due(Moment),
    Starting,
    Running {
        pid: Pid,
        kill_at: Moment,
    },
    Passed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Up,
    Stopping { kill_at: Moment, leave_at: Moment, sweep: Sweep, status: ExitStatus },
    Gone,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    /// The services were asked.
    Services,
    /// What was left was asked, and is asked in another way at this moment.
    Rest(Moment),
    /// What was left was asked in every way.
    HungUp,
    /// Everything was killed.
    Killed,
}

/// A running init, as far as decisions go.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    units: Vec<Unit>,
    mode: Mode,
    probe: Probe,
    was_ready: bool,
    stop_within: Duration,
    probe_patience: Duration,
}

impl Machine {
    /// A machine that has yet to start `units`, in this order. A stop may take `stop_within`; a probe tries for
    /// `probe_patience` by itself.
    pub(crate) fn new(units: Vec<Unit>, stop_within: Duration, probe_patience: Duration) -> Self {
        Self { units, mode: Mode::Up, probe: Probe::Idle, was_ready: false, stop_within, probe_patience }
    }

    /// The services.
    pub(crate) fn units(&self) -> &[Unit] {
        &self.units
    }

    /// How the port is.
    pub(crate) fn condition(&self) -> Condition {
        if self.mode != Mode::Up {
            return Condition::Stopping;
        }
        let all_run = self.units.iter().all(|unit| matches!(unit.state, State::Running { .. } | State::Stopped));
        match (self.was_ready, all_run && self.probe == Probe::Passed) {
            (_, true) => Condition::Ready,
            (true, false) => Condition::Degraded,
            // Ready but for a service that the port can do without.
            (false, false) => Condition::Starting,
        }
    }

    /// When to come back with a [`Event::Tick`] if nothing happens before; `None` is never.
    pub(crate) fn wake_at(&self) -> Option<Moment> {
        let units = self.units.iter().filter_map(|unit| match unit.state {
            State::Backoff { until } => Some(until),
            State::Renewing { kill_at, .. } => Some(kill_at),
            _ => None,
        });
        let probe = match self.probe {
            Probe::Due(at) | Probe::Running { kill_at: at, .. } => Some(at),
            _ => None,
        };
        match self.mode {
            Mode::Up => units.chain(probe).min(),
            Mode::Stopping { leave_at, sweep: Sweep::Killed, .. } => Some(leave_at),
            Mode::Stopping { kill_at, sweep: Sweep::Rest(hang_up_at), .. } => Some(kill_at.min(hang_up_at)),
            Mode::Stopping { kill_at, .. } => Some(kill_at),
            Mode::Gone => None,
        }
    }

    /// Takes an event in, and says what to do now.
    pub(crate) fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Started(at, pid) => self.started(now, at, pid, &mut actions),
            Event::NotStarted(at, errno) => {
                self.ended(now, at, Duration::ZERO, Ending::NotStarted(errno), &mut actions);
            }
            Event::Ended(pid, ending) => self.process_ended(now, pid, ending, &mut actions),
            Event::ProbeStarted(pid) => {
                self.probe = Probe::Running { pid, kill_at: now + self.probe_patience + PROBE_SLACK };
                if self.mode != Mode::Up {
                    actions.push(Action::KillGroup(pid));
                }
            }
            Event::ProbeNotStarted => self.probe = Probe::Due(now + PROBE_PAUSE),
            Event::Stop => self.stop(now, ExitStatus::Done, &mut actions),
            Event::Renew(at) => self.renew(now, at, &mut actions),
            Event::NothingLeft => self.nothing_left(&mut actions),
        }
        match self.mode {
            Mode::Up => self.keep_up(now, &mut actions),
            Mode::Stopping { .. } => self.keep_stopping(now, &mut actions),
            Mode::Gone => {}
        }
        actions
    }

    fn started(&mut self, now: Moment, at: usize, pid: Pid, actions: &mut Vec<Action>) {
        let Some(unit) = self.units.get_mut(at) else { return };
        unit.state = State::Running { pid, since: now };
        if self.mode != Mode::Up {
            actions.push(Action::Term(at, pid));
        }
    }

    /// Somebody's process: a service's, the probe's, or one that nobody knows and that only had to be reaped.
    fn process_ended(&mut self, now: Moment, pid: Pid, ending: Ending, actions: &mut Vec<Action>) {
        if let Some(at) = self.units.iter().position(|unit| unit.pid() == Some(pid)) {
            actions.push(Action::Leftovers(at, pid));
            let unit = &mut self.units[at];
            match unit.state {
                State::Running { since, .. } => self.ended(now, at, now.since(since), ending, actions),
                _ if self.mode == Mode::Up => {
                    unit.last = Some(ending);
                    unit.state = State::Backoff { until: now };
                }
                _ => unit.state = State::Stopped,
            }
        } else if matches!(self.probe, Probe::Running { pid: probe, .. } if probe == pid) {
            self.probe = Probe::Due(now + PROBE_PAUSE);
            if ending == Ending::Exited(0) && self.mode == Mode::Up {
                self.probe = Probe::Passed;
                self.was_ready = true;
                actions.push(Action::SayReady);
            }
        }
    }

    fn ended(&mut self, now: Moment, at: usize, up: Duration, ending: Ending, actions: &mut Vec<Action>) {
        let Some(unit) = self.units.get_mut(at) else { return };
        unit.last = Some(ending);
        if self.mode != Mode::Up {
            unit.state = State::Stopped;
            return;
        }
        let verdict = unit.history.judge(now, up, ending, unit.criticality);
        unit.state = match verdict {
            Verdict::Again(until) | Verdict::Later(until) => State::Backoff { until },
            Verdict::Over => State::Failed,
        };
        actions.push(Action::TellEnded(at, ending, verdict));
        if unit.criticality == Criticality::Optional {
            return;
        }
        // What the probe says of a port without this service is of no worth.
        if let Probe::Running { pid, .. } = self.probe {
            actions.push(Action::KillGroup(pid));
        }
        self.probe = Probe::Idle;
        if verdict == Verdict::Over {
            self.stop(now, gave_up(ending), actions);
        }
    }

    fn renew(&mut self, now: Moment, at: usize, actions: &mut Vec<Action>) {
        let kill_at = now + self.time_to_end();
        let Some(unit) = self.units.get_mut(at).filter(|_| self.mode == Mode::Up) else { return };
        unit.history = History::default();
        match unit.state {
            State::Running { pid, .. } => {
                unit.state = State::Renewing { pid, kill_at };
                self.probe = match self.probe {
                    Probe::Running { pid, .. } => {
                        actions.push(Action::KillGroup(pid));
                        Probe::Idle
                    }
                    _ => Probe::Idle,
                };
                actions.push(Action::Term(at, pid));
            }
            State::Backoff { .. } | State::Failed | State::Stopped => unit.state = State::Backoff { until: now },
            State::Waiting | State::Starting | State::Renewing { .. } => {}
        }
    }

    /// How long processes are left to end by themselves: the whole time less the reserve, or half of a short time.
    fn time_to_end(&self) -> Duration {
        self.stop_within.saturating_sub(KILL_RESERVE).max(self.stop_within / 2)
    }

    fn stop(&mut self, now: Moment, status: ExitStatus, actions: &mut Vec<Action>) {
        if self.mode != Mode::Up {
            return;
        }
        let kill_at = now + self.time_to_end();
        self.mode = Mode::Stopping { kill_at, leave_at: now + self.stop_within, sweep: Sweep::Services, status };
        actions.push(Action::SayStopping);
        if let Probe::Running { pid, .. } = self.probe {
            actions.push(Action::KillGroup(pid));
        }
        for (at, unit) in self.units.iter_mut().enumerate().rev() {
            match unit.state {
                State::Running { pid, .. } | State::Renewing { pid, .. } => actions.push(Action::Term(at, pid)),
                State::Starting | State::Failed => {}
                State::Waiting | State::Backoff { .. } | State::Stopped => unit.state = State::Stopped,
            }
        }
    }

    fn nothing_left(&mut self, actions: &mut Vec<Action>) {
        let Mode::Stopping { sweep, status, .. } = self.mode else { return };
        let killed = sweep == Sweep::Killed && status == ExitStatus::Done;
        self.mode = Mode::Gone;
        actions.push(Action::Exit(if killed { ExitStatus::KilledAtStop } else { status }));
    }

    /// Starts what is due, and probes when everything that has to run does.
    fn keep_up(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for (at, unit) in self.units.iter_mut().enumerate() {
            match unit.state {
                State::Waiting => {
                    unit.state = State::Starting;
                    actions.push(Action::Start(at));
                }
                State::Backoff { until } if until <= now => {
                    unit.state = State::Starting;
                    unit.restarts = unit.restarts.saturating_add(1);
                    actions.push(Action::Start(at));
                }
                State::Renewing { pid, kill_at } if kill_at <= now => {
                    unit.state = State::Renewing { pid, kill_at: now + KILL_RESERVE };
                    actions.push(Action::KillGroup(pid));
                }
                _ => {}
            }
        }
        let runs = |unit: &Unit| matches!(unit.state, State::Running { .. });
        let can_probe = self.units.iter().all(|unit| runs(unit) || unit.criticality == Criticality::Optional)
            && !self.units.iter().any(|unit| unit.state == State::Starting);
        match self.probe {
            Probe::Idle if can_probe => {
                self.probe = Probe::Starting;
                actions.push(Action::StartProbe);
            }
            Probe::Due(at) if can_probe && at <= now => {
                self.probe = Probe::Starting;
                actions.push(Action::StartProbe);
            }
            Probe::Due(_) if !can_probe => self.probe = Probe::Idle,
            Probe::Running { pid, kill_at } if kill_at <= now => {
                self.probe = Probe::Running { pid, kill_at: now + PROBE_SLACK };
                actions.push(Action::KillGroup(pid));
            }
            _ => {}
        }
    }

    fn keep_stopping(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let none_runs = self.units.iter().all(|unit| unit.pid().is_none() && unit.state != State::Starting);
        let Mode::Stopping { kill_at, leave_at, sweep, status } = &mut self.mode else { return };
        match sweep {
            Sweep::Killed if *leave_at <= now => {
                let status = if *status == ExitStatus::Done { ExitStatus::KilledAtStop } else { *status };
                self.mode = Mode::Gone;
                actions.push(Action::Exit(status));
            }
            Sweep::Killed => {}
            _ if *kill_at <= now => {
                *sweep = Sweep::Killed;
                actions.push(Action::KillRest);
            }
            Sweep::Services if none_runs => {
                *sweep = Sweep::Rest(now + HANG_UP_AFTER);
                actions.push(Action::TermRest);
            }
            Sweep::Rest(hang_up_at) if *hang_up_at <= now => {
                *sweep = Sweep::HungUp;
                actions.push(Action::HangUpRest);
            }
            Sweep::Services | Sweep::Rest(_) | Sweep::HungUp => {}
        }
    }
}

/// A service that the system could not give a process to is the system's fault, any other the service's.
fn gave_up(ending: Ending) -> ExitStatus {
    let refused =
        [rustix::io::Errno::AGAIN, rustix::io::Errno::NOMEM, rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    match ending {
        Ending::NotStarted(errno) if refused.iter().any(|no| no.raw_os_error() == errno) => ExitStatus::OsRefused,
        _ => ExitStatus::ServiceFailed,
    }
}
