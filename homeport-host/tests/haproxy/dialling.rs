//! From where a haproxy connects with a container: from ports that it asks for by their numbers, so that thousands of clients a
//! minute use none up.

use std::net::SocketAddr;

use homeport_core::unit::PortNumber;
use homeport_router::{Target, dialling_ports};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::stage::{Container, Stage, ask, listen, own_ip};

/// A container that says who connected with it, and ends.
fn teller() -> (Container, JoinSet<()>) {
    let address = SocketAddr::new(own_ip().into(), 22);
    let (listener, mut tasks) = (listen(address), JoinSet::new());
    tasks.spawn(tell(listener));
    (Container::of(Target::new("t".parse().unwrap(), address)), tasks)
}

async fn tell(listener: TcpListener) {
    loop {
        let Ok((mut stream, from)) = listener.accept().await else { continue };
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.ok();
        stream.write_all(format!("{from}ping").as_bytes()).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_has_the_next_of_the_ports_that_the_kernel_hands_out_to_nobody() {
    let (container, _tasks) = teller();
    // Its router leaves everybody to the haproxy.
    let stage = Stage::leading_to(&container);
    let mut ports = Vec::new();
    for _ in 0..8 {
        let from: SocketAddr = ask(stage.address, None).await.unwrap().parse().unwrap();
        assert_eq!(from.ip().to_string(), "127.0.0.1");
        ports.push(from.port());
    }
    assert_eq!(stage.router.status()[0].accepted, 0, "nobody went through the router");
    // A machine that is set so has none, or leaves them to the kernel.
    let Some(range) = dialling_ports() else { return };
    assert!(ports.iter().all(|port| range.contains(PortNumber::new(*port))), "{ports:?} of {range}");
    // One that somebody has is passed over.
    let steps: Vec<i32> = ports.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0])).collect();
    assert!(steps.iter().all(|step| (1..100).contains(step)), "{ports:?}");
}
