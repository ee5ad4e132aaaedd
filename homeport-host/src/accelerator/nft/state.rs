//! Owns what is led now and what is remembered of it, and that the table is as that. Counts no connections but to forget what has
//! none any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use homeport_router::RouteId;
use serde_json::Value;

use super::command::{find, run};
use super::events::Events;
use super::flows;
use super::forward::{self, Passage};
use super::guard::Guard;
use super::lead::{Element, Lead, Owner, elements};
use super::listing::{self, Counts, Found};
use super::near::near;
use super::offer::is_on;
use super::ruleset::{Known, entries_anew, removal, whole};
use super::span::Family;
use super::table::TableName;
use crate::accelerator::{Drift, Front};

/// How often elements are made again, whose life is three times as long.
const AGAIN: Duration = Duration::from_secs(10);
/// So many packets that began something and went nowhere are no accident; a client that gets no answer sends four in ten seconds.
const SILENT: u64 = 2;
const FORWARDS_V6: &str = "net.ipv6.conf.all.forwarding";

/// What is led and remembered.
#[derive(Debug, Default)]
pub(super) struct State {
    led: BTreeMap<RouteId, Led>,
    known: Known,
    table: Presence,
    events: Option<Events>,
    guard: Option<Guard>,
    /// When the table was made or looked at last.
    looked: Option<Instant>,
    passed: Option<Passed>,
}

/// What had come and gone on when that was looked at last.
#[derive(Debug)]
struct Passed {
    came: Counts,
    went: Counts,
    looked: Instant,
}

/// A route that is led.
#[derive(Debug)]
struct Led {
    lead: Lead,
    elements: Vec<Element>,
}

/// The table, as far as this knows.
#[derive(Debug, Default)]
enum Presence {
    /// There is none, and none of what it needs.
    #[default]
    Absent,
    /// It is there, or something of it, and has to be made anew as a whole.
    Doubtful,
    /// It is there, and everything of it but its entries is this.
    There(Vec<Value>),
}

impl State {
    /// What is remembered of everything that is led, or may have connections.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Takes up what is remembered in a table that an earlier daemon left, and empties its maps.
    pub(super) fn begin(&mut self, table: &TableName) -> Result<(), String> {
        self.led.clear();
        match list(table)? {
            None => forward::bring_to(table, &BTreeSet::new()),
            Some(found) => {
                (self.known, self.table) = (found.known, Presence::Doubtful);
                self.write(table)
            }
        }
    }

    /// Makes everything as it has to be for these.
    pub(super) fn apply(&mut self, table: &TableName, wanted: &[Front]) -> Result<(), String> {
        self.led.clear();
        let led: Result<Vec<Lead>, String> = wanted.iter().map(|front| self.take(front)).collect();
        if self.led.is_empty() && matches!(self.table, Presence::Absent) {
            return led.map(drop);
        }
        forward::bring_to(table, &self.passages())?;
        self.write(table)?;
        led.map(drop)
    }

    /// Leads a route from now on. What an address of the same container led to before is nobody's any more.
    pub(super) fn point(&mut self, table: &TableName, front: &Front) -> Result<Lead, String> {
        let lead = self.take(front)?;
        // Before anybody is led there.
        forward::bring_to(table, &self.passages())?;
        self.write(table)?;
        let is_elsewhere = |other: &Lead, owner: &Owner| {
            owner.container == front.target.container && other.target.ip() != front.target.address.ip()
        };
        let gone: Vec<Lead> =
            self.known.iter().filter(|(lead, owner)| is_elsewhere(lead, owner)).map(|(lead, _)| *lead).collect();
        if !gone.is_empty() {
            flows::end(&self.known, |lead, _| gone.contains(lead))?;
        }
        Ok(lead)
    }

    fn take(&mut self, front: &Front) -> Result<Lead, String> {
        let address = front.target.address;
        let lead = Lead::of(front.transport, front.address, address).ok_or_else(|| {
            format!("`{}` is of another family than the container's `{}`", front.address, address.ip())
        })?;
        if lead.family() == Family::V6 && !is_on(FORWARDS_V6) {
            return Err(format!("the container's address is `{}`, and `{FORWARDS_V6}` is 0", address.ip()));
        }
        let elements = elements(front, lead, near(address.ip()));
        let owner = Owner { route: front.id.clone(), container: front.target.container.clone() };
        self.known.insert(lead, owner);
        self.led.insert(front.id.clone(), Led { lead, elements });
        Ok(lead)
    }

    /// Leads a route nowhere. The table is written also where it was not led: the last time may have failed.
    pub(super) fn unpoint(&mut self, table: &TableName, id: &RouteId) -> Result<(), String> {
        let was_led = self.led.remove(id).is_some();
        if was_led || matches!(self.table, Presence::Doubtful) { self.write(table) } else { Ok(()) }
    }

