//! Owns the loop of a running init: gathers signals, ended children and messages, asks the machine, does what it says.
//! Never decides: every "when" and "whether" is the machine's.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use homeport_core::entrypoint::{ENV_PHASE, ExitStatus, Level, Retry};
use homeport_core::fault::Fault;
use homeport_core::manifest::{Criticality, Manifest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};

use super::child::{self, As};
use super::clock::{self, Moment};
use super::context::Context;
use super::kernel::{Asked, Leads, SignalQueue, let_go_of_code};
use super::machine::{Action, Event, Machine, Unit};
use super::notify::Notifier;
use super::phase::{self, ENV_PROBE};
use super::port::Port;
use super::record::Record;
use super::remains::Reach;
use super::report::{Failure, Report};
use super::respawn::{Ending, Verdict};
use super::service::{Leftovers, OnReload, Service};
use super::status::StatusFile;
use super::syslog::SyslogSocket;

/// A probe tries by itself for at most this long, so that why it fails is said from time to time.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// What a running init was made of before its loop began.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) signals: SignalQueue,
    pub(crate) reach: Reach,
    pub(crate) notifier: Notifier,
    pub(crate) record: Record,
}

/// How a run ended.
pub(crate) type Ended = Result<(), Failure>;

/// A running init.
struct Supervisor<'p, P> {
    port: &'p P,
    cx: Context,
    env: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    services: Vec<Service>,
    machine: Machine,
    parts: Parts,
    status: StatusFile,
    syslog: Option<SyslogSocket>,
    gave_up: Option<Fault>,
    exit: Option<ExitStatus>,
}

/// How long a probe tries by itself.
pub(crate) fn probe_patience(manifest: &Manifest) -> Duration {
    Duration::from_secs(manifest.ready_within.get().into()).min(PROBE_PATIENCE)
}

/// Runs the services until the port is told to stop or has to give up.
pub(crate) fn supervise<P: Port>(port: &P, cx: Context, services: Vec<Service>, parts: Parts) -> Ended {
    let units = units(&cx.manifest, &services)?;
    let syslog = open_syslog(&cx)?;
    let stop_within = Duration::from_secs(cx.manifest.stop_within.get().into());
    let machine = Machine::new(units, stop_within, probe_patience(&cx.manifest));
    let mut supervisor = Supervisor {
        port,
        env: cx.service_env(),
        facts: port.facts(&cx),
        cx,
        services,
        machine,
        parts,
        status: StatusFile::new(),
        syslog,
        gave_up: None,
        exit: None,
    };
    supervisor.run()
}

/// Pairs each service with what the manifest says of it.
fn units(manifest: &Manifest, services: &[Service]) -> Result<Vec<Unit>, Failure> {
    let mut report = Report::default();
    let mut units: Vec<Unit> = Vec::new();
    for service in services {
        let subject = format!("services.{}", service.name);
        let bug = |message: String| Fault::new("HP-INIT-002", subject.clone(), message).clause("MAN-15");
        let name = &service.name;
        match manifest.services.iter().find(|(declared, _)| declared.as_str() == name) {
            None => report.error(ExitStatus::Internal, bug(format!("service `{name}` is not in the manifest"))),
            Some((declared, _)) if units.iter().any(|unit| unit.name == *declared) => {
                report.error(ExitStatus::Internal, bug(format!("service `{name}` is named twice")));
            }
            Some((_, says)) if says.uid.is_some_and(|uid| uid != service.uid) => {
                let told = bug(format!("service `{name}` runs as another user than the manifest says"));
                let wanted = says.uid.map(|uid| uid.to_string()).unwrap_or_default();
                report.error(ExitStatus::Internal, told.actual(service.uid.to_string()).expected(wanted));
            }
            Some((declared, says)) => units.push(Unit::new(declared.clone(), says.criticality)),
        }
    }
    report.into_result().map(|()| units)
}

fn open_syslog(cx: &Context) -> Result<Option<SyslogSocket>, Failure> {
    if !cx.manifest.syslog {
        return Ok(None);
    }
    let fault = || Fault::new("HP-INIT-003", "logs.syslog", format!("`{}` cannot be bound", super::syslog::SOCKET));
    SyslogSocket::bind(super::syslog::SOCKET.as_ref())
        .map(Some)
        .map_err(|error| Failure::from_io(fault().clause("ENT-37"), &error))
}

