//! Owns records to write, and a root to write them in.

use std::path::PathBuf;

use homeport_core::config::Value;
use homeport_core::digest::Digest;
use homeport_core::manifest::Transport;
use homeport_core::unit::{Format, PortNumber};

use crate::layout::Layout;
use crate::ledger::*;
use crate::oplock::{OperationLock, ProcessId, Wait};

/// A root of its own that is gone with the value. In memory: what is tested here is not the disk.
pub(super) struct Root {
    pub(super) layout: Layout,
    _directory: tempfile::TempDir,
}

impl Root {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let layout = Layout::under(directory.path()).unwrap();
        layout.prepare().unwrap();
        Self { layout, _directory: directory }
    }

    pub(super) fn lock(&self) -> OperationLock {
        lock(&self.layout)
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::open(&self.layout).unwrap()
    }
}

pub(super) fn lock(layout: &Layout) -> OperationLock {
    OperationLock::acquire(layout, Wait::No, "test", now(), |_| {}).unwrap()
}

pub(super) fn now() -> Time {
    "2026-11-23T04:19:45Z".parse().unwrap()
}

pub(super) fn instance(name: &str) -> InstanceRecord {
    InstanceRecord {
        name: name.parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.2.3-rc.1".parse().unwrap(),
        image: Digest::new([7; 32]),
        reference: "homeport/shell:1.2.3".into(),
        manifest: b"{\"a\": \xff}".to_vec(),
        desired: Desired::Running,
        slot: Slot::First,
        container: Some("0a".repeat(32).parse().unwrap()),
        created: now(),
        changed: now(),
        overrides: serde_json::json!({"memory": 1_u64 << 40}),
    }
}

/// A volume with this number: uuid and path are its own.
pub(super) fn volume(number: u32, instance: &str, name: &str) -> VolumeRecord {
    VolumeRecord {
        uuid: format!("00000000-0000-4000-8000-{number:012}"),
        instance: instance.parse().unwrap(),
        port: "shell".parse().unwrap(),
        name: name.parse().unwrap(),
        path: PathBuf::from(format!("/srv/{number}")),
        origin: Origin::Operator,
        format: Format::new(u32::MAX),
        generation: 0,
        filesystem: "ext4 é".into(),
        must_be_mount: MustBeMount::Yes,
        has_data: HasData::No,
        state: VolumeState::Attached,
        created: now(),
    }
}

pub(super) fn route(instance: &str, endpoint: &str, listen: &str, port: u16) -> RouteRecord {
    RouteRecord {
        instance: instance.parse().unwrap(),
        endpoint: endpoint.parse().unwrap(),
        listen: listen.into(),
        port: PortNumber::new(port),
        choice: RouteChoice::Random,
        target_port: PortNumber::new(22),
        transport: Transport::Tcp,
    }
}

pub(super) fn config(number: i64) -> InstanceConfig {
    InstanceConfig {
        given: [("password".parse().unwrap(), Value::Text("hunter2\n\"'".into()))].into(),
        effective: [
            ("n".parse().unwrap(), Value::Whole(number)),
            ("on".parse().unwrap(), Value::Bool(true)),
            ("keys".parse().unwrap(), Value::List(vec!["a".into(), String::new()])),
        ]
        .into(),
        ..InstanceConfig::default()
    }
}

pub(super) fn operation(instance: &str, steps: usize) -> NewOperation {
    let step = |n: usize| NewStep { name: format!("step-{n}"), detail: "{}".into() };
    NewOperation {
        kind: "deploy".into(),
        instance: instance.parse().unwrap(),
        pid: ProcessId::current(),
        started: now(),
        plan: "{}".into(),
        steps: (0..steps).map(step).collect(),
    }
}

pub(super) fn event(text: &str) -> EventRecord {
    EventRecord { time: now(), instance: None, operation: None, kind: "said".into(), text: text.into() }
}
