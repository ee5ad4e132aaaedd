//! Owns one haproxy: its start, where it leads new clients, what it carries, and its end. It outlives the daemon, and is found
//! again by its socket. Never decides where a route leads.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use homeport_router::{ContainerId, Target};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal};

use super::admin::Admin;
use super::answers::{pending, servers, told};
use super::config::{BACKEND, DOOR, ROUTER, admin_socket};
use super::place::{Kind, file_name, note, path, remove};
use super::program::{Program, words};
use super::slot::{Count, Lodger, Lodging, Slot};
use crate::accelerator::Total;

/// How long one may take until it answers.
const START: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile, and while something has to come to its end.
const PAUSE: Duration = Duration::from_millis(5);
/// How long connections that are being made to an earlier container are waited for: by then a haproxy has given them up, and
/// tried elsewhere.
const PENDING: Duration = Duration::from_secs(3);
/// How long one that fades is waited for to have no clients: most are there for a moment only.
const SHORT_CLIENTS: Duration = Duration::from_millis(50);
/// How long one that fades and did not answer is left alone: whoever asks it has the lock of all.
const AGAIN: Duration = Duration::from_secs(10);
/// How long one may take to be gone that was killed.
const DIES: Duration = Duration::from_secs(5);
/// How long connections are carried by one that accepts nobody any more.
const LONGEST: Duration = Duration::from_hours(24);

/// The descriptor by which each has the public socket.
const PUBLIC_SOCKET: i32 = 0;

/// Has it accept nobody while it has a connection.
const ONE_CLIENT: &str = "set maxconn global 1";

/// Whether new clients come to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// They do.
    Serving,
    /// Not any more, since this moment; it is asked and told.
    Fading(SystemTime),
    /// It has let the public socket go, and its own; it ends by itself with the last client that came meanwhile.
    Leaving(SystemTime),
}

/// Whether new clients are led to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Led {
    /// They are.
    There,
    /// Every slot of its kind has clients of an earlier one.
    NoPlace,
    /// It cannot be noted whose connections are in a slot, and nothing has changed; why not.
    NotNoted(String),
}

/// A haproxy that runs.
#[derive(Debug)]
pub(super) struct Process {
    dir: PathBuf,
    number: u32,
    admin: Admin,
    pid: Pid,
    pidfd: OwnedFd,
    /// Where this process started it.
    child: Option<Child>,
    configuration: String,
    lodging: Lodging,
    phase: Phase,
    since: Instant,
    /// What it said last that it had counted; `None` of one that was found again and has not said it yet.
    said: Option<Total>,
    /// What it has counted since this daemon asks it.
    counted: Total,
    /// When it was asked last and did not answer, unless it has answered since.
    unanswered: Cell<Option<Instant>>,
}

impl Process {
    /// Starts one by this configuration, which the program was asked about, with the public socket. It leads nobody to a container
    /// yet, and hands on to the router whom it accepts.
    ///
    /// # Errors
    /// Why it could not be started, in its own words where it has any. Nothing of it is left.
    pub(super) fn start(
        program: &Program,
        dir: &Path,
        number: u32,
        configuration: String,
        socket: &OwnedFd,
    ) -> Result<Self, String> {
        let started = Self::try_start(program, dir, number, configuration, socket);
        if started.is_err() {
            remove(dir, number);
        }
        started
    }

