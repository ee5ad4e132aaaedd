//! What is really there, put together from ledger, engine, routes, mounts and volumes. Whatever must always be so is
//! asserted here, each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use homeport_core::config::Value;
use homeport_core::name::InstanceName;
use homeport_host::container::LABEL_INSTANCE;
use homeport_host::ledger::{Desired, HasData, OperationId, Origin, VolumeState};
use homeport_host::routes::SimLead;
use homeport_volumes::Marker;

use crate::stage::{SECRET, Stage, alice, mounts_below};

/// How an instance is, with its greeting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Now {
    /// There is none.
    Absent,
    /// It runs, as it should.
    Running(String),
    /// It is stopped, as it should.
    Stopped(String),
    /// It should run and does not.
    Down(String),
}

impl Now {
    pub(crate) fn running(greeting: &str) -> Self {
        Self::Running(greeting.to_owned())
    }

    pub(crate) fn stopped(greeting: &str) -> Self {
        Self::Stopped(greeting.to_owned())
    }

    pub(crate) fn down(greeting: &str) -> Self {
        Self::Down(greeting.to_owned())
    }
}

impl Stage {
    /// How `alice` is, after every operation was brought to an end.
    pub(crate) fn settled(&self, case: &str) -> Now {
        self.all_settled(case).remove(&alice()).unwrap_or(Now::Absent)
    }

    /// How every instance is, after every operation was brought to an end.
    pub(crate) fn all_settled(&self, case: &str) -> BTreeMap<InstanceName, Now> {
        let ledger = self.ledger();
        let open = ledger.open_operation().unwrap();
        assert!(open.is_none(), "{case}: an operation is open: {open:?}");
        assert_eq!(ledger.stuck_operations().unwrap(), [], "{case}");
        self.check_data(case);
        let records = ledger.instances().unwrap();
        let containers = self.engine.containers();
        let mut leads = self.routes.leads();
        let mut mounted: BTreeSet<PathBuf> = mounts_below(&self.layout.mounts_dir()).into_iter().collect();
        let mut seen = BTreeMap::new();
        let list = self.list();
        assert_eq!(list.len(), records.len(), "{case}");
        let mut known_containers = BTreeSet::new();
        for (record, shown) in records.into_iter().zip(list) {
            let name = record.name.clone();
            let retiring = ledger.retiring(&name).unwrap();
            let is_retiring = |id: &homeport_host::engine::ContainerId| retiring.iter().any(|one| one.container == *id);
            let of_it = containers.iter().filter(|one| one.labels.get(LABEL_INSTANCE) == Some(name.as_str()));
            let (old, own): (Vec<_>, Vec<_>) = of_it.partition(|one| is_retiring(&one.id));
            assert_eq!(old.len(), retiring.len(), "{case}: {name} has lost a container that retires");
            known_containers.extend(old.iter().map(|one| one.id.clone()));
            assert!(own.len() <= 1, "{case}: {name} has {} containers", own.len());
            let container = own.first().map(|one| one.id.clone());
            assert_eq!(record.container, container, "{case}: ledger and engine differ about {name}");
            known_containers.extend(container.clone());
            let runs = own.iter().any(|one| one.state.is_running());
            let config = ledger.config(&name).unwrap();
            let Some(Value::Text(greeting)) = config.effective.get(&"motd".parse().unwrap()).cloned() else {
                panic!("{case}: {name} has no greeting")
            };
            assert!(
                own.iter().all(|one| one.image == record.image),
                "{case}: {name} runs another version than is noted"
            );
            self.check_formats(&record, case);
            let shown_greeting = greeting.clone();
            let greeting = if record.version == semver::Version::new(1, 0, 0) {
                greeting
            } else {
                format!("{greeting}@{}", record.version)
            };
            let now = match (record.desired, runs) {
                (Desired::Running, true) => {
                    let told = self.port.deeds().greetings[&container.clone().unwrap().to_string()].clone();
                    assert_eq!(told, shown_greeting, "{case}: {name} runs with another configuration than is stored");
                    assert!(["running", "ready"].contains(&shown.state.as_str()), "{case}: {}", shown.state);
                    Now::Running(greeting)
                }
                (Desired::Stopped, false) => {
                    assert_eq!(shown.state, "stopped", "{case}");
                    Now::Stopped(greeting)
                }
                (Desired::Running, false) => Now::Down(greeting),
                (Desired::Stopped, true) => panic!("{case}: {name} should be stopped and runs"),
            };
            self.check_routes(&name, &now, container.as_ref(), &mut leads, case);
            for volume in ledger.volumes(&name).unwrap() {
                assert_eq!(volume.state, VolumeState::Attached, "{case}: {}", volume.name);
                let is_mounted = mounted.remove(&self.layout.mounts_dir().join(&volume.uuid));
                // One that should run and does not may keep its mounts for the next start.
                // A container that runs has its own mounts: nothing of the volume stays mounted here.
                assert!(!is_mounted || matches!(now, Now::Down(_)), "{case}: {} is mounted", volume.name);
            }
            assert_eq!(ledger.volumes(&name).unwrap().len(), 2, "{case}");
            if runs {
                assert!(self.layout.instance_run_dir(&name, record.slot).join("config.json").exists(), "{case}");
            }
            seen.insert(name, now);
        }
        let strangers: Vec<_> = containers.iter().filter(|one| !known_containers.contains(&one.id)).collect();
        assert!(strangers.is_empty(), "{case}: containers are left: {strangers:?}");
        assert!(leads.is_empty(), "{case}: routes are left: {leads:?}");
        assert!(mounted.is_empty(), "{case}: mounts are left: {mounted:?}");
        self.check_places(&seen, case);
        seen
    }

