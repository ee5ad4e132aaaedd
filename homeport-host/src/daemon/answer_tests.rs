//! The control socket as a client sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream as StdStream;

use homeport_router::{DescriptorLimit, Limits, Router};

use super::*;
use crate::engine::sim::SimEngine;
use crate::layout::Layout;
use crate::plan::ListenHostText;
use crate::routes::SimRoutes;

/// A client of a daemon that answers; the runtime ends the daemon when the test does.
fn with_client(test: impl FnOnce(&mut dyn FnMut(&[u8]) -> Option<Answer>)) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::under(dir.path()).unwrap();
    let engine = SimEngine::default();
    let sockets = SimRoutes::new(engine.clone(), layout.clone());
    let host = Host::new(layout, Arc::new(engine), Arc::new(sockets));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
    let router = Router::new(limits, runtime.handle().clone(), |_| {});
    let addresses = Addresses::new(router, host.layout());
    let daemon = Arc::new(Daemon { host, addresses, since: Time::now() });
    let (mut client, server) = StdStream::pair().unwrap();
    server.set_nonblocking(true).unwrap();
    let (told, _heard) = mpsc::channel(1);
    runtime.spawn(async move { daemon.answer(UnixStream::from_std(server).unwrap(), told).await });
    let mut answers = BufReader::new(client.try_clone().unwrap());
    test(&mut |request| {
        client.write_all(request).ok()?;
        let mut line = String::new();
        answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    });
}

fn line(request: &Request) -> Vec<u8> {
    let mut line = serde_json::to_vec(request).unwrap();
    line.push(b'\n');
    line
}

#[test]
fn the_limit_is_of_a_line_and_not_of_a_connection() {
    with_client(|ask| {
        let mut padded = line(&Request::Status);
        padded.splice(0..0, std::iter::repeat_n(b' ', LINE_LIMIT / 2));
        for _ in 0..5 {
            assert!(matches!(ask(&padded), Some(Answer::Status(_))));
        }
        let refusal = ask(&vec![b' '; LINE_LIMIT]);
        assert!(matches!(refusal, Some(Answer::Refused(Refusal { code, .. })) if code == "HP-DMN-006"));
        assert_eq!(ask(&line(&Request::Status)), None, "a client that says too much is left");
    });
}

#[test]
fn a_route_gives_up_its_port_for_a_wanted_one_and_has_it_back_where_that_is_taken() {
    let free = || PortNumber::new(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (PortNumber::new(taken.local_addr().unwrap().port()), taken);
    let (first, second) = (free(), free());
    let id = RouteId { instance: "site".parse().unwrap(), endpoint: "http".parse().unwrap() };
    let over = |transport, ports: &[PortNumber]| {
        let host = ListenHostText("127.0.0.1".parse().map(ListenHost::Ip).unwrap());
        line(&Request::Reserve { id: id.clone(), host, transport, ports: ports.to_vec() })
    };
    let reserve = |ports: &[PortNumber]| over(Transport::Tcp, ports);
    with_client(|ask| {
        assert_eq!(ask(&reserve(&[first])), Some(Answer::Reserved { port: first }));
        assert_eq!(ask(&reserve(&[second, first])), Some(Answer::Reserved { port: first }), "it keeps what will do");
        assert_eq!(ask(&reserve(&[second])), Some(Answer::Reserved { port: second }));
        assert!(matches!(ask(&reserve(&[taken.0])), Some(Answer::Refused(_))));
        let Some(Answer::Status(status)) = ask(&line(&Request::Status)) else { panic!("no status") };
        let held: Vec<_> = status.routes.iter().map(|route| route.address.port()).collect();
        assert_eq!(held, [second]);
        // TCP and UDP have ports of their own: the same number is another address.
        let udp = over(Transport::Udp, &[second]);
        let free = std::net::UdpSocket::bind(("127.0.0.1", second.get()));
        if free.map(drop).is_ok() {
            assert_eq!(ask(&udp), Some(Answer::Reserved { port: second }));
            let Some(Answer::Status(status)) = ask(&line(&Request::Status)) else { panic!("no status") };
            let held: Vec<_> = status.routes.iter().map(|route| route.address.to_string()).collect();
            assert_eq!(held, [format!("127.0.0.1:{second}/udp")]);
        }
    });
}
