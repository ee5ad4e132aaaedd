//! Owns the sessions of a route for datagrams: whose datagram goes where, and when a session is over. Pure: the time and the
//! state of the route come in. Never touches a socket.
//!
//! Datagrams say nothing of a beginning or an end, so both are taken from their times, as the kernel's connection tracking does:
//!
//! ```text
//!   (first datagram) --> Asked --container answers--> Answered --client speaks again--> Conversing
//!          over after      30 s without a word            30 s                             180 s
//! ```
//!
//! A conversation belongs to the container that has spoken in it within the last 30 s, whatever the route leads to by now: what
//! has a state, as QUIC has, goes on there, as a connection does. One that may become a conversation, since its client was
//! answered within the last two seconds, does too. Any other session goes with its next datagram where the route leads: nothing
//! is lost with a question that was answered, nor with a container that is silent.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::peer::Peer;
use crate::entrance::Source;
use crate::gate::Generation;

/// For so long a client that was answered is waited for: it may go on.
const MOMENT: Duration = Duration::from_secs(2);
/// After so long without a word a session is over that is no conversation, and a container has no claim to one any more.
pub(crate) const SHORT: Duration = Duration::from_secs(30);
/// After so long without a word a conversation is over.
pub(crate) const LONG: Duration = Duration::from_mins(3);

/// Names a session of a route, and never another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(u64);

impl SessionId {
    /// The session of this number.
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

/// What the container has said to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    Answered(Instant),
    Conversing(Instant),
}

#[derive(Debug)]
struct Session<T> {
    peer: Peer,
    generation: Generation,
    stage: Stage,
    /// When the client spoke last.
    heard: Instant,
    with: T,
}

impl<T> Session<T> {
    fn answered(&self) -> Option<Instant> {
        match self.stage {
            Stage::Asked => None,
            Stage::Answered(at) | Stage::Conversing(at) => Some(at),
        }
    }

    /// When either of both spoke last.
    fn last(&self) -> Instant {
        self.answered().map_or(self.heard, |at| at.max(self.heard))
    }

    fn is_claimed(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Asked => false,
            Stage::Answered(at) => now.saturating_duration_since(at) < MOMENT,
            Stage::Conversing(at) => now.saturating_duration_since(at) < SHORT,
        }
    }

    /// How long it may be without a word. Where an operator has said how long a conversation may be idle, that is as long as
    /// he says.
    fn patience(&self, farewell: Farewell, idle: Option<Duration>) -> Duration {
        match (self.stage, farewell) {
            (Stage::Conversing(_), Farewell::No) => idle.unwrap_or(LONG),
            _ => idle.map_or(SHORT, |idle| idle.min(SHORT)),
        }
    }
}

/// What the route does with who has no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// It leads to the target of this generation.
    To(Generation),
    /// Clients wait.
    Nowhere,
    /// Clients are turned away.
    Away,
}

/// What becomes of a client's datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It goes to this session's container.
    To(SessionId),
    /// It is the first of a new session. The one that its client had is over.
    Open(Option<SessionId>),
    /// It waits. The session that its client had is over.
    Wait(Option<SessionId>),
    /// It is dropped. The session that its client had is over.
    Drop(Option<SessionId>),
}

/// Whether the clients speak to somebody else by now, so that only answers can still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    No,
    Yes,
}

/// The sessions of one route, at most one for each client and address that it writes to.
#[derive(Debug)]
pub(super) struct Sessions<T> {
    by_peer: HashMap<Peer, SessionId>,
    all: HashMap<SessionId, Session<T>>,
    next: u64,
}

impl<T> Sessions<T> {
    pub(super) fn new() -> Self {
        Self { by_peer: HashMap::new(), all: HashMap::new(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What becomes of a datagram that this client sends now.
    pub(super) fn course(&self, peer: Peer, leads: Leads, now: Instant) -> Course {
        let found = self.by_peer.get(&peer).and_then(|id| Some((*id, self.all.get(id)?)));
        if let Some((id, session)) = found
            && (leads == Leads::To(session.generation) || session.is_claimed(now))
        {
            return Course::To(id);
        }
        let before = found.map(|(id, _)| id);
        match leads {
            Leads::To(_) => Course::Open(before),
            Leads::Nowhere => Course::Wait(before),
            Leads::Away => Course::Drop(before),
        }
    }

    /// The name of the session that is opened next.
    pub(super) const fn next_id(&self) -> SessionId {
        SessionId(self.next)
    }

    /// A session of a client that has none, begun by its datagram.
    pub(super) fn open(&mut self, peer: Peer, generation: Generation, with: T, now: Instant) -> SessionId {
        let id = self.next_id();
        self.next += 1;
        self.by_peer.insert(peer, id);
        self.all.insert(id, Session { peer, generation, stage: Stage::Asked, heard: now, with });
        id
    }

    /// Notes that the client has spoken, and returns what the session has.
    pub(super) fn heard(&mut self, id: SessionId, now: Instant) -> Option<&mut T> {
        let session = self.all.get_mut(&id)?;
        session.heard = now;
        if let Stage::Answered(at) = session.stage {
            session.stage = Stage::Conversing(at);
        }
        Some(&mut session.with)
    }

    /// Notes that the container has spoken, and returns who is to hear it.
    pub(super) fn answered(&mut self, id: SessionId, now: Instant) -> Option<Peer> {
        let session = self.all.get_mut(&id)?;
        session.stage = match session.stage {
            Stage::Asked | Stage::Answered(_) => Stage::Answered(now),
            Stage::Conversing(_) => Stage::Conversing(now),
        };
        Some(session.peer)
    }

    /// What the session has.
    pub(super) fn get(&self, id: SessionId) -> Option<&T> {
        self.all.get(&id).map(|session| &session.with)
    }

    /// Ends the session, and returns what it had.
    pub(super) fn end(&mut self, id: SessionId) -> Option<T> {
        let session = self.all.remove(&id)?;
        if self.by_peer.get(&session.peer) == Some(&id) {
            self.by_peer.remove(&session.peer);
        }
        Some(session.with)
    }

    /// Those that have been without a word for too long.
    pub(super) fn over(&self, farewell: Farewell, idle: Option<Duration>, now: Instant) -> Vec<SessionId> {
        let is_over =
            |session: &Session<T>| now.saturating_duration_since(session.last()) >= session.patience(farewell, idle);
        self.all.iter().filter(|(_, session)| is_over(session)).map(|(id, _)| *id).collect()
    }

    /// Those of which what they have is so.
    pub(super) fn those(&self, is_so: impl Fn(&T) -> bool) -> Vec<SessionId> {
        self.all.iter().filter(|(_, session)| is_so(&session.with)).map(|(id, _)| *id).collect()
    }

    /// The session that makes room for another one where there is none: the one that has been without a word for the longest,
    /// but no conversation in which something was said within half a minute. Of this source alone, where it is said. Without it
    /// a server that is asked once by each of many clients would soon have no room for more.
    pub(super) fn spare(&self, of: Option<Source>, now: Instant) -> Option<SessionId> {
        let may_go = |session: &Session<T>| {
            let is_old = now.saturating_duration_since(session.last()) >= SHORT;
            (is_old || !matches!(session.stage, Stage::Conversing(_)))
                && of.is_none_or(|source| Source::of(session.peer.client.ip()) == source)
        };
        let candidates = self.all.iter().filter(|(_, session)| may_go(session));
        candidates.min_by_key(|(id, session)| (session.last(), **id)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