impl<P: Port> Supervisor<'_, P> {
    fn run(&mut self) -> Ended {
        self.take(Event::Tick);
        loop {
            if let Some(exit) = self.exit {
                return self.end(exit);
            }
            self.show();
            self.wait();
            // The queue is emptied before children are reaped: a child that ends in between leaves a new signal.
            while let Some(asked) = self.parts.signals.next() {
                match asked {
                    Asked::Stop => self.take(Event::Stop),
                    Asked::Reload => self.reload(),
                    Asked::Reap => {}
                }
            }
            self.reap();
            if let Some(syslog) = &mut self.syslog {
                syslog.forward();
            }
            self.take(Event::Tick);
        }
    }

    fn end(&mut self, exit: ExitStatus) -> Ended {
        self.show();
        let told = self.gave_up.take().or_else(|| {
            (exit == ExitStatus::KilledAtStop).then(|| {
                Fault::new("HP-RUN-005", "stop", "the time to stop passed and something had to be killed")
                    .expected(format!("every process gone within {} s", self.cx.manifest.stop_within))
                    .remedy("the log says which service did not end; `stop.timeout_seconds` may be too short")
                    .clause("ENT-33")
            })
        });
        told.map_or(Ok(()), |fault| Err(Failure::new(exit, fault)))
    }

    fn show(&mut self) {
        if let Some(text) = self.status.show(&self.cx, &self.facts, &self.machine) {
            self.parts.notifier.status(text);
        }
    }

    fn wait(&self) {
        let now = clock::monotonic();
        let due = self.machine.wake_at().map(|at| at.since(now) + ROUNDING);
        let again = (!self.status.is_written()).then_some(WRITE_AGAIN);
        let timeout = due.into_iter().chain(again).min().and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds = vec![PollFd::new(&self.parts.signals, PollFlags::IN)];
        fds.extend(self.syslog.iter().map(|syslog| PollFd::new(syslog, PollFlags::IN)));
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, timeout.as_ref());
    }

    /// Takes in every child that ended. Most of them may be orphans that nobody knows. [spec: ENT-39]
    fn reap(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let ending = match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Ending::Exited(code),
                        (None, Some(signal)) => Ending::Signaled(signal),
                        (None, None) => continue,
                    };
                    self.take(Event::Ended(pid, ending));
                }
                Ok(None) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return self.take(Event::NothingLeft),
            }
        }
    }

    /// Gives an event to the machine and carries out what it answers, and what that leads to.
    fn take(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.step(clock::monotonic(), event) {
                events.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Start(at) => {
                let service = self.services.get(at)?;
                return Some(match child::start(service, &self.env) {
                    Ok(pid) => Event::Started(at, pid),
                    Err(error) => Event::NotStarted(at, error.raw_os_error().unwrap_or(0)),
                });
            }
            Action::StartProbe => {
                return Some(self.start_probe().map_or(Event::ProbeNotStarted, Event::ProbeStarted));
            }
            Action::Term(_, pid) => {
                let _ = kill_process_group(pid, Signal::TERM);
                // A stopped process would not see it.
                let _ = kill_process_group(pid, Signal::CONT);
            }
            Action::KillGroup(pid) => {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            Action::Leftovers(at, pid) => {
                if self.services.get(at).is_some_and(|service| service.leftovers == Leftovers::Kill) {
                    // Its id is not used again while the group has members, and numbers go round far later than this.
                    let _ = kill_process_group(pid, Signal::KILL);
                }
            }
            Action::SayStopping => self.parts.notifier.stopping(),
            Action::TermRest => self.parts.reach.signal(&[Signal::TERM, Signal::CONT]),
            Action::HangUpRest => self.parts.reach.signal(&[Signal::HUP, Signal::CONT]),
            Action::KillRest => self.parts.reach.signal(&[Signal::KILL]),
            Action::SayReady => {
                self.parts.notifier.ready("ready");
                // After the status file is written too: what runs from now on is what an idle init needs.
                self.show();
                let_go_of_code();
            }
            Action::TellEnded(at, ending, verdict) => self.tell_ended(at, ending, verdict),
            Action::Exit(status) => self.exit = Some(status),
        }
        None
    }

    /// The probe is this program again, in a phase that asks the port whether it serves.
    fn start_probe(&self) -> Option<Pid> {
        let mut env = child::base_env(&self.cx.tz);
        env.extend(phase::inherited_env());
        env.insert(ENV_PHASE.to_owned(), "health".to_owned());
        env.insert(ENV_PROBE.to_owned(), "ready".to_owned());
        let root = homeport_core::unit::Uid::new(rustix::process::geteuid().as_raw());
        let group = homeport_core::unit::Gid::new(rustix::process::getegid().as_raw());
        let who = As { uid: root, gid: group, groups: &[], directory: "/", leads: Leads::Group };
        let mut command = child::command("/proc/self/exe", &["health".to_owned()], &env, who).ok()?;
        command.stdout(std::process::Stdio::null());
        child::spawn(&mut command).ok()
    }

    fn tell_ended(&mut self, at: usize, ending: Ending, verdict: Verdict) {
        let Some(unit) = self.machine.units().get(at) else { return };
        let (name, criticality) = (&unit.name, unit.criticality);
        let fault = |code, message: String| {
            Fault::new(code, format!("services.{name}"), message).actual(ending.to_string()).clause("ENT-32")
        };
        let in_seconds = |moment: Moment| format!("{} ms", moment.since(clock::monotonic()).as_millis());
        let record = &self.parts.record;
        match (verdict, criticality) {
            (Verdict::Again(when), _) => {
                let told = fault("HP-RUN-001", format!("service `{name}` ended and is started again"));
                record.tell(
                    Level::Warn,
                    Retry::Backoff,
                    &told.remedy(format!("the next start is in {}", in_seconds(when))),
                );
            }
            (Verdict::Later(when), _) => {
                let told =
                    fault("HP-RUN-002", format!("service `{name}` fails again and again; the port goes on without"));
                record.tell(
                    Level::Warn,
                    Retry::Backoff,
                    &told.remedy(format!("the next try is in {}", in_seconds(when))),
                );
            }
            (Verdict::Over, Criticality::Optional) => {
                let told = fault("HP-RUN-003", format!("service `{name}` ended for good; the port goes on without"));
                record.tell(Level::Warn, Retry::Never, &told);
            }
            (Verdict::Over, Criticality::Critical) => {
                let told = fault("HP-RUN-004", format!("critical service `{name}` gave up"))
                    .expected("a service that stays up")
                    .remedy("its own messages in `homeport logs` say why");
                // It is the error that init exits with, and told then.
                self.gave_up.get_or_insert(told);
            }
        }
    }

    /// Takes a new configuration over, or keeps the old one with a warning. [spec: ENT-34]
    fn reload(&mut self) {
        self.parts.notifier.reloading(clock::monotonic());
        let refused = match self.new_services() {
            Ok((cx, services)) => {
                self.adopt(cx, services);
                None
            }
            Err(failure) => Some(failure),
        };
        for problem in refused.iter().flat_map(Failure::problems) {
            let fault = Fault {
                remedy: format!("the port goes on with the configuration that it has. {}", problem.fault.remedy),
                ..problem.fault.clone()
            };
            self.parts.record.tell(Level::Warn, Retry::Config, &fault);
        }
        let text = if refused.is_some() { "reload refused: the old configuration stays" } else { "reloaded" };
        self.parts.notifier.ready(text);
    }

    fn new_services(&self) -> Result<(Context, Vec<Service>), Failure> {
        if self.cx.manifest.reload_within.is_none() {
            let fault = Fault::new("HP-RUN-006", "reload", "the port cannot take a new configuration while it runs")
                .remedy("`homeport restart` takes it over")
                .clause("ENT-34");
            return Err(Failure::new(ExitStatus::Usage, fault));
        }
        let config = phase::read_config(&self.cx.manifest)?;
        let cx = Context { config, ..self.cx.clone() };
        let mut report = Report::default();
        self.port.check(&cx, &mut report);
        self.port.check_volumes(&cx, &mut report);
        report.into_result()?;
        let services = self.port.prepare(&cx)?;
        units(&cx.manifest, &services)?;
        let names = |services: &[Service]| services.iter().map(|service| service.name.clone()).collect::<Vec<_>>();
        if names(&services) != names(&self.services) {
            let fault = Fault::new("HP-RUN-007", "reload", "the new configuration runs other services")
                .remedy("`homeport restart` takes it over")
                .clause("ENT-34");
            return Err(Failure::new(ExitStatus::ConfigInvalid, fault));
        }
        Ok((cx, services))
    }

    fn adopt(&mut self, cx: Context, services: Vec<Service>) {
        let env = cx.service_env();
        let env_changed = env != self.env;
        let old = std::mem::replace(&mut self.services, services);
        self.facts = self.port.facts(&cx);
        self.env = env;
        self.cx = cx;
        for (at, was) in old.into_iter().enumerate() {
            let Some(service) = self.services.get(at) else { continue };
            match service.on_reload {
                _ if was != *service || env_changed => self.take(Event::Renew(at)),
                OnReload::Restart => self.take(Event::Renew(at)),
                OnReload::Hangup => {
                    if let Some(pid) = self.machine.units().get(at).and_then(Unit::pid) {
                        let _ = kill_process(pid, Signal::HUP);
                    }
                }
                OnReload::Nothing => {}
            }
        }
    }
}

/// When a status file that could not be written, on a full disk for example, is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// Poll counts in whole milliseconds somewhere: a wake-up a little late is better than one too early.
const ROUNDING: Duration = Duration::from_millis(1);
