//! A container that asks for it is told who its clients are, before their first byte and on every way to it.

use std::io;
use std::net::SocketAddr;

use homeport_router::Announcement;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Backend, PATIENCE, Stage, content, limits, read_all};

/// A container that sends back everything that it gets, the header too.
fn mirror(name: &str, announcement: Announcement) -> Backend {
    let mut backend = Backend::echo(name);
    backend.target = backend.target.clone().announcing(announcement);
    backend
}

/// What a client got back, and the addresses of its own connection.
async fn exchange(stage: &Stage, request: &[u8]) -> (Vec<u8>, SocketAddr, SocketAddr) {
    let mut stream = stage.connect().await;
    let (own, public) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    (read_all(&mut stream).await.unwrap(), own, public)
}

fn line(own: SocketAddr, public: SocketAddr) -> Vec<u8> {
    format!("PROXY TCP4 {} {} {} {}\r\n", own.ip(), public.ip(), own.port(), public.port()).into_bytes()
}

#[tokio::test]
async fn the_header_comes_first_and_the_bytes_after_it_unchanged() {
    let backend = mirror("a", Announcement::ProxyV1);
    let stage = Stage::pointed_at(&backend);
    for length in [0, 1, 300_000] {
        let request = content(length, length);
        let (answer, own, public) = exchange(&stage, &request).await;
        assert_eq!(answer, [line(own, public), request].concat(), "{length}");
    }
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!(status.bytes_from_clients, 300_001, "the header is no byte of a client");
}

#[tokio::test]
async fn a_container_that_speaks_first_waits_for_no_client() {
    let backend = Backend::start("a", |mut stream: TcpStream| async move {
        let mut header = [0; 28];
        stream.read_exact(&mut header).await?;
        stream.write_all(&header[16..20]).await?;
        stream.shutdown().await
    });
    let stage = Stage::new(limits());
    stage.router.point(&stage.id, backend.target.clone().announcing(Announcement::ProxyV2)).unwrap();
    let mut stream = stage.connect().await;
    let greeting = timeout(PATIENCE, read_all(&mut stream)).await.unwrap().unwrap();
    assert_eq!(greeting, [127, 0, 0, 1]);
}

#[tokio::test]
async fn a_switch_to_a_container_that_is_told_nothing_sends_it_nothing() {
    let (told, plain) = (mirror("a", Announcement::ProxyV1), mirror("b", Announcement::None));
    let stage = Stage::pointed_at(&told);
    let (answer, own, public) = exchange(&stage, b"one").await;
    assert_eq!(answer, [line(own, public), b"one".to_vec()].concat());
    stage.point(&plain);
    assert_eq!(exchange(&stage, b"two").await.0, b"two");
    stage.router.hold(&stage.id).unwrap();
    let waits = stage.connect().await;
    let (own, public) = (waits.local_addr().unwrap(), waits.peer_addr().unwrap());
    stage.point(&told);
    assert_eq!(finish(waits).await.unwrap(), line(own, public), "one that waited is told as well");
}

async fn finish(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    stream.shutdown().await?;
    read_all(&mut stream).await
}
