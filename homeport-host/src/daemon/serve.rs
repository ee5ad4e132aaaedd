//! Owns the daemon's life: one per HomePort, its control socket, what it takes up at its start and puts down at its end.
//! Never forwards a byte itself: the router does.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use homeport_router::{DescriptorLimit, Limits, Router};
use rustix::fs::FlockOperation;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::answer::Daemon;
use super::error::DaemonError;
use super::keep::Keeper;
use super::mend;
use super::timer;
use super::upkeep;
use super::watch::{self, Notice};
use super::work;
use crate::engine::Cancel;
use crate::host::{Host, now};
use crate::ledger::{Ledger, LedgerWriter};
use crate::oplock::{OperationLock, Wait};

/// How many may wait to be answered.
const BACKLOG: i32 = 128;
/// How often it is looked whether every thread is there.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);
/// How long a port that stands still for a snapshot is waited for at the end. Whoever ends the daemon waits for 30 s.
const FREEZES_END: std::time::Duration = std::time::Duration::from_secs(15);

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
    bring_up_to_date(host);
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
    // Who asks from here on waits for the answer until everything is taken up, and is not told that no daemon runs.
    let listener = listen(&path).map_err(|source| failed("listen on", source))?;
    let served = take_up(&daemon).and_then(|()| runtime.block_on(serve(&daemon, listener)));
    runtime.block_on(daemon.router.shut_down());
    fs::remove_file(&path).ok();
    say("the daemon ends");
    served
}

/// Brings a ledger of an older HomePort up to date: everything here only reads it, and waits for nobody to write. Where that
/// cannot be done now, the next operation does it.
fn bring_up_to_date(host: &Host) {
    if !host.layout.ledger_file().exists() || Ledger::open(&host.layout).is_ok() {
        return;
    }
    let wait = Wait::For(std::time::Duration::from_secs(10));
    let lock = OperationLock::acquire(&host.layout, wait, "daemon run", now(), |_| {});
    if let Ok(lock) = lock
        && let Err(error) = LedgerWriter::open(&lock)
    {
        say(&format!("the ledger cannot be used: {}", crate::run::with_causes(&error)));
    }
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

/// The control socket: nobody can connect to it before it is closed to others.
fn listen(path: &Path) -> io::Result<StdListener> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Binds every address that the ledger has, and leads those of running containers to them, unless an operation has them in
/// its hands. An address that cannot be bound is said and does not keep the others from it.
fn take_up(daemon: &Daemon) -> Result<(), DaemonError> {
    let plan = mend::plan(&Ledger::open(&daemon.host.layout)?, &[])?;
    for (id, error) in mend::mend(&daemon.host, &daemon.router, plan) {
        say(&format!("route `{id}` does not work: {error}"));
    }
    Ok(())
}

async fn serve(daemon: &Arc<Daemon>, listener: StdListener) -> Result<(), DaemonError> {
    let failed = |action| {
        let path = daemon.host.layout.control_socket();
        move |source| DaemonError::Io { action, path, source }
    };
    let listener = UnixListener::from_std(listener).map_err(failed("listen on"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("wait for signals beside"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for signals beside"))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed("wait for signals beside"))?;
    let mut look = tokio::time::interval(LOOK);
    let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
    let watch = Watch::begin(daemon);
    let mut clients = JoinSet::new();
    say(&format!("the daemon runs as process {}", std::process::id()));
    let served = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(Arc::clone(daemon).answer(stream, stop.clone()));
                }
                Err(error) => {
                    say(&format!("the control socket fails: {error}"));
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
            _ = stopped.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hang_up.recv() => {}
            // A daemon that lacks one of its threads would seem to work; one that ended is started again.
            _ = look.tick() => if let Some(what) = watch.ended() {
                break Err(DaemonError::Thread { what });
            },
        }
    };
    clients.shutdown().await;
    watch.end();
    served
}

/// The threads that watch the engine, decide, start instances again, and do what is due by the clock.
struct Watch {
    host: Host,
    cancel: Cancel,
    notices: Sender<Notice>,
    /// Dropped, they end what is done by the clock.
    clocks: [Sender<()>; 2],
    threads: Threads,
}

/// Threads by what they do.
struct Threads(Vec<(&'static str, std::thread::JoinHandle<()>)>);

impl Threads {
    /// One that has ended, which none does before it is told to.
    fn ended(&self) -> Option<&'static str> {
        self.0.iter().find(|(_, thread)| thread.is_finished()).map(|(what, _)| *what)
    }
}

impl Watch {
    fn begin(daemon: &Daemon) -> Self {
        let (notices, received) = channel();
        let (tasks, ordered) = channel();
        let cancel = Cancel::new();
        let (host, flag, sender) = (daemon.host.clone(), cancel.clone(), notices.clone());
        let follower = std::thread::spawn(move || watch::follow(&host, &flag, &sender));
        let (host, sender) = (daemon.host.clone(), notices.clone());
        let worker = std::thread::spawn(move || work::work(&host, &ordered, &sender));
        let keeper = Keeper::new(daemon.host.clone(), daemon.router.clone(), tasks);
        let keeper = std::thread::spawn(move || keeper.run(&received));
        let (host, (timer, ticking)) = (daemon.host.clone(), channel());
        let ticker = std::thread::spawn(move || timer::run(&host, &ticking));
        let (host, (monthly, waiting)) = (daemon.host.clone(), channel());
        let upkeep = std::thread::spawn(move || upkeep::run(&host, &waiting));
        let threads = Threads(vec![
            ("follows the engine's events", follower),
            ("starts instances again", worker),
            ("keeps up what should run", keeper),
            ("takes snapshots by the clock", ticker),
            ("verifies and rehearses by the clock", upkeep),
        ]);
        Self { host: daemon.host.clone(), cancel, notices, clocks: [timer, monthly], threads }
    }

    /// What a thread did that has ended though nobody told it to.
    fn ended(&self) -> Option<&'static str> {
        self.threads.ended()
    }

    /// Ends the threads. One that is in the middle of an operation is not waited for: its journal tells what was begun. A
    /// port that stands still for a snapshot is waited for, and let go on then in any case.
    fn end(self) {
        self.cancel.cancel();
        drop(self.clocks);
        self.notices.send(Notice::Stop).ok();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
        for (_, thread) in self.threads.0 {
            while !thread.is_finished() && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        for (name, why) in crate::taking::end_freezes(&self.host, FREEZES_END) {
            say(&format!("`{name}` may stand still: {why}; restart it if it does"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_or_panics_is_noticed_by_what_it_did() {
        let (stop, stopped) = channel::<()>();
        let lives = std::thread::spawn(move || assert!(stopped.recv().is_err()));
        let mut threads = Threads(vec![("lives", lives)]);
        assert_eq!(threads.ended(), None);
        let gone = std::thread::spawn(|| std::panic::resume_unwind(Box::new(())));
        while !gone.is_finished() {
            std::thread::yield_now();
        }
        threads.0.push(("panicked", gone));
        assert_eq!(threads.ended(), Some("panicked"));
        drop(stop);
        while threads.0.iter().any(|(_, thread)| !thread.is_finished()) {
            std::thread::yield_now();
        }
        assert_eq!(threads.ended(), Some("lives"));
    }
}
