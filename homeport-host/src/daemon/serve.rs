//! Owns the daemon's life: one per HomePort, its control socket, what it takes up at its start and puts down at its end.
//! Never forwards a byte itself: the router does.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeport_router::{DescriptorLimit, Limits, Router};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::addresses::Addresses;
use super::answer::Daemon;
use super::claim::Claim;
use super::error::DaemonError;
use super::hold::Link;
use super::mend::{self, Mend};
use super::spawn::Launch;
use super::threads::Watch;
use crate::host::{Host, now};
use crate::ledger::{Ledger, LedgerWriter};
use crate::oplock::{OperationLock, Wait};
use crate::run::with_causes;

/// How many may wait to be answered.
const BACKLOG: i32 = 128;
/// How often it is looked whether every thread, and the holder, is there.
const LOOK: Duration = Duration::from_secs(1);
/// One line of the daemon's log, on standard error. A log that cannot be written is no reason to end.
pub(super) fn say(text: &str) {
    writeln!(io::stderr(), "{} {}", now(), homeport_core::text::clip(text, 2000)).ok();
}

/// Runs the daemon until it is told to end, by its control socket or by SIGTERM or SIGINT. `launch` is how its holder is started,
/// and another daemon where this one is gone.
pub fn run(host: &Host, launch: Launch) -> Result<(), DaemonError> {
    if !rustix::process::geteuid().is_root() {
        return Err(DaemonError::NotRoot);
    }
    host.layout.prepare()?;
    let path = host.layout.control_socket();
    let failed = |action, source| DaemonError::Io { action, path: path.clone(), source };
    let descriptors = DescriptorLimit::raise().map_err(|source| failed("raise the limit of open files for", source))?;
    let limits = Limits::within(descriptors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| failed("start threads for", source))?;
    let _only = Claim::take(&host.layout)?;
    bring_up_to_date(host);
    // It outlives the terminal that it was started from. A process that leads a group already stays where it is.
    rustix::process::setsid().ok();
    let router = Router::new(limits, runtime.handle().clone(), |report| say(&report.to_string()));
    let addresses = Addresses::new(router).with_holder(Link::new(host.layout.clone(), launch));
    let daemon = Arc::new(Daemon { host: host.clone(), addresses, since: now() });
    // Who asks from here on waits for the answer until everything is taken up, and is not told that no daemon runs.
    let listener = listen_on(&path).map_err(|source| failed("listen on", source))?;
    // Where it ends by an error, the sockets stay with the holder, which starts another one.
    take_up(&daemon)?;
    runtime.block_on(serve(&daemon, listener))?;
    runtime.block_on(daemon.addresses.give_up());
    fs::remove_file(&path).ok();
    say("the daemon ends");
    Ok(())
}

/// Brings a ledger of an older HomePort up to date: everything here only reads it, and waits for nobody to write. Where that
/// cannot be done now, the next operation does it.
fn bring_up_to_date(host: &Host) {
    if !host.layout.ledger_file().exists() || Ledger::open(&host.layout).is_ok() {
        return;
    }
    let wait = Wait::For(Duration::from_secs(10));
    let lock = OperationLock::acquire(&host.layout, wait, "daemon run", now(), |_| {});
    if let Ok(lock) = lock
        && let Err(error) = LedgerWriter::open(&lock)
    {
        say(&format!("the ledger cannot be used: {}", with_causes(&error)));
    }
}

/// A socket for requests: nobody can connect to it before it is closed to others.
pub(super) fn listen_on(path: &Path) -> io::Result<StdListener> {
    fs::remove_file(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Has every address that the ledger has, from the holder or bound anew, and leads those of running containers to them, unless an
/// operation has them in its hands. An address that cannot be had is said and does not keep the others from it.
fn take_up(daemon: &Daemon) -> Result<(), DaemonError> {
    let plan = mend::plan(&Ledger::open(&daemon.host.layout)?, &[])?;
    let wanted = plan.iter().filter_map(|mend| match mend {
        Mend::Reserve(id, address) => Some((id.clone(), *address)),
        Mend::Close(_) | Mend::SetRules(..) | Mend::Point(..) => None,
    });
    daemon.addresses.take_up(&wanted.collect::<Vec<_>>());
    for (id, error) in mend::mend(&daemon.host, &daemon.addresses, plan) {
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
    let (stop, mut stopped) = mpsc::channel::<()>(1);
    let watch = Watch::begin(daemon);
    let (mut clients, mut securing) = (JoinSet::new(), JoinSet::new());
    say(&format!("the daemon runs as process {}", std::process::id()));
    let served = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(Arc::clone(daemon).answer(stream, stop.clone()));
                }
                Err(error) => {
                    say(&format!("the control socket fails: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
            Some(_) = securing.join_next() => {}
            _ = stopped.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hang_up.recv() => {}
            _ = look.tick() => {
                // A daemon that lacks one of its threads would seem to work; one that ended is started again.
                if let Some(what) = watch.ended() {
                    break Err(DaemonError::Thread { what });
                }
                if securing.is_empty() {
                    let addresses = daemon.addresses.clone();
                    securing.spawn_blocking(move || if addresses.is_unheld() { addresses.secure().unwrap_or(()) });
                }
            }
        }
    };
    clients.shutdown().await;
    watch.end(&daemon.host);
    served
}
