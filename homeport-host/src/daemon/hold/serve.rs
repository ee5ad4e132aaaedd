//! Owns the holder's process: one thread that waits for daemons, keeps what they give it, and sees to it that one comes again.
//! Never binds an address, and never moves a client's byte.
//!
//! It ends when it is told to, and where no daemon is there and none could find it any more, since its directory is gone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{RecvFlags, SocketFlags};
use rustix::process::{Pid, Signal, kill_process};

use super::absence::{Absence, Clients, Duty, Gone, Try};
use super::channel::{self, Channel};
use super::message::{Answer, Ask, PROTOCOL};
use crate::daemon::DaemonError;
use crate::daemon::serve::say;
use crate::daemon::spawn::Launch;
use crate::layout::Layout;

/// How often it looks, while no daemon is there, whether it can still be found.
const LOOK: Duration = Duration::from_secs(1);
/// How often it looks for daemons that have ended, while it has started any.
const REAP: Duration = Duration::from_secs(30);
/// The most clients that are turned away at once: others are looked at in between.
const AT_ONCE: usize = 64;
/// How long it waits where a client cannot be taken in to be turned away.
const SHORT_OF: Duration = Duration::from_millis(50);

/// Runs the holder until it is told to end. `launch` is how a daemon is started where none comes that says so itself.
pub fn run(layout: &Layout, launch: &Launch) -> Result<(), DaemonError> {
    // It outlives the daemon that started it, and whatever ends that one's group.
    rustix::process::setsid().ok();
    serve(layout, launch)
}

/// The same, in the session that the process has.
pub(in crate::daemon) fn serve(layout: &Layout, launch: &Launch) -> Result<(), DaemonError> {
    let path = layout.holder_socket();
    let failed = |action: &'static str| {
        let path = path.clone();
        move |source| DaemonError::Io { action, path, source }
    };
    if Channel::connect(&path).is_ok() {
        // What that one has would be found by nobody any more.
        return Err(failed("listen on")(io::ErrorKind::AddrInUse.into()));
    }
    let mut holder = Holder::new(&path, layout.daemon_log()).map_err(failed("listen on"))?;
    holder.start = launch.words(layout);
    while holder.step().map_err(failed("wait for daemons on"))? == Course::On {}
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    On,
    Over,
}

/// Who is connected.
#[derive(Debug)]
struct Caller {
    channel: Channel,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It has not said that it is the daemon, or another one is by now.
    Guest,
    Daemon,
    /// The daemon, which has said that another one comes.
    Leaving,
}

/// A socket and the address that its daemon named with it.
#[derive(Debug)]
struct Kept {
    address: String,
    socket: OwnedFd,
}

#[derive(Debug)]
struct Holder {
    path: PathBuf,
    /// What its name led to when it was made.
    own: (u64, u64),
    log: PathBuf,
    listener: OwnedFd,
    callers: Vec<Caller>,
    held: BTreeMap<String, Kept>,
    /// How a daemon is started.
    start: Vec<String>,
    absence: Absence,
    started: Vec<Child>,
}

impl Holder {
    fn new(path: &Path, log: PathBuf) -> io::Result<Self> {
        let listener = channel::listen(path)?;
        Ok(Self {
            own: identity(path)?,
            path: path.to_owned(),
            log,
            listener,
            callers: Vec::new(),
            held: BTreeMap::new(),
            start: Vec::new(),
            absence: Absence::new(Instant::now()),
            started: Vec::new(),
        })
    }

    /// Does what is due, waits for the next thing to happen, and sees to that.
    fn step(&mut self) -> io::Result<Course> {
        while let Some(duty) = self.absence.due(Instant::now()) {
            match duty {
                Duty::Start(which) => self.start_daemon(which),
                Duty::TurnAway => say(&format!(
                    "no daemon has worked for a minute: clients of {} addresses are turned away until one does",
                    self.held.len()
                )),
            }
        }
        self.started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let is_alone = self.absence.next().is_some();
        if is_alone && identity(&self.path).ok() != Some(self.own) {
            say("the holder ends: no daemon runs, and none would find it");
            return Ok(Course::Over);
        }
        let ready = self.wait()?;
        let callers = self.callers.len();
        // From the last to the first: one that is gone moves those after it only.
        for index in ready.into_iter().rev() {
            match index.checked_sub(1) {
                None => self.let_in(),
                Some(caller) if caller < callers => {
                    if self.hear(caller) == Course::Over {
                        return Ok(Course::Over);
                    }
                }
                Some(beyond) => self.turn_away(beyond - callers),
            }
        }
        Ok(Course::On)
    }

    /// Waits until something happens, and says what: 0 is somebody who connects, then come callers, then held sockets.
    fn wait(&self) -> io::Result<Vec<usize>> {
        let mut sets = vec![PollFd::new(&self.listener, PollFlags::IN)];
        sets.extend(self.callers.iter().map(|caller| PollFd::new(&caller.channel, PollFlags::IN)));
        if self.absence.clients() == Clients::TurnedAway {
            sets.extend(self.held.values().map(|kept| PollFd::new(&kept.socket, PollFlags::IN)));
        }
        let due = self.absence.next().map(|next| next.saturating_duration_since(Instant::now()).min(LOOK));
        let reap = (!self.started.is_empty()).then_some(REAP);
        let limit = [due, reap].into_iter().flatten().min().and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut sets, limit.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        Ok(sets.iter().enumerate().filter(|(_, set)| !set.revents().is_empty()).map(|(index, _)| index).collect())
    }

