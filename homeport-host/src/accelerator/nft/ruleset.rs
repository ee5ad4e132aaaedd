//! Owns the table as text that `nft -f -` takes: the whole of it, its entries alone, and its end. Each is one transaction. Pure.
//!
//! Every element of the maps ends by itself after `LIFETIME` unless it is made again: where no daemon lives that could, clients
//! come to the router's listener, or the holder's, and nobody is led to an address that is another's by now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use homeport_core::unit::PortNumber;

use super::lead::{Element, Lead, Owner, Protocol};
use super::span::{Family, Span};
use super::table::TableName;

/// How long an element stays that nobody makes again.
pub(super) const LIFETIME: Duration = Duration::from_secs(30);

/// What is remembered of leads that have, or had, connections.
pub(super) type Known = BTreeMap<Lead, Owner>;

/// Before Docker's own translation (-100), in both directions from which clients come: from outside, and from this machine.
/// What is not meant for an address of this machine is only forwarded by it, and none of ours; `127.0.0.1` and `::1` cannot be
/// answered from a container. A lookup that finds nothing falls through to the socket that listens here.
///
/// What was led from outside is counted by its target twice, before and after this machine forwards it: what came and never went
/// was kept from it by some firewall.
///
/// A reset with the number 0 answers a packet that acknowledged nothing; of a connection that was never there, that is a client's
/// first one, and nobody listens at the target, whose container may have died a moment ago. The client does not get it, but asks
/// again a second later, and then comes to the socket that listens here, which waits for the container as it does for everybody's.
const CHAINS: &str = "\
\tchain from_outside {
\t\ttype nat hook prerouting priority -105; policy accept;
\t\tjump lead
\t}
\tchain from_here {
\t\ttype nat hook output priority -105; policy accept;
\t\tjump lead
\t}
\tchain lead {
\t\tip daddr 127.0.0.0/8 return
\t\tip6 daddr ::1 return
\t\tfib daddr type != local return
\t\tip saddr . tcp sport @refused4 return
\t\tip6 saddr . tcp sport @refused6 return
\t\tmeta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport . ip saddr map @lead4
\t\tmeta l4proto { tcp, udp } dnat ip6 to meta l4proto . ip6 daddr . th dport . ip6 saddr map @lead6
\t}
\tchain came {
\t\ttype filter hook prerouting priority -99; policy accept;
\t\tct state new ct status dnat meta l4proto . ip daddr . th dport @target4 update @came4 { meta l4proto . ip daddr . th dport counter }
\t\tct state new ct status dnat meta l4proto . ip6 daddr . th dport @target6 update @came6 { meta l4proto . ip6 daddr . th dport counter }
\t}
\tchain went {
\t\ttype filter hook postrouting priority 300; policy accept;
\t\tfib saddr type local return
\t\tct state new ct status dnat meta l4proto . ip daddr . th dport @target4 update @went4 { meta l4proto . ip daddr . th dport counter }
\t\tct state new ct status dnat meta l4proto . ip6 daddr . th dport @target6 update @went6 { meta l4proto . ip6 daddr . th dport counter }
\t}
\tchain refuses {
\t\ttype filter hook prerouting priority -99; policy accept;
\t\ttcp flags & (rst | ack) == rst | ack tcp sequence 0 ct direction reply ct status & (dnat | assured) == dnat ct original proto-dst . ip saddr . tcp sport @ways4 update @refused4 { ip daddr . tcp dport } drop
\t\ttcp flags & (rst | ack) == rst | ack tcp sequence 0 ct direction reply ct status & (dnat | assured) == dnat ct original proto-dst . ip6 saddr . tcp sport @ways6 update @refused6 { ip6 daddr . tcp dport } drop
\t}
";

/// The name of a map or set in both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Where clients are led.
    Lead,
    /// Which container had an address.
    Known,
    /// By which route clients were led there.
    Named,
    /// Where clients are led, without from where.
    Target,
    /// How many packets that began something were led there.
    Came,
    /// How many of them were forwarded.
    Went,
    /// By which public port clients are led to a target over TCP, or were.
    Ways,
    /// Clients who are not led for a while, as nobody listened where they were.
    Refused,
}

impl Part {
    const ALL: [Self; 8] =
        [Self::Lead, Self::Known, Self::Named, Self::Target, Self::Ways, Self::Came, Self::Went, Self::Refused];
    /// Those whose entries are made anew; the kernel makes the others'.
    const WRITTEN: [Self; 5] = [Self::Lead, Self::Known, Self::Named, Self::Target, Self::Ways];

