//! Owns the way from an operation to the daemon: the control socket, and starting the daemon where it does not run.
//! Never opens a public socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{ListenHost, RouteId, RouteRules};

use super::claim;
use super::control::{Answer, DaemonStatus, LINE_LIMIT, Request};
use super::drain::Drainers;
use super::hold;
use super::spawn::{self, Launch, Place};
use crate::accelerator::Accelerators;
use crate::engine::ContainerId;
use crate::layout::Layout;
use crate::plan::ListenHostText;
use crate::routes::{Account, Routes, RoutesError};

/// How long the daemon may take for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a daemon that was just started may take to end.
const JUST_STARTED: Duration = Duration::from_secs(5);
/// How often it is asked again, in a row, who ends while it is asked.
const CUT_OFF: u32 = 3;

/// Talks to the daemon of one HomePort.
#[derive(Debug, Clone)]
pub struct DaemonClient {
    layout: Layout,
    launch: Launch,
}

/// What restarting the daemon did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restarted {
    /// None ran: one was started.
    Started(Box<DaemonStatus>),
    /// A new one has taken the place of the one that ran.
    TakenOver(Box<DaemonStatus>),
}

impl DaemonClient {
    /// For the daemon of this layout, which is launched so where none runs.
    pub fn new(layout: Layout, launch: Launch) -> Self {
        Self { layout, launch }
    }