    fn let_in(&mut self) {
        match Channel::accept(&self.listener) {
            Ok(channel) => self.callers.push(Caller { channel, role: Role::Guest }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                say(&format!("the holder cannot take a daemon in: {error}"));
                std::thread::sleep(SHORT_OF);
            }
        }
    }

    /// Hears what a caller says, and answers it. One that is gone is forgotten.
    fn hear(&mut self, index: usize) -> Course {
        let Some(caller) = self.callers.get(index) else { return Course::On };
        let Ok(Some(heard)) = caller.channel.receive::<Ask>() else {
            self.forget(index);
            return Course::On;
        };
        let course = if heard.message == Some(Ask::End) { Course::Over } else { Course::On };
        let (answer, socket) = match heard.message {
            Some(ask) => self.do_as_asked(index, ask, heard.descriptor),
            None => (Answer::Unknown, None),
        };
        let sent = match (self.callers.get(index), socket.as_ref().and_then(|route| self.held.get(route))) {
            (Some(caller), kept) => caller.channel.send(&answer, kept.map(|kept| kept.socket.as_fd())),
            (None, _) => Ok(()),
        };
        if sent.is_err() {
            self.forget(index);
        }
        course
    }

    /// What is answered, and the route whose socket goes with it.
    fn do_as_asked(&mut self, index: usize, ask: Ask, descriptor: Option<OwnedFd>) -> (Answer, Option<String>) {
        match ask {
            Ask::Hello { protocol: _, start } => {
                for (other, caller) in self.callers.iter_mut().enumerate() {
                    caller.role = if other == index { Role::Daemon } else { Role::Guest };
                }
                self.start = start;
                self.absence.came(Instant::now());
                (Answer::Hello { protocol: PROTOCOL, pid: std::process::id() }, None)
            }
            Ask::Next { after } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                match self.held.range((from, Bound::Unbounded)).next() {
                    Some((route, kept)) => {
                        (Answer::Held { route: route.clone(), address: kept.address.clone() }, Some(route.clone()))
                    }
                    None => (Answer::NoMore, None),
                }
            }
            Ask::Keep { route, address } => match descriptor {
                Some(socket) => {
                    self.held.insert(route, Kept { address, socket });
                    (Answer::Done, None)
                }
                None => (Answer::Unknown, None),
            },
            Ask::LetGo { route } => {
                self.held.remove(&route);
                (Answer::Done, None)
            }
            Ask::Leave => {
                if let Some(caller) = self.callers.get_mut(index).filter(|caller| caller.role == Role::Daemon) {
                    caller.role = Role::Leaving;
                }
                (Answer::Done, None)
            }
            Ask::End => {
                // Before it is answered: who asked may take the directory away then, or bind an address. One that was just
                // started would be a daemon after all; one that runs is ending by itself, or is told to by who asked.
                for child in &self.started {
                    if let Ok(Some(pid)) = i32::try_from(child.id()).map(Pid::from_raw) {
                        kill_process(pid, Signal::TERM).unwrap_or(());
                    }
                }
                self.held.clear();
                fs::remove_file(&self.path).ok();
                (Answer::Done, None)
            }
        }
    }

    fn forget(&mut self, index: usize) {
        let caller = self.callers.remove(index);
        match caller.role {
            Role::Guest => {}
            Role::Daemon => self.absence.gone(Gone::Crashed, Instant::now()),
            Role::Leaving => self.absence.gone(Gone::Left, Instant::now()),
        }
    }

    /// Starts a daemon, and says so the first time and the second, not for ever.
    fn start_daemon(&mut self, which: Try) {
        let Some((program, arguments)) = self.start.split_first() else {
            if which == Try::First {
                say("the daemon is gone; whoever started it has to start it again");
            }
            return;
        };
        match which {
            Try::First => say("the daemon is gone; it is started again"),
            Try::Second => say("the daemon is still gone; it is tried again and again, in the end once a minute"),
            Try::Later => {}
        }
        let started = OpenOptions::new().create(true).append(true).open(&self.log).and_then(|log| {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
            command.spawn()
        });
        match started {
            Ok(child) => self.started.push(child),
            Err(error) if which != Try::Later => say(&format!("`{program}` cannot be started: {error}")),
            Err(_) => {}
        }
    }

    /// Resets those who wait in the queue of this socket; drops what waits in one for datagrams.
    fn turn_away(&mut self, index: usize) {
        let Some((route, kept)) = self.held.iter().nth(index) else { return };
        for _ in 0..AT_ONCE {
            match rustix::net::accept_with(&kept.socket, SocketFlags::CLOEXEC) {
                Ok(client) => set_socket_linger(&client, Some(Duration::ZERO)).unwrap_or(()),
                Err(Errno::AGAIN) => return,
                Err(Errno::OPNOTSUPP) => return drop_datagrams(&kept.socket),
                // It listens no more: its daemon had given it up.
                Err(Errno::INVAL) => {
                    let route = route.clone();
                    self.held.remove(&route);
                    return;
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return std::thread::sleep(SHORT_OF);
                }
                // What the kernel says of a client that is gone already.
                Err(_) => {}
            }
        }
    }
}

/// Drops some of what has come, so that the next look finds less.
fn drop_datagrams(socket: &OwnedFd) {
    for _ in 0..AT_ONCE {
        if rustix::net::recv(socket, &mut [0; 1], RecvFlags::DONTWAIT | RecvFlags::TRUNC).is_err() {
            return;
        }
    }
}

/// Which file a name leads to.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
