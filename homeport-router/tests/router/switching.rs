//! Targets that come, go and change while clients are there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use homeport_router::{Change, Limits, RouteState};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, ask, assert_reset, limits, named_echo, own_ip};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_appears_within_the_limit_serves_those_who_came_before_it() {
    let address = SocketAddr::from((own_ip(), 2322));
    let early = Backend::start_at("c1", address, |stream| named_echo("c1", stream));
    let stage = Stage::pointed_at(&early);
    drop(early);
    let clients: JoinSet<_> = (0..20).map(|_| ask(stage.address, b"!")).collect();
    stage.status_when(|status| status.open == 20).await;
    sleep(Duration::from_millis(300)).await;
    let _late = Backend::start_at("c1", address, |stream| named_echo("c1", stream));
    for answer in clients.join_all().await {
        assert_eq!(answer.unwrap(), b"c1!");
    }
    assert_eq!(stage.status().failed, 0);
    let reports = stage.reports();
    assert_eq!(reports.len(), 2, "said once when it began and once when it was over: {reports:?}");
    assert!(reports[0].contains("does not reach"), "{reports:?}");
    assert!(reports[1].ends_with(&format!("reaches {address} in container c1 again")), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_stays_away_costs_its_clients_the_limit_and_a_reset() {
    let gone = Backend::start_at("c1", SocketAddr::from((own_ip(), 2322)), |_| async { Ok(()) });
    let target = gone.target.clone();
    drop(gone);
    let stage = Stage::new(Limits { connect_limit: Duration::from_millis(400), ..limits() });
    stage.router.point(&stage.id, target.clone()).unwrap();
    let began = Instant::now();
    let clients: JoinSet<_> = (0..5).map(|_| ask(stage.address, b"!")).collect();
    for answer in clients.join_all().await {
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
    assert!(began.elapsed() < PATIENCE / 2);
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.failed), (5, 5));
    let text = status.last_error.unwrap();
    assert!(text.starts_with(&format!("a client was reset: {target} was not reached in 0.4 s: ")), "{text}");
    assert_eq!(stage.reports().len(), 1, "{:?}", stage.reports());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_under_load_fails_no_client_and_counts_from_its_return() {
    let backends = [Backend::named_echo("c1"), Backend::named_echo("c2")];
    let stage = Stage::pointed_at(&backends[0]);
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (stop, served, address) = (Arc::clone(&stop), Arc::clone(&served), stage.address);
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = ask(address, b"!").await.unwrap();
                assert!(answer == b"c1!" || answer == b"c2!", "{answer:?}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 1..=40 {
        let backend = &backends[round % 2];
        stage.point(backend);
        let name = backend.target.container.as_str();
        assert_eq!(stage.ask(b"?").await.unwrap(), format!("{name}?").as_bytes(), "round {round}");
        sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let status = stage.status_when(|status| status.open == 0).await;
    assert!(served.load(Ordering::Relaxed) > 100, "{served:?}");
    assert_eq!((status.refused, status.failed, status.last_error), (0, 0, None));
    let RouteState::Running { generation, .. } = status.state else { panic!("{:?}", status.state) };
    assert_eq!(generation.get(), 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_with_a_gap_fails_no_client() {
    let mut old = Backend::named_echo("c0");
    let stage = Stage::pointed_at(&old);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (stop, address) = (Arc::clone(&stop), stage.address);
        clients.spawn(async move {
            let mut failed = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = ask(address, b"!").await {
                    failed.push(error.to_string());
                }
            }
            failed
        });
    }
    for _ in 0..5 {
        sleep(Duration::from_millis(100)).await;
        stage.router.hold(&stage.id).unwrap();
        // Those that are being served end by themselves, as in a container that is stopped gently.
        stage.status_when(|status| status.live.is_empty()).await;
        drop(old);
        sleep(Duration::from_millis(100)).await;
        assert!(stage.status().live.is_empty(), "a connection began while the route was held");
        old = Backend::named_echo("c9");
        stage.point(&old);
    }
    sleep(Duration::from_millis(50)).await;
    stop.store(true, Ordering::Relaxed);
    let failed = clients.join_all().await.concat();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_held_route_wait_and_are_served_when_it_runs() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(limits());
    assert_eq!(stage.status().state, RouteState::Held);
    let clients: JoinSet<_> = (0..100).map(|_| ask(stage.address, b"!")).collect();
    sleep(Duration::from_millis(300)).await;
    let status = stage.status();
    assert_eq!((status.accepted, status.open), (0, 0), "they wait in the kernel and cost no descriptor");
    stage.point(&backend);
    for answer in clients.join_all().await {
        assert_eq!(answer.unwrap(), b"c1!");
    }
    assert_eq!(stage.status().accepted, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_route_resets_its_clients_until_it_runs_again_and_leaves_live_ones_alone() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::pointed_at(&backend);
    let mut live = stage.connect().await;
    let mut name = [0; 2];
    timeout(PATIENCE, live.read_exact(&mut name)).await.unwrap().unwrap();
    assert_eq!(stage.router.close(&stage.id).unwrap(), Change::Changed);
    assert_eq!(stage.router.close(&stage.id).unwrap(), Change::Unchanged);
    for _ in 0..10 {
        stage.assert_refuses().await;
    }
    let status = stage.status();
    assert_eq!((status.state, status.refused, status.accepted), (RouteState::Closed, 10, 1));
    live.write_all(b"still").await.unwrap();
    let mut back = [0; 5];
    timeout(PATIENCE, live.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"still");
    stage.point(&backend);
    assert_eq!(stage.ask(b"!").await.unwrap(), b"c1!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_held_route_resets_those_who_wait() {
    let stage = Stage::new(limits());
    let mut waiting = stage.connect().await;
    stage.router.close(&stage.id).unwrap();
    assert_reset(&mut waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_never_pointed_does_not_let_clients_hang() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(Limits { hold_limit: Duration::from_millis(300), ..limits() });
    stage.assert_refuses().await;
    let status = stage.status();
    assert_eq!(status.state, RouteState::Closed);
    assert_eq!(stage.reports(), ["route `web/ssh` was held for 0 s without a target: clients are reset"]);
    assert_eq!(status.last_error.as_deref(), Some(stage.reports()[0].as_str()));
    stage.point(&backend);
    assert_eq!(stage.ask(b"!").await.unwrap(), b"c1!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_is_renewed_lasts_on() {
    let stage = Stage::new(Limits { hold_limit: Duration::from_millis(800), ..limits() });
    for _ in 0..8 {
        sleep(Duration::from_millis(200)).await;
        assert_eq!(stage.router.hold(&stage.id).unwrap(), Change::Renewed);
    }
    assert_eq!(stage.status().state, RouteState::Held);
    stage.status_when(|status| status.state == RouteState::Closed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_are_the_connections_of_the_one_container_and_no_others() {
    let (old, new) = (Backend::named_echo("c1"), Backend::named_echo("c2"));
    let stage = Stage::pointed_at(&old);
    let mut name = [0; 2];
    let mut before = stage.connect().await;
    timeout(PATIENCE, before.read_exact(&mut name)).await.unwrap().unwrap();
    stage.point(&new);
    let mut after = stage.connect().await;
    timeout(PATIENCE, after.read_exact(&mut name)).await.unwrap().unwrap();
    let live: Vec<_> = stage.status().live.iter().map(|live| (live.container.to_string(), live.connections)).collect();
    assert_eq!(live, [("c1".to_owned(), 1), ("c2".to_owned(), 1)]);

    assert_eq!(stage.router.end_connections(&stage.id, &old.target.container).unwrap(), 1);
    assert_reset(&mut before).await;
    assert_eq!(stage.router.end_connections(&stage.id, &old.target.container).unwrap(), 0);
    after.write_all(b"ok").await.unwrap();
    timeout(PATIENCE, after.read_exact(&mut name)).await.unwrap().unwrap();
    assert_eq!(&name, b"ok");
    let status = stage.status_when(|status| status.open == 1).await;
    assert_eq!(status.live.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_beyond_the_limit_are_reset_and_counted_and_said_once() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(Limits { connections_per_route: 4, ..limits() });
    stage.point(&backend);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(stage.connect().await);
    }
    stage.status_when(|status| status.open == 4).await;
    for _ in 0..10 {
        stage.assert_refuses().await;
    }
    let status = stage.status();
    assert_eq!((status.open, status.limit, status.accepted, status.refused), (4, 4, 4, 10));
    assert_eq!(stage.reports(), ["route `web/ssh` resets new clients: it has 4 connections already"]);
    held.pop();
    stage.status_when(|status| status.open == 3).await;
    assert_eq!(stage.ask(b"!").await.unwrap(), b"c1!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_closed_route_wait_for_no_seat() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(Limits { connections_per_route: 1, ..limits() });
    stage.point(&backend);
    let _live = stage.connect().await;
    // Connected, and not on its way to the container: that one would be turned away as well.
    stage.status_when(|status| status.live.iter().any(|live| live.connections == 1)).await;
    stage.router.close(&stage.id).unwrap();
    let begun = Instant::now();
    for _ in 0..5 {
        stage.assert_refuses().await;
    }
    // Who waits for a seat waits for a second.
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    assert_eq!((stage.status().refused, stage.status().refused_because.closed), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_full_route_leaves_the_others_their_seats() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(Limits { connections_per_route: 2, connections: 3, ..limits() });
    stage.point(&backend);
    let (mail, address) = (crate::stage::id("mail"), crate::stage::own_address());
    stage.router.reserve(&mail, address).unwrap();
    stage.router.point(&mail, backend.target.clone()).unwrap();
    let _held = [stage.connect().await, stage.connect().await];
    stage.status_when(|status| status.open == 2).await;
    stage.assert_refuses().await;
    let address = crate::stage::socket_address(address);
    assert_eq!(ask(address, b"!").await.unwrap(), b"c1!");

    let mut last = TcpStream::connect(address).await.unwrap();
    timeout(PATIENCE, last.read_u8()).await.unwrap().unwrap();
    assert_eq!(ask(address, b"!").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(
        stage.reports(),
        [
            "route `web/ssh` resets new clients: it has 2 connections already",
            "route `mail/ssh` resets new clients: all routes together have 3 connections",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_clients_than_seats_who_waited_out_a_hold_are_all_served() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::new(Limits { connections_per_route: 4, ..limits() });
    let mut clients = JoinSet::new();
    for _ in 0..100 {
        let address = stage.address;
        clients.spawn(async move { ask(address, b"!").await });
    }
    sleep(Duration::from_millis(300)).await;
    stage.point(&backend);
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), b"c1!");
    }
    let status = stage.status();
    assert_eq!((status.accepted, status.refused), (100, 0));
    assert_eq!(stage.reports(), Vec::<String>::new());
}
