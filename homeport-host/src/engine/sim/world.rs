//! Owns everything that the simulated engine holds. Never waits: that is its handle's work.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use homeport_core::digest::Digest;
use time::{Date, Duration, Month, OffsetDateTime, Time};

use super::fault::{Faults, Verdict};
use super::program::SimImage;
use crate::engine::error::{Action, EngineError, Subject};
use crate::engine::facts::{CgroupVersion, EngineFacts, Feature, OLDEST_API};
use crate::engine::label::LabelFilter;
use crate::engine::name::{ContainerId, ContainerRef, NetworkId, NetworkName};
use crate::engine::network::NetworkSpec;
use crate::engine::observe::{ContainerEvent, ContainerState, EventKind, Stream};
use crate::engine::outcome::{EnsureOutcome, RemoveOutcome};
use crate::engine::spec::{ContainerSpec, NetworkMode};

use super::program::OnStop;

/// A simulated container.
#[derive(Debug)]
pub(super) struct SimContainer {
    pub(super) spec: ContainerSpec,
    pub(super) state: ContainerState,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) on_stop: OnStop,
    pub(super) runs: u32,
    pub(super) output: Vec<(OffsetDateTime, Stream, Vec<u8>)>,
}

/// Everything that the engine holds.
#[derive(Debug)]
pub(super) struct World {
    pub(super) facts: EngineFacts,
    pub(super) images: BTreeMap<Digest, SimImage>,
    pub(super) archives: Vec<(Vec<u8>, SimImage)>,
    pub(super) networks: BTreeMap<NetworkId, NetworkSpec>,
    pub(super) containers: BTreeMap<ContainerId, SimContainer>,
    pub(super) events: Vec<ContainerEvent>,
    pub(super) faults: Faults,
    /// A container that the engine is still making, and in how many calls it is made.
    pub(super) late: Option<(ContainerSpec, u32)>,
    made: u32,
    ticks: i64,
}

impl World {
    pub(super) fn new() -> Self {
        let features = [Feature::MemoryLimit, Feature::PidLimit, Feature::CpuShares, Feature::Seccomp];
        Self {
            facts: EngineFacts {
                version: "simulated".to_owned(),
                api: OLDEST_API,
                cgroups: CgroupVersion::V2,
                features: features.into(),
                storage: "memory".to_owned(),
                directory: "/nonexistent".to_owned(),
                architecture: "x86_64".to_owned(),
                warnings: Vec::new(),
            },
            images: BTreeMap::new(),
            archives: Vec::new(),
            networks: BTreeMap::new(),
            containers: BTreeMap::new(),
            events: Vec::new(),
            faults: Faults::default(),
            late: None,
            made: 0,
            ticks: 0,
        }
    }

