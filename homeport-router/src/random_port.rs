//! Owns the rule for random public ports. Never binds and never draws a number itself: the kernel's range, the leased
//! ports and the random numbers come in; candidates come out. Which candidate is free is proved by binding it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use homeport_core::fault::Advice;
use homeport_core::unit::PortNumber;

/// A range of ports, both ends part of it, never empty and never with port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range that random ports come from unless the operator says otherwise: below the kernel's usual one.
    pub const DEFAULT: Self = Self { first: 20_000, last: 29_999 };

    /// The range from `first` to `last`; `None` if it would be empty or hold port 0.
    pub fn new(first: PortNumber, last: PortNumber) -> Option<Self> {
        let (first, last) = (first.get(), last.get());
        (first > 0 && first <= last).then_some(Self { first, last })
    }

    /// Reads the text of `/proc/sys/net/ipv4/ip_local_port_range`; `None` if it is none.
    pub fn parse_kernel(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u16>);
        let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        numbers.next().is_none().then(|| Self::new(PortNumber::new(first), PortNumber::new(last)))?
    }

    /// The range that kernels hand out by themselves unless they are told otherwise.
    pub(crate) const USUAL_KERNEL: Self = Self { first: 32_768, last: 60_999 };

    /// Reads the text of `/proc/sys/net/ipv4/ip_local_reserved_ports`, `8080,9148-9150`; what is no range is passed over.
    pub(crate) fn parse_list(text: &str) -> Vec<Self> {
        let port = |text: &str| text.trim().parse().ok().map(PortNumber::new);
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Self::new(port(first)?, port(last)?)
        };
        text.split(',').filter_map(range).collect()
    }

    pub(crate) fn first(self) -> PortNumber {
        PortNumber::new(self.first)
    }

    pub(crate) fn last(self) -> PortNumber {
        PortNumber::new(self.last)
    }

    /// How many ports it has.
    pub fn length(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }

    /// The port at this place of it, counted round and round.
    pub(crate) fn at(self, place: u32) -> PortNumber {
        let offset = u16::try_from(place % self.length()).unwrap_or(0);
        PortNumber::new(self.first + offset)
    }

    /// Says whether the port is in the range.
    pub fn contains(self, port: PortNumber) -> bool {
        self.ports().contains(&port.get())
    }

    fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Nothing is left of the range that random ports come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no port is left in `{wanted}`: {leased} of it are leased and the kernel hands out `{kernel}` by itself")]
pub struct NoPortLeft {
    /// The range that was to be drawn from.
    pub wanted: PortRange,
    /// The kernel's range for outgoing connections.
    pub kernel: PortRange,
    /// How many ports of the wanted range are leased.
    pub leased: usize,
}

impl Advice for NoPortLeft {
    fn code(&self) -> &'static str {
        "HP-RTR-022"
    }

    fn help(&self) -> Option<String> {
        Some("Widen the range for random ports, outside of `net.ipv4.ip_local_port_range`, or name a port.".to_owned())
    }
}

/// Orders the candidates for a random port: each once, in the order that the drawn numbers decide.
///
/// Candidates are in `wanted`, outside of the `kernel`'s range (where any outgoing connection may take them) and not
/// `leased`. The iterator ends after the last candidate or the last number, so endless `draws` are fine.
///
/// # Errors
/// When not one candidate exists.
pub fn random_ports<D: IntoIterator<Item = u32>>(
    wanted: PortRange,
    kernel: PortRange,
    leased: &BTreeSet<PortNumber>,
    draws: D,
) -> Result<impl Iterator<Item = PortNumber> + use<D>, NoPortLeft> {
    let mut left: Vec<PortNumber> =
        wanted.ports().map(PortNumber::new).filter(|port| !kernel.contains(*port) && !leased.contains(port)).collect();
    if left.is_empty() {
        let leased = leased.iter().filter(|port| wanted.contains(**port)).count();
        return Err(NoPortLeft { wanted, kernel, leased });
    }
    let mut draws = draws.into_iter();
    Ok(std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        // Scales the draw to an index; the bias is below one in 65,536, and a port is no secret.
        let scaled = (u64::from(draws.next()?) * left.len() as u64) >> 32;
        Some(left.swap_remove(usize::try_from(scaled).unwrap_or(0)))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(PortNumber::new(first), PortNumber::new(last)).unwrap()
    }

    fn numbers(ports: impl Iterator<Item = PortNumber>) -> Vec<u16> {
        ports.map(PortNumber::get).collect()
    }

    #[test]
    fn the_kernels_reserved_ports_are_read_as_it_writes_them() {
        let read = |text: &str| PortRange::parse_list(text);
        assert_eq!(read("8080,9148-9150\n"), [range(8080, 8080), range(9148, 9150)]);
        assert_eq!(read("\n"), []);
        assert_eq!(read("x,5-3,7"), [range(7, 7)]);
        let three = range(9148, 9150);
        assert_eq!((three.length(), [0, 2, 3].map(|place| three.at(place).get())), (3, [9148, 9150, 9148]));
        assert_eq!(range(1, u16::MAX).length(), 65_535);
    }

    #[test]
    fn the_kernels_range_is_read_as_the_kernel_writes_it() {
        for (text, wanted) in [
            ("32768\t60999\n", Some(range(32768, 60999))),
            ("1 1", Some(range(1, 1))),
            ("", None),
            ("1", None),
            ("2 1", None),
            ("0 9", None),
            ("1 2 3", None),
            ("1 65536", None),
            ("a b", None),
        ] {
            assert_eq!(PortRange::parse_kernel(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_lone_free_port_is_found() {
        let leased = [20_000, 20_002].map(PortNumber::new).into();
        let ports = random_ports(range(20_000, 20_003), range(20_003, 30_000), &leased, [u32::MAX]).unwrap();
        assert_eq!(numbers(ports), [20_001]);
    }

    #[test]
    fn a_full_range_says_why() {
        let leased = [5, 6, 99].map(PortNumber::new).into();
        let error = random_ports(range(5, 8), range(7, 9), &leased, [0]).map(numbers).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no port is left in `5-8`: 2 of it are leased and the kernel hands out `7-9` by itself"
        );
    }

    proptest! {
        #[test]
        fn candidates_obey_the_rule_and_none_comes_twice(
            first in 1u16..65_500, width in 0u16..35, kernel_first in 1u16..65_500, kernel_width in 0u16..35,
            leased in prop::collection::btree_set(1u16.., 0..20), draws in prop::collection::vec(any::<u32>(), 40),
        ) {
            let (wanted, kernel) = (range(first, first + width), range(kernel_first, kernel_first + kernel_width));
            let leased: BTreeSet<_> = leased.into_iter().map(PortNumber::new).collect();
            let free = |port: &PortNumber| wanted.contains(*port) && !kernel.contains(*port) && !leased.contains(port);
            let wanted_count = wanted.ports().map(PortNumber::new).filter(free).count();
            let found: Vec<_> = random_ports(wanted, kernel, &leased, draws).map(Iterator::collect).unwrap_or_default();
            prop_assert_eq!(found.len(), wanted_count);
            prop_assert!(found.iter().all(free));
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), wanted_count);
        }
    }
}
