//! Owns the life of a drainer: it carries its connections until the last has ended or its time is over, ends those of containers
//! that die, and answers the daemon that has taken its place. Never accepts a client, and never decides about an instance.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use homeport_router::{RouteStatus, Router};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::ask::{Answer, Ask, Draining};
use crate::daemon::control::LINE_LIMIT;
use crate::daemon::serve::{listen_on, say};
use crate::daemon::sever;
use crate::host::{Host, now};
use crate::layout::Layout;
use crate::ledger::Time;

/// How long connections are carried on at most; as long as a container that retires is kept for its clients.
const LONGEST: Duration = Duration::from_hours(24);
/// How often it looks whether anything is left.
const LOOK: Duration = Duration::from_millis(250);
/// How often it asks the engine for containers that are gone: while no daemon runs, nobody else tells it.
const ENGINE_LOOK: Duration = Duration::from_secs(5);

/// Its socket, by its process id. It is there before the daemon's place is given up, so that the next one finds it.
pub(in crate::daemon) fn listen(layout: &Layout) -> io::Result<(PathBuf, StdListener)> {
    crate::layout::prepare_private(&layout.drain_dir()).map_err(io::Error::other)?;
    let path = layout.drain_socket(std::process::id());
    let listener = listen_on(&path)?;
    Ok((path, listener))
}

/// A router that accepts nobody any more, and what it takes to answer for it.
pub(in crate::daemon) struct Carrier {
    router: Router,
    host: Host,
    since: Time,
    until: Time,
}

/// Why it ends.
enum End {
    Nothing,
    Told,
    TimeOver,
}

impl Carrier {
    /// Of what this router has left.
    pub(in crate::daemon) fn new(router: Router, host: Host) -> Self {
        let since = now();
        let until = since.after(LONGEST);
        Self { router, host, since, until }
    }

    /// Carries on until nothing is left and `is_done` besides, until it is told to end, or its time is over.
    pub(in crate::daemon) async fn carry(self, listener: StdListener, is_done: impl Fn() -> bool) -> io::Result<()> {
        let carrier = Arc::new(self);
        let listener = UnixListener::from_std(listener)?;
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (stop, mut stopped) = channel::<()>(1);
        let (mut look, mut engine_look) = (interval(LOOK), interval(ENGINE_LOOK));
        let deadline = Instant::now() + LONGEST;
        let mut callers = JoinSet::new();
        say(&format!("another daemon has taken over; {} connections are carried on here", carrier.clients()));
        let end = loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    callers.spawn(Arc::clone(&carrier).answer(stream, stop.clone()));
                },
                Some(_) = callers.join_next() => {}
                _ = stopped.recv() => break End::Told,
                _ = terminate.recv() => break End::Told,
                _ = interrupt.recv() => break End::Told,
                _ = look.tick() => if Instant::now() >= deadline {
                    break End::TimeOver;
                } else if carrier.clients() == 0 && !carrier.router.is_handed_clients() && is_done() {
                    break End::Nothing;
                },
                _ = engine_look.tick() => {
                    let carrier = Arc::clone(&carrier);
                    drop(tokio::task::spawn_blocking(move || sever::end_dead(&carrier.router, &*carrier.host.engine)));
                }
            }
        };
        say(match end {
            End::Nothing => "the last connection from before has ended, and so does this process",
            End::Told => "the connections from before are ended",
            End::TimeOver => "the connections from before are ended: a day is over",
        });
        carrier.router.shut_down().await;
        Ok(())
    }

    fn clients(&self) -> usize {
        self.router.status().iter().map(RouteStatus::clients).sum()
    }

    async fn answer(self: Arc<Self>, stream: UnixStream, stop: Sender<()>) {
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw()) {
            return;
        }
        let (read, mut write) = stream.into_split();
        let mut reader = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            match (&mut reader).take(LINE_LIMIT as u64).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let answer = match serde_json::from_slice::<Ask>(&line) {
                Ok(ask) => self.do_as_asked(ask, &stop).await,
                Err(_) => Answer::Unknown,
            };
            let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
            bytes.push(b'\n');
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn do_as_asked(&self, ask: Ask, stop: &Sender<()>) -> Answer {
        let router = &self.router;
        match ask {
            Ask::Status => {
                return Answer::Status(Box::new(Draining {
                    pid: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    since: self.since.clone(),
                    until: self.until.clone(),
                    routes: router.status(),
                }));
            }
            // A route that it never had, or has no more, is fine: nobody came by it.
            Ask::Point { id, target } => drop(router.point(&id, target)),
            Ask::Hold { id } => drop(router.hold(&id)),
            Ask::Close { id } => drop(router.close(&id)),
            Ask::Release { id } => {
                router.release(&id).await;
            }
            Ask::EndWith { instance, container } => sever::end_with(router, &instance, &container),
            Ask::EndOthers { id, staying } => sever::end_others(router, &id, &staying),
            Ask::Stop => stop.try_send(()).unwrap_or(()),
        }
        Answer::Done
    }
}
