//! Owns which ports of this machine containers are dialled from by number. They are none of those that the kernel hands out by itself:
//! it passes over a port that was asked for by number, for whomever it looks for one, and remembers each for a minute, so that nobody
//! on this machine could connect anywhere while thousands of clients come. Never binds one.

use std::fs;

use homeport_core::unit::PortNumber;

use crate::random_port::PortRange;

/// With fewer there is no point.
const LEAST: u32 = 256;
/// A row of so many is enough.
const ENOUGH: u32 = 1_024;
/// Few services have ports from here on: one that does not ask for `SO_REUSEADDR` cannot be started on a port that was dialled from.
const FEW_SERVICES: u16 = 10_000;
/// Nobody but the whole machine's own services has ports below.
const LOWEST: u16 = 1_024;

/// What the kernel is told about ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Those that it hands out.
    pub(crate) range: PortRange,
    pub(crate) reserved: Vec<PortRange>,
    pub(crate) reuse: Reuse,
    pub(crate) stamps: Stamps,
}

/// Whether packets of connections bear their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamps {
    Yes,
    No,
}

impl Stamps {
    /// What `net.ipv4.tcp_timestamps` says, which is 1 usually.
    fn parse(setting: &str) -> Self {
        if setting.trim() == "0" { Self::No } else { Self::Yes }
    }
}

/// When the kernel hands a port out again by itself for the same container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// After it has forgotten the connection.
    Forgotten,
    /// After a second.
    Soon,
}

impl Reuse {
    /// What `net.ipv4.tcp_tw_reuse` says, which is 2 usually: soon for connections of this machine with itself.
    fn parse(setting: &str) -> Self {
        if setting.trim() == "1" { Self::Soon } else { Self::Forgotten }
    }
}

impl Settings {
    /// Those of this kernel.
    pub(crate) fn of_kernel() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        Self {
            range: PortRange::parse_kernel(&read("ip_local_port_range")).unwrap_or(PortRange::USUAL_KERNEL),
            reserved: PortRange::parse_list(&read("ip_local_reserved_ports")),
            reuse: Reuse::parse(&read("tcp_tw_reuse")),
            stamps: Stamps::parse(&read("tcp_timestamps")),
        }
    }

    /// The most ports in a row that the kernel hands out to nobody, that are not reserved for others and none of the usual range of random
    /// public ones: above the kernel's, where enough are there. `None` where hardly any are left, and where it is of no use to ask for
    /// one by number: the kernel tells connections from the same port apart by their time stamps only.
    pub(crate) fn dialling(&self) -> Option<PortRange> {
        if self.stamps == Stamps::No {
            return None;
        }
        let above = self.range.last().get().checked_add(1).and_then(|first| self.longest(first.max(LOWEST), u16::MAX));
        let below = |from| self.longest(from, self.range.first().get().checked_sub(1)?);
        let rows = [above, below(FEW_SERVICES), below(LOWEST)];
        let enough = rows.into_iter().flatten().find(|row| row.length() >= ENOUGH);
        let most = || rows.into_iter().flatten().max_by_key(|row| row.length()).filter(|row| row.length() >= LEAST);
        enough.or_else(most)
    }

    /// Some of the kernel's own, where there are no others: whoever asks for one of them by number takes it from everybody else.
    pub(crate) fn emergency(&self) -> Option<PortRange> {
        let own = self.longest(self.range.first().get(), self.range.last().get())?;
        let first = own.last().get().saturating_sub(u16::try_from(ENOUGH).unwrap_or(0)).max(own.first().get());
        PortRange::new(PortNumber::new(first), own.last()).filter(|_| self.stamps == Stamps::Yes)
    }

    /// The most in a row from `first` to `last` that are nobody's; the first row where several are as long.
    fn longest(&self, first: u16, last: u16) -> Option<PortRange> {
        let mut others: Vec<PortRange> = self.reserved.iter().copied().chain([PortRange::DEFAULT]).collect();
        others.sort_by_key(|range| range.first());
        let (mut best, mut from): (Option<PortRange>, _) = (None, Some(first));
        let ends = others.iter().map(|range| Some((range.first().get(), range.last().get())));
        for other in ends.chain([None]) {
            let to = other.map_or(Some(last), |(first, _)| first.checked_sub(1)).map(|to| to.min(last));
            let row = from.zip(to).and_then(|(from, to)| PortRange::new(PortNumber::new(from), PortNumber::new(to)));
            best = best.into_iter().chain(row).max_by_key(|row| (row.length(), std::cmp::Reverse(row.first())));
            if let Some((_, last)) = other {
                from = last.checked_add(1).and_then(|next| from.map(|from| from.max(next)));
            }
        }
        best
    }
}

