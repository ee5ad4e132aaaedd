//! Owns the decision whether one more client comes in: a state machine of counts and one clock, which its caller reads. Pure:
//! never touches a socket, and never waits.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::address::ListenHost;
use crate::crowd::Departures;
use crate::rules::RouteRules;

/// Where a client comes from, for counting: an IPv4 address, or the network part of an IPv6 one, of which a single client
/// has all the others too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V6(ip) => Self(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
            ip @ IpAddr::V4(_) => Self(ip),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write!(f, "{ip}"),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// Whether a client is this machine itself, which has to be able to prove that an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It comes from the address that it came to, or from `127.0.0.1` or `::1`.
    ThisMachine,
    Elsewhere,
}

impl Origin {
    /// Of a client of a route with this address.
    pub(crate) fn of(client: IpAddr, host: ListenHost) -> Self {
        let client = client.to_canonical();
        let is_own = client == IpAddr::V4(Ipv4Addr::LOCALHOST)
            || client == IpAddr::V6(Ipv6Addr::LOCALHOST)
            || matches!(host, ListenHost::Ip(ip) if ip.to_canonical() == client);
        if is_own { Self::ThisMachine } else { Self::Elsewhere }
    }
}

/// Why a client does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// It may not come from there.
    NotAllowed,
    /// So many are in already, which is as many as may be.
    Full(usize),
    /// So many of its source are in already, which is as many as may be.
    SourceFull(Source, u32),
    /// So many may come in a second, and did.
    TooFast(u32),
}

/// Who is in, and what may come.
#[derive(Debug)]
pub(crate) struct Entrance {
    rules: RouteRules,
    /// The most that the router gives a route, and the most that rules can ask for.
    usual: usize,
    most: usize,
    open: usize,
    departures: Departures,
    sources: HashMap<Source, u32>,
    /// Until when the clients that came use up the rate.
    paid: Option<Instant>,
}

impl Entrance {
    /// With the usual rules, and nobody in.
    pub(crate) fn new(usual: usize, most: usize) -> Self {
        Self {
            rules: RouteRules::default(),
            usual,
            most,
            open: 0,
            departures: Departures::default(),
            sources: HashMap::new(),
            paid: None,
        }
    }

    /// The rules from now on; who is in stays.
    pub(crate) fn set(&mut self, rules: RouteRules) {
        self.rules = rules;
    }

    pub(crate) const fn rules(&self) -> &RouteRules {
        &self.rules
    }

    /// How many may be in at once.
    pub(crate) fn limit(&self) -> usize {
        let asked = self.rules.connections.map(|asked| usize::try_from(asked.get()).unwrap_or(usize::MAX));
        asked.map_or(self.usual, |asked| asked.min(self.most))
    }

    /// How many are in.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// How many have left so far.
    pub(crate) const fn departures(&self) -> Departures {
        self.departures
    }

    /// Lets a client in, or says why not. One that does not come in counts for nothing. This machine itself always comes in
    /// where there is room. `now` never goes back.
    pub(crate) fn come(&mut self, client: IpAddr, origin: Origin, now: Instant) -> Result<Source, Barred> {
        let is_bound = origin == Origin::Elsewhere;
        if let Some(barred) = self.bars(client, origin) {
            return Err(barred);
        }
        let source = Source::of(client);
        let of_source = self.sources.get(&source).copied().unwrap_or(0);
        if is_bound {
            if self.rules.per_source.is_some_and(|most| of_source >= most.get()) {
                return Err(Barred::SourceFull(source, of_source));
            }
            self.pay(now)?;
        }
        self.open += 1;
        self.sources.insert(source, of_source + 1);
        Ok(source)
    }

    /// Why nobody from there comes in now, whatever its source and the rate.
    pub(crate) fn bars(&self, client: IpAddr, origin: Origin) -> Option<Barred> {
        if !self.allows(client, origin) {
            Some(Barred::NotAllowed)
        } else if self.open >= self.limit() {
            Some(Barred::Full(self.open))
        } else {
            None
        }
    }

    /// Whether a client may come from there at all.
    pub(crate) fn allows(&self, client: IpAddr, origin: Origin) -> bool {
        origin == Origin::ThisMachine || self.rules.allow(client)
    }

    /// Uses up a part of the rate, where there is any.
    fn pay(&mut self, now: Instant) -> Result<(), Barred> {
        let Some(rate) = self.rules.new_per_second else { return Ok(()) };
        let second = Duration::from_secs(1);
        let paid = self.paid.unwrap_or(now).max(now) + second / rate.get();
        if paid > now + second {
            return Err(Barred::TooFast(rate.get()));
        }
        self.paid = Some(paid);
        Ok(())
    }

    /// Lets a client out that came in.
    pub(crate) fn leave(&mut self, source: Source) {
        self.open = self.open.saturating_sub(1);
        self.departures = self.departures.and_one();
        match self.sources.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.sources.remove(&source)),
        }
    }
}

#[cfg(test)]
#[path = "entrance_tests.rs"]
mod tests;
