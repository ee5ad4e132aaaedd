//! Much at once: the kernel moves it through pipes, and not a byte may be lost, doubled, or anybody else's.

use std::io;
use std::time::Duration;

use homeport_router::Limits;
use sha2::{Digest as _, Sha256};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, assert_reset, content, limits};

const MIB: usize = 1 << 20;

/// What somebody got: how much, and its hash.
type Got = (usize, Vec<u8>);

fn whole(bytes: &[u8]) -> Got {
    (bytes.len(), Sha256::digest(bytes).to_vec())
}

/// Reads to the end in pieces of an odd size, and rests for a moment after each MiB.
async fn read_slowly(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Got> {
    let (mut hash, mut length, mut piece) = (Sha256::new(), 0, vec![0; 10_007]);
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok((length, hash.finalize().to_vec()));
        }
        hash.update(&piece[..count]);
        if length / MIB != (length + count) / MIB {
            sleep(Duration::from_millis(2)).await;
        }
        length += count;
    }
}

/// Sends all, and the end after it, and reads slowly what comes meanwhile.
async fn exchange(stream: &mut TcpStream, sends: &[u8]) -> io::Result<Got> {
    let (mut reads, mut writes) = stream.split();
    let all_and_the_end = async {
        writes.write_all(sends).await?;
        writes.shutdown().await
    };
    let (sent, got) = tokio::join!(all_and_the_end, read_slowly(&mut reads));
    sent?;
    got
}

