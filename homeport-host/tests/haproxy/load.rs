//! Owns clients that come all the while, and clients that stay, and what each of them saw.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::stage::{Stage, ask};

/// How many new clients come in a second.
const A_SECOND: u64 = 250;
/// How many stay.
const LONG: usize = 10;

/// What one client saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    pub(crate) served_by: io::Result<String>,
}

/// Clients that come and stay.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    broken: Arc<AtomicUsize>,
    short: JoinHandle<Vec<Seen>>,
    long: JoinSet<()>,
}

/// What all of them saw.
pub(crate) struct Told {
    pub(crate) all: Vec<Seen>,
    /// How many that stayed were cut off.
    pub(crate) broken: usize,
}

impl Load {
    pub(crate) async fn start(address: SocketAddr) -> Self {
        let (stop, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut long = JoinSet::new();
        for _ in 0..LONG {
            let stream = TcpStream::connect(address).await.unwrap();
            let (stop, broken) = (Arc::clone(&stop), Arc::clone(&broken));
            long.spawn(async move {
                if stay(stream, &stop).await.is_err() {
                    broken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let short = tokio::spawn(come(address, Arc::clone(&stop)));
        // Some have come before anything happens.
        sleep(Duration::from_millis(300)).await;
        Self { stop, broken, short, long }
    }

    /// Clients of whom all that stay are connected with this container by the haproxy. A router that
    /// takes in whom the haproxy leaves waiting may have some of them, on a busy machine: then others come.
    pub(crate) async fn by_the_haproxy(stage: &Stage, container: &str) -> Self {
        for _ in 0..10 {
            let load = Self::start(stage.address).await;
            if stage.flows_within(Duration::from_secs(2), &[(container, LONG)]).await.is_ok() {
                return load;
            }
            load.end().await.assert_all_served();
            stage.flows_when(&[]).await;
        }
        panic!("ten times over, the haproxy did not have all who stay: {:?}", stage.flows());
    }

    /// No more come; all that have come are waited for.
    pub(crate) async fn end(mut self) -> Told {
        sleep(Duration::from_millis(300)).await;
        self.stop.store(true, Ordering::Relaxed);
        let all = self.short.await.unwrap();
        while self.long.join_next().await.is_some() {}
        Told { all, broken: self.broken.load(Ordering::Relaxed) }
    }
}

impl Told {
    pub(crate) fn failed(&self) -> Vec<&Seen> {
        self.all.iter().filter(|seen| seen.served_by.is_err()).collect()
    }

    /// Every client was served, and there were enough to say so.
    pub(crate) fn assert_all_served(&self) {
        assert!(self.failed().is_empty(), "{} of {} failed: {:?}", self.failed().len(), self.all.len(), self.failed());
        assert!(self.all.len() > 100, "only {} clients came", self.all.len());
    }

    /// Who came after this moment was served by nobody but this container.
    pub(crate) fn assert_served_by(&self, name: &str, after: Instant) {
        for seen in self.all.iter().filter(|seen| seen.begun > after) {
            let by = seen.served_by.as_ref().unwrap();
            assert_eq!(by, name, "one that came {:?} later", seen.begun - after);
        }
    }

    pub(crate) fn longest(&self) -> Duration {
        self.all.iter().map(|seen| seen.took).max().unwrap_or_default()
    }
}

async fn come(address: SocketAddr, stop: Arc<AtomicBool>) -> Vec<Seen> {
    let mut tick = interval(Duration::from_micros(1_000_000 / A_SECOND));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut tasks, mut all) = (JoinSet::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        tasks.spawn(async move {
            let begun = Instant::now();
            let served_by = ask(address, None).await;
            Seen { begun, took: begun.elapsed(), served_by }
        });
        while let Some(seen) = tasks.try_join_next() {
            all.push(seen.unwrap());
        }
    }
    while let Some(seen) = tasks.join_next().await {
        all.push(seen.unwrap());
    }
    all
}

/// Asks again and again on one connection.
async fn stay(mut stream: TcpStream, stop: &AtomicBool) -> io::Result<()> {
    // The container's name comes first, whatever it is: all that are used here have one letter.
    stream.read_u8().await?;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"again").await?;
        let mut answer = [0; 5];
        timeout(Duration::from_secs(20), stream.read_exact(&mut answer)).await??;
        if answer != *b"again" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
