//! What is moved of data with an urgent byte in it, where all of it is there before anything is read.

use std::io::Write as _;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Both ends of a connection; what is sent to the first has much room there.
fn pair() -> (TcpStream, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_recv_buffer_size(1 << 20).unwrap();
    let theirs = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    (TcpStream::from_std(ours).unwrap(), theirs)
}

#[tokio::test]
async fn what_comes_after_an_urgent_byte_is_not_left_behind() {
    for (before, after) in [(3, 3), (3, 50_000), (100_000, 3), (100_000, 50_000)] {
        let (traffic, passed, pipes) = (Traffic::default(), Passed::default(), Pipes::new(2));
        let meter = Meter { own: &passed.from_client, route: &traffic.from_clients };
        let ((from, mut sender), (to, receiver)) = (pair(), pair());
        receiver.set_nonblocking(true).unwrap();
        let mut receiver = TcpStream::from_std(receiver).unwrap();
        let mut moving = pin!(carry(&from, Sink::prompt(&to), meter, &pipes));
        let sent: Vec<u8> = (0..before + after).map(|n| u8::try_from(n % 251).unwrap()).collect();
        sender.write_all(b"first").unwrap();
        let mut got = [0; 5];
        tokio::select! {
            ended = &mut moving => panic!("{ended:?}"),
            read = receiver.read_exact(&mut got) => assert_eq!(read.unwrap(), 5),
        }
        // Nothing is read meanwhile.
        sender.write_all(&sent[..before]).unwrap();
        assert_eq!(SockRef::from(&sender).send_out_of_band(b"!").unwrap(), 1);
        sender.write_all(&sent[before..]).unwrap();
        let mut got = vec![0; sent.len()];
        tokio::select! {
            ended = &mut moving => panic!("{ended:?}"),
            read = timeout(PATIENCE, receiver.read_exact(&mut got)) => {
                assert!(read.is_ok(), "of {before} bytes and {after} after it not all came");
            }
        }
        assert!(got == sent, "{before} and {after}");
        sender.shutdown(Shutdown::Write).unwrap();
        timeout(PATIENCE, moving).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_reset_behind_the_last_data_is_not_taken_for_its_end() {
    for _ in 0..20 {
        let (traffic, passed, pipes) = (Traffic::default(), Passed::default(), Pipes::new(2));
        let meter = Meter { own: &passed.from_client, route: &traffic.from_clients };
        let ((from, mut sender), (to, receiver)) = (pair(), pair());
        receiver.set_nonblocking(true).unwrap();
        let mut receiver = TcpStream::from_std(receiver).unwrap();
        let mut moving = pin!(carry(&from, Sink::prompt(&to), meter, &pipes));
        sender.write_all(b"first").unwrap();
        let mut got = [0; 5];
        tokio::select! {
            ended = &mut moving => panic!("{ended:?}"),
            read = receiver.read_exact(&mut got) => assert_eq!(read.unwrap(), 5),
        }
        // Both are there before anything is read.
        sender.write_all(b"more").unwrap();
        SockRef::from(&sender).set_linger(Some(Duration::ZERO)).unwrap();
        drop(sender);
        let end = timeout(PATIENCE, moving).await.unwrap().unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }
}
