//! Owns which connections of the kernel's are a HomePort's: those that were translated to where a lead of it leads, or led. Counts
//! and ends them. Never decides which have to end.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use homeport_router::{ContainerId, Moved, RouteId};

use super::conntrack::{self, Entry, Stage};
use super::lead::{Lead, Owner, Protocol};
use super::ruleset::Known;
use crate::accelerator::Flow;

/// The live connections of each route with each container.
pub(super) fn count(known: &Known) -> Result<Vec<Flow>, String> {
    Ok(summed(known, &entries(known)?))
}

/// Ends those for which this says so, and returns the number of those that were not over.
pub(super) fn end(known: &Known, is_meant: impl Fn(&Lead, &Owner) -> bool) -> Result<usize, String> {
    // Those that are over as well: a client may come again from the same port.
    let (live, over): (Vec<Entry>, Vec<Entry>) =
        meant(known, is_meant)?.into_iter().partition(|entry| entry.stage != Stage::Over);
    conntrack::delete(&over).and_then(|_| conntrack::delete(&live)).map_err(|error| not_deleted(&error))
}

/// Ends those of these that have nobody who could know better: datagrams, and connections that nobody has answered yet, which begin
/// anew with their next packet. Those that are over are forgotten with them: an engine that takes a container away has the kernel
/// forget what it listed of that address, one by one, and a new connection from the same port may have the place of one of them by then.
pub(super) fn end_and_forget(known: &Known, is_meant: impl Fn(&Lead, &Owner) -> bool) -> Result<(), String> {
    let mut meant = meant(known, is_meant)?;
    meant.retain(|entry| entry.stage == Stage::Over || is_unaware(entry));
    conntrack::delete(&meant).map(drop).map_err(|error| not_deleted(&error))
}

fn meant(known: &Known, is_meant: impl Fn(&Lead, &Owner) -> bool) -> Result<Vec<Entry>, String> {
    let mut meant = entries(known)?;
    meant.retain(|entry| lead_of(known, entry).is_some_and(|lead| is_meant(lead, &known[lead])));
    Ok(meant)
}

fn not_deleted(error: &io::Error) -> String {
    format!("the kernel's connections cannot be deleted: {error}")
}

/// The leads that any connection still goes by, also one that is over but remembered.
pub(super) fn in_use(known: &Known) -> Result<Vec<Lead>, String> {
    let mut leads: Vec<Lead> = entries(known)?.iter().filter_map(|entry| lead_of(known, entry).copied()).collect();
    leads.sort_unstable();
    leads.dedup();
    Ok(leads)
}

fn entries(known: &Known) -> Result<Vec<Entry>, String> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let is_own = |entry: &Entry| lead_of(known, entry).is_some();
    conntrack::all(is_own).map_err(|error| format!("the kernel's connections cannot be listed: {error}"))
}

/// The lead that a connection came by: it came to its public address, and is answered from where it leads.
fn lead_of<'a>(known: &'a Known, entry: &Entry) -> Option<&'a Lead> {
    let to: IpAddr = entry.to.ip();
    known.keys().find(|lead| {
        lead.protocol.number() == entry.protocol
            && lead.port.get() == entry.to.port()
            && lead.target == entry.by
            && lead.listen.contains(to)
    })
}

/// Whether it has no ends that know of each other, and of its end: it is datagrams, or the first packet of something.
fn is_unaware(entry: &Entry) -> bool {
    entry.protocol != Protocol::Tcp.number() || entry.stage == Stage::Unanswered
}

/// A connection that nobody answered is none yet; of datagrams there may never be an answer.
fn is_live(entry: &Entry) -> bool {
    match entry.stage {
        Stage::Live => true,
        Stage::Unanswered => entry.protocol == Protocol::Udp.number(),
        Stage::Over => false,
    }
}

