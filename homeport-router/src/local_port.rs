//! Owns from which port of this machine a container is dialled where the kernel's own choice would run out. The kernel remembers
//! the port of a connection that this side ended for a minute, and hands it out to nobody for the same container meanwhile: some
//! 470 connections a second use its usual range up, unless it was told to hand them out again sooner (`net.ipv4.tcp_tw_reuse`). A
//! port that was asked for by its number is had at once all the same, as connections are told apart by their time stamps; those
//! are none of the range that the kernel had when this was made, where there are others (`dialling_ports`). Never connects.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::dialling_ports::{Reuse, Settings};
use crate::random_port::PortRange;

/// For how long the kernel remembers a port.
const REMEMBERED: Duration = Duration::from_mins(1);
/// The kernel chooses until the connections of a minute have used up this part of its range: those ports stay out of reach.
const PART: u32 = 4;
/// More dials than there ever are in a minute: what is counted where the kernel had no port left.
const RUN_OUT: u32 = u32::MAX / 2;
/// Between the ports from which processes with neighbouring numbers begin.
const FAR: u32 = 1_543;
/// So many ports are asked for to find one that nobody of this machine has; most of them are free.
const TRIED: usize = 64;
/// A connection is begun from so many ports at most.
const TRIES: u32 = 17;

/// How many connections that have ended the kernel remembers, by its own account of sockets (`tw`); those of others are among them.
fn remembered(account: &str) -> u32 {
    let of_tcp = account.lines().find_map(|line| line.strip_prefix("TCP: "));
    let after = of_tcp.and_then(|line| line.split_ascii_whitespace().skip_while(|word| *word != "tw").nth(1));
    after.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The ports of this machine for connections of its own.
#[derive(Debug)]
pub(crate) struct LocalPorts {
    /// For how many a minute the kernel chooses.
    most: u32,
    /// Those that are asked for by number; where there are none, the kernel chooses always.
    own: Option<PortRange>,
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

/// A connection's tries, one after the other, each from another port.
#[derive(Debug)]
pub(crate) struct Tries<'p> {
    ports: &'p LocalPorts,
    choice: Choice,
    left: u32,
}

impl Tries<'_> {
    /// Who chooses the port of this try.
    pub(crate) const fn choice(&self) -> Choice {
        self.choice
    }

    /// The next try, where the port of this one is not to be had: by number as long as there are such ports, and the last one is the
    /// kernel's; `None` where nobody has another.
    pub(crate) fn another(mut self) -> Option<Self> {
        self.left = self.left.checked_sub(1).filter(|left| *left > 0)?;
        let next = self.ports.run_out(self.choice)?;
        self.choice = if self.left == 1 { Choice::Kernel } else { next };
        Some(self)
    }
}

impl LocalPorts {
    /// Those of a machine with this kernel, as it is set now.
    pub(crate) fn of_kernel() -> Self {
        // What a process before this one has dialled counts as well: the kernel remembers it.
        let before = remembered(&fs::read_to_string("/proc/net/sockstat").unwrap_or_default());
        // Two processes that dial the same container begin elsewhere.
        Self::new(&Settings::of_kernel(), before, std::process::id().wrapping_mul(FAR))
    }

    fn new(settings: &Settings, before: u32, next: u32) -> Self {
        let (own, most) = match (settings.dialling(), settings.reuse) {
            (Some(own), Reuse::Forgotten) => (Some(own), settings.range.length() / PART),
            (Some(own), Reuse::Soon) => (Some(own), RUN_OUT - 1),
            // Only where the kernel has none left.
            (None, _) => (settings.emergency(), RUN_OUT - 1),
        };
        let dials = Mutex::new(Dials { since: Instant::now(), before, now: 0 });
        Self { most, own, next: AtomicU32::new(next), dials }
    }