    pub(super) fn begin(&mut self, action: &Action) -> Result<Verdict, EngineError> {
        let verdict = self.faults.begin(action);
        if let Some((_, calls)) = &mut self.late {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.make_late();
            }
        }
        verdict
    }

    pub(super) const fn die(&mut self) {
        self.faults.die();
    }

    /// The next moment: every event has one of its own.
    pub(super) fn now(&mut self) -> OffsetDateTime {
        self.ticks += 1;
        let start = Date::from_calendar_date(2030, Month::January, 1).unwrap_or(Date::MIN);
        OffsetDateTime::new_utc(start, Time::MIDNIGHT) + Duration::milliseconds(self.ticks)
    }

    /// Lets time pass.
    pub(super) const fn pass(&mut self, seconds: u32) {
        self.ticks += seconds as i64 * 1000;
    }

    /// A number that was never given before, and 64 digits made of it that differ from the first digit on.
    pub(super) fn next_id(&mut self) -> (u32, String) {
        self.made += 1;
        // Odd, so that no two numbers give the same digits.
        (self.made, format!("{:08x}", self.made.wrapping_mul(0x9e37_79b1)).repeat(8))
    }

    /// The id of the container that is meant, if it is there.
    pub(super) fn find(&self, container: &ContainerRef) -> Option<ContainerId> {
        match container {
            ContainerRef::Id(id) => self.containers.contains_key(id).then(|| id.clone()),
            ContainerRef::Name(name) => {
                self.containers.iter().find(|(_, found)| found.spec.name == *name).map(|(id, _)| id.clone())
            }
        }
    }

    /// The container that is meant, or the error that it is not there.
    pub(super) fn existing(
        &mut self,
        action: &Action,
        container: &ContainerRef,
    ) -> Result<(ContainerId, &mut SimContainer), EngineError> {
        let id = self.find(container);
        id.and_then(|id| self.containers.get_mut(&id).map(|found| (id, found))).ok_or_else(|| EngineError::NotFound {
            action: action.clone(),
            what: Subject::Container,
            name: container.to_string(),
        })
    }

    /// Writes down that something happened to a container.
    pub(super) fn happened(&mut self, id: &ContainerId, kind: EventKind) {
        let at = self.now();
        if let Some(container) = self.containers.get(id) {
            let labels = self.labels_of(&container.spec);
            self.events.push(ContainerEvent { at, id: id.clone(), name: container.spec.name.clone(), labels, kind });
        }
    }

    /// The lowest address of a network that no running container has, as Docker gives them.
    pub(super) fn free_address(&self, network: &NetworkId) -> Ipv4Addr {
        let subnet = self.networks.keys().position(|id| id == network).unwrap_or(0);
        let subnet = u8::try_from(subnet % 200).unwrap_or(0) + 18;
        let taken: Vec<_> = self.containers.values().filter_map(|container| container.address).collect();
        let mut host = 2_u32;
        loop {
            let [_, _, high, low] = host.to_be_bytes();
            let address = Ipv4Addr::new(172, subnet, high, low);
            if !taken.contains(&address) {
                return address;
            }
            host += 1;
        }
    }

    pub(super) fn addresses_of(&self, container: &SimContainer) -> BTreeMap<String, IpAddr> {
        match (&container.spec.network, container.address) {
            (NetworkMode::Attached(network), Some(address)) => {
                let name = self.networks.get(network).map_or_else(|| network.to_string(), |spec| spec.name.to_string());
                BTreeMap::from([(name, IpAddr::V4(address))])
            }
            _ => BTreeMap::new(),
        }
    }

    pub(super) fn ensure_network(
        &mut self,
        action: &Action,
        spec: &NetworkSpec,
    ) -> Result<EnsureOutcome<NetworkId>, EngineError> {
        if let Some((id, found)) = self.networks.iter().find(|(_, found)| found.name == spec.name) {
            let same = found.labels.cover(&spec.labels) && found.peers == spec.peers && found.reach == spec.reach;
            return if same {
                Ok(EnsureOutcome::Unchanged(id.clone()))
            } else {
                let message = "a network of this name exists with other labels or options".to_owned();
                Err(EngineError::Conflict { action: action.clone(), message })
            };
        }
        let (_, digits) = self.next_id();
        let id: NetworkId = parse_id(action, &digits)?;
        self.networks.insert(id.clone(), spec.clone());
        Ok(EnsureOutcome::Created(id))
    }

    pub(super) fn network(&self, name: &NetworkName, filter: &LabelFilter) -> Option<NetworkId> {
        self.networks
            .iter()
            .find(|(_, found)| found.name == *name && filter.matches(&found.labels))
            .map(|(id, _)| id.clone())
    }

    pub(super) fn remove_network(
        &mut self,
        action: &Action,
        network: &NetworkId,
    ) -> Result<RemoveOutcome, EngineError> {
        let attached = |container: &SimContainer| {
            container.state.is_running() && container.spec.network == NetworkMode::Attached(network.clone())
        };
        if self.containers.values().any(attached) {
            let message = "the network has active endpoints".to_owned();
            return Err(EngineError::Conflict { action: action.clone(), message });
        }
        Ok(match self.networks.remove(network) {
            Some(_) => RemoveOutcome::Removed,
            None => RemoveOutcome::Absent,
        })
    }

    /// What a container of this description does when it starts.
    pub(super) fn program_of(&self, spec: &ContainerSpec) -> super::program::Program {
        self.images.get(&spec.image).map_or_else(
            || {
                Arc::new(|_: &mut super::program::Boot| super::program::Fate::Refused("its image is gone".to_owned()))
                    as _
            },
            |image| Arc::clone(&image.program),
        )
    }
}

pub(super) fn parse_id<T>(action: &Action, digits: &str) -> Result<T, EngineError>
where
    T: std::str::FromStr<Err = crate::engine::name::EngineNameError>,
{
    digits
        .parse()
        .map_err(|error: T::Err| EngineError::Unexpected { action: action.clone(), message: error.to_string() })
}
