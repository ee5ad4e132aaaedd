//! Owns which addresses are beside a container, in the network that this machine shares with it: by the kernel's own table of
//! routes. What comes from there to a public address is answered there, past whatever would have to translate the answer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::span::Span;

/// The addresses beside this one, its own among them; its own alone where the kernel knows of no network with it.
pub(super) fn near(ip: IpAddr) -> Span {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let networks = match ip {
        IpAddr::V4(_) => direct_v4(&read("/proc/thread-self/net/route")),
        IpAddr::V6(_) => direct_v6(&read("/proc/thread-self/net/ipv6_route")),
    };
    among(ip, &networks)
}

/// The narrowest of these that has the address.
fn among(ip: IpAddr, networks: &[IpNet]) -> Span {
    let with_it = networks.iter().filter(|network| network.contains(&ip) && network.prefix_len() > 0);
    // A route to the address alone says nothing of what is beside it.
    let shared = with_it.filter(|network| network.prefix_len() < network.max_prefix_len());
    shared.max_by_key(|network| network.prefix_len()).map_or_else(|| Span::one(ip), |network| Span::of(*network))
}

/// The IPv4 networks that are reached without a gateway.
fn direct_v4(table: &str) -> Vec<IpNet> {
    let network = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok().map(u32::from_be);
        let (destination, gateway, mask) = (number(1)?, number(2)?, number(7)?);
        let network = IpNet::with_netmask(Ipv4Addr::from_bits(destination).into(), Ipv4Addr::from_bits(mask).into());
        (gateway == 0).then(|| network.ok()).flatten()
    };
    table.lines().skip(1).filter_map(network).collect()
}

/// The same of IPv6.
fn direct_v6(table: &str) -> Vec<IpNet> {
    let network = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = |index: usize| u128::from_str_radix(fields.get(index)?, 16).ok();
        let (destination, length, gateway) = (address(0)?, u8::from_str_radix(fields.get(1)?, 16).ok()?, address(4)?);
        (gateway == 0).then(|| IpNet::new(Ipv6Addr::from_bits(destination).into(), length).ok()).flatten()
    };
    table.lines().filter_map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_a_container_is_the_narrowest_network_without_a_gateway() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            tun0\t000011AC\t010200C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            veth\t020011AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let networks = direct_v4(table);
        let near = |ip: &str| among(ip.parse().unwrap(), &networks).to_string();
        assert_eq!(near("172.17.0.2"), "172.17.0.0-172.17.255.255");
        assert_eq!(near("203.0.113.7"), "203.0.113.7", "a default route shares no network");
        assert_eq!(near("fd00::2"), "fd00::2");
    }

    #[test]
    fn the_same_of_ipv6() {
        let table = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
            fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n";
        let networks = direct_v6(table);
        assert_eq!(among("fd00::2".parse().unwrap(), &networks).to_string(), "fd00::-fd00::ffff:ffff:ffff:ffff");
        assert_eq!(among("fd01::2".parse().unwrap(), &networks).to_string(), "fd01::2");
    }
}
