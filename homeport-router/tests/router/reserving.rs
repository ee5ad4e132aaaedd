//! Public addresses: who gets them, who is told why not, and when they are free again.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{
    Change, ListenAddress, ListenHost, NoSuchRoute, PortRange, ReserveError, Reserved, RouteState, Router, random_ports,
};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tokio::runtime::Handle;

use crate::stage::{Backend, Stage, ask, assert_reset, id, limits, own_address, own_ip, read_all, socket_address};

fn router() -> Router {
    Router::new(limits(), Handle::current(), |_| {})
}

fn listen(text: &str) -> ListenAddress {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_address_in_use_names_the_process_that_holds_it() {
    let (router, address) = (router(), own_address());
    let _other = TcpListener::bind(socket_address(address)).unwrap();
    let error = router.reserve(&id("web"), address).unwrap_err();
    assert_eq!(error.code(), "HP-RTR-003");
    let ReserveError::InUse { holder: Some(holder), .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder.pid, std::process::id());
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(holder.name, name.trim_end());
    assert!(router.status().is_empty(), "nothing is left of a refused reservation");
}

#[tokio::test]
async fn an_address_that_overlaps_another_routes_names_that_route() {
    let (router, ip) = (router(), own_ip());
    let held = listen(&format!("{ip}:2301"));
    router.reserve(&id("web"), held).unwrap();
    for wanted in [held, listen("*:2301"), listen("0.0.0.0:2301")] {
        let error = router.reserve(&id("mail"), wanted).unwrap_err();
        assert_eq!(error.to_string(), format!("`{wanted}` cannot be listened on: route `web/ssh` holds `{held}`"));
    }
    router.reserve(&id("mail"), listen(&format!("{ip}:2302"))).unwrap();
}

#[tokio::test]
async fn the_same_reservation_twice_changes_nothing_and_another_address_is_an_error() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let address = listen(&stage.address.to_string());
    assert_eq!(stage.router.reserve(&stage.id, address).unwrap(), Reserved::Unchanged(address));
    assert!(matches!(stage.status().state, RouteState::Running { .. }));
    assert_eq!(stage.ask(b"still here").await.unwrap(), b"still here");
    let error = stage.router.reserve(&stage.id, own_address()).unwrap_err();
    assert!(matches!(error, ReserveError::OtherAddress { held, .. } if held == address), "{error}");
}

#[tokio::test]
async fn an_address_that_the_machine_has_not_is_refused_with_help() {
    let error = router().reserve(&id("web"), listen("192.0.2.1:2222")).unwrap_err();
    assert_eq!(error.code(), "HP-RTR-004");
    assert!(error.help().unwrap().contains("ip address"));
}

#[tokio::test]
async fn a_privileged_port_without_the_privilege_is_refused_with_help() {
    let (router, ip) = (router(), own_ip());
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let first_unprivileged = text.trim().parse::<u16>().unwrap();
    let address = listen(&format!("{ip}:{}", first_unprivileged.saturating_sub(1).max(1)));
    // Capabilities are a thread's own: the others keep theirs.
    let refused = std::thread::spawn(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_BIND_SERVICE);
        set_capabilities(None, sets).unwrap();
        router.reserve(&id("web"), address)
    });
    let refused = refused.join().unwrap();
    if first_unprivileged <= 1 {
        // Engines start their containers so: no port is privileged, and none may be refused as such.
        assert_eq!(refused.unwrap(), Reserved::Bound(address));
        return;
    }
    let error = refused.unwrap_err();
    assert_eq!(error.code(), "HP-RTR-005");
    assert!(error.help().unwrap().contains("CAP_NET_BIND_SERVICE"));
}

#[tokio::test]
async fn a_release_resets_the_connections_and_frees_the_address_at_once() {
    let backend = Backend::named_echo("c1");
    let stage = Stage::pointed_at(&backend);
    let address = listen(&stage.address.to_string());
    for round in 0..20 {
        let mut live = stage.connect().await;
        stage.status_when(|status| status.live.len() == 1).await;
        assert_eq!(stage.router.release(&stage.id).await, Change::Changed);
        assert!(ask(stage.address, b"").await.is_err());
        drop(TcpListener::bind(stage.address).unwrap());
        let mut name = [0; 2];
        match tokio::io::AsyncReadExt::read_exact(&mut live, &mut name).await {
            Ok(_) => assert_reset(&mut live).await,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "round {round}"),
        }
        assert_eq!(stage.router.reserve(&stage.id, address).unwrap(), Reserved::Bound(address));
        stage.point(&backend);
    }
    assert_eq!(stage.router.release(&stage.id).await, Change::Changed);
    assert_eq!(stage.router.release(&stage.id).await, Change::Unchanged);
}

