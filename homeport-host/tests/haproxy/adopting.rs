//! A haproxy outlives the daemon that started it, and the next one goes on with it.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use homeport_host::accelerator::{Accelerator as _, Drift, Haproxy};
use homeport_router::{Backend, Limits, RouteRules};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::load::Load;
use crate::stage::{Container, PATIENCE, Stage, ask, limits, router};

/// The next daemon, which has the public socket from a holder, or from the haproxy.
fn next(stage: &mut Stage, socket: impl FnOnce(&Haproxy) -> OwnedFd) -> Stage {
    let next = router(Limits { left_waiting: PATIENCE, ..limits() });
    let haproxy = std::sync::Arc::new(Haproxy::new(&stage.layout));
    haproxy.stand_before(&next);
    block_in_place(|| haproxy.begin()).unwrap();
    next.adopt(&stage.id, stage.listen, socket(&haproxy)).unwrap();
    next.set_rules(&stage.id, RouteRules { backend: Backend::Haproxy, ..RouteRules::default() }).unwrap();
    stage.succeeded_by(next, haproxy)
}

fn duplicate(stage: &Stage) -> OwnedFd {
    stage.router.listening()[0].as_fd().try_clone_to_owned().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_daemon_goes_on_with_what_there_is() {
    let container = Container::start("a");
    let mut stage = Stage::leading_to(&container);
    let load = Load::by_the_haproxy(&stage, "a").await;
    let before = stage.processes();
    let socket = duplicate(&stage);
    stage.router.stop_accepting().await;
    // Nobody but the haproxy is there, as after a crash.
    sleep(Duration::from_millis(500)).await;
    let adopted = tokio::time::Instant::now();
    let second = next(&mut stage, |_| socket);
    drop(stage);
    // Nothing is known of the container yet: clients wait, and who is connected stays.
    second.flows_when(&[("a", 10)]).await;
    second.point(&container);
    let pointed = tokio::time::Instant::now();
    let accepted = second.accepted_in_the_end().await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(second.look(), Drift::None);
    assert_eq!(second.processes(), before);
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 0);
    assert!(told.longest() < Duration::from_secs(3), "{:?}", told.longest());
    // Who waited may come to the router for as long as the haproxy has not been told where to lead them, and a few who were on
    // the way then.
    let waited = told.all.iter().filter(|seen| seen.begun <= pointed && seen.begun + seen.took >= adopted).count();
    assert!(accepted <= waited as u64 + 5, "the router served {accepted}, and {waited} waited");
    assert_eq!(second.router.status()[0].accepted, accepted, "the haproxy has them all again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_kept_the_socket_the_haproxy_gives_it_back() {
    let container = Container::start("a");
    let mut stage = Stage::leading_to(&container);
    let load = Load::by_the_haproxy(&stage, "a").await;
    let before = stage.processes();
    stage.router.stop_accepting().await;
    let id = stage.id.clone();
    let second = next(&mut stage, |haproxy| {
        let [(of, socket)] = <[_; 1]>::try_from(haproxy.sockets()).unwrap();
        assert_eq!(of, id);
        socket.unwrap()
    });
    drop(stage);
    assert_eq!(second.total().accepted, 0, "it counts from its own beginning");
    second.point(&container);
    sleep(Duration::from_millis(200)).await;
    assert_eq!((second.look(), second.processes()), (Drift::None, before));
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 0);
    let counted = second.total().accepted;
    assert_eq!(ask(second.address, None).await.unwrap(), "a");
    assert_eq!(second.total().accepted, counted + 1);
    block_in_place(|| second.haproxy.give_up()).unwrap();
    assert_eq!(second.haproxy.sockets().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_with_another_socket_than_the_route_is_ended() {
    let container = Container::start("a");
    let mut stage = Stage::leading_to(&container);
    assert_eq!(stage.processes().len(), 1);
    // Nobody has kept the socket: the address is bound anew, as soon as it is free.
    stage.router.shut_down().await;
    let again = std::net::TcpListener::bind(stage.address).unwrap();
    let second = next(&mut stage, |_| again.into());
    drop(stage);
    assert_eq!(second.look(), Drift::None);
    assert_eq!(second.processes().len(), 0);
    second.point(&container);
    assert_eq!(ask(second.address, None).await.unwrap(), "a");
    assert_eq!(second.processes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_the_daemons_group_leaves_it_alone_and_what_ends_the_daemon_in_order_does_not() {
    let container = Container::start("a");
    let stage = Stage::leading_to(&container);
    let [pid] = stage.processes()[..] else { panic!() };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let group: i32 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap().parse().unwrap();
    assert_eq!(group, pid);
    block_in_place(|| stage.haproxy.give_up()).unwrap();
    assert_eq!(stage.processes().len(), 0);
    assert!(!stage.layout.haproxy_dir().exists());
    assert_eq!(stage.flows(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_those_that_are_gone_is_cleared_away() {
    let stage = Stage::new(crate::stage::own_address(), RouteRules::default());
    let dir = stage.layout.haproxy_dir().join("0123456789abcdef");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, text) in [("route", "web/ssh"), ("1.cfg", ""), ("1.json", "{"), ("9.fading", "")] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    std::os::unix::net::UnixListener::bind(dir.join("1.sock")).unwrap();
    let another = Haproxy::new(&stage.layout);
    another.stand_before(&stage.router);
    another.begin().unwrap();
    assert!(!dir.exists());
}
