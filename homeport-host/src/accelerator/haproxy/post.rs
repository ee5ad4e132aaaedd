//! Owns what stands in front of one route: its directory, the way by which clients are handed on to the router, the haproxy that
//! new clients come to, and those from before that still have some. Never decides which routes have one.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use homeport_router::{
    Accepts, Backend, Change, ContainerId, Listening, Moved, RouteId, RouteState, RouteStatus, Router, SocketNumber,
};

use super::config::Config;
use super::place;
use super::process::{Led, Phase, Process};
use super::program::Program;
use super::source::Source;
use crate::accelerator::{AcceleratorError, Flow, Flows, Front, Silent, Total};

/// One that does not answer at so many looks in a row hangs; until then the machine may be busy, and nobody had to tell it anything.
const SILENT: u32 = 10;
/// One that ends sooner is not started again at once.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// What is done where connections are counted.
const COUNT: &str = "count connections";

/// What stands in front of one route.
#[derive(Debug)]
pub(super) struct Post {
    id: RouteId,
    dir: PathBuf,
    /// The one that this stands before; `None` for whoever only ends what is left.
    router: Option<Router>,
    /// The public socket, once it is known to be the one that these have.
    socket: Option<SocketNumber>,
    /// The way into the router, until the router has it.
    hold: Option<UnixListener>,
    /// At most one of them serves.
    processes: Vec<Process>,
    /// Not before then is one started again.
    rests_until: Option<Instant>,
    /// What those counted that have ended.
    ended: Total,
    /// At how many looks in a row the one that serves has not answered.
    silent: u32,
    /// What happened that nobody was told yet.
    untold: Vec<String>,
}

/// What was found at a look.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(super) enum Found {
    /// Nothing that anybody has to be told.
    Nothing,
    /// Something that has to be mended, in words.
    Trouble(String),
}

impl Post {
    /// A new one, in its own directory below this one; what was there is gone.
    pub(super) fn open(all: &Path, id: &RouteId, router: &Router) -> io::Result<Self> {
        // One that runs there, of which nobody knew, is told nothing any more.
        for (dir, number) in place::left(all, id)? {
            if let Some(process) = Process::find(&dir, number)? {
                process.end();
            }
        }
        let dir = place::make(all, id)?;
        let hold = place::listen(&dir)?;
        Ok(Self::of(id.clone(), dir, Some(router.clone()), hold, Vec::new()))
    }

    /// Every one that another daemon left below this directory, with what runs of it. Where nothing does, it is cleared away.
    /// What could not be found again, though it may run, is an error; nothing of it is touched.
    pub(super) fn find_all(all: &Path, router: Option<&Router>) -> io::Result<Vec<io::Result<Self>>> {
        let (mut found, mut all_found) = (place::all(all)?, Vec::new());
        found.sort();
        for dir in found {
            Self::find(dir, router, &mut all_found).unwrap_or_else(|error| all_found.push(Err(error)));
        }
        Ok(all_found)
    }

    fn find(dir: PathBuf, router: Option<&Router>, all: &mut Vec<io::Result<Self>>) -> io::Result<()> {
        let (mut processes, mut are_known) = (Vec::new(), true);
        for number in place::numbers(&dir)? {
            match Process::find(&dir, number) {
                Ok(found) => processes.extend(found),
                // What is wrong with one keeps no other of the route from being held.
                Err(error) => {
                    are_known = false;
                    all.push(Err(error));
                }
            }
        }
        processes.sort_by_key(Process::number);
        if let Some(id) = place::route(&dir).filter(|_| !processes.is_empty()) {
            // Whom they hand on from here on waits for the router.
            let hold = place::listen(&dir)?;
            all.push(Ok(Self::of(id, dir, router.cloned(), hold, processes)));
        } else if are_known {
            processes.into_iter().for_each(Process::end);
            place::clear(&dir)?;
        }
        Ok(())
    }

    fn of(id: RouteId, dir: PathBuf, router: Option<Router>, hold: UnixListener, processes: Vec<Process>) -> Self {
        let (socket, rests_until, ended) = (None, None, Total::default());
        let (silent, untold) = (0, Vec::new());
        Self { id, dir, router, socket, hold: Some(hold), processes, rests_until, ended, silent, untold }
    }

    pub(super) const fn id(&self) -> &RouteId {
        &self.id
    }

    /// Has the router accept these from now on. Where the route is gone, it accepts nobody.
    fn accept(&self, accepts: Accepts) {
        if let Some(router) = &self.router {
            router.accept(&self.id, accepts).ok();
        }
    }

    /// Whether one serves.
    pub(super) fn is_manned(&self) -> bool {
        self.processes.iter().any(|one| one.phase() == Phase::Serving)
    }

    fn serving(&mut self) -> Option<&mut Process> {
        self.processes.iter_mut().find(|one| one.phase() == Phase::Serving)
    }

