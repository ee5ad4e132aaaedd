//! Containers and haproxies die under load: whoever comes then is served, and only what was connected is lost.

use std::time::Duration;

use homeport_host::accelerator::{Accelerator as _, Drift, Silent};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, timeout};

use crate::load::{Load, Told};
use crate::stage::{Container, PATIENCE, Stage, ask};

/// Sends the signal, and waits until each thread has the wanted state: on a busy machine they go on for a while.
async fn signal(stage: &Stage, signal: Signal, wanted: char) {
    let [pid] = stage.processes()[..] else { panic!("{:?}", stage.processes()) };
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    let end = Instant::now() + PATIENCE;
    while !states(pid).chars().all(|found| found == wanted) {
        assert!(Instant::now() < end, "{}", states(pid));
        sleep(Duration::from_millis(2)).await;
    }
}

/// The state of each thread that there still is, a letter each.
fn states(pid: i32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect()
}

/// Only who was on the way at this moment was cut off, and those were few.
fn assert_only_cut_off_before(told: &Told, moment: Instant) {
    let failed = told.failed();
    assert!(failed.iter().all(|seen| seen.begun <= moment), "at {moment:?}: {failed:?}");
    assert!(failed.len() < 25, "{failed:?}");
    assert!(told.all.len() > 200, "{}", told.all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_a_container_is_dead_waits_for_the_next() {
    let first = Container::start("a");
    let container = first.target.container.clone();
    let stage = Stage::leading_to(&first);
    let load = Load::start(stage.address).await;
    first.die().await;
    let died = Instant::now();
    // So long the daemon hears nothing of it.
    sleep(Duration::from_millis(200)).await;
    stage.hold();
    block_in_place(|| stage.haproxy.end_flows(&stage.id, &container)).unwrap();
    sleep(Duration::from_millis(500)).await;
    let second = Container::start("b");
    stage.point(&second);
    let told = load.end().await;
    assert_only_cut_off_before(&told, died);
    assert_eq!(told.broken, 10);
    told.assert_served_by("b", died);
    stage.flows_when(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_the_router_since_a_container_is_dead_is_counted_there_alone() {
    let first = Container::start("a");
    let stage = Stage::leading_to(&first);
    for _ in 0..2 {
        assert_eq!(ask(stage.address, None).await.unwrap(), "a");
    }
    first.die().await;
    let address = stage.address;
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(ask(address, None))).collect();
    sleep(Duration::from_millis(300)).await;
    let second = Container::start("b");
    stage.point(&second);
    for client in waiting {
        assert_eq!(client.await.unwrap().unwrap(), "b");
    }
    assert_eq!((stage.total().accepted, stage.router.status()[0].accepted), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_a_container_that_says_nothing_are_ended() {
    let [first, second] = ["a", "b"].map(Container::start);
    let stage = Stage::leading_to(&first);
    let mut with_first = stage.connect().await;
    stage.flows_when(&[("a", 1)]).await;
    stage.point(&second);
    let mut with_second = stage.connect().await;
    stage.flows_when(&[("a", 1), ("b", 1)]).await;
    // It counts what was moved every few seconds.
    let until = Instant::now() + PATIENCE;
    loop {
        let flows = block_in_place(|| stage.haproxy.flows(Silent::Asked)).known;
        if flows.iter().all(|flow| flow.moved.is_some_and(|moved| moved.to_clients == 1)) {
            break;
        }
        assert!(Instant::now() < until, "{flows:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let ended = block_in_place(|| stage.haproxy.end_flows(&stage.id, &first.target.container)).unwrap();
    assert_eq!(ended, 1);
    let mut answer = Vec::new();
    timeout(PATIENCE, with_first.read_to_end(&mut answer)).await.expect("it goes on").ok();
    assert_eq!(answer, b"a");
    with_second.write_all(b"x").await.unwrap();
    let mut answer = [0; 2];
    timeout(PATIENCE, with_second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, *b"bx");
    let none = block_in_place(|| stage.haproxy.end_flows(&stage.id, &first.target.container)).unwrap();
    assert_eq!(none, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_haproxy_is_dead_is_served_by_the_router() {
    let container = Container::start("a");
    let stage = Stage::watched_over(&container);
    let load = Load::by_the_haproxy(&stage, "a").await;
    let before = stage.router.status()[0].accepted;
    signal(&stage, Signal::KILL, 'Z').await;
    let killed = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let after = stage.router.status()[0].accepted;
    assert!(after > before + 50, "the router served {}", after - before);
    assert!(matches!(stage.look(), Drift::Found(what) if what.contains("has ended: signal: 9")));
    sleep(Duration::from_millis(300)).await;
    assert!(stage.router.status()[0].accepted > after, "one that died soon is not started again at once");
    let told = load.end().await;
    assert_only_cut_off_before(&told, killed);
    assert_eq!(told.broken, 10);
    assert!(told.longest() < Duration::from_secs(3), "{:?}", told.longest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_haproxy_hangs_is_served_by_the_router() {
    let [first, second] = ["a", "b"].map(Container::start);
    let stage = Stage::watched_over(&first);
    let load = Load::by_the_haproxy(&stage, "a").await;
    signal(&stage, Signal::STOP, 'T').await;
    let stopped = Instant::now();
    sleep(Duration::from_millis(500)).await;
    // It cannot be told, so it is ended: it might go on with the container of before.
    let refused = block_in_place(|| stage.haproxy.unpoint(&stage.id));
    assert!(refused.is_ok() && stage.processes().is_empty());
    assert!(matches!(stage.look(), Drift::Found(what) if what.contains("was ended: it does not answer")));
    stage.point(&second);
    let pointed = Instant::now();
    let told = load.end().await;
    assert_only_cut_off_before(&told, stopped);
    told.assert_served_by("b", pointed);
    assert_eq!(stage.processes().len(), 1);
    assert_eq!(ask(stage.address, None).await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_for_a_moment_keeps_its_connections() {
    let container = Container::start("a");
    let stage = Stage::watched_over(&container);
    let mut stays = stage.connect().await;
    stage.flows_when(&[("a", 1)]).await;
    signal(&stage, Signal::STOP, 'T').await;
    // Nobody has to tell it anything.
    assert_eq!(block_in_place(|| stage.look()), Drift::None);
    let flows = block_in_place(|| stage.haproxy.flows(Silent::Asked));
    assert_eq!((flows.known.len(), flows.missing.len()), (0, 1), "{flows:?}");
    assert_eq!(ask(stage.address, None).await.unwrap(), "a");
    signal(&stage, Signal::CONT, 'S').await;
    // Until it has answered again, nobody waits for it who only wants to tell of it.
    let told = || block_in_place(|| stage.haproxy.flows(Silent::Passed));
    assert_eq!((told().known.len(), told().missing.len()), (0, 1));
    assert_eq!(block_in_place(|| stage.look()), Drift::None);
    assert_eq!((told().known.len(), told().missing.len()), (1, 0));
    stays.write_all(b"x").await.unwrap();
    let mut answer = [0; 2];
    timeout(PATIENCE, stays.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, *b"ax");
    assert_eq!(stage.processes().len(), 1);
}
