//! Owns what one route is in the table: from which public addresses to which address of a container, for which sources. Pure.

use std::net::SocketAddr;

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{ContainerId, ListenAddress, ListenHost, RouteId};

use super::span::{Family, Span, permitted};
use crate::accelerator::Front;

/// From where to where; both are of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lead {
    /// What carries the bytes, as the kernel has it.
    pub(super) protocol: Protocol,
    /// The public addresses.
    pub(super) listen: Span,
    /// The public port.
    pub(super) port: PortNumber,
    /// The container's address and port.
    pub(super) target: SocketAddr,
}

/// What carries bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As nft writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The one of this name, or of this number.
    pub(super) fn named(text: &str) -> Option<Self> {
        match text {
            "tcp" | "6" => Some(Self::Tcp),
            "udp" | "17" => Some(Self::Udp),
            _ => None,
        }
    }

    /// The number that it has in a packet.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
        }
    }
}

impl Lead {
    /// Of a route; `None` where its container has no address of a family that the public address has.
    pub(super) fn of(transport: Transport, address: ListenAddress, target: SocketAddr) -> Option<Self> {
        let family = Family::of(target.ip());
        let listen = match address.host() {
            ListenHost::Any => family.all(),
            ListenHost::Ip(ip) if Family::of(ip) != family => return None,
            ListenHost::Ip(ip) if ip.is_unspecified() => family.all(),
            ListenHost::Ip(ip) => Span::one(ip),
        };
        Some(Self { protocol: transport.into(), listen, port: address.port(), target })
    }

    /// Its family.
    pub(super) fn family(&self) -> Family {
        self.listen.family()
    }
}

/// Which sources are led so. An element of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    pub(super) lead: Lead,
    pub(super) sources: Span,
}

/// The elements of a route. Who may not come is left to the router, and so is who is beside the container, `near` it: what the
/// container answers there would not come back this way.
pub(super) fn elements(front: &Front, lead: Lead, near: Span) -> Vec<Element> {
    let (allow, deny) = (&front.rules.allow, &front.rules.deny);
    let sources = permitted(lead.family(), allow, deny, &[near]);
    sources.into_iter().map(|sources| Element { lead, sources }).collect()
}

/// Whose connections these are: what has to be known of a lead as long as it may have any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The route that they came by.
    pub(super) route: RouteId,
    /// The container that had the address when the route was led there.
    pub(super) container: ContainerId,
}

#[cfg(test)]
mod tests {
    use homeport_router::{RouteRules, Target};

    use super::*;

    fn lead(address: &str, target: &str) -> Option<String> {
        let lead = Lead::of(Transport::Tcp, address.parse().unwrap(), target.parse().unwrap())?;
        Some(format!("{}:{}", lead.listen, lead.port))
    }

    #[test]
    fn a_route_is_led_from_the_addresses_of_its_containers_family() {
        let (v4, v6) = ("172.18.0.2:22", "[fd00::2]:22");
        for (address, of_v4, of_v6) in [
            ("*:2222", Some("0.0.0.0/0:2222"), Some("::/0:2222")),
            ("0.0.0.0:2222", Some("0.0.0.0/0:2222"), None),
            ("[::]:2222", None, Some("::/0:2222")),
            ("192.0.2.1:2222", Some("192.0.2.1:2222"), None),
            ("[2001:db8::1]:2222", None, Some("2001:db8::1:2222")),
        ] {
            assert_eq!(lead(address, v4).as_deref(), of_v4, "{address}");
            assert_eq!(lead(address, v6).as_deref(), of_v6, "{address}");
        }
    }

    #[test]
    fn who_may_not_come_and_who_is_beside_the_container_is_left_to_the_router() {
        let front = Front {
            id: RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() },
            transport: Transport::Tcp,
            address: "*:2222".parse().unwrap(),
            target: Target::new("c1".parse().unwrap(), "172.18.0.2:22".parse().unwrap()),
            rules: RouteRules {
                allow: vec!["172.16.0.0/12".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
                deny: vec!["172.24.0.0/13".parse().unwrap()],
                ..RouteRules::default()
            },
        };
        let lead = Lead::of(Transport::Tcp, front.address, front.target.address).unwrap();
        let near = Span::of("172.18.0.0/16".parse().unwrap());
        let found: Vec<_> = elements(&front, lead, near).iter().map(|element| element.sources.to_string()).collect();
        assert_eq!(found, ["172.16.0.0-172.17.255.255", "172.19.0.0-172.23.255.255"]);
    }
}
