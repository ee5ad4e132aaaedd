//! Owns what is done to the backends beside the router: whose table is deleted, and which haproxy is reloaded or killed. Only
//! what came to be for this HomePort is touched.

use std::process::Command;
use std::time::{Duration, Instant};

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
        for access in [Access::Shared, Access::Exclusive] {
            self.homeport(&["route", "set", instance(access), ECHO, "--backend", backend.word()])?;
        }
        self.backend = backend;
        Ok(())
    }

    /// Deletes the table of this HomePort, and waits until it is there again.
    pub(super) fn delete_table(&self) -> Result<(), String> {
        let table = self.table().ok_or("there is no table with the ports of this HomePort")?;
        tool("nft", &["delete", "table", "inet", &table]);
        eventually("the table is there again", || self.table().is_some())
    }

    /// The table of this HomePort: of all that are called so on this machine, the one that has its port.
    fn table(&self) -> Option<String> {
        let listed = tool("nft", &["list", "tables", "inet"]);
        let names = listed.lines().filter_map(|line| line.trim().strip_prefix("table inet "));
        let port = self.port(Access::Exclusive, ECHO).to_string();
        let has_port = |name: &&str| {
            // One that is being made anew may be gone by now.
            let output = Command::new("nft").args(["list", "table", "inet", name]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split(|c: char| !c.is_ascii_digit()).any(|number| number == port)
        };
        names.filter(|name| name.starts_with("homeport-")).find(has_port).map(str::to_owned)
    }

    /// Changes what its haproxy has to know: it gets another configuration, or another process takes its place.
    pub(super) fn reload_proxy(&mut self) -> Result<(), String> {
        self.changed = !self.changed;
        let most = if self.changed { "100000" } else { "usual" };
        self.homeport(&["route", "set", instance(Access::Exclusive), ECHO, "--new-per-second", most])
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
