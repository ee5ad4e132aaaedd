//! Owns what a test does to the simulated engine from outside: images put in, faults planned, containers made to die.

use super::SimEngine;
use super::fault::{FailOn, Outage, When};
use super::program::SimImage;
use crate::engine::error::Action;
use crate::engine::facts::EngineFacts;
use crate::engine::label::LabelFilter;
use crate::engine::name::{ContainerName, NetworkName};
use crate::engine::observe::{ContainerFacts, Stream};
use crate::engine::outcome::{ExitCode, MemoryEnd};
use crate::engine::spec::ContainerSpec;

impl SimEngine {
    /// Puts an image in. A name that another image had goes over to it; one of the same id is replaced.
    pub fn put_image(&self, image: SimImage) {
        self.change(|world| world.put_image(image));
    }

    /// Says which image these bytes are the archive of, for `load_image`.
    pub fn put_archive(&self, bytes: impl Into<Vec<u8>>, image: SimImage) {
        self.change(|world| world.archives.push((bytes.into(), image)));
    }

    /// Makes the engine another, too old for example.
    pub fn set_facts(&self, facts: EngineFacts) {
        self.change(|world| world.facts = facts);
    }

    /// Lets a call fail. Faults are forgotten at the restart; several can be planned.
    pub fn fail(&self, on: FailOn, when: When) {
        self.change(|world| world.faults.fail(on, when));
    }

    /// Lets the process die in the call of this number since the last restart, counted from 0. From then on every call
    /// fails with [`crate::engine::EngineError::Died`] and changes nothing.
    pub fn die(&self, call: usize, when: When) {
        self.change(|world| world.faults.die_at(call, when));
    }

    /// Whether the process has died since the last restart.
    pub fn is_dead(&self) -> bool {
        self.world().faults.is_dead()
    }

    /// A new process over the same engine: containers, networks and images are as they were, planned faults and the list
    /// of calls are empty.
    pub fn restart(&self) {
        self.change(|world| world.faults.restart());
    }

    /// Makes the engine unreachable, or reachable again. What runs goes on running.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.change(|world| world.faults.outage = outage);
    }

    /// Every call since the last restart in order, those that failed included.
    pub fn calls(&self) -> Vec<Action> {
        self.world().faults.calls.clone()
    }

    /// Ends a running container by itself with this code.
    pub fn exit(&self, container: &ContainerName, code: ExitCode) {
        self.end_named(container, code, MemoryEnd::Enough);
    }

    /// Ends a running container for want of memory.
    pub fn out_of_memory(&self, container: &ContainerName) {
        self.end_named(container, ExitCode::KILLED, MemoryEnd::OutOfMemory);
    }

    fn end_named(&self, container: &ContainerName, code: ExitCode, memory: MemoryEnd) {
        self.change(|world| {
            if let Some(id) = world.find(&container.into()) {
                world.end(&id, code, memory);
            }
        });
    }

    /// Ends every running container, as when the machine is switched off and on.
    pub fn reboot(&self) {
        self.change(|world| {
            let ids: Vec<_> = world.containers.keys().cloned().collect();
            for id in ids {
                world.end(&id, ExitCode::KILLED, MemoryEnd::Enough);
            }
        });
    }

    /// Writes to a container's log.
    pub fn print(&self, container: &ContainerName, stream: Stream, bytes: impl Into<Vec<u8>>) {
        self.change(|world| {
            if let Some(id) = world.find(&container.into()) {
                world.print(&id, stream, bytes.into());
            }
        });
    }

    /// All containers by name, without a call.
    pub fn containers(&self) -> Vec<ContainerFacts> {
        self.world().list(&LabelFilter::any())
    }

    /// How a container was described, without a call.
    pub fn spec(&self, container: &ContainerName) -> Option<ContainerSpec> {
        let world = self.world();
        let id = world.find(&container.into())?;
        world.containers.get(&id).map(|found| found.spec.clone())
    }

    /// The names of all networks, without a call.
    pub fn networks(&self) -> Vec<NetworkName> {
        let mut names: Vec<_> = self.world().networks.values().map(|spec| spec.name.clone()).collect();
        names.sort();
        names
    }
}
