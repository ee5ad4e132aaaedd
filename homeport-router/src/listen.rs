//! Owns the binding of public sockets for TCP, the taking up of those that another process bound, the end of their listening,
//! and what the kernel's refusals mean. Never accepts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::address::{ListenAddress, ListenHost};
use crate::error::ReserveError;
use crate::holder::Holder;
use crate::probe::probe_clients;

/// Which families a socket serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Both,
}

/// Binds the address and listens, not blocking. From here on the kernel completes clients' connections by itself.
///
/// `*` is one socket for both families, or for IPv4 alone where the machine has no IPv6. The address can be bound again
/// at once after a release, whatever connections are still dying. Accepted clients have the socket's options: no delay of
/// small segments, and probes of a silent peer.
pub(crate) fn listen(address: ListenAddress, backlog: u16) -> io::Result<TcpListener> {
    let port = address.port().get();
    match address.host() {
        ListenHost::Any => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match bind(both, Family::Both, backlog) {
                Err(error) if is_without_ipv6(&error) => {
                    bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Family::V4, backlog)
                }
                bound => bound,
            }
        }
        ListenHost::Ip(ip @ IpAddr::V4(_)) => bind(SocketAddr::from((ip, port)), Family::V4, backlog),
        ListenHost::Ip(ip @ IpAddr::V6(_)) => bind(SocketAddr::from((ip, port)), Family::V6, backlog),
    }
}

fn bind(address: SocketAddr, family: Family, backlog: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match family {
        Family::V4 => {}
        Family::V6 => socket.set_only_v6(true)?,
        Family::Both => socket.set_only_v6(false)?,
    }
    socket.set_reuse_address(true)?;
    give_options(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(backlog))?;
    Ok(socket.into())
}

/// The options that its clients get with it.
fn give_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    probe_clients(&SockRef::from(socket))
}

/// Takes up a socket that listens already. Its clients stay in its queue. Where it is not the one that the address would be bound
/// with now, what it is instead.
pub(crate) fn adopt(address: ListenAddress, socket: OwnedFd, backlog: u16) -> io::Result<Result<TcpListener, String>> {
    let socket = Socket::from(socket);
    if socket.r#type()? != Type::STREAM || socket.protocol()? != Some(Protocol::TCP) || !socket.is_listener()? {
        return Ok(Err("is not listening for TCP".to_owned()));
    }
    if let Err(found) = bound_for(address, &socket, "listens")? {
        return Ok(Err(found));
    }
    socket.set_nonblocking(true)?;
    // The process that bound it may have given its clients their options one by one.
    give_options(&socket)?;
    // The process that bound it may have had another limit.
    socket.listen(i32::from(backlog))?;
    Ok(Ok(socket.into()))
}

/// Where a socket is bound, if that is as the address would be bound now; else what it does there instead.
pub(crate) fn bound_for(address: ListenAddress, socket: &Socket, does: &str) -> io::Result<Result<SocketAddr, String>> {
    let Some(bound) = socket.local_addr()?.as_socket() else { return Ok(Err("has no network address".to_owned())) };
    let family = match bound {
        SocketAddr::V4(_) => Family::V4,
        SocketAddr::V6(_) if socket.only_v6()? => Family::V6,
        SocketAddr::V6(_) => Family::Both,
    };
    if is_of(address, bound, family) {
        return Ok(Ok(bound));
    }
    let families = if family == Family::Both { ", for both families" } else { "" };
    Ok(Err(format!("{does} on `{bound}`{families}")))
}

/// Whether the address would be bound in this way.
fn is_of(address: ListenAddress, bound: SocketAddr, family: Family) -> bool {
    let is_at = |ip: IpAddr| bound.ip() == ip && bound.port() == address.port().get();
    match address.host() {
        ListenHost::Any => match family {
            Family::Both => is_at(Ipv6Addr::UNSPECIFIED.into()),
            Family::V4 => is_at(Ipv4Addr::UNSPECIFIED.into()) && !has_ipv6(),
            Family::V6 => false,
        },
        ListenHost::Ip(ip @ IpAddr::V4(_)) => family == Family::V4 && is_at(ip),
        ListenHost::Ip(ip @ IpAddr::V6(_)) => family == Family::V6 && is_at(ip),
    }
}

fn has_ipv6() -> bool {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    !bind(any, Family::Both, 1).is_err_and(|error| is_without_ipv6(&error))
}

/// Ends the listening for every process that has the socket: its clients are reset, and the address can be bound again. A socket
/// that is only closed goes on listening where another process has it too.
pub(crate) fn end_listening(socket: &impl AsFd) {
    // One that listens no more refuses this, and is what was wanted.
    SockRef::from(socket).shutdown(Shutdown::Read).unwrap_or(());
}

