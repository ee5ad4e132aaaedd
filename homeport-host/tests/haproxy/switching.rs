//! Where new clients are led changes under load, and what carries them: none of them fails, and none who stayed is cut off.

use std::num::NonZeroU32;
use std::time::Duration;

use homeport_core::unit::PortNumber;
use homeport_host::accelerator::{Accelerator as _, Drift, Total};
use homeport_router::{Backend, ListenAddress, ListenHost, Moved, RefusedBecause, RouteRules};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::stage::{Container, Stage, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_clients_go_to_the_next_container_from_the_moment_of_the_switch() {
    let containers = ["a", "b"].map(Container::start);
    let stage = Stage::leading_to(&containers[0]);
    let load = Load::by_the_haproxy(&stage, "a").await;
    let mut switched = Vec::new();
    for round in 1..=6_usize {
        let begun = Instant::now();
        stage.point(&containers[round % 2]);
        switched.push((begun, Instant::now(), round % 2));
        sleep(Duration::from_millis(150)).await;
        assert_eq!(stage.look(), Drift::None);
    }
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 0, "both containers are there all the while");
    for seen in &told.all {
        // Who came after one switch was done, and was served before the next began, is served by the container of that time.
        let now = switched.iter().rev().find(|(_, done, _)| *done < seen.begun);
        let end = seen.begun + seen.took;
        let is_of_one_time = !switched.iter().any(|(begun, done, _)| *begun < end && *done > seen.begun);
        if let (Some((_, _, container)), true) = (now, is_of_one_time) {
            assert_eq!(seen.served_by.as_ref().unwrap(), ["a", "b"][*container]);
        }
    }
    stage.flows_when(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_wait_while_one_container_goes_and_the_next_comes() {
    let first = Container::start("a");
    let address = first.target.address;
    let stage = Stage::leading_to(&first);
    let load = Load::start(stage.address).await;
    stage.hold();
    let held = Instant::now();
    // Who came before has been served; those who stay are cut off.
    stage.connected_when(10).await;
    first.die().await;
    sleep(Duration::from_secs(1)).await;
    // The next one has the address of the one before: what was made to that must not reach this one before it is ready.
    let second = Container::start_at("b", address);
    sleep(Duration::from_millis(200)).await;
    let pointed = Instant::now();
    stage.point(&second);
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 10, "those with the container that went");
    told.assert_served_by("b", held);
    for seen in told.all.iter().filter(|seen| seen.begun > held && seen.begun < pointed) {
        assert!(seen.begun + seen.took >= pointed, "served while the route was held");
    }
    assert!(told.longest() < Duration::from_secs(5), "{:?}", told.longest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_carries_clients_is_changed_live() {
    let container = Container::start("a");
    let mut stage =
        Stage::new(crate::stage::own_address(), RouteRules { backend: Backend::Haproxy, ..RouteRules::default() });
    stage.carry_by(Backend::Builtin);
    stage.point(&container);
    assert_eq!(stage.processes().len(), 0);
    let load = Load::start(stage.address).await;
    for _ in 0..3 {
        stage.carry_by(Backend::Haproxy);
        // Who was on the way at that moment may still come to the router.
        let accepted = stage.accepted_in_the_end().await;
        sleep(Duration::from_millis(250)).await;
        assert_eq!(stage.router.status()[0].accepted, accepted);
        stage.carry_by(Backend::Builtin);
        sleep(Duration::from_millis(150)).await;
        assert!(stage.router.status()[0].accepted > accepted + 10, "everybody comes to the router");
        stage.look();
    }
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 0);
    stage.processes_when(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rules_mean_another_haproxy_and_cut_nobody_off() {
    let container = Container::start("a");
    let mut stage = Stage::leading_to(&container);
    let load = Load::start(stage.address).await;
    let before = stage.processes();
    for round in 1..=5 {
        let connections = NonZeroU32::new(1000 + round);
        stage.set_rules(RouteRules { connections, backend: Backend::Haproxy, ..RouteRules::default() });
        sleep(Duration::from_millis(100)).await;
    }
    // Those from before carry what they have; who has nothing ends.
    stage.processes_when(2).await;
    assert!(stage.processes().contains(&before[0]));
    let told = load.end().await;
    told.assert_all_served();
    assert_eq!(told.broken, 0);
    stage.processes_when(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_ipv6_are_led_and_held_as_well() {
    let port = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let listen = ListenAddress::new(ListenHost::Ip("::1".parse().unwrap()), PortNumber::new(port)).unwrap();
    let first = Container::start_at("a", format!("[::1]:{}", port + 10_000).parse().unwrap());
    let second = Container::start("b");
    let stage = Stage::new(listen, RouteRules::default());
    stage.point(&first);
    let load = Load::by_the_haproxy(&stage, "a").await;
    stage.hold();
    sleep(Duration::from_millis(300)).await;
    stage.point(&second);
    let after = Instant::now();
    let told = load.end().await;
    told.assert_all_served();
    told.assert_served_by("b", after);
    assert_eq!(told.broken, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_closed_turns_clients_away_and_one_that_is_released_leaves_nothing() {
    let container = Container::start("a");
    let stage = Stage::leading_to(&container);
    assert_eq!(ask(stage.address, None).await.unwrap(), "a");
    stage.close();
    let refused = ask(stage.address, None).await.unwrap_err();
    let kinds = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::UnexpectedEof];
    assert!(kinds.contains(&refused.kind()), "{refused}");
    stage.point(&container);
    assert_eq!(ask(stage.address, None).await.unwrap(), "a");
    let mut stays = stage.connect().await;
    stage.flows_when(&[("a", 1)]).await;
    stage.router.release(&stage.id).await;
    block_in_place(|| stage.haproxy.unpoint(&stage.id)).unwrap();
    assert_eq!(stage.processes().len(), 0);
    assert!(std::fs::read_dir(stage.layout.haproxy_dir()).unwrap().next().is_none());
    assert_eq!(stage.flows(), []);
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stays, &mut rest).await.ok();
    assert_eq!(ask(stage.address, None).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_container_more_than_there_are_places_for_is_reached_through_the_router() {
    let containers = ["a", "b", "c", "d", "e"].map(Container::start);
    let stage = Stage::leading_to(&containers[0]);
    let mut staying = vec![stage.connect().await];
    let mut led = vec![("a", 1)];
    stage.flows_when(&led).await;
    for (container, name) in containers[1..4].iter().zip(["b", "c", "d"]) {
        stage.point(container);
        staying.push(stage.connect().await);
        led.push((name, 1));
        // Before the next switch: who is not accepted yet goes where the route then leads.
        stage.flows_when(&led).await;
    }
    stage.router.point(&stage.id, containers[4].target.clone()).unwrap();
    let why = block_in_place(|| stage.haproxy.point(&stage.fronts()[0])).unwrap_err();
    assert!(why.to_string().contains("every place for a container has clients of an earlier one"), "{why}");
    assert_eq!(ask(stage.address, None).await.unwrap(), "e");
    assert_eq!(stage.router.status()[0].accepted, 1, "it was handed on");
    assert_eq!(stage.flows().len(), 4, "nobody was cut off");
    // One that goes back to where clients are needs no place, and one that has lost its clients makes room.
    stage.point(&containers[1]);
    assert_eq!(ask(stage.address, None).await.unwrap(), "b");
    drop(staying.remove(0));
    stage.flows_when(&[("b", 1), ("c", 1), ("d", 1)]).await;
    stage.point(&containers[4]);
    assert_eq!(ask(stage.address, None).await.unwrap(), "e");
    assert_eq!(stage.router.status()[0].accepted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_times_as_many_may_wait_as_can_be_connected_and_all_are_served() {
    let container = Container::start("a");
    let stage = Stage::leading_to(&container);
    let limit = stage.router.status()[0].limit;
    stage.hold();
    let address = stage.address;
    let waiting: Vec<_> = (0..3 * limit).map(|_| tokio::spawn(ask(address, None))).collect();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.router.status()[0].accepted, 0, "they wait");
    stage.point(&container);
    for client in waiting {
        assert_eq!(client.await.unwrap().unwrap(), "a");
    }
    assert_eq!((stage.refused(), stage.router.status()[0].refused), (RefusedBecause::default(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_carried_is_counted_also_when_it_has_ended_and_by_one_that_is_gone() {
    let container = Container::start("a");
    let mut stage = Stage::leading_to(&container);
    let serve = async |stage: &Stage, number: u64| {
        for _ in 0..number {
            assert_eq!(ask(stage.address, None).await.unwrap(), "a");
        }
    };
    serve(&stage, 5).await;
    // Each client says `ping` and hears `aping`.
    let counted = |number: u64| Total {
        accepted: number,
        moved: Moved { from_clients: 4 * number, to_clients: 5 * number },
        ..Total::default()
    };
    assert_eq!((stage.total(), stage.flows()), (counted(5), vec![]));
    // Another process serves from then on.
    stage.rule(RouteRules { connections: NonZeroU32::new(50), ..RouteRules::default() });
    stage.processes_when(1).await;
    serve(&stage, 3).await;
    assert_eq!(stage.total(), counted(8));
}