fn summed(known: &Known, entries: &[Entry]) -> Vec<Flow> {
    let mut sums = BTreeMap::<(&RouteId, &ContainerId), (usize, Option<Moved>)>::new();
    for entry in entries.iter().filter(|entry| is_live(entry)) {
        let Some(owner) = lead_of(known, entry).and_then(|lead| known.get(lead)) else { continue };
        let sum = sums.entry((&owner.route, &owner.container)).or_insert((0, Some(Moved::default())));
        sum.0 += 1;
        sum.1 = sum.1.zip(entry.moved).map(|(sum, (from, to))| Moved {
            from_clients: sum.from_clients.saturating_add(from),
            to_clients: sum.to_clients.saturating_add(to),
        });
    }
    let flow = |((id, container), (connections, moved)): ((&RouteId, &ContainerId), _)| Flow {
        id: id.clone(),
        container: container.clone(),
        connections,
        moved,
    };
    sums.into_iter().map(flow).collect()
}

#[cfg(test)]
mod tests {
    use homeport_core::manifest::Transport;

    use super::*;

    fn known(rows: &[(&str, &str, &str, Transport)]) -> Known {
        let one = |(address, target, container, transport): &(&str, &str, &str, Transport)| {
            let lead = Lead::of(*transport, address.parse().unwrap(), target.parse().unwrap()).unwrap();
            let route = RouteId { instance: "alice".parse().unwrap(), endpoint: "e".parse().unwrap() };
            (lead, Owner { route, container: container.parse().unwrap() })
        };
        rows.iter().map(one).collect()
    }

    fn entry(to: &str, by: &str, protocol: u8, stage: Stage, moved: Option<(u64, u64)>) -> Entry {
        Entry::of(protocol, to.parse().unwrap(), by.parse().unwrap(), stage, moved)
    }

    #[test]
    fn only_what_came_by_a_lead_is_counted_and_only_while_it_lives() {
        let known = known(&[
            ("*:2222", "172.18.0.2:22", "new", Transport::Tcp),
            ("*:2222", "172.18.0.3:22", "old", Transport::Tcp),
            ("192.0.2.1:53", "172.18.0.2:53", "new", Transport::Udp),
        ]);
        let some = Some((1, 2));
        let entries = [
            entry("10.0.0.1:2222", "172.18.0.2:22", 6, Stage::Live, some),
            entry("192.0.2.1:2222", "172.18.0.2:22", 6, Stage::Live, some),
            entry("10.0.0.1:2222", "172.18.0.2:22", 6, Stage::Unanswered, some),
            entry("10.0.0.1:2222", "172.18.0.2:22", 6, Stage::Over, some),
            entry("10.0.0.1:2222", "172.18.0.3:22", 6, Stage::Live, None),
            entry("192.0.2.1:53", "172.18.0.2:53", 17, Stage::Unanswered, some),
            // Another port, another protocol, another address, another target: not ours.
            entry("10.0.0.1:2223", "172.18.0.2:22", 6, Stage::Live, some),
            entry("10.0.0.1:2222", "172.18.0.2:22", 17, Stage::Live, some),
            entry("192.0.2.2:53", "172.18.0.2:53", 17, Stage::Live, some),
            entry("10.0.0.1:2222", "172.18.0.9:22", 6, Stage::Live, some),
        ];
        let found = summed(&known, &entries);
        let said: Vec<_> = found.iter().map(|flow| (flow.container.as_str(), flow.connections, flow.moved)).collect();
        let moved = Moved { from_clients: 3, to_clients: 6 };
        assert_eq!(said, [("new", 3, Some(moved)), ("old", 1, None)]);
    }

    #[test]
    fn datagrams_and_what_nobody_answered_know_nothing_of_a_switch() {
        for (protocol, stage, wanted) in
            [(6, Stage::Live, false), (6, Stage::Over, false), (6, Stage::Unanswered, true), (17, Stage::Live, true)]
        {
            assert_eq!(is_unaware(&entry("10.0.0.1:1", "10.0.0.2:1", protocol, stage, None)), wanted);
        }
    }
}