    /// The tries of one more connection, which counts once.
    pub(crate) fn dial(&self, now: Instant) -> Tries<'_> {
        Tries { ports: self, choice: self.choose(now), left: TRIES }
    }

    /// Counts one more connection, and says who chooses its first port.
    fn choose(&self, now: Instant) -> Choice {
        let count = self.dials.lock().unwrap_or_else(PoisonError::into_inner).count(now);
        if count > self.most && self.own.is_some() { Choice::Own } else { Choice::Kernel }
    }

    /// The port that was chosen so is not to be had; who chooses the next one, if anybody can. Where the kernel has none left,
    /// another process has used them up, such as the daemon before this one, and would for the next connections.
    fn run_out(&self, choice: Choice) -> Option<Choice> {
        if choice == Choice::Kernel {
            let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
            dials.now = RUN_OUT;
        }
        self.own.map(|_| Choice::Own)
    }

    /// Gives the socket a port of its own for a connection with `to`. Where none of those that are tried is to be had, the kernel
    /// chooses after all.
    pub(crate) fn bind(&self, socket: &TcpSocket, to: SocketAddr) -> io::Result<()> {
        let Some(own) = self.own else { return Ok(()) };
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        socket.set_reuseaddr(true)?;
        for _ in 0..TRIED {
            let port = own.at(self.next.fetch_add(1, Ordering::Relaxed));
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
    use crate::dialling_ports::Stamps;

    /// Those where the kernel chooses for so many a minute.
    fn ports(most: u32, own: Option<PortRange>) -> LocalPorts {
        let dials = Mutex::new(Dials { since: Instant::now(), before: 0, now: 0 });
        LocalPorts { most, own, next: AtomicU32::new(0), dials }
    }

    fn one(port: u16) -> Option<PortRange> {
        PortRange::new(PortNumber::new(port), PortNumber::new(port))
    }

    #[test]
    fn the_kernel_chooses_until_a_minute_has_used_up_a_part_of_its_range() {
        let settings = |reuse| {
            let range = PortRange::new(PortNumber::new(1_001), PortNumber::new(1_400)).unwrap();
            Settings { range, reserved: Vec::new(), reuse, stamps: Stamps::Yes }
        };
        let (ports, start) = (LocalPorts::new(&settings(Reuse::Forgotten), 0, 0), Instant::now());
        let dial = |seconds: u64| ports.choose(start + Duration::from_secs(seconds));
        assert!((0..100).all(|_| dial(1) == Choice::Kernel));
        assert!((0..300).all(|_| dial(2) == Choice::Own));
        assert_eq!(dial(61), Choice::Own, "the kernel remembers the ports of a minute ago");
        assert_eq!(dial(200), Choice::Kernel, "it has forgotten them");
        assert!((0..98).all(|_| dial(201) == Choice::Kernel));
        let soon = LocalPorts::new(&settings(Reuse::Soon), 0, 0);
        assert!((0..1_000).all(|_| soon.choose(start) == Choice::Kernel), "it hands them out again soon");
        // The process before this one was quick.
        let late = LocalPorts::new(&settings(Reuse::Forgotten), 98, 0);
        assert_eq!(
            [late.choose(start), late.choose(start), late.choose(start)],
            [Choice::Kernel, Choice::Kernel, Choice::Own]
        );
        assert!((0..100).all(|_| late.choose(start + Duration::from_secs(130)) == Choice::Kernel), "forgotten as well");
    }

    #[test]
    fn the_kernel_tells_how_many_connections_it_remembers() {
        let account = "sockets: used 38\nTCP: inuse 2 orphan 0 tw 22310 alloc 5 mem 124\nUDP: inuse 0 mem 0\n";
        assert_eq!([remembered(account), remembered(""), remembered("TCP: inuse 2\n")], [22_310, 0, 0]);
        let own = fs::read_to_string("/proc/net/sockstat").unwrap();
        assert!(own.contains(&format!(" tw {} ", remembered(&own))), "{own}");
    }

    #[test]
    fn where_the_kernel_has_none_left_it_is_not_asked_for_the_next_ones() {
        let (ports, start) = (ports(100, one(61_000)), Instant::now());
        assert_eq!(ports.choose(start), Choice::Kernel);
        assert_eq!([ports.run_out(Choice::Kernel), Some(ports.choose(start))], [Some(Choice::Own); 2]);
        assert_eq!(ports.choose(start + Duration::from_secs(61)), Choice::Own);
        assert_eq!(ports.choose(start + Duration::from_secs(200)), Choice::Kernel);
        assert_eq!(ports.run_out(Choice::Own), Some(Choice::Own));
        assert_eq!(ports.choose(start + Duration::from_secs(201)), Choice::Kernel);
    }

    #[test]
    fn a_connection_is_tried_from_other_ports_and_from_the_kernels_last() {
        let ports = ports(1, one(61_000));
        let tried = |ports: &LocalPorts| {
            let (mut choices, mut tries) = (Vec::new(), Some(ports.dial(Instant::now())));
            while let Some(one) = tries {
                choices.push(one.choice());
                tries = one.another();
            }
            choices
        };
        let first = [[Choice::Kernel].as_slice(), &[Choice::Own; 15], &[Choice::Kernel]].concat();
        assert_eq!(tried(&ports), first);
        let next = [[Choice::Own; 16].as_slice(), &[Choice::Kernel]].concat();
        assert_eq!(tried(&ports), next, "the kernel had none");
        assert_eq!(tried(&self::ports(100, None)), [Choice::Kernel], "there are none but the kernel's");
    }

    #[test]
    fn where_there_are_none_but_the_kernels_it_chooses_always() {
        let (ports, start) = (ports(100, None), Instant::now());
        assert_eq!(ports.run_out(Choice::Kernel), None);
        assert!((0..300).all(|_| ports.choose(start) == Choice::Kernel));
    }

    #[tokio::test]
    async fn a_port_of_which_the_kernel_remembers_a_connection_is_had_again_for_the_same_container() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        // A port that nobody has: a listener had it a moment ago.
        let free = TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port();
        let ports = ports(0, one(free));
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
    async fn where_every_port_is_taken_the_kernel_chooses() {
        let taken = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        ports(0, one(taken.local_addr().unwrap().port())).bind(&socket, "127.0.0.1:1".parse().unwrap()).unwrap();
        assert_eq!(socket.local_addr().unwrap().port(), 0);
    }
}
