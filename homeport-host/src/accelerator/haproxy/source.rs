//! Owns from where a haproxy connects with containers: from an address of this machine, and ports that it asks for by number. The
//! kernel, asked for any port, hands none out again for a minute for the same container: some 470 connections a second use its range
//! up, and from there on each costs it a search of the whole range. Never connects.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use homeport_router::{PortRange, dialling_ports};

/// So many times as many ports as connections.
const SPARE: usize = 4;

/// The address that containers are reached from, and the ports there; `None` where the kernel chooses both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source(pub(super) Option<(IpAddr, PortRange)>);

impl Source {
    /// Towards this container, for as many connections at once. A haproxy without a port for one leaves it to the router, so that
    /// there have to be more than enough.
    ///
    /// # Errors
    /// This machine has no way to the container now: where it is connected from is not known.
    pub(super) fn towards(container: SocketAddr, connections: usize) -> io::Result<Self> {
        let ports = dialling_ports().filter(|ports| ports.length() as usize >= connections.saturating_mul(SPARE));
        let Some(ports) = ports else { return Ok(Self(None)) };
        Ok(Self(Some((own_address(container)?, ports))))
    }
}

/// The address from which this machine would connect there. Nothing is sent.
fn own_address(container: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if container.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(container)?;
    Ok(socket.local_addr()?.ip())
}

/// As an option of a haproxy's server, or nothing. Without an address a haproxy would ask for no port either.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(own, ports)| write!(f, " source {own}:{ports}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_this_machine_connects_from() {
        let to = |container: &str| own_address(container.parse().unwrap()).map(|own| own.to_string()).ok();
        assert_eq!(to("127.0.0.2:7000").as_deref(), Some("127.0.0.1"));
        assert_eq!(to("[::1]:7000").as_deref(), Some("::1"));
    }

    #[test]
    fn there_are_more_ports_than_connections_or_the_kernel_chooses() {
        let to = |connections| Source::towards("127.0.0.2:7000".parse().unwrap(), connections).unwrap().0;
        assert_eq!(to(16).map(|(_, ports)| ports), dialling_ports());
        assert_eq!(to(20_000), None);
    }

    #[test]
    fn a_container_to_which_there_is_no_way_is_an_error_and_not_another_source() {
        // On a link that no machine has.
        let nowhere = "[fe80::1%4294967295]:7000".parse().unwrap();
        assert!(Source::towards(nowhere, 16).is_err(), "{:?}", Source::towards(nowhere, 16));
    }

    #[test]
    fn where_the_kernel_is_to_choose_nothing_is_said() {
        assert_eq!(Source(None).to_string(), "");
        let ports = PortRange::parse_kernel("61000 65535").unwrap();
        assert_eq!(Source(Some(("fd00::1".parse().unwrap(), ports))).to_string(), " source fd00::1:61000-65535");
    }
}
