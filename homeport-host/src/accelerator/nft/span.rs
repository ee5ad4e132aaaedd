//! Owns ranges of addresses of one family: which sources a route's rules leave, as few ranges that touch and overlap nowhere. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// One of the two kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Each of them.
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    pub(super) const fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Every address of it.
    pub(super) const fn all(self) -> Span {
        let last = match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        };
        Span { family: self, first: 0, last }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "an IPv4 address is made of 32 bits only, by `all` and `number`"
    )]
    fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits(number as u32).into(),
            Self::V6 => Ipv6Addr::from_bits(number).into(),
        }
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// Addresses from the first to the last; there is always one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    family: Family,
    first: u128,
    last: u128,
}

impl Span {
    /// The addresses between these two, which come in any order; `None` where they are of two families.
    pub(super) fn between(one: IpAddr, other: IpAddr) -> Option<Self> {
        let (family, a, b) = (Family::of(one), number(one), number(other));
        (family == Family::of(other)).then_some(Self { family, first: a.min(b), last: a.max(b) })
    }

    /// The addresses of a network.
    pub(super) fn of(network: IpNet) -> Self {
        let (first, last) = (number(network.network()), number(network.broadcast()));
        Self { family: Family::of(network.addr()), first, last }
    }

    /// This address alone.
    pub(super) fn one(ip: IpAddr) -> Self {
        Self { family: Family::of(ip), first: number(ip), last: number(ip) }
    }

    /// Its family.
    pub(super) const fn family(self) -> Family {
        self.family
    }

    /// The first address.
    pub(super) fn first(self) -> IpAddr {
        self.family.address(self.first)
    }

    /// Whether it has every address of its family.
    pub(super) fn is_all(self) -> bool {
        self == self.family.all()
    }

    /// Whether the address is one of them.
    pub(super) fn contains(self, ip: IpAddr) -> bool {
        Family::of(ip) == self.family && (self.first..=self.last).contains(&number(ip))
    }

    fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let overlaps = self.family == other.family && self.first <= other.last && other.first <= self.last;
        let part = |first, last| Self { family: self.family, first, last };
        let all = (!overlaps).then_some(self);
        let below = (overlaps && self.first < other.first).then(|| part(self.first, other.first - 1));
        let above = (overlaps && self.last > other.last).then(|| part(other.last + 1, self.last));
        [all, below, above].into_iter().flatten()
    }
}

impl fmt::Display for Span {
    /// As nft reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first(), self.family.address(self.last));
        match (self.is_all(), first == last) {
            (true, _) => write!(f, "{first}/0"),
            (_, true) => write!(f, "{first}"),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

/// The addresses of a family that are in one of `allow`, or any where there is none at all, and in none of `deny` and `also`.
pub(super) fn permitted(family: Family, allow: &[IpNet], deny: &[IpNet], also: &[Span]) -> Vec<Span> {
    let mut left: Vec<Span> = if allow.is_empty() {
        vec![family.all()]
    } else {
        merged(allow.iter().copied().map(Span::of).filter(|span| span.family == family).collect())
    };
    for hole in deny.iter().copied().map(Span::of).chain(also.iter().copied()) {
        left = left.into_iter().flat_map(|span| span.without(hole)).collect();
    }
    left
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut found: Vec<Span> = Vec::new();
    for span in spans {
        match found.last_mut().filter(|last| span.first <= last.last.saturating_add(1)) {
            Some(last) => last.last = last.last.max(span.last),
            None => found.push(span),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn said(spans: &[Span]) -> Vec<String> {
        spans.iter().map(Span::to_string).collect()
    }

    #[test]
    fn sources_are_said_in_as_few_ranges_as_there_are() {
        let own = [Span::of("172.18.0.0/16".parse().unwrap())];
        let found = permitted(Family::V4, &[], &[], &own);
        assert_eq!(said(&found), ["0.0.0.0-172.17.255.255", "172.19.0.0-255.255.255.255"]);
        assert_eq!(said(&permitted(Family::V6, &[], &[], &own)), ["::/0"]);
        let allow = nets(&["10.0.0.0/9", "10.128.0.0/9", "192.0.2.7/32", "2001:db8::/32"]);
        assert_eq!(said(&permitted(Family::V4, &allow, &[], &[])), ["10.0.0.0-10.255.255.255", "192.0.2.7"]);
        assert_eq!(said(&permitted(Family::V4, &allow, &nets(&["0.0.0.0/0"]), &[])), Vec::<String>::new());
        assert_eq!(said(&permitted(Family::V6, &nets(&["10.0.0.0/8"]), &[], &[])), Vec::<String>::new());
        assert_eq!(said(&permitted(Family::V6, &[], &nets(&["::/1"]), &[]))[0].split('-').next(), Some("8000::"));
    }

    fn net() -> impl Strategy<Value = IpNet> {
        // Few bits differ, so that networks meet.
        let v4 = (0..4_u32, 24..=32_u8)
            .prop_map(|(low, length)| (Ipv4Addr::from_bits(0x0a00_0000 | low << 7).into(), length));
        let v6 = (0..4_u128, 120..=128_u8).prop_map(|(low, length)| (Ipv6Addr::from_bits(low << 6).into(), length));
        prop_oneof![v4, v6].prop_map(|(ip, length): (IpAddr, u8)| IpNet::new(ip, length).unwrap().trunc())
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = (0..600_u32).prop_map(|low| Ipv4Addr::from_bits(0x0a00_0000 + low).into());
        prop_oneof![v4, (0..300_u128).prop_map(|low| Ipv6Addr::from_bits(low).into()), any::<IpAddr>()]
    }

    proptest! {
        #[test]
        fn exactly_those_are_left_whom_the_rules_let_in_and_who_are_not_elsewhere(
            allow in prop::collection::vec(net(), 0..4),
            deny in prop::collection::vec(net(), 0..4),
            also in prop::collection::vec(net(), 0..2),
            clients in prop::collection::vec(address(), 1..40),
        ) {
            let holes: Vec<Span> = also.iter().copied().map(Span::of).collect();
            for client in clients {
                let family = Family::of(client);
                let left = permitted(family, &allow, &deny, &holes);
                let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&client));
                let wanted = (allow.is_empty() || is_in(&allow)) && !is_in(&deny) && !is_in(&also);
                let found = left.iter().filter(|span| span.contains(client)).count();
                prop_assert_eq!(found, usize::from(wanted), "{} in {:?}", client, left);
                for pair in left.windows(2) {
                    prop_assert!(pair[0].family == family && pair[0].last < pair[1].first, "{left:?}");
                }
            }
        }
    }
}
