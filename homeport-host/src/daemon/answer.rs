//! Owns answering what is asked on the control socket, for root alone.
//! Never decides by itself that something should happen.

use std::sync::Arc;

use homeport_core::fault::Advice;
use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{ListenAddress, ListenHost, ReserveError, RouteId};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::addresses::Addresses;
use super::control::{Answer, DaemonStatus, LINE_LIMIT, Refusal, Request};
use super::mend;
use super::serve::say;
use crate::host::Host;
use crate::ledger::{Ledger, NEWEST_SCHEMA, Time};

/// What the daemon has in its hands.
pub(super) struct Daemon {
    pub(super) host: Host,
    pub(super) addresses: Addresses,
    pub(super) since: Time,
}

/// The addresses of the host, and what carries the bytes.
type Place = (ListenHost, Transport);

/// What the daemon was told about its end.
#[derive(Debug)]
pub(super) enum Told {
    /// To end, and to close everything.
    Stop,
    /// To give its place up; whoever asked waits for the answer.
    HandOver(oneshot::Sender<Answer>),
}

impl Daemon {
    /// Answers one client's requests, one after the other. A client that is not root gets one refusal.
    pub(super) async fn answer(self: Arc<Self>, stream: UnixStream, told: mpsc::Sender<Told>) {
        let is_root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
        let (read, mut write) = stream.into_split();
        let mut reader = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            let limit = LINE_LIMIT as u64;
            match (&mut reader).take(limit).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let is_whole = line.ends_with(b"\n") || line.len() < LINE_LIMIT;
            let answer = if !is_root {
                refused("HP-DMN-009", "the daemon answers to root only".to_owned(), Some("repeat it with `sudo`"))
            } else if !is_whole {
                refused("HP-DMN-006", format!("the request is longer than {LINE_LIMIT} bytes"), None)
            } else {
                match serde_json::from_slice::<Request>(&line) {
                    Ok(Request::Stop) => {
                        told.send(Told::Stop).await.ok();
                        Answer::Done
                    }
                    Ok(Request::HandOver) => hand_over(&told).await,
                    Ok(request) => Arc::clone(&self).carry_out(request).await,
                    Err(error) => refused("HP-DMN-006", format!("the request is not understood: {error}"), None),
                }
            };
            let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
            bytes.push(b'\n');
            if write.write_all(&bytes).await.is_err() || !is_root || !is_whole {
                return;
            }
        }
    }

    async fn carry_out(self: Arc<Self>, request: Request) -> Answer {
        match request {
            Request::Release { id } => {
                self.addresses.release(&id).await;
                Answer::Done
            }
            Request::Reserve { id, host, transport, ports } => self.reserve(id, (host.0, transport), ports).await,
            // Asking the engine, or drainers, takes its time: not on the threads that forward.
            other => blocking(move || self.carry_out_blocking(other)).await,
        }
    }

    /// Binds the first of these ports that is free. A route that holds one of them keeps it; one that holds another
    /// address gives it up first, and has it again where none of these can be had.
    async fn reserve(self: Arc<Self>, id: RouteId, place: Place, ports: Vec<PortNumber>) -> Answer {
        let held = self.addresses.bound().into_iter().find(|status| status.id == id).map(|status| status.address);
        if let Some(held) = held {
            if (held.host(), held.transport()) == place && ports.contains(&held.port()) {
                return Answer::Reserved { port: held.port() };
            }
            self.addresses.release(&id).await;
        }
        // Looking for who holds a port takes its time.
        blocking(move || {
            let answer = self.bind(&id, place, &ports);
            if let (Answer::Refused(_), Some(held)) = (&answer, held)
                && let Err(error) = self.addresses.reserve(&id, held)
            {
                say(&format!("route `{id}` gave `{held}` up for another address, and got neither: {error}"));
            }
            answer
        })
        .await
    }

    /// Binds an address, and has it let in only what the ledger says. Where that cannot be read, the next round of the keeper
    /// sees to it.
    fn bind(&self, id: &RouteId, place: Place, ports: &[PortNumber]) -> Answer {
        let answer = self.bind_any(id, place, ports);
        let rules = Ledger::open(&self.host.layout).and_then(|ledger| ledger.route_rules());
        if let (Answer::Reserved { .. }, Ok(mut rules)) = (&answer, rules) {
            self.addresses.set_rules(id, rules.remove(id).unwrap_or_default()).ok();
        }
        answer
    }

    fn bind_any(&self, id: &RouteId, (host, transport): Place, ports: &[PortNumber]) -> Answer {
        match self.addresses.reserve_random(id, host, transport, ports.iter().copied()) {
            Ok(reserved) => Answer::Reserved { port: reserved.address().port() },
            // Where only one would do, who holds it is worth more than how many were tried.
            Err(ReserveError::NoFreePort { .. }) if ports.len() == 1 => {
                let address = ListenAddress::new(host, ports[0]).map(|address| address.over(transport));
                match address.map(|address| self.addresses.reserve(id, address)) {
                    Ok(Ok(reserved)) => Answer::Reserved { port: reserved.address().port() },
                    Ok(Err(error)) => refusal(&error),
                    Err(error) => refusal(&error),
                }
            }
            Err(error) => refusal(&error),
        }
    }

    fn carry_out_blocking(&self, request: Request) -> Answer {
        match request {
            Request::Status => {
                let (routes, draining) = self.addresses.told();
                Answer::Status(Box::new(DaemonStatus {
                    pid: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ledger: NEWEST_SCHEMA,
                    since: self.since.clone(),
                    routes,
                    unbound: self.addresses.unbound(),
                    draining,
                }))
            }
            Request::Point { id, container, port } => match mend::target(&self.host, &container, port) {
                Ok(target) => match self.addresses.point(&id, target) {
                    Ok(_) => Answer::Done,
                    Err(error) => refusal(&error),
                },
                Err(why) => refused("HP-DMN-008", why, None),
            },
            Request::Hold { id } => done(self.addresses.hold(&id)),
            Request::Close { id, staying } => {
                let closed = self.addresses.close(&id);
                self.addresses.end_others(&id, &staying);
                done(closed)
            }
            Request::SetRules { id, rules } => match self.addresses.set_rules(&id, rules) {
                Ok(_) => Answer::Done,
                Err(error) => refusal(&error),
            },
            Request::Reserve { .. } | Request::Release { .. } | Request::Stop | Request::HandOver => {
                refused("HP-DMN-007", "the request is answered elsewhere".to_owned(), None)
            }
        }
    }
}

/// Has the daemon give its place up, and says what came of it.
async fn hand_over(told: &mpsc::Sender<Told>) -> Answer {
    let (answer, answered) = oneshot::channel();
    told.send(Told::HandOver(answer)).await.ok();
    answered.await.unwrap_or_else(|_| refused("HP-DMN-007", "the daemon ends".to_owned(), None))
}

async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| refused("HP-DMN-007", format!("the request was cut off: {error}"), None))
}

fn done<E: Advice>(result: Result<(), E>) -> Answer {
    result.map_or_else(|error| refusal(&error), |()| Answer::Done)
}

fn refusal(error: &dyn Advice) -> Answer {
    let (code, help) = (error.code().to_owned(), error.help());
    Answer::Refused(Refusal { code, message: crate::run::with_causes(error), help })
}

pub(super) fn refused(code: &str, message: String, help: Option<&str>) -> Answer {
    Answer::Refused(Refusal { code: code.to_owned(), message, help: help.map(str::to_owned) })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
