//! Owns what is done to the backends beside the router: whose table is deleted, and which haproxy is reloaded or killed. Only
//! what came to be for this HomePort is touched.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::attempt::Blow;
use super::case::Backend;
use super::load::PATIENCE;
use super::port::Access;
use super::stage::{ECHO, Stage, instance, kill};
use crate::world::tool;

impl Stage {
    /// Lets this carry the bytes of both instances; what HomePort says where it does not.
    pub(super) fn carry_by(&mut self, backend: Backend) -> Result<(), String> {
        if backend == self.backend {
            return Ok(());
        }
        let before = tables();
        for access in [Access::Shared, Access::Exclusive] {
            self.homeport(&["route", "set", instance(access), ECHO, "--backend", backend.word()])?;
        }
        self.tables.extend(tables().difference(&before).cloned());
        self.backend = backend;
        Ok(())
    }

    /// Deletes the table that came to be for this HomePort, and waits until it is there again.
    pub(super) fn delete_table(&self) -> Result<(), String> {
        if self.tables.is_empty() {
            return Err("no table came to be".to_owned());
        }
        for table in &self.tables {
            let words: Vec<&str> = ["delete"].into_iter().chain(table.split(' ')).collect();
            tool("nft", &words);
        }
        eventually("the table is there again", || self.tables.is_subset(&tables()))
    }

    /// Tells the haproxy of this HomePort to read its configuration again.
    pub(super) fn reload_proxy(&self) -> Result<(), String> {
        let first = self.processes("haproxy").into_iter().min().ok_or("no haproxy of this HomePort runs")?;
        let pid = Pid::from_raw(first).ok_or("no process")?;
        kill_process(pid, Signal::USR2).map_err(|error| format!("process {first} cannot be told: {error}"))
    }

    /// Kills every haproxy of this HomePort, and waits for another one.
    pub(super) fn kill_proxy(&self) -> Result<Blow, String> {
        let before = self.processes("haproxy");
        if before.is_empty() {
            return Err("no haproxy of this HomePort runs".to_owned());
        }
        let from = Instant::now();
        for process in &before {
            kill(*process)?;
        }
        let blow = Blow { from, to: Instant::now() };
        eventually("another haproxy runs", || self.processes("haproxy").iter().any(|now| !before.contains(now)))?;
        Ok(blow)
    }
}

/// The tables that the machine has.
fn tables() -> BTreeSet<String> {
    let listed = tool("nft", &["list", "tables"]);
    listed.lines().map(|line| line.trim().to_owned()).collect()
}

/// Waits until it holds.
pub(super) fn eventually(what: &str, holds: impl Fn() -> bool) -> Result<(), String> {
    let end = Instant::now() + PATIENCE * 3;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("not in time: {what}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