    /// The routes of an instance are held, and lead to its container where it runs.
    fn check_routes(
        &self,
        name: &InstanceName,
        now: &Now,
        container: Option<&homeport_host::engine::ContainerId>,
        leads: &mut BTreeMap<homeport_router::RouteId, (homeport_host::routes::ListenAddress, SimLead)>,
        case: &str,
    ) {
        for route in self.ledger().routes(name).unwrap() {
            let id = homeport_router::RouteId { instance: name.clone(), endpoint: route.endpoint.clone() };
            let (address, lead) = leads.remove(&id).unwrap_or_else(|| panic!("{case}: {id} is not held"));
            assert_eq!(address.to_string(), format!("{}:{}", route.listen, route.port), "{case}");
            let wanted = match (now, container) {
                (Now::Running(_), Some(container)) => SimLead::To(container.clone(), route.target_port),
                _ => SimLead::Closed,
            };
            assert_eq!(lead, wanted, "{case}: {id}");
        }
        assert_eq!(self.ledger().routes(name).unwrap().len(), 1, "{case}");
        // Addresses of a version that retires stay for the clients that it has, and get no new ones.
        if let [_, ..] = self.ledger().retiring(name).unwrap().as_slice() {
            leads.retain(|id, (_, lead)| id.instance != *name || *lead != SimLead::Closed);
        }
    }

    /// Network, run directories and volumes are those of the instances that there are.
    fn check_places(&self, seen: &BTreeMap<InstanceName, Now>, case: &str) {
        let networks = self.engine.networks();
        assert_eq!(networks.len(), usize::from(!seen.is_empty()), "{case}: {networks:?} for {seen:?}");
        let run_dirs = fs::read_dir(self.layout.run_dir().join("instances")).into_iter().flatten();
        for dir in run_dirs.filter_map(Result::ok) {
            let name = dir.file_name().into_string().unwrap();
            let is_known = seen.keys().any(|known| known.as_str() == name);
            let is_left = ["port", "b"].iter().any(|port| dir.path().join(port).exists());
            assert!(is_known || !is_left, "{case}: the run directory of {name} is left");
        }
        for volume in self.ledger().all_volumes().unwrap().iter().filter(|one| !seen.contains_key(&one.instance)) {
            assert_eq!(volume.state, VolumeState::Kept, "{case}: {}", volume.name);
        }
    }

    /// Each volume has a format that the recorded version works with.
    fn check_formats(&self, record: &homeport_host::ledger::InstanceRecord, case: &str) {
        let manifest = homeport_core::manifest::parse(&record.manifest).unwrap();
        for volume in self.ledger().volumes(&record.name).unwrap() {
            let marker = Marker::parse(&fs::read(volume.path.join(".homeport/marker.json")).unwrap()).unwrap();
            assert_eq!(marker.format, volume.format, "{case}: ledger and disk differ about {}", volume.name);
            let declared = &manifest.volumes[&volume.name];
            let works = declared.min_format..=declared.format;
            assert!(works.contains(&volume.format), "{case}: {} has format {}", volume.name, volume.format);
        }
    }

