//! Owns the reading of the kernel's table of sockets for datagrams (`/proc/net/udp` and `/proc/net/udp6`), for one question: is a
//! port taken in this network? Pure: text in, an answer out.

use crate::unit::PortNumber;

/// Whether some socket takes datagrams from anybody on this port, at an address that others reach: not of the loopback network.
///
/// A line that is none is passed over.
pub fn takes_datagrams(table: &str, port: PortNumber) -> bool {
    table.lines().filter_map(bound).any(|(address, found)| found == port.get() && !is_loopback(address))
}

/// The address, as the kernel writes it, and the port of a socket without a peer.
fn bound(line: &str) -> Option<(&str, u16)> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    // The state of a socket for datagrams that has no peer is TCP's closed one.
    (fields.nth(1)? == "07").then_some((address, u16::from_str_radix(port, 16).ok()?))
}

/// Each 32-bit word is written in the machine's own byte order.
fn is_loopback(address: &str) -> bool {
    let word = |at: usize| {
        let text = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes)
    };
    match address.len() {
        8 => word(0).is_some_and(|bytes| bytes[0] == 127),
        32 => (0..3).all(|at| word(at) == Some([0; 4])) && word(3) == Some([0, 0, 0, 1]),
        _ => false,
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1043: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 70 2 0000000000000000 0
 1044: 0100007F:0036 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 71 2 0000000000000000 0
 1045: 020011AC:0037 010011AC:9C40 01 00000000:00000000 00:00000000 00000000     0        0 72 2 0000000000000000 0
";
    const UDP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
 2000: 00000000000000000000000000000000:0038 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
 2001: 00000000000000000000000001000000:0039 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
";

    #[test]
    fn a_port_is_taken_where_somebody_takes_datagrams_of_anybody_from_outside() {
        for (table, port, wanted) in [
            (UDP, 53, true),
            (UDP, 54, false),
            (UDP, 55, false),
            (UDP, 1043, false),
            (UDP6, 56, true),
            (UDP6, 57, false),
            ("", 53, false),
            ("1: 00000000:0035", 53, false),
            ("1: 00000000:0035 x 07", 53, true),
            ("é: é:é é é", 53, false),
        ] {
            assert_eq!(takes_datagrams(table, PortNumber::new(port)), wanted, "{port} of {table}");
        }
    }
}
