//! Pins the whole request: a hardening flag that goes missing is a failing test, whatever else changes.

use std::collections::{BTreeMap, BTreeSet};

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, Gid, Mode, Seconds, Uid};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engine::{Capability, ContainerUser, CpuShares, Labels, Limits, OomScore, OpenFiles, PidLimit};

fn spec() -> ContainerSpec {
    ContainerSpec {
        name: "homeport-alice-1f3c5a7b".parse().unwrap(),
        image: Digest::new([7; 32]),
        entrypoint: Entrypoint::Exactly(vec!["/port/init".to_owned()]),
        args: vec!["run".to_owned()],
        env: BTreeMap::from([("HOMEPORT_PHASE".to_owned(), "run".to_owned())]),
        user: ContainerUser::ROOT,
        labels: Labels::new().with("io.homeport.instance", "alice"),
        hostname: "alice".parse().unwrap(),
        network: NetworkMode::Attached("ab".repeat(32).parse().unwrap()),
        extra_hosts: vec![
            ExtraHost { name: "host".parse().unwrap(), address: HostAddress::Gateway },
            ExtraHost { name: "peer".parse().unwrap(), address: HostAddress::Ip("fd00::1".parse().unwrap()) },
        ],
        binds: vec![
            BindMount {
                source: "/run/homeport/mnt/u/data".parse().unwrap(),
                target: "/home/user".parse().unwrap(),
                access: Access::ReadWrite,
            },
            BindMount {
                source: "/run/homeport/instances/alice/port".parse().unwrap(),
                target: "/run/port".parse().unwrap(),
                access: Access::ReadOnly,
            },
        ],
        tmpfs: vec![
            TmpfsMount {
                target: "/run".parse().unwrap(),
                size: Bytes::new(8 << 20),
                mode: Mode::new(0o755),
                uid: Uid::new(0),
                gid: Gid::new(0),
                exec: Exec::Refused,
                access: Access::ReadWrite,
            },
            TmpfsMount {
                target: "/tmp".parse().unwrap(),
                size: Bytes::new(1 << 20),
                mode: Mode::new(0o1777),
                uid: Uid::new(1000),
                gid: Gid::new(1001),
                exec: Exec::Allowed,
                access: Access::ReadOnly,
            },
        ],
        capabilities: BTreeSet::from([Capability::SETUID, Capability::KILL]),
        limits: Limits {
            memory: Bytes::new(512 << 20),
            pids: PidLimit::new(256),
            cpu: CpuShares::new(512),
            open_files: OpenFiles::new(4096),
            shm: Bytes::new(16 << 20),
            logs: LogLimit { file: Bytes::new(1_000_000), files: 2 },
            oom: OomScore::new(100),
        },
        stop_grace: Seconds::new(15),
    }
}

fn written(spec: &ContainerSpec) -> Value {
    serde_json::to_value(container(spec)).unwrap()
}

#[test]
fn the_whole_request_is_this() {
    let mounts = json!([
        {
            "Type": "bind",
            "Source": "/run/homeport/mnt/u/data",
            "Target": "/home/user",
            "ReadOnly": false,
            "BindOptions": { "Propagation": "rprivate" }
        },
        {
            "Type": "bind",
            "Source": "/run/homeport/instances/alice/port",
            "Target": "/run/port",
            "ReadOnly": true,
            "BindOptions": { "Propagation": "rprivate" }
        }
    ]);
    let host = json!({
        "CapDrop": ["ALL"],
        "CapAdd": ["KILL", "SETUID"],
        "Privileged": false,
        "ReadonlyRootfs": true,
        "SecurityOpt": ["no-new-privileges:true"],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Init": false,
        "RestartPolicy": { "Name": "no" },
        "AutoRemove": false,
        "PublishAllPorts": false,
        "NetworkMode": "ab".repeat(32),
        "ExtraHosts": ["host:host-gateway", "peer:fd00::1"],
        "Mounts": mounts,
        "Tmpfs": {
            "/run": "rw,nosuid,nodev,noexec,size=8388608,mode=0755,uid=0,gid=0",
            "/tmp": "ro,nosuid,nodev,exec,size=1048576,mode=1777,uid=1000,gid=1001"
        },
        "Memory": 536_870_912,
        "MemorySwap": 536_870_912,
        "OomKillDisable": false,
        "OomScoreAdj": 100,
        "PidsLimit": 256,
        "CpuShares": 512,
        "Ulimits": [{ "Name": "nofile", "Soft": 4096, "Hard": 4096 }],
        "ShmSize": 16_777_216,
        "LogConfig": { "Type": "json-file", "Config": { "max-size": "1000000", "max-file": "2" } }
    });
    let expected = json!({
        "Hostname": "alice",
        "User": "0:0",
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": false,
        "OpenStdin": false,
        "Env": ["HOMEPORT_PHASE=run"],
        "Cmd": ["run"],
        "Healthcheck": { "Test": ["NONE"] },
        "Image": format!("sha256:{}", "07".repeat(32)),
        "Entrypoint": ["/port/init"],
        "Labels": { "io.homeport.instance": "alice" },
        "StopSignal": "SIGTERM",
        "StopTimeout": 15,
        "HostConfig": host
    });
    assert_eq!(written(&spec()), expected);
}