    /// A duplicate of the public socket that these have, from the one that serves where one does; `None` where none has it.
    ///
    /// # Errors
    /// Why the last of them does not give it.
    pub(super) fn public_socket(&self) -> Option<io::Result<OwnedFd>> {
        let has_it = |one: &&Process| !matches!(one.phase(), Phase::Leaving(_));
        let mut all: Vec<&Process> = self.processes.iter().filter(has_it).collect();
        all.sort_by_key(|one| one.phase() != Phase::Serving);
        let mut given = None;
        for one in all {
            given = Some(one.public_socket());
            if matches!(given, Some(Ok(_))) {
                break;
            }
        }
        given
    }

    /// Gives the router its way in, where it does not have it yet and has the route.
    pub(super) fn join(&mut self) -> io::Result<()> {
        let (Some(hold), Some(router)) = (&self.hold, &self.router) else { return Ok(()) };
        match router.relay(&self.id, hold.try_clone()?)? {
            Ok(Change::Unchanged) => return Err(io::Error::other("the router has another way in for it")),
            Ok(_) => self.hold = None,
            Err(_no_such_route) => {}
        }
        Ok(())
    }

    /// Whether these have the socket that the router has the route on now: it was known before, or is seen by the kernel's number.
    pub(super) fn is_of(&mut self, listening: &Listening) -> bool {
        if let Some(socket) = self.socket {
            return socket == listening.number;
        }
        let Ok(inode) = place::inode(listening) else { return false };
        // One that has ended listens on nothing, and says nothing about the others.
        let is_same = self.processes.iter_mut().all(|one| one.has_ended() || one.listens_on(inode));
        if is_same {
            self.socket = Some(listening.number);
        }
        is_same
    }

    /// Leads new clients to this container, by one that lets in what the rules say. One that serves by other rules, or
    /// connects from elsewhere, is replaced.
    /// When this returns, no connection begins with an earlier container, and the router accepts only who is left, and whom it was
    /// about to accept.
    ///
    /// # Errors
    /// Why not, in words; new clients come to the router then, and this leads nobody anywhere.
    pub(super) fn lead(&mut self, front: &Front, limit: usize, listening: &Listening) -> Result<(), String> {
        let source = match Source::towards(front.target.address, limit) {
            Ok(source) => source,
            Err(error) => {
                // Another source would be another configuration, and so another process.
                let found = self.hold();
                self.remember(found);
                return Err(format!("there is no way to the container at {}: {error}", front.target.address));
            }
        };
        let config = |number| {
            let (id, address, rules) = (&front.id, front.address, &front.rules);
            Config { id, address, rules, limit, source, number }.to_string()
        };
        let fits = self.serving().is_some_and(|one| one.configuration() == config(one.number()));
        if !fits && let Err(why) = self.replace(config, listening) {
            // The one that serves keeps other rules.
            let found = self.withdraw();
            self.remember(found);
            return Err(why);
        }
        let Some(serving) = self.serving() else { return Err("it has ended".to_owned()) };
        match serving.lead(&front.target) {
            Ok(Led::There) => {
                self.accept(Accepts::WhoIsLeft);
                Ok(())
            }
            Ok(Led::NoPlace) => {
                let found = self.hold();
                self.remember(found);
                Err("every place for a container has clients of an earlier one".to_owned())
            }
            Ok(Led::NotNoted(why)) => {
                let found = self.hold();
                self.remember(found);
                Err(format!("where it leads cannot be noted in {}: {why}", self.dir.display()))
            }
            Err(why) => {
                self.abandon();
                Err(why)
            }
        }
    }

    /// Has a new one serve: both accept for a moment, and whom either takes in comes to the router.
    fn replace(&mut self, config: impl Fn(u32) -> String, listening: &Listening) -> Result<(), String> {
        if let Some(until) = self.rests_until.filter(|until| Instant::now() < *until) {
            let left = until.saturating_duration_since(Instant::now()).as_secs() + 1;
            return Err(format!("it ended soon after it was started; it is tried again in {left} s"));
        }
        let program = Program::find().ok_or("the program `haproxy` was not found")?;
        let socket: OwnedFd = listening.as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
        let number = self.processes.iter().map(Process::number).max().unwrap_or(0) + 1;
        let new = Process::start(&program, &self.dir, number, config(number), &socket)?;
        let found = self.withdraw();
        self.remember(found);
        self.socket = Some(listening.number);
        self.silent = 0;
        self.processes.push(new);
        Ok(())
    }

    /// Leads new clients to no container: they are handed on to the router. When this returns, no connection begins with one. One
    /// that does not obey is ended, which is told.
    pub(super) fn hold(&mut self) -> Found {
        let id = self.id.clone();
        let Some(serving) = self.serving() else { return Found::Nothing };
        match serving.hold() {
            Ok(()) => Found::Nothing,
            Err(why) => {
                self.abandon();
                Found::Trouble(format!("the haproxy of route `{id}` was ended: {why}"))
            }
        }
    }

    /// Leaves every new client to the router: what serves accepts nobody any more, and carries on what it has.
    pub(super) fn withdraw(&mut self) -> Found {
        self.accept(Accepts::Everybody);
        let id = self.id.clone();
        let Some(serving) = self.serving() else { return Found::Nothing };
        match serving.fade() {
            Ok(()) => Found::Nothing,
            Err(why) => {
                self.abandon();
                Found::Trouble(format!("the haproxy of route `{id}` was ended: {why}"))
            }
        }
    }

