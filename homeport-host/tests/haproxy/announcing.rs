//! A container that asks for it is told who its clients are, whichever way they come. [spec: END-17]

use std::net::SocketAddr;

use homeport_core::unit::PortNumber;
use homeport_router::{Announcement, ListenAddress, ListenHost, RouteRules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Container, PATIENCE, Stage};

/// What the container was told and sent, and the client's own address.
async fn exchange(address: SocketAddr) -> (Vec<u8>, SocketAddr) {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let own = stream.local_addr()?;
        stream.write_all(b"ping").await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok((answer, own))
    };
    timeout(PATIENCE, exchange).await.unwrap().unwrap()
}

fn text(name: &str, family: &str, own: SocketAddr, public: SocketAddr) -> Vec<u8> {
    format!("{name}PROXY {family} {} {} {} {}\r\nping", own.ip(), public.ip(), own.port(), public.port()).into_bytes()
}

fn any_port() -> ListenAddress {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ListenAddress::new(ListenHost::Any, PortNumber::new(free)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_named_by_the_family_that_it_came_by_whatever_the_socket_is() {
    let told = Container::start("a").announcing(Announcement::ProxyV1);
    let stage = Stage::new(any_port(), RouteRules::default());
    stage.point(&told);
    for (address, family) in
        [(stage.address, "TCP4"), (SocketAddr::new("::1".parse().unwrap(), stage.address.port()), "TCP6")]
    {
        let (answer, own) = exchange(address).await;
        assert_eq!(answer, text("a", family, own, address), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(stage.router.status()[0].accepted, 0, "nobody went through the router");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_container_is_told_in_its_own_way_also_of_those_who_waited() {
    let containers = [
        Container::start("a").announcing(Announcement::ProxyV1),
        Container::start("b").announcing(Announcement::ProxyV2),
        Container::start("c"),
    ];
    let stage = Stage::new(any_port(), RouteRules::default());
    for container in containers.iter().cycle().take(7) {
        stage.hold();
        let waits = tokio::spawn(exchange(stage.address));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stage.point(container);
        for (answer, own) in [waits.await.unwrap(), exchange(stage.address).await] {
            match container.target.announcement {
                Announcement::ProxyV1 => assert_eq!(answer, text("a", "TCP4", own, stage.address)),
                Announcement::ProxyV2 => {
                    let header =
                        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[127, 0, 0, 1, 127, 0, 0, 1]].concat();
                    assert_eq!(answer[1..25], header);
                    assert_eq!(answer[25..29], [own.port().to_be_bytes(), stage.address.port().to_be_bytes()].concat());
                    assert!(answer.starts_with(b"b") && answer[29..] == *b"ping");
                }
                Announcement::None => assert_eq!(answer, b"cping"),
            }
        }
    }
}
