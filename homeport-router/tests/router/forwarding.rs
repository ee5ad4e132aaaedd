//! Bytes, their ends and resets, both ways.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, ask, assert_reset, content, read_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_megabytes_come_back_as_they_were_sent_and_are_counted() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let sent = content(1, 8 << 20);
    assert!(stage.ask(&sent).await.unwrap() == sent, "the content differs");
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.refused, status.failed), (1, 0, 0));
    assert_eq!((status.bytes_from_clients, status.bytes_to_clients), (8 << 20, 8 << 20));
    assert_eq!(status.live, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_in_a_row_each_get_their_own_bytes() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    for seed in 0..1_000 {
        let sent = content(seed, 1 + seed % 300);
        assert_eq!(stage.ask(&sent).await.unwrap(), sent, "connection {seed}");
    }
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.refused, status.failed, status.last_error), (1_000, 0, 0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_at_once_each_get_their_own_bytes() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let address = stage.address;
    let mut clients = JoinSet::new();
    for seed in 0..200 {
        clients.spawn(async move {
            let sent = content(seed, 200_000);
            ask(address, &sent).await.unwrap() == sent
        });
    }
    assert_eq!(clients.join_all().await, vec![true; 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ends_its_data_first_still_gets_the_whole_answer() {
    let backend = Backend::start("c1", |mut stream| async move {
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await?;
        sleep(Duration::from_millis(100)).await;
        stream.write_all(&request.repeat(50)).await?;
        stream.shutdown().await
    });
    let stage = Stage::pointed_at(&backend);
    let sent = content(3, 20_000);
    assert!(stage.ask(&sent).await.unwrap() == sent.repeat(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_ends_its_data_first_still_gets_the_whole_request() {
    let (got, mut gets) = mpsc::unbounded_channel();
    let backend = Backend::start("c1", move |mut stream| {
        let got = got.clone();
        async move {
            stream.write_all(b"hello").await?;
            stream.shutdown().await?;
            let mut request = Vec::new();
            stream.read_to_end(&mut request).await?;
            got.send(request).unwrap();
            Ok(())
        }
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    assert_eq!(read_all(&mut client).await.unwrap(), b"hello");
    let sent = content(4, 1 << 20);
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(timeout(PATIENCE, gets.recv()).await.unwrap().unwrap() == sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_late_loses_nothing() {
    let sent = content(5, 32 << 20);
    let answer = sent.clone();
    let backend = Backend::start("c1", move |mut stream| {
        let answer = answer.clone();
        async move {
            stream.write_all(&answer).await?;
            stream.shutdown().await
        }
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    let mut seen = 0;
    // The stream has come to a stop once nothing more is forwarded: the client's and the router's buffers are full.
    loop {
        sleep(Duration::from_millis(200)).await;
        let now = stage.status().bytes_to_clients;
        if now == seen && now > 0 {
            break;
        }
        seen = now;
    }
    assert!(seen < 32 << 20, "all was taken from the container though the client reads nothing");
    assert!(read_all(&mut client).await.unwrap() == sent, "the content differs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_closes_at_once_ends_the_client_and_the_next_is_served_alike() {
    let backend = Backend::start("c1", |stream| async move {
        drop(stream);
        Ok(())
    });
    let stage = Stage::pointed_at(&backend);
    for _ in 0..20 {
        let mut client = stage.connect().await;
        let end = read_all(&mut client).await;
        assert!(matches!(&end, Ok(bytes) if bytes.is_empty()), "{end:?}");
    }
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.failed), (20, 0), "a container that answers by closing has answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_by_the_container_resets_the_client() {
    let backend = Backend::start("c1", |mut stream| async move {
        stream.read_u8().await?;
        stream.set_zero_linger()
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    client.write_all(b"x").await.unwrap();
    assert_reset(&mut client).await;
}

/// Tells how each of its connections ended, and sends nothing by itself.
fn listening_backend() -> (Backend, mpsc::UnboundedReceiver<Result<usize, io::ErrorKind>>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let backend = Backend::start("c1", move |mut stream: TcpStream| {
        let ended = ended.clone();
        async move {
            let mut bytes = Vec::new();
            let end = stream.read_to_end(&mut bytes).await;
            if end.is_ok() {
                // The client's data has ended; see whether more happens to the connection.
                let error = stream.ready(tokio::io::Interest::ERROR).await;
                ended.send(error.map(|_| usize::MAX).map_err(|error| error.kind())).unwrap();
            } else {
                ended.send(end.map_err(|error| error.kind())).unwrap();
            }
            Ok(())
        }
    });
    (backend, ends)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_by_the_client_resets_the_container() {
    let (backend, mut ends) = listening_backend();
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    client.write_all(b"x").await.unwrap();
    stage.status_when(|status| status.bytes_from_clients == 1).await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(timeout(PATIENCE, ends.recv()).await.unwrap().unwrap(), Err(io::ErrorKind::ConnectionReset));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ended_its_data_and_then_goes_is_noticed_though_nobody_sends() {
    let (backend, mut ends) = listening_backend();
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    client.write_all(b"x").await.unwrap();
    client.shutdown().await.unwrap();
    sleep(Duration::from_millis(200)).await;
    assert!(ends.try_recv().is_err(), "a half-closed connection goes on");
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(timeout(PATIENCE, ends.recv()).await.unwrap().unwrap(), Ok(usize::MAX));
    stage.status_when(|status| status.open == 0).await;
}
