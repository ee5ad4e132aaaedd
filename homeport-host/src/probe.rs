//! Owns the proof that a public address works: a client's first steps in the endpoint's own protocol, as far as it has any.
//! Never logs in: that is the port's own health check; here it is the way from outside to the container that is proved.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use homeport_core::manifest::{Endpoint, Tls, Transport};
use homeport_core::unit::PortNumber;
use homeport_router::{ListenAddress, ListenHost, RouteId};

use crate::host::Host;
use crate::routes::RoutesError;

mod datagrams;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(3);
/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// A connection that nobody speaks first on counts as working when it stays open for this long.
const QUIET: Duration = Duration::from_millis(150);

/// Why a public address does not work.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing could be connected to.
    #[error("`{address}` does not answer")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something answered, in another way than the endpoint's protocol says.
    #[error("`{address}` answers, but not as `{protocol}`: found {found}, wanted {wanted}")]
    Protocol {
        /// The address.
        address: SocketAddr,
        /// The protocol of the endpoint.
        protocol: String,
        /// What came.
        found: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// The daemon does not hold the address, and could not open it: whoever answers there is somebody else.
    #[error("`{listen}` is not open")]
    NotHeld {
        /// The address.
        listen: ListenAddress,
        /// Why not.
        #[source]
        source: Box<RoutesError>,
    },
    /// The daemon does not lead an address for datagrams to a container that runs.
    #[error("`{listen}` leads to no container")]
    NotLed {
        /// The address.
        listen: ListenAddress,
    },
    /// Nobody in the container takes datagrams where the endpoint is.
    #[error(
        "`{listen}` leads to a container in which nobody takes datagrams on port {port}, other than on loopback addresses"
    )]
    NobodyTakes {
        /// The address.
        listen: ListenAddress,
        /// The port of the endpoint.
        port: PortNumber,
    },
}

/// The address at which this machine itself reaches a public address.
pub(crate) fn local_address(listen: ListenAddress) -> SocketAddr {
    let ip = match listen.host() {
        ListenHost::Ip(ip) if !ip.is_unspecified() => ip,
        ListenHost::Ip(IpAddr::V6(_)) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ListenHost::Ip(IpAddr::V4(_)) | ListenHost::Any => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port().get())
}

/// Returns when the address of this route answers as the endpoint's protocol does; tries again until `limit` is over. Of one for
/// datagrams see [`datagrams`]. [spec: END-15]
pub(crate) fn probe(
    host: &Host,
    id: &RouteId,
    listen: ListenAddress,
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<(), ProbeError> {
    let end = Instant::now() + limit;
    loop {
        let tried = match listen.transport() {
            Transport::Tcp => try_once(local_address(listen), endpoint),
            Transport::Udp => datagrams::try_once(host, id, listen, endpoint),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() + PAUSE >= end => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn try_once(address: SocketAddr, endpoint: &Endpoint) -> Result<(), ProbeError> {
    let failed = |source| ProbeError::Connect { address, source };
    let mut stream = TcpStream::connect_timeout(&address, TRY).map_err(failed)?;
    stream.set_read_timeout(Some(TRY)).map_err(failed)?;
    stream.set_write_timeout(Some(TRY)).map_err(failed)?;
    let greeting: Option<(&str, &'static str)> = match (endpoint.protocol.as_str(), endpoint.tls) {
        ("ssh", Tls::None) => Some(("SSH-2.0-", "a line that starts with `SSH-2.0-`")),
        ("smtp" | "submission", Tls::None | Tls::Starttls) => Some(("220", "a line that starts with `220`")),
        ("imap", Tls::None | Tls::Starttls) => Some(("* OK", "a line that starts with `* OK`")),
        ("pop3", Tls::None | Tls::Starttls) => Some(("+OK", "a line that starts with `+OK`")),
        ("http", Tls::None) => {
            let path = endpoint.http_path.as_deref().unwrap_or("/");
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).map_err(failed)?;
            Some(("HTTP/1.", "a line that starts with `HTTP/1.`"))
        }
        _ => None,
    };
    let Some((start, wanted)) = greeting else { return stays_open(stream, address) };
    let mut line = Vec::new();
    BufReader::new(stream.take(512)).read_until(b'\n', &mut line).map_err(failed)?;
    let text = String::from_utf8_lossy(&line);
    let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    let works = match (start, &endpoint.http_path) {
        // A path that the port names has to be there; without one any answer but a fault of the server will do.
        ("HTTP/1.", Some(_)) => status.is_some_and(|status| (200..400).contains(&status)),
        ("HTTP/1.", None) => status.is_some_and(|status| status < 500),
        _ => true,
    };
    if text.starts_with(start) && works {
        return Ok(());
    }
    let found = if line.is_empty() {
        "a closed connection".to_owned()
    } else {
        format!("`{}`", homeport_core::text::clip(text.trim_end(), 80))
    };
    Err(ProbeError::Protocol { address, protocol: endpoint.protocol.clone(), found, wanted })
}

/// A server that waits for its client to speak is taken to work where it does not hang up.
fn stays_open(mut stream: TcpStream, address: SocketAddr) -> Result<(), ProbeError> {
    let failed = |source| ProbeError::Connect { address, source };
    stream.set_read_timeout(Some(QUIET)).map_err(failed)?;
    match stream.read(&mut [0; 1]) {
        Ok(0) => Err(failed(io::Error::from(io::ErrorKind::ConnectionReset))),
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
