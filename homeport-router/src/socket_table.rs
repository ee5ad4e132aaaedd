//! Owns the reading of the kernel's socket tables (`/proc/net/tcp`, `/proc/net/udp` and those for IPv6). Pure: text in, values
//! out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;

use crate::address::{ListenAddress, ListenHost};

/// Names an open socket in `/proc/PID/fd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SocketInode(pub(crate) u64);

/// Whether a socket waits for connections or is one. One for datagrams waits for them from anybody, or from one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Listening,
    Connected,
}

/// One socket that some process has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenSocket {
    pub(crate) ip: IpAddr,
    pub(crate) port: PortNumber,
    pub(crate) role: Role,
    pub(crate) inode: SocketInode,
}

/// Reads a table; lines that are none, and sockets that no process has open any more, are passed over.
pub(crate) fn parse_table(transport: Transport, text: &str) -> impl Iterator<Item = OpenSocket> {
    text.lines().filter_map(move |line| parse_line(transport, line))
}

fn parse_line(transport: Transport, line: &str) -> Option<OpenSocket> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // The table of datagrams has a state of TCP's for a socket without a peer: closed.
    let waits = match transport {
        Transport::Tcp => "0A",
        Transport::Udp => "07",
    };
    let role = if state == waits { Role::Listening } else { Role::Connected };
    // Inode 0: in TIME_WAIT, or not yet accepted. Nobody holds those.
    (inode != 0).then_some(OpenSocket {
        ip: parse_ip(ip)?,
        port: PortNumber::new(port),
        role,
        inode: SocketInode(inode),
    })
}

/// Each 32-bit word of the address is printed as a number in the machine's own byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(hex)?))),
        32 if hex.is_ascii() => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(hex.get(index * 8..index * 8 + 8)?)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// The sockets that stand in the way of binding the address, those that listen first. They are those of its transport.
pub(crate) fn in_the_way(address: ListenAddress, sockets: impl Iterator<Item = OpenSocket>) -> Vec<OpenSocket> {
    let mut found: Vec<_> = sockets.filter(|socket| stands_in_the_way(address, *socket)).collect();
    found.sort_by_key(|socket| socket.role == Role::Connected);
    found
}

fn stands_in_the_way(address: ListenAddress, socket: OpenSocket) -> bool {
    // A wildcard IPv6 socket may take IPv4 as well; the table does not say, so it counts for both families.
    let host = match socket.ip.to_canonical() {
        IpAddr::V6(ip) if ip.is_unspecified() => ListenHost::Any,
        ip => ListenHost::Ip(ip),
    };
    ListenAddress::new(host, socket.port).is_ok_and(|taken| taken.over(address.transport()).overlaps(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1675 1 0000000000000000 100 0 0 10 0
   1: 0100007F:07E8 0100007F:9C40 01 00000000:00000000 02:000A7C5B 00000000  1000        0 1680 2 0000000000000000 20 4 30 10 -1
   2: 0100007F:07E8 0100007F:9C41 06 00000000:00000000 03:00000A7C 00000000     0        0 0 3 0000000000000000
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 900 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:0017 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 901 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:0018 0000000000000000FFFF00000100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 902 1 0000000000000000 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_tables_are_read_as_the_kernel_prints_them() {
        let read: Vec<_> = parse_table(Transport::Tcp, TCP)
            .chain(parse_table(Transport::Tcp, TCP6))
            .map(|socket| format!("{} {} {:?} {}", socket.ip, socket.port, socket.role, socket.inode.0))
            .collect();
        assert_eq!(
            read,
            [
                "127.0.0.1 2024 Listening 1675",
                "127.0.0.1 2024 Connected 1680",
                ":: 22 Listening 900",
                "::1 23 Listening 901",
                "::ffff:127.0.0.1 24 Connected 902",
            ]
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_stands_in_the_way_of_the_addresses_that_it_covers() {
        for (address, inodes) in [
            ("127.0.0.1:2024", vec![1675, 1680]),
            ("*:2024", vec![1675, 1680]),
            ("127.0.0.2:2024", vec![]),
            ("[::1]:2024", vec![]),
            ("127.0.0.1:22", vec![900]),
            ("[::1]:22", vec![900]),
            ("*:23", vec![901]),
            ("[::1]:23", vec![901]),
            ("127.0.0.1:23", vec![]),
            ("127.0.0.1:24", vec![902]),
            ("*:25", vec![]),
        ] {
            let sockets = parse_table(Transport::Tcp, TCP).chain(parse_table(Transport::Tcp, TCP6));
            let found: Vec<_> =
                in_the_way(address.parse().unwrap(), sockets).iter().map(|socket| socket.inode.0).collect();
            assert_eq!(found, inodes, "{address}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_for_datagrams_waits_where_it_has_no_peer() {
        const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1043: 0100007F:0035 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 71 2 0000000000000000 0
 1043: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 70 2 0000000000000000 0
";
        let found = |address: &str| {
            let sockets = parse_table(Transport::Udp, UDP);
            in_the_way(address.parse().unwrap(), sockets).iter().map(|socket| socket.inode.0).collect::<Vec<_>>()
        };
        assert_eq!(found("127.0.0.1:53/udp"), [70, 71]);
        assert_eq!(found("127.0.0.2:53/udp"), [70]);
        assert!(found("127.0.0.1:54/udp").is_empty());
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "[ 0-9A-F:é]{0,90}") {
            prop_assert!(parse_table(Transport::Udp, &line).count() <= 1);
        }
    }
}
