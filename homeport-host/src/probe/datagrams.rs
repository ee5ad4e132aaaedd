//! Owns the proof that an endpoint for datagrams can be reached. What its own protocol says to a stranger is nothing that a host
//! knows, and most say nothing: so it is proved that the way is there and that somebody is at its end. A name server is asked.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use homeport_core::datagram_table::takes_datagrams;
use homeport_core::manifest::Endpoint;
use homeport_core::unit::PortNumber;
use homeport_router::{ListenAddress, RouteId, RouteState};

use super::{ProbeError, local_address};
use crate::engine::{ContainerRef, ContainerState};
use crate::host::Host;

/// How long a name server may take for one answer. Its question is sent again then.
const ANSWER: Duration = Duration::from_secs(1);

/// Looks once: the daemon leads the address to a container, in that container a socket takes datagrams on the endpoint's port,
/// and a name server answers a question over the public address.
pub(super) fn try_once(
    host: &Host,
    id: &RouteId,
    listen: ListenAddress,
    endpoint: &Endpoint,
) -> Result<(), ProbeError> {
    let failed = |source| ProbeError::Connect { address: local_address(listen), source };
    let account = host.routes.account().map_err(|error| failed(io::Error::other(error)))?.unwrap_or_default();
    let state = account.of(id).map(|status| status.state.clone());
    let Some(RouteState::Running { target, .. }) = state else { return Err(ProbeError::NotLed { listen }) };
    let container = target.container.as_str().parse().map(ContainerRef::Id);
    let container = container.map_err(|error| failed(io::Error::other(error)))?;
    let facts = host.engine.inspect(&container).map_err(|error| failed(io::Error::other(error)))?;
    let Some(ContainerState::Running { pid, .. }) = facts.map(|facts| facts.state) else {
        return Err(ProbeError::NotLed { listen });
    };
    if !is_taken(&host.machine.proc, pid, endpoint.port).map_err(failed)? {
        return Err(ProbeError::NobodyTakes { listen, port: endpoint.port });
    }
    if endpoint.protocol == "dns" { ask(local_address(listen), endpoint) } else { Ok(()) }
}

/// Whether somebody takes datagrams on the port, in the network of this process.
fn is_taken(proc: &Path, pid: u32, port: PortNumber) -> io::Result<bool> {
    let network = proc.join(pid.to_string()).join("net");
    // A kernel without IPv6 has no second table.
    let six = std::fs::read_to_string(network.join("udp6")).unwrap_or_default();
    Ok(takes_datagrams(&std::fs::read_to_string(network.join("udp"))?, port) || takes_datagrams(&six, port))
}

/// Asks for the name servers of the root, which every name server has something to say to.
fn ask(address: SocketAddr, endpoint: &Endpoint) -> Result<(), ProbeError> {
    let failed = |source| ProbeError::Connect { address, source };
    let own: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(own).map_err(failed)?;
    socket.connect(address).map_err(failed)?;
    socket.set_read_timeout(Some(ANSWER)).map_err(failed)?;
    let [high, low, ..] = getrandom::u32().unwrap_or_default().to_be_bytes();
    // One question, for `.`, of type NS and class IN; recursion is not desired.
    let question = [high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    socket.send(&question).map_err(failed)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).map_err(failed)?;
    match answer.get(..length) {
        Some([a, b, flags, ..]) if [*a, *b] == [high, low] && flags & 0x80 != 0 => Ok(()),
        _ => Err(ProbeError::Protocol {
            address,
            protocol: endpoint.protocol.clone(),
            found: format!("{length} other bytes"),
            wanted: "an answer to the question that was asked",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn endpoint(protocol: &str) -> Endpoint {
        let manifest = format!(
            r#"{{"protocol":"1.0","port":{{"id":"names","version":"1.0.0","title":"Names"}},
                "endpoints":{{"names":{{"port":53,"transport":"udp","protocol":"{protocol}"}}}}}}"#
        );
        let manifest = homeport_core::manifest::parse(manifest.as_bytes()).unwrap();
        manifest.endpoints.into_values().next().unwrap()
    }

    #[test]
    fn a_name_server_has_to_answer_the_question_that_it_was_asked() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answers = thread::spawn(move || {
            let mut question = [0; 512];
            for change in [2, 0, 12] {
                let (length, from) = server.recv_from(&mut question).unwrap();
                assert_eq!(&question[2..length], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
                question[2] |= 0x80;
                // The answer, then one to another question, then the question itself.
                question[change] ^= if change == 2 { 0 } else { 0xff };
                question[2] ^= if change == 12 { 0x80 } else { 0 };
                server.send_to(&question[..length], from).unwrap();
            }
        });
        let dns = endpoint("dns");
        ask(address, &dns).unwrap();
        for _ in 0..2 {
            let error = ask(address, &dns).unwrap_err().to_string();
            assert!(error.contains("answers, but not as `dns`: found 17 other bytes"), "{error}");
        }
        answers.join().unwrap();
        let error = ask(address, &dns).unwrap_err();
        assert!(matches!(error, ProbeError::Connect { .. }), "nobody is there: {error}");
    }

    #[test]
    fn a_port_is_taken_in_the_network_of_the_process_that_is_meant() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = PortNumber::new(socket.local_addr().unwrap().port());
        let is_taken = |pid| is_taken(Path::new("/proc"), pid, port);
        assert!(is_taken(std::process::id()).unwrap());
        drop(socket);
        assert!(!is_taken(std::process::id()).unwrap());
        assert!(is_taken(u32::MAX).is_err(), "of a process that is gone nothing is known");
    }
}
