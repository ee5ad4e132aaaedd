//! Owns the bytes of the kernel's connection tracking, as it writes and reads them on its socket (`nfnetlink_conntrack.h`): an entry
//! as a value, and the messages that ask for all or one and delete one. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::accelerator::nft::lead::Protocol;

/// The subsystem of connection tracking, in the upper byte of a message's type.
const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
/// Of an attribute's type, without what says how it is written.
const KIND: u16 = 0x3fff;
/// The header of a message, and the one of its family after that.
const HEADER: usize = 16;
const FAMILY: usize = 4;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_STATE: u16 = 4;
const COUNTERS_ORIGINAL: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ID: u16 = 12;
const ZONE: u16 = 18;

/// The destination was translated.
const TRANSLATED: u32 = 1 << 5;
/// The other side has answered.
const ANSWERED: u32 = 1 << 1;
/// The states of TCP in which both sides have said their last word: `LAST_ACK`, `TIME_WAIT` and `CLOSE`.
const OVER: std::ops::RangeInclusive<u8> = 6..=8;

/// A tracked connection whose destination was translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::accelerator::nft) struct Entry {
    /// The number of what carries it, as in a packet.
    pub(in crate::accelerator::nft) protocol: u8,
    /// Where its client connected to.
    pub(in crate::accelerator::nft) to: SocketAddr,
    /// Who answers.
    pub(in crate::accelerator::nft) by: SocketAddr,
    /// How far it has come.
    pub(in crate::accelerator::nft) stage: Stage,
    /// What it moved, to and from who answers; `None` where the kernel does not count.
    pub(in crate::accelerator::nft) moved: Option<(u64, u64)>,
    /// What names it to the kernel.
    name: Vec<u8>,
    is_v6: bool,
}

impl Entry {
    /// Whether what the kernel has by this name now is what this was when it was listed. Nobody answers a translated connection from
    /// elsewhere in the middle; one that lived may be over.
    pub(super) fn is_still(&self, now: &Self) -> bool {
        let is_as_far = self.protocol != Protocol::Tcp.number() || self.stage == Stage::Live || self.stage == now.stage;
        self.name == now.name && self.by == now.by && is_as_far
    }

    /// As a header of a message has it.
    const fn family(&self) -> u8 {
        const INET: u8 = 2;
        const INET6: u8 = 10;
        if self.is_v6 { INET6 } else { INET }
    }
}

#[cfg(test)]
impl Entry {
    /// One that the kernel does not have.
    pub(in crate::accelerator::nft) fn of(
        protocol: u8,
        to: SocketAddr,
        by: SocketAddr,
        stage: Stage,
        moved: Option<(u64, u64)>,
    ) -> Self {
        Self { protocol, to, by, stage, moved, name: Vec::new(), is_v6: to.is_ipv6() }
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::accelerator::nft) enum Stage {
    /// Nobody has answered yet.
    Unanswered,
    /// It lives.
    Live,
    /// It is over, and only remembered for a while.
    Over,
}

/// What one datagram of the kernel said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::accelerator::nft) struct Said {
    pub(in crate::accelerator::nft) entries: Vec<Entry>,
    /// That nothing more comes, and with which error number; 0 where all went well.
    pub(in crate::accelerator::nft) end: Option<i32>,
}

/// Asks for every entry of both families.
pub(super) fn ask_for_all() -> Vec<u8> {
    message(GET, REQUEST | DUMP, 0, &[])
}

/// Asks for the entry that has the addresses of this one now.
pub(super) fn ask_for(entry: &Entry) -> Vec<u8> {
    message(GET, REQUEST | ACKNOWLEDGE, entry.family(), &entry.name)
}

/// Has this entry deleted, and no other that has its addresses by now.
pub(super) fn delete(entry: &Entry) -> Vec<u8> {
    message(DELETE, REQUEST | ACKNOWLEDGE, entry.family(), &entry.name)
}

fn message(kind: u16, flags: u16, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + FAMILY + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + FAMILY + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0]);
    bytes.extend(body);
    bytes
}

