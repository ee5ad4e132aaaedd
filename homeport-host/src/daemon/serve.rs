//! Owns the daemon's life: one per HomePort, its control socket, what it takes up at its start and puts down at its end, and
//! how another one takes its place. Never forwards a byte itself: the router does.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use homeport_router::{DescriptorLimit, Limits, Router};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::addresses::Addresses;
use super::answer::{Daemon, Told, refused};
use super::claim::{Claim, Until};
use super::client::DaemonClient;
use super::control::Answer;
use super::drain::{self, Carrier};
use super::error::DaemonError;
use super::hold::Link;
use super::mend::{self, Mend};
use super::spawn::Launch;
use super::threads::Watch;
use crate::host::{Host, now};
use crate::ledger::{Ledger, LedgerWriter};
use crate::oplock::{OperationLock, Wait};
use crate::routes::{RoutesError, Unbound};
use crate::run::with_causes;

/// How many may wait to be answered.
const BACKLOG: i32 = 128;
/// How often it is looked whether every thread, and the holder, is there.
const LOOK: Duration = Duration::from_secs(1);
/// How long those are waited for who were being answered when another daemon took over.
const ANSWERED: Duration = Duration::from_secs(5);

/// One line of the daemon's log, on standard error. A log that cannot be written is no reason to end.
pub(super) fn say(text: &str) {
    writeln!(io::stderr(), "{} {}", now(), homeport_core::text::clip(text, 2000)).ok();
}

/// What becomes of a daemon that runs already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incumbent {
    /// It goes on, and this one does not run.
    Stays,
    /// It gives its place to this one, and carries on the connections that it has.
    GivesWay,
}

/// Runs the daemon until it is told to end, by its control socket or by SIGTERM or SIGINT, or until another one has taken its
/// place and the last connection has ended that it had. `launch` is how its holder is started, and another daemon where this one
/// is gone.
pub fn run(host: &Host, launch: Launch, incumbent: Incumbent) -> Result<(), DaemonError> {
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
    // Whoever is answered may have to wait for a disk, and clients for nobody who is answered.
    let forwarding = homeport_router::runtime().map_err(|source| failed("start threads for", source))?;
    let claim = take_place(host, &launch, incumbent)?;
    bring_up_to_date(host);
    // It outlives the terminal that it was started from. A process that leads a group already stays where it is.
    rustix::process::setsid().ok();
    let router = Router::new(limits, forwarding.handle().clone(), |report| say(&report.to_string()));
    let addresses = Addresses::new(router, &host.layout)
        .with_holder(Link::new(host.layout.clone(), launch))
        .with_accelerators(host.accelerators.clone());
    let daemon = Arc::new(Daemon { host: host.clone(), addresses, since: now() });
    // Who asks from here on waits for the answer until everything is taken up, and is not told that no daemon runs.
    let listener = listen_on(&path).map_err(|source| failed("listen on", source))?;
    // Where it ends by an error, the sockets stay with the holder, which starts another one.
    take_up(&daemon)?;
    match runtime.block_on(serve(&daemon, listener))? {
        End::Stopped => {
            runtime.block_on(daemon.addresses.give_up());
            fs::remove_file(&path).ok();
        }
        End::Succeeded(succession) => runtime.block_on(give_way(&daemon, claim, succession))?,
    }
    say("the daemon ends");
    Ok(())
}

/// Takes the daemon's place, from the one that has it where that is wanted. Everything that could keep this one from running and
/// can be known before is looked at before that.
fn take_place(host: &Host, launch: &Launch, incumbent: Incumbent) -> Result<Claim, DaemonError> {
    if incumbent == Incumbent::Stays {
        return Claim::take(&host.layout, Until::Gone);
    }
    Ledger::open(&host.layout)?;
    match DaemonClient::new(host.layout.clone(), launch.clone()).take_over() {
        Ok(Some(()) | None) => Claim::take(&host.layout, Until::GivenUp),
        Err(RoutesError::Refused { message, .. }) => Err(DaemonError::NotHandedOver { message }),
        Err(error) => Err(DaemonError::NotHandedOver { message: with_causes(&error) }),
    }
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
    for Unbound { id, why, .. } in mend::mend(&daemon.host, &daemon.addresses, plan) {
        say(&format!("route `{id}` does not work: {why}"));
    }
    daemon.addresses.begin_way_back();
    Ok(())
}