    fn try_start(
        program: &Program,
        dir: &Path,
        number: u32,
        configuration: String,
        socket: &OwnedFd,
    ) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let name = file_name(number, Kind::Configuration);
        fs::write(dir.join(&name), &configuration).map_err(text)?;
        note(dir, number, &Lodging::default()).map_err(text)?;
        program.check(dir, &name, socket.try_clone().map_err(text)?)?;
        let log = File::create(path(dir, number, Kind::Log)).map_err(text)?;
        let mut command = program.command(dir, &name, socket.try_clone().map_err(text)?);
        let mut child = command.stderr(log).spawn().map_err(text)?;
        let admin = Admin::at(dir.join(admin_socket(number)));
        let end = Instant::now() + START;
        let pid = loop {
            match admin.process() {
                Ok(pid) => break pid,
                Err(error) if is_nobody(&error) => {}
                Err(error) => return Err(end_child(child, error.to_string())),
            }
            if let Ok(Some(status)) = child.try_wait() {
                let said = fs::read_to_string(path(dir, number, Kind::Log)).unwrap_or_default();
                return Err(format!("it ended at once, with {status}: {}", words(&said)));
            }
            if Instant::now() >= end {
                return Err(end_child(child, format!("it does not answer after {} s", START.as_secs())));
            }
            std::thread::sleep(PAUSE);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => return Err(end_child(child, error.to_string())),
        };
        let (lodging, phase, since) = (Lodging::default(), Phase::Serving, Instant::now());
        Ok(Self {
            dir: dir.to_owned(),
            number,
            admin,
            pid,
            pidfd,
            child: Some(child),
            configuration,
            lodging,
            phase,
            since,
            said: Some(Total::default()),
            counted: Total::default(),
            unanswered: Cell::default(),
        })
    }

    /// Finds one again that another daemon started; `None` where it has ended, of which nothing is left then.
    ///
    /// # Errors
    /// Whether it runs is not known, and nothing of it is touched.
    pub(super) fn find(dir: &Path, number: u32) -> io::Result<Option<Self>> {
        let admin = Admin::at(dir.join(admin_socket(number)));
        let pid = match admin.process() {
            Ok(pid) => pid,
            Err(error) if is_nobody(&error) => {
                remove(dir, number);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => {
                remove(dir, number);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let configuration = fs::read_to_string(path(dir, number, Kind::Configuration)).unwrap_or_default();
        let lodging = fs::read(path(dir, number, Kind::Note)).ok();
        let lodging = lodging.and_then(|note| serde_json::from_slice(&note).ok()).unwrap_or_default();
        let fading = fs::metadata(path(dir, number, Kind::Fading)).and_then(|facts| facts.modified());
        let phase = fading.map_or(Phase::Serving, Phase::Fading);
        let found = Self {
            dir: dir.to_owned(),
            number,
            admin,
            pid,
            pidfd,
            child: None,
            configuration,
            lodging,
            phase,
            since: Instant::now(),
            said: None,
            counted: Total::default(),
            unanswered: Cell::default(),
        };
        if matches!(phase, Phase::Fading(_)) {
            // Whoever noted that it fades may have died before it said so.
            found.ask(&[ONE_CLIENT.to_owned()]).ok();
        }
        Ok(Some(found))
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn configuration(&self) -> &str {
        &self.configuration
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// How long it has been there, as far as this process knows.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether its public socket is the one with this number of the kernel's.
    pub(super) fn listens_on(&self, inode: u64) -> bool {
        let link = fs::read_link(format!("/proc/{}/fd/{PUBLIC_SOCKET}", self.pid.as_raw_nonzero()));
        link.is_ok_and(|link| link.as_os_str() == format!("socket:[{inode}]").as_str())
    }

    /// A duplicate of its public socket.
    ///
    /// # Errors
    /// It has ended, or let the socket go.
    pub(super) fn public_socket(&self) -> io::Result<OwnedFd> {
        let socket = pidfd_getfd(&self.pidfd, PUBLIC_SOCKET, PidfdGetfdFlags::empty())?;
        // Where it is not one that listens any more, it is of no use.
        if socket_acceptconn(&socket)? { Ok(socket) } else { Err(ErrorKind::NotConnected.into()) }
    }

    /// Leads new clients to this container, if there is a place for it. When they are, no connection begins with an earlier one any
    /// more; where there is none, nothing has changed.
    ///
    /// # Errors
    /// It does not obey. Where new clients are led to is not known then.
    pub(super) fn lead(&mut self, target: &Target) -> Result<Led, String> {
        let counts = self.counts()?;
        let Some(slot) = self.lodging.slot_for(target, &counts) else { return Ok(Led::NoPlace) };
        let after = self.lodging.leading_to(slot, target, &counts);
        let (ip, port) = (target.address.ip(), target.address.port());
        let mut commands = Vec::new();
        // Whoever noted who has which slot may have died before it said so.
        let is_found_again = self.child.is_none();
        if is_found_again || self.lodging.lodgers.get(&slot) != after.lodgers.get(&slot) {
            commands.push(format!("set server {BACKEND}/{slot} addr {ip} port {port}"));
        }
        commands.push(format!("set server {BACKEND}/{slot} state ready"));
        // First noted: whoever finds it again has to know whose connections are in a slot.
        if let Err(error) = note(&self.dir, self.number, &after) {
            return Ok(Led::NotNoted(error.to_string()));
        }
        self.bring_to(after, commands)?;
        Ok(Led::There)
    }

    /// Leads new clients to no container: they are handed on to the router. When this returns, no connection begins with one.
    ///
    /// # Errors
    /// It does not obey.
    pub(super) fn hold(&mut self) -> Result<(), String> {
        let after = self.lodging.leading_nowhere();
        // Who has which slot stays: whoever finds it again by an earlier note has it hold all the same.
        note(&self.dir, self.number, &after).ok();
        self.bring_to(after, Vec::new())
    }

    fn bring_to(&mut self, after: Lodging, mut commands: Vec<String>) -> Result<(), String> {
        let left: Vec<Slot> = after.lodgers.keys().copied().filter(|slot| Some(*slot) != after.current).collect();
        commands.extend(left.iter().map(|slot| format!("set server {BACKEND}/{slot} state maint")));
        commands.push(show_servers());
        let said = self.ask(&commands)?;
        self.lodging = after;
        if let Some(what) = self.strays(&said) {
            return Err(format!("it does not do what it was told: {what}"));
        }
        if left.is_empty() { Ok(()) } else { self.await_pending(&left) }
    }

    /// Waits until no connection is being made to these any more, and ends those that are made for too long.
    fn await_pending(&self, left: &[Slot]) -> Result<(), String> {
        let end = Instant::now() + PENDING;
        loop {
            let pending = pending(&self.ask(&["show sess".to_owned()])?, left);
            if pending.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                let each = pending.iter().map(|session| format!("shutdown session {session}"));
                self.ask(&each.collect::<Vec<_>>())?;
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How it leads otherwise than it was told; `None` where it does not.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn drift(&self) -> Result<Option<String>, String> {
        Ok(self.strays(&self.ask(&[show_servers()])?))
    }

    fn strays(&self, said: &str) -> Option<String> {
        let Some(found) = servers(said) else { return Some(words(said)) };
        if found.get(ROUTER).is_none_or(|router| !router.is_open) {
            return Some("it does not hand clients on to the router".to_owned());
        }
        Slot::all().find_map(|slot| {
            let server = found.get(&slot.to_string());
            let is_current = self.lodging.current == Some(slot);
            let wanted = self.lodging.lodgers.get(&slot).filter(|_| is_current).map(|lodger| lodger.target.address);
            let is_right =
                server.is_some_and(|server| server.is_open == is_current && (!is_current || server.address == wanted));
            (!is_right).then(|| format!("its server `{slot}` leads to {server:?}, wanted {wanted:?}"))
        })
    }

    /// What it has counted from when this daemon first asked it for its connections until it last did. What comes between that and
    /// its end is counted by nobody.
    pub(super) const fn total(&self) -> Total {
        self.counted
    }

    /// Whether it did not answer when it was asked last.
    pub(super) const fn is_silent(&self) -> bool {
        self.unanswered.get().is_some()
    }

    fn counts(&mut self) -> Result<BTreeMap<Slot, Count>, String> {
        let said = self.ask(&[format!("show stat {BACKEND} 4 -1"), format!("show table {DOOR}")])?;
        let (counts, refused) = told(&said).ok_or_else(|| format!("it tells no counts: {}", words(&said)))?;
        let own = Total { refused, ..Total::default() };
        let all = counts.values().map(Count::total).fold(own, Total::and);
        // One that was found again began before this daemon.
        let earlier = self.said.replace(all).unwrap_or(all);
        self.counted = self.counted.and(all.since(earlier));
        Ok(counts)
    }

    /// Whose clients it has, container by container, with what they have moved.
    pub(super) fn carried(&mut self) -> Result<Vec<(ContainerId, Count)>, String> {
        let counts = self.counts()?;
        let of = |(slot, lodger): (&Slot, &Lodger)| {
            let count = counts.get(slot).copied().unwrap_or_default();
            let since = |now: u64, before: u64| now.saturating_sub(before);
            let moved = Count {
                connections: count.connections,
                accepted: count.accepted,
                from_clients: since(count.from_clients, lodger.before.from_clients),
                to_clients: since(count.to_clients, lodger.before.to_clients),
            };
            (lodger.target.container.clone(), moved)
        };
        Ok(self.lodging.lodgers.iter().map(of).filter(|(_, count)| count.connections > 0).collect())
    }

    /// Ends the connections with the container, and returns their number.
    pub(super) fn end_with(&mut self, container: &ContainerId) -> Result<usize, String> {
        let counts = self.counts()?;
        let own = self.lodging.lodgers.iter().filter(|(_, lodger)| lodger.target.container == *container);
        let busy: Vec<(Slot, usize)> = own
            .filter_map(|(slot, _)| Some((*slot, counts.get(slot)?.connections)))
            .filter(|(_, connections)| *connections > 0)
            .collect();
        if !busy.is_empty() {
            let commands = busy.iter().map(|(slot, _)| format!("shutdown sessions server {BACKEND}/{slot}"));
            self.ask(&commands.collect::<Vec<_>>())?;
        }
        Ok(busy.iter().map(|(_, connections)| connections).sum())
    }

    /// Has it accept nobody any more, and only carry on what it has. One that has no connection at some moment still takes one in, and
    /// hands it on to the router.
    pub(super) fn fade(&mut self) -> Result<(), String> {
        self.hold()?;
        // First noted: whoever finds one again that takes in one client at a time must not take it for one that serves.
        File::create(path(&self.dir, self.number, Kind::Fading)).map_err(|error| error.to_string())?;
        self.ask(&[ONE_CLIENT.to_owned()])?;
        self.phase = Phase::Fading(SystemTime::now());
        let end = Instant::now() + SHORT_CLIENTS;
        while matches!(self.leave_when_empty(), Phase::Fading(_)) && Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Has one that fades and has no client with a container any more go, and returns how it is then. Whom it has handed on to the
    /// router it carries to the end.
    pub(super) fn leave_when_empty(&mut self) -> Phase {
        let Phase::Fading(since) = self.phase else { return self.phase };
        if self.unanswered.get().is_some_and(|at| at.elapsed() < AGAIN) {
            return self.phase;
        }
        let is_empty = self.counts().is_ok_and(|counts| counts.values().all(|count| count.connections == 0));
        if is_empty && pidfd_send_signal(&self.pidfd, Signal::USR1).is_ok() {
            self.phase = Phase::Leaving(since);
        }
        self.phase
    }

    /// Whether one that accepts nobody has had its time.
    pub(super) fn is_overdue(&self) -> bool {
        match self.phase {
            Phase::Serving => false,
            Phase::Fading(since) | Phase::Leaving(since) => since.elapsed().is_ok_and(|elapsed| elapsed >= LONGEST),
        }
    }

    /// Whether it has ended; one that this process started is no more to be waited for then.
    pub(super) fn has_ended(&mut self) -> bool {
        let mut sets = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let has_ended = poll(&mut sets, Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
        if let Some(child) = self.child.as_mut().filter(|_| has_ended) {
            // It has ended, so this does not wait.
            child.wait().ok();
        }
        has_ended
    }

    /// How one has ended, where this process started it, and what it said last.
    pub(super) fn last_words(&mut self) -> String {
        // It has ended, so this does not wait.
        let how = self.child.as_mut().and_then(|child| child.wait().ok());
        let how = how.map(|how| format!("{how}; it said last: ")).unwrap_or_default();
        let said = fs::read_to_string(path(&self.dir, self.number, Kind::Log)).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        how + &words(&last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// Ends it, and every connection that it has; nothing of it is left when this returns.
    pub(super) fn end(mut self) {
        pidfd_send_signal(&self.pidfd, Signal::KILL).ok();
        let end = Instant::now() + DIES;
        while !self.has_ended() && Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
        remove(&self.dir, self.number);
    }

    fn ask(&self, commands: &[String]) -> Result<String, String> {
        let said = self.admin.ask(commands);
        self.unanswered.set(said.is_err().then(Instant::now));
        said.map_err(|error| format!("it does not answer: {error}"))
    }
}

fn show_servers() -> String {
    format!("show servers state {BACKEND}")
}

fn end_child(mut child: Child, why: String) -> String {
    child.kill().ok();
    child.wait().ok();
    why
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}
