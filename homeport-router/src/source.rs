//! Owns from which address a container is dialled: this machine's own, or the client's, so that a container that speaks no
//! PROXY protocol still sees who comes. Decides by addresses alone; the way back for the packets is its caller's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpSocket;

/// The address that a container sees as its client's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceAddress {
    /// This machine's, toward the container.
    #[default]
    Own,
    /// The client's. The container's packets to clients have to be led to the router, which whoever wishes for this sees to.
    Client,
}

impl SourceAddress {
    /// Whether it is this machine's own.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// What a client's address is to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    ip: IpAddr,
    /// The address that this machine uses toward it; its own address for one that is this machine.
    toward: Option<IpAddr>,
}

/// The address from which a container at `target` can be dialled for this client, where that is the client's own. It is not for
/// a client that is this machine itself, one of the other family, and one in the container's own network: the container would
/// answer it past this machine.
fn spoofed(client: Client, target: IpAddr, toward_target: Option<IpAddr>) -> Option<IpAddr> {
    let is_this_machine = client.ip.is_loopback() || client.toward == Some(client.ip);
    let is_neighbour = client.toward.is_some() && client.toward == toward_target;
    let fits = client.ip.is_ipv4() == target.is_ipv4() && !client.ip.is_unspecified() && client.toward.is_some();
    (fits && !is_this_machine && !is_neighbour).then_some(client.ip)
}

/// The address of this machine that the kernel would use toward another one. Sends nothing.
fn toward(ip: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((ip, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Gives the socket, which is to be connected with `target`, the client's address where that can be. Says whether it did.
///
/// # Errors
/// The kernel does not let this process do so.
pub(crate) fn give_source(socket: &TcpSocket, client: SocketAddr, target: SocketAddr) -> io::Result<Given> {
    let ip = client.ip().to_canonical();
    let facts = Client { ip, toward: toward(ip).ok() };
    let Some(ip) = spoofed(facts, target.ip(), toward(target.ip()).ok()) else { return Ok(Given::Own) };
    // The kernel takes both options for both families.
    setsockopt(socket, sockopt::IpTransparent, &true)?;
    // The port is chosen when it is known with whom it connects: each client has all of them with each container.
    setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(SocketAddr::new(ip, 0))?;
    Ok(Given::Client)
}

/// Whose address a socket has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Own,
    Client,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_address_is_used_only_where_its_answers_come_back_through_this_machine() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (client, toward, target, toward_target, wanted) in [
            ("203.0.113.7", Some("198.51.100.1"), "172.18.0.2", Some("172.18.0.1"), true),
            ("198.51.100.9", Some("198.51.100.1"), "172.18.0.2", Some("172.18.0.1"), true),
            ("172.18.0.3", Some("172.18.0.1"), "172.18.0.2", Some("172.18.0.1"), false),
            ("172.17.0.3", Some("172.17.0.1"), "172.18.0.2", Some("172.18.0.1"), true),
            ("198.51.100.1", Some("198.51.100.1"), "172.18.0.2", Some("172.18.0.1"), false),
            ("127.0.0.1", Some("127.0.0.1"), "172.18.0.2", Some("172.18.0.1"), false),
            ("127.0.0.9", Some("127.0.0.1"), "172.18.0.2", Some("172.18.0.1"), false),
            ("203.0.113.7", None, "172.18.0.2", Some("172.18.0.1"), false),
            ("2001:db8::7", Some("2001:db8::1"), "172.18.0.2", Some("172.18.0.1"), false),
            ("2001:db8::7", Some("2001:db8::1"), "fd00::2", Some("fd00::1"), true),
            ("::1", Some("::1"), "fd00::2", Some("fd00::1"), false),
            ("203.0.113.7", Some("198.51.100.1"), "fd00::2", Some("fd00::1"), false),
        ] {
            let facts = Client { ip: ip(client), toward: toward.map(ip) };
            let found = spoofed(facts, ip(target), toward_target.map(ip));
            assert_eq!(found, wanted.then(|| ip(client)), "{client} {target}");
        }
    }

    #[test]
    fn this_machine_uses_its_own_address_toward_itself() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(toward(loopback).unwrap(), loopback);
        assert_eq!(toward(Ipv6Addr::LOCALHOST.into()).unwrap(), IpAddr::from(Ipv6Addr::LOCALHOST));
    }
}