    /// Keeps for the next look what has to be told.
    fn remember(&mut self, found: Found) {
        if let Found::Trouble(what) = found {
            self.untold.push(what);
        }
    }

    /// Ends the one that serves, with its connections: it does not do what it is told, and may lead new clients anywhere.
    fn abandon(&mut self) {
        self.accept(Accepts::Everybody);
        let own: Vec<Process> = self.processes.extract_if(.., |one| one.phase() == Phase::Serving).collect();
        self.bury(own);
    }

    /// Ends these, and remembers what they had counted.
    fn bury(&mut self, processes: Vec<Process>) {
        for process in processes {
            self.ended = self.ended.and(process.total());
            process.end();
        }
    }

    /// What those in front of the route had counted when they were last asked for their connections.
    pub(super) fn total(&self) -> Total {
        self.processes.iter().map(Process::total).fold(self.ended, Total::and)
    }

    /// Ends all, with their connections, and leaves nothing behind.
    pub(super) fn close(self) {
        self.accept(Accepts::Everybody);
        self.processes.into_iter().for_each(Process::end);
        place::clear(&self.dir).ok();
    }

    /// Sees to those that have ended or have nothing left to do, and whether the one that serves does as it was told.
    pub(super) fn look(&mut self) -> Found {
        if let Err(error) = self.join() {
            self.untold.push(format!("the router cannot take in whom a haproxy hands on: {error}"));
        }
        let mut found = Found::Nothing;
        let mut ended: Vec<Process> = self.processes.extract_if(.., Process::has_ended).collect();
        if let Some(served) = ended.iter_mut().find(|one| one.phase() == Phase::Serving) {
            self.accept(Accepts::Everybody);
            self.rests_until = (served.age() < SHORT_LIFE).then(|| Instant::now() + SHORT_LIFE);
            found = Found::Trouble(format!("the haproxy of route `{}` has ended: {}", self.id, served.last_words()));
        }
        for process in &mut self.processes {
            process.leave_when_empty();
        }
        ended.extend(self.processes.extract_if(.., |one| one.is_overdue()));
        self.bury(ended);
        self.remember(found);
        let id = self.id.clone();
        match self.serving().map(|serving| serving.drift()) {
            None | Some(Ok(None)) => self.silent = 0,
            Some(Ok(Some(what))) => {
                self.silent = 0;
                self.untold.push(format!("the haproxy of route `{id}` strays: {what}"));
            }
            // Where it leads is what it was told last. Whom it does not accept meanwhile the router does.
            Some(Err(_)) if self.silent < SILENT => self.silent += 1,
            Some(Err(why)) => {
                self.silent = 0;
                self.abandon();
                self.untold.push(format!("the haproxy of route `{id}` was ended: {why}"));
            }
        }
        let untold = std::mem::take(&mut self.untold);
        if untold.is_empty() { Found::Nothing } else { Found::Trouble(untold.join("; ")) }
    }

    /// The connections that they have, with each container, as far as they tell.
    pub(super) fn flows(&mut self, silent: Silent) -> Flows {
        let (id, mut all) = (self.id.clone(), Flows::default());
        for process in self.alive() {
            let carried = match silent {
                Silent::Passed if process.is_silent() => Err("it has not answered for some time".to_owned()),
                Silent::Passed | Silent::Asked => process.carried(),
            };
            match carried {
                Ok(carried) => all.known.extend(carried.into_iter().map(|(container, count)| Flow {
                    id: id.clone(),
                    container,
                    connections: count.connections,
                    moved: Some(Moved { from_clients: count.from_clients, to_clients: count.to_clients }),
                })),
                Err(why) => {
                    let why = format!("the haproxy of route `{id}`: {why}");
                    all.missing.push(AcceleratorError::Failed { backend: Backend::Haproxy, action: COUNT, why });
                }
            }
        }
        all
    }

    /// Ends the connections with the container, and returns their number.
    pub(super) fn end_with(&mut self, container: &ContainerId) -> Result<usize, String> {
        // Of each that answers, also where another one does not.
        let all: Vec<_> = self.alive().map(|one| one.end_with(container)).collect();
        all.into_iter().sum()
    }

    /// Those that can be asked. One that has ended has no connection, and one that leaves only such as the router has as well.
    fn alive(&mut self) -> impl Iterator<Item = &mut Process> {
        let can_be_asked = |one: &mut Process| !matches!(one.phase(), Phase::Leaving(_)) && !one.has_ended();
        self.processes.iter_mut().filter_map(move |one| can_be_asked(one).then_some(one))
    }
}

/// Whether a route is one that a haproxy has to stand in front of: it is wished for, and clients come in, or wait.
pub(super) fn is_wanted(status: &RouteStatus) -> bool {
    status.rules.backend == Backend::Haproxy && status.state != RouteState::Closed
}