    /// Data, at any moment: every volume that was ever written to is known, marked, and holds every byte; a volume that
    /// nobody knows does not exist.
    pub(crate) fn check_data(&self, case: &str) {
        let mut deeds = self.port.deeds();
        assert_eq!(deeds.wrongs, Vec::<String>::new(), "{case}");
        let mut known: BTreeSet<String> =
            self.ledger().trash().unwrap().iter().map(|record| record.volume.to_string()).collect();
        for record in self.ledger().all_volumes().unwrap() {
            let marker = fs::read(record.path.join(".homeport/marker.json"));
            let marker = marker.unwrap_or_else(|error| panic!("{case}: {}: {error}", record.path.display()));
            let marker = Marker::parse(&marker).unwrap_or_else(|faults| panic!("{case}: {faults:?}"));
            assert_eq!(marker.uuid.to_string(), record.uuid, "{case}");
            assert_eq!((&marker.instance, &marker.volume), (&record.instance, &record.name), "{case}");
            // The disk is written first: it may be ahead of the ledger and never behind it.
            assert!(marker.generation.get() >= record.generation, "{case}");
            let data = record.path.join("data");
            deeds.travel_as(&record.uuid, &data).unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
            deeds.verify_as(&record.uuid, &data).unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
            known.insert(record.uuid.clone());
        }
        for (uuid, name) in deeds.written.keys() {
            assert!(known.contains(uuid), "{case}: `{name}` was written to {uuid}, which nobody knows");
        }
    }

    /// Nothing is in HomePort's data directory and the operator's but volumes that are known; without data they are gone,
    /// and the operator's directory is as it was. Call it only after an undone deploy.
    pub(crate) fn check_kept(&self, case: &str, is_on_disk: bool) {
        let ledger = self.ledger();
        let deeds = self.port.deeds();
        let volumes = ledger.all_volumes().unwrap();
        for volume in &volumes {
            assert!(deeds.wrote_to(&volume.uuid), "{case}: {} is blank and was kept", volume.name);
            assert_eq!(volume.has_data, HasData::Yes, "{case}: {} holds data and that is not known", volume.name);
        }
        let wanted: BTreeSet<PathBuf> =
            volumes.iter().filter(|one| one.origin == Origin::Default).map(|one| one.path.clone()).collect();
        // Before the first operation there is no such directory.
        let instances = fs::read_dir(self.layout.data_dir()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let found: BTreeSet<PathBuf> = instances
            .flat_map(|instance| {
                let inner: Vec<_> = fs::read_dir(&instance).unwrap().map(|entry| entry.unwrap().path()).collect();
                assert!(!inner.is_empty(), "{case}: `{}` is left empty", instance.display());
                inner
            })
            .collect();
        assert_eq!(found, wanted, "{case}");
        if is_on_disk && !volumes.iter().any(|volume| volume.path == self.directory()) {
            let facts = fs::metadata(self.directory()).unwrap();
            let found = (facts.uid(), facts.gid(), facts.permissions().mode() & 0o7777);
            assert_eq!(found, (1234, 1234, 0o710), "{case}: the operator's directory is not as it was");
            assert_eq!(fs::read_dir(self.directory()).unwrap().count(), 0, "{case}");
        }
    }

    /// No journal holds a secret.
    pub(crate) fn check_journals(&self, case: &str) {
        let ledger = self.ledger();
        let events = ledger.events(None, 1000).unwrap();
        let operations: BTreeSet<_> = events.iter().filter_map(|event| event.operation.map(OperationId::get)).collect();
        for id in operations {
            let found = ledger.operation(OperationId::new(id)).unwrap();
            let Some((operation, steps)) = found else { continue };
            let details = steps.iter().map(|step| step.detail.clone());
            let text: Vec<String> = details.chain([operation.plan, operation.message]).collect();
            assert!(!text.iter().any(|text| text.contains(SECRET)), "{case}: the journal holds a secret");
        }
    }
}