#[tokio::test]
async fn an_address_is_free_after_its_release_though_old_connections_are_still_remembered() {
    let backend = Backend::start("c1", |stream| async move {
        drop(stream);
        Ok(())
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    assert_eq!(read_all(&mut client).await.unwrap(), b"");
    drop(client);
    stage.status_when(|status| status.open == 0).await;
    // The side that ended first, here the router's, keeps the connection for a minute (state 06, TIME_WAIT).
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let SocketAddr::V4(local) = stage.address else { panic!("not IPv4") };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(local.ip().octets()), local.port());
    let is_remembered =
        |line: &str| line.split_ascii_whitespace().skip(1).step_by(2).take(2).eq([local.as_str(), "06"]);
    assert!(table.lines().any(is_remembered), "no `{local}` in TIME_WAIT:\n{table}");
    stage.router.release(&stage.id).await;
    let address = listen(&stage.address.to_string());
    assert_eq!(stage.router.reserve(&stage.id, address).unwrap(), Reserved::Bound(address));
}

#[tokio::test]
async fn a_release_resets_those_who_wait_in_a_hold() {
    let stage = Stage::new(limits());
    let mut waiting = stage.connect().await;
    stage.router.release(&stage.id).await;
    assert_reset(&mut waiting).await;
}

#[tokio::test]
async fn requests_for_a_route_that_is_not_there_say_so() {
    let (router, web) = (router(), id("web"));
    let backend = Backend::echo("c1");
    let missing = NoSuchRoute(web.clone());
    assert_eq!(router.point(&web, backend.target.clone()), Err(missing.clone()));
    assert_eq!(router.hold(&web), Err(missing.clone()));
    assert_eq!(router.close(&web), Err(missing.clone()));
    assert_eq!(router.end_connections(&web, &backend.target.container), Err(missing.clone()));
    assert_eq!(missing.to_string(), "there is no route `web/ssh`");
    assert_eq!(router.release(&web).await, Change::Unchanged);
}

#[tokio::test]
async fn any_host_is_one_socket_for_both_families() {
    let (router, backend) = (router(), Backend::echo("c1"));
    let web = id("web");
    let ports = (21_000..21_999).map(PortNumber::new);
    let port = router.reserve_random(&web, ListenHost::Any, Transport::Tcp, ports).unwrap().address().port().get();
    router.point(&web, backend.target.clone()).unwrap();
    assert_eq!(ask(SocketAddr::from((own_ip(), port)), b"four").await.unwrap(), b"four");
    // Where the machine has no IPv6 the same request is served by IPv4 alone.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_eq!(ask(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), b"six").await.unwrap(), b"six");
    }
}

#[tokio::test]
async fn each_family_by_itself_leaves_the_other_one_free() {
    let router = router();
    let ports = (22_000..22_999).map(PortNumber::new);
    let v4 = router
        .reserve_random(&id("web"), ListenHost::Ip("0.0.0.0".parse().unwrap()), Transport::Tcp, ports)
        .unwrap()
        .address();
    let v6 = ListenAddress::new(ListenHost::Ip(Ipv6Addr::UNSPECIFIED.into()), v4.port()).unwrap();
    assert_eq!(router.reserve(&id("mail"), v6).unwrap(), Reserved::Bound(v6));
}

#[tokio::test]
async fn a_random_port_is_the_first_candidate_that_is_free_and_is_kept() {
    let (router, ip) = (router(), own_ip());
    let host = ListenHost::Ip(ip.into());
    let _process = TcpListener::bind((ip, 20_001)).unwrap();
    router.reserve(&id("web"), listen(&format!("{ip}:20002"))).unwrap();
    let ports = || [20_001, 20_002, 20_003, 20_004].map(PortNumber::new);
    let address = listen(&format!("{ip}:20003"));
    assert_eq!(router.reserve_random(&id("mail"), host, Transport::Tcp, ports()).unwrap(), Reserved::Bound(address));
    assert_eq!(router.reserve_random(&id("mail"), host, Transport::Tcp, []).unwrap(), Reserved::Unchanged(address));
    let error = router.reserve_random(&id("shell"), host, Transport::Tcp, ports().into_iter().take(3)).unwrap_err();
    assert!(matches!(error, ReserveError::NoFreePort { tried: 3, .. }), "{error}");
}

#[tokio::test]
async fn a_drawn_port_is_outside_of_the_range_that_this_kernel_hands_out() {
    let (router, ip) = (router(), own_ip());
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let kernel = PortRange::parse_kernel(&text).unwrap();
    let ports = random_ports(PortRange::DEFAULT, kernel, &[].into(), (0..).map(|n: u32| n.wrapping_mul(0x9E37_79B9)));
    let reserved =
        router.reserve_random(&id("web"), ListenHost::Ip(ip.into()), Transport::Tcp, ports.unwrap()).unwrap();
    assert!(!kernel.contains(reserved.address().port()));
}

#[tokio::test]
async fn a_shut_down_router_has_closed_everything_and_takes_nothing_more() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let mut live = stage.connect().await;
    stage.status_when(|status| status.live.len() == 1).await;
    stage.router.shut_down().await;
    assert_reset(&mut live).await;
    let address = listen(&stage.address.to_string());
    drop(TcpListener::bind(stage.address).unwrap());
    let error = stage.router.reserve(&stage.id, address).unwrap_err();
    assert!(matches!(error, ReserveError::ShutDown { .. }), "{error}");
    assert!(stage.router.status().is_empty());
}

#[tokio::test]
async fn dropping_the_last_handle_closes_everything() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let mut live = stage.connect().await;
    stage.status_when(|status| status.live.len() == 1).await;
    let address = stage.address;
    drop(stage);
    assert_reset(&mut live).await;
    assert!(ask(address, b"").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_come_from_threads_without_a_runtime() {
    let backend = Backend::echo("c1");
    let (router, address) = (router(), own_address());
    let (remote, target) = (router.clone(), backend.target.clone());
    std::thread::spawn(move || {
        remote.reserve(&id("web"), address).unwrap();
        remote.point(&id("web"), target).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(ask(socket_address(address), b"hello").await.unwrap(), b"hello");
    assert_eq!(router.status().len(), 1);
}
