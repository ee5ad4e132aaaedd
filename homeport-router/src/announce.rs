//! Owns how a container learns the address of a client: the header of the PROXY protocol that a connection begins with.
//! Never writes it to a socket.

use std::net::{IpAddr, SocketAddr};

/// How a container is told the addresses of a connection's client. [spec: END-6]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announcement {
    /// It is not.
    #[default]
    None,
    /// By a line of text, the first version of the PROXY protocol.
    ProxyV1,
    /// By a binary header, the second version of the PROXY protocol.
    ProxyV2,
}

/// What a header of the second version begins with: no other protocol does.
pub(crate) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The second version, of a connection that is carried for somebody else.
const VERSION_AND_COMMAND: u8 = 0x21;

impl Announcement {
    /// Whether nothing is told.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// What is sent before the client's first byte; empty where nothing is told.
    ///
    /// `client` is where the connection comes from and `public` what it came to. An IPv4 address that an IPv6 socket has
    /// is told as what it is. At most 107 bytes.
    pub(crate) fn header(self, client: SocketAddr, public: SocketAddr) -> Vec<u8> {
        let addresses = (client.ip().to_canonical(), public.ip().to_canonical());
        let ports = (client.port(), public.port());
        match self {
            Self::None => Vec::new(),
            Self::ProxyV1 => text(addresses, ports).into_bytes(),
            Self::ProxyV2 => binary(addresses, ports),
        }
    }
}

fn text((client, public): (IpAddr, IpAddr), (from, to): (u16, u16)) -> String {
    let family = match (client, public) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        _ => return "PROXY UNKNOWN\r\n".to_owned(),
    };
    format!("PROXY {family} {client} {public} {from} {to}\r\n")
}

fn binary(addresses: (IpAddr, IpAddr), (from, to): (u16, u16)) -> Vec<u8> {
    let (family, both) = match addresses {
        (IpAddr::V4(client), IpAddr::V4(public)) => (0x11, [client.octets(), public.octets()].concat()),
        (IpAddr::V6(client), IpAddr::V6(public)) => (0x21, [client.octets(), public.octets()].concat()),
        _ => (0x00, Vec::new()),
    };
    let mut block = both;
    if family != 0 {
        block.extend(from.to_be_bytes());
        block.extend(to.to_be_bytes());
    }
    // 36 at most.
    let length = u16::try_from(block.len()).unwrap_or_default();
    let mut header = SIGNATURE.to_vec();
    header.extend([VERSION_AND_COMMAND, family]);
    header.extend(length.to_be_bytes());
    header.extend(block);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(how: Announcement, client: &str, public: &str) -> Vec<u8> {
        how.header(client.parse().unwrap(), public.parse().unwrap())
    }

    #[test]
    fn the_text_names_both_sides_and_an_ipv4_client_of_an_ipv6_socket_as_ipv4() {
        for (client, public, wanted) in [
            ("192.0.2.7:56324", "198.51.100.1:443", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"),
            ("[::ffff:192.0.2.7]:1", "[::ffff:198.51.100.1]:2", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"),
            ("[2001:db8::7]:65535", "[2001:db8::1]:25", "PROXY TCP6 2001:db8::7 2001:db8::1 65535 25\r\n"),
            ("192.0.2.7:1", "[2001:db8::1]:2", "PROXY UNKNOWN\r\n"),
        ] {
            let found = String::from_utf8(header(Announcement::ProxyV1, client, public)).unwrap();
            assert_eq!(found, wanted);
        }
        assert_eq!(header(Announcement::None, "192.0.2.7:1", "192.0.2.1:2"), b"");
    }

    #[test]
    fn the_binary_header_has_the_bytes_of_the_specification() {
        let v4 = header(Announcement::ProxyV2, "192.0.2.7:56324", "198.51.100.1:443");
        assert_eq!(v4[..12], *b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A");
        assert_eq!(v4[12..16], [0x21, 0x11, 0, 12]);
        assert_eq!(v4[16..], [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
        let v6 = header(Announcement::ProxyV2, "[2001:db8::7]:1", "[2001:db8::1]:2");
        assert_eq!((v6.len(), &v6[12..16]), (16 + 36, &[0x21, 0x21, 0, 36][..]));
        assert_eq!(v6[48..], [0, 1, 0, 2]);
        let unknown = header(Announcement::ProxyV2, "192.0.2.7:1", "[2001:db8::1]:2");
        assert_eq!(unknown[12..], [0x21, 0x00, 0, 0]);
    }

    #[test]
    fn no_header_is_longer_than_a_receiver_has_to_take() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert!(header(Announcement::ProxyV1, longest, longest).len() <= 107);
    }
}