/// The ports from which whoever dials containers beside the router asks for the next one, such as another proxy: by number, with
/// `SO_REUSEADDR`, bound to an address. `None` where the choice is better left to the kernel: it hands ports out again soon
/// (`net.ipv4.tcp_tw_reuse=1`), or none are left beside its own. Reads the settings anew each time.
pub fn dialling_ports() -> Option<PortRange> {
    let settings = Settings::of_kernel();
    if settings.reuse == Reuse::Soon { None } else { settings.dialling() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(range: &str, reserved: &str) -> Settings {
        let range = PortRange::parse_kernel(range).unwrap();
        Settings { range, reserved: PortRange::parse_list(reserved), reuse: Reuse::Forgotten, stamps: Stamps::Yes }
    }

    #[test]
    fn the_ports_are_those_above_the_kernels_where_there_are_enough() {
        let ports = |range: &str, reserved: &str| settings(range, reserved).dialling().map(|ports| ports.to_string());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(ports("32768 60999", ""), some("61000-65535"), "the usual settings");
        assert_eq!(ports("32768 60999", "61005,62000-65000"), some("10000-19999"), "994 above are too few");
        assert_eq!(ports("32768 60999", "61005,63000-65000"), some("61006-62999"));
        assert_eq!(ports("10240 65000", ""), some("1024-10239"), "240 from 10,000 on are too few");
        assert_eq!(ports("20000 65000", ""), some("10000-19999"));
        assert_eq!(ports("10240 65000", "3000"), some("3001-10239"));
        assert_eq!(ports("1024 65000", ""), some("65001-65535"), "few are better than none");
        assert_eq!(ports("1024 65400", ""), None);
        assert_eq!(ports("1 65535", ""), None);
        let unstamped = Settings { stamps: Stamps::No, ..settings("32768 60999", "") };
        assert_eq!((unstamped.dialling(), unstamped.emergency()), (None, None));
        let emergency = |range: &str, reserved| settings(range, reserved).emergency().map(|ports| ports.to_string());
        assert_eq!([emergency("1 65535", ""), emergency("30 40", "")], [some("64511-65535"), some("30-40")]);
        assert_eq!([emergency("1 65535", "60000-65535"), emergency("30 40", "30-40")], [some("58975-59999"), None]);
    }

    #[test]
    fn the_kernels_settings_are_read_as_it_writes_them() {
        assert_eq!(Reuse::parse("1\n"), Reuse::Soon);
        assert!(["0\n", "2\n", ""].iter().all(|setting| Reuse::parse(setting) == Reuse::Forgotten));
        assert_eq!(["0\n", "1\n", "2\n", ""].map(Stamps::parse), [Stamps::No, Stamps::Yes, Stamps::Yes, Stamps::Yes]);
        assert!(Settings::of_kernel().range.length() > 1);
    }

    proptest! {
        #[test]
        fn no_port_is_the_kernels_or_anybody_elses(
            first in 1_u16.., width in 0_u16.., reserved in prop::collection::vec((1_u16.., 0_u16..3_000), 0..6),
        ) {
            let range = |first: u16, width: u16| {
                PortRange::new(PortNumber::new(first), PortNumber::new(first.saturating_add(width))).unwrap()
            };
            let reserved: Vec<_> = reserved.into_iter().map(|(first, width)| range(first, width)).collect();
            let settings = Settings { range: range(first, width), reserved, reuse: Reuse::Forgotten, stamps: Stamps::Yes };
            let Some(ports) = settings.dialling() else { return Ok(()) };
            prop_assert!(ports.length() >= LEAST && ports.first().get() >= LOWEST);
            let is_apart = |other: &PortRange| ports.last() < other.first() || other.last() < ports.first();
            prop_assert!(is_apart(&settings.range) && is_apart(&PortRange::DEFAULT), "{ports}");
            prop_assert!(settings.reserved.iter().all(is_apart), "{ports}");
        }
    }
}