    const fn in_family(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Lead, Family::V4) => "lead4",
            (Self::Lead, Family::V6) => "lead6",
            (Self::Known, Family::V4) => "known4",
            (Self::Known, Family::V6) => "known6",
            (Self::Named, Family::V4) => "named4",
            (Self::Named, Family::V6) => "named6",
            (Self::Target, Family::V4) => "target4",
            (Self::Target, Family::V6) => "target6",
            (Self::Ways, Family::V4) => "ways4",
            (Self::Ways, Family::V6) => "ways6",
            (Self::Came, Family::V4) => "came4",
            (Self::Came, Family::V6) => "came6",
            (Self::Went, Family::V4) => "went4",
            (Self::Went, Family::V6) => "went6",
            (Self::Refused, Family::V4) => "refused4",
            (Self::Refused, Family::V6) => "refused6",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Lead => "map",
            Self::Known | Self::Named | Self::Target | Self::Ways | Self::Came | Self::Went | Self::Refused => "set",
        }
    }

    fn declaration(self, family: Family) -> String {
        let ip = match family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        let (kind, name) = (self.kind(), self.in_family(family));
        let (types, flags) = match self {
            Self::Lead => (
                format!("inet_proto . {ip} . inet_service . {ip} : {ip} . inet_service"),
                "\n\t\tflags interval, timeout",
            ),
            Self::Known | Self::Named => (format!("inet_proto . {ip} . inet_service . {ip} . inet_service"), ""),
            Self::Target => (format!("inet_proto . {ip} . inet_service"), ""),
            Self::Came | Self::Went => {
                (format!("inet_proto . {ip} . inet_service"), "\n\t\tsize 4096\n\t\tflags dynamic")
            }
            Self::Ways => (format!("inet_service . {ip} . inet_service"), ""),
            Self::Refused => {
                (format!("{ip} . inet_service"), "\n\t\tsize 65535\n\t\tflags dynamic, timeout\n\t\ttimeout 5s")
            }
        };
        format!("\t{kind} {name} {{\n\t\ttype {types}{flags}\n\t}}\n")
    }
}

/// Makes the table exactly this, whatever was there. What translates for connections that there are is there all the while.
pub(super) fn whole(table: &TableName, elements: &[Element], known: &Known) -> String {
    let mut text = format!("add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n");
    for part in Part::ALL {
        for family in Family::ALL {
            text.push_str(&part.declaration(family));
        }
    }
    text.push_str(CHAINS);
    text.push_str("}\n");
    text.push_str(&entries(table, elements, known));
    text
}

/// Makes the entries of a table that is there exactly these.
pub(super) fn entries_anew(table: &TableName, elements: &[Element], known: &Known) -> String {
    let mut text = String::new();
    for part in Part::WRITTEN {
        for family in Family::ALL {
            writeln!(text, "flush {} inet {table} {}", part.kind(), part.in_family(family)).unwrap_or(());
        }
    }
    text.push_str(&entries(table, elements, known));
    text
}

/// Takes the table away, where there is one.
pub(super) fn removal(table: &TableName) -> String {
    format!("add table inet {table}\ndelete table inet {table}\n")
}

fn entries(table: &TableName, elements: &[Element], known: &Known) -> String {
    let mut text = String::new();
    let seconds = LIFETIME.as_secs();
    for Element { lead, sources } in elements {
        let Lead { protocol, listen, port, target } = lead;
        let (protocol, name) = (protocol.as_str(), Part::Lead.in_family(lead.family()));
        let to = format!("{} . {}", target.ip(), target.port());
        let line = format!("{protocol} . {listen} . {port} . {sources} timeout {seconds}s : {to}");
        writeln!(text, "add element inet {table} {name} {{ {line} }}").unwrap_or(());
    }
    let targets: BTreeSet<(Protocol, SocketAddr)> =
        elements.iter().map(|element| (element.lead.protocol, element.lead.target)).collect();
    for (protocol, target) in targets {
        let (name, protocol) = (Part::Target.in_family(Family::of(target.ip())), protocol.as_str());
        let key = format!("{protocol} . {} . {}", target.ip(), target.port());
        writeln!(text, "add element inet {table} {name} {{ {key} }}").unwrap_or(());
    }
    let tcp = known.keys().filter(|lead| lead.protocol == Protocol::Tcp);
    let ways: BTreeSet<(PortNumber, SocketAddr)> = tcp.map(|lead| (lead.port, lead.target)).collect();
    for (port, target) in ways {
        let name = Part::Ways.in_family(Family::of(target.ip()));
        let key = format!("{port} . {} . {}", target.ip(), target.port());
        writeln!(text, "add element inet {table} {name} {{ {key} }}").unwrap_or(());
    }
    for (lead, owner) in known {
        let key = key(lead);
        for (part, comment) in [(Part::Known, owner.container.to_string()), (Part::Named, owner.route.to_string())] {
            let name = part.in_family(lead.family());
            writeln!(text, "add element inet {table} {name} {{ {key} comment \"{comment}\" }}").unwrap_or(());
        }
    }
    text
}

