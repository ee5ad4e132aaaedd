//! What an operator allows is kept by the haproxy as the router keeps it: who may not come is reset, and counted by why.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use homeport_core::unit::PortNumber;
use homeport_router::{ListenAddress, ListenHost, RefusedBecause, RouteRules};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::stage::{Container, PATIENCE, Stage, ask, own_address};

fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn is_served(address: SocketAddr, from: &str) -> bool {
    match ask(address, Some(from.parse().unwrap())).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("{from}: {error}"),
    }
}

/// A client of this source that stays, once it is served.
async fn stays(address: SocketAddr, from: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_are_kept_apart_by_their_family_and_this_machine_may_always_come() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = ListenAddress::new(ListenHost::Any, PortNumber::new(free)).unwrap();
    let container = Container::start("a");
    let mut stage = Stage::new(listen, RouteRules::default());
    stage.point(&container);
    let rules =
        |allow: &[&str], deny: &[&str]| RouteRules { allow: nets(allow), deny: nets(deny), ..RouteRules::default() };
    for (allow, deny, from, wanted) in [
        (vec![], vec![], "127.9.0.1", true),
        (vec![], vec!["::/0"], "127.9.0.1", true),
        (vec![], vec!["127.9.0.0/16"], "127.9.0.1", false),
        (vec!["127.0.0.0/8"], vec!["127.9.0.0/16"], "127.9.0.1", false),
        (vec!["127.0.0.0/8"], vec!["127.9.0.0/16"], "127.8.0.1", true),
        (vec!["127.8.0.0/16"], vec![], "127.9.0.1", false),
        (vec!["::/0"], vec![], "127.9.0.1", false),
        (vec!["::/0"], vec!["127.0.0.1/32"], "127.0.0.1", true),
    ] {
        stage.rule(rules(&allow, &deny));
        let address = SocketAddr::new("127.0.0.1".parse().unwrap(), free);
        // From now on nobody is served who may not come. One that leaves may still refuse somebody by the rules of before.
        assert!(!is_served(address, from).await || wanted, "{from} at once, by {allow:?} but {deny:?}");
        stage.processes_when(1).await;
        let before = stage.refused().not_allowed;
        assert_eq!(is_served(address, from).await, wanted, "{from} by {allow:?} but {deny:?}");
        assert_eq!(stage.refused().not_allowed - before, u64::from(!wanted), "{from} by {allow:?} but {deny:?}");
        let six = SocketAddr::new("::1".parse().unwrap(), free);
        assert!(is_served(six, "::1").await, "this machine itself, by {allow:?} but {deny:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_come_in_than_may_at_once_from_all_and_from_one_source() {
    let container = Container::start("a");
    let mut stage = Stage::new(own_address(), RouteRules::default());
    let rules = RouteRules { connections: NonZeroU32::new(5), per_source: NonZeroU32::new(2), ..RouteRules::default() };
    stage.rule(rules);
    stage.point(&container);
    let [one, two, three] = ["127.9.0.1", "127.9.0.2", "127.9.0.3"].map(|text| text.parse::<IpAddr>().unwrap());
    let mut all = vec![stays(stage.address, one).await, stays(stage.address, one).await];
    assert!(!is_served(stage.address, "127.9.0.1").await, "a third of one source");
    all.push(stays(stage.address, two).await);
    all.push(stays(stage.address, three).await);
    all.push(stays(stage.address, three).await);
    assert!(!is_served(stage.address, "127.9.0.4").await, "a sixth of all");
    // Who leaves makes room.
    drop(all.remove(0));
    stage.flows_when(&[("a", 4)]).await;
    assert!(is_served(stage.address, "127.9.0.1").await);
    assert_eq!(stage.refused(), RefusedBecause { source_full: 1, full: 1, ..RefusedBecause::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_come_in_than_may_a_second_and_who_says_nothing_for_too_long_is_ended() {
    let container = Container::start("a");
    let mut stage = Stage::new(own_address(), RouteRules::default());
    let rules =
        RouteRules { new_per_second: NonZeroU32::new(5), idle_seconds: NonZeroU32::new(1), ..RouteRules::default() };
    stage.rule(rules);
    stage.point(&container);
    let mut served = 0;
    for _ in 0..40 {
        served += usize::from(is_served(stage.address, "127.9.0.1").await);
        sleep(Duration::from_millis(5)).await;
    }
    assert!((5..=20).contains(&served), "{served} of 40 in less than two seconds");
    assert!(is_served(stage.address, "127.0.0.1").await, "this machine itself");
    assert_eq!(stage.refused().too_fast, 40 - u64::try_from(served).unwrap());
    let mut idle = stays(stage.address, "127.0.0.1".parse().unwrap()).await;
    let mut rest = Vec::new();
    timeout(Duration::from_secs(6), idle.read_to_end(&mut rest)).await.expect("it is idle for ever").ok();
}
