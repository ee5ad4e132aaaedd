//! Owns the reading of the header by which a proxy on this machine says whose connection it hands on: the second version of the
//! PROXY protocol, and no other. Pure: bytes in, addresses out.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

use crate::announce::SIGNATURE;

/// The part of a header that is always there.
pub(crate) const FIXED: usize = 16;
/// What a proxy says beside two addresses is passed over, and is never longer than this.
const MOST: usize = 1024;
/// The second version, of a connection that is carried for somebody else.
const CARRIED: u8 = 0x21;
/// TCP over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Where a connection comes from, and what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The client.
    pub(crate) client: SocketAddr,
    /// The public address.
    pub(crate) public: SocketAddr,
}

impl Ends {
    /// Those that the connection's own socket knows.
    pub(crate) fn of(client: &TcpStream) -> io::Result<Self> {
        Ok(Self { client: client.peer_addr()?, public: client.local_addr()? })
    }
}

/// How many bytes come after the fixed part; `None` where it is no such header, or too long for one.
pub(crate) fn rest(fixed: &[u8; FIXED]) -> Option<usize> {
    let [signature @ .., command, _, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (*signature == SIGNATURE && *command == CARRIED && length <= MOST).then_some(length)
}

/// What the header says, of which these are all bytes; `None` where it does not name two addresses.
pub(crate) fn ends(fixed: &[u8; FIXED], rest: &[u8]) -> Option<Ends> {
    let (client, public, ports): (_, _, &[u8; 4]) = match fixed[13] {
        TCP4 => {
            let (client, rest) = rest.split_first_chunk::<4>()?;
            let (public, rest) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*client).into(), Ipv4Addr::from(*public).into(), rest.first_chunk()?)
        }
        TCP6 => {
            let (client, rest) = rest.split_first_chunk::<16>()?;
            let (public, rest) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*client).into(), Ipv6Addr::from(*public).into(), rest.first_chunk()?)
        }
        _ => return None,
    };
    let [from_high, from_low, to_high, to_low] = *ports;
    let client = SocketAddr::new(client, u16::from_be_bytes([from_high, from_low]));
    Some(Ends { client, public: SocketAddr::new(public, u16::from_be_bytes([to_high, to_low])) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::announce::Announcement;

    fn read(header: &[u8]) -> Option<Ends> {
        let (fixed, after) = header.split_first_chunk::<FIXED>()?;
        (rest(fixed)? == after.len()).then(|| ends(fixed, after)).flatten()
    }

    #[test]
    fn what_a_proxy_says_beside_the_addresses_is_passed_over() {
        let header = Announcement::ProxyV2.header("192.0.2.7:5".parse().unwrap(), "192.0.2.1:22".parse().unwrap());
        let mut more = header.clone();
        more[15] += 5;
        more.extend([4, 0, 2, 9, 9]);
        assert_eq!(read(&more), read(&header));
        assert_eq!(read(&header).unwrap().client, "192.0.2.7:5".parse().unwrap());
    }

    #[test]
    fn what_names_nobody_is_no_introduction() {
        let (client, public) = ("192.0.2.7:5".parse().unwrap(), "192.0.2.1:22".parse().unwrap());
        let good = Announcement::ProxyV2.header(client, public);
        // Of the proxy itself, of an unknown family, too short for its family, longer than any, of another protocol.
        for (at, byte) in [(12, 0x20), (13, 0x00), (15, 11), (14, 0x10), (0, b'G')] {
            let mut bad = good.clone();
            bad[at] = byte;
            bad.truncate(FIXED + usize::from(bad[15]));
            assert_eq!(read(&bad), None, "byte {at}");
        }
        assert_eq!(read(&good[..FIXED - 1]), None);
    }

    proptest! {
        #[test]
        fn what_is_announced_is_read_back(from: SocketAddr, to: SocketAddr) {
            let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
            let (client, public) = (canonical(from), canonical(to));
            let wanted = (client.is_ipv4() == public.is_ipv4()).then_some(Ends { client, public });
            prop_assert_eq!(read(&Announcement::ProxyV2.header(from, to)), wanted);
        }

        #[test]
        fn no_bytes_make_it_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut header = SIGNATURE.to_vec();
            header.push(CARRIED);
            header.extend(&bytes);
            read(&header);
            read(&bytes);
        }
    }
}
