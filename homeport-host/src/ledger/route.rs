//! Owns what the ledger remembers of a route: which public address is leased to which endpoint.
//! Never opens a socket: the router does.

use std::net::IpAddr;

use homeport_core::manifest::Transport;
use homeport_core::name::{EndpointName, InstanceName};
use homeport_core::unit::PortNumber;

use super::word::word_enum;

word_enum!(
    /// How a public port was chosen. Either way it is kept until the route is removed.
    RouteChoice, "route choice", "`fixed`, `random`",
    {
        /// By the operator or the manifest.
        Fixed = "fixed",
        /// By HomePort, among the free ones.
        Random = "random",
    }
);

/// One public address and the endpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RouteRecord {
    /// The instance.
    pub instance: InstanceName,
    /// The endpoint within its port.
    pub endpoint: EndpointName,
    /// The address to listen on: an IP address without brackets, or `*` for every address.
    pub listen: String,
    /// The public port, never 0.
    pub port: PortNumber,
    /// How the port was chosen.
    pub choice: RouteChoice,
    /// The port inside the container, never 0.
    pub target_port: PortNumber,
    /// What carries the bytes, outside and inside.
    #[serde(default = "tcp", skip_serializing_if = "is_tcp")]
    pub transport: Transport,
}

/// What was written before there was another.
const fn tcp() -> Transport {
    Transport::Tcp
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_tcp(transport: &Transport) -> bool {
    *transport == Transport::Tcp
}

impl RouteRecord {
    /// Whether both cannot be listened on at once: transport and port are the same and one address covers the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.transport == other.transport
            && self.port == other.port
            && (covers(&self.listen, &other.listen) || covers(&other.listen, &self.listen))
    }
}

/// Whether `listen` is an address that a route can have.
pub(super) fn is_listen(listen: &str) -> bool {
    listen == "*" || listen.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().to_string() == listen)
}

/// `*` covers everything, `0.0.0.0` every IPv4 address and `::` every IPv6 address.
fn covers(wide: &str, narrow: &str) -> bool {
    match (wide.parse::<IpAddr>(), narrow.parse::<IpAddr>()) {
        _ if wide == "*" || wide == narrow => true,
        (Ok(wide), Ok(narrow)) => wide.is_unspecified() && wide.is_ipv4() == narrow.is_ipv4(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{covers, is_listen};

    #[test]
    fn addresses_cover_each_other_as_sockets_do() {
        for (wide, narrow, wanted) in [
            ("*", "127.0.0.1", true),
            ("*", "::1", true),
            ("*", "*", true),
            ("127.0.0.1", "*", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::", "::1", true),
            ("::", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            assert_eq!(covers(wide, narrow), wanted, "{wide} {narrow}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        for good in ["*", "127.0.0.1", "::1", "::", "0.0.0.0"] {
            assert!(is_listen(good), "{good}");
        }
        for bad in ["", "localhost", "[::1]", "::ffff:127.0.0.1", "0:0::1", "127.0.0.1:80"] {
            assert!(!is_listen(bad), "{bad}");
        }
    }
}
