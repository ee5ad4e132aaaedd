//! Owns from which port of this machine a container is dialled where the kernel's own choice would run out. The kernel remembers
//! the port of a connection that this side ended for a minute, and hands it out to nobody for the same container meanwhile: some
//! 470 connections a second use its usual range up, unless it was told to hand them out again sooner (`net.ipv4.tcp_tw_reuse`). A
//! port that was asked for by its number is had at once all the same, as connections are told apart by their time stamps. Never
//! connects.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::random_port::PortRange;

/// For how long the kernel remembers a port.
const REMEMBERED: Duration = Duration::from_mins(1);
/// The kernel chooses until the connections of a minute have used up this part of its range: those ports stay out of reach.
const PART: u32 = 4;
/// More dials than there ever are in a minute: what is counted where the kernel had no port left.
const RUN_OUT: u32 = u32::MAX / 2;
/// So many ports are tried for one connection; most of them are free.
const TRIED: usize = 64;

/// When the kernel hands a port out again by itself for the same container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// After it has forgotten the connection.
    Forgotten,
    /// After a second.
    Soon,
}

impl Reuse {
    /// What `net.ipv4.tcp_tw_reuse` says, which is 2 usually: soon for connections of this machine with itself.
    fn parse(setting: &str) -> Self {
        if setting.trim() == "1" { Self::Soon } else { Self::Forgotten }
    }
}

/// The ports of this machine for connections of its own.
#[derive(Debug)]
pub(crate) struct LocalPorts {
    range: PortRange,
    reuse: Reuse,
    reserved: Vec<PortRange>,
    next: AtomicU32,
    dials: Mutex<Dials>,
}

/// How many connections were dialled in this minute and the one before.
#[derive(Debug, Clone, Copy)]
struct Dials {
    since: Instant,
    before: u32,
    now: u32,
}

impl Dials {
    /// One more; how many there were in the last minute, at least.
    fn count(&mut self, now: Instant) -> u32 {
        let minutes = now.saturating_duration_since(self.since).as_secs() / REMEMBERED.as_secs();
        if minutes > 0 {
            let before = if minutes == 1 { self.now } else { 0 };
            *self = Self { since: now, before, now: 0 };
        }
        self.now = self.now.saturating_add(1);
        self.before.saturating_add(self.now)
    }
}

/// Who chooses the port of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Kernel,
    Own,
}