    /// Whether the table is as it was made, and Docker's as well. What is remembered without need is forgotten, and with the last
    /// of that the table is taken away.
    pub(super) fn observe(&mut self, table: &TableName) -> Result<Drift, String> {
        if matches!(self.table, Presence::Absent) {
            return Ok(Drift::None);
        }
        let is_told = self.events.as_ref().is_none_or(Events::take);
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= AGAIN);
        if !is_told && !is_due {
            return Ok(Drift::None);
        }
        self.looked = Some(Instant::now());
        self.forget()?;
        self.keep_guard(table);
        if self.led.is_empty() && self.known.is_empty() {
            self.remove(table)?;
            return Ok(Drift::None);
        }
        forward::bring_to(table, &self.passages())?;
        let found = list(table)?;
        let drift = self.drift(table, found.as_ref());
        if let Drift::Found(_) = drift {
            self.table = Presence::Doubtful;
        }
        if drift != Drift::None {
            return Ok(drift);
        }
        let silent = found.as_ref().map_or_else(Vec::new, |found| self.silent(found));
        Ok(match (silent.is_empty(), is_due) {
            (false, _) => Drift::Silent(silent),
            (true, true) => Drift::Due,
            (true, false) => Drift::None,
        })
    }

    fn drift(&self, table: &TableName, found: Option<&Found>) -> Drift {
        let Some(found) = found else { return Drift::Found(format!("the table `{table}` was taken away")) };
        match &self.table {
            Presence::There(frame) if *frame != found.frame => Drift::Found(format!("the table `{table}` was changed")),
            _ if found.elements != self.elements().copied().collect() => {
                Drift::Found(format!("the maps of the table `{table}` have other entries than they had"))
            }
            Presence::There(_) => Drift::None,
            // What it was is not known: it is made anew without a word.
            Presence::Absent | Presence::Doubtful => Drift::Due,
        }
    }

    /// Sees to it that there is a guard as long as there is a table.
    fn keep_guard(&mut self, table: &TableName) {
        if !self.guard.as_mut().is_some_and(Guard::is_there) {
            self.guard = Guard::start(table);
        }
    }

    /// The routes to which clients were led, none of whom was forwarded, since this looked last.
    fn silent(&mut self, found: &Found) -> Vec<RouteId> {
        if self.passed.as_ref().is_some_and(|passed| passed.looked.elapsed() < AGAIN) {
            return Vec::new();
        }
        let (came, went) = (found.came.clone(), found.went.clone());
        let before = self.passed.replace(Passed { came, went, looked: Instant::now() });
        let Some(before) = before else { return Vec::new() };
        let is_silent = |led: &Led| {
            let target = (led.lead.protocol, led.lead.target);
            let more = |now: &Counts, then: &Counts| {
                let of = |counts: &Counts| counts.get(&target).copied().unwrap_or(0);
                of(now).saturating_sub(of(then))
            };
            more(&found.came, &before.came) >= SILENT && more(&found.went, &before.went) == 0
        };
        self.led.iter().filter(|(_, led)| is_silent(led)).map(|(id, _)| id.clone()).collect()
    }

    /// Forgets what leads nowhere and has no connections.
    fn forget(&mut self) -> Result<(), String> {
        if self.known.len() > self.led.len() {
            let in_use = flows::in_use(&self.known)?;
            let led: BTreeSet<Lead> = self.led.values().map(|led| led.lead).collect();
            self.known.retain(|lead, _| led.contains(lead) || in_use.contains(lead));
        }
        Ok(())
    }

    /// Takes everything away, and returns what it knew.
    pub(super) fn give_up(&mut self, table: &TableName) -> Result<Known, String> {
        let known = std::mem::take(&mut self.known);
        self.led.clear();
        if !matches!(self.table, Presence::Absent) {
            self.remove(table)?;
        }
        Ok(known)
    }

    fn remove(&mut self, table: &TableName) -> Result<(), String> {
        // Doubtful until everything is gone.
        self.table = Presence::Doubtful;
        run("nft", &["-f", "-"], &removal(table))?;
        forward::bring_to(table, &BTreeSet::new())?;
        (self.table, self.events, self.guard) = (Presence::Absent, None, None);
        Ok(())
    }

    fn elements(&self) -> impl Iterator<Item = &Element> {
        self.led.values().flat_map(|led| &led.elements)
    }

    fn passages(&self) -> BTreeSet<Passage> {
        let passage = |lead: &Lead| Passage { protocol: lead.protocol, port: lead.port.get(), target: lead.target };
        self.known.keys().map(passage).collect()
    }

    /// Makes the table as it has to be: its entries where it is there, else all of it.
    fn write(&mut self, table: &TableName) -> Result<(), String> {
        let elements: Vec<Element> = self.elements().copied().collect();
        if let Presence::There(_) = self.table
            && run("nft", &["-f", "-"], &entries_anew(table, &elements, &self.known)).is_ok()
        {
            self.looked = Some(Instant::now());
            return Ok(());
        }
        // It may be gone, or not be what it was.
        self.table = Presence::Doubtful;
        run("nft", &["-f", "-"], &whole(table, &elements, &self.known))?;
        self.looked = Some(Instant::now());
        self.events = Events::follow().ok();
        self.keep_guard(table);
        if let Some(found) = list(table)? {
            self.table = Presence::There(found.frame);
        }
        Ok(())
    }
}

/// The table as it is; `None` where there is none.
fn list(table: &TableName) -> Result<Option<Found>, String> {
    if find("nft").is_none() {
        return Ok(None);
    }
    match run("nft", &["-j", "list", "table", "inet", table.as_str()], "") {
        Ok(text) => listing::read(&text).map(Some),
        Err(why) if why.contains("No such file or directory") => Ok(None),
        // Whoever may not look has made none.
        Err(why) if why.contains("Operation not permitted") => Ok(None),
        Err(why) => Err(why),
    }
}