#[test]
fn the_images_own_entrypoint_and_no_network_can_be_asked_for() {
    let spec = ContainerSpec { entrypoint: Entrypoint::OfImage, network: NetworkMode::None, ..spec() };
    let body = written(&spec);
    assert_eq!(body.get("Entrypoint"), None);
    assert_eq!(body["HostConfig"]["NetworkMode"], "none");
}

fn any_spec() -> impl Strategy<Value = ContainerSpec> {
    let capabilities = proptest::sample::subsequence(vec!["KILL", "SETUID", "SYS_ADMIN", "NET_RAW"], 0..=4);
    let mounts = proptest::collection::vec(("/[a-z:,=]{1,8}", "/[a-z:,=]{1,8}", any::<bool>()), 0..4);
    (capabilities, mounts, any::<u64>(), any::<u32>(), proptest::collection::vec("[ -~]{0,12}", 0..4)).prop_map(
        |(capabilities, mounts, memory, pids, args)| ContainerSpec {
            capabilities: capabilities.iter().map(|name| name.parse().unwrap()).collect(),
            binds: mounts
                .iter()
                .map(|(source, target, read_only)| BindMount {
                    source: source.parse().unwrap(),
                    target: target.parse().unwrap(),
                    access: if *read_only { Access::ReadOnly } else { Access::ReadWrite },
                })
                .collect(),
            limits: Limits::new(Bytes::new(memory), PidLimit::new(pids)),
            args,
            ..spec()
        },
    )
}

proptest! {
    /// Whatever is described, the container is as hardened, and gets exactly the capabilities and mounts described.
    #[test]
    fn no_description_weakens_a_container(spec in any_spec()) {
        let host = written(&spec)["HostConfig"].clone();
        prop_assert_eq!(&host["CapDrop"], &json!(["ALL"]));
        prop_assert_eq!(&host["ReadonlyRootfs"], &json!(true));
        prop_assert_eq!(&host["Privileged"], &json!(false));
        prop_assert_eq!(&host["SecurityOpt"], &json!(["no-new-privileges:true"]));
        prop_assert_eq!(&host["RestartPolicy"]["Name"], &json!("no"));
        prop_assert_eq!(&host["Memory"], &host["MemorySwap"]);
        prop_assert!(host["Memory"].as_i64().unwrap() >= 0);
        prop_assert!(host["PidsLimit"].as_i64().unwrap() >= 16);
        for never in ["Binds", "PortBindings", "Devices", "DeviceRequests", "VolumesFrom", "PidMode", "UsernsMode",
            "UTSMode", "CgroupParent", "Sysctls", "MaskedPaths", "ReadonlyPaths", "Runtime", "GroupAdd"] {
            prop_assert_eq!(host.get(never), None, "{}", never);
        }
        let added: Vec<String> = spec.capabilities.iter().map(ToString::to_string).collect();
        prop_assert_eq!(&host["CapAdd"], &json!(added));
        let mounts = host["Mounts"].as_array().unwrap();
        prop_assert_eq!(mounts.len(), spec.binds.len());
        for (mount, bind) in mounts.iter().zip(&spec.binds) {
            prop_assert_eq!(&mount["Type"], &json!("bind"));
            prop_assert_eq!(&mount["Source"], &json!(bind.source.as_str()));
            prop_assert_eq!(&mount["Target"], &json!(bind.target.as_str()));
            prop_assert_eq!(&mount["ReadOnly"], &json!(bind.access == Access::ReadOnly));
            prop_assert_eq!(&mount["BindOptions"]["Propagation"], &json!("rprivate"));
            prop_assert_eq!(mount["BindOptions"].get("CreateMountpoint"), None);
        }
    }
}
