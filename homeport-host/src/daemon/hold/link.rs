//! Owns the daemon's side of the holder: finding or starting it, taking what it has, and telling it what to keep and to let go.
//! Never decides which address a route has. What cannot be done is said once and tried again: a daemon without a holder works,
//! only its addresses are closed while it does not run.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeport_core::manifest::Transport;
use homeport_router::{ListenAddress, Listening, RouteId, SocketNumber};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::Channel;
use super::message::{Answer, Ask, DATAGRAMS, PROTOCOL};
use crate::daemon::serve::say;
use crate::daemon::spawn::Launch;
use crate::layout::Layout;

/// How long a holder may take until it can be connected to.
const START_LIMIT: Duration = Duration::from_secs(5);
/// How often that is tried.
const PAUSE: Duration = Duration::from_millis(5);
/// How long nothing is tried after a holder could not be had.
const AGAIN: Duration = Duration::from_secs(30);

/// A socket that a holder has kept.
#[derive(Debug)]
pub(in crate::daemon) struct Offer {
    pub(in crate::daemon) id: RouteId,
    pub(in crate::daemon) address: ListenAddress,
    pub(in crate::daemon) socket: OwnedFd,
}

/// Whether a holder that is missing is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon) enum Missing {
    /// It is.
    Start,
    /// It is not, for now.
    Leave,
}

/// The daemon's way to its holder.
#[derive(Debug)]
pub(in crate::daemon) struct Link {
    layout: Layout,
    launch: Launch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    channel: Option<Channel>,
    /// The version that the holder speaks.
    speaks: u32,
    /// What the holder has, by the names that it has them by; without a number where the router has not.
    held: BTreeMap<String, Option<SocketNumber>>,
    started: Option<Child>,
    failed: Option<Failed>,
    /// The holder is not this daemon's any more.
    is_over: bool,
}

/// What could not be done, and when it is tried again.
#[derive(Debug)]
struct Failed {
    why: String,
    again: Instant,
}

impl Link {
    /// To the holder of this HomePort, which is started by `launch` where there is none, and starts a daemon by it.
    pub(in crate::daemon) fn new(layout: Layout, launch: Launch) -> Self {
        Self { layout, launch, state: Mutex::default() }
    }

    /// What the holder has, where there is one. All of it that is not [`Link::taken`] is let go by the next [`Link::sync`].
    pub(in crate::daemon) fn offers(&self) -> Vec<Offer> {
        let mut state = self.lock();
        let offers = Channel::connect(&self.layout.holder_socket()).and_then(|channel| self.begin(&mut state, channel));
        match offers {
            Ok(offers) => offers,
            Err(error) => {
                if !is_nobody(&error) {
                    say(&format!("what the holder has cannot be had: {error}"));
                }
                Vec::new()
            }
        }
    }

    /// These of what it offered listen for the router now.
    pub(in crate::daemon) fn taken(&self, listening: &[Listening]) {
        let mut state = self.lock();
        for socket in listening {
            if let Some(number) = state.held.get_mut(&socket.id.to_string()) {
                *number = Some(socket.number);
            }
        }
    }

    /// Brings the holder to what the router has: what is released is let go, what is bound is kept. After [`Link::leave`] and
    /// [`Link::end`] nothing is done: the holder is another daemon's, or gone.
    ///
    /// # Errors
    /// Why the holder may lack a socket. It was said, unless it had been said before.
    pub(in crate::daemon) fn sync(&self, listening: &[Listening], missing: Missing) -> Result<(), String> {
        let mut state = self.lock();
        let is_there = state.is_there();
        match (&state.failed, is_there, missing) {
            _ if state.is_over => return Ok(()),
            (_, true, _) => {}
            (_, false, Missing::Leave) => return Ok(()),
            (Some(failed), false, Missing::Start) if Instant::now() < failed.again => return Err(failed.why.clone()),
            (_, false, Missing::Start) => {
                let found = self.find_or_start(&mut state).and_then(|channel| self.begin(&mut state, channel));
                if let Err(error) = found {
                    return Err(state.has_failed(&error, AGAIN));
                }
            }
        }
        match state.bring_to(listening) {
            Ok(()) => {
                state.failed = None;
                Ok(())
            }
            Err(error) => Err(state.has_failed(&error, Duration::ZERO)),
        }
    }

    /// Whether a holder is there and has not ended, or none is needed any more.
    pub(in crate::daemon) fn is_there(&self) -> bool {
        let mut state = self.lock();
        state.is_over || state.is_there()
    }

    /// Tells the holder that another daemon takes this one's place.
    pub(in crate::daemon) fn leave(&self) {
        let mut state = self.lock();
        if let Err(error) = state.done(&Ask::Leave, None) {
            say(&format!("the holder was not told that another daemon comes: {error}"));
        }
        (state.channel, state.is_over) = (None, true);
    }

    /// Ends the holder: it keeps nothing any more.
    pub(in crate::daemon) fn end(&self) {
        let mut state = self.lock();
        if state.channel.is_some()
            && let Err(error) = state.done(&Ask::End, None)
        {
            say(&format!("the holder was not told to end: {error}"));
        }
        (state.channel, state.is_over) = (None, true);
    }

    /// Says who this is, and takes everything that the holder has.
    fn begin(&self, state: &mut State, channel: Channel) -> io::Result<Vec<Offer>> {
        let start = self.launch.words(&self.layout);
        state.channel = Some(channel);
        // What it has is not known to be what the router has.
        state.held.clear();
        let Answer::Hello { protocol, .. } = state.ask(&Ask::Hello { protocol: PROTOCOL, start }, None)?.0 else {
            return Err(strange());
        };
        state.speaks = protocol;
        let (mut offers, mut after) = (Vec::new(), None);
        while let (Answer::Held { route, address }, socket) = state.ask(&Ask::Next { after }, None)? {
            state.held.insert(route.clone(), None);
            if let (Some(id), Ok(address), Some(socket)) = (route_id(&route), address.parse(), socket) {
                offers.push(Offer { id, address, socket });
            }
            after = Some(route);
        }
        Ok(offers)
    }