impl LocalPorts {
    /// Those that the kernel would choose from.
    pub(crate) fn of_kernel() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        let range = PortRange::parse_kernel(&read("ip_local_port_range")).unwrap_or(PortRange::USUAL_KERNEL);
        let reuse = Reuse::parse(&read("tcp_tw_reuse"));
        Self::new(range, reuse, PortRange::parse_list(&read("ip_local_reserved_ports")))
    }

    fn new(range: PortRange, reuse: Reuse, reserved: Vec<PortRange>) -> Self {
        let dials = Mutex::new(Dials { since: Instant::now(), before: 0, now: 0 });
        Self { range, reuse, reserved, next: AtomicU32::new(0), dials }
    }

    /// Counts one more connection, and says who chooses its port.
    pub(crate) fn dial(&self, now: Instant) -> Choice {
        let count = self.dials.lock().unwrap_or_else(PoisonError::into_inner).count(now);
        let most = match self.reuse {
            Reuse::Forgotten => self.range.length() / PART,
            Reuse::Soon => RUN_OUT - 1,
        };
        if count > most { Choice::Own } else { Choice::Kernel }
    }

    /// The port that was chosen so is not to be had; who chooses the next one. Where the kernel has none left, another process has
    /// used them up, such as the daemon before this one, and would for the next connections.
    pub(crate) fn run_out(&self, choice: Choice) -> Choice {
        if choice == Choice::Kernel {
            let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
            dials.now = RUN_OUT;
        }
        Choice::Own
    }

    /// Gives the socket a port of its own for a connection with `to`. Where none of those that are tried is to be had, the kernel
    /// chooses after all.
    pub(crate) fn bind(&self, socket: &TcpSocket, to: SocketAddr) -> io::Result<()> {
        socket.set_reuseaddr(true)?;
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        for _ in 0..TRIED {
            let port = self.range.at(self.next.fetch_add(1, Ordering::Relaxed));
            if self.reserved.iter().any(|range| range.contains(port)) {
                continue;
            }
            match socket.bind((any, port.get()).into()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::PortNumber;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(PortNumber::new(first), PortNumber::new(last)).unwrap()
    }

    #[test]
    fn the_kernel_chooses_until_a_minute_has_used_up_a_part_of_its_range() {
        let (ports, start) = (LocalPorts::new(range(1_001, 1_400), Reuse::Forgotten, Vec::new()), Instant::now());
        let dial = |seconds: u64| ports.dial(start + Duration::from_secs(seconds));
        assert!((0..100).all(|_| dial(1) == Choice::Kernel));
        assert!((0..300).all(|_| dial(2) == Choice::Own));
        assert_eq!(dial(61), Choice::Own, "the kernel remembers the ports of a minute ago");
        assert_eq!(dial(200), Choice::Kernel, "it has forgotten them");
        assert!((0..98).all(|_| dial(201) == Choice::Kernel));
    }

    #[test]
    fn where_the_kernel_has_none_left_it_is_not_asked_for_the_next_ones() {
        let (ports, start) = (LocalPorts::new(range(1_001, 1_400), Reuse::Forgotten, Vec::new()), Instant::now());
        assert_eq!(ports.dial(start), Choice::Kernel);
        assert_eq!([ports.run_out(Choice::Kernel), ports.dial(start)], [Choice::Own; 2]);
        assert_eq!(ports.dial(start + Duration::from_secs(200)), Choice::Kernel);
        assert_eq!(
            [ports.run_out(Choice::Own), ports.dial(start + Duration::from_secs(201))],
            [Choice::Own, Choice::Kernel]
        );
    }

    #[test]
    fn where_the_kernel_hands_ports_out_again_soon_it_chooses_until_it_has_none() {
        assert_eq!(Reuse::parse("1\n"), Reuse::Soon);
        assert!(["0\n", "2\n", ""].iter().all(|setting| Reuse::parse(setting) == Reuse::Forgotten));
        let (ports, start) = (LocalPorts::new(range(1_001, 1_400), Reuse::Soon, Vec::new()), Instant::now());
        assert!((0..1_000).all(|_| ports.dial(start) == Choice::Kernel));
        assert_eq!([ports.run_out(Choice::Kernel), ports.dial(start)], [Choice::Own; 2]);
        assert_eq!(ports.dial(start + Duration::from_secs(61)), Choice::Own);
        assert_eq!(ports.dial(start + Duration::from_secs(200)), Choice::Kernel);
    }

    #[tokio::test]
    async fn a_port_of_which_the_kernel_remembers_a_connection_is_had_again_for_the_same_container() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        // A port that nobody has: a listener had it a moment ago.
        let free = TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port();
        let ports = LocalPorts::new(range(free, free), Reuse::Forgotten, Vec::new());
        for _ in 0..20 {
            let socket = TcpSocket::new_v4().unwrap();
            ports.bind(&socket, to).unwrap();
            let mut ours = socket.connect(to).await.unwrap();
            assert_eq!(ours.local_addr().unwrap().port(), free);
            let (mut theirs, _) = listener.accept().await.unwrap();
            // Who ends first is who remembers.
            ours.shutdown().await.unwrap();
            assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
            drop(theirs);
            assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn reserved_ports_and_those_of_others_are_passed_over() {
        let taken = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let bound = |ports: &LocalPorts| {
            let socket = TcpSocket::new_v4().unwrap();
            ports.bind(&socket, "127.0.0.1:1".parse().unwrap()).unwrap();
            socket.local_addr().unwrap().port()
        };
        assert_eq!(bound(&LocalPorts::new(range(port, port), Reuse::Forgotten, Vec::new())), 0, "the kernel chooses");
        let free = TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port();
        assert_eq!(bound(&LocalPorts::new(range(free, free), Reuse::Forgotten, vec![range(free, free)])), 0);
    }
}