/// Reads what came in one datagram. What is not understood is passed over: a newer kernel says more.
pub(super) fn read(mut datagram: &[u8]) -> Said {
    let mut said = Said::default();
    while let Some((length, kind)) = header(datagram) {
        let Some(message) = datagram.get(HEADER..length) else { break };
        match kind {
            NEW => said.entries.extend(message.get(FAMILY..).and_then(|body| entry(message[0], body))),
            DONE => said.end = Some(0),
            ERROR => said.end = Some(-message.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes))),
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    said
}

fn header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    (length >= HEADER && bytes.len() >= HEADER).then_some((length, kind))
}

/// The attributes of a message, or of another attribute.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    /// Its kind, its value, and all of its bytes.
    type Item = (u16, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.0.get(2..)?.first_chunk()?) & KIND;
        let value = self.0.get(4..length)?;
        let padded = length.next_multiple_of(4).min(self.0.len());
        let (whole, rest) = self.0.split_at(padded);
        self.0 = rest;
        Some((kind, value, whole))
    }
}

fn one(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    Attributes(bytes).find(|(kind, ..)| *kind == wanted).map(|(_, value, _)| value)
}

/// An entry whose destination was translated; `None` for all others.
fn entry(family: u8, body: &[u8]) -> Option<Entry> {
    let status = u32::from_be_bytes(*one(body, STATUS)?.first_chunk()?);
    if status & TRANSLATED == 0 {
        return None;
    }
    let (protocol, _, to) = tuple(one(body, TUPLE_ORIGINAL)?)?;
    let (_, by, _) = tuple(one(body, TUPLE_REPLY)?)?;
    // Within the state of its protocol that of TCP, within which its state.
    let tcp = one(body, PROTOCOL_STATE).and_then(|all| one(all, 1)).and_then(|tcp| one(tcp, 1)?.first().copied());
    let stage = match tcp {
        Some(state) if OVER.contains(&state) => Stage::Over,
        _ if status & ANSWERED == 0 => Stage::Unanswered,
        _ => Stage::Live,
    };
    let bytes = |kind| Some(u64::from_be_bytes(*one(one(body, kind)?, 2)?.first_chunk()?));
    let moved = bytes(COUNTERS_ORIGINAL).zip(bytes(COUNTERS_REPLY));
    let names = Attributes(body).filter(|(kind, ..)| [TUPLE_ORIGINAL, ID, ZONE].contains(kind));
    let name = names.flat_map(|(.., whole)| whole.iter().copied()).collect();
    Some(Entry { protocol, to, by, stage, moved, name, is_v6: family == 10 })
}