/// A lead without ranges: every address is written as the first one, which no route has for itself.
fn key(lead: &Lead) -> String {
    let Lead { protocol, listen, port, target } = lead;
    format!("{} . {} . {port} . {} . {}", protocol.as_str(), listen.first(), target.ip(), target.port())
}

/// The addresses that were written so in a key.
pub(super) fn listen_of_key(first: std::net::IpAddr) -> Span {
    if first.is_unspecified() { Family::of(first).all() } else { Span::one(first) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use homeport_core::manifest::Transport;

    use super::*;

    fn table() -> TableName {
        TableName::of(Path::new("/var/lib/homeport/state"))
    }

    #[test]
    fn the_whole_table_without_entries_is_this() {
        insta::assert_snapshot!(whole(&table(), &[], &Known::new()));
    }

    #[test]
    fn the_entries_of_two_routes_are_these() {
        let lead = |transport, address: &str, target: &str| {
            Lead::of(transport, address.parse().unwrap(), target.parse().unwrap()).unwrap()
        };
        let ssh = lead(Transport::Tcp, "*:2222", "172.18.0.2:22");
        let dns = lead(Transport::Udp, "[2001:db8::1]:53", "[fd00::2]:5353");
        let near = |lead: Lead, text: &str| {
            let sources = super::super::span::permitted(lead.family(), &[], &[], &[Span::of(text.parse().unwrap())]);
            sources.into_iter().map(move |sources| Element { lead, sources })
        };
        let elements: Vec<Element> = near(ssh, "172.18.0.0/16").chain(near(dns, "10.0.0.0/8")).collect();
        let owner = |route: &str, container: &str| {
            let (instance, endpoint) = route.split_once('/').unwrap();
            let route =
                homeport_router::RouteId { instance: instance.parse().unwrap(), endpoint: endpoint.parse().unwrap() };
            Owner { route, container: container.parse().unwrap() }
        };
        let known = Known::from([(ssh, owner("alice/ssh", "c1")), (dns, owner("bob/dns", "c2"))]);
        let table = table();
        let anew = entries_anew(&table, &elements, &known);
        let (flushed, added): (Vec<&str>, Vec<&str>) = anew.lines().partition(|line| line.starts_with("flush "));
        assert_eq!(flushed.len(), 10);
        insta::assert_snapshot!(added.join("\n"), @r#"
        add element inet homeport-46b0e6252379 lead4 { tcp . 0.0.0.0/0 . 2222 . 0.0.0.0-172.17.255.255 timeout 30s : 172.18.0.2 . 22 }
        add element inet homeport-46b0e6252379 lead4 { tcp . 0.0.0.0/0 . 2222 . 172.19.0.0-255.255.255.255 timeout 30s : 172.18.0.2 . 22 }
        add element inet homeport-46b0e6252379 lead6 { udp . 2001:db8::1 . 53 . ::/0 timeout 30s : fd00::2 . 5353 }
        add element inet homeport-46b0e6252379 target4 { tcp . 172.18.0.2 . 22 }
        add element inet homeport-46b0e6252379 target6 { udp . fd00::2 . 5353 }
        add element inet homeport-46b0e6252379 ways4 { 2222 . 172.18.0.2 . 22 }
        add element inet homeport-46b0e6252379 known4 { tcp . 0.0.0.0 . 2222 . 172.18.0.2 . 22 comment "c1" }
        add element inet homeport-46b0e6252379 named4 { tcp . 0.0.0.0 . 2222 . 172.18.0.2 . 22 comment "alice/ssh" }
        add element inet homeport-46b0e6252379 known6 { udp . 2001:db8::1 . 53 . fd00::2 . 5353 comment "c2" }
        add element inet homeport-46b0e6252379 named6 { udp . 2001:db8::1 . 53 . fd00::2 . 5353 comment "bob/dns" }
        "#);
        assert!(whole(&table, &elements, &known).ends_with(&(added.join("\n") + "\n")));
        assert_eq!(listen_of_key("0.0.0.0".parse().unwrap()), ssh.listen);
        assert_eq!(listen_of_key("2001:db8::1".parse().unwrap()), dns.listen);
    }
}
