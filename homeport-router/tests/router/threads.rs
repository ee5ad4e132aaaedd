//! A router of several threads, as one has on a larger machine: what happens to its routes at once breaks nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use homeport_router::{Change, Limits, Reserved, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, ask, id, limits, own_address, socket_address};

/// Clients of each route that come again as soon as they were served.
const CLIENTS: usize = 24;
/// How often each route gets another container.
const SWITCHES: usize = 60;

/// What the router has, and what one route gets of it at the most.
const SEATS: usize = 14;
const PER_ROUTE: usize = 10;

/// Each has one exchange after the other until it is over, and tells how many there were; the first that fails ends it.
fn clients(
    tasks: &mut JoinSet<io::Result<usize>>,
    address: SocketAddr,
    wanted: [&'static [u8]; 2],
    is_over: &Arc<AtomicBool>,
) {
    for _ in 0..CLIENTS {
        let is_over = Arc::clone(is_over);
        tasks.spawn(async move {
            let mut served = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = ask(address, b"x").await?;
                if !wanted.contains(&answer.as_slice()) {
                    return Err(io::Error::other(format!("{answer:?} after {served}")));
                }
                served += 1;
            }
            Ok(served)
        });
    }
}

/// A connection that goes on.
async fn linger(address: SocketAddr, name: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(), name);
    stream
}

async fn assert_goes_on(stream: &mut TcpStream) {
    stream.write_all(b"y").await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(), b'y');
}

async fn switch(router: &Router, route: &str, containers: [&Backend; 2]) {
    for round in 0..SWITCHES {
        let next = containers[(round + 1) % 2];
        if round % 3 == 0 {
            assert_eq!(router.hold(&id(route)), Ok(Change::Changed));
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(router.point(&id(route), next.target.clone()), Ok(Change::Changed));
        sleep(Duration::from_millis(5)).await;
    }
}

/// Both routes want more seats than they get, and together more than the router has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switches_and_holds_of_two_routes_at_once_lose_nobody_and_no_seat() {
    let stage = Stage::new(Limits { connections: SEATS, connections_per_route: PER_ROUTE, ..limits() });
    let (router, other) = (stage.router.clone(), own_address());
    assert_eq!(router.reserve(&id("mail"), other).unwrap(), Reserved::Bound(other));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Backend::named_echo);
    stage.point(&a);
    router.point(&id("mail"), c.target.clone()).unwrap();
    let mut long = [linger(stage.address, b'a').await, linger(socket_address(other), b'c').await];
    let (mut tasks, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
    clients(&mut tasks, stage.address, [b"ax", b"bx"], &is_over);
    clients(&mut tasks, socket_address(other), [b"cx", b"dx"], &is_over);
    let mail = router.clone();
    let (web, mail) = tokio::join!(
        tokio::spawn(async move {
            switch(&router, "web", [&a, &b]).await;
            [a, b]
        }),
        tokio::spawn(async move {
            switch(&mail, "mail", [&c, &d]).await;
            [c, d]
        }),
    );
    is_over.store(true, Ordering::Relaxed);
    let served: Result<Vec<usize>, _> =
        timeout(PATIENCE, tasks.join_all()).await.expect("a client hangs").into_iter().collect();
    let served = served.unwrap_or_else(|error| panic!("{error}: {:?}", stage.reports()));
    assert!(served.iter().all(|count| *count > 0), "{served:?}");
    for stream in &mut long {
        assert_goes_on(stream).await;
    }
    let (_web, _mail) = (web.unwrap(), mail.unwrap());
    drop(long);
    for status in stage.router.status() {
        assert_eq!((status.refused, status.failed), (0, 0), "{status:?}");
    }
    stage.status_when(|status| status.open == 0).await;
    // All the seats are there again: so many have one at the same time.
    let mut all = Vec::new();
    for n in 0..SEATS {
        let address = if n < PER_ROUTE { stage.address } else { socket_address(other) };
        let mut stream = TcpStream::connect(address).await.unwrap();
        timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap();
        all.push(stream);
    }
    let open: Vec<usize> = stage.router.status().iter().map(|status| status.open).collect();
    assert_eq!(open.iter().sum::<usize>(), SEATS, "{open:?}");
}