    fn find_or_start(&self, state: &mut State) -> io::Result<Channel> {
        let path = self.layout.holder_socket();
        match Channel::connect(&path) {
            Err(error) if is_nobody(&error) => {}
            found => return found,
        }
        let log = OpenOptions::new().create(true).append(true).open(self.layout.daemon_log())?;
        let mut command = self.launch.command(&self.layout, &["daemon", "hold"]);
        // Whatever the daemon writes to may be waited for by somebody: what outlives it has to leave that alone.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir("/");
        let mut child = command.spawn()?;
        let end = Instant::now() + START_LIMIT;
        loop {
            match Channel::connect(&path) {
                Err(error) if is_nobody(&error) => {}
                found => {
                    state.started = Some(child);
                    return found;
                }
            }
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("it ended at once, with {status}")));
            }
            if Instant::now() >= end {
                state.started = Some(child);
                return Err(ErrorKind::TimedOut.into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is a holder that has not ended. One that has is forgotten.
    fn is_there(&mut self) -> bool {
        if let Some(child) = &mut self.started
            && !matches!(child.try_wait(), Ok(None))
        {
            self.started = None;
        }
        let is_there = self.channel.as_ref().is_some_and(is_open);
        if !is_there && self.channel.take().is_some() {
            say("the holder has ended");
        }
        is_there
    }

    /// Says why, unless that was the last that was said, and forgets the holder: what it has is not known.
    fn has_failed(&mut self, error: &io::Error, pause: Duration) -> String {
        let why = format!("addresses would be closed where the daemon ended, since no holder keeps them: {error}");
        if self.failed.as_ref().is_none_or(|failed| failed.why != why) {
            say(&why);
        }
        self.channel = None;
        self.failed = Some(Failed { why: why.clone(), again: Instant::now() + pause });
        why
    }

    /// A holder of an older HomePort would not know what to do with a socket for datagrams: it is bound anew where its daemon
    /// ends, and only what comes in between is lost.
    fn bring_to(&mut self, listening: &[Listening]) -> io::Result<()> {
        let is_known = |socket: &&Listening| socket.address.transport() == Transport::Tcp || self.speaks >= DATAGRAMS;
        let listening: Vec<&Listening> = listening.iter().filter(is_known).collect();
        let now = listening.iter().map(|socket| (socket.id.to_string(), socket.number)).collect();
        for route in superfluous(&self.held, &now) {
            self.done(&Ask::LetGo { route: route.clone() }, None)?;
            self.held.remove(&route);
        }
        for socket in listening {
            let route = socket.id.to_string();
            if !self.held.contains_key(&route) {
                let ask = Ask::Keep { route: route.clone(), address: socket.address.to_string() };
                self.done(&ask, Some(socket.as_fd()))?;
                self.held.insert(route, Some(socket.number));
            }
        }
        Ok(())
    }

    fn ask(&self, ask: &Ask, socket: Option<BorrowedFd<'_>>) -> io::Result<(Answer, Option<OwnedFd>)> {
        let Some(channel) = &self.channel else { return Err(ErrorKind::NotConnected.into()) };
        exchange(channel, ask, socket)
    }

    fn done(&self, ask: &Ask, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        match self.ask(ask, socket)?.0 {
            Answer::Done => Ok(()),
            _ => Err(strange()),
        }
    }
}

/// Ends a holder that no daemon has any more; whether there was one.
pub(in crate::daemon) fn end_leftover(layout: &Layout) -> io::Result<bool> {
    let ended = Channel::connect(&layout.holder_socket()).and_then(|channel| exchange(&channel, &Ask::End, None));
    match ended {
        Ok(_) => Ok(true),
        Err(error) if is_nobody(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn exchange(channel: &Channel, ask: &Ask, socket: Option<BorrowedFd<'_>>) -> io::Result<(Answer, Option<OwnedFd>)> {
    channel.send(ask, socket)?;
    let received = channel.receive()?.ok_or(ErrorKind::UnexpectedEof)?;
    Ok((received.message.ok_or_else(strange)?, received.descriptor))
}

/// Which of what is held has to be let go: what no route listens on any more.
fn superfluous(held: &BTreeMap<String, Option<SocketNumber>>, now: &BTreeMap<String, SocketNumber>) -> Vec<String> {
    let is_so = |route: &String, number: &Option<SocketNumber>| number.is_none() || now.get(route) != number.as_ref();
    held.iter().filter(|(route, number)| is_so(route, number)).map(|(route, _)| route.clone()).collect()
}

/// A route by the text that its name is printed as.
fn route_id(text: &str) -> Option<RouteId> {
    let (instance, endpoint) = text.split_once('/')?;
    Some(RouteId { instance: instance.parse().ok()?, endpoint: endpoint.parse().ok()? })
}

/// Whether the other end has not closed it.
fn is_open(channel: &Channel) -> bool {
    let mut sets = [PollFd::new(channel, PollFlags::IN)];
    let asked = poll(&mut sets, Some(&Timespec::default()));
    asked.is_err() || !sets[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

fn strange() -> io::Error {
    io::Error::other("it answers something that was not asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_again_by_its_text() {
        let id = RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
        assert_eq!(route_id(&id.to_string()), Some(id));
        for bad in ["", "alice", "/ssh", "alice/", "a/b/c"] {
            assert_eq!(route_id(bad), None, "{bad}");
        }
    }
}