/// How a daemon came to its end.
enum End {
    /// It was told to.
    Stopped,
    /// Another one takes its place.
    Succeeded(Succession),
}

/// What is needed to give way to another daemon.
struct Succession {
    /// Where the one that asked waits.
    answer: oneshot::Sender<Answer>,
    /// Those who are being answered, the one that asked among them.
    clients: JoinSet<()>,
    /// Not to be connected to any more.
    control: UnixListener,
    /// Where this one is found from then on.
    drain: (PathBuf, StdListener),
    watch: Watch,
}

async fn serve(daemon: &Arc<Daemon>, listener: StdListener) -> Result<End, DaemonError> {
    let failed = |action| {
        let path = daemon.host.layout.control_socket();
        move |source| DaemonError::Io { action, path, source }
    };
    let listener = UnixListener::from_std(listener).map_err(failed("listen on"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("wait for signals beside"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for signals beside"))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed("wait for signals beside"))?;
    let mut look = tokio::time::interval(LOOK);
    let (tell, mut told) = mpsc::channel::<Told>(1);
    let watch = Watch::begin(daemon);
    let (mut clients, mut securing) = (JoinSet::new(), JoinSet::new());
    say(&format!("the daemon runs as process {}", std::process::id()));
    let end = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(Arc::clone(daemon).answer(stream, tell.clone()));
                }
                Err(error) => {
                    say(&format!("the control socket fails: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
            Some(_) = securing.join_next() => {}
            heard = told.recv() => match heard {
                Some(Told::HandOver(answer)) => match prepare(daemon).await {
                    Ok(drain) => return Ok(End::Succeeded(Succession { answer, clients, control: listener, drain, watch })),
                    // Who asked may be gone by now.
                    Err(why) => drop(answer.send(refused("HP-DMN-013", why, None))),
                },
                Some(Told::Stop) | None => break Ok(End::Stopped),
            },
            _ = terminate.recv() => break Ok(End::Stopped),
            _ = interrupt.recv() => break Ok(End::Stopped),
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
    watch.end(&daemon.host).leave();
    end
}

/// Sees to it that this daemon can give its place up: the holder has every socket, and this one can be found afterwards.
async fn prepare(daemon: &Arc<Daemon>) -> Result<(PathBuf, StdListener), String> {
    let own = Arc::clone(daemon);
    let prepared = tokio::task::spawn_blocking(move || {
        own.addresses.secure()?;
        drain::listen(&own.host.layout)
            .map_err(|error| format!("it cannot listen in `{}`: {error}", own.host.layout.drain_dir().display()))
    });
    prepared.await.map_err(|error| error.to_string())?
}

/// Gives the place to another daemon, and carries on the connections that there are.
async fn give_way(daemon: &Daemon, claim: Claim, succession: Succession) -> Result<(), DaemonError> {
    let Succession { answer, mut clients, control, drain: (path, listener), watch } = succession;
    let host = daemon.host.clone();
    // From here on nothing is decided here.
    let ending = watch.end(&host);
    fs::remove_file(host.layout.control_socket()).ok();
    drop(control);
    daemon.addresses.leave().await;
    claim.give_up();
    // Who asked may be gone: then the holder starts the next daemon.
    drop(answer.send(Answer::Done));
    let answered = async {
        let all = async { while clients.join_next().await.is_some() {} };
        tokio::time::timeout(ANSWERED, all).await.unwrap_or(());
        clients.shutdown().await;
    };
    // The daemon that takes over asks at once what is left here.
    let drainer = Carrier::new(daemon.addresses.router().clone(), host);
    let (carried, ()) = tokio::join!(drainer.carry(listener, || ending.is_over()), answered);
    fs::remove_file(&path).ok();
    ending.leave();
    carried.map_err(|source| DaemonError::Io { action: "carry connections on beside", path, source })
}
