//! Owns one instance that is taken through versions: how it is deployed, what its clients were promised, and how it goes.
//! Never judges it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::client::{PATIENCE, Put, Writer, put};
use super::port::{Age, Archives, Variant};
use crate::world::World;

/// The instance's name.
pub(super) const NAME: &str = "it";

/// An instance, and what its clients wrote.
pub(super) struct Subject<'w> {
    pub(super) world: &'w World,
    pub(super) variant: Variant,
    pub(super) address: String,
    /// Every note that anybody ever tried to write.
    pub(super) tried: BTreeMap<String, String>,
    /// The notes that have to be there.
    pub(super) kept: BTreeSet<String>,
    /// The notes that were confirmed while an operation went on that was cut off.
    pub(super) meanwhile: BTreeSet<String>,
    /// The mounts that are there when nothing goes on.
    pub(super) mounts: BTreeSet<String>,
    daemons: Vec<Child>,
    round: usize,
}

impl<'w> Subject<'w> {
    /// Deploys the older version and writes some notes.
    pub(super) fn deploy(world: &'w World, archives: &Archives, variant: Variant) -> Self {
        let image = archives.name(variant, Age::Older);
        world.ok(&["deploy", image, "--name", NAME, "--route", "notes=127.0.0.1:random"]);
        let address = world.address(NAME, "notes");
        let mounts = world.mounts().into_iter().collect();
        let mut subject = Self {
            world,
            variant,
            address,
            tried: BTreeMap::new(),
            kept: BTreeSet::new(),
            meanwhile: BTreeSet::new(),
            mounts,
            daemons: Vec::new(),
            round: 0,
        };
        for n in 0..10 {
            subject.put(&format!("first-{n}"), &format!("note \"{n}\" of the first")).unwrap();
        }
        subject
    }

    /// Writes a note that has to be there from now on.
    pub(super) fn put(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        self.tried.insert(name.to_owned(), text.to_owned());
        put(&self.address, name, text, PATIENCE)?;
        self.kept.insert(name.to_owned());
        Ok(())
    }

    /// A client that writes until it is stopped.
    pub(super) fn writer(&mut self) -> Writer {
        self.round += 1;
        Writer::start(&self.address, &format!("round-{}", self.round))
    }

    /// Remembers what a client wrote while something was cut off.
    pub(super) fn wrote(&mut self, notes: BTreeMap<String, Put>) {
        for (name, note) in notes {
            if note.confirmed.is_some() {
                self.meanwhile.insert(name.clone());
            }
            self.tried.insert(name, note.text);
        }
    }

    /// The version that the ledger has.
    pub(super) fn age(&self) -> Age {
        Age::of(self.world.status(NAME)["version"].as_str().unwrap())
    }

    /// The volume's directory.
    pub(super) fn volume(&self) -> PathBuf {
        self.world.root().join("data").join(NAME).join("data")
    }

    /// Starts a daemon as a machine does at its start.
    pub(super) fn start_daemon(&mut self) {
        let mut command = self.world.command();
        command.args(["daemon", "run"]).stdout(Stdio::null());
        let log = std::fs::OpenOptions::new().append(true).open(self.world.root().join("state/daemon.log"));
        command.stderr(log.unwrap());
        self.daemons.push(command.spawn().unwrap());
    }

    /// Removes the instance and ends the daemon; what is left then.
    pub(super) fn remove(mut self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for args in [&["snapshot", "verify"][..], &["remove", NAME], &["daemon", "stop"]] {
            let did = self.world.run(args);
            if did.code != 0 {
                wrongs.push(format!("`homeport {}` ended with {}: {}", args.join(" "), did.code, did.err.trim()));
            }
        }
        for daemon in &mut self.daemons {
            if daemon.try_wait().unwrap().is_none() {
                wrongs.push("a daemon is there that did not end".to_owned());
                drop(daemon.kill());
            }
            drop(daemon.wait());
        }
        self.daemons.clear();
        let known = |trace: &String| !self.mounts.iter().any(|mount| *trace == format!("mount {mount}"));
        wrongs.extend(self.world.traces().into_iter().filter(known).map(|trace| format!("after the end: {trace}")));
        wrongs
    }
}

impl Drop for Subject<'_> {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}