/// A container that sends `answer` from the beginning on, and tells what it got.
fn sender(answer: Vec<u8>) -> (Backend, mpsc::UnboundedReceiver<io::Result<Got>>) {
    let (got, gets) = mpsc::unbounded_channel();
    let backend = Backend::start("c1", move |mut stream| {
        let (answer, got) = (answer.clone(), got.clone());
        async move {
            got.send(exchange(&mut stream, &answer).await).unwrap();
            Ok(())
        }
    });
    (backend, gets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_both_ways_at_once_to_slow_readers_keeps_every_byte() {
    let (up, down) = (content(1, 40 * MIB + 4_321), content(2, 48 * MIB + 77));
    let (backend, mut gets) = sender(down.clone());
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    let got = timeout(PATIENCE * 3, exchange(&mut client, &up)).await.unwrap().unwrap();
    assert_eq!(got, whole(&down));
    assert_eq!(timeout(PATIENCE, gets.recv()).await.unwrap().unwrap().unwrap(), whole(&up));
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.bytes_from_clients, status.bytes_to_clients), (up.len() as u64, down.len() as u64));
    assert_eq!(status.last_error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_end_of_bulk_the_other_direction_goes_on() {
    let (up, down) = (content(3, 24 * MIB + 1), content(4, 24 * MIB + 2));
    let backend = Backend::start("c1", {
        let down = down.clone();
        move |mut stream| {
            let down = down.clone();
            async move {
                let (length, hash) = read_slowly(&mut stream).await?;
                // Only now: the client has ended its side long ago.
                sleep(Duration::from_millis(100)).await;
                stream.write_all(&(length as u64).to_be_bytes()).await?;
                stream.write_all(&hash).await?;
                stream.write_all(&down).await?;
                stream.shutdown().await
            }
        }
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    client.write_all(&up).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, client.read_u64()).await.unwrap().unwrap(), up.len() as u64);
    let mut hash = vec![0; 32];
    client.read_exact(&mut hash).await.unwrap();
    assert_eq!((up.len(), hash), whole(&up));
    assert_eq!(timeout(PATIENCE, read_slowly(&mut client)).await.unwrap().unwrap(), whole(&down));
}

/// Small messages between bulk, so that a transfer turns to the pipe and back again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_and_little_by_turns_come_back_in_order() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    for turn in 0..60 {
        let sent = content(turn, if turn % 3 == 0 { 900_001 } else { 1 + turn });
        let (mut reads, mut writes) = client.split();
        let mut back = vec![0; sent.len()];
        let (wrote, read) = tokio::join!(writes.write_all(&sent), timeout(PATIENCE, reads.read_exact(&mut back)));
        wrote.unwrap();
        read.unwrap().unwrap();
        assert!(back == sent, "turn {turn}: the content differs");
    }
    let status = stage.status();
    assert_eq!(status.bytes_from_clients, status.bytes_to_clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_urgent_byte_in_bulk_loses_and_stops_nothing() {
    let (got, mut gets) = mpsc::unbounded_channel();
    let backend = Backend::start("c1", move |mut stream| {
        let got = got.clone();
        async move {
            got.send(read_slowly(&mut stream).await?).unwrap();
            Ok(())
        }
    });
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    let sent = content(5, 8 * MIB);
    client.write_all(&sent[..3 * MIB]).await.unwrap();
    // It is no part of the data, and a receiver that does not ask for it never sees it.
    loop {
        client.writable().await.unwrap();
        let urgent = || SockRef::from(&client).send_out_of_band(b"!");
        match client.try_io(Interest::WRITABLE, urgent) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => break assert_eq!(sent.unwrap(), 1),
        }
    }
    client.write_all(&sent[3 * MIB..]).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, gets.recv()).await.unwrap().unwrap(), whole(&sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_in_the_midst_of_bulk_never_looks_like_the_end() {
    for seed in 0..8 {
        let sent = content(seed, 3 * MIB + seed * 300_007);
        let backend = Backend::start("c1", {
            let sent = sent.clone();
            move |mut stream| {
                let sent = sent.clone();
                async move {
                    // Not before the client has seen that it is connected.
                    stream.read_u8().await?;
                    stream.write_all(&sent).await?;
                    stream.set_zero_linger()
                }
            }
        });
        let stage = Stage::pointed_at(&backend);
        let mut client = stage.connect().await;
        client.write_u8(0).await.unwrap();
        let (mut got, mut piece) = (Vec::new(), vec![0; 50_000]);
        let end = loop {
            match timeout(PATIENCE, client.read(&mut piece)).await.unwrap() {
                Ok(0) => panic!("a cut of {} of {} bytes looks complete", got.len(), sent.len()),
                Ok(count) => got.extend_from_slice(&piece[..count]),
                Err(error) => break error,
            }
            sleep(Duration::from_micros(300)).await;
        };
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        assert!(sent.starts_with(&got), "what came before the reset differs");
        stage.status_when(|status| status.open == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_in_the_midst_of_bulk_resets_the_container() {
    let (backend, mut gets) = sender(content(6, 64 * MIB));
    let stage = Stage::pointed_at(&backend);
    let mut client = stage.connect().await;
    let mut some = vec![0; 2 * MIB];
    client.read_exact(&mut some).await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    let end = timeout(PATIENCE, gets.recv()).await.unwrap().unwrap().unwrap_err();
    assert!([io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&end.kind()), "{end}");
    stage.status_when(|status| status.open == 0).await;
}

/// A transfer whose client reads nothing has filled every buffer on its way, a pipe among them.
async fn stalled(stage: &Stage) -> TcpStream {
    let before = stage.status().bytes_to_clients;
    let client = stage.connect().await;
    let mut seen = before;
    loop {
        sleep(Duration::from_millis(200)).await;
        let now = stage.status().bytes_to_clients;
        if now == seen && now > before {
            return client;
        }
        seen = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cut_transfer_left_in_its_pipe_reaches_nobody_else() {
    let (backend, mut gets) = sender(content(7, 32 * MIB));
    let stage = Stage::new(Limits { pipes: 1, ..limits() });
    stage.point(&backend);
    for _ in 0..3 {
        let mut cut = stalled(&stage).await;
        assert_eq!(stage.router.end_connections(&stage.id, &backend.target.container).unwrap(), 1);
        assert_reset(&mut cut).await;
        assert!(timeout(PATIENCE, gets.recv()).await.unwrap().unwrap().is_err());
        stage.status_when(|status| status.open == 0).await;
    }
    let mut client = stage.connect().await;
    let got = timeout(PATIENCE, exchange(&mut client, b"")).await.unwrap().unwrap();
    assert_eq!(got, whole(&content(7, 32 * MIB)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_pipe_to_be_had_bulk_is_copied() {
    let (up, down) = (content(8, 20 * MIB + 5), content(9, 20 * MIB + 6));
    let (backend, mut gets) = sender(down.clone());
    let stage = Stage::new(Limits { pipes: 0, ..limits() });
    stage.point(&backend);
    let mut client = stage.connect().await;
    assert_eq!(timeout(PATIENCE, exchange(&mut client, &up)).await.unwrap().unwrap(), whole(&down));
    assert_eq!(timeout(PATIENCE, gets.recv()).await.unwrap().unwrap().unwrap(), whole(&up));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_receivers_who_hold_every_pipe_hinder_nobody_and_lose_nothing() {
    let answer = content(10, 24 * MIB + 3);
    let (backend, _gets) = sender(answer.clone());
    let stage = Stage::new(Limits { pipes: 2, ..limits() });
    stage.point(&backend);
    let (mut one, mut other) = (stalled(&stage).await, stalled(&stage).await);
    let mut quick = JoinSet::new();
    for _ in 0..6 {
        let mut client = stage.connect().await;
        quick.spawn(async move { timeout(PATIENCE, exchange(&mut client, b"")).await.unwrap().unwrap() });
    }
    assert_eq!(quick.join_all().await, vec![whole(&answer); 6]);
    for stalled in [&mut one, &mut other] {
        assert_eq!(timeout(PATIENCE, exchange(stalled, b"")).await.unwrap().unwrap(), whole(&answer));
    }
}

/// All clients at once end in every order, and each gets its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_transfers_that_share_few_pipes_each_get_their_own_bytes() {
    let backend = Backend::start("c1", |mut stream| async move {
        let seed = usize::from(stream.read_u8().await?);
        stream.write_all(&content(seed, MIB + seed * 100_003)).await?;
        stream.shutdown().await
    });
    let stage = Stage::new(Limits { pipes: 3, ..limits() });
    stage.point(&backend);
    let mut clients = JoinSet::new();
    for seed in 0..24_u8 {
        let mut client = stage.connect().await;
        let (tell, told) = oneshot::channel();
        clients.spawn(async move {
            client.write_u8(seed).await.unwrap();
            let got = timeout(PATIENCE, read_slowly(&mut client)).await.unwrap().unwrap();
            // Not everybody is waited for.
            tell.send(()).unwrap_or(());
            got == whole(&content(usize::from(seed), MIB + usize::from(seed) * 100_003))
        });
        if seed % 8 == 7 {
            timeout(PATIENCE, told).await.unwrap().unwrap();
        }
    }
    assert_eq!(clients.join_all().await, vec![true; 24]);
}
