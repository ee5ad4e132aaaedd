//! The kernel's own tracking, in a network of the test's own. Needs root, `ip` and `nft`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::namespace::Namespace;

/// A network in which connections to two ports are translated: to this machine, and to one that never answers.
const NETWORK: &str = "\
set -e
ip link add d0 type veth peer name d1
ip addr add 198.51.100.1/24 dev d0
ip link set d0 up
ip link set d1 up
ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev d0
nft add table ip t
nft 'add chain ip t o { type nat hook output priority -100; }'
nft add rule ip t o tcp dport 2222 dnat to 198.51.100.1:3333
nft add rule ip t o tcp dport 2223 dnat to 198.51.100.9:3333
";

#[test]
fn only_what_is_as_it_was_when_it_was_listed_is_deleted() {
    let namespace = Namespace::new();
    namespace.does(NETWORK);
    namespace.enter();
    let listener = TcpListener::bind("198.51.100.1:3333").unwrap();
    let mut client = TcpStream::connect("198.51.100.1:2222").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let nobody = "198.51.100.1:2223".parse().unwrap();
    TcpStream::connect_timeout(&nobody, Duration::from_millis(100)).unwrap_err();
    let mut listed = all(|_| true).unwrap();
    listed.sort_by_key(|entry| entry.to.port());
    assert_eq!(listed.iter().map(|entry| entry.stage).collect::<Vec<_>>(), [Stage::Live, Stage::Unanswered]);
    // Of the first one it was listed that nobody had answered, that it was over, and that another one had it.
    let live = listed[0].clone();
    let [mut unanswered, mut over, mut elsewhere] = [live.clone(), live.clone(), live.clone()];
    (unanswered.stage, over.stage, elsewhere.by) =
        (Stage::Unanswered, Stage::Over, "198.51.100.7:3333".parse().unwrap());
    assert_eq!(delete(&[unanswered, over, elsewhere, listed[1].clone()]).unwrap(), 1);
    let left = all(|_| true).unwrap();
    assert!(left.len() == 1 && live.is_still(&left[0]), "{left:?}");
    server.write_all(b"x").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.read(&mut [0; 2]).unwrap(), 1);
    // What is gone by now is no fault.
    assert_eq!([delete(&listed).unwrap(), delete(&listed).unwrap()], [1, 0]);
}
