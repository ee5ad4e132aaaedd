//! Owns a public socket for datagrams and its task, which carries them there and back. Never decides by itself whose datagram
//! goes where: the gate and the sessions say so.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::sessions::Farewell;
use super::work::Work;
use crate::acceptor::Accepting;
use crate::backoff::Backoff;
use crate::gate::{Admission, Gate, Hold};
use crate::patience::{End, Patience};
use crate::report::Report;
use crate::route::Route;

/// After each so many times that datagrams came other routes have their turn: a flood would have no end.
const IN_A_ROW: u32 = 4;
/// How often it is looked which sessions are over.
const BEAT: Duration = Duration::from_secs(1);

/// Carries the datagrams of one route.
#[derive(Debug)]
pub(crate) struct Carrier {
    route: Arc<Route>,
    socket: Arc<UdpSocket>,
    gate: watch::Receiver<Gate>,
    accepting: watch::Receiver<Accepting>,
    /// Dropped as soon as no client is listened to any more.
    open: oneshot::Sender<()>,
}

/// Which hold a route is in, and when that was begun or renewed.
type Waits = Option<(Hold, Instant)>;

/// What has happened.
enum Happened {
    /// The gate has changed, or what is allowed, or clients are listened to no more.
    Changed,
    /// Connections were told to end.
    Ended,
    /// Clients have sent something, or the socket failed.
    Clients(io::Result<()>),
    /// Containers have sent something.
    Containers(io::Result<()>),
    /// There is room for answers again.
    Room,
    Beat,
    /// The hold has lasted too long.
    Expired(End),
    /// A pause is over.
    Rested,
}

impl Carrier {
    /// A carrier of the route's datagrams on this socket; `open` is dropped when it listens to no client any more.
    pub(crate) fn new(
        route: Arc<Route>,
        socket: Arc<UdpSocket>,
        accepting: watch::Receiver<Accepting>,
        open: oneshot::Sender<()>,
    ) -> Self {
        let gate = route.gate.subscribe();
        Self { route, socket, gate, accepting, open }
    }

    /// Carries until the route is released. Where another process listens to clients from now on, only what containers still
    /// say is passed on, and what waits is sent when the route leads somewhere.
    ///
    /// Safe to cancel: sessions end and the socket is closed all the same, only nobody waits for it.
    pub(crate) async fn run(self) {
        let Self { route, socket, mut gate, mut accepting, open } = self;
        let mut work = match Work::new(&route, socket) {
            Ok(work) => work,
            Err(error) => return Box::pin(stay_away(&route, &error, gate)).await,
        };
        let (mut open, mut pause) = (Some(open), Pause::default());
        let (mut ends, mut times) = (route.flows.ends(), route.times.subscribe());
        let mut patience = Patience::default();
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut waits, mut in_a_row): (Waits, _) = (None, 0);
        loop {
            let hold = match gate.borrow_and_update().admission() {
                Admission::Forward(..) | Admission::Refuse => None,
                Admission::Wait(hold) => Some(hold),
                Admission::Gone => return,
            };
            waits = hold.map(|hold| match waits {
                Some((same, renewed)) if same == hold => (hold, renewed),
                _ => (hold, Instant::now()),
            });
            times.mark_unchanged();
            let end = waits.map(|(hold, renewed)| route.end_of(hold, renewed, &mut patience));
            if *accepting.borrow_and_update() == Accepting::NoMore && open.take().is_some() {
                work.leave();
            }
            if hold.is_none() {
                work.send_on();
            }
            if work.farewell() == Farewell::Yes && work.is_idle() {
                return;
            }
            let happened = tokio::select! {
                // The route, which this task shares, owns the other end: an error cannot come.
                changed = gate.changed() => {
                    drop(changed);
                    Happened::Changed
                }
                changed = accepting.changed(), if open.is_some() => {
                    drop(changed);
                    Happened::Changed
                }
                ended = ends.changed() => {
                    drop(ended);
                    Happened::Ended
                }
                Ok(()) = times.changed() => Happened::Changed,
                happened = next(&mut work, pause.until, &mut beat, end) => happened,
            };
            in_a_row += u32::from(matches!(happened, Happened::Clients(_) | Happened::Containers(_)));
            obey(&mut work, &mut pause, happened);
            if in_a_row == IN_A_ROW {
                in_a_row = 0;
                yield_now().await;
            }
        }
    }
}

/// What happens next to the sockets, or by the clock. Safe to cancel.
async fn next(work: &mut Work<'_>, paused: Option<Instant>, beat: &mut Interval, end: Option<End>) -> Happened {
    let socket = work.socket();
    let (listens, is_blocked, is_empty) = (work.farewell() == Farewell::No, work.is_blocked(), work.is_empty());
    let expired = async {
        match end {
            Some(end) => {
                sleep_until(end.at).await;
                end
            }
            None => pending().await,
        }
    };
    let rested = async {
        match paused {
            Some(until) => sleep_until(until).await,
            None => pending().await,
        }
    };
    tokio::select! {
        came = socket.readable(), if listens && paused.is_none() => Happened::Clients(came),
        came = work.containers(), if !is_blocked && !is_empty && paused.is_none() => Happened::Containers(came),
        room = socket.writable(), if is_blocked => {
            drop(room);
            Happened::Room
        }
        _ = beat.tick(), if !is_empty => Happened::Beat,
        end = expired => Happened::Expired(end),
        () = rested => Happened::Rested,
    }
}

/// How long a socket that cannot be read for lack of something is left alone.
#[derive(Debug)]
struct Pause {
    until: Option<Instant>,
    backoff: Backoff,
}

impl Default for Pause {
    fn default() -> Self {
        Self { until: None, backoff: Backoff::ACCEPT }
    }
}

impl Pause {
    fn begin(&mut self, route: &Route, error: &io::Error) {
        route.traffic.went_wrong(format!("route `{}` cannot receive for now: {error}", route.id));
        self.until = Some(Instant::now() + self.backoff.pause());
    }
}

fn obey(work: &mut Work<'_>, pause: &mut Pause, happened: Happened) {
    match happened {
        Happened::Changed => {}
        Happened::Ended => work.end_ended(),
        Happened::Clients(came) => match came.and_then(|()| work.take_in()) {
            Ok(()) => pause.backoff.reset(),
            Err(error) => pause.begin(work.route(), &error),
        },
        Happened::Containers(Ok(())) => work.answer(),
        // The set of sockets is as it was; whatever it lacks, it may have later.
        Happened::Containers(Err(error)) => pause.begin(work.route(), &error),
        Happened::Room => work.send_answers_on(),
        Happened::Beat => work.end_over(),
        Happened::Expired(end) => work.route().expire(end),
        Happened::Rested => pause.until = None,
    }
}

/// Nothing can be carried for lack of descriptors: what comes stays in the kernel until the route is given up.
async fn stay_away(route: &Route, error: &io::Error, mut gate: watch::Receiver<Gate>) {
    let report = Report::AcceptPaused { route: route.id.clone(), cause: error.to_string() };
    route.traffic.went_wrong(report.to_string());
    route.reports.say(&report);
    drop(gate.wait_for(|gate| gate.admission() == Admission::Gone).await);
}
