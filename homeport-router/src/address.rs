//! Owns the public address of a route and its textual form. Never opens a socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use homeport_core::fault::Advice;
use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;

/// The host part of a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenHost {
    /// Every address of the machine, of both families; written `*`.
    Any,
    /// This address alone. `0.0.0.0` means every IPv4 address and `::` every IPv6 address, without the other family.
    Ip(IpAddr),
}

impl fmt::Display for ListenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// What an address for datagrams is written with.
const OVER_UDP: &str = "/udp";

/// A public address: a host, a port that is never 0, and what carries the bytes. Written `127.0.0.1:2222`, `[::1]:2222` or
/// `*:2222` over TCP, and `*:2222/udp` over UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress {
    host: ListenHost,
    port: PortNumber,
    transport: Transport,
}

/// A text or a pair that is not a public address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address to listen on: wanted `ADDRESS:PORT`, `[ADDRESS]:PORT` for IPv6, or `*:PORT`, with `/udp` after it for datagrams"
)]
pub struct AddressError(pub String);

impl Advice for AddressError {
    fn code(&self) -> &'static str {
        "HP-RTR-020"
    }

    fn help(&self) -> Option<String> {
        Some("Give an IP address, not a host name, and a port from 1 to 65535.".to_owned())
    }
}

impl ListenAddress {
    /// The TCP address with this host and port. An IPv4 address in its IPv6 form becomes the IPv4 address.
    ///
    /// # Errors
    /// Port 0, which would stand for a port that nobody knows.
    pub fn new(host: ListenHost, port: PortNumber) -> Result<Self, AddressError> {
        let host = match host {
            ListenHost::Ip(ip) => ListenHost::Ip(ip.to_canonical()),
            ListenHost::Any => ListenHost::Any,
        };
        if port.get() == 0 {
            Err(AddressError(format!("{host}:0")))
        } else {
            Ok(Self { host, port, transport: Transport::Tcp })
        }
    }

    /// The same host and port over this transport.
    #[must_use]
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// The host part.
    pub fn host(self) -> ListenHost {
        self.host
    }

    /// The port, from 1 to 65535.
    pub fn port(self) -> PortNumber {
        self.port
    }

    /// What carries the bytes.
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// Says whether one connection could be meant for both addresses, so that only one of them can be bound. TCP and UDP have
    /// ports of their own.
    pub fn overlaps(self, other: Self) -> bool {
        self.transport == other.transport && self.port == other.port && self.host.covers(other.host)
    }
}

impl ListenHost {
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Ip(IpAddr::V4(a)), Self::Ip(IpAddr::V4(b))) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Self::Ip(IpAddr::V6(a)), Self::Ip(IpAddr::V6(b))) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Self::Ip(_), Self::Ip(_)) => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.transport {
            Transport::Tcp => "",
            Transport::Udp => OVER_UDP,
        };
        write!(f, "{}:{}{over}", self.host, self.port)
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = || AddressError(text.to_owned());
        let (rest, transport) = match text.strip_suffix(OVER_UDP) {
            Some(rest) => (rest, Transport::Udp),
            None => (text, Transport::Tcp),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(fault)?;
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fault());
        }
        let port = port.parse().map_err(|_| fault())?;
        let host = if host == "*" {
            ListenHost::Any
        } else if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            ListenHost::Ip(IpAddr::V6(v6.parse::<Ipv6Addr>().map_err(|_| fault())?))
        } else {
            ListenHost::Ip(IpAddr::V4(host.parse::<Ipv4Addr>().map_err(|_| fault())?))
        };
        Ok(Self::new(host, PortNumber::new(port)).map_err(|_| fault())?.over(transport))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listen(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_accept_and_refuse_by_the_rule() {
        for good in ["127.0.0.1:2222", "[::1]:2222", "*:2222", "0.0.0.0:1", "[::]:65535", "*:53/udp", "[::1]:53/udp"] {
            assert_eq!(listen(good).to_string(), good);
        }
        for bad in [
            "",
            "*",
            "*:",
            ":22",
            "*:0",
            "*:65536",
            "*:+22",
            "*: 22",
            "::1:22",
            "[::1]22",
            "[127.0.0.1]:22",
            "localhost:22",
            "127.0.0.1",
            "127.1:22",
            "[::1%lo]:22",
            "*:22 ",
            "**:22",
            "*:53/tcp",
            "*:53/UDP",
            "*:53/udp/udp",
            "*:/udp",
            "/udp",
        ] {
            assert_eq!(bad.parse::<ListenAddress>(), Err(AddressError(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn an_ipv4_address_in_its_ipv6_form_is_the_ipv4_address() {
        assert_eq!(listen("[::ffff:127.0.0.1]:22"), listen("127.0.0.1:22"));
    }

    #[test]
    fn only_addresses_that_share_a_connection_overlap() {
        for (a, b, overlap) in [
            ("*:22", "127.0.0.1:22", true),
            ("*:22", "[::1]:22", true),
            ("*:22", "*:22", true),
            ("*:22", "*:23", false),
            ("0.0.0.0:22", "127.0.0.1:22", true),
            ("0.0.0.0:22", "[::1]:22", false),
            ("[::]:22", "[::1]:22", true),
            ("[::]:22", "127.0.0.1:22", false),
            ("127.0.0.1:22", "127.0.0.2:22", false),
            ("127.0.0.1:22", "127.0.0.1:23", false),
            ("*:53", "*:53/udp", false),
            ("*:53/udp", "127.0.0.1:53/udp", true),
            ("[::]:53/udp", "127.0.0.1:53/udp", false),
        ] {
            assert_eq!(listen(a).overlaps(listen(b)), overlap, "{a} {b}");
            assert_eq!(listen(b).overlaps(listen(a)), overlap, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            host in prop::option::of(any::<IpAddr>()), port in 1u16.., datagrams in any::<bool>(),
        ) {
            let host = host.map_or(ListenHost::Any, ListenHost::Ip);
            let transport = if datagrams { Transport::Udp } else { Transport::Tcp };
            let address = ListenAddress::new(host, PortNumber::new(port)).unwrap().over(transport);
            prop_assert_eq!(listen(&address.to_string()), address);
            let json = serde_json::to_string(&address).unwrap();
            prop_assert_eq!(serde_json::from_str::<ListenAddress>(&json).unwrap(), address);
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_its_error(text in ".{0,40}") {
            if let Ok(address) = text.parse::<ListenAddress>() {
                prop_assert_ne!(address.port().get(), 0);
            }
        }
    }
}