    /// How the daemon is; `None` where it does not run.
    pub fn daemon_status(&self) -> Result<Option<DaemonStatus>, RoutesError> {
        let mut left = CUT_OFF;
        loop {
            match self.ask(&Request::Status) {
                Ok(Answer::Status(status)) => return Ok(Some(*status)),
                Ok(other) => return Err(self.strange(&other)),
                Err(RoutesError::NotRunning { .. }) => return Ok(None),
                // It has ended, or given its place up, since it was connected to; who has it by now is asked.
                Err(RoutesError::Talk { source, .. }) if left > 0 && is_cut_off(&source) => left -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the daemon, its holder and its drainers, and waits until their sockets are closed; `false` where none of them ran.
    pub fn stop(&self) -> Result<bool, RoutesError> {
        let status = self.daemon_status()?;
        if let Some(status) = &status {
            match self.ask(&Request::Stop) {
                Ok(_) | Err(RoutesError::NotRunning { .. }) => {}
                Err(error) => return Err(error),
            }
            self.wait_for_end(status.pid)?;
        }
        // A daemon that ends sees to all of it; one that was killed did not.
        let holder = hold::end_leftover(&self.layout);
        let was_held = holder.map_err(|source| RoutesError::Talk { socket: self.layout.holder_socket(), source })?;
        let drainers = Drainers::new(&self.layout).stop();
        for pid in &drainers {
            self.wait_for_end(*pid)?;
        }
        // One that the holder had just started was told to end by it, and has not answered anything yet.
        let end = Instant::now() + JUST_STARTED;
        while was_held && claim::is_taken(&self.layout) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        Accelerators::of(&self.layout).end_leftover()?;
        Ok(status.is_some() || was_held || !drainers.is_empty())
    }

    fn wait_for_end(&self, pid: u32) -> Result<(), RoutesError> {
        let is_over = spawn::wait_for_end(pid, PATIENCE);
        is_over.then_some(()).ok_or_else(|| self.failed(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Lets a new daemon take the place of the one that runs. Addresses stay open all the while, and the connections that there
    /// are go on. Whoever does this has the operation lock: an operation may need the daemon at any time.
    ///
    /// # Errors
    /// The one that runs goes on where the new one could not be had, unless that failed after it had given its place up.
    pub(crate) fn restart(&self) -> Result<Restarted, RoutesError> {
        let before = self.daemon_status()?.map(|status| status.pid);
        let place = if before.is_some() { Place::TakenOver } else { Place::Free };
        let new = || self.daemon_status().ok().flatten().filter(|status| Some(status.pid) != before);
        spawn::start(&self.layout, &self.launch, place, || new().is_some())?;
        let status = Box::new(new().ok_or_else(|| RoutesError::NotRunning { socket: self.socket() })?);
        Ok(if before.is_some() { Restarted::TakenOver(status) } else { Restarted::Started(status) })
    }

    /// Asks the daemon to give its place to this process; `None` where none runs.
    pub(super) fn take_over(&self) -> Result<Option<()>, RoutesError> {
        match self.done(&Request::HandOver) {
            Ok(()) => Ok(Some(())),
            Err(RoutesError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn socket(&self) -> PathBuf {
        self.layout.control_socket()
    }

    fn failed(&self, source: io::Error) -> RoutesError {
        RoutesError::Talk { socket: self.socket(), source }
    }

    fn strange(&self, answer: &Answer) -> RoutesError {
        match answer {
            Answer::Refused(refusal) => RoutesError::Refused {
                code: known_code(&refusal.code),
                message: refusal.message.clone(),
                help: refusal.help.clone(),
            },
            other => self.failed(io::Error::other(format!("an answer that was not asked for: {other:?}"))),
        }
    }

    fn ask(&self, request: &Request) -> Result<Answer, RoutesError> {
        let mut stream = UnixStream::connect(self.socket()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                RoutesError::NotRunning { socket: self.socket() }
            }
            _ => self.failed(error),
        })?;
        let mut exchange = || -> io::Result<Answer> {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            stream.write_all(&line)?;
            let mut answer = String::new();
            BufReader::new((&stream).take(LINE_LIMIT as u64)).read_line(&mut answer)?;
            if answer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(serde_json::from_str(&answer)?)
        };
        exchange().map_err(|error| self.failed(error))
    }

    fn done(&self, request: &Request) -> Result<(), RoutesError> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(self.strange(&other)),
        }
    }

    /// The same, where a daemon that does not run has nothing to do: it holds no sockets.
    fn done_if_running(&self, request: &Request) -> Result<(), RoutesError> {
        match self.done(request) {
            Err(RoutesError::NotRunning { .. }) => Ok(()),
            other => other,
        }
    }
}

impl Routes for DaemonClient {
    fn ensure(&self) -> Result<(), RoutesError> {
        match self.daemon_status()? {
            Some(status) if status.is_outdated() => {
                // It would neither find its instances nor start them again.
                if self.restart().is_ok() {
                    return Ok(());
                }
                // One that is too old to give its place up: the next one takes every address up that the ledger has.
                self.stop()?;
            }
            Some(_) => return Ok(()),
            None => {}
        }
        spawn::start(&self.layout, &self.launch, Place::Free, || matches!(self.daemon_status(), Ok(Some(_))))
    }

    fn reserve(
        &self,
        id: &RouteId,
        host: ListenHost,
        transport: Transport,
        ports: &[PortNumber],
    ) -> Result<PortNumber, RoutesError> {
        let request = Request::Reserve { id: id.clone(), host: ListenHostText(host), transport, ports: ports.to_vec() };
        match self.ask(&request)? {
            Answer::Reserved { port } => Ok(port),
            other => Err(self.strange(&other)),
        }
    }

    fn point(&self, id: &RouteId, container: &ContainerId, port: PortNumber) -> Result<(), RoutesError> {
        self.done(&Request::Point { id: id.clone(), container: container.clone(), port })
    }

    fn hold(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.done_if_running(&Request::Hold { id: id.clone() })
    }

    fn close(&self, id: &RouteId, staying: &[ContainerId]) -> Result<(), RoutesError> {
        self.done_if_running(&Request::Close { id: id.clone(), staying: staying.to_vec() })
    }

    fn set_rules(&self, id: &RouteId, rules: &RouteRules) -> Result<(), RoutesError> {
        self.done(&Request::SetRules { id: id.clone(), rules: rules.clone() })
    }

    fn release(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.done_if_running(&Request::Release { id: id.clone() })
    }

    fn account(&self) -> Result<Option<Account>, RoutesError> {
        Ok(self.daemon_status()?.map(|status| Account { routes: status.routes, unbound: status.unbound }))
    }
}

/// Whether the other end is gone before it has answered.
fn is_cut_off(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof)
}

/// The code of a refusal as one of those that exist; what a newer daemon may say beyond them is `HP-DMN-005`.
fn known_code(code: &str) -> &'static str {
    const CODES: [&str; 16] = [
        "HP-RTR-001",
        "HP-RTR-002",
        "HP-RTR-003",
        "HP-RTR-004",
        "HP-RTR-005",
        "HP-RTR-006",
        "HP-RTR-007",
        "HP-RTR-008",
        "HP-RTR-009",
        "HP-RTR-010",
        "HP-RTR-038",
        "HP-DMN-006",
        "HP-DMN-007",
        "HP-DMN-008",
        "HP-DMN-009",
        "HP-DMN-013",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("HP-DMN-005")
}