/// The protocol, and the addresses from which and to which packets of one direction go.
fn tuple(bytes: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let (ips, protocol) = (one(bytes, 1)?, one(bytes, 2)?);
    let ip = |v4, v6| -> Option<IpAddr> {
        match one(ips, v4) {
            Some(bytes) => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
            None => Some(Ipv6Addr::from(*one(ips, v6)?.first_chunk::<16>()?).into()),
        }
    };
    let port = |kind| Some(u16::from_be_bytes(*one(protocol, kind)?.first_chunk()?));
    let from = SocketAddr::new(ip(1, 3)?, port(2)?);
    Some((*one(protocol, 1)?.first()?, from, SocketAddr::new(ip(2, 4)?, port(3)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NESTED: u16 = 0x8000;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn tuple_of(kind: u16, from: [u8; 4], from_port: u16, to: [u8; 4], to_port: u16) -> Vec<u8> {
        let ips = [attribute(1, &from), attribute(2, &to)].concat();
        let ports = [attribute(1, &[6]), attribute(2, &from_port.to_be_bytes()), attribute(3, &to_port.to_be_bytes())];
        let inner = [attribute(1 | NESTED, &ips), attribute(2 | NESTED, &ports.concat())].concat();
        attribute(kind | NESTED, &inner)
    }

    fn of(status: u32, state: u8, more: &[Vec<u8>]) -> Vec<u8> {
        let (client, here, container) = ([192, 0, 2, 7], [10, 0, 0, 1], [172, 18, 0, 2]);
        let state = attribute(4 | NESTED, &attribute(1 | NESTED, &attribute(1, &[state])));
        let body = [
            tuple_of(TUPLE_ORIGINAL, client, 40_000, here, 2222),
            tuple_of(TUPLE_REPLY, container, 22, client, 40_000),
            attribute(STATUS, &status.to_be_bytes()),
            state,
            attribute(ID, &[1, 2, 3, 4]),
        ];
        message(NEW, 0, 2, &[body.concat(), more.concat()].concat())
    }

    #[test]
    fn a_translated_connection_is_read_with_who_answers_it_and_how_far_it_has_come() {
        let count = |kind: u16, bytes: u64| attribute(kind | NESTED, &attribute(2, &bytes.to_be_bytes()));
        let counters = [count(COUNTERS_ORIGINAL, 700), count(COUNTERS_REPLY, 9_000)];
        for (status, state, wanted) in [
            (TRANSLATED, 1, Stage::Unanswered),
            (TRANSLATED | ANSWERED, 3, Stage::Live),
            (TRANSLATED | ANSWERED, 5, Stage::Live),
            (TRANSLATED | ANSWERED, 7, Stage::Over),
            (TRANSLATED, 8, Stage::Over),
        ] {
            let said = read(&of(status, state, &counters));
            let [entry] = said.entries.as_slice() else { panic!("{said:?}") };
            assert_eq!((entry.protocol, entry.stage, entry.moved), (6, wanted, Some((700, 9_000))));
            assert_eq!((entry.to.to_string(), entry.by.to_string()), ("10.0.0.1:2222".into(), "172.18.0.2:22".into()));
        }
        assert_eq!(read(&of(TRANSLATED, 3, &[])).entries[0].moved, None);
        assert_eq!(read(&of(ANSWERED, 3, &[])).entries, vec![], "not translated");
    }

    #[test]
    fn what_is_deleted_is_named_by_its_addresses_and_its_number() {
        let zone = attribute(ZONE, &[0, 9]);
        let entry = read(&of(TRANSLATED, 3, std::slice::from_ref(&zone))).entries.remove(0);
        let request = delete(&entry);
        let (length, kind) = header(&request).unwrap();
        assert_eq!((length, kind, request[HEADER]), (request.len(), DELETE, 2));
        let kinds: Vec<u16> = Attributes(&request[HEADER + FAMILY..]).map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, [TUPLE_ORIGINAL, ID, ZONE]);
        assert_eq!(tuple(one(&request[HEADER + FAMILY..], TUPLE_ORIGINAL).unwrap()).unwrap().2.port(), 2222);
    }

    #[test]
    fn what_has_become_something_else_is_told_from_what_it_was() {
        let at = |protocol: u8, by: &str, stage: Stage| {
            Entry::of(protocol, "10.0.0.1:1".parse().unwrap(), by.parse().unwrap(), stage, None)
        };
        let (a, b) = ("172.18.0.2:1", "172.18.0.3:1");
        for (protocol, before, now, (by, is_still)) in [
            (6, Stage::Over, Stage::Over, (a, true)),
            (6, Stage::Over, Stage::Live, (a, false)),
            (6, Stage::Over, Stage::Unanswered, (a, false)),
            (6, Stage::Over, Stage::Over, (b, false)),
            (6, Stage::Unanswered, Stage::Unanswered, (a, true)),
            (6, Stage::Unanswered, Stage::Live, (a, false)),
            (6, Stage::Live, Stage::Live, (a, true)),
            (6, Stage::Live, Stage::Over, (a, true)),
            (6, Stage::Live, Stage::Live, (b, false)),
            (17, Stage::Unanswered, Stage::Live, (a, true)),
            (17, Stage::Live, Stage::Live, (b, false)),
        ] {
            let found = at(protocol, a, before).is_still(&at(protocol, by, now));
            assert_eq!(found, is_still, "{protocol}: {before:?}, {now:?} by {by}");
        }
    }

    #[test]
    fn the_end_is_told_from_an_error_and_from_more_to_come() {
        assert_eq!(read(&of(TRANSLATED, 3, &[])).end, None);
        let error = |kind: u16, value: i32| {
            let mut bytes = message(kind, 0, 0, &[]);
            bytes[HEADER..].copy_from_slice(&value.to_ne_bytes());
            read(&bytes).end
        };
        assert_eq!((error(DONE, 0), error(ERROR, 0), error(ERROR, -1)), (Some(0), Some(0), Some(1)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..200_usize, to in any::<u8>()) {
            read(&bytes);
            let mut changed = of(TRANSLATED, 3, &[]);
            let at = at.min(changed.len() - 1);
            changed[at] = to;
            read(&changed);
        }
    }
}
