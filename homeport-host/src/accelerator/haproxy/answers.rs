//! Owns the reading of what a haproxy answers on its own socket. Pure: text in, values out. What is missing or strange in a line
//! makes it no answer; columns are found by their names, since later versions add some.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use homeport_router::RefusedBecause;

use super::config::{BACKEND, Counter};
use super::slot::{Count, Slot};

/// The bit that a server keeps that began in maintenance.
const DISABLED_AT_FIRST: u8 = 4;

/// What a server is, as far as new clients are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// Where it answers; `None` of a socket of this machine.
    pub(super) address: Option<SocketAddr>,
    /// Whether it gets new clients: it is not in maintenance, drained or down.
    pub(super) is_open: bool,
}

/// The servers of the backend by name, from `show servers state`; `None` where that is no such answer.
pub(super) fn servers(text: &str) -> Option<BTreeMap<String, Server>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first line is the version of the format.
    lines.by_ref().find(|line| *line == "1")?;
    let names: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(' ').collect();
    let column = |name: &str| names.iter().position(|found| *found == name);
    let backend = column("be_name")?;
    let (name, address, port) = (column("srv_name")?, column("srv_addr")?, column("srv_port")?);
    let (state, admin) = (column("srv_op_state")?, column("srv_admin_state")?);
    let mut found = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields.get(backend) != Some(&BACKEND) {
            continue;
        }
        let ip = fields.get(address)?.parse().ok();
        let port = fields.get(port)?.parse().ok()?;
        let (state, admin): (u8, u8) = (fields.get(state)?.parse().ok()?, fields.get(admin)?.parse().ok()?);
        // The state is 2 of a server that runs, and the other field has a bit for each reason to leave it alone; that the
        // configuration had one at first is none.
        let is_open = state == 2 && admin & !DISABLED_AT_FIRST == 0;
        let server = Server { address: ip.map(|ip| SocketAddr::new(ip, port)), is_open };
        found.insert((*fields.get(name)?).to_owned(), server);
    }
    Some(found)
}

/// What is counted of each slot, from `show stat`, and of whom was refused, from `show table` right after it; `None` where that is
/// no such answer.
pub(super) fn told(text: &str) -> Option<(BTreeMap<Slot, Count>, RefusedBecause)> {
    // Each says first what it is.
    let (counted, table) = text.split_once("# table: ")?;
    Some((counts(counted)?, refused(table)))
}

fn counts(text: &str) -> Option<BTreeMap<Slot, Count>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let column = |name: &str| names.iter().position(|found| *found == name);
    let (backend, name) = (column("pxname")?, column("svname")?);
    let (current, all, left) = (column("scur")?, column("stot")?, column("wredis")?);
    let (from_clients, to_clients) = (column("bin")?, column("bout")?);
    let mut found = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let Ok(slot) = fields.get(name)?.parse::<Slot>() else { continue };
        if fields.get(backend) == Some(&BACKEND) {
            let number = |column: usize| fields.get(column)?.parse::<u64>().ok();
            let count = Count {
                connections: usize::try_from(number(current)?).ok()?,
                // Each attempt is counted; who was then led elsewhere was not accepted here.
                accepted: number(all)?.saturating_sub(number(left)?),
                from_clients: number(from_clients)?,
                to_clients: number(to_clients)?,
            };
            found.insert(slot, count);
        }
    }
    Some(found)
}

/// The connections that are being made to these slots, from `show sess`: each by what ends it.
pub(super) fn pending(text: &str, slots: &[Slot]) -> Vec<String> {
    // Of a session's side towards the server, from 4 (a server was chosen) to 7 (its answer was seen); 8 is connected.
    let is_being_made = |line: &str| {
        let state = line.split_once(" scb=[").and_then(|(_, rest)| rest.split(',').next());
        state.and_then(|state| state.parse::<u8>().ok()).is_some_and(|state| (2..8).contains(&state))
    };
    let is_to = |line: &str| {
        let server = line.split_once(" srv=").and_then(|(_, rest)| rest.split(' ').next());
        server.and_then(|server| server.parse().ok()).is_some_and(|server| slots.contains(&server))
    };
    let own = text.lines().filter(|line| is_to(line) && is_being_made(line));
    own.filter_map(|line| line.split_once(':')).map(|(session, _)| session.to_owned()).collect()
}

/// None where nobody has come yet.
fn refused(text: &str) -> RefusedBecause {
    let fields = text.split_whitespace().filter_map(|field| field.strip_prefix("gpc")?.split_once('='));
    let counters: BTreeMap<&str, u64> =
        fields.filter_map(|(number, count)| Some((number, count.parse().ok()?))).collect();
    let of = |counter: Counter| counters.get((counter as u8).to_string().as_str()).copied().unwrap_or_default();
    RefusedBecause {
        not_allowed: of(Counter::NotAllowed),
        full: of(Counter::Full),
        source_full: of(Counter::SourceFull),
        too_fast: of(Counter::TooFast),
        ..RefusedBecause::default()
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
