//! Random writes against a model of maps that knows nothing of SQLite.

use std::collections::{BTreeMap, BTreeSet};

use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;
use proptest::prelude::*;

use super::sample::{Root, config, instance, now, route, volume};
use crate::ledger::*;

#[derive(Debug, Clone)]
enum Write {
    PutInstance(InstanceRecord),
    RemoveInstance(usize),
    SetDesired(usize, Desired),
    PutConfig(usize, i64),
    PutVolume(VolumeRecord),
    SetState(u32, VolumeState),
    SetGeneration(u32, u64),
    Forget(u32),
    PutRoute(RouteRecord),
    RemoveRoute(RouteRecord),
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// What the ledger should hold.
#[derive(Debug, Default)]
struct Model {
    instances: BTreeMap<String, InstanceRecord>,
    configs: BTreeMap<String, InstanceConfig>,
    volumes: BTreeMap<String, VolumeRecord>,
    routes: BTreeMap<(Transport, u16, String), RouteRecord>,
}

/// `Ok` says whether something changes; `Err` is the code of the refusal.
type Verdict = Result<Change, &'static str>;

fn put<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Change {
    let same = map.get(&key) == Some(&value);
    map.insert(key, value);
    if same { Change::Unchanged } else { Change::Changed }
}

fn take<K: Ord, V>(map: &mut BTreeMap<K, V>, key: &K) -> Change {
    if map.remove(key).is_some() { Change::Changed } else { Change::Unchanged }
}

impl Model {
    fn apply(&mut self, write: &Write) -> Verdict {
        match write.clone() {
            Write::PutInstance(record) => {
                let name = record.name.to_string();
                match self.instances.get(&name) {
                    Some(found) if found.port != record.port => Err("HP-LED-027"),
                    _ => Ok(put(&mut self.instances, name, record)),
                }
            }
            Write::RemoveInstance(n) => {
                self.configs.remove(NAMES[n]);
                self.routes.retain(|_, route| route.instance.as_str() != NAMES[n]);
                Ok(take(&mut self.instances, &NAMES[n].to_owned()))
            }
            Write::SetDesired(n, desired) => {
                let record = self.instances.get(NAMES[n]).cloned().ok_or("HP-LED-026")?;
                Ok(put(&mut self.instances, NAMES[n].into(), InstanceRecord { desired, ..record }))
            }
            Write::PutConfig(n, number) => {
                self.instances.get(NAMES[n]).ok_or("HP-LED-026")?;
                Ok(put(&mut self.configs, NAMES[n].into(), config(number)))
            }
            Write::PutVolume(record) => self.put_volume(record),
            Write::SetState(n, state) => {
                let record = self.volume(n)?;
                Ok(put(&mut self.volumes, record.uuid.clone(), VolumeRecord { state, ..record }))
            }
            Write::SetGeneration(n, generation) => {
                let record = self.volume(n)?;
                if generation < record.generation {
                    return Err("HP-LED-032");
                }
                Ok(put(&mut self.volumes, record.uuid.clone(), VolumeRecord { generation, ..record }))
            }
            Write::Forget(n) => match self.volume(n) {
                Ok(record) if record.has_data == HasData::Yes => Err("HP-LED-033"),
                Ok(record) => Ok(take(&mut self.volumes, &record.uuid)),
                Err(_) => Ok(Change::Unchanged),
            },
            Write::PutRoute(record) => self.put_route(record),
            Write::RemoveRoute(record) => {
                let key = (record.transport, record.port.get(), record.listen.clone());
                let ours =
                    |found: &&RouteRecord| (&found.instance, &found.endpoint) == (&record.instance, &record.endpoint);
                match self.routes.get(&key).filter(ours) {
                    Some(_) => Ok(take(&mut self.routes, &key)),
                    None => Ok(Change::Unchanged),
                }
            }
        }
    }

    fn volume(&self, n: u32) -> Result<VolumeRecord, &'static str> {
        self.volumes.get(&volume(n, "a", "b").uuid).cloned().ok_or("HP-LED-028")
    }

    fn put_volume(&mut self, record: VolumeRecord) -> Verdict {
        let place = |of: &VolumeRecord| (of.port.clone(), of.instance.clone(), of.name.clone());
        if let Some(found) = self.volumes.get(&record.uuid).filter(|found| **found != record) {
            if place(found) != place(&record) {
                return Err("HP-LED-031");
            }
            if found.has_data == HasData::Yes && record.has_data == HasData::No {
                return Err("HP-LED-033");
            }
            if found.generation > record.generation {
                return Err("HP-LED-032");
            }
        }
        let mut others = self.volumes.values().filter(|other| other.uuid != record.uuid);
        if others.clone().any(|other| other.path == record.path) {
            return Err("HP-LED-029");
        }
        if others.any(|other| place(other) == place(&record)) {
            return Err("HP-LED-030");
        }
        Ok(put(&mut self.volumes, record.uuid.clone(), record))
    }

    fn put_route(&mut self, record: RouteRecord) -> Verdict {
        self.instances.get(record.instance.as_str()).ok_or("HP-LED-026")?;
        let key = (record.transport, record.port.get(), record.listen.clone());
        // Written as a table on purpose: which addresses of the test hold each other's port.
        let holds = |one: &str, other: &str| {
            one == other
                || one == "*"
                || other == "*"
                || matches!((one, other), ("0.0.0.0", "127.0.0.1") | ("127.0.0.1", "0.0.0.0"))
        };
        for ((transport, port, listen), found) in &self.routes {
            let same = (transport, port, listen) == (&key.0, &key.1, &key.2)
                && (&found.instance, &found.endpoint) == (&record.instance, &record.endpoint);
            if (*transport, *port) == (key.0, key.1) && holds(listen, &key.2) && !same {
                return Err("HP-LED-034");
            }
        }
        Ok(put(&mut self.routes, key, record))
    }