/// Whether the machine has no IPv6.
pub(crate) fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Says whether another socket holds the address.
pub(crate) fn is_in_use(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::ADDRINUSE)
}

/// Says what the kernel's refusal means; the holder is only looked for if there is one.
pub(crate) fn refusal(
    address: ListenAddress,
    source: io::Error,
    find_holder: impl FnOnce(ListenAddress) -> Option<Holder>,
) -> ReserveError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => ReserveError::InUse { address, holder: find_holder(address) },
        Some(Errno::ADDRNOTAVAIL) => ReserveError::NotAvailable { address },
        Some(Errno::ACCESS | Errno::PERM) => ReserveError::NotPermitted { address },
        _ => ReserveError::Refused { address, source },
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::fault::Advice as _;

    use super::*;

    fn assert_options_of_clients(listener: &TcpListener) {
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap().as_secs(), 300);
        assert_eq!(
            (accepted.tcp_keepalive_interval().unwrap().as_secs(), accepted.tcp_keepalive_retries().unwrap()),
            (10, 3)
        );
    }

    #[test]
    fn accepted_clients_hold_nothing_back_and_are_probed() {
        // The kernel picks a free port of an address that nothing else uses.
        let address = SocketAddr::from((Ipv4Addr::new(127, 63, 0, 1), 0));
        assert_options_of_clients(&bind(address, Family::V4, 8).unwrap());
    }

    #[test]
    fn so_are_those_of_a_socket_that_is_taken_up_without_the_options() {
        let socket = TcpListener::bind((Ipv4Addr::new(127, 63, 0, 2), 0)).unwrap();
        let address = socket.local_addr().unwrap().to_string().parse().unwrap();
        assert_options_of_clients(&adopt(address, socket.into(), 8).unwrap().unwrap());
    }

    #[test]
    fn each_refusal_of_the_kernel_has_its_own_text_and_help() {
        let address: ListenAddress = "192.0.2.1:22".parse().unwrap();
        for (errno, code, text, helps) in [
            (Errno::ADDRINUSE, "HP-RTR-003", "`192.0.2.1:22` cannot be listened on: `sshd` (process 7) holds it", true),
            (
                Errno::ADDRNOTAVAIL,
                "HP-RTR-004",
                "`192.0.2.1:22` cannot be listened on: no network interface of this machine has that address",
                true,
            ),
            (
                Errno::ACCESS,
                "HP-RTR-005",
                "`192.0.2.1:22` cannot be listened on: this process may not use privileged ports",
                true,
            ),
            (Errno::MFILE, "HP-RTR-006", "`192.0.2.1:22` cannot be listened on", false),
        ] {
            let holder = || Holder { pid: 7, name: "sshd".to_owned() };
            let error = refusal(address, errno.into(), |_| Some(holder()));
            assert_eq!((error.code(), error.to_string().as_str(), error.help().is_some()), (code, text, helps));
        }
    }

    #[test]
    fn a_socket_is_an_addresses_only_if_it_would_be_bound_so() {
        let is = |address: &str, bound: &str, family| is_of(address.parse().unwrap(), bound.parse().unwrap(), family);
        for (address, bound, family, wanted) in [
            ("127.0.0.1:22", "127.0.0.1:22", Family::V4, true),
            ("127.0.0.1:22", "127.0.0.1:23", Family::V4, false),
            ("127.0.0.1:22", "127.0.0.2:22", Family::V4, false),
            ("127.0.0.1:22", "0.0.0.0:22", Family::V4, false),
            ("0.0.0.0:22", "0.0.0.0:22", Family::V4, true),
            ("[::1]:22", "[::1]:22", Family::V6, true),
            ("[::1]:22", "[::1]:22", Family::Both, false),
            ("[::]:22", "[::]:22", Family::V6, true),
            ("[::]:22", "[::]:22", Family::Both, false),
            ("*:22", "[::]:22", Family::Both, true),
            ("*:22", "[::]:22", Family::V6, false),
            ("*:22", "[::]:23", Family::Both, false),
            ("*:22", "127.0.0.1:22", Family::V4, false),
        ] {
            assert_eq!(is(address, bound, family), wanted, "{address} {bound} {family:?}");
        }
        assert_eq!(is("*:22", "0.0.0.0:22", Family::V4), !has_ipv6());
    }

    #[test]
    fn a_holder_that_cannot_be_found_is_said_to_be_so() {
        let error = refusal("*:22".parse().unwrap(), Errno::ADDRINUSE.into(), |_| None);
        assert_eq!(error.to_string(), "`*:22` cannot be listened on: a process that could not be found holds it");
        assert!(error.help().unwrap().contains("ss -ltnp 'sport = :22'"));
    }
}
