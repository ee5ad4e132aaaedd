//! Owns the daemon's life: one per HomePort, its control socket, what it takes up at its start and puts down at its end.
//! Never forwards a byte itself: the router does.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use homeport_core::fault::Advice;
use homeport_router::{ContainerId as RouterContainer, DescriptorLimit, Limits, RouteId, Router, Target};
use rustix::fs::FlockOperation;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::control::{Answer, DaemonStatus, LINE_LIMIT, Refusal, Request};
use super::watch::{self, Notice};
use crate::engine::{Cancel, ContainerId, ContainerRef};
use crate::host::{Host, now};
use crate::ledger::{Desired, Ledger, LedgerError, Time};
use crate::run::records;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another one runs for the same HomePort.
    #[error("the daemon of this HomePort runs already, as process {pid}")]
    AlreadyRunning {
        /// Its process id, as it wrote it down.
        pid: String,
    },
    /// HomePort does not run as root.
    #[error("the daemon needs to run as root")]
    NotRoot,
    /// Its directories cannot be used.
    #[error(transparent)]
    Layout(#[from] crate::layout::LayoutError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It may open too few files.
    #[error(transparent)]
    Descriptors(#[from] homeport_router::TooFewDescriptors),
    /// Something of the operating system failed.
    #[error("the daemon failed to {action} `{}`", path.display())]
    Io {
        /// What it was doing.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Advice for DaemonError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "HP-DMN-010",
            Self::NotRoot => "HP-OPN-020",
            Self::Layout(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Descriptors(error) => error.code(),
            Self::Io { .. } => "HP-DMN-011",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::AlreadyRunning { .. } => {
                Some("`homeport daemon status` asks it, `homeport daemon stop` ends it".to_owned())
            }
            Self::NotRoot => Some("repeat it with `sudo`".to_owned()),
            Self::Layout(error) => error.help(),
            Self::Ledger(error) => error.help(),
            Self::Descriptors(error) => error.help(),
            Self::Io { .. } => None,
        }
    }
}

/// One line of the daemon's log, on standard error. A log that cannot be written is no reason to end.
pub(super) fn say(text: &str) {
    writeln!(io::stderr(), "{} {}", now(), homeport_core::text::clip(text, 2000)).ok();
}

/// Runs the daemon until it is told to end, by its control socket or by SIGTERM or SIGINT.
pub fn run(host: &Host) -> Result<(), DaemonError> {
    if !rustix::process::geteuid().is_root() {
        return Err(DaemonError::NotRoot);
    }
    host.layout.prepare()?;
    let _only = claim(host)?;
    // It outlives the terminal that it was started from. A process that leads a group already stays where it is.
    rustix::process::setsid().ok();
    let path = host.layout.control_socket();
    let failed = |action, source| DaemonError::Io { action, path: path.clone(), source };
    let descriptors = DescriptorLimit::raise().map_err(|source| failed("raise the limit of open files for", source))?;
    let limits = Limits::within(descriptors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| failed("start threads for", source))?;
    let router = Router::new(limits, runtime.handle().clone(), |report| say(&report.to_string()));
    let daemon = Arc::new(Daemon { host: host.clone(), router, since: now() });
    daemon.take_up()?;
    let served = runtime.block_on(daemon.clone().serve());
    runtime.block_on(daemon.router.shut_down());
    fs::remove_file(&path).ok();
    say("the daemon ends");
    served
}

/// Takes the daemon's place for as long as what is returned lives; the kernel gives it back if the process dies.
fn claim(host: &Host) -> Result<fs::File, DaemonError> {
    let path = host.layout.daemon_pid_file();
    let failed = |source: io::Error| DaemonError::Io { action: "claim", path: path.clone(), source };
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(DaemonError::AlreadyRunning { pid });
        }
        Err(error) => return Err(failed(error.into())),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

/// What the daemon has in its hands.
struct Daemon {
    host: Host,
    router: Router,
    since: Time,
}

impl Daemon {
    /// Binds every address that the ledger has, and leads those of running containers to them. An address that cannot be
    /// bound is said and does not keep the others from it.
    fn take_up(&self) -> Result<(), DaemonError> {
        let ledger = Ledger::open(&self.host.layout)?;
        for route in ledger.all_routes()? {
            let id = RouteId { instance: route.instance.clone(), endpoint: route.endpoint.clone() };
            let Some(address) = records::listen_address(&route) else { continue };
            if let Err(error) = self.router.reserve(&id, address) {
                say(&format!("route `{id}` does not work: {error}"));
                continue;
            }
            let Some(record) = ledger.instance(&route.instance)? else { continue };
            let target = record.container.filter(|_| record.desired == Desired::Running);
            let target = target.and_then(|container| self.target(&container, route.target_port.get()).ok());
            match (target, record.desired) {
                (Some(target), _) => self.router.point(&id, target).ok(),
                // It is started again by the supervisor, and its clients wait for it.
                (None, Desired::Running) => None,
                (None, Desired::Stopped) => self.router.close(&id).ok(),
            };
        }
        Ok(())
    }

    async fn serve(self: Arc<Self>) -> Result<(), DaemonError> {
        let path = self.host.layout.control_socket();
        let failed = |action| {
            let path = path.clone();
            move |source| DaemonError::Io { action, path, source }
        };
        fs::remove_file(&path)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(failed("replace"))?;
        let listener = UnixListener::bind(&path).map_err(failed("listen on"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed("close to others"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed("wait for signals beside"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for signals beside"))?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(failed("wait for signals beside"))?;
        let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
        let watch = self.watch();
        let mut clients = JoinSet::new();
        say(&format!("the daemon runs as process {}", std::process::id()));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        clients.spawn(Arc::clone(&self).answer(stream, stop.clone()));
                    }
                    Err(error) => {
                        say(&format!("the control socket fails: {error}"));
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(_) = clients.join_next() => {}
                _ = stopped.recv() => break,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => {}
            }
        }
        clients.shutdown().await;
        watch.end();
        Ok(())
    }

    /// Starts the threads that watch the engine and start instances again.
    fn watch(&self) -> Watch {
        let (notices, received) = channel();
        let cancel = Cancel::new();
        let (host, flag, sender) = (self.host.clone(), cancel.clone(), notices.clone());
        let follower = std::thread::spawn(move || watch::follow(&host, &flag, &sender));
        let (host, router) = (self.host.clone(), self.router.clone());
        let supervisor = std::thread::spawn(move || watch::supervise(&host, &router, &received));
        Watch { cancel, notices, threads: [follower, supervisor] }
    }

    /// Answers one client's requests, one after the other.
    async fn answer(self: Arc<Self>, stream: UnixStream, stop: tokio::sync::mpsc::Sender<()>) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(LINE_LIMIT as u64)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match serde_json::from_str::<Request>(&line) {
                Ok(Request::Stop) => {
                    stop.send(()).await.ok();
                    Answer::Done
                }
                Ok(request) => Arc::clone(&self).carry_out(request).await,
                Err(error) => refused("HP-DMN-006", format!("the request is not understood: {error}"), None),
            };
            let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
            bytes.push(b'\n');
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn carry_out(self: Arc<Self>, request: Request) -> Answer {
        match request {
            Request::Status => Answer::Status(Box::new(DaemonStatus {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                since: self.since.clone(),
                routes: self.router.status(),
            })),
            Request::Release { id } => {
                self.router.release(&id).await;
                Answer::Done
            }
            // Asking the engine and looking for who holds a port take their time: not on the threads that forward.
            other => tokio::task::spawn_blocking(move || self.carry_out_blocking(other))
                .await
                .unwrap_or_else(|error| refused("HP-DMN-007", format!("the request was cut off: {error}"), None)),
        }
    }

    fn carry_out_blocking(&self, request: Request) -> Answer {
        match request {
            Request::Reserve { id, host, ports } => {
                match self.router.reserve_random(&id, host.0, ports.iter().copied()) {
                    Ok(reserved) => Answer::Reserved { port: reserved.address().port() },
                    // Where only one would do, who holds it is worth more than how many were tried.
                    Err(homeport_router::ReserveError::NoFreePort { .. }) if ports.len() == 1 => {
                        let address = homeport_router::ListenAddress::new(host.0, ports[0]);
                        match address.map(|address| self.router.reserve(&id, address)) {
                            Ok(Ok(reserved)) => Answer::Reserved { port: reserved.address().port() },
                            Ok(Err(error)) => refusal(&error),
                            Err(error) => refusal(&error),
                        }
                    }
                    Err(error) => refusal(&error),
                }
            }
            Request::Point { id, container, port } => match self.target(&container, port.get()) {
                Ok(target) => match self.router.point(&id, target) {
                    Ok(_) => Answer::Done,
                    Err(error) => refusal(&error),
                },
                Err(why) => refused("HP-DMN-008", why, None),
            },
            Request::Hold { id } => {
                self.router.hold(&id).ok();
                Answer::Done
            }
            Request::Close { id } => {
                self.router.close(&id).ok();
                self.end_all(&id);
                Answer::Done
            }
            Request::Status | Request::Release { .. } | Request::Stop => {
                refused("HP-DMN-007", "the request is answered elsewhere".to_owned(), None)
            }
        }
    }

    /// Ends every connection of a route.
    fn end_all(&self, id: &RouteId) {
        let live = self.router.status().into_iter().filter(|status| status.id == *id).flat_map(|status| status.live);
        for connections in live {
            self.router.end_connections(id, &connections.container).ok();
        }
    }

    /// Where a container is now: asked anew each time, since an address that was free is soon another's.
    fn target(&self, container: &ContainerId, port: u16) -> Result<Target, String> {
        let facts =
            self.host.engine.inspect(&ContainerRef::Id(container.clone())).map_err(|error| error.to_string())?;
        let facts = facts.ok_or_else(|| format!("there is no container `{}`", container.as_str()))?;
        let address = facts.addresses.values().next().ok_or("the container has no address")?;
        let container: RouterContainer =
            container.as_str().parse().map_err(|error: homeport_router::ContainerIdError| error.to_string())?;
        Ok(Target { container, address: SocketAddr::new(*address, port) })
    }
}

/// The threads that watch.
struct Watch {
    cancel: Cancel,
    notices: Sender<Notice>,
    threads: [std::thread::JoinHandle<()>; 2],
}

impl Watch {
    /// Ends the threads. One that is in the middle of an operation is not waited for: its journal tells what was begun.
    fn end(self) {
        self.cancel.cancel();
        self.notices.send(Notice::Stop).ok();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
        for thread in self.threads {
            while !thread.is_finished() && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

fn refusal(error: &dyn Advice) -> Answer {
    refused(error.code(), crate::run::with_causes(error), error.help())
}

fn refused(code: &str, message: String, help: Option<String>) -> Answer {
    Answer::Refused(Refusal { code: code.to_owned(), message, help })
}