    fn check(&self, ledger: &Ledger) {
        let values = |name: &str| self.configs.get(name).cloned().unwrap_or_default();
        assert_eq!(ledger.instances().unwrap(), self.instances.values().cloned().collect::<Vec<_>>());
        let by_uuid: BTreeMap<_, _> =
            ledger.all_volumes().unwrap().into_iter().map(|volume| (volume.uuid.clone(), volume)).collect();
        assert_eq!(by_uuid, self.volumes);
        let by_address: BTreeMap<_, _> = ledger
            .all_routes()
            .unwrap()
            .into_iter()
            .map(|route| ((route.transport, route.port.get(), route.listen.clone()), route))
            .collect();
        assert_eq!(by_address, self.routes);
        let ports: BTreeSet<_> = self.routes.values().map(|route| route.port).collect();
        assert_eq!(ledger.leased_ports().unwrap(), ports);
        for name in NAMES {
            let instance = name.parse().unwrap();
            assert_eq!(ledger.config(&instance).unwrap(), values(name));
            assert_eq!(ledger.instance(&instance).unwrap().as_ref(), self.instances.get(name));
        }
    }
}

fn apply(writer: &mut LedgerWriter<'_>, write: &Write) -> Result<Change, LedgerError> {
    let name = |n: &usize| NAMES[*n].parse().unwrap();
    let uuid = |n: &u32| volume(*n, "a", "b").uuid;
    match write {
        Write::PutInstance(record) => writer.put_instance(record),
        Write::RemoveInstance(n) => writer.remove_instance(&name(n)),
        Write::SetDesired(n, desired) => writer.set_desired(&name(n), *desired, &now()),
        Write::PutConfig(n, number) => writer.put_config(&name(n), &config(*number)),
        Write::PutVolume(record) => writer.put_volume(record),
        Write::SetState(n, state) => writer.set_volume_state(&uuid(n), *state),
        Write::SetGeneration(n, generation) => writer.set_volume_generation(&uuid(n), *generation),
        Write::Forget(n) => writer.forget_volume(&uuid(n)),
        Write::PutRoute(record) => writer.put_route(record),
        Write::RemoveRoute(record) => writer.remove_route(record),
    }
}

fn volumes() -> impl Strategy<Value = VolumeRecord> {
    let data = prop_oneof![Just(HasData::No), Just(HasData::Yes)];
    (0..4_u32, 0..4_u32, 0..2_usize, 0..2_usize, 0..3_u64, data).prop_map(
        |(n, path, who, what, generation, has_data)| {
            let record = volume(n, NAMES[who], ["home", "mail"][what]);
            VolumeRecord { path: format!("/srv/{path}").into(), generation, has_data, ..record }
        },
    )
}

fn routes() -> impl Strategy<Value = RouteRecord> {
    let choice = prop_oneof![Just(RouteChoice::Fixed), Just(RouteChoice::Random)];
    let listen = prop::sample::select(vec!["*", "127.0.0.1", "0.0.0.0", "::1"]);
    let transport = prop_oneof![3 => Just(Transport::Tcp), 1 => Just(Transport::Udp)];
    (0..3_usize, 0..2_usize, listen, 80..82_u16, choice, transport).prop_map(
        |(who, what, listen, port, choice, transport)| RouteRecord {
            choice,
            transport,
            ..route(NAMES[who], ["ssh", "web"][what], listen, port)
        },
    )
}

fn writes() -> impl Strategy<Value = Write> {
    let desired = || prop_oneof![Just(Desired::Running), Just(Desired::Stopped)];
    let state = prop_oneof![Just(VolumeState::Attached), Just(VolumeState::Kept)];
    let instances = (0..3_usize, 0..8_usize, desired()).prop_map(|(who, port, desired)| InstanceRecord {
        port: if port == 0 { "web" } else { "shell" }.parse().unwrap(),
        desired,
        ..instance(NAMES[who])
    });
    prop_oneof![
        4 => instances.prop_map(Write::PutInstance),
        1 => (0..3_usize).prop_map(Write::RemoveInstance),
        1 => (0..3_usize, desired()).prop_map(|(n, desired)| Write::SetDesired(n, desired)),
        2 => (0..3_usize, 0..3_i64).prop_map(|(n, number)| Write::PutConfig(n, number)),
        5 => volumes().prop_map(Write::PutVolume),
        1 => (0..4_u32, state).prop_map(|(n, state)| Write::SetState(n, state)),
        1 => (0..4_u32, 0..3_u64).prop_map(|(n, generation)| Write::SetGeneration(n, generation)),
        1 => (0..4_u32).prop_map(Write::Forget),
        4 => routes().prop_map(Write::PutRoute),
        2 => routes().prop_map(Write::RemoveRoute),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_writes_come_to_what_the_model_says(writes in prop::collection::vec(writes(), 1..50)) {
        let root = Root::new();
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        let mut model = Model::default();
        for write in &writes {
            let verdict = apply(&mut writer, write).map_err(|error| error.code());
            prop_assert_eq!(verdict, model.apply(write), "{:?}", write);
            model.check(&writer);
            if verdict.is_ok() {
                // Asked again, every write has nothing left to do.
                prop_assert_eq!(apply(&mut writer, write).map_err(|error| error.code()), Ok(Change::Unchanged));
            }
        }
        drop(writer);
        model.check(&root.ledger());
        model.check(&LedgerWriter::open(&lock).unwrap());
    }
}
